#include "report.h"

#include <fmt/format.h>

#include <iterator>

#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"

namespace matrixcore::load {
namespace {

// Above this share of a core the generator itself slows the figures.
constexpr double kBusyShare = 0.85;

double PerSecond(const Options& o, uint64_t count) {
  return static_cast<double>(count) / o.duration_s;
}

double ServerCpu(const Options& o, const Measurements& m) {
  return (m.server_end.cpu_seconds - m.server_begin.cpu_seconds) / o.duration_s;
}

double OwnCpu(const Options& o, const Measurements& m) {
  return m.own_cpu_seconds / o.duration_s;
}

double Mib(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::string Quantiles(const Histogram& h) {
  return fmt::format("p50 {:.2f}  p95 {:.2f}  p99 {:.2f}  max {:.2f} ms",
                     h.QuantileMs(0.50), h.QuantileMs(0.95), h.QuantileMs(0.99),
                     h.max_ms());
}

void WriteQuantiles(json::Writer* w, std::string_view name,
                    const Histogram& h) {
  const auto field = [&](std::string_view what, double ms) {
    w->Key(fmt::format("{}_{}_ms", name, what)).Double(ms);
  };
  field("mean", h.mean_ms());
  field("p50", h.QuantileMs(0.50));
  field("p95", h.QuantileMs(0.95));
  field("p99", h.QuantileMs(0.99));
  field("max", h.max_ms());
}

}  // namespace

void Measurements::AddError(std::string_view what, const Reply& reply) {
  if (reply.status == 0) {
    ++errors[fmt::format("{}: {}", what, reply.error)];
    return;
  }
  const auto document = json::Document::Parse(std::string(reply.body));
  const std::string_view errcode =
      document.ok() ? document->root()["errcode"].StringOr("(no errcode)")
                    : "(not JSON)";
  ++errors[fmt::format("{}: {} {}", what, reply.status, errcode)];
}

std::string TextReport(const Options& o, const Measurements& m) {
  std::string text;
  const auto out = std::back_inserter(text);
  const std::string loop = o.rate > 0 ? fmt::format("{:g} sends/s due", o.rate)
                                      : std::string("closed loop");
  fmt::format_to(out,
                 "run         {}, {} senders, {} rooms of {}, {} syncers, {} "
                 "parked; {:g} s after {:g} s\n",
                 loop, o.senders, o.rooms, o.members, o.syncers, m.parked,
                 o.duration_s, o.warmup_s);
  fmt::format_to(out, "sends       {} = {:.1f}/s  {}\n", m.sends,
                 PerSecond(o, m.sends), Quantiles(m.send));
  if (o.syncers > 0) {
    fmt::format_to(out, "deliveries  {} of {}  {}\n", m.delivered, m.expected,
                   Quantiles(m.delivery));
    fmt::format_to(out, "syncs       {:.1f}/s, {:.1f} MiB/s, {} limited\n",
                   PerSecond(o, m.syncs), Mib(m.sync_bytes) / o.duration_s,
                   m.limited);
  }
  if (o.pid != 0) {
    fmt::format_to(out,
                   "server      RSS {:.1f} MiB at first, {:.1f} before, {:.1f} "
                   "after, {:.1f} at most (anonymous {:.1f}); {} threads; "
                   "CPU {:.0f} % of a core\n",
                   Mib(m.server_before.rss_bytes),
                   Mib(m.server_begin.rss_bytes), Mib(m.server_end.rss_bytes),
                   Mib(m.server_rss_max), Mib(m.server_end.anonymous_bytes),
                   m.server_end.threads, 100 * ServerCpu(o, m));
  }
  fmt::format_to(out, "generator   CPU {:.0f} % of a core, lag {}{}\n",
                 100 * OwnCpu(o, m), Quantiles(m.lag),
                 OwnCpu(o, m) > kBusyShare
                     ? "  <- the bottleneck: the server may do more"
                     : "");
  for (const auto& [kind, count] : m.errors) {
    fmt::format_to(out, "error       {} times {}\n", count, kind);
  }
  return text;
}

std::string JsonReport(const Options& o, const Measurements& m) {
  std::string text;
  json::Writer w(&text);
  const auto number = [&](std::string_view key, uint64_t value) {
    w.Field(key, static_cast<int64_t>(value));
  };
  w.BeginObject();
  number("senders", o.senders);
  number("rooms", o.rooms);
  number("members", o.members);
  number("syncers", o.syncers);
  number("parked", m.parked);
  w.Key("rate").Double(o.rate);
  w.Key("duration_s").Double(o.duration_s);
  number("sends", m.sends);
  w.Key("sends_per_second").Double(PerSecond(o, m.sends));
  WriteQuantiles(&w, "send", m.send);
  number("deliveries", m.delivered);
  number("deliveries_expected", m.expected);
  WriteQuantiles(&w, "delivery", m.delivery);
  w.Key("syncs_per_second").Double(PerSecond(o, m.syncs));
  number("limited", m.limited);
  w.Key("parking_s").Double(m.parking_s);
  number("server_rss_first", m.server_before.rss_bytes);
  number("server_rss_begin", m.server_begin.rss_bytes);
  number("server_rss_end", m.server_end.rss_bytes);
  number("server_rss_max", m.server_rss_max);
  number("server_anonymous_end", m.server_end.anonymous_bytes);
  number("server_threads", m.server_end.threads);
  w.Key("server_cpu").Double(ServerCpu(o, m));
  w.Key("generator_cpu").Double(OwnCpu(o, m));
  w.Field("generator_was_bottleneck", OwnCpu(o, m) > kBusyShare);
  WriteQuantiles(&w, "generator_lag", m.lag);
  w.Key("errors").BeginObject();
  for (const auto& [kind, count] : m.errors) number(kind, count);
  w.EndObject().EndObject();
  return text;
}

}  // namespace matrixcore::load
