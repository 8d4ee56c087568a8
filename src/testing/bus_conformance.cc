#include "matrixcore/testing/bus_conformance.h"

#include <fmt/format.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/base/time.h"

namespace matrixcore {
namespace {

// Notes what it hears.  Must outlive its subscription.
class Ear {
 public:
  explicit Ear(const BusFixture& fixture) : patience_(fixture.patience()) {}

  Bus::Listener Listener() {
    return {.message =
                [this](std::string_view message) {
                  MutexLock lock(mutex_);
                  heard_.emplace_back(message);
                  changed_.NotifyAll();
                },
            .resync = nullptr};
  }

  // What was heard, once it is at least `count` messages.
  std::vector<std::string> Wait(size_t count) {
    MutexLock lock(mutex_);
    while (heard_.size() < count && changed_.WaitFor(mutex_, patience_)) {
    }
    return heard_;
  }

 private:
  const Duration patience_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> heard_ MC_GUARDED_BY(mutex_);
};

using SubscriptionPtr = std::unique_ptr<Bus::Subscription>;

SubscriptionPtr Subscribe(Bus& bus, std::string_view topic,
                          Bus::Listener listener, Findings& findings) {
  auto subscription = bus.Subscribe(topic, std::move(listener));
  if (subscription.ok()) return *std::move(subscription);
  findings.Add("subscribe: " + subscription.status().ToString());
  return nullptr;
}

void Publish(Bus& bus, std::string_view topic, std::string_view message,
             Findings& findings) {
  const Status status = bus.Publish(topic, message);
  findings.Expect(status.ok(), "publish: " + status.ToString());
}

void ExpectHeard(Ear& ear, const std::vector<std::string>& messages,
                 std::string_view what, Findings& findings) {
  const std::vector<std::string> heard = ear.Wait(messages.size());
  if (heard == messages) return;
  findings.Add(fmt::format("{}: {} messages, or others, instead of {}", what,
                           heard.size(), messages.size()));
}

void ReachesEverySubscription(BusFixture& fixture, Findings& findings) {
  Ear a(fixture);
  Ear b(fixture);
  Ear other(fixture);
  Publish(fixture.first(), "t", "nobody listens yet", findings);
  const auto one = Subscribe(fixture.first(), "t", a.Listener(), findings);
  const auto two = Subscribe(fixture.second(), "t", b.Listener(), findings);
  const auto three =
      Subscribe(fixture.second(), "other", other.Listener(), findings);
  Publish(fixture.first(), "t", "1", findings);
  Publish(fixture.first(), "t", "2", findings);
  Publish(fixture.first(), "other", "3", findings);
  ExpectHeard(a, {"1", "2"}, "a subscription", findings);
  ExpectHeard(b, {"1", "2"}, "a subscription of another process", findings);
  ExpectHeard(other, {"3"}, "another topic", findings);
}

void CarriesAnyBytes(BusFixture& fixture, Findings& findings) {
  const std::vector<std::string> messages = {
      "",     std::string("\0", 1),  std::string("a\0b", 3), "'", "\xff",
      "\r\n", std::string(4000, 'm')};
  Ear ear(fixture);
  const auto subscription =
      Subscribe(fixture.second(), std::string("\0topic'\xff", 8),
                ear.Listener(), findings);
  for (const std::string& message : messages) {
    Publish(fixture.first(), std::string("\0topic'\xff", 8), message, findings);
  }
  ExpectHeard(ear, messages, "bytes", findings);
  const Status status = fixture.first().Publish("t", std::string(4001, 'm'));
  findings.Expect(status.code() == StatusCode::kTooLarge,
                  "a message of 4,001 bytes: " + status.ToString());
}

void StopsWithTheSubscription(BusFixture& fixture, Findings& findings) {
  Ear gone(fixture);
  Ear stays(fixture);
  auto subscription =
      Subscribe(fixture.first(), "t", gone.Listener(), findings);
  const auto second =
      Subscribe(fixture.first(), "t", stays.Listener(), findings);
  Publish(fixture.second(), "t", "1", findings);
  ExpectHeard(gone, {"1"}, "before the end", findings);
  ExpectHeard(stays, {"1"}, "before the end", findings);
  subscription = nullptr;
  Publish(fixture.second(), "t", "2", findings);
  ExpectHeard(stays, {"1", "2"}, "the one that stays", findings);
  ExpectHeard(gone, {"1"}, "after the end", findings);
}

void KeepsTheOrderOfEachPublisher(BusFixture& fixture, Findings& findings) {
  constexpr int kPublishers = 3;
  constexpr int kMessages = 300;
  Ear ear(fixture);
  std::atomic<int> running{0};
  Bus::Listener listener = ear.Listener();
  const auto subscription =
      Subscribe(fixture.second(), "t",
                {.message =
                     [&, note = listener.message](std::string_view message) {
                       findings.Expect(++running == 1, "two callbacks at once");
                       note(message);
                       --running;
                     },
                 .resync = nullptr},
                findings);
  std::vector<std::thread> threads;
  for (int p = 0; p < kPublishers; ++p) {
    threads.emplace_back([&, p] {
      Bus& bus = p % 2 == 0 ? fixture.first() : fixture.second();
      for (int i = 0; i < kMessages; ++i) {
        Publish(bus, "t", fmt::format("{} {}", p, i), findings);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto heard = ear.Wait(kPublishers * kMessages);
  int next[kPublishers] = {};
  for (const std::string& message : heard) {
    const int p = message[0] - '0';
    if (message != fmt::format("{} {}", p, next[p]++)) {
      findings.Add("a message out of order: " + message);
      return;
    }
  }
  findings.Expect(heard.size() == size_t{kPublishers} * kMessages,
                  "messages were lost");
}

void ACallbackMayPublish(BusFixture& fixture, Findings& findings) {
  Ear ear(fixture);
  const auto answers =
      Subscribe(fixture.first(), "answers", ear.Listener(), findings);
  const auto questions =
      Subscribe(fixture.first(), "questions",
                {.message =
                     [&](std::string_view message) {
                       // To another topic, and once to its own.
                       Publish(fixture.first(), "answers", message, findings);
                       if (message == "1") {
                         Publish(fixture.first(), "questions", "2", findings);
                       }
                     },
                 .resync = nullptr},
                findings);
  Publish(fixture.second(), "questions", "1", findings);
  ExpectHeard(ear, {"1", "2"}, "messages published by a callback", findings);
}

void ACallbackMayEndItsSubscription(BusFixture& fixture, Findings& findings) {
  Mutex mutex;
  SubscriptionPtr subscription;
  std::atomic<int> calls{0};
  Ear after(fixture);
  {
    MutexLock lock(mutex);
    subscription = Subscribe(fixture.first(), "t",
                             {.message =
                                  [&](std::string_view) {
                                    ++calls;
                                    MutexLock inner(mutex);
                                    subscription = nullptr;
                                  },
                              .resync = nullptr},
                             findings);
  }
  const auto second =
      Subscribe(fixture.first(), "t", after.Listener(), findings);
  Publish(fixture.second(), "t", "1", findings);
  Publish(fixture.second(), "t", "2", findings);
  ExpectHeard(after, {"1", "2"}, "another subscription", findings);
  findings.Expect(calls <= 1, "a callback after the end of its subscription");
}

void TheEndWaitsForARunningCallback(BusFixture& fixture, Findings& findings) {
  std::atomic<bool> inside{false};
  std::atomic<bool> may_leave{false};
  std::atomic<bool> left{false};
  auto subscription = Subscribe(fixture.first(), "t",
                                {.message =
                                     [&](std::string_view) {
                                       inside = true;
                                       while (!may_leave) {
                                         std::this_thread::yield();
                                       }
                                       left = true;
                                     },
                                 .resync = nullptr},
                                findings);
  std::thread publisher([&] { Publish(fixture.second(), "t", "1", findings); });
  while (!inside) std::this_thread::yield();
  std::atomic<bool> ending{false};
  std::thread ender([&] {
    ending = true;
    subscription = nullptr;
    findings.Expect(left, "a subscription ended during its callback");
  });
  while (!ending) std::this_thread::yield();
  for (int turn = 0; turn < 10; ++turn) std::this_thread::yield();
  may_leave = true;
  ender.join();
  publisher.join();
}

// Threads that subscribe and leave while others publish: whoever listens the
// whole time misses nothing.
void SubscriptionsComeAndGo(BusFixture& fixture, Findings& findings) {
  Ear ear(fixture);
  const auto listener =
      Subscribe(fixture.second(), "t", ear.Listener(), findings);
  std::atomic<int> passing_by{2};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        const auto gone = std::make_shared<std::atomic<bool>>(false);
        auto passing = Subscribe(
            t == 0 ? fixture.first() : fixture.second(), "t",
            {.message =
                 [&findings, gone](std::string_view) {
                   findings.Expect(!*gone, "a callback after the end");
                 },
             .resync = nullptr},
            findings);
        std::this_thread::yield();
        passing = nullptr;
        *gone = true;
      }
      --passing_by;
    });
  }
  std::vector<std::string> all;
  while (passing_by > 0 || all.size() < 200) {
    all.push_back(std::to_string(all.size()));
    Publish(fixture.first(), "t", all.back(), findings);
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  ExpectHeard(ear, all, "messages while others come and go", findings);
}

void TellsToLookAgain(BusFixture& fixture, Findings& findings) {
  Ear ear(fixture);
  Ear resyncs(fixture);
  const auto told =
      Subscribe(fixture.second(), "t",
                {.message = ear.Listener().message,
                 .resync = [note = resyncs.Listener().message] { note("r"); }},
                findings);
  Ear other(fixture);
  const auto untold =
      Subscribe(fixture.second(), "t", other.Listener(), findings);
  if (!fixture.Reconnect()) return;
  findings.Expect(!resyncs.Wait(1).empty(),
                  "a subscriber that missed messages is not told so");
  Publish(fixture.first(), "t", "after", findings);
  const auto last = [](const std::vector<std::string>& heard) {
    return !heard.empty() && heard.back() == "after";
  };
  findings.Expect(last(ear.Wait(1)) && last(other.Wait(1)),
                  "no message after a connection was found again");
}

constexpr BusCheck kChecks[] = {
    {"ReachesEverySubscription", ReachesEverySubscription},
    {"CarriesAnyBytes", CarriesAnyBytes},
    {"StopsWithTheSubscription", StopsWithTheSubscription},
    {"KeepsTheOrderOfEachPublisher", KeepsTheOrderOfEachPublisher},
    {"ACallbackMayPublish", ACallbackMayPublish},
    {"ACallbackMayEndItsSubscription", ACallbackMayEndItsSubscription},
    {"TheEndWaitsForARunningCallback", TheEndWaitsForARunningCallback},
    {"SubscriptionsComeAndGo", SubscriptionsComeAndGo},
    {"TellsToLookAgain", TellsToLookAgain},
};

}  // namespace

std::span<const BusCheck> BusChecks() { return kChecks; }

}  // namespace matrixcore
