// Coordinators and buses that break one rule each, and the checks that must
// notice.
#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "conformance/broken.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/testing/bus_conformance.h"
#include "matrixcore/testing/coordinator_conformance.h"
#include "matrixcore/testing/sim.h"

namespace matrixcore {
namespace {

using LeasePtr = std::unique_ptr<Coordinator::Lease>;

// --- Coordinators ---

// Passes everything on; a broken coordinator overrides what it breaks.
class CoordinatorWrapper : public Coordinator {
 public:
  explicit CoordinatorWrapper(const Clock& clock)
      : sound_(NewMemoryCoordinator(clock)) {}
  Result<LeasePtr> Acquire(std::string_view key,
                           MonotonicTime deadline) override {
    return sound_->Acquire(key, deadline);
  }
  Result<LeasePtr> TryAcquire(std::string_view key) override {
    return sound_->TryAcquire(key);
  }
  virtual bool Lose(std::string_view) { return false; }

 protected:
  Coordinator& sound() { return *sound_; }

 private:
  const std::unique_ptr<Coordinator> sound_;
};

class FreeLease : public Coordinator::Lease {
 public:
  explicit FreeLease(uint64_t token) : token_(token) {}
  uint64_t token() const override { return token_; }
  bool held() const override { return true; }

 private:
  const uint64_t token_;
};

class LetsEverybodyIn : public CoordinatorWrapper {
 public:
  using CoordinatorWrapper::CoordinatorWrapper;
  Result<LeasePtr> Acquire(std::string_view, MonotonicTime) override {
    return LeasePtr(std::make_unique<FreeLease>(++tokens_));
  }
  Result<LeasePtr> TryAcquire(std::string_view key) override {
    return Acquire(key, MonotonicTime::Never());
  }

 private:
  std::atomic<uint64_t> tokens_{0};
};

class CutsKeys : public CoordinatorWrapper {
 public:
  using CoordinatorWrapper::CoordinatorWrapper;
  Result<LeasePtr> TryAcquire(std::string_view key) override {
    return sound().TryAcquire(std::string(key).c_str());
  }
};

// Holds another lease, and tells something else of it.
class OtherToken : public Coordinator::Lease {
 public:
  explicit OtherToken(LeasePtr sound) : sound_(std::move(sound)) {}
  uint64_t token() const override { return 7; }
  bool held() const override { return sound_->held(); }

 private:
  const LeasePtr sound_;
};
class RepeatsTokens : public CoordinatorWrapper {
 public:
  using CoordinatorWrapper::CoordinatorWrapper;
  Result<LeasePtr> Acquire(std::string_view key,
                           MonotonicTime deadline) override {
    MC_ASSIGN_OR_RETURN(LeasePtr lease, sound().Acquire(key, deadline));
    return LeasePtr(std::make_unique<OtherToken>(std::move(lease)));
  }
};

class SaysUnavailable : public CoordinatorWrapper {
 public:
  using CoordinatorWrapper::CoordinatorWrapper;
  Result<LeasePtr> Acquire(std::string_view key,
                           MonotonicTime deadline) override {
    auto lease = sound().Acquire(key, deadline);
    if (lease.ok()) return lease;
    return Status(StatusCode::kUnavailable, "too late");
  }
};

// Who gave up is never taken off the list.
class KeepsWhoGaveUp : public CoordinatorWrapper {
 public:
  using CoordinatorWrapper::CoordinatorWrapper;
  Result<LeasePtr> Acquire(std::string_view key,
                           MonotonicTime deadline) override {
    auto lease = sound().Acquire(key, deadline);
    if (!lease.ok()) given_up_.emplace(key);
    return lease;
  }
  Result<LeasePtr> TryAcquire(std::string_view key) override {
    if (given_up_.contains(std::string(key))) return LeasePtr();
    return sound().TryAcquire(key);
  }

 private:
  std::set<std::string> given_up_;
};

// The one who came last is served first.
class ServesTheLast : public CoordinatorWrapper {
 public:
  using CoordinatorWrapper::CoordinatorWrapper;
  Result<LeasePtr> Acquire(std::string_view, MonotonicTime) override {
    MutexLock lock(mutex_);
    const uint64_t own = ++tickets_;
    waiting_.push_back(own);
    while (held_ || waiting_.back() != own) changed_.Wait(mutex_);
    waiting_.pop_back();
    held_ = true;
    return LeasePtr(std::make_unique<StackLease>(*this, ++tokens_));
  }

