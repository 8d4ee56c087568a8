#include "matrixcore/testing/coordinator_conformance.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/testing/linearizability.h"

namespace matrixcore {
namespace {

using LeasePtr = std::unique_ptr<Coordinator::Lease>;

LeasePtr Acquire(Coordinator& coordinator, std::string_view key,
                 Findings& findings) {
  auto lease = coordinator.Acquire(key, MonotonicTime::Never());
  if (lease.ok() && *lease != nullptr) return *std::move(lease);
  findings.Add("acquire: " + lease.status().ToString());
  return nullptr;
}

bool IsFree(Coordinator& coordinator, std::string_view key,
            Findings& findings) {
  const auto lease = coordinator.TryAcquire(key);
  findings.Expect(lease.ok(), "TryAcquire: " + lease.status().ToString());
  return lease.ok() && *lease != nullptr;
}

void OneHoldsAKey(CoordinatorFixture& fixture, Findings& findings) {
  LeasePtr lease = Acquire(fixture.first(), "room:!a", findings);
  if (lease == nullptr) return;
  findings.Expect(lease->held(), "held() of a held lease");
  findings.Expect(!IsFree(fixture.first(), "room:!a", findings),
                  "a held key is free for its holder's process");
  findings.Expect(!IsFree(fixture.second(), "room:!a", findings),
                  "a held key is free for another process");
  findings.Expect(IsFree(fixture.second(), "room:!b", findings),
                  "another key is not free");
  lease = nullptr;
  findings.Expect(IsFree(fixture.second(), "room:!a", findings),
                  "a released key is not free");
  findings.Expect(IsFree(fixture.first(), "room:!a", findings),
                  "a key that was tried and released is not free");
}

void AnyTextIsAKey(CoordinatorFixture& fixture, Findings& findings) {
  const std::vector<std::string> keys = {"",
                                         std::string("\0", 1),
                                         std::string("a\0b", 3),
                                         "a",
                                         "A",
                                         "'",
                                         "\xff",
                                         "\xc3\xa9",
                                         " a",
                                         std::string(1000, 'k'),
                                         std::string(1001, 'k')};
  std::vector<LeasePtr> leases;
  for (const std::string& key : keys) {
    auto lease = fixture.first().TryAcquire(key);
    if (!findings.Expect(lease.ok() && *lease != nullptr,
                         "two different keys are taken for one")) {
      return;
    }
    leases.push_back(*std::move(lease));
  }
}

void TokensGrow(CoordinatorFixture& fixture, Findings& findings) {
  uint64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    const LeasePtr lease =
        Acquire(i % 2 == 0 ? fixture.first() : fixture.second(), "k", findings);
    if (lease == nullptr) return;
    findings.Expect(lease->token() > last, "a token that has not grown");
    last = lease->token();
  }
}

void GivesUpAtTheDeadline(CoordinatorFixture& fixture, Findings& findings) {
  const LeasePtr lease = Acquire(fixture.first(), "k", findings);
  if (lease == nullptr) return;
  const MonotonicTime past = fixture.clock().Monotonic();
  const auto late = fixture.second().Acquire("k", past);
  findings.Expect(late.status().code() == StatusCode::kDeadlineExceeded,
                  "a deadline that is over: " + late.status().ToString());
  const auto other = fixture.second().Acquire("other", past);
  findings.Expect(other.ok(), "a free key needs no waiting");
}

void HandsOverToWhoWaits(CoordinatorFixture& fixture, Findings& findings) {
  LeasePtr lease = Acquire(fixture.first(), "k", findings);
  if (lease == nullptr) return;
  std::atomic<bool> waiting{false};
  std::atomic<bool> released{false};
  std::thread waiter([&] {
    waiting = true;
    const LeasePtr mine = Acquire(fixture.second(), "k", findings);
    findings.Expect(released, "a lease while another holds the key");
  });
  while (!waiting) std::this_thread::yield();
  // A lease may be released by another thread than the one that got it.
  std::thread releaser([&] {
    released = true;
    lease = nullptr;
  });
  releaser.join();
  waiter.join();
}

void LetsOneThroughAtATime(CoordinatorFixture& fixture, Findings& findings) {
  int64_t unguarded = 0;  // Guarded by the lease alone.
  std::atomic<int> inside{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Coordinator& own = t % 2 == 0 ? fixture.first() : fixture.second();
      for (int i = 0; i < 100; ++i) {
        const LeasePtr lease = Acquire(own, "k", findings);
        if (lease == nullptr) return;
        findings.Expect(++inside == 1, "two hold one key");
        ++unguarded;
        std::this_thread::yield();
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  findings.Expect(unguarded == 400, fmt::format("{} of 400 turns", unguarded));
}

// Lets real time pass, for what other threads do to be done.
void Pause() {
  Mutex mutex;
  CondVar never;
  MutexLock lock(mutex);
  while (never.WaitFor(mutex, milliseconds(40))) {
  }
}

// Whether four threads that began to wait one after the other got the key in
// that order.
bool ServedInOrder(CoordinatorFixture& fixture, Findings& findings) {
  LeasePtr lease = Acquire(fixture.first(), "k", findings);
  if (lease == nullptr) return false;
  std::vector<uint64_t> tokens(4, 0);
  std::vector<std::thread> threads;
  for (uint64_t& token : tokens) {
    threads.emplace_back([&fixture, &findings, &token] {
      const LeasePtr mine = Acquire(fixture.first(), "k", findings);
      if (mine != nullptr) token = mine->token();
    });
    Pause();
  }
  lease = nullptr;
  for (std::thread& thread : threads) thread.join();
  return std::is_sorted(tokens.begin(), tokens.end());
}

// Nobody can see from outside when a thread has begun to wait, only that it has
// had the time to.  On a machine that is busy enough even that may deceive, so
// three rounds must go wrong.
void ServesWaitersInOrder(CoordinatorFixture& fixture, Findings& findings) {
  for (int round = 0; round < 3; ++round) {
    if (ServedInOrder(fixture, findings)) return;
  }
  findings.Add("waiters are not served in the order in which they came");
}

void AWaiterThatGaveUpHoldsNothing(CoordinatorFixture& fixture,
                                   Findings& findings) {
  LeasePtr lease = Acquire(fixture.first(), "k", findings);
  if (lease == nullptr) return;
  const MonotonicTime past = fixture.clock().Monotonic();
  for (int i = 0; i < 3; ++i) {
    findings.Expect(!fixture.second().Acquire("k", past).ok(),
                    "a held key is acquired");
  }
  findings.Expect(lease->held(), "a lease ends because others wanted it");
  lease = nullptr;
  findings.Expect(IsFree(fixture.first(), "k", findings),
                  "a key is held for a waiter that gave up");
}

// Leases are tried for and released by many; an order is sought that explains
// who got one.
void LeasesAreLinearizable(CoordinatorFixture& fixture, Findings& findings) {
  History<LeaseModel::Call> history;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Coordinator& own = t % 2 == 0 ? fixture.first() : fixture.second();
      for (int i = 0; i < 60; ++i) {
        const uint64_t began = history.Begin();
        auto lease = own.TryAcquire("k");
        if (!findings.Expect(lease.ok(), "TryAcquire fails")) return;
        const uint64_t token = *lease == nullptr ? 0 : (*lease)->token();
        history.End(began, {LeaseModel::kTry, token});
        if (token == 0) continue;
        std::this_thread::yield();
        const uint64_t releasing = history.Begin();
        *lease = nullptr;
        history.End(releasing, {LeaseModel::kRelease, token});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string wrong = FindContradiction(history.Take(), LeaseModel());
  findings.Expect(wrong.empty(), "leases of one key: " + wrong);
}

void ALostLeaseSaysSo(CoordinatorFixture& fixture, Findings& findings) {
  LeasePtr lost = Acquire(fixture.first(), "k", findings);
  if (lost == nullptr || !fixture.Lose("k")) return;
  findings.Expect(!lost->held(), "held() of a lease that was lost");
  const LeasePtr next = Acquire(fixture.second(), "k", findings);
  if (next == nullptr) return;
  findings.Expect(next->token() > lost->token(),
                  "a token that has not grown after a lease was lost");
  lost = nullptr;
  findings.Expect(next->held() && !IsFree(fixture.first(), "k", findings),
                  "the end of a lost lease releases the key of its successor");
}

constexpr CoordinatorCheck kChecks[] = {
    {"OneHoldsAKey", OneHoldsAKey},
    {"AnyTextIsAKey", AnyTextIsAKey},
    {"TokensGrow", TokensGrow},
    {"GivesUpAtTheDeadline", GivesUpAtTheDeadline},
    {"HandsOverToWhoWaits", HandsOverToWhoWaits},
    {"LetsOneThroughAtATime", LetsOneThroughAtATime},
    {"ServesWaitersInOrder", ServesWaitersInOrder},
    {"AWaiterThatGaveUpHoldsNothing", AWaiterThatGaveUpHoldsNothing},
    {"LeasesAreLinearizable", LeasesAreLinearizable},
    {"ALostLeaseSaysSo", ALostLeaseSaysSo},
};

}  // namespace

std::span<const CoordinatorCheck> CoordinatorChecks() { return kChecks; }

}  // namespace matrixcore
