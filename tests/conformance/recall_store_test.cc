// RecallStore is a Store like any other, and gives the answers of the one
// behind it, at every moment and to every snapshot.
#include "matrixcore/store/recall_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "matrixcore/backends/memory.h"
#include "matrixcore/testing/conformance_gtest.h"
#include "matrixcore/testing/faulty_parts.h"
#include "matrixcore/testing/store_conformance.h"

namespace matrixcore {
namespace {

// A RecallStore together with the store behind it, whose reads it counts.
class Stack : public Store {
 public:
  Stack(std::unique_ptr<Store> behind, std::vector<RecallStore::Watch> watches)
      : behind_(std::move(behind)), recall_(*behind_, watches, budget_) {}

  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    return recall_.NewSnapshot();
  }
  void CommitAsync(WriteBatch batch, Done done) override {
    recall_.CommitAsync(std::move(batch), std::move(done));
  }
  Position LastPosition() const override { return recall_.LastPosition(); }
  Status Check() override { return recall_.Check(); }
  void Close() override { recall_.Close(); }

  RecallStore::Stats stats() const { return recall_.stats(); }

 private:
  const std::unique_ptr<Store> behind_;
  CacheBudget budget_{8 << 20};
  RecallStore recall_;
};

std::vector<RecallStore::Watch> AllOf(const Schema& schema) {
  std::vector<RecallStore::Watch> watches;
  for (const TableSpec& table : schema.tables) watches.push_back({&table});
  return watches;
}

class RecallFixture : public StoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return std::unique_ptr<Store>(
        std::make_unique<Stack>(NewMemoryStore(schema), AllOf(schema)));
  }
  bool durable() const override { return false; }
};

std::unique_ptr<StoreFixture> MakeRecall() {
  return std::make_unique<RecallFixture>();
}
MC_INSTANTIATE_CONFORMANCE(RecallStore, StoreChecks(), MakeRecall);

TEST(RecallStoreTest, AgreesWithTheStoreBehindForManySeeds) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Stack recall(NewMemoryStore(ConformanceSchema()),
                 AllOf(ConformanceSchema()));
    const auto plain = NewMemoryStore(ConformanceSchema());
    Findings findings;
    CompareStores(recall, *plain, seed, 500, findings);
    for (const std::string& finding : findings.list()) ADD_FAILURE() << finding;
  }
}

// News of users, by position; how many each user has, watched and not.
const TableSpec kNews{
    .name = "news",
    .columns = {{"user", ColumnType::kText},
                {"item", ColumnType::kInt64},
                {"pos", ColumnType::kInt64}},
    .key_columns = 2,
    .indexes = {{"pos", {0, 2}}, {"log", {2}}},
};
const TableSpec kCounts{
    .name = "counts",
    .columns = {{"user", ColumnType::kText}, {"count", ColumnType::kInt64}},
};
const TableSpec kTruth{
    .name = "truth",
    .columns = {{"user", ColumnType::kText}, {"count", ColumnType::kInt64}},
};
// Everything that was added, in order.
const TableSpec kLog{
    .name = "log",
    .columns = {{"user", ColumnType::kText},
                {"pos", ColumnType::kInt64},
                {"item", ColumnType::kInt64}},
    .key_columns = 2,
};

WriteBatch AddNews(const std::string& user, int64_t item) {
  WriteBatch batch;
  const PositionRef pos = batch.NewPosition();
  batch.PutRow(kNews, {user, item, pos});
  batch.PutRow(kCounts, {user, item});
  batch.PutRow(kTruth, {user, item});
  batch.PutRow(kLog, {user, pos, item});
  return batch;
}

ScanSpec NewsOf(const std::string& user, Position after) {
  return {.table = &kNews,
          .index = 0,
          .prefix = {Cell(user)},
          .from = ScanSpec::Bound{Cell(after), false}};
}
ScanSpec NewestOf(const std::string& user) {
  return {
      .table = &kLog, .prefix = {Cell(user)}, .descending = true, .limit = 1};
}
ScanSpec AllNews(Position after) {
  return {
      .table = &kNews, .index = 1, .from = ScanSpec::Bound{Cell(after), false}};
}

class RecallNewsTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Store> Behind() {
    return NewMemoryStore(Schema{.tables = {kNews, kCounts, kTruth, kLog}});
  }
  static std::vector<RecallStore::Watch> Watches() {
    return {{&kNews, 2}, {&kCounts}, {&kLog, 1, true}};
  }
  uint64_t PassedOn() const { return stack_.stats().passed_on; }
  size_t Count(const ScanSpec& scan) {
    return stack_.NewSnapshot().value()->Scan(scan).value().size();
  }

  // -1 when there is no row.
  int64_t CountOf(const std::string& user) {
    const auto row =
        stack_.NewSnapshot().value()->Get(kCounts, {Cell(user)}).value();
    return row ? CellInt((*row)[1]) : -1;
  }

  Stack stack_{Behind(), Watches()};
};

TEST_F(RecallNewsTest, AsksNobodyForNewsWhereNothingWasWritten) {
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 1)).ok());
  const Position now = stack_.LastPosition();
  const uint64_t before = PassedOn();
  EXPECT_EQ(Count(NewsOf("@a", now)), 0u);
  EXPECT_EQ(Count(AllNews(now)), 0u);
  EXPECT_EQ(PassedOn(), before);
  EXPECT_EQ(Count(NewsOf("@a", now - 1)), 1u);
  EXPECT_EQ(Count(AllNews(now - 1)), 1u);
  EXPECT_EQ(PassedOn(), before + 2);
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 2)).ok());
  EXPECT_EQ(Count(NewsOf("@a", now)), 1u);
  EXPECT_EQ(Count(AllNews(now)), 1u);
}

TEST_F(RecallNewsTest, AnInclusiveBoundFindsTheNewestRow) {
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 1)).ok());
  ScanSpec scan = NewsOf("@a", stack_.LastPosition());
  scan.from->inclusive = true;
  EXPECT_EQ(Count(scan), 1u);
}

TEST_F(RecallNewsTest, WhatOthersWriteChangesNothingForAUser) {
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 1)).ok());
  const Position now = stack_.LastPosition();
  EXPECT_EQ(CountOf("@a"), 1);
  ASSERT_TRUE(stack_.Commit(AddNews("@b", 1)).ok());
  const uint64_t before = PassedOn();
  EXPECT_EQ(Count(NewsOf("@a", now)), 0u);
  EXPECT_EQ(CountOf("@a"), 1);
  EXPECT_EQ(PassedOn(), before);
  EXPECT_EQ(Count(AllNews(now)), 1u);
}

// Rows that were there before this object was made.
TEST(RecallStoreTest, KnowsNothingOfWhatWasWrittenBefore) {
  const auto behind =
      NewMemoryStore(Schema{.tables = {kNews, kCounts, kTruth, kLog}});
  ASSERT_TRUE(behind->Commit(AddNews("@a", 1)).ok());
  CacheBudget budget(8 << 20);
  RecallStore recall(*behind, {{&kNews, 2}}, budget);
  const auto snapshot = recall.NewSnapshot().value();
  EXPECT_EQ(snapshot->Scan(NewsOf("@a", 0))->size(), 1u);
  EXPECT_EQ(snapshot->Scan(AllNews(0))->size(), 1u);
}

TEST_F(RecallNewsTest, AnOldSnapshotKeepsItsAnswers) {
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 1)).ok());
  const Row key = {Cell(std::string("@a"))};
  const auto old = stack_.NewSnapshot().value();
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 2)).ok());
  const auto young = stack_.NewSnapshot().value();
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(CellInt(young->Get(kCounts, key).value().value()[1]), 2);
    EXPECT_EQ(CellInt(old->Get(kCounts, key).value().value()[1]), 1);
  }
  EXPECT_EQ(old->Scan(NewsOf("@a", 0))->size(), 1u);
}

// A commit without positions leaves the log where it is and changes rows.
TEST_F(RecallNewsTest, NoticesCommitsWithoutPositions) {
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 1)).ok());
  EXPECT_EQ(CountOf("@a"), 1);
  WriteBatch removal;
  removal.DeleteRow(kCounts, {std::string("@a")});
  ASSERT_TRUE(stack_.Commit(std::move(removal)).ok());
  EXPECT_EQ(CountOf("@a"), -1);
}

