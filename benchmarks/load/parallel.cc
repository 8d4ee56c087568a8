#include "parallel.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <vector>

#include "clock.h"

namespace matrixcore::load {
namespace {

namespace asio = boost::asio;

constexpr int kMaxRetries = 100;
constexpr int64_t kDefaultRetryMs = 1000;

class CallRunner {
 public:
  CallRunner(asio::io_context& io, HttpClient& client, std::string_view what,
             size_t count, const std::function<Call(size_t)>& make,
             const std::function<Status(size_t, const Reply&)>& take)
      : io_(io),
        client_(client),
        what_(what),
        count_(count),
        make_(make),
        take_(take) {}

  Status Run(uint32_t width) {
    const int64_t began = NowNs();
    const size_t lanes = std::min<size_t>(width, count_);
    for (size_t i = 0; i < lanes; ++i) {
      lanes_.push_back(std::make_unique<Lane>(client_.NewConnection(), io_));
    }
    running_ = lanes;
    for (const auto& lane : lanes_) Next(*lane);
    io_.restart();
    while (running_ > 0) io_.run_one();
    for (const auto& lane : lanes_) lane->connection->Close();
    if (status_.ok() && count_ > 0) {
      fmt::print(stderr, "setup: {}: {} in {:.1f} s\n", what_, count_,
                 static_cast<double>(NowNs() - began) / 1e9);
    }
    return status_;
  }

 private:
  struct Lane {
    Lane(std::shared_ptr<Connection> c, asio::io_context& io)
        : connection(std::move(c)), timer(io) {}
    std::shared_ptr<Connection> connection;
    asio::steady_timer timer;
    size_t index = 0;
    int retries = 0;
    Call call;
  };

  void Next(Lane& lane) {
    if (!status_.ok() || next_ == count_) {
      --running_;
      return;
    }
    lane.index = next_++;
    lane.retries = 0;
    lane.call = make_(lane.index);
    Send(lane);
  }

  void Send(Lane& lane) {
    const Request request = {.method = lane.call.method,
                             .path = lane.call.path,
                             .token = lane.call.token,
                             .body = lane.call.body};
    lane.connection->Send(
        request, [this, &lane](const Reply& reply) { Take(lane, reply); });
  }

  void Take(Lane& lane, const Reply& reply) {
    if (reply.status == 429 && lane.retries++ < kMaxRetries) {
      const int64_t wait_ms =
          reply.retry_after_ms > 0 ? reply.retry_after_ms : kDefaultRetryMs;
      lane.timer.expires_after(std::chrono::milliseconds(wait_ms));
      lane.timer.async_wait([this, &lane](const auto&) { Send(lane); });
      return;
    }
    Status status =
        reply.status == 0 ? Unexpected(what_, reply) : take_(lane.index, reply);
    if (!status.ok() && status_.ok()) status_ = std::move(status);
    Next(lane);
  }

  asio::io_context& io_;
  HttpClient& client_;
  std::string what_;
  size_t count_;
  const std::function<Call(size_t)>& make_;
  const std::function<Status(size_t, const Reply&)>& take_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  size_t next_ = 0;
  size_t running_ = 0;
  Status status_;
};

}  // namespace

Status RunCalls(asio::io_context& io, HttpClient& client, std::string_view what,
                size_t count, uint32_t width,
                const std::function<Call(size_t)>& make,
                const std::function<Status(size_t, const Reply&)>& take) {
  return CallRunner(io, client, what, count, make, take).Run(width);
}

Status Unexpected(std::string_view what, const Reply& reply) {
  if (reply.status == 0) {
    return Status(StatusCode::kUnavailable,
                  fmt::format("{}: {}", what, reply.error));
  }
  return Status(StatusCode::kFailedPrecondition,
                fmt::format("{}: the server answered {} {}", what, reply.status,
                            reply.body.substr(0, 300)));
}

}  // namespace matrixcore::load
