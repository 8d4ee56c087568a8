// Faults: parts of a server that fail on purpose, so that a test can show what
// a program does then.
//
// Each wrapper stands in front of a sound part and passes calls on, except when
// its FaultInjector strikes.  What it then does is something that the interface
// allows, so a program that is right gives a clear error or none, and loses
// nothing that it acknowledged:
//
//   FaultInjector faults(/*seed=*/7, FaultRates::All(20));
//   FaultyStore store(*memory, faults);
//
// A seed decides everything: the n-th call that a kind of fault can strike is
// struck or not, whatever other calls there are.  A test whose calls come in
// the same order sees the same faults again.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace matrixcore {

enum class Fault : uint8_t {
  // Store.  kUnavailable, except:
  kSnapshotFails,
  kReadFails,         // One read of a snapshot.
  kCommitFails,       // Nothing was written.
  kCommitAnswerLost,  // The batch was written; kDeadlineExceeded.
  // Cache.
  kCacheForgets,  // What is asked for, or put, or counted.
  kCacheFails,    // Add: kUnavailable.
  // BlobStore.  kUnavailable, except:
  kBlobFails,       // Any call.
  kBlobAnswerLost,  // The blob was stored; kDeadlineExceeded.
  kBlobTorn,        // Commit fails, and half of the blob is stored: reading the
                    // rest is kDataLoss until it is written again or deleted.
  // SearchIndex: any call but Close is kUnavailable.
  kSearchFails,
  // Coordinator.
  kLeaseFails,  // kUnavailable.
  kLeaseLost,   // At once: its holder goes on, and another may get it.
  // Bus.
  kPublishFails,  // kUnavailable, delivered to nobody.
  kWakeupLost,    // By one subscriber, who is told to look again.
  // Any call takes longer than others that began after it.
  kDelay,
};
inline constexpr size_t kFaultCount = 15;

// Such as "commit-answer-lost".
std::string_view FaultName(Fault fault);

// How often each kind strikes.
struct FaultRates {
  // One call in so many, at random; 0 for never.
  std::array<uint32_t, kFaultCount> one_in{};

  // Each kind once in `one_in` calls; failing reads and delays, since there are
  // many reads in a request, once in ten times as many.
  static FaultRates All(uint32_t one_in);
  FaultRates& Set(Fault fault, uint32_t rate) {
    one_in[static_cast<size_t>(fault)] = rate;
    return *this;
  }
};

// Decides which calls are struck, and counts them.  Thread-safe.
class FaultInjector {
 public:
  // How a call is made to take longer, by so much (1 to 8, without a unit).
  using Delay = std::function<void(uint32_t)>;

  // Without `delay`, the thread gives its turn away so many times.
  FaultInjector(uint64_t seed, FaultRates rates, Delay delay = nullptr);

  // Besides what the rates say: after `spared` more calls of that kind the next
  // `times` are struck.  Replaces what was planned before.
  void Plan(Fault fault, uint64_t spared, uint64_t times = 1);

  // Whether this call is struck.
  bool Strikes(Fault fault);
  // Makes the call take longer if kDelay strikes.
  void MaybeDelay();

  // While it lives, faults of that kind (or of every kind) do not strike and
  // calls are not counted.
  class Pause {
   public:
    explicit Pause(FaultInjector& faults);
    Pause(FaultInjector& faults, Fault fault);
    Pause(Pause&& other) noexcept;
    Pause& operator=(Pause&&) = delete;
    ~Pause();

   private:
    void Count(int by);
    FaultInjector* faults_;
    size_t first_;
    size_t end_;
  };

  uint64_t seed() const { return seed_; }
  // How many calls that kind could have struck, and how many it has.
  uint64_t calls(Fault fault) const;
  uint64_t struck(Fault fault) const;
  // Of all kinds.
  uint64_t struck() const;
  // "seed 7: commit-fails 3 of 61, ..." of the kinds that have struck.
  std::string Summary() const;

 private:
  struct Kind {
    std::atomic<uint64_t> calls{0};
    std::atomic<uint64_t> struck{0};
    std::atomic<int> paused{0};
    // Calls from `plan_begin` on and before `plan_end`.
    std::atomic<uint64_t> plan_begin{0};
    std::atomic<uint64_t> plan_end{0};
  };
  // A number that the seed, the kind and the number of the call make.
  uint64_t Draw(Fault fault, uint64_t call) const;
  Kind& of(Fault fault) { return kinds_[static_cast<size_t>(fault)]; }
  const Kind& of(Fault fault) const {
    return kinds_[static_cast<size_t>(fault)];
  }

  const uint64_t seed_;
  const FaultRates rates_;
  const Delay delay_;
  std::array<Kind, kFaultCount> kinds_;
};

}  // namespace matrixcore
