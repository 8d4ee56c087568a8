// One-time keys under 64 claims at once, with a store that fails: the history
// of calls must be one that a queue can have produced which gives each key
// once, the oldest first.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "matrixcore/backends/memory.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/keys.h"
#include "service/manual_world.h"

namespace matrixcore {
namespace {

constexpr char kUser[] = "@alice:x";
constexpr char kDevice[] = "DEVICE";
constexpr char kAlgorithm[] = "signed_curve25519";
constexpr int kClaimers = 64;
constexpr int kUploaders = 2;

// Now and then a commit fails: nothing was written, or it was and the answer
// got lost, as when a server is killed before it can answer.
class UnreliableStore : public Store {
 public:
  UnreliableStore(std::unique_ptr<Store> store, uint64_t seed)
      : store_(std::move(store)), random_(NewSeededRandom(seed)) {}

  void Reliable() { reliable_ = true; }

  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    return store_->NewSnapshot();
  }
  void CommitAsync(WriteBatch batch, Done done) override {
    const uint64_t fate = reliable_ ? 99 : Draw();
    if (fate < 2) return done(Status(StatusCode::kUnavailable, "not written"));
    if (fate < 4) {
      return store_->CommitAsync(
          std::move(batch),
          [done = std::move(done)](Result<CommitInfo> result) mutable {
            if (result.ok()) {
              result = Status(StatusCode::kUnavailable, "written, not known");
            }
            done(std::move(result));
          });
    }
    store_->CommitAsync(std::move(batch), std::move(done));
  }
  Position LastPosition() const override { return store_->LastPosition(); }
  Status Check() override { return store_->Check(); }
  void Close() override { store_->Close(); }

 private:
  uint64_t Draw() {
    MutexLock lock(mutex_);
    return random_->Below(100);
  }
  const std::unique_ptr<Store> store_;
  Mutex mutex_;
  const std::unique_ptr<Random> random_ MC_GUARDED_BY(mutex_);
  std::atomic<bool> reliable_{false};
};

// A call took effect between these two; without an answer, at any time after it
// began, or never.
struct Span {
  int64_t began = 0;
  int64_t answered = INT64_MAX;
};

// What was called and what was answered.  Thread-safe.
class History {
 public:
  int64_t Now() { return ++time_; }

  void Uploaded(const std::vector<std::string>& ids, Span span) {
    MutexLock lock(mutex_);
    for (const std::string& id : ids) keys_[id].upload = span;
  }
  void Claimed(const std::string& id, Span span) {
    MutexLock lock(mutex_);
    if (id.empty()) {
      empty_.push_back(span);
    } else if (std::optional<Span>& claim = keys_[id].claim; claim) {
      twice_.push_back(id);
    } else {
      claim = span;
    }
  }
  void ClaimFailed() {
    MutexLock lock(mutex_);
    ++failed_;
  }

  // "" or what no queue can have done.  To be called when the queue is empty.
  std::string Judge() {
    MutexLock lock(mutex_);
    if (!twice_.empty()) return twice_[0] + " was given twice";
    size_t missing = 0;
    for (const auto& [id, key] : keys_) {
      if (!key.upload) return "nobody uploaded " + id;
      if (!key.claim && key.upload->answered != INT64_MAX) ++missing;
      if (key.claim && key.claim->answered < key.upload->began) {
        return id + " was given before it was there";
      }
    }
    if (missing > failed_) return fmt::format("{} keys are lost", missing);
    for (const auto& [id, key] : keys_) {
      for (const auto& [other_id, other] : keys_) {
        if (key.claim && other.claim &&
            key.upload->answered < other.upload->began &&
            other.claim->answered < key.claim->began) {
          return fmt::format("{} was given before {}", other_id, id);
        }
      }
      for (const Span& empty : empty_) {
        if (key.claim && key.upload->answered < empty.began &&
            empty.answered < key.claim->began) {
          return fmt::format("nothing was given while {} was there", id);
        }
      }
    }
    return "";
  }
  size_t given() {
    MutexLock lock(mutex_);
    size_t given = 0;
    for (const auto& [id, key] : keys_) given += key.claim ? 1 : 0;
    return given;
  }

 private:
  struct Key {
    std::optional<Span> upload;
    std::optional<Span> claim;
  };
  std::atomic<int64_t> time_{0};
  Mutex mutex_;
  std::map<std::string, Key> keys_ MC_GUARDED_BY(mutex_);
  std::vector<Span> empty_ MC_GUARDED_BY(mutex_);
  std::vector<std::string> twice_ MC_GUARDED_BY(mutex_);
  size_t failed_ MC_GUARDED_BY(mutex_) = 0;
};

class World {
 public:
  explicit World(uint64_t seed) {
    Schema schema;
    schema.version = tables::kSchemaVersion;
    schema.tables = tables::AccountTables();
    store_ = std::make_unique<UnreliableStore>(NewMemoryStore(schema), seed);
    unfinished_ = std::make_unique<UnfinishedWork>(
        UnfinishedWork::Deps{*store_, clock_, timers_, executor_, *log_});
    accounts_ = std::make_unique<AccountService>(
        AccountService::Options{.server_name = "x", .password_cost = {1, 8192}},
        AccountService::Deps{*store_, clock_, *random_, executor_, timers_,
                             *log_, caches_, *unfinished_});
    notifier_ = std::make_unique<Notifier>(*store_, joined_, executor_, timers_,
                                           clock_, *metrics_);
    // Two, as two processes over one store would have.
    for (auto& service : services_) {
      service = std::make_unique<KeyService>(
          KeyService::Deps{*store_, clock_, *notifier_, "x"}, *accounts_);
    }
    WriteBatch batch;
    batch.PutRow(tables::kDevices, {kUser, kDevice, {}, int64_t{0}});
    while (!store_->Commit(batch).ok()) {
    }
    session_.user_id = kUser;
    session_.device_id = kDevice;
  }
  ~World() { notifier_->Shutdown(); }

