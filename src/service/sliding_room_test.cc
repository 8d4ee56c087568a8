// What sliding sync tells of a room.
#include "service/sliding_test.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class SlidingRoomTest : public SlidingTest {};

TEST_F(SlidingRoomTest, AGreaterTimelineLimitBringsOlderEvents) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Say(room, kAlice, "one");
  world_.Say(room, kAlice, "two");
  const Slid first = Slide(kAlice, All(1, "[]"));
  EXPECT_THAT(first.Timeline(room), ElementsAre("two"));
  const Slid second = Slide(kAlice, All(2, "[]"), first.pos());
  EXPECT_THAT(second.Timeline(room), ElementsAre("one", "two"));
  EXPECT_EQ(second.Room(room)["expanded_timeline"].AsBool(), true);
  EXPECT_EQ(second.Room(room)["num_live"].AsInt(), 0);
  EXPECT_FALSE(second.Room(room)["initial"]);
  // It has them now, also if it asks for less in between.
  const Slid third = Slide(kAlice, All(1, "[]"), second.pos());
  EXPECT_THAT(third.Rooms(), IsEmpty());
  EXPECT_THAT(Slide(kAlice, All(2, "[]"), third.pos()).Rooms(), IsEmpty());
}

TEST_F(SlidingRoomTest, MoreRequiredStateComesAtOnce) {
  const std::string room = world_.MakeRoom(kAlice);
  const Slid first = Slide(kAlice, All(1, R"([{"type":"m.room.create"}])"));
  EXPECT_THAT(first.State(room), ElementsAre("m.room.create"));
  const Slid second = Slide(
      kAlice,
      All(1, R"([{"type":"m.room.create"},{"type":"m.room.join_rules"}])"),
      first.pos());
  EXPECT_THAT(second.State(room), ElementsAre("m.room.join_rules"));
  EXPECT_THAT(second.Timeline(room), IsEmpty());
}

TEST_F(SlidingRoomTest, RequiredStateExcludesAndMatchesKeys) {
  const std::string room = world_.MakeRoom(kAlice);
  const auto state = [&](std::string_view required) {
    return Slide(kAlice, fmt::format(R"({{"lists":{{"a":{{"timeline_limit":0,)"
                                     R"("required_state":{}}}}}}})",
                                     required))
        .State(room);
  };
  EXPECT_THAT(state(R"({"include":[{}],"exclude":[{"type":"m.room.create"},)"
                    R"({"type":"m.room.power_levels","state_key":""}]})"),
              ElementsAre("@alice:x=join", "m.room.join_rules"));
  EXPECT_THAT(state(R"({"include":[{"state_key":"@alice:x"}]})"),
              ElementsAre("@alice:x=join"));
  EXPECT_THAT(state("{}"), IsEmpty());
}

TEST_F(SlidingRoomTest, LazyMembersAreThoseOfTheTimeline) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  world_.Join(room, kCarol);
  world_.Say(room, kBob, "hi");
  const std::string body =
      R"({"lists":{"a":{"timeline_limit":1,"required_state":)"
      R"({"include":[{}],"exclude":[{"type":"m.room.create"},)"
      R"({"type":"m.room.power_levels"},{"type":"m.room.join_rules"}],)"
      R"("lazy_members":true}}}})";
  const Slid first = Slide(kAlice, body);
  EXPECT_THAT(first.State(room), ElementsAre("@bob:x=join"));
  world_.Say(room, kBob, "again");
  const Slid second = Slide(kAlice, body, first.pos());
  EXPECT_THAT(second.State(room), IsEmpty());
  world_.Say(room, kCarol, "me too");
  EXPECT_THAT(Slide(kAlice, body, second.pos()).State(room),
              ElementsAre("@carol:x=join"));
  // Without a gap every change of a member is told.
  const Slid third = Slide(kAlice, body, second.pos());
  world_.Leave(room, kBob);
  EXPECT_THAT(Slide(kAlice, body, third.pos()).State(room),
              ElementsAre("@bob:x=leave"));
}

