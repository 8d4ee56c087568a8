// The fault-injecting wrappers: sound when only delays strike, and what each
// other fault does.
#include "matrixcore/testing/faulty_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "conformance/broken_stores.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/testing/blob_conformance.h"
#include "matrixcore/testing/bus_conformance.h"
#include "matrixcore/testing/cache_conformance.h"
#include "matrixcore/testing/conformance_gtest.h"
#include "matrixcore/testing/coordinator_conformance.h"
#include "matrixcore/testing/search_conformance.h"
#include "matrixcore/testing/sim.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;

FaultRates Only(Fault fault, uint32_t one_in = 1) {
  return FaultRates().Set(fault, one_in);
}

// --- The suites, while calls overtake each other ---

// A FaultyStore that owns what it needs.
class DelayedStore : public StoreWrapper {
 public:
  explicit DelayedStore(std::unique_ptr<Store> base)
      : StoreWrapper(std::move(base)) {}
  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    return faulty_.NewSnapshot();
  }
  void CommitAsync(WriteBatch batch, Done done) override {
    faulty_.CommitAsync(std::move(batch), std::move(done));
  }

 private:
  FaultInjector faults_{1, Only(Fault::kDelay, 10)};
  FaultyStore faulty_{base(), faults_};
};

class DelayedStoreFixture : public StoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return std::unique_ptr<Store>(
        std::make_unique<DelayedStore>(NewMemoryStore(schema)));
  }
  bool durable() const override { return false; }
};