 private:
  class StackLease : public FreeLease {
   public:
    StackLease(ServesTheLast& owner, uint64_t token)
        : FreeLease(token), owner_(owner) {}
    ~StackLease() override {
      MutexLock lock(owner_.mutex_);
      owner_.held_ = false;
      owner_.changed_.NotifyAll();
    }

   private:
    ServesTheLast& owner_;
  };

  Mutex mutex_;
  CondVar changed_;
  bool held_ MC_GUARDED_BY(mutex_) = false;
  uint64_t tickets_ MC_GUARDED_BY(mutex_) = 0;
  uint64_t tokens_ MC_GUARDED_BY(mutex_) = 0;
  std::vector<uint64_t> waiting_ MC_GUARDED_BY(mutex_);
};

// A lease that was taken away still says that it is held.
class LosesLeasesSilently : public CoordinatorWrapper {
 public:
  using CoordinatorWrapper::CoordinatorWrapper;
  Result<LeasePtr> Acquire(std::string_view key,
                           MonotonicTime deadline) override {
    MC_ASSIGN_OR_RETURN(lease_, sound().Acquire(key, deadline));
    return LeasePtr(std::make_unique<FreeLease>(lease_->token()));
  }
  bool Lose(std::string_view) override {
    lease_ = nullptr;
    return true;
  }

 private:
  LeasePtr lease_;
};

template <typename Broken>
class BrokenCoordinatorFixture : public CoordinatorFixture {
 public:
  Coordinator& first() override { return broken_; }
  Coordinator& second() override { return broken_; }
  const Clock& clock() const override { return time_; }
  bool Lose(std::string_view key) override { return broken_.Lose(key); }

 private:
  SimTime time_;
  Broken broken_{time_};
};

template <typename Broken>
Breakage<CoordinatorFixture> BreaksCoordinator(
    std::string rule, std::vector<std::string> noticed_by) {
  return {std::move(rule),
          [] { return std::make_unique<BrokenCoordinatorFixture<Broken>>(); },
          std::move(noticed_by)};
}

std::vector<Breakage<CoordinatorFixture>> CoordinatorBreakages() {
  return {
      BreaksCoordinator<LetsEverybodyIn>(
          "OneHolds", {"OneHoldsAKey", "HandsOverToWhoWaits",
                       "LetsOneThroughAtATime", "LeasesAreLinearizable"}),
      BreaksCoordinator<CutsKeys>("KeysAreAnyBytes", {"AnyTextIsAKey"}),
      BreaksCoordinator<RepeatsTokens>("TokensGrow", {"TokensGrow"}),
      BreaksCoordinator<SaysUnavailable>("DeadlinesAreTold",
                                         {"GivesUpAtTheDeadline"}),
      BreaksCoordinator<ServesTheLast>("TheFirstIsServedFirst",
                                       {"ServesWaitersInOrder"}),
      BreaksCoordinator<KeepsWhoGaveUp>("WhoGivesUpIsForgotten",
                                        {"AWaiterThatGaveUpHoldsNothing"}),
      BreaksCoordinator<LosesLeasesSilently>("ALossIsTold",
                                             {"ALostLeaseSaysSo"}),
  };
}

MC_INSTANTIATE_BREAKAGES(Coordinator, CoordinatorChecks(), CoordinatorBreakages)

// --- Buses ---

using SubscriptionPtr = std::unique_ptr<Bus::Subscription>;

// Passes everything on; a broken bus overrides what it breaks.
class BusWrapper : public Bus {
 public:
  Result<SubscriptionPtr> Subscribe(std::string_view topic,
                                    Listener listener) override {
    return sound_->Subscribe(topic, std::move(listener));
  }
  Status Publish(std::string_view topic, std::string_view message) override {
    return sound_->Publish(topic, message);
  }
  virtual bool Reconnect() { return false; }

 protected:
  Bus& sound() { return *sound_; }

