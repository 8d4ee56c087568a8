#include "matrixcore/store/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TableSpec Rooms() {
  return {.name = "rooms",
          .columns = {{"room_id", ColumnType::kText},
                      {"position", ColumnType::kInt64},
                      {"topic", ColumnType::kText, true},
                      {"state", ColumnType::kBlob, true}},
          .key_columns = 2,
          .indexes = {{"by_topic", {2, 1}, false}}};
}

Schema OneTable(TableSpec table) { return {{std::move(table)}, 3}; }

TEST(ValidateSchemaTest, AcceptsATableOfEveryKindOfColumn) {
  EXPECT_TRUE(ValidateSchema(OneTable(Rooms())).ok());
}

TEST(ValidateSchemaTest, RefusesWhatNoBackendCouldKeep) {
  const auto refused = [](auto change) {
    TableSpec table = Rooms();
    change(table);
    return ValidateSchema(OneTable(table)).message();
  };
  EXPECT_THAT(refused([](TableSpec& t) { t.name = "Rooms"; }),
              HasSubstr("\"Rooms\""));
  EXPECT_THAT(refused([](TableSpec& t) { t.name = "mc_rooms"; }),
              HasSubstr("\"mc_rooms\""));
  EXPECT_THAT(refused([](TableSpec& t) { t.columns[1].name = "room_id"; }),
              HasSubstr("column name \"room_id\""));
  EXPECT_THAT(refused([](TableSpec& t) { t.columns[0].nullable = true; }),
              HasSubstr("key column room_id is nullable"));
  EXPECT_THAT(refused([](TableSpec& t) { t.key_columns = 0; }),
              HasSubstr("0 key columns"));
  EXPECT_THAT(refused([](TableSpec& t) { t.key_columns = 5; }),
              HasSubstr("5 key columns of 4"));
  EXPECT_THAT(refused([](TableSpec& t) { t.indexes[0].columns = {9}; }),
              HasSubstr("column 9"));
  EXPECT_THAT(refused([](TableSpec& t) {
                t.indexes[0].columns = {2, 2};
              }),
              HasSubstr("column 2 is bad or twice"));
  EXPECT_THAT(refused([](TableSpec& t) { t.indexes[0].columns.clear(); }),
              HasSubstr("has no columns"));
  EXPECT_THAT(refused([](TableSpec& t) { t.since = 4; }), HasSubstr("since 4"));
  EXPECT_THAT(refused([](TableSpec& t) {
                t.added_columns = {{0, 2}};
              }),
              HasSubstr("added column 0"));
  EXPECT_THAT(refused([](TableSpec& t) {
                t.added_columns = {{2, 2}};
              }),
              HasSubstr("index by_topic is older than its column topic"));
  EXPECT_THAT(refused([](TableSpec& t) {
                t.added_indexes = {{0, 4}};
              }),
              HasSubstr("added index 0 since 4"));
  Schema twice = OneTable(Rooms());
  twice.tables.push_back(Rooms());
  EXPECT_FALSE(ValidateSchema(twice).ok());
}

TEST(ScanOrderTest, AppendsTheKeyColumnsThatAnIndexLacks) {
  EXPECT_THAT(ScanOrder(Rooms(), std::nullopt), ElementsAre(0u, 1u));
  EXPECT_THAT(ScanOrder(Rooms(), 0), ElementsAre(2u, 1u, 0u));
}

TEST(CompareCellsTest, OrdersNullFirstNumbersAsNumbersAndTextAsBytes) {
  EXPECT_LT(CompareCells({}, int64_t{-5}), 0);
  EXPECT_LT(CompareCells(int64_t{-5}, int64_t{3}), 0);
  EXPECT_GT(CompareCells(int64_t{10}, int64_t{9}), 0);
  EXPECT_LT(CompareCells(std::string("a"), std::string("a\0", 2)), 0);
  EXPECT_LT(CompareCells(std::string("z"), std::string("\xc3\xa9")), 0);
  EXPECT_EQ(CompareCells(Blob{"x"}, Blob{"x"}), 0);
  EXPECT_EQ(CompareCells({}, {}), 0);
}

class CatalogTest : public ::testing::Test {
 protected:
  Status Check(const WriteBatch& batch) { return catalog_.CheckBatch(batch); }

  const Schema schema_ = OneTable(Rooms());
  const TableSpec& rooms_ = schema_.tables[0];
  const Catalog catalog_{schema_};
};

TEST_F(CatalogTest, FindsATableByNameWhoeverHoldsTheSpec) {
  const TableSpec copy = rooms_;
  ASSERT_NE(catalog_.Find(&copy), nullptr);
  EXPECT_EQ(catalog_.Find(&copy)->number, 0u);
  TableSpec other = rooms_;
  other.columns.pop_back();
  EXPECT_EQ(catalog_.Find(&other), nullptr);
  EXPECT_EQ(catalog_.Find(nullptr), nullptr);
}

