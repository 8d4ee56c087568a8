#include "senders.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string_view>
#include <utility>

#include "clock.h"

namespace matrixcore::load {
namespace {

constexpr int64_t kPauseMs = 100;  // after a failure
constexpr std::string_view kBodyEnd = "\"}";

}  // namespace

Senders::Senders(const Options& options, boost::asio::io_context& io,
                 HttpClient& client, const World& world, std::string run,
                 std::vector<uint32_t> readers, Measurements* out)
    : options_(options),
      run_(std::move(run)),
      readers_(std::move(readers)),
      out_(*out),
      timer_(io) {
  for (const Room& room : world.rooms) {
    room_paths_.push_back(
        fmt::format("/_matrix/client/v3/rooms/{}/send/m.room.message/",
                    EscapeSegment(room.id)));
  }
  for (uint32_t s = 0; s < options.senders; ++s) {
    auto sender = std::make_unique<Sender>();
    sender->connection = client.NewConnection();
    sender->pause = std::make_unique<boost::asio::steady_timer>(io);
    // Spread evenly over the users: with two members a room and half as many
    // senders as users, each room has one.
    const uint64_t index = uint64_t{s} * options.users / options.senders;
    sender->user = &world.users[index % options.users];
    sender->next_room = s;
    senders_.push_back(std::move(sender));
  }
}

void Senders::Start() {
  stopped_ = false;
  if (options_.rate > 0) {
    for (const auto& sender : senders_) free_.push_back(sender.get());
    started_ns_ = NowNs();
    Tick();
    return;
  }
  for (const auto& sender : senders_) Send(*sender, NowNs());
}

void Senders::Stop() {
  stopped_ = true;
  backlog_.clear();
  timer_.cancel();
  for (const auto& sender : senders_) sender->pause->cancel();
}

void Senders::Tick() {
  if (stopped_) return;
  const int64_t now = NowNs();
  const double interval_ns = 1e9 / options_.rate;
  const auto due_ns = [&](uint64_t n) {
    return started_ns_ +
           static_cast<int64_t>(static_cast<double>(n) * interval_ns);
  };
  for (; due_ns(due_) <= now; ++due_) backlog_.push_back(due_ns(due_));
  while (!backlog_.empty() && !free_.empty()) {
    Sender* sender = free_.front();
    free_.pop_front();
    const int64_t began = backlog_.front();
    backlog_.pop_front();
    Send(*sender, began);
  }
  timer_.expires_after(
      std::chrono::nanoseconds(std::max<int64_t>(due_ns(due_) - NowNs(), 0)));
  timer_.async_wait([this](const boost::system::error_code& ec) {
    if (!ec) Tick();
  });
}

void Senders::Send(Sender& sender, int64_t began_ns) {
  const std::vector<uint32_t>& rooms = sender.user->rooms;
  const uint32_t room = rooms[sender.next_room++ % rooms.size()];
  path_.clear();
  fmt::format_to(std::back_inserter(path_), "{}{}.{}", room_paths_[room], run_,
                 transactions_++);
  body_.clear();
  fmt::format_to(std::back_inserter(body_),
                 R"({{"msgtype":"m.text","body":"mcload {} {} )", run_,
                 began_ns);
  body_.resize(
      std::max<size_t>(body_.size() + kBodyEnd.size(), options_.body_bytes) -
          kBodyEnd.size(),
      '.');
  body_ += kBodyEnd;
  ++busy_;
  sender.connection->Send({.method = "PUT",
                           .path = path_,
                           .token = sender.user->token,
                           .body = body_},
                          [this, &sender, room, began_ns](const Reply& reply) {
                            Take(sender, room, began_ns, reply);
                          });
}

void Senders::Take(Sender& sender, uint32_t room, int64_t began_ns,
                   const Reply& reply) {
  --busy_;
  const int64_t now = NowNs();
  if (reply.status == 200) {
    if (out_.window.Has(now)) {
      ++out_.sends;
      out_.send.Add(now - began_ns);
    }
    if (out_.window.Has(began_ns)) out_.expected += readers_[room];
    Next(sender);
    return;
  }
  out_.AddError("send", reply);
  if (stopped_) return;
  sender.pause->expires_after(std::chrono::milliseconds(
      reply.retry_after_ms > 0 ? reply.retry_after_ms : kPauseMs));
  sender.pause->async_wait(
      [this, &sender](const boost::system::error_code& ec) {
        if (!ec) Next(sender);
      });
}

void Senders::Next(Sender& sender) {
  if (stopped_) return;
  if (options_.rate <= 0) {
    Send(sender, NowNs());
  } else if (backlog_.empty()) {
    free_.push_back(&sender);
  } else {
    const int64_t began = backlog_.front();
    backlog_.pop_front();
    Send(sender, began);
  }
}

}  // namespace matrixcore::load