class DelayedCacheFixture : public CacheFixture {
 public:
  Cache& cache() override { return faulty_; }
  void Advance(Duration duration) override { time_.Advance(duration); }
  size_t too_large_bytes() const override { return 10'001; }

 private:
  SimTime time_;
  FaultInjector faults_{1, Only(Fault::kDelay, 3)};
  CacheBudget budget_{10'000};
  const std::unique_ptr<Cache> sound_ = NewMemoryCache(time_, budget_);
  FaultyCache faulty_{*sound_, faults_};
};

class OwningBlobStore : public BlobStore {
 public:
  Result<std::unique_ptr<Writer>> Create(std::string_view key) override {
    return faulty_.Create(key);
  }
  Result<std::unique_ptr<Reader>> Open(std::string_view key) override {
    return faulty_.Open(key);
  }
  Status Delete(std::string_view key) override { return faulty_.Delete(key); }

 private:
  FaultInjector faults_{1, Only(Fault::kDelay, 3)};
  const std::unique_ptr<BlobStore> sound_ = NewMemoryBlobStore();
  FaultyBlobStore faulty_{*sound_, faults_};
};

class DelayedBlobFixture : public BlobFixture {
 public:
  Result<std::unique_ptr<BlobStore>> Open() override {
    return std::unique_ptr<BlobStore>(std::make_unique<OwningBlobStore>());
  }
  bool durable() const override { return false; }
};

class DelayedSearchFixture : public SearchFixture {
 public:
  SearchIndex& index() override { return faulty_; }
  bool Reopen() override { return false; }

 private:
  FaultInjector faults_{1, Only(Fault::kDelay, 3)};
  const std::unique_ptr<SearchIndex> sound_ = NewMemorySearchIndex();
  FaultySearchIndex faulty_{*sound_, faults_};
};

// It also loses leases when told to, which no backend in memory does.
class DelayedCoordinatorFixture : public CoordinatorFixture {
 public:
  Coordinator& first() override { return faulty_; }
  Coordinator& second() override { return faulty_; }
  const Clock& clock() const override { return time_; }
  bool Lose(std::string_view key) override { return faulty_.Lose(key); }

 private:
  SimTime time_;
  FaultInjector faults_{1, Only(Fault::kDelay, 3)};
  const std::unique_ptr<Coordinator> sound_ = NewMemoryCoordinator(time_);
  FaultyCoordinator faulty_{*sound_, faults_};
};

// The same for messages.
class DelayedBusFixture : public BusFixture {
 public:
  Bus& first() override { return faulty_; }
  Bus& second() override { return faulty_; }
  bool Reconnect() override {
    losing_.reset();
    const bool published = faulty_.Publish("t", "lost").ok();
    losing_.emplace(faults_, Fault::kWakeupLost);
    return published;
  }

 private:
  FaultInjector faults_{1, Only(Fault::kDelay, 3).Set(Fault::kWakeupLost, 1)};
  std::optional<FaultInjector::Pause> losing_{std::in_place, faults_,
                                              Fault::kWakeupLost};
  const std::unique_ptr<Bus> sound_ = NewMemoryBus();
  FaultyBus faulty_{*sound_, faults_};
};

template <typename Fixture>
auto Make() {
  return std::make_unique<Fixture>();
}
MC_INSTANTIATE_CONFORMANCE(FaultyStore, StoreChecks(),
                           Make<DelayedStoreFixture>);
MC_INSTANTIATE_CONFORMANCE(FaultyCache, CacheChecks(),
                           Make<DelayedCacheFixture>);
MC_INSTANTIATE_CONFORMANCE(FaultyBlobs, BlobChecks(), Make<DelayedBlobFixture>);
MC_INSTANTIATE_CONFORMANCE(FaultySearch, SearchChecks(),
                           Make<DelayedSearchFixture>);
MC_INSTANTIATE_CONFORMANCE(FaultyCoordinator, CoordinatorChecks(),
                           Make<DelayedCoordinatorFixture>);
MC_INSTANTIATE_CONFORMANCE(FaultyBus, BusChecks(), Make<DelayedBusFixture>);

// --- What each fault does ---

WriteBatch PutNumber(int64_t id) {
  WriteBatch batch;
  batch.NewPosition();
  batch.PutRow(*ConformanceSchema().Find("numbers"), {id, id, {}, {}});
  return batch;
}

size_t NumbersIn(Store& store) {
  const auto snapshot = store.NewSnapshot();
  return (*snapshot)
      ->Scan({.table = ConformanceSchema().Find("numbers")})
      ->size();
}

TEST(FaultyStoreTest, ACommitThatFailsHasWrittenNothing) {
  const auto sound = NewMemoryStore(ConformanceSchema());
  FaultInjector faults(1, Only(Fault::kCommitFails));
  FaultyStore store(*sound, faults);
  EXPECT_EQ(store.Commit(PutNumber(1)).status().code(),
            StatusCode::kUnavailable);
  EXPECT_EQ(NumbersIn(*sound), 0u);
  EXPECT_EQ(sound->LastPosition(), 0);
}

TEST(FaultyStoreTest, ACommitWhoseAnswerIsLostWasMade) {
  const auto sound = NewMemoryStore(ConformanceSchema());
  FaultInjector faults(1, Only(Fault::kCommitAnswerLost));
  FaultyStore store(*sound, faults);
  EXPECT_EQ(store.Commit(PutNumber(1)).status().code(),
            StatusCode::kDeadlineExceeded);
  EXPECT_EQ(NumbersIn(store), 1u);
  // One that fails by itself says so.
  WriteBatch again;
  again.Require(
      WriteBatch::RowAbsent{ConformanceSchema().Find("numbers"), {int64_t{1}}});
  EXPECT_EQ(store.Commit(std::move(again)).status().code(),
            StatusCode::kAborted);
}

TEST(FaultyStoreTest, ReadsFailOneByOne) {
  const auto sound = NewMemoryStore(ConformanceSchema());
  FaultInjector faults(1, Only(Fault::kReadFails, 2));
  FaultyStore store(*sound, faults);
  const auto snapshot = store.NewSnapshot();
  const TableSpec& table = *ConformanceSchema().Find("numbers");
  for (int i = 0; i < 50; ++i) {
    const auto status = (*snapshot)->Get(table, {int64_t{1}}).status();
    EXPECT_TRUE(status.ok() || status.code() == StatusCode::kUnavailable);
  }
  EXPECT_GT(faults.struck(Fault::kReadFails), 10u);
  EXPECT_LT(faults.struck(Fault::kReadFails), 40u);
  FaultInjector always(1, Only(Fault::kSnapshotFails));
  EXPECT_EQ(FaultyStore(*sound, always).NewSnapshot().status().code(),
            StatusCode::kUnavailable);
}

TEST(FaultyCacheTest, ForgetsAndFails) {
  const SimTime time;
  CacheBudget budget(10'000);
  const auto sound = NewMemoryCache(time, budget);
  sound->Put("a", "1", seconds(60));
  FaultInjector forgets(1, Only(Fault::kCacheForgets));
  FaultyCache cache(*sound, forgets);
  EXPECT_EQ(cache.Get("a"), std::nullopt);
  EXPECT_EQ(sound->Get("a"), std::nullopt);
  sound->Put("a", "old", seconds(60));
  cache.Put("a", "new", seconds(60));
  EXPECT_EQ(sound->Get("a"), std::nullopt);
  EXPECT_EQ(cache.Add("n", 2, seconds(60)).value(), 2);
  EXPECT_EQ(cache.Add("n", 2, seconds(60)).value(), 2);
  FaultInjector fails(1, Only(Fault::kCacheFails));
  EXPECT_EQ(FaultyCache(*sound, fails).Add("n", 1, seconds(60)).status().code(),
            StatusCode::kUnavailable);
}

Status WriteBlob(BlobStore& store, std::string_view bytes) {
  MC_ASSIGN_OR_RETURN(const auto writer, store.Create("a"));
  MC_RETURN_IF_ERROR(writer->Append(AsBytes(bytes)));
  return writer->Commit();
}

TEST(FaultyBlobStoreTest, ATornBlobLacksItsEndUntilItIsWrittenAgain) {
  const auto sound = NewMemoryBlobStore();
  FaultInjector faults(1, Only(Fault::kBlobTorn));
  FaultyBlobStore store(*sound, faults);
  EXPECT_EQ(WriteBlob(store, "first second").code(), StatusCode::kUnavailable);
  {
    const auto reader = store.Open("a");
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ((*reader)->Read(0, 5).value(), "first");
    EXPECT_EQ((*reader)->Read(0, 100).status().code(), StatusCode::kDataLoss);
  }
  const FaultInjector::Pause pause(faults);
  EXPECT_TRUE(WriteBlob(store, "whole").ok());
  EXPECT_EQ((*store.Open("a"))->Read(0, 100).value(), "whole");
}

TEST(FaultyBlobStoreTest, FailsAndLosesAnswers) {
  const auto sound = NewMemoryBlobStore();
  FaultInjector lost(1, Only(Fault::kBlobAnswerLost));
  FaultyBlobStore losing(*sound, lost);
  EXPECT_EQ(WriteBlob(losing, "kept").code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ((*losing.Open("a"))->Read(0, 100).value(), "kept");
  FaultInjector fails(1, Only(Fault::kBlobFails));
  FaultyBlobStore failing(*sound, fails);
  EXPECT_EQ(failing.Create("b").status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(failing.Open("a").status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(failing.Delete("a").code(), StatusCode::kUnavailable);
}

TEST(FaultySearchIndexTest, EveryCallMayFail) {
  const auto sound = NewMemorySearchIndex();
  FaultInjector faults(1, Only(Fault::kSearchFails));
  FaultySearchIndex index(*sound, faults);
  SearchChanges changes;
  changes.position = 5;
  EXPECT_EQ(index.Apply(changes).code(), StatusCode::kUnavailable);
  EXPECT_EQ(index.Position().status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(index.Search({}).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(index.FromSource(1).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(index.Clear().code(), StatusCode::kUnavailable);
  EXPECT_EQ(sound->Position().value(), 0);
}

TEST(FaultyCoordinatorTest, ALostLeaseFreesItsKeyAtOnce) {
  const SimTime time;
  const auto sound = NewMemoryCoordinator(time);
  FaultInjector faults(1, Only(Fault::kLeaseLost));
  FaultyCoordinator coordinator(*sound, faults);
  const auto first = coordinator.TryAcquire("k");
  const auto second = coordinator.TryAcquire("k");
  ASSERT_TRUE(first.ok() && second.ok() && *second != nullptr);
  EXPECT_FALSE((*first)->held());
  EXPECT_GT((*second)->token(), (*first)->token());
  FaultInjector fails(1, Only(Fault::kLeaseFails));
  FaultyCoordinator failing(*sound, fails);
  EXPECT_EQ(failing.TryAcquire("k").status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(failing.Acquire("k", MonotonicTime::Never()).status().code(),
            StatusCode::kUnavailable);
}

TEST(FaultyBusTest, AWakeupThatIsLostIsToldToWhoCanLookAgain) {
  const auto sound = NewMemoryBus();
  FaultInjector faults(1, Only(Fault::kWakeupLost));
  FaultyBus bus(*sound, faults);
  std::vector<std::string> heard;
  const auto listening = bus.Subscribe(
      "t", {.message = [&](std::string_view m) { heard.emplace_back(m); },
            .resync = [&] { heard.emplace_back("(look again)"); }});
  EXPECT_TRUE(bus.Publish("t", "news").ok());
  EXPECT_THAT(heard, ElementsAre("(look again)"));
  FaultInjector fails(1, Only(Fault::kPublishFails));
  EXPECT_EQ(FaultyBus(*sound, fails).Publish("t", "news").code(),
            StatusCode::kUnavailable);
  EXPECT_THAT(heard, ElementsAre("(look again)"));
}

}  // namespace
}  // namespace matrixcore
