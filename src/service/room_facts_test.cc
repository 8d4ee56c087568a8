#include "service/room_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/sync_world.h"

namespace matrixcore {
namespace {

class RoomFactsTest : public ::testing::Test {
 protected:
  // The facts of every `step`th of so many rooms, of rooms before and between
  // and after them, and what they should be.
  void Compare(int count, int step, bool with_state) {
    std::vector<RoomNid> rooms = {0};
    std::vector<RoomHead> heads = {{}};
    const auto snapshot = world_.store->NewSnapshot();
    ASSERT_TRUE(snapshot.ok());
    RoomReader reader(**snapshot, world_.caches);
    for (int i = 1; i <= count; i += step) {
      const auto head = reader.Head(fmt::format("!room{}:x", i));
      ASSERT_TRUE(head.ok() && *head);
      rooms.push_back((*head)->nid);
      heads.push_back(**head);
      rooms.push_back((*head)->nid + 1);
      heads.emplace_back();
    }
    const auto facts = ReadRoomFacts(**snapshot, rooms, with_state);
    ASSERT_TRUE(facts.ok());
    ASSERT_EQ(facts->size(), rooms.size());
    for (size_t i = 0; i < rooms.size(); ++i) {
      EXPECT_EQ((*facts)[i].last_pos, heads[i].last_pos) << i;
      EXPECT_EQ((*facts)[i].state, heads[i].state) << i;
    }
  }

  SyncWorld world_;
};

TEST_F(RoomFactsTest, AreThoseOfTheRoomsThatThereAre) {
  constexpr int kRooms = 400;
  for (int i = 0; i < kRooms; ++i) world_.MakeRoom(kAlice);
  // Most of them, some, and few, so that scans and keys are both used.
  for (const int step : {1, 2, 3, 50, 399}) Compare(kRooms, step, false);
  Compare(kRooms, 1, true);
}

TEST_F(RoomFactsTest, TellTypeAndEncryptionIfAskedFor) {
  const std::string plain = world_.MakeRoom(kAlice);
  const std::string secret = world_.MakeRoom(kAlice);
  world_.Send(secret, kAlice, "m.room.encryption", "",
              R"({"algorithm":"m.megolm.v1.aes-sha2"})");
  const auto snapshot = world_.store->NewSnapshot();
  ASSERT_TRUE(snapshot.ok());
  RoomReader reader(**snapshot, world_.caches);
  const std::vector<RoomNid> rooms = {(*reader.Head(plain))->nid,
                                      (*reader.Head(secret))->nid};
  const auto facts = ReadRoomFacts(**snapshot, rooms, true);
  ASSERT_TRUE(facts.ok());
  EXPECT_FALSE((*facts)[0].encrypted);
  EXPECT_TRUE((*facts)[1].encrypted);
  EXPECT_EQ((*facts)[0].type, "");
  EXPECT_FALSE((*ReadRoomFacts(**snapshot, rooms, false))[1].encrypted);
}

}  // namespace
}  // namespace matrixcore
