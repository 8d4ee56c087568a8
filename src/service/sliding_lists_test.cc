// Which rooms the lists of sliding sync have, and in which order.
#include "service/sliding_test.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class SlidingListsTest : public SlidingTest {};

TEST_F(SlidingListsTest, WindowsShowTheMostRecentlyActiveRooms) {
  std::vector<std::string> rooms;
  for (int i = 0; i < 5; ++i) rooms.push_back(world_.MakeRoom(kAlice));
  const Slid first = Slide(kAlice, Window(0, 1));
  EXPECT_EQ(first.Count("w"), 5);
  EXPECT_THAT(first.Rooms(), ElementsAre(rooms[4], rooms[3]));
  world_.Say(rooms[0], kAlice, "up");
  const Slid second = Slide(kAlice, Window(0, 1), first.pos());
  EXPECT_THAT(second.Rooms(), ElementsAre(rooms[0]));
  EXPECT_EQ(second.Room(rooms[0])["initial"].AsBool(), true);
  EXPECT_EQ(second.Room(rooms[0])["num_live"].AsInt(), 1);
  // A greater window brings those that were not sent.
  const Slid third = Slide(kAlice, Window(0, 4), second.pos());
  EXPECT_THAT(third.Rooms(), ElementsAre(rooms[2], rooms[1]));
}

TEST_F(SlidingListsTest, FiltersChooseRooms) {
  const std::string plain = world_.MakeRoom(kAlice);
  const std::string secret = world_.MakeRoom(kAlice);
  const std::string direct = world_.MakeRoom(kAlice);
  const std::string invited = world_.MakeRoom(kBob);
  world_.SetMember(invited, kBob, kAlice, "invite");
  world_.Send(secret, kAlice, "m.room.encryption", "",
              R"({"algorithm":"m.megolm.v1.aes-sha2"})");
  world_.SetName(plain, kAlice, "Green Tea");
  ASSERT_TRUE(world_.account_data
                  .Put(kAlice, "", "m.direct",
                       fmt::format(R"({{"@bob:x":["{}"]}})", direct))
                  .ok());
  ASSERT_TRUE(world_.account_data.SetTag(kAlice, plain, "u.a", "{}").ok());
  ASSERT_TRUE(world_.account_data.SetTag(kAlice, secret, "u.b", "{}").ok());
  const auto with = [&](std::string_view filters) {
    return Slide(kAlice,
                 fmt::format(R"({{"lists":{{"a":{{"timeline_limit":0,)"
                             R"("required_state":{{}},"filters":{}}}}}}})",
                             filters))
        .Rooms();
  };
  EXPECT_THAT(with(R"({"is_dm":true})"), ElementsAre(direct));
  EXPECT_THAT(with(R"({"is_dm":false})"),
              UnorderedElementsAre(plain, secret, invited));
  EXPECT_THAT(with(R"({"is_encrypted":true})"), ElementsAre(secret));
  EXPECT_THAT(with(R"({"is_encrypted":false,"is_invited":false})"),
              UnorderedElementsAre(plain, direct));
  EXPECT_THAT(with(R"({"is_invited":true})"), ElementsAre(invited));
  EXPECT_THAT(with(R"({"tags":["u.a","u.b"],"not_tags":["u.b"]})"),
              ElementsAre(plain));
  EXPECT_THAT(with(R"({"room_name_like":"green"})"), ElementsAre(plain));
  EXPECT_THAT(with(R"({"room_types":["m.space"]})"), IsEmpty());
  EXPECT_THAT(with(R"({"room_types":[null],"not_room_types":[null]})"),
              IsEmpty());
  EXPECT_EQ(with(R"({"not_room_types":["m.space"]})").size(), 4u);
}

TEST_F(SlidingListsTest, RoomsEnterAndLeaveFiltersAsTheyChange) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string body =
      R"({"lists":{"dm":{"timeline_limit":1,"required_state":{},)"
      R"("filters":{"is_dm":true}},"e":{"timeline_limit":1,)"
      R"("required_state":{},"filters":{"is_encrypted":true}}}})";
  const Slid first = Slide(kAlice, body);
  EXPECT_THAT(first.Rooms(), IsEmpty());
  ASSERT_TRUE(world_.account_data
                  .Put(kAlice, "", "m.direct",
                       fmt::format(R"({{"@bob:x":["{}"]}})", room))
                  .ok());
  const Slid second = Slide(kAlice, body, first.pos());
  EXPECT_EQ(second.Count("dm"), 1);
  EXPECT_EQ(second.Room(room)["is_dm"].AsBool(), true);
  EXPECT_EQ(second.Room(room)["lists"].raw(), R"(["dm"])");
  world_.Send(room, kAlice, "m.room.encryption", "",
              R"({"algorithm":"m.megolm.v1.aes-sha2"})");
  const Slid third = Slide(kAlice, body, second.pos());
  EXPECT_EQ(third.Count("e"), 1);
  EXPECT_EQ(third.Room(room)["lists"].raw(), R"(["dm","e"])");
  ASSERT_TRUE(world_.account_data.Put(kAlice, "", "m.direct", "{}").ok());
  const Slid fourth = Slide(kAlice, body, third.pos());
  EXPECT_EQ(fourth.Count("dm"), 0);
  EXPECT_EQ(fourth.Room(room)["is_dm"].AsBool(), false);
}

