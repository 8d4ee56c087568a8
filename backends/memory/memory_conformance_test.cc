// The suites of the test kit, on what lives in memory.
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "matrixcore/backends/memory.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/testing/blob_conformance.h"
#include "matrixcore/testing/bus_conformance.h"
#include "matrixcore/testing/cache_conformance.h"
#include "matrixcore/testing/conformance_gtest.h"
#include "matrixcore/testing/coordinator_conformance.h"
#include "matrixcore/testing/search_conformance.h"
#include "matrixcore/testing/store_conformance.h"

namespace matrixcore {
namespace {

class MemoryStoreFixture : public StoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return NewMemoryStore(schema);
  }
  bool durable() const override { return false; }
};

std::unique_ptr<StoreFixture> MakeStore() {
  return std::make_unique<MemoryStoreFixture>();
}

class ModelStoreFixture : public MemoryStoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return NewModelStore(schema);
  }
};

// Moves only when told to.
class ManualClock : public Clock {
 public:
  Timestamp Now() const override { return {Monotonic().ns / 1'000'000}; }
  MonotonicTime Monotonic() const override {
    MutexLock lock(mutex_);
    return now_;
  }
  void Advance(Duration duration) {
    MutexLock lock(mutex_);
    now_ = now_ + duration;
  }

 private:
  mutable Mutex mutex_;
  MonotonicTime now_ MC_GUARDED_BY(mutex_){1'000'000};
};

class MemoryCacheFixture : public CacheFixture {
 public:
  Cache& cache() override { return *cache_; }
  void Advance(Duration duration) override { clock_.Advance(duration); }
  size_t too_large_bytes() const override { return 10'001; }

 private:
  ManualClock clock_;
  CacheBudget budget_{10'000};
  const std::unique_ptr<Cache> cache_ = NewMemoryCache(clock_, budget_);
};

class MemoryBlobFixture : public BlobFixture {
 public:
  Result<std::unique_ptr<BlobStore>> Open() override {
    return NewMemoryBlobStore();
  }
  bool durable() const override { return false; }
};

class MemoryCoordinatorFixture : public CoordinatorFixture {
 public:
  Coordinator& first() override { return *coordinator_; }
  Coordinator& second() override { return *coordinator_; }
  const Clock& clock() const override { return clock_; }

 private:
  ManualClock clock_;
  const std::unique_ptr<Coordinator> coordinator_ =
      NewMemoryCoordinator(clock_);
};

class MemoryBusFixture : public BusFixture {
 public:
  Bus& first() override { return *bus_; }
  Bus& second() override { return *bus_; }

 private:
  const std::unique_ptr<Bus> bus_ = NewMemoryBus();
};

class MemorySearchFixture : public SearchFixture {
 public:
  SearchIndex& index() override { return *index_; }
  bool Reopen() override { return false; }

 private:
  const std::unique_ptr<SearchIndex> index_ = NewMemorySearchIndex();
};

std::unique_ptr<SearchFixture> MakeSearch() {
  return std::make_unique<MemorySearchFixture>();
}
std::unique_ptr<CacheFixture> MakeCache() {
  return std::make_unique<MemoryCacheFixture>();
}
std::unique_ptr<BlobFixture> MakeBlobs() {
  return std::make_unique<MemoryBlobFixture>();
}
std::unique_ptr<CoordinatorFixture> MakeCoordinator() {
  return std::make_unique<MemoryCoordinatorFixture>();
}
std::unique_ptr<BusFixture> MakeBus() {
  return std::make_unique<MemoryBusFixture>();
}

MC_INSTANTIATE_CONFORMANCE(MemoryStore, StoreChecks(), MakeStore);
MC_INSTANTIATE_CONFORMANCE(MemoryCache, CacheChecks(), MakeCache);
MC_INSTANTIATE_CONFORMANCE(MemorySearch, SearchChecks(), MakeSearch);
MC_INSTANTIATE_CONFORMANCE(MemoryBlobs, BlobChecks(), MakeBlobs);
MC_INSTANTIATE_CONFORMANCE(MemoryCoordinator, CoordinatorChecks(),
                           MakeCoordinator);
MC_INSTANTIATE_CONFORMANCE(MemoryBus, BusChecks(), MakeBus);

TEST(MemoryCacheTest, LetsGoOfWhatWasUsedLeastRecently) {
  ManualClock clock;
  CacheBudget budget(10'000);
  const auto cache = NewMemoryCache(clock, budget);
  const std::string kilobyte(1'000, 'v');
  for (const char* key : {"a", "b", "c", "d", "e"}) {
    cache->Put(key, kilobyte, seconds(60));
  }
  EXPECT_TRUE(cache->Get("a").has_value());
  for (const char* key : {"f", "g", "h", "i"}) {
    cache->Put(key, kilobyte, seconds(60));
  }
  EXPECT_TRUE(cache->Get("a").has_value());
  EXPECT_FALSE(cache->Get("b").has_value());
  EXPECT_TRUE(cache->Get("i").has_value());
}

// The deadline passes on the simulated clock alone.
TEST(MemoryCoordinatorTest, GivesUpWhenASimulatedClockReachesTheDeadline) {
  ManualClock clock;
  const auto coordinator = NewMemoryCoordinator(clock);
  const auto lease = coordinator->TryAcquire("k");
  ASSERT_TRUE(lease.ok());
  const MonotonicTime deadline = clock.Monotonic() + seconds(3600);
  Status status;
  std::thread waiter(
      [&] { status = coordinator->Acquire("k", deadline).status(); });
  clock.Advance(seconds(3601));
  waiter.join();
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
}

// The model is what others are compared with, so it has to be right; it is not
// made for many threads.
TEST(ModelStoreTest, PassesTheSuite) {
  const std::set<std::string_view> of_many_threads = {
      "SnapshotsAreConsistentUnderLoad",  "PositionsAppearInOrder",
      "DoneIsCalledInCommitOrder",        "PreconditionsHoldUnderContention",
      "UniqueIndexesHoldUnderContention", "OneInsertWins",
      "FailedBatchesLeaveNoGaps",         "EveryBatchIsAnsweredWhenClosing",
      "CountersAreLinearizable",          "ClaimsAreLinearizable"};
  for (const StoreCheck& check : StoreChecks()) {
    const std::string name(check.name);
    if (of_many_threads.contains(check.name)) continue;
    ModelStoreFixture fixture;
    for (const std::string& finding : RunConformanceCheck(check, fixture)) {
      ADD_FAILURE() << name << ": " << finding;
    }
  }
}

TEST(MemoryStoreTest, AgreesWithTheModelForManySeeds) {
  for (uint64_t seed = 100; seed < 110; ++seed) {
    const auto store = NewMemoryStore(ConformanceSchema());
    const auto model = NewModelStore(ConformanceSchema());
    Findings findings;
    CompareStores(*store, *model, seed, 500, findings);
    for (const std::string& finding : findings.list()) ADD_FAILURE() << finding;
  }
}

}  // namespace
}  // namespace matrixcore
