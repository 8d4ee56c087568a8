#include "service/lazy_members.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/sync_world.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr RoomNid kRoom = 7;
const Session kSession = {.user_id = "@a:x", .device_id = "D"};
const LazyMembers::Member kMember = {.key = 3, .event = 30};

bool Knows(const LazyMembers& lazy, const LazyMembers::Member& member) {
  return lazy.Known(kSession, kRoom, {&member, 1})[0];
}

TEST(LazyMembersTest, AMemberIsKnownOnceTheAnswerIsAcknowledged) {
  CacheBudget budget(1 << 20);
  LazyMembers lazy(budget);
  lazy.Note(kSession, kRoom, {&kMember, 1}, {10, 0});
  EXPECT_FALSE(Knows(lazy, kMember));
  lazy.Begin(kSession, StreamToken{10, 0});
  EXPECT_TRUE(Knows(lazy, kMember));
  EXPECT_FALSE(Knows(lazy, {.key = 3, .event = 31}));
  EXPECT_FALSE(Knows(lazy, {.key = 4, .event = 30}));
}

TEST(LazyMembersTest, AnAnswerThatWasLostDoesNotCount) {
  CacheBudget budget(1 << 20);
  LazyMembers lazy(budget);
  lazy.Note(kSession, kRoom, {&kMember, 1}, {10, 0});
  lazy.Begin(kSession, StreamToken{9, 0});  // The client asks again.
  lazy.Begin(kSession, StreamToken{10, 0});
  EXPECT_FALSE(Knows(lazy, kMember));
  EXPECT_EQ(lazy.size(), 0u);
}

TEST(LazyMembersTest, AnInitialSyncForgetsTheDevice) {
  CacheBudget budget(1 << 20);
  LazyMembers lazy(budget);
  lazy.Note(kSession, kRoom, {&kMember, 1}, {10, 0});
  lazy.Begin(kSession, StreamToken{10, 0});
  lazy.Begin(kSession, std::nullopt);
  EXPECT_FALSE(Knows(lazy, kMember));
  EXPECT_EQ(lazy.size(), 0u);
}

TEST(LazyMembersTest, ARoomGivenAnewIsForgotten) {
  CacheBudget budget(1 << 20);
  LazyMembers lazy(budget);
  lazy.Note(kSession, kRoom, {&kMember, 1}, {10, 0});
  lazy.Note(kSession, kRoom + 1, {&kMember, 1}, {10, 0});
  lazy.Begin(kSession, StreamToken{10, 0});
  lazy.Forget(kSession, kRoom);
  EXPECT_FALSE(Knows(lazy, kMember));
  EXPECT_EQ(lazy.size(), 1u);
}

TEST(LazyMembersTest, DevicesAndRoomsAreApart) {
  CacheBudget budget(1 << 20);
  LazyMembers lazy(budget);
  lazy.Note(kSession, kRoom, {&kMember, 1}, {10, 0});
  lazy.Begin(kSession, StreamToken{10, 0});
  EXPECT_FALSE(lazy.Known({.user_id = "@a:x", .device_id = "E"}, kRoom,
                          {&kMember, 1})[0]);
  EXPECT_FALSE(lazy.Known(kSession, kRoom + 1, {&kMember, 1})[0]);
}

