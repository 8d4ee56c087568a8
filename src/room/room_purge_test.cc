#include "matrixcore/room/room_purge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/room/room_rows.h"
#include "room/test_room.h"
#include "room/test_stores.h"

namespace matrixcore {
namespace {

class RoomPurgeTest : public ::testing::TestWithParam<StoreKind> {
 protected:
  std::string MakeRoom() {
    const std::string room = server_.MakeRoom("12");
    EXPECT_TRUE(server_.SetMember(room, "@bob:x", "@bob:x", "join").ok());
    const auto said = server_.Say(room, "@bob:x", "hello");
    EXPECT_TRUE(said.ok());
    EXPECT_TRUE(
        server_
            .Send(room,
                  MakeDraft(
                      kTypeMessage, "@bob:x", std::nullopt,
                      R"({"body":"so","m.relates_to":{"rel_type":"m.thread",)"
                      R"("event_id":")" +
                          said->event_ids[0] + "\"}}"),
                  TransactionKey{"D", "/rooms/" + room + "/send", "1"})
            .ok());
    WriteBatch batch;
    batch.PutRow(tables::kAliases,
                 {"#a:x", OpenReader(server_).Head(room).nid, "@alice:x"});
    EXPECT_TRUE(store_->Commit(std::move(batch)).ok());
    return room;
  }
  size_t Rows(const TableSpec& table) {
    return store_->NewSnapshot().value()->Scan({.table = &table})->size();
  }
  size_t AllRows() {
    size_t rows = 0;
    for (const TableSpec& table : tables::RoomTables()) rows += Rows(table);
    return rows;
  }

  TestStore store_{GetParam(), RoomSchema()};
  RoomServer server_{*store_};
};

INSTANTIATE_TEST_SUITE_P(Stores, RoomPurgeTest,
                         ::testing::Values(StoreKind::kMemory,
                                           StoreKind::kSqlite),
                         StoreKindName);

TEST_P(RoomPurgeTest, NothingOfTheRoomRemains) {
  const std::string room = MakeRoom();
  EXPECT_GT(AllRows(), 20u);
  RoomNid cleared = 0;
  RoomPurgeOptions options;
  options.also = [&](RoomNid nid) {
    cleared = nid;
    EXPECT_EQ(Rows(tables::kStagedRooms), 1u);
    return OkStatus();
  };
  const RoomNid nid = OpenReader(server_).Head(room).nid;
  const auto purged = PurgeRoom(*store_, room, options);
  ASSERT_TRUE(purged.ok()) << purged.status().ToString();
  EXPECT_EQ(purged->joined, 2);
  EXPECT_FALSE(purged->resumed);
  EXPECT_EQ(cleared, nid);
  EXPECT_EQ(AllRows(), 0u);
}

TEST_P(RoomPurgeTest, OtherRoomsStay) {
  const std::string other = server_.MakeRoom("6", "!other:x");
  const size_t rows = AllRows();
  ASSERT_TRUE(PurgeRoom(*store_, MakeRoom(), {}).ok());
  EXPECT_EQ(AllRows(), rows);
  EXPECT_TRUE(OpenReader(server_)->Head(other).value());
}

TEST_P(RoomPurgeTest, ABlockIsAllThatIsLeft) {
  const std::string room = MakeRoom();
  RoomPurgeOptions options;
  options.block = true;
  options.user_id = "@admin:x";
  ASSERT_TRUE(PurgeRoom(*store_, room, options).ok());
  EXPECT_EQ(AllRows(), 1u);
  const auto snapshot = store_->NewSnapshot().value();
  EXPECT_EQ(RoomBlockedBy(*snapshot, room).value(), "@admin:x");
  WriteBatch batch;
  UnblockRoom(batch, room);
  ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  EXPECT_EQ(AllRows(), 0u);
}

TEST_P(RoomPurgeTest, WhatWasBrokenOffIsCompleted) {
  const std::string room = MakeRoom();
  RoomPurgeOptions dies;
  dies.also = [](RoomNid) {
    return Status(StatusCode::kUnavailable, "the power went");
  };
  EXPECT_FALSE(PurgeRoom(*store_, room, dies).ok());
  EXPECT_FALSE(OpenReader(server_)->Head(room).value());
  EXPECT_TRUE(OpenReader(server_)->Log(0, 100).value().empty());
  const auto again = PurgeRoom(*store_, room, {});
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->resumed);
  EXPECT_EQ(AllRows(), 0u);
  EXPECT_EQ(PurgeRoom(*store_, room, {}).status().code(),
            StatusCode::kNotFound);
}

}  // namespace
}  // namespace matrixcore
