#include "scenario.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "clock.h"
#include "matrixcore/base/random.h"
#include "senders.h"
#include "syncers.h"

namespace matrixcore::load {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr auto kSampleInterval = std::chrono::milliseconds(250);
constexpr auto kLagInterval = std::chrono::milliseconds(5);
constexpr uint32_t kSyncWidth = 32;  // initial syncs at once

class Scenario {
 public:
  Scenario(const Options& options, asio::io_context& io, HttpClient& client,
           const World& world)
      : options_(options),
        io_(io),
        run_(NewSystemRandom()->AlphaNumeric(8)),
        syncers_(options, io, client, Readers(options, world), run_, &out_),
        parked_(options, io, client, ParkedUsers(options, world), run_, &out_),
        senders_(options, io, client, world, run_,
                 ReadersOfRooms(options, world), &out_),
        sample_timer_(io),
        lag_timer_(io) {}

  Result<Measurements> Run() {
    if (options_.pid != 0 && !ReadProcessStats(options_.pid)) {
      return Status(StatusCode::kFailedPrecondition,
                    "there is no process with the given --pid");
    }
    out_.server_before = Sample();
    const int64_t began = NowNs();
    RunUntilCalled([&](auto done) { parked_.Start(kSyncWidth, done); });
    if (options_.parked > 0) {
      out_.parking_s = static_cast<double>(NowNs() - began) / 1e9;
      RunFor(options_.settle_s);
    }
    RunUntilCalled([&](auto done) { syncers_.Start(kSyncWidth, done); });
    senders_.Start();
    RunFor(options_.warmup_s);
    Measure();
    senders_.Stop();
    Drain();
    syncers_.Stop();
    parked_.Stop();
    return std::move(out_);
  }

 private:
  // Syncer j is the user farthest from sender j, so that a user reads what
  // another one wrote where there are enough of them.
  static std::vector<uint32_t> ReaderIndexes(const Options& options) {
    std::vector<uint32_t> indexes;
    for (uint32_t j = 0; j < options.syncers; ++j) {
      const uint64_t index = uint64_t{j} * options.users / options.syncers;
      indexes.push_back(
          static_cast<uint32_t>(options.users - 1 - index % options.users));
    }
    return indexes;
  }

  static std::vector<const User*> Readers(const Options& options,
                                          const World& world) {
    std::vector<const User*> users;
    for (const uint32_t i : ReaderIndexes(options)) {
      users.push_back(&world.users[i]);
    }
    return users;
  }

  static std::vector<uint32_t> ReadersOfRooms(const Options& options,
                                              const World& world) {
    std::vector<uint32_t> readers(world.rooms.size(), 0);
    for (const uint32_t i : ReaderIndexes(options)) {
      for (const uint32_t room : world.users[i].rooms) ++readers[room];
    }
    return readers;
  }

  static std::vector<const User*> ParkedUsers(const Options& options,
                                              const World& world) {
    std::vector<const User*> users;
    for (uint32_t p = 0; p < options.parked; ++p) {
      users.push_back(&world.users[options.users + p]);
    }
    return users;
  }

  void RunUntilCalled(const std::function<void(std::function<void()>)>& start) {
    bool called = false;
    start([&called] { called = true; });
    io_.restart();
    while (!called) io_.run_one();
  }

  void RunFor(double s) {
    io_.restart();
    io_.run_for(std::chrono::microseconds(std::llround(s * 1e6)));
  }

  ProcessStats Sample() const {
    if (options_.pid == 0) return {};
    return ReadProcessStats(options_.pid).value_or(ProcessStats{});
  }

  void Measure() {
    out_.parked = parked_.polling();
    out_.server_begin = Sample();
    out_.server_rss_max = out_.server_begin.rss_bytes;
    const double own_cpu = OwnCpuSeconds();
    out_.window.begin_ns = NowNs();
    out_.window.end_ns =
        out_.window.begin_ns + std::llround(options_.duration_s * 1e9);
    SampleAgain();
    LagAgain();
    RunFor(options_.duration_s);
    sample_timer_.cancel();
    lag_timer_.cancel();
    out_.own_cpu_seconds = OwnCpuSeconds() - own_cpu;
    out_.server_end = Sample();
    out_.server_rss_max =
        std::max(out_.server_rss_max, out_.server_end.rss_bytes);
  }

  void Drain() {
    const int64_t deadline = NowNs() + std::llround(options_.drain_s * 1e9);
    while (NowNs() < deadline &&
           (!senders_.idle() || out_.delivered < out_.expected)) {
      RunFor(0.01);
    }
  }

  void SampleAgain() {
    sample_timer_.expires_after(kSampleInterval);
    sample_timer_.async_wait([this](const error_code& ec) {
      if (ec) return;
      out_.server_rss_max = std::max(out_.server_rss_max, Sample().rss_bytes);
      SampleAgain();
    });
  }

  // A timer that fires late says that the generator has more to do than time.
  void LagAgain() {
    lag_timer_.expires_after(kLagInterval);
    const int64_t due =
        NowNs() + std::chrono::nanoseconds(kLagInterval).count();
    lag_timer_.async_wait([this, due](const error_code& ec) {
      if (ec) return;
      out_.lag.Add(NowNs() - due);
      LagAgain();
    });
  }

  const Options& options_;
  asio::io_context& io_;
  Measurements out_;
  const std::string run_;
  Syncers syncers_;
  Syncers parked_;
  Senders senders_;
  asio::steady_timer sample_timer_;
  asio::steady_timer lag_timer_;
};

}  // namespace

Result<Measurements> RunScenario(const Options& options, asio::io_context& io,
                                 HttpClient& client, const World& world) {
  for (uint32_t i = 0; i < options.users && options.senders > 0; ++i) {
    if (world.users[i].rooms.empty()) {
      return Status(StatusCode::kInvalidArgument,
                    "senders need rooms: --rooms times --members must reach "
                    "all --users");
    }
  }
  return Scenario(options, io, client, world).Run();
}

}  // namespace matrixcore::load