TEST_F(SlidingListsTest, SpacesListTheirChildren) {
  const std::string space = world_.MakeRoom(kAlice);
  const std::string child = world_.MakeRoom(kAlice);
  const std::string other = world_.MakeRoom(kAlice);
  const std::string body = fmt::format(
      R"({{"lists":{{"a":{{"timeline_limit":0,"required_state":{{}},)"
      R"("filters":{{"spaces":["{}","!no:x"]}}}}}}}})",
      space);
  const Slid first = Slide(kAlice, body);
  EXPECT_THAT(first.Rooms(), IsEmpty());
  world_.Send(space, kAlice, "m.space.child", child, R"({"via":["x"]})");
  world_.Send(space, kAlice, "m.space.child", other, "{}");
  const Slid second = Slide(kAlice, body, first.pos());
  EXPECT_THAT(second.Rooms(), ElementsAre(child));
  world_.Send(space, kAlice, "m.space.child", other, R"({"via":["x"]})");
  EXPECT_THAT(Slide(kAlice, body, second.pos()).Rooms(), ElementsAre(other));
}

TEST_F(SlidingListsTest, RoomsOfOthersStandWhereTheirInvitesCame) {
  const std::string old = world_.MakeRoom(kAlice);
  const std::string invited = world_.MakeRoom(kBob);
  world_.SetMember(invited, kBob, kAlice, "invite");
  const std::string joined = world_.MakeRoom(kAlice);
  world_.Say(invited, kBob, "what one cannot see moves nothing");
  EXPECT_THAT(Slide(kAlice, Window(0, 2)).Rooms(),
              ElementsAre(joined, invited, old));
  world_.Say(old, kAlice, "up");
  EXPECT_THAT(Slide(kAlice, Window(0, 2)).Rooms(),
              ElementsAre(old, joined, invited));
}

TEST_F(SlidingListsTest, CountsAreOfWhatPassesTheFiltersWhateverTheRange) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.MakeRoom(kAlice);
  world_.MakeRoom(kAlice);
  ASSERT_TRUE(
      world_.account_data.SetTag(kAlice, room, "m.favourite", "{}").ok());
  const std::string body =
      R"({"lists":{"all":{"range":[7,9],"timeline_limit":0,)"
      R"("required_state":{}},"some":{"range":[0,0],"timeline_limit":0,)"
      R"("required_state":{},"filters":{"not_tags":["m.favourite"]}}}})";
  const Slid first = Slide(kAlice, body);
  EXPECT_EQ(first.Count("all"), 3);
  EXPECT_EQ(first.Count("some"), 2);
  EXPECT_EQ(first.Rooms().size(), 1u);
  world_.Leave(room, kAlice);
  const Slid left = Slide(kAlice, body, first.pos());
  EXPECT_EQ(left.Count("all"), 2);
}

TEST_F(SlidingListsTest, InvitesThatMayNotComeAreNotListed) {
  const std::string invited = world_.MakeRoom(kBob);
  world_.SetMember(invited, kBob, kAlice, "invite");
  ASSERT_TRUE(world_.account_data
                  .Put(kAlice, "", "m.invite_permission_config",
                       R"({"default_action":"block"})")
                  .ok());
  const Slid blocked = Slide(kAlice, All());
  EXPECT_THAT(blocked.Rooms(), IsEmpty());
  EXPECT_EQ(blocked.Count("all"), 0);
  ASSERT_TRUE(
      world_.account_data.Put(kAlice, "", "m.invite_permission_config", "{}")
          .ok());
  EXPECT_THAT(Slide(kAlice, All(), blocked.pos()).Rooms(),
              ElementsAre(invited));
}

TEST_F(SlidingListsTest, TagsThatComeMoveRoomsBetweenLists) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string body =
      R"({"lists":{"low":{"timeline_limit":0,"required_state":{},)"
      R"("filters":{"tags":["m.lowpriority"]}}}})";
  const Slid before = Slide(kAlice, body);
  EXPECT_EQ(before.Count("low"), 0);
  ASSERT_TRUE(
      world_.account_data.SetTag(kAlice, room, "m.lowpriority", "{}").ok());
  const Slid tagged = Slide(kAlice, body, before.pos());
  EXPECT_EQ(tagged.Count("low"), 1);
  EXPECT_THAT(tagged.Rooms(), ElementsAre(room));
  ASSERT_TRUE(
      world_.account_data.SetTag(kAlice, room, "m.lowpriority", "").ok());
  EXPECT_EQ(Slide(kAlice, body, tagged.pos()).Count("low"), 0);
}

}  // namespace
}  // namespace matrixcore
