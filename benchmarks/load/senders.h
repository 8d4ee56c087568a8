// Senders: users who send messages, each over a connection of their own.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "measurements.h"
#include "options.h"
#include "world.h"

namespace matrixcore::load {

// Closed loop: every sender sends again as soon as it is answered.  Open loop
// (Options::rate): messages become due at even intervals, whoever is free sends
// the next, and time counts from when it was due, so that a stalled server does
// not hide behind senders that wait for it.
//
// A message says when its time began: "mcload RUN NANOSECONDS ...".
class Senders {
 public:
  // `readers[r]` is how many syncers will be given what is sent into room r.
  Senders(const Options& options, boost::asio::io_context& io,
          HttpClient& client, const World& world, std::string run,
          std::vector<uint32_t> readers, Measurements* out);

  void Start();
  // No new messages; those under way are still answered.
  void Stop();
  bool idle() const { return busy_ == 0; }

 private:
  struct Sender {
    std::shared_ptr<Connection> connection;
    std::unique_ptr<boost::asio::steady_timer> pause;
    const User* user = nullptr;
    size_t next_room = 0;
    uint64_t sequence = 0;
  };

  void Tick();
  void Send(Sender& sender, int64_t began_ns);
  void Take(Sender& sender, uint32_t room, int64_t began_ns,
            const Reply& reply);
  void Next(Sender& sender);

  const Options& options_;
  const std::string run_;
  const std::vector<uint32_t> readers_;
  Measurements& out_;
  std::vector<std::string> room_paths_;
  std::vector<std::unique_ptr<Sender>> senders_;
  bool stopped_ = true;
  size_t busy_ = 0;
  uint64_t transactions_ = 0;
  std::string path_;  // of the request being made
  std::string body_;

  // Open loop only.
  boost::asio::steady_timer timer_;
  int64_t started_ns_ = 0;
  uint64_t due_ = 0;             // messages that have become due
  std::deque<int64_t> backlog_;  // when the waiting ones did
  std::deque<Sender*> free_;
};

}  // namespace matrixcore::load
