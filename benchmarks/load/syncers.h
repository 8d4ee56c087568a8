// Syncers: users who follow /sync, or sliding sync, with one long poll after
// the other.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "measurements.h"
#include "options.h"
#include "world.h"

namespace matrixcore::load {

// Measures deliveries: every message that says "mcload RUN NANOSECONDS ".  Also
// used for parked users, to whom nothing happens.
class Syncers {
 public:
  Syncers(const Options& options, boost::asio::io_context& io,
          HttpClient& client, std::vector<const User*> users, std::string run,
          Measurements* out);
  ~Syncers();

  // Begins with the initial syncs, `width` at a time; each user goes on with
  // long polls.  `ready` is called once all have been answered the first time.
  void Start(uint32_t width, std::function<void()> ready);
  void Stop();

  // How many wait in a long poll now.
  size_t polling() const { return polling_; }

 private:
  struct Syncer {
    const User* user = nullptr;
    std::shared_ptr<Connection> connection;
    std::unique_ptr<boost::asio::steady_timer> pause;
    std::string since;
    bool polling = false;
  };

  void StartNext();
  void Poll(Syncer& syncer);
  void Take(Syncer& syncer, const Reply& reply);
  void Scan(std::string_view body);

  const Options& options_;
  const std::string marker_;
  const std::string sliding_body_;  // Of every request of sliding sync.
  Measurements& out_;
  std::vector<std::unique_ptr<Syncer>> syncers_;
  size_t started_ = 0;
  size_t initial_ = 0;  // answered the first time
  size_t polling_ = 0;
  bool stopped_ = false;
  std::function<void()> ready_;
  std::string path_;
};

// The value of the first member `key` with a string value in JSON text, without
// unescaping; "" if there is none.  For keys that occur in no other place
// before.
std::string_view FindString(std::string_view json, std::string_view key);

}  // namespace matrixcore::load