TEST_F(RecallNewsTest, AFailedCommitChangesNothing) {
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 1)).ok());
  const Position now = stack_.LastPosition();
  WriteBatch failing = AddNews("@a", 2);
  failing.Require(WriteBatch::RowAbsent{&kTruth, {Cell(std::string("@a"))}});
  EXPECT_FALSE(stack_.Commit(std::move(failing)).ok());
  const uint64_t before = PassedOn();
  EXPECT_EQ(Count(NewsOf("@a", now)), 0u);
  EXPECT_EQ(PassedOn(), before);
}

TEST_F(RecallNewsTest, KnowsTheNewestRowsOfALog) {
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 1)).ok());
  ASSERT_TRUE(stack_.Commit(AddNews("@b", 7)).ok());
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 2)).ok());
  const uint64_t before = PassedOn();
  const auto rows = stack_.NewSnapshot().value()->Scan(NewestOf("@a")).value();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(CellInt(rows[0][2]), 2);
  EXPECT_EQ(PassedOn(), before);
}

TEST_F(RecallNewsTest, ASnapshotOfBeforeSeesTheLogAsItWas) {
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 1)).ok());
  const auto snapshot = stack_.NewSnapshot().value();
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 2)).ok());
  const auto rows = snapshot->Scan(NewestOf("@a")).value();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(CellInt(rows[0][2]), 1);
}

TEST_F(RecallNewsTest, ThePastOfALogIsReadOnce) {
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 1)).ok());
  const Position then = stack_.LastPosition();
  for (int64_t item = 2; item <= 50; ++item) {
    ASSERT_TRUE(stack_.Commit(AddNews("@a", item)).ok());
  }
  ScanSpec past = NewestOf("@a");
  past.to = ScanSpec::Bound{Cell(then), true};
  EXPECT_EQ(Count(past), 1u);
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 51)).ok());
  const uint64_t before = PassedOn();
  EXPECT_EQ(Count(past), 1u);
  EXPECT_EQ(PassedOn(), before);
  const auto old_snapshot = stack_.NewSnapshot().value();
  WriteBatch removal;
  removal.DeleteRow(kLog, {std::string("@a"), then});
  ASSERT_TRUE(stack_.Commit(std::move(removal)).ok());
  EXPECT_EQ(Count(past), 0u);
  EXPECT_EQ(old_snapshot->Scan(past)->size(), 1u);
  EXPECT_EQ(Count(past), 0u);
}

TEST_F(RecallNewsTest, AFewRowsAreRecalledTogether) {
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 1)).ok());
  ASSERT_TRUE(stack_.Commit(AddNews("@b", 2)).ok());
  const std::vector<Row> keys = {{Cell(std::string("@a"))},
                                 {Cell(std::string("@none"))},
                                 {Cell(std::string("@b"))}};
  const auto counts = [&] {
    const auto rows =
        stack_.NewSnapshot().value()->GetMany(kCounts, keys).value();
    std::vector<int64_t> found;
    for (const auto& row : rows) {
      found.push_back(row ? CellInt((*row)[1]) : -1);
    }
    return found;
  };
  EXPECT_EQ(counts(), (std::vector<int64_t>{1, -1, 2}));
  const uint64_t before = PassedOn();
  EXPECT_EQ(counts(), (std::vector<int64_t>{1, -1, 2}));
  EXPECT_EQ(PassedOn(), before);
  ASSERT_TRUE(stack_.Commit(AddNews("@b", 3)).ok());
  EXPECT_EQ(counts(), (std::vector<int64_t>{1, -1, 3}));
  EXPECT_EQ(PassedOn(), before + 1);
}

TEST_F(RecallNewsTest, ARemovalFromALogIsSeen) {
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 1)).ok());
  WriteBatch removal;
  removal.DeleteRows(kLog, {std::string("@a")});
  ASSERT_TRUE(stack_.Commit(std::move(removal)).ok());
  EXPECT_EQ(Count(NewestOf("@a")), 0u);
  ASSERT_TRUE(stack_.Commit(AddNews("@a", 2)).ok());
  ScanSpec all = NewestOf("@a");
  all.limit = SIZE_MAX;
  EXPECT_EQ(Count(all), 1u);
}

