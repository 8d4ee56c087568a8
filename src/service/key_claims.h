// Giving one-time keys away.
//
// Claims that come while a batch is on its way to disk wait and share the next
// one: the first of them reads and commits for all.  So a thousand claims cost
// a few commits, and claims of one device never make each other fail.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// What is asked for, and what is given.
struct KeyClaim {
  std::string user_id;
  std::string device_id;
  std::string algorithm;
  // "" when there was neither a one-time key nor a fallback key.
  std::string key_id = {};
  std::string json = {};
};

// Thread-safe.
class KeyClaims {
 public:
  KeyClaims(Store& store, const Clock& clock, Notifier& notifier)
      : store_(store), clock_(clock), notifier_(notifier) {}

  // Gives each claim the oldest one-time key, else the fallback key.  The batch
  // requires that each one-time key is still there, so that no two claims, of
  // whatever process, ever get the same one.  Waits; on error nothing that was
  // given may be used.
  Status Give(std::span<KeyClaim> claims);

 private:
  struct Request {
    std::span<KeyClaim> claims;
    CondVar wake = {};
    bool leads = false;  // It is this one's turn to work for all.
    bool done = false;
    Status status = {};
  };
  // The next requests, as many as one batch should hold.
  std::vector<Request*> TakeWaiting() MC_REQUIRES(mutex_);
  void Work(std::span<Request* const> requests);
  Status Commit(std::span<KeyClaim* const> claims);

  Store& store_;
  const Clock& clock_;
  Notifier& notifier_;
  Mutex mutex_;
  std::deque<Request*> waiting_ MC_GUARDED_BY(mutex_);
  bool busy_ MC_GUARDED_BY(mutex_) = false;
};

}  // namespace matrixcore
