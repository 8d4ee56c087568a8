// SyncWaiter: one request of /v3/sync or of sliding sync, from its first look
// at what is new to its answer.  In between it waits without a thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "matrixcore/base/mutex.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/service/sync.h"

namespace matrixcore {

// Lets a service go only once nobody uses it any more.  Thread-safe.
class SyncGate {
 public:
  // Whether the service may still be used; if so, Leave must follow.
  bool Enter();
  void Leave();
  // Lets nobody in any more, and waits until everybody has left.
  void Close();

 private:
  Mutex mutex_;
  CondVar idle_;
  size_t inside_ MC_GUARDED_BY(mutex_) = 0;
  bool closed_ MC_GUARDED_BY(mutex_) = false;
};

class SyncWaiter : public SyncService::Ticket,
                   public std::enable_shared_from_this<SyncWaiter> {
 public:
  // What all requests of one service share.  `gate` and the others outlive the
  // time between Enter and Leave.
  struct Deps {
    std::shared_ptr<SyncGate> gate;
    Notifier& notifier;
    const Clock& clock;
    Logger& log;
  };

  // Parks if nothing can have happened, else looks.  The caller is inside the
  // gate.
  void Start();
  void Cancel() override;

 protected:
  // `timeout`: zero for one that does not wait.
  // `hears`: what LookOnce looks for.
  SyncWaiter(Deps deps, const std::string& user_id, Notifier::Hears hears,
             Duration timeout, SyncService::Done done);

  struct Found {
    std::string body;
    bool empty = false;  // Nothing is new.
  };
  // Looks for what is new.  When it finds nothing and `may_wait`, the next call
  // is about what comes after, and `body` is not used.
  virtual Result<Found> LookOnce(bool may_wait) = 0;
  // The version to park with when a look would find nothing.
  virtual std::optional<uint64_t> Quiet() const = 0;

  const Deps& deps() const { return deps_; }
  const std::string& user_id() const { return user_id_; }
  Notifier::Hears hears() const { return hears_; }

 private:
  void Look();
  void Park(uint64_t seen);
  void Resume(Notifier::Wake wake);

  const Deps deps_;
  const std::string user_id_;
  const Notifier::Hears hears_;
  bool may_wait_ = false;
  MonotonicTime deadline_;
  SyncService::Done done_;

  Mutex mutex_;
  bool cancelled_ MC_GUARDED_BY(mutex_) = false;
  uint64_t looks_ MC_GUARDED_BY(mutex_) = 0;
  Notifier::Id parked_ MC_GUARDED_BY(mutex_) = 0;
};

// The status of a request that comes while the server shuts down.
Status SyncShuttingDown();

}  // namespace matrixcore