  // A client that uploads keys, and the same again until it has an answer.
  void Upload(int uploader, int number) {
    std::vector<std::string> ids;
    std::string keys;
    for (int i = 0; i < 5; ++i) {
      ids.push_back(
          fmt::format("{}:u{}n{}k{}", kAlgorithm, uploader, number, i));
      keys += fmt::format(R"({}"{}":{{"key":"{}"}})", i == 0 ? "" : ",",
                          ids.back(), ids.back());
    }
    const auto body = json::Document::Parse(
        fmt::format(R"({{"one_time_keys":{{{}}}}})", keys));
    Span span{.began = history.Now()};
    while (!services_[uploader % 2]->Upload(session_, body->root()).ok()) {
    }
    span.answered = history.Now();
    history.Uploaded(ids, span);
  }

  // Whether there was a key.
  bool Claim(int claimer) {
    const auto body = json::Document::Parse(
        fmt::format(R"({{"one_time_keys":{{"{}":{{"{}":"{}"}}}}}})", kUser,
                    kDevice, kAlgorithm));
    Span span{.began = history.Now()};
    const Result<std::string> answer =
        services_[claimer % 2]->Claim(body->root());
    if (!answer.ok()) {
      history.ClaimFailed();
      return true;
    }
    span.answered = history.Now();
    const auto document = json::Document::ParseView(*answer);
    std::string id;
    for (const auto [key_id, key] :
         document->root()["one_time_keys"][kUser][kDevice].members()) {
      id = key_id;
    }
    history.Claimed(id, span);
    return !id.empty();
  }

  void Drain() {
    store_->Reliable();
    while (Claim(0)) {
    }
  }

  History history;

 private:
  ManualClock clock_;
  ManualTimers timers_{clock_};
  ManualExecutor executor_;
  JoinedUsers joined_;
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  std::unique_ptr<Logger> log_ = NewNullLogger();
  std::unique_ptr<Metrics> metrics_ = NewMetrics();
  std::unique_ptr<UnreliableStore> store_;
  CacheBudget caches_{8 << 20};
  std::unique_ptr<UnfinishedWork> unfinished_;
  std::unique_ptr<AccountService> accounts_;
  std::unique_ptr<Notifier> notifier_;
  std::unique_ptr<KeyService> services_[2];
  Session session_;
};

TEST(KeyClaimsTest, EachKeyIsGivenOnceInOrderWhateverFails) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    World world(seed);
    std::atomic<int> uploading{kUploaders};
    std::vector<std::thread> threads;
    for (int i = 0; i < kUploaders; ++i) {
      threads.emplace_back([&, i] {
        for (int number = 0; number < 40; ++number) world.Upload(i, number);
        --uploading;
      });
    }
    for (int i = 0; i < kClaimers; ++i) {
      threads.emplace_back([&, i] {
        for (int n = 0; n < 5 || uploading.load() > 0; ++n) world.Claim(i);
      });
    }
    for (std::thread& thread : threads) thread.join();
    world.Drain();
    EXPECT_EQ(world.history.Judge(), "") << "seed " << seed;
    EXPECT_GT(world.history.given(), 100u);
  }
}

// The judge itself: what it must not let pass.
TEST(KeyClaimsTest, AHistoryThatNoQueueHasIsFound) {
  History twice;
  twice.Uploaded({"a"}, {1, 2});
  twice.Claimed("a", {3, 4});
  twice.Claimed("a", {5, 6});
  EXPECT_EQ(twice.Judge(), "a was given twice");

  History order;
  order.Uploaded({"a"}, {1, 2});
  order.Uploaded({"b"}, {3, 4});
  order.Claimed("b", {5, 6});
  order.Claimed("a", {7, 8});
  EXPECT_EQ(order.Judge(), "b was given before a");

  History empty;
  empty.Uploaded({"a"}, {1, 2});
  empty.Claimed("", {3, 4});
  empty.Claimed("a", {5, 6});
  EXPECT_EQ(empty.Judge(), "nothing was given while a was there");

  History lost;
  lost.Uploaded({"a", "b"}, {1, 2});
  lost.ClaimFailed();
  EXPECT_EQ(lost.Judge(), "2 keys are lost");
}

}  // namespace
}  // namespace matrixcore
