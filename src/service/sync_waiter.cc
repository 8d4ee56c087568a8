#include "service/sync_waiter.h"

#include <utility>

namespace matrixcore {

bool SyncGate::Enter() {
  MutexLock lock(mutex_);
  if (closed_) return false;
  ++inside_;
  return true;
}

void SyncGate::Leave() {
  MutexLock lock(mutex_);
  if (--inside_ == 0) idle_.NotifyAll();
}

void SyncGate::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
  while (inside_ > 0) idle_.Wait(mutex_);
}

Status SyncShuttingDown() {
  return Status(StatusCode::kUnavailable, "The server is shutting down.");
}

SyncWaiter::SyncWaiter(Deps deps, const std::string& user_id,
                       Notifier::Hears hears, Duration timeout,
                       SyncService::Done done)
    : deps_(std::move(deps)),
      user_id_(user_id),
      hears_(hears),
      may_wait_(timeout > Duration::zero()),
      done_(std::move(done)) {
  if (may_wait_) deadline_ = deps_.clock.Monotonic() + timeout;
}

void SyncWaiter::Start() {
  const std::optional<uint64_t> seen = may_wait_ ? Quiet() : std::nullopt;
  if (seen) return Park(*seen);
  Look();
}

void SyncWaiter::Look() {
  {
    MutexLock lock(mutex_);
    ++looks_;
    parked_ = 0;
  }
  const uint64_t seen = deps_.notifier.Version();  // Before the snapshot.
  // At the deadline the answer is given whatever it says.
  const bool may_wait = may_wait_ && deps_.clock.Monotonic() < deadline_;
  Result<Found> found = LookOnce(may_wait);
  if (!found.ok()) {
    if (found.status().errcode().empty() &&
        found.status().code() != StatusCode::kAborted) {
      deps_.log.Error(
          "sync", "no answer could be made",
          {{"user_id", user_id_}, {"error", found.status().ToString()}});
    }
    return done_(std::move(found).status());
  }
  if (found->empty && may_wait) return Park(seen);
  done_(std::move(found->body));
}

void SyncWaiter::Park(uint64_t seen) {
  uint64_t look = 0;
  {
    MutexLock lock(mutex_);
    look = looks_;
  }
  const Notifier::Id id = deps_.notifier.Park(
      user_id_, hears_, seen, deadline_,
      [self = shared_from_this()](Notifier::Wake wake) { self->Resume(wake); });
  bool cancelled = false;
  {
    MutexLock lock(mutex_);
    if (looks_ == look) parked_ = id;  // Else it was resumed meanwhile.
    cancelled = cancelled_;
  }
  if (cancelled) deps_.notifier.Cancel(id);
}

void SyncWaiter::Resume(Notifier::Wake wake) {
  if (wake == Notifier::Wake::kCancelled) {
    return done_(Status(StatusCode::kAborted, "nobody waits for the answer"));
  }
  if (!deps_.gate->Enter()) return done_(SyncShuttingDown());
  // The last look: also an answer without news counts keys.
  if (wake != Notifier::Wake::kPublished) may_wait_ = false;
  Look();
  deps_.gate->Leave();
}

void SyncWaiter::Cancel() {
  if (!deps_.gate->Enter()) return;
  Notifier::Id id = 0;
  {
    MutexLock lock(mutex_);
    cancelled_ = true;
    id = parked_;
  }
  if (id != 0) deps_.notifier.Cancel(id);
  deps_.gate->Leave();
}

}  // namespace matrixcore
