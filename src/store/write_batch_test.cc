#include "matrixcore/store/write_batch.h"

#include <gtest/gtest.h>

namespace matrixcore {
namespace {

const TableSpec& Rooms() {
  static const TableSpec table{.name = "rooms",
                               .columns = {{"room_id", ColumnType::kText},
                                           {"count", ColumnType::kInt64},
                                           {"state", ColumnType::kBlob, true}}};
  return table;
}

WriteBatch Sample() {
  WriteBatch batch;
  const PositionRef position = batch.NewPosition();
  batch.Require(WriteBatch::RowAbsent{&Rooms(), {"!a"}});
  batch.Require(WriteBatch::RowPresent{&Rooms(), {"!b"}});
  batch.Require(WriteBatch::ColumnEquals{&Rooms(), {"!b"}, 1, int64_t{7}});
  batch.PutRow(Rooms(), {"!a", position, {}});
  batch.InsertRow(Rooms(), {"q\"\\\n\xff", int64_t{-1}, Blob{{"\x00\xab", 2}}});
  batch.DeleteRow(Rooms(), {"!b"});
  batch.DeleteRows(Rooms(), {});
  batch.AddTo(Rooms(), {"!c"}, 1, 3);
  return batch;
}

TEST(WriteBatchTest, PrintsOneLineForEachPart) {
  EXPECT_EQ(Sample().ToString(),
            "positions 1\n"
            "require absent rooms [\"!a\"]\n"
            "require present rooms [\"!b\"]\n"
            "require rooms [\"!b\"] count = 7\n"
            "put rooms [\"!a\", $0, null]\n"
            "insert rooms [\"q\\\"\\\\\\x0a\\xff\", -1, x'00ab']\n"
            "delete rooms [\"!b\"]\n"
            "delete all rooms []\n"
            "add rooms [\"!c\"] count +3\n");
}

TEST(WriteBatchTest, ComparesByContent) {
  WriteBatch other = Sample();
  EXPECT_EQ(other, Sample());
  other.DeleteRow(Rooms(), {"!z"});
  EXPECT_FALSE(other == Sample());
}

TEST(WriteBatchTest, AppendRenumbersThePositionsOfTheOther) {
  WriteBatch batch;
  batch.PutRow(Rooms(), {"!x", batch.NewPosition(), {}});
  batch.PutRow(Rooms(), {"!y", batch.NewPosition(), {}});
  WriteBatch other;
  const PositionRef position = other.NewPosition();
  other.PutRow(Rooms(), {"!z", position, {}});
  other.Require(WriteBatch::RowAbsent{&Rooms(), {"!z"}});
  batch.Append(std::move(other));
  EXPECT_EQ(batch.positions(), 3u);
  EXPECT_EQ(batch.ToString(),
            "positions 3\n"
            "require absent rooms [\"!z\"]\n"
            "put rooms [\"!x\", $0, null]\n"
            "put rooms [\"!y\", $1, null]\n"
            "put rooms [\"!z\", $2, null]\n");
}

TEST(WriteBatchTest, ByteSizeCountsTheBytesOfCells) {
  WriteBatch small;
  small.PutRow(Rooms(), {"!x", int64_t{1}, Blob{"s"}});
  WriteBatch large;
  large.PutRow(Rooms(), {"!x", int64_t{1}, Blob{std::string(10'001, 's')}});
  EXPECT_EQ(large.ByteSize() - small.ByteSize(), 10'000u);
}

TEST(WriteBatchTest, IsEmptyUntilSomethingIsAsked) {
  WriteBatch batch;
  EXPECT_TRUE(batch.empty());
  batch.NewPosition();
  EXPECT_FALSE(batch.empty());
}

}  // namespace
}  // namespace matrixcore
