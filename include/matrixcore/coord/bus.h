// Bus: wake-ups between the parts (and processes) of one server.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"

namespace matrixcore {

// Carries short messages on named topics to whoever listens now; nothing is
// kept.  A subscriber may miss messages when a remote backend reconnects and is
// then told by `resync` to look again.  Thread-safe.  Implementations must pass
// testing/bus_conformance.h.
class Bus {
 public:
  // Destroying it ends the subscription and waits for a running callback,
  // unless it is destroyed by that callback.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };
  struct Listener {
    // Called for each message, in the order of publishing by one publisher, one
    // call at a time for each subscription.  Short; must not block.
    std::function<void(std::string_view message)> message;
    std::function<void()> resync;  // May be empty.
  };

  virtual ~Bus() = default;
  virtual Result<std::unique_ptr<Subscription>> Subscribe(
      std::string_view topic, Listener listener) = 0;
  // At most 4,000 bytes, else kTooLarge.  Returns before the message is
  // delivered or after.
  virtual Status Publish(std::string_view topic, std::string_view message) = 0;
};

}  // namespace matrixcore