TEST_F(SlidingRoomTest, InvitesComeWithStrippedState) {
  const std::string room = world_.MakeRoom(kBob);
  world_.SetName(room, kBob, "Tea");
  const std::string pos = Slide(kAlice, All()).pos();
  world_.SetMember(room, kBob, kAlice, "invite");
  const Slid invited = Slide(kAlice, All(), pos);
  const json::Value told = invited.Room(room);
  EXPECT_EQ(told["membership"].StringOr(""), "invite");
  EXPECT_EQ(told["initial"].AsBool(), true);
  EXPECT_THAT(Answer::Names(told["stripped_state"]),
              ::testing::IsSupersetOf({"m.room.name:Tea", "@alice:x=invite"}));
  for (const char* field :
       {"timeline", "required_state", "name", "joined_count", "heroes"}) {
    EXPECT_FALSE(told[field]) << field;
  }
  world_.Say(room, kBob, "secret");
  EXPECT_THAT(Slide(kAlice, All(), invited.pos()).Rooms(), IsEmpty());
  world_.Join(room, kAlice);
  const Slid joined = Slide(kAlice, All(), invited.pos());
  EXPECT_EQ(joined.Room(room)["initial"].AsBool(), true);
  EXPECT_EQ(joined.Room(room)["membership"].StringOr(""), "join");
  EXPECT_FALSE(joined.Room(room)["stripped_state"]);
}

TEST_F(SlidingRoomTest, ARejectedInviteTellsNothingElse) {
  const std::string room = world_.MakeRoom(kBob);
  world_.SetMember(room, kBob, kAlice, "invite");
  const std::string pos = Slide(kAlice, All()).pos();
  world_.SetName(room, kBob, "Later");
  world_.Leave(room, kAlice);
  const Slid left = Slide(kAlice, All(), pos);
  EXPECT_EQ(left.Room(room)["membership"].StringOr(""), "leave");
  EXPECT_THAT(Answer::Names(left.Room(room)["stripped_state"]),
              ElementsAre("@alice:x=leave"));
  EXPECT_FALSE(left.Room(room)["timeline"]);
  // Who never knew of it hears nothing.
  EXPECT_THAT(Slide(kAlice, All()).Rooms(), IsEmpty());
}

TEST_F(SlidingRoomTest, LeavingEndsTheRoomWhereItWasLeft) {
  const std::string room = world_.MakeRoom(kBob);
  world_.Join(room, kAlice);
  const std::string pos = Slide(kAlice, All()).pos();
  world_.Say(room, kBob, "before");
  world_.Leave(room, kAlice);
  world_.Say(room, kBob, "after");
  const Slid left = Slide(kAlice, All(), pos);
  EXPECT_EQ(left.Room(room)["membership"].StringOr(""), "leave");
  EXPECT_THAT(left.Timeline(room), ElementsAre("before", "@alice:x=leave"));
  EXPECT_THAT(left.State(room), ElementsAre("@alice:x=leave"));
  EXPECT_EQ(left.Count("all"), 1);
  EXPECT_THAT(Slide(kAlice, All(), left.pos()).Rooms(), IsEmpty());
  const Slid fresh = Slide(kAlice, All());
  EXPECT_THAT(fresh.Rooms(), IsEmpty());
  EXPECT_EQ(fresh.Count("all"), 0);
}