 private:
  const std::unique_ptr<Bus> sound_ = NewMemoryBus();
};

class IgnoresTopics : public BusWrapper {
 public:
  Result<SubscriptionPtr> Subscribe(std::string_view,
                                    Listener listener) override {
    return sound().Subscribe("all", std::move(listener));
  }
  Status Publish(std::string_view, std::string_view message) override {
    return sound().Publish("all", message);
  }
};

class CutsMessages : public BusWrapper {
 public:
  Status Publish(std::string_view topic, std::string_view message) override {
    if (message.size() > 4'000) return sound().Publish(topic, message);
    return sound().Publish(topic, std::string(message).c_str());
  }
};

// A subscription goes on when it has ended.
class NeverEnds : public BusWrapper {
 public:
  Result<SubscriptionPtr> Subscribe(std::string_view topic,
                                    Listener listener) override {
    MC_ASSIGN_OR_RETURN(SubscriptionPtr kept,
                        sound().Subscribe(topic, std::move(listener)));
    MutexLock lock(mutex_);
    kept_.push_back(std::move(kept));
    return SubscriptionPtr(std::make_unique<Bus::Subscription>());
  }

 private:
  Mutex mutex_;
  std::vector<SubscriptionPtr> kept_ MC_GUARDED_BY(mutex_);
};

// Delivers the second of two messages before the first.
class SwapsMessages : public BusWrapper {
 public:
  Status Publish(std::string_view topic, std::string_view message) override {
    MutexLock lock(mutex_);
    std::deque<std::string>& held = held_[std::string(topic)];
    held.emplace_front(message);
    if (held.size() < 2) return OkStatus();
    for (const std::string& one : std::exchange(held, {})) {
      MC_RETURN_IF_ERROR(sound().Publish(topic, one));
    }
    return OkStatus();
  }

 private:
  Mutex mutex_;
  std::map<std::string, std::deque<std::string>> held_ MC_GUARDED_BY(mutex_);
};

// What a callback publishes arrives twice.
class RepeatsWhatCallbacksPublish : public BusWrapper {
 public:
  Status Publish(std::string_view topic, std::string_view message) override {
    const int depth = depth_++;
    const Status status = sound().Publish(topic, message);
    if (depth > 0) (void)sound().Publish(topic, message);
    --depth_;
    return status;
  }

 private:
  std::atomic<int> depth_{0};
};

// Forgets to say that messages were missed.
class ReconnectsSilently : public BusWrapper {
 public:
  bool Reconnect() override { return true; }
};

template <typename Broken>
class BrokenBusFixture : public BusFixture {
 public:
  Bus& first() override { return broken_; }
  Bus& second() override { return broken_; }
  bool Reconnect() override { return broken_.Reconnect(); }
  Duration patience() const override { return milliseconds(20); }

 private:
  Broken broken_;
};

template <typename Broken>
Breakage<BusFixture> BreaksBus(std::string rule,
                               std::vector<std::string> noticed_by) {
  return {std::move(rule),
          [] { return std::make_unique<BrokenBusFixture<Broken>>(); },
          std::move(noticed_by)};
}

std::vector<Breakage<BusFixture>> BusBreakages() {
  return {
      BreaksBus<IgnoresTopics>("TopicsAreApart", {"ReachesEverySubscription"}),
      BreaksBus<CutsMessages>("MessagesAreAnyBytes", {"CarriesAnyBytes"}),
      BreaksBus<NeverEnds>(
          "SubscriptionsEnd",
          {"StopsWithTheSubscription", "ACallbackMayEndItsSubscription",
           "TheEndWaitsForARunningCallback", "SubscriptionsComeAndGo"}),
      BreaksBus<SwapsMessages>("MessagesKeepTheirOrder",
                               {"KeepsTheOrderOfEachPublisher"}),
      BreaksBus<RepeatsWhatCallbacksPublish>("MessagesArriveOnce",
                                             {"ACallbackMayPublish"}),
      BreaksBus<ReconnectsSilently>("MissedMessagesAreTold",
                                    {"TellsToLookAgain"}),
  };
}

MC_INSTANTIATE_BREAKAGES(Bus, BusChecks(), BusBreakages)

}  // namespace
}  // namespace matrixcore