TEST_F(RecallNewsTest, RowsOfAnUnknownKeyAreFound) {
  const TableSpec numbered{
      .name = "numbered",
      .columns = {{"room", ColumnType::kInt64}, {"pos", ColumnType::kInt64}},
      .indexes = {{"pos", {0, 1}}},
  };
  Stack stack(NewMemoryStore(Schema{.tables = {numbered}}), {{&numbered, 1}});
  WriteBatch batch;
  const PositionRef room = batch.NewPosition();
  batch.PutRow(numbered, {room, batch.NewPosition()});
  const Position first = stack.Commit(std::move(batch))->first;
  const auto rows = stack.NewSnapshot().value()->Scan(
      {.table = &numbered,
       .index = 0,
       .prefix = {Cell(first)},
       .from = ScanSpec::Bound{Cell(first), false}});
  EXPECT_EQ(rows->size(), 1u);
}

// Within a snapshot everything fits together, while others write.
TEST_F(RecallNewsTest, EverySnapshotIsConsistentUnderConcurrentWrites) {
  constexpr int kUsers = 8;
  constexpr int64_t kItems = 400;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int64_t item = 1; item <= kItems; ++item) {
      for (int user = 0; user < kUsers; ++user) {
        // Not waited for: many are under way at once.
        stack_.CommitAsync(AddNews("@" + std::to_string(user), item),
                           [](Result<CommitInfo>) {});
      }
      if (item % 20 == 0) stack_.Commit(WriteBatch()).value();
    }
    EXPECT_TRUE(stack_.Commit(WriteBatch()).ok());
    done = true;
  });
  const auto read = [&](int user) {
    const std::string name = "@" + std::to_string(user);
    const Row key = {Cell(name)};
    Position since = 0;
    int64_t seen = 0;
    for (bool last = false; !last;) {
      last = done;
      const auto snapshot = stack_.NewSnapshot().value();
      const auto truth = snapshot->Get(kTruth, key).value();
      const auto count = snapshot->Get(kCounts, key).value();
      ASSERT_EQ(truth, count);
      const auto newest = snapshot->Scan(NewestOf(name)).value();
      ASSERT_EQ(newest.empty() ? 0 : CellInt(newest[0][2]),
                truth ? CellInt((*truth)[1]) : 0);
      const int64_t now = truth ? CellInt((*truth)[1]) : 0;
      const auto news = snapshot->Scan(NewsOf(name, since)).value();
      ASSERT_EQ(static_cast<int64_t>(news.size()), now - seen);
      seen = now;
      since = snapshot->position();
    }
    EXPECT_EQ(seen, kItems);
  };
  std::vector<std::thread> readers;
  for (int user = 0; user < 4; ++user) readers.emplace_back(read, user);
  for (std::thread& reader : readers) reader.join();
  writer.join();
  EXPECT_GT(stack_.stats().recalled, 0u);
}

// A commit whose answer was lost was made: what was remembered before is void.
TEST_F(RecallNewsTest, SeesWhatACommitWroteWhoseAnswerWasLost) {
  const auto behind = Behind();
  FaultInjector faults(1, FaultRates().Set(Fault::kCommitAnswerLost, 1));
  FaultyStore faulty(*behind, faults);
  CacheBudget budget(1 << 20);
  RecallStore recall(faulty, Watches(), budget);
  const auto read = [&](const ScanSpec& scan) {
    return (*recall.NewSnapshot())->Scan(scan).value();
  };
  {
    const FaultInjector::Pause pause(faults);
    ASSERT_TRUE(recall.Commit(AddNews("@0", 1)).ok());
    EXPECT_EQ(read(NewsOf("@0", 1)).size(), 0u);
    EXPECT_EQ(read(NewestOf("@0")).at(0).at(2), Cell(int64_t{1}));
  }
  EXPECT_EQ(recall.Commit(AddNews("@0", 2)).status().code(),
            StatusCode::kDeadlineExceeded);
  const Row count = {"@0", int64_t{2}};
  EXPECT_EQ((*recall.NewSnapshot())->Get(kCounts, {Cell("@0")}).value(), count);
  EXPECT_EQ(read(NewsOf("@0", 1)).size(), 1u);
  EXPECT_EQ(read(NewestOf("@0")).at(0).at(2), Cell(int64_t{2}));
  // Nor is it forgotten by what comes after it.
  const FaultInjector::Pause pause(faults);
  ASSERT_TRUE(recall.Commit(AddNews("@1", 3)).ok());
  EXPECT_EQ(read(NewestOf("@0")).at(0).at(2), Cell(int64_t{2}));
}

}  // namespace
}  // namespace matrixcore