TEST_F(SlidingRoomTest, HeroesStandForANameAndAvatarsAreTold) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Send(room, kBob, kTypeMember, std::string(kBob),
              R"({"membership":"join","displayname":"Bobby",)"
              R"("avatar_url":"mxc://x/b"})");
  world_.Send(room, kAlice, "m.room.avatar", "", R"({"url":"mxc://x/r"})");
  const Slid first = Slide(kAlice, All());
  EXPECT_EQ(first.Room(room)["heroes"].raw(),
            R"([{"user_id":"@bob:x","displayname":"Bobby",)"
            R"("avatar_url":"mxc://x/b"}])");
  EXPECT_EQ(first.Room(room)["avatar"].StringOr(""), "mxc://x/r");
  EXPECT_FALSE(first.Room(room)["name"]);
  world_.SetName(room, kAlice, "Tea");
  const Slid named = Slide(kAlice, All(), first.pos());
  EXPECT_FALSE(named.Room(room)["heroes"]);
  world_.Send(room, kAlice, kTypeName, "", "{}");
  world_.Send(room, kAlice, "m.room.avatar", "", "{}");
  const Slid nameless = Slide(kAlice, All(), named.pos());
  EXPECT_TRUE(nameless.Room(room)["name"].IsNull());
  EXPECT_TRUE(nameless.Room(room)["avatar"].IsNull());
  EXPECT_TRUE(nameless.Room(room)["heroes"]);
}

TEST_F(SlidingRoomTest, BumpStampsFollowMessagesOnly) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Say(room, kAlice, "hi");
  const Slid first = Slide(kAlice, All());
  const auto stamp = first.Room(room)["bump_stamp"].AsInt();
  world_.Send(room, kAlice, "m.reaction", std::nullopt, "{}");
  const Slid second = Slide(kAlice, All(), first.pos());
  EXPECT_TRUE(second.Room(room));
  EXPECT_FALSE(second.Room(room)["bump_stamp"]);
  EXPECT_EQ(Slide(kAlice, All()).Room(room)["bump_stamp"].AsInt(), stamp);
}

TEST_F(SlidingRoomTest, KnocksComeWithStrippedState) {
  const std::string room = world_.MakeRoom(kBob);
  world_.SetName(room, kBob, "Tea");
  world_.Send(room, kBob, kTypeJoinRules, "", R"({"join_rule":"knock"})");
  world_.SetMember(room, kAlice, kAlice, "knock");
  const Slid knocked = Slide(kAlice, All());
  EXPECT_EQ(knocked.Room(room)["membership"].StringOr(""), "knock");
  EXPECT_THAT(Answer::Names(knocked.Room(room)["stripped_state"]),
              ::testing::IsSupersetOf({"m.room.name:Tea", "@alice:x=knock"}));
  EXPECT_FALSE(knocked.Room(room)["timeline"]);
  world_.SetMember(room, kBob, kAlice, "leave");
  const Slid rejected = Slide(kAlice, All(), knocked.pos());
  EXPECT_EQ(rejected.Room(room)["membership"].StringOr(""), "leave");
  EXPECT_THAT(Answer::Names(rejected.Room(room)["stripped_state"]),
              ElementsAre("@alice:x=leave"));
}

TEST_F(SlidingRoomTest, BumpStampsOfInvitesSayWhenTheyCame) {
  const std::string room = world_.MakeRoom(kBob);
  world_.SetMember(room, kBob, kAlice, "invite");
  const auto stamp = Slide(kAlice, All()).Room(room)["bump_stamp"].AsInt();
  ASSERT_TRUE(stamp);
  world_.Say(room, kBob, "hi");
  EXPECT_EQ(Slide(kAlice, All()).Room(room)["bump_stamp"].AsInt(), stamp);
}

TEST_F(SlidingRoomTest, AGapIsSaidToBeOne) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string pos = Slide(kAlice, All(2)).pos();
  for (const char* body : {"one", "two", "three"}) {
    world_.Say(room, kAlice, body);
  }
  const Slid slid = Slide(kAlice, All(2), pos);
  EXPECT_THAT(slid.Timeline(room), ElementsAre("two", "three"));
  EXPECT_EQ(slid.Room(room)["limited"].AsBool(), true);
  EXPECT_EQ(slid.Room(room)["num_live"].AsInt(), 2);
  EXPECT_TRUE(slid.Room(room)["prev_batch"].IsString());
  EXPECT_FALSE(slid.Room(room)["expanded_timeline"]);
}

