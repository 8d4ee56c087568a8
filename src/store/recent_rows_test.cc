#include "store/recent_rows.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace matrixcore {
namespace {

const TableSpec kLog{
    .name = "log",
    .columns = {{"room", ColumnType::kInt64},
                {"pos", ColumnType::kInt64},
                {"text", ColumnType::kText}},
    .key_columns = 2,
};

class RecentRowsTest : public ::testing::Test {
 protected:
  // A commit of one row at that position.
  void Add(int64_t room, Position pos) {
    recent_.Add({room, PositionRef{0}, std::string("x")}, pos);
  }
  // The positions found; nothing when the table has to be asked.
  std::optional<std::vector<Position>> Find(ScanSpec scan, Position position) {
    scan.table = &kLog;
    scan.descending = true;
    const auto rows = recent_.Find(scan, position);
    if (!rows) return std::nullopt;
    std::vector<Position> found;
    for (const Row& row : *rows) found.push_back(CellInt(row[1]));
    return found;
  }
  static ScanSpec Newest(int64_t room) {
    return {.prefix = {Cell(room)}, .limit = 1};
  }
  static ScanSpec::Bound At(Position pos, bool inclusive) {
    return {Cell(pos), inclusive};
  }

  CacheBudget budget_{1 << 16};
  RecentRows recent_{kLog, budget_};
};

using Positions = std::vector<Position>;

TEST_F(RecentRowsTest, GivesTheNewestRowOfAGroup) {
  Add(1, 10);
  Add(2, 11);
  Add(1, 12);
  EXPECT_EQ(Find(Newest(1), 12), Positions{12});
  EXPECT_EQ(Find(Newest(2), 12), Positions{11});
  EXPECT_EQ(Find(Newest(3), 12), std::nullopt);
}

TEST_F(RecentRowsTest, HidesWhatCameAfterTheSnapshot) {
  Add(1, 10);
  Add(1, 12);
  EXPECT_EQ(Find(Newest(1), 11), Positions{10});
  // There may be rows from before.
  EXPECT_EQ(Find(Newest(1), 9), std::nullopt);
}

TEST_F(RecentRowsTest, RespectsBounds) {
  for (const Position pos : {10, 12, 14}) Add(1, pos);
  ScanSpec scan{.prefix = {Cell(int64_t{1})}, .limit = 1};
  scan.to = At(12, true);
  EXPECT_EQ(Find(scan, 20), Positions{12});
  scan.to = At(12, false);
  EXPECT_EQ(Find(scan, 20), Positions{10});
  scan.to = At(10, false);
  EXPECT_EQ(Find(scan, 20), std::nullopt);
  scan = {.prefix = {Cell(int64_t{1})}, .from = At(10, false)};
  EXPECT_EQ(Find(scan, 20), (Positions{14, 12}));
  scan.from = At(10, true);
  EXPECT_EQ(Find(scan, 20), (Positions{14, 12, 10}));
  // The position before the first row's commit may have had one.
  scan.from = At(9, false);
  EXPECT_EQ(Find(scan, 20), (Positions{14, 12, 10}));
  scan.from = At(9, true);
  EXPECT_EQ(Find(scan, 20), std::nullopt);
}

TEST_F(RecentRowsTest, AnswersOnlyDescendingScansOfOneGroup) {
  Add(1, 10);
  ScanSpec scan{.table = &kLog, .prefix = {Cell(int64_t{1})}, .limit = 1};
  EXPECT_EQ(recent_.Find(scan, 10), std::nullopt);
  scan.descending = true;
  EXPECT_NE(recent_.Find(scan, 10), std::nullopt);
  scan.prefix = {};
  EXPECT_EQ(recent_.Find(scan, 10), std::nullopt);
  scan.prefix = {Cell(int64_t{1}), Cell(int64_t{10})};
  EXPECT_EQ(recent_.Find(scan, 10), std::nullopt);
}

TEST_F(RecentRowsTest, KeepsOnlyTheLastRowsAndKnowsSo) {
  for (Position pos = 1; pos <= 100; ++pos) Add(1, pos);
  EXPECT_EQ(Find(Newest(1), 100), Positions{100});
  EXPECT_EQ(Find(Newest(1), 50), std::nullopt);
  ScanSpec all{.prefix = {Cell(int64_t{1})}};
  EXPECT_EQ(Find(all, 100), std::nullopt);
}

TEST_F(RecentRowsTest, RowsOfOneCommitMayComeInAnyOrder) {
  recent_.Add({int64_t{1}, PositionRef{1}, std::string("b")}, 10);
  recent_.Add({int64_t{1}, PositionRef{0}, std::string("a")}, 10);
  recent_.Add({int64_t{1}, PositionRef{1}, std::string("c")}, 10);
  const ScanSpec scan{.table = &kLog,
                      .prefix = {Cell(int64_t{1})},
                      .from = At(10, true),
                      .descending = true};
  const auto rows = recent_.Find(scan, 11);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[0], (Row{int64_t{1}, int64_t{11}, std::string("c")}));
  EXPECT_EQ((*rows)[1], (Row{int64_t{1}, int64_t{10}, std::string("a")}));
}

TEST_F(RecentRowsTest, KnowsNothingAroundAnotherChange) {
  Add(1, 10);
  recent_.BeginOther();
  Add(1, 11);
  EXPECT_EQ(Find(Newest(1), 11), std::nullopt);
  recent_.EndOther();
  EXPECT_EQ(Find(Newest(1), 11), std::nullopt);
  Add(1, 12);
  EXPECT_EQ(Find(Newest(1), 12), Positions{12});
  EXPECT_EQ(Find(Newest(1), 11), std::nullopt);
}

TEST_F(RecentRowsTest, OnlyARowAtANewPositionIsAnAddition) {
  EXPECT_TRUE(recent_.IsAddition({int64_t{1}, PositionRef{0}, std::string()}));
  EXPECT_FALSE(recent_.IsAddition({int64_t{1}, int64_t{7}, std::string()}));
}

}  // namespace
}  // namespace matrixcore