TEST_F(CatalogTest, AcceptsABatchThatFits) {
  WriteBatch batch;
  const PositionRef position = batch.NewPosition();
  batch.Require(WriteBatch::RowAbsent{&rooms_, {"!a", int64_t{1}}});
  batch.Require(WriteBatch::ColumnEquals{&rooms_, {"!a", int64_t{1}}, 2, {}});
  batch.PutRow(rooms_, {"!a", position, {}, Blob{"s"}});
  batch.InsertRow(rooms_, {"!b", int64_t{1}, "topic", {}});
  batch.DeleteRow(rooms_, {"!a", position});
  batch.DeleteRows(rooms_, {"!a"});
  batch.DeleteRows(rooms_, {});
  EXPECT_EQ(Check(batch), OkStatus());
}

TEST_F(CatalogTest, RefusesABatchThatDoesNotFit) {
  const auto refused = [this](auto fill) {
    WriteBatch batch;
    fill(batch);
    const Status status = Check(batch);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    return status.message();
  };
  EXPECT_THAT(refused([&](WriteBatch& b) { b.PutRow(rooms_, {"!a"}); }),
              HasSubstr("a row of 1 cells instead of 4"));
  EXPECT_THAT(refused([&](WriteBatch& b) {
                b.PutRow(rooms_, {"!a", "1", {}, {}});
              }),
              HasSubstr("column position (int64) got text"));
  EXPECT_THAT(refused([&](WriteBatch& b) {
                b.PutRow(rooms_, {"!a", {}, {}, {}});
              }),
              HasSubstr("column position (int64) got a null"));
  EXPECT_THAT(refused([&](WriteBatch& b) {
                b.PutRow(rooms_, {"!a", PositionRef{0}, {}, {}});
              }),
              HasSubstr("a position that the batch did not ask for"));
  EXPECT_THAT(refused([&](WriteBatch& b) { b.DeleteRow(rooms_, {"!a"}); }),
              HasSubstr("a key of 1 cells instead of 2"));
  EXPECT_THAT(refused([&](WriteBatch& b) {
                b.DeleteRows(rooms_, {"!a", int64_t{1}, "x"});
              }),
              HasSubstr("a prefix of 3 cells"));
  EXPECT_THAT(refused([&](WriteBatch& b) {
                b.AddTo(rooms_, {"!a", int64_t{1}}, 1, 1);
              }),
              HasSubstr("column position (int64) got an addition"));
  EXPECT_THAT(refused([&](WriteBatch& b) {
                b.AddTo(rooms_, {"!a", int64_t{1}}, 9, 1);
              }),
              HasSubstr("no column 9"));
  EXPECT_THAT(refused([&](WriteBatch& b) {
                b.Require(WriteBatch::ColumnEquals{
                    &rooms_, {"!a", int64_t{1}}, 2, int64_t{1}});
              }),
              HasSubstr("column topic (text) got int64"));
  TableSpec foreign = rooms_;
  foreign.name = "users";
  EXPECT_THAT(refused([&](WriteBatch& b) { b.DeleteRows(foreign, {}); }),
              HasSubstr("table users"));
}

TEST_F(CatalogTest, RefusesACellThatIsTooLarge) {
  WriteBatch batch;
  batch.PutRow(rooms_,
               {"!a", int64_t{1}, std::string(kMaxCellBytes + 1, 'x'), {}});
  EXPECT_EQ(Check(batch).code(), StatusCode::kTooLarge);
}

TEST_F(CatalogTest, ChecksScans) {
  EXPECT_TRUE(catalog_.CheckScan({.table = &rooms_}).ok());
  EXPECT_TRUE(catalog_
                  .CheckScan({.table = &rooms_,
                              .index = 0,
                              .prefix = {{}, int64_t{4}},
                              .from = {{"!a", false}}})
                  .ok());
  const auto refused = [this](const ScanSpec& spec) {
    return catalog_.CheckScan(spec).message();
  };
  EXPECT_THAT(refused({.table = &rooms_, .index = 1}), HasSubstr("no index 1"));
  EXPECT_THAT(refused({.table = &rooms_,
                       .prefix = {"!a", int64_t{1}},
                       .from = {{int64_t{1}}}}),
              HasSubstr("a scan by 3 cells, its order has 2"));
  EXPECT_THAT(refused({.table = &rooms_, .from = {{Cell()}}}),
              HasSubstr("got a null"));
  EXPECT_THAT(refused({.table = &rooms_, .prefix = {int64_t{1}}}),
              HasSubstr("got int64"));
  EXPECT_THAT(refused({}), HasSubstr("no table"));
}

TEST_F(CatalogTest, ChecksKeys) {
  EXPECT_TRUE(catalog_.CheckKey(rooms_, {"!a", int64_t{1}}).ok());
  EXPECT_FALSE(catalog_.CheckKey(rooms_, {"!a"}).ok());
  EXPECT_FALSE(catalog_.CheckKey(rooms_, {"!a", {}}).ok());
}

}  // namespace
}  // namespace matrixcore
