#include "syncers.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <iterator>
#include <utility>

#include "clock.h"

namespace matrixcore::load {
namespace {

constexpr int64_t kPauseMs = 100;  // after a failure

// What a client of today asks for.
std::string SlidingBody(uint32_t timeline_limit) {
  return fmt::format(
      R"({{"lists":{{"all":{{"ranges":[[0,19]],"timeline_limit":{},)"
      R"("required_state":[["m.room.name",""],["m.room.encryption",""],)"
      R"(["m.room.member","$LAZY"],["m.room.member","$ME"]]}}}},)"
      R"("extensions":{{"to_device":{{"enabled":true}},)"
      R"("e2ee":{{"enabled":true}},"account_data":{{"enabled":true}},)"
      R"("receipts":{{"enabled":true}},"typing":{{"enabled":true}}}}}})",
      timeline_limit);
}

}  // namespace

Syncers::Syncers(const Options& options, boost::asio::io_context& io,
                 HttpClient& client, std::vector<const User*> users,
                 std::string run, Measurements* out)
    : options_(options),
      marker_("\"mcload " + run + " "),
      sliding_body_(options.sliding ? SlidingBody(options.sync_limit)
                                    : std::string()),
      out_(*out) {
  for (const User* user : users) {
    auto syncer = std::make_unique<Syncer>();
    syncer->user = user;
    syncer->connection = client.NewConnection();
    syncer->pause = std::make_unique<boost::asio::steady_timer>(io);
    syncers_.push_back(std::move(syncer));
  }
}

Syncers::~Syncers() { Stop(); }

void Syncers::Start(uint32_t width, std::function<void()> ready) {
  ready_ = std::move(ready);
  if (syncers_.empty()) {
    ready_();
    return;
  }
  for (uint32_t i = 0; i < width; ++i) StartNext();
}

void Syncers::Stop() {
  stopped_ = true;
  for (const auto& syncer : syncers_) {
    syncer->connection->Close();
    syncer->pause->cancel();
  }
}

void Syncers::StartNext() {
  if (started_ < syncers_.size()) Poll(*syncers_[started_++]);
}

void Syncers::Poll(Syncer& syncer) {
  const bool sliding = options_.sliding;
  path_ = sliding
              ? "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?"
              : "/_matrix/client/v3/sync?filter=" +
                    EscapeSegment(syncer.user->filter);
  syncer.polling = !syncer.since.empty();
  if (syncer.polling) {
    ++polling_;
    fmt::format_to(std::back_inserter(path_), "&timeout={}&{}={}",
                   options_.sync_timeout_ms, sliding ? "pos" : "since",
                   EscapeSegment(syncer.since));
  }
  syncer.connection->Send(
      {.method = sliding ? "POST" : "GET",
       .path = path_,
       .token = syncer.user->token,
       .body = sliding_body_},
      [this, &syncer](const Reply& reply) { Take(syncer, reply); });
}

void Syncers::Take(Syncer& syncer, const Reply& reply) {
  if (syncer.polling) --polling_;
  const std::string_view next =
      FindString(reply.body, options_.sliding ? "\"pos\"" : "\"next_batch\"");
  if (reply.status != 200 || next.empty()) {
    out_.AddError("sync", reply);
    if (stopped_) return;
    syncer.pause->expires_after(std::chrono::milliseconds(
        reply.retry_after_ms > 0 ? reply.retry_after_ms : kPauseMs));
    syncer.pause->async_wait([this, &syncer](const auto& ec) {
      if (!ec) Poll(syncer);
    });
    return;
  }
  const bool first = syncer.since.empty();
  syncer.since = next;
  if (out_.window.Has(NowNs())) {
    ++out_.syncs;
    out_.sync_bytes += reply.body.size();
  }
  if (!first) Scan(reply.body);
  if (stopped_) return;
  Poll(syncer);  // ends the life of reply.body
  if (first) {
    StartNext();
    if (++initial_ == syncers_.size()) ready_();
  }
}

void Syncers::Scan(std::string_view body) {
  const int64_t now = NowNs();
  size_t at = 0;
  while ((at = body.find(marker_, at)) != std::string_view::npos) {
    at += marker_.size();
    int64_t began = 0;
    const auto [end, error] =
        std::from_chars(body.data() + at, body.data() + body.size(), began);
    if (error != std::errc() || !out_.window.Has(began)) continue;
    ++out_.delivered;
    out_.delivery.Add(now - began);
  }
  constexpr std::string_view kLimited = "\"limited\":true";
  for (at = 0; (at = body.find(kLimited, at)) != std::string_view::npos;
       at += kLimited.size()) {
    ++out_.limited;
  }
}

std::string_view FindString(std::string_view json, std::string_view key) {
  for (size_t at = 0; (at = json.find(key, at)) != std::string_view::npos;) {
    at += key.size();
    size_t p = json.find_first_not_of(" \t\r\n", at);
    if (p == std::string_view::npos || json[p] != ':') continue;
    p = json.find_first_not_of(" \t\r\n", p + 1);
    if (p == std::string_view::npos || json[p] != '"') continue;
    const size_t end = json.find('"', p + 1);
    if (end == std::string_view::npos) return {};
    return json.substr(p + 1, end - p - 1);
  }
  return {};
}

}  // namespace matrixcore::load
