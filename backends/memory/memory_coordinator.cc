#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "matrixcore/backends/memory.h"
#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

// How long a waiter sleeps before it looks at the clock again: that one may be
// a simulated one, which tells nobody when it moves.
constexpr Duration kLookAtClock = milliseconds(10);

// The keys that are held.  Shared with the leases.
class Keys {
 public:
  // The token of the new holder; nothing at the deadline.
  std::optional<uint64_t> Acquire(const std::string& key, const Clock& clock,
                                  MonotonicTime deadline) {
    MutexLock lock(mutex_);
    const auto [held, is_free] = held_.try_emplace(key);
    if (is_free) return ++last_token_;
    Waiter self;
    held->second.push_back(&self);
    while (self.token == 0) {
      if (deadline == MonotonicTime::Never()) {
        self.granted.Wait(mutex_);
        continue;
      }
      const Duration left = deadline - clock.Monotonic();
      if (left <= Duration(0)) {
        std::deque<Waiter*>& waiters = held_.find(key)->second;
        waiters.erase(std::find(waiters.begin(), waiters.end(), &self));
        return std::nullopt;
      }
      self.granted.WaitFor(mutex_, std::min(left, kLookAtClock));
    }
    return self.token;
  }

  std::optional<uint64_t> TryAcquire(const std::string& key) {
    MutexLock lock(mutex_);
    if (!held_.try_emplace(key).second) return std::nullopt;
    return ++last_token_;
  }

  void Release(const std::string& key) {
    MutexLock lock(mutex_);
    const auto held = held_.find(key);
    if (held->second.empty()) {
      held_.erase(held);
      return;
    }
    Waiter* const next = held->second.front();
    held->second.pop_front();
    next->token = ++last_token_;
    next->granted.NotifyOne();
  }

 private:
  struct Waiter {
    CondVar granted;
    uint64_t token = 0;  // Not 0 once the lease is its own.
  };

  Mutex mutex_;
  // Who waits for each held key, first come first.
  absl::flat_hash_map<std::string, std::deque<Waiter*>> held_
      MC_GUARDED_BY(mutex_);
  uint64_t last_token_ MC_GUARDED_BY(mutex_) = 0;
};

class MemoryLease : public Coordinator::Lease {
 public:
  MemoryLease(std::shared_ptr<Keys> keys, std::string key, uint64_t token)
      : keys_(std::move(keys)), key_(std::move(key)), token_(token) {}
  ~MemoryLease() override { keys_->Release(key_); }
  uint64_t token() const override { return token_; }
  bool held() const override { return true; }

 private:
  const std::shared_ptr<Keys> keys_;
  const std::string key_;
  const uint64_t token_;
};

class MemoryCoordinator : public Coordinator {
 public:
  explicit MemoryCoordinator(const Clock& clock) : clock_(clock) {}

  Result<std::unique_ptr<Lease>> Acquire(std::string_view key,
                                         MonotonicTime deadline) override {
    std::string name(key);
    const auto token = keys_->Acquire(name, clock_, deadline);
    if (!token.has_value()) {
      return Status(StatusCode::kDeadlineExceeded,
                    "someone else held the lease until the deadline");
    }
    return std::unique_ptr<Lease>(
        std::make_unique<MemoryLease>(keys_, std::move(name), *token));
  }

  Result<std::unique_ptr<Lease>> TryAcquire(std::string_view key) override {
    std::string name(key);
    const auto token = keys_->TryAcquire(name);
    if (!token.has_value()) return std::unique_ptr<Lease>();
    return std::unique_ptr<Lease>(
        std::make_unique<MemoryLease>(keys_, std::move(name), *token));
  }

 private:
  const Clock& clock_;
  const std::shared_ptr<Keys> keys_ = std::make_shared<Keys>();
};

}  // namespace

std::unique_ptr<Coordinator> NewMemoryCoordinator(const Clock& clock) {
  return std::make_unique<MemoryCoordinator>(clock);
}

}  // namespace matrixcore
