#include <gtest/gtest.h>

#include "matrixcore/backends/memory.h"

namespace matrixcore {
namespace {

Schema OneTable() {
  return {{{.name = "users",
            .columns = {{"user_id", ColumnType::kText},
                        {"age", ColumnType::kInt64}}}},
          1};
}

TEST(MemoryStoreTest, KeepsWhatWasCommitted) {
  const Schema schema = OneTable();
  const auto store = NewMemoryStore(schema);
  WriteBatch batch;
  batch.PutRow(schema.tables[0], {"@a:x", batch.NewPosition()});
  const auto info = store->Commit(std::move(batch));
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->first, 1);
  EXPECT_EQ(store->LastPosition(), 1);
  const auto snapshot = store->NewSnapshot();
  ASSERT_TRUE(snapshot.ok());
  const auto row = (*snapshot)->Get(schema.tables[0], {"@a:x"});
  ASSERT_TRUE(row.ok());
  EXPECT_EQ(**row, (Row{"@a:x", int64_t{1}}));
}

TEST(MemoryStoreTest, ABadSchemaFailsEveryCall) {
  Schema schema = OneTable();
  schema.tables[0].key_columns = 0;
  const auto store = NewMemoryStore(schema);
  EXPECT_EQ(store->Check().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store->NewSnapshot().status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store->Commit({}).status().code(), StatusCode::kInvalidArgument);
}

TEST(MemoryStoreTest, RefusesEverythingOnceClosed) {
  const auto store = NewMemoryStore(OneTable());
  store->Close();
  EXPECT_EQ(store->Check().code(), StatusCode::kUnavailable);
  EXPECT_EQ(store->NewSnapshot().status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(store->Commit({}).status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace matrixcore