TEST(LazyMembersTest, ForgetsTheDevicesThatWereLongestAway) {
  CacheBudget budget(20'000);
  LazyMembers lazy(budget);
  for (int device = 0; device < 200; ++device) {
    const Session session = {.user_id = "@a:x",
                             .device_id = std::to_string(device)};
    lazy.Note(session, kRoom, {&kMember, 1}, {10, 0});
    lazy.Begin(session, StreamToken{10, 0});
    EXPECT_LE(budget.used(), budget.limit());
  }
  EXPECT_LT(lazy.size(), 150u);
  EXPECT_FALSE(lazy.Known({.user_id = "@a:x", .device_id = "0"}, kRoom,
                          {&kMember, 1})[0]);
  EXPECT_TRUE(lazy.Known({.user_id = "@a:x", .device_id = "199"}, kRoom,
                         {&kMember, 1})[0]);
}

// --- Through sync ---

constexpr char kLazy[] =
    R"({"room":{"state":{"lazy_load_members":true},"timeline":{"limit":3}}})";
constexpr char kRedundant[] =
    R"({"room":{"state":{"lazy_load_members":true,)"
    R"("include_redundant_members":true},"timeline":{"limit":3}}})";

class LazySyncTest : public ::testing::Test {
 protected:
  LazySyncTest() : room_(world_.MakeRoom(kAlice)) {
    world_.SetName(room_, kAlice, "club");
    world_.Join(room_, kBob);
    world_.Join(room_, kCarol);
    for (int i = 0; i < 3; ++i) world_.Say(room_, kBob, "filler");
  }

  std::vector<std::string> Members(const Answer& answer) {
    std::vector<std::string> members;
    for (const std::string& name : answer.State("join", room_)) {
      if (name.starts_with("@")) members.push_back(name);
    }
    return members;
  }

  SyncWorld world_;
  std::string room_;
};

TEST_F(LazySyncTest, InitialSyncGivesSendersAndOneself) {
  EXPECT_THAT(Members(world_.Sync(kAlice, "", kLazy)),
              UnorderedElementsAre("@alice:x=join", "@bob:x=join"));
}

TEST_F(LazySyncTest, IncrementalSyncGivesNewSendersOnce) {
  const Answer first = world_.Sync(kAlice, "", kLazy);
  world_.Say(room_, kCarol, "hi");
  const Answer second = world_.Sync(kAlice, first.next(), kLazy);
  EXPECT_THAT(Members(second), ElementsAre("@carol:x=join"));
  world_.Say(room_, kCarol, "again");
  world_.Say(room_, kBob, "hello");
  EXPECT_THAT(Members(world_.Sync(kAlice, second.next(), kLazy)), IsEmpty());
}

TEST_F(LazySyncTest, ALostAnswerIsRepeatedWithItsMembers) {
  const Answer first = world_.Sync(kAlice, "", kLazy);
  world_.Say(room_, kCarol, "hi");
  world_.Sync(kAlice, first.next(), kLazy);
  world_.Say(room_, kCarol, "anybody?");
  EXPECT_THAT(Members(world_.Sync(kAlice, first.next(), kLazy)),
              ElementsAre("@carol:x=join"));
}

TEST_F(LazySyncTest, RedundantMembersComeWhenAsked) {
  const Answer first = world_.Sync(kAlice, "", kRedundant);
  world_.Say(room_, kBob, "hello");
  EXPECT_THAT(Members(world_.Sync(kAlice, first.next(), kRedundant)),
              ElementsAre("@bob:x=join"));
}

TEST_F(LazySyncTest, MembersThatChangedInTheGapComeAlways) {
  const Answer first = world_.Sync(kAlice, "", kLazy);
  world_.Leave(room_, kCarol);
  for (int i = 0; i < 5; ++i) world_.Say(room_, kBob, "filler");
  const Answer second = world_.Sync(kAlice, first.next(), kLazy);
  EXPECT_TRUE(second.Limited(room_));
  EXPECT_THAT(Members(second), ElementsAre("@carol:x=leave"));
}

TEST_F(LazySyncTest, ASenderIsGivenAsHeWasAtTheStart) {
  const Answer first = world_.Sync(kAlice, "", kLazy);
  world_.Say(room_, kCarol, "bye");
  world_.Leave(room_, kCarol);
  const Answer second = world_.Sync(kAlice, first.next(), kLazy);
  EXPECT_THAT(second.Timeline("join", room_),
              ElementsAre("bye", "@carol:x=leave"));
  EXPECT_THAT(Members(second), ElementsAre("@carol:x=join"));
}

TEST_F(LazySyncTest, HeroesComeWithTheirMembership) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kCarol);
  for (int i = 0; i < 3; ++i) world_.Say(room, kAlice, "filler");
  const Answer answer = world_.Sync(kAlice, "", kLazy);
  EXPECT_EQ(answer.Raw({"rooms", "join", room, "summary", "m.heroes"}),
            R"(["@carol:x"])");
  EXPECT_THAT(answer.State("join", room), ::testing::Contains("@carol:x=join"));
}

}  // namespace
}  // namespace matrixcore