TEST_F(SlidingRoomTest, OnlyLimitedTimelinesBundleWhatRelatesToEvents) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string pos = Slide(kAlice, All(2)).pos();
  const std::string said = world_.Say(room, kAlice, "tee");
  world_.Send(
      room, kAlice, kTypeMessage, std::nullopt,
      fmt::format(R"({{"body":"* tea","m.new_content":{{"body":"tea"}},)"
                  R"("m.relates_to":{{"rel_type":"m.replace",)"
                  R"("event_id":"{}"}}}})",
                  said));
  const auto edited = [&](const Slid& slid) {
    return bool{slid.Room(room)["timeline"].at(0)["unsigned"]["m.relations"]};
  };
  EXPECT_FALSE(edited(Slide(kAlice, All(2), pos)));
  EXPECT_TRUE(edited(Slide(kAlice, All(2))));
}

TEST_F(SlidingRoomTest, EventsDoNotRepeatTheirRoom) {
  const std::string room = world_.MakeRoom(kAlice);
  const Slid slid = Slide(kAlice, All());
  for (const char* list : {"timeline", "required_state"}) {
    const json::Value event = slid.Room(room)[list].at(0);
    EXPECT_TRUE(event["event_id"].IsString()) << list;
    EXPECT_FALSE(event["room_id"]) << list;
  }
}

TEST_F(SlidingRoomTest, WhoComesBackBeginsAnew) {
  const std::string room = world_.MakeRoom(kBob);
  world_.Join(room, kAlice);
  const std::string pos = Slide(kAlice, All()).pos();
  world_.Leave(room, kAlice);
  const Slid left = Slide(kAlice, All(), pos);
  EXPECT_FALSE(left.Room(room)["initial"]);
  world_.Say(room, kBob, "meanwhile");
  world_.Join(room, kAlice);
  const Slid back = Slide(kAlice, All(3), left.pos());
  EXPECT_EQ(back.Room(room)["initial"].AsBool(), true);
  EXPECT_EQ(back.Room(room)["membership"].StringOr(""), "join");
  EXPECT_THAT(back.Timeline(room),
              ElementsAre("@alice:x=leave", "meanwhile", "@alice:x=join"));
}

TEST_F(SlidingRoomTest, CountsFollowMembers) {
  const std::string room = world_.MakeRoom(kAlice);
  const Slid first = Slide(kAlice, All());
  world_.SetMember(room, kAlice, kBob, "invite");
  const Slid invited = Slide(kAlice, All(), first.pos());
  EXPECT_EQ(invited.Room(room)["joined_count"].AsInt(), 1);
  EXPECT_EQ(invited.Room(room)["invited_count"].AsInt(), 1);
  world_.Join(room, kBob);
  const Slid joined = Slide(kAlice, All(), invited.pos());
  EXPECT_EQ(joined.Room(room)["joined_count"].AsInt(), 2);
  EXPECT_EQ(joined.Room(room)["invited_count"].AsInt(), 0);
}

TEST_F(SlidingRoomTest, RulesThatMatchOneRoomAreCombined) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Say(room, kAlice, "hi");
  const Slid slid = Slide(
      kAlice,
      fmt::format(
          R"({{"lists":{{"a":{{"timeline_limit":1,"required_state":)"
          R"({{"include":[{{"type":"m.room.create"}}]}}}},)"
          R"("b":{{"range":[5,9],"timeline_limit":9,"required_state":{{}}}}}},)"
          R"("room_subscriptions":{{"{}":{{"timeline_limit":2,)"
          R"("required_state":{{"include":[{{"type":"m.room.join_rules"}}]}})"
          R"(}}}}}})",
          room));
  EXPECT_THAT(slid.State(room),
              UnorderedElementsAre("m.room.create", "m.room.join_rules"));
  EXPECT_THAT(slid.Timeline(room), ElementsAre("m.room.join_rules", "hi"));
  EXPECT_EQ(slid.Room(room)["lists"].raw(), R"(["a"])");
  EXPECT_EQ(slid.Count("b"), 1);
}

}  // namespace
}  // namespace matrixcore
