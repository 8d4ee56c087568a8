// Sliding sync on the service floor (MSC4186), one behaviour each.
#include "matrixcore/service/sliding_sync.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/sync_world.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// An answer, or what went wrong.
struct Slid {
  Answer answer = {};
  Status status = {};

  std::string pos() const {
    return std::string(answer.At({"pos"}).StringOr(""));
  }
  json::Value Room(std::string_view room) const {
    return answer.At({"rooms", room});
  }
  std::vector<std::string> Rooms() const {
    std::vector<std::string> ids;
    for (const auto [id, room] : answer.At({"rooms"}).members()) {
      ids.emplace_back(id);
    }
    return ids;
  }
  std::vector<std::string> Timeline(std::string_view room) const {
    return Answer::Names(Room(room)["timeline"]);
  }
  std::vector<std::string> State(std::string_view room) const {
    return Answer::Names(Room(room)["required_state"]);
  }
  int64_t Count(std::string_view list) const {
    return answer.At({"lists", list, "count"}).AsInt().value_or(-1);
  }
};

class SlidingSyncTest : public ::testing::Test {
 protected:
  std::unique_ptr<SlidingRequest> Parse(std::string_view user,
                                        std::string_view body,
                                        std::string_view pos,
                                        SlidingForm form) {
    const auto document = json::Document::ParseView(body);
    EXPECT_TRUE(document.ok()) << body;
    Result<SlidingRequest> request =
        ParseSlidingRequest(document->root(), form, SyncWorld::Of(user));
    EXPECT_TRUE(request.ok()) << request.status().ToString();
    if (!request.ok()) return nullptr;
    if (!pos.empty()) request->pos.emplace(pos);
    return std::make_unique<SlidingRequest>(*std::move(request));
  }
  Slid Slide(std::string_view user, std::string_view body,
             std::string_view pos = {},
             SlidingForm form = SlidingForm::kMsc4186) {
    std::optional<Result<std::string>> answer;
    world_.sync.SlidingSync(
        Parse(user, body, pos, form),
        [&answer](Result<std::string> got) { answer.emplace(std::move(got)); });
    EXPECT_TRUE(answer.has_value()) << "the sync waits";
    if (!answer) return {};
    if (!answer->ok()) return {Answer(), answer->status()};
    return {Answer(**answer), OkStatus()};
  }
  // All rooms, with that much of each.
  static std::string All(size_t limit = 10, std::string_view state = "[{}]",
                         std::string_view more = "") {
    return fmt::format(R"({{"lists":{{"all":{{"timeline_limit":{},)"
                       R"("required_state":{{"include":{}}}}}}}{}}})",
                       limit, state, more);
  }
  static std::string Window(size_t first, size_t last, size_t limit = 10) {
    return fmt::format(
        R"({{"lists":{{"w":{{"range":[{},{}],"timeline_limit":{},)"
        R"("required_state":{{}}}}}}}})",
        first, last, limit);
  }

  SyncWorld world_;
};

TEST_F(SlidingSyncTest, TellsEverythingOfARoomAtFirst) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.SetName(room, kAlice, "Tea");
  world_.Say(room, kAlice, "hi");
  const Slid first = Slide(
      kAlice, All(2, R"([{"type":"m.room.create"},{"type":"m.room.name"}])"));
  EXPECT_EQ(first.Count("all"), 1);
  const json::Value told = first.Room(room);
  EXPECT_EQ(told["initial"].AsBool(), true);
  EXPECT_EQ(told["name"].StringOr(""), "Tea");
  EXPECT_EQ(told["membership"].StringOr(""), "join");
  EXPECT_EQ(told["lists"].raw(), R"(["all"])");
  EXPECT_EQ(told["joined_count"].AsInt(), 1);
  EXPECT_EQ(told["invited_count"].AsInt(), 0);
  EXPECT_EQ(told["limited"].AsBool(), true);
  EXPECT_EQ(told["num_live"].AsInt(), 0);
  EXPECT_TRUE(told["bump_stamp"].IsInteger());
  EXPECT_FALSE(told["heroes"]);
  EXPECT_FALSE(told["is_dm"]);
  EXPECT_THAT(first.Timeline(room), ElementsAre("m.room.name:Tea", "hi"));
  EXPECT_THAT(first.State(room),
              ElementsAre("m.room.create", "m.room.name:Tea"));
}

TEST_F(SlidingSyncTest, TellsThenOnlyWhatIsNew) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string other = world_.MakeRoom(kAlice);
  const Slid first = Slide(kAlice, All());
  const Slid nothing = Slide(kAlice, All(), first.pos());
  EXPECT_THAT(nothing.Rooms(), IsEmpty());
  EXPECT_EQ(nothing.Count("all"), 2);
  world_.Say(room, kAlice, "hi");
  const Slid news = Slide(kAlice, All(), nothing.pos());
  EXPECT_THAT(news.Rooms(), ElementsAre(room));
  EXPECT_THAT(news.Timeline(room), ElementsAre("hi"));
  const json::Value told = news.Room(room);
  EXPECT_FALSE(told["initial"]);
  EXPECT_FALSE(told["required_state"]);
  EXPECT_FALSE(told["name"]);
  EXPECT_FALSE(told["joined_count"]);
  EXPECT_FALSE(told["membership"]);
  EXPECT_FALSE(told["limited"]);
  EXPECT_EQ(told["num_live"].AsInt(), 1);
  world_.SetName(room, kAlice, "Tea");
  const Slid named = Slide(kAlice, All(), news.pos());
  EXPECT_EQ(named.Room(room)["name"].StringOr(""), "Tea");
  EXPECT_THAT(named.State(room), ElementsAre("m.room.name:Tea"));
  EXPECT_FALSE(named.Room(room)["bump_stamp"]);
}

TEST_F(SlidingSyncTest, RepeatsTheAnswerThatWasLost) {
  const std::string room = world_.MakeRoom(kAlice);
  const Slid first = Slide(kAlice, All());
  world_.Say(room, kAlice, "one");
  const std::string late = world_.MakeRoom(kAlice);
  const Slid lost = Slide(kAlice, All(), first.pos());
  EXPECT_THAT(lost.Rooms(), UnorderedElementsAre(room, late));
  world_.Say(room, kAlice, "two");
  const Slid again = Slide(kAlice, All(), first.pos());
  EXPECT_THAT(again.Timeline(room), ElementsAre("one", "two"));
  EXPECT_EQ(again.Room(late)["initial"].AsBool(), true);
  // What came with the lost answer is not known any more.
  EXPECT_EQ(Slide(kAlice, All(), lost.pos()).status.errcode(), "M_UNKNOWN_POS");
  EXPECT_THAT(Slide(kAlice, All(), again.pos()).Rooms(), IsEmpty());
}

TEST_F(SlidingSyncTest, APositionBelongsToItsConnection) {
  world_.MakeRoom(kAlice);
  const std::string pos = Slide(kAlice, All()).pos();
  EXPECT_EQ(Slide(kBob, All(), pos).status.errcode(), "M_UNKNOWN_POS");
  EXPECT_EQ(Slide(kAlice, All(10, "[{}]", R"(,"conn_id":"two")"), pos)
                .status.errcode(),
            "M_UNKNOWN_POS");
  EXPECT_EQ(Slide(kAlice, All(), "nonsense").status.errcode(), "M_UNKNOWN_POS");
  EXPECT_TRUE(Slide(kAlice, All(), pos).status.ok());
  Slide(kAlice, All());  // Begins anew.
  EXPECT_EQ(Slide(kAlice, All(), pos).status.errcode(), "M_UNKNOWN_POS");
}

TEST_F(SlidingSyncTest, ConnectionsOfADeviceAreTheirOwn) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string two = All(10, "[{}]", R"(,"conn_id":"two")");
  const std::string pos = Slide(kAlice, All()).pos();
  EXPECT_THAT(Slide(kAlice, two).Rooms(), ElementsAre(room));
  EXPECT_THAT(Slide(kAlice, All(), pos).Rooms(), IsEmpty());
}

TEST_F(SlidingSyncTest, ADeviceHasSoManyConnections) {
  std::vector<std::string> positions;
  const auto body = [](int n) {
    return All(10, "[{}]", fmt::format(R"(,"conn_id":"c{}")", n));
  };
  for (int n = 0; n < 17; ++n) {
    world_.timers.Advance(milliseconds(1));
    positions.push_back(Slide(kAlice, body(n)).pos());
    world_.MakeRoom(kAlice);  // What was queued is committed before that.
  }
  EXPECT_EQ(Slide(kAlice, body(0), positions[0]).status.errcode(),
            "M_UNKNOWN_POS");
  EXPECT_TRUE(Slide(kAlice, body(1), positions[1]).status.ok());
}

TEST_F(SlidingSyncTest, WindowsShowTheMostRecentlyActiveRooms) {
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

TEST_F(SlidingSyncTest, ARoomThatWasOutOfViewBringsWhatWasMissed) {
  const std::string quiet = world_.MakeRoom(kAlice);
  const std::string busy = world_.MakeRoom(kAlice);
  const Slid first = Slide(kAlice, Window(0, 1));
  world_.Say(quiet, kAlice, "one");
  world_.Say(busy, kAlice, "busy");
  // Only one of both is in view.
  const Slid second = Slide(kAlice, Window(0, 0), first.pos());
  EXPECT_THAT(second.Rooms(), ElementsAre(busy));
  world_.Say(quiet, kAlice, "two");
  const Slid third = Slide(kAlice, Window(0, 0), second.pos());
  EXPECT_THAT(third.Timeline(quiet), ElementsAre("one", "two"));
  EXPECT_FALSE(third.Room(quiet)["initial"]);
  EXPECT_EQ(third.Room(quiet)["num_live"].AsInt(), 1);
}

TEST_F(SlidingSyncTest, SubscriptionsShowRoomsOutOfEveryWindow) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.MakeRoom(kAlice);
  const std::string hidden = world_.MakeRoom(kBob);
  const std::string body =
      fmt::format(R"({{"room_subscriptions":{{"{}":{{"timeline_limit":1,)"
                  R"("required_state":{{}}}},"{}":{{"timeline_limit":1,)"
                  R"("required_state":{{}}}},"!no:x":{{"timeline_limit":1,)"
                  R"("required_state":{{}}}}}}}})",
                  room, hidden);
  const Slid first = Slide(kAlice, body);
  EXPECT_THAT(first.Rooms(), ElementsAre(room));
  EXPECT_FALSE(first.Room(room)["lists"]);
  world_.Say(room, kAlice, "hi");
  EXPECT_THAT(Slide(kAlice, body, first.pos()).Timeline(room),
              ElementsAre("hi"));
}

TEST_F(SlidingSyncTest, AGreaterTimelineLimitBringsOlderEvents) {
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

TEST_F(SlidingSyncTest, MoreRequiredStateComesAtOnce) {
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

TEST_F(SlidingSyncTest, RequiredStateExcludesAndMatchesKeys) {
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

TEST_F(SlidingSyncTest, LazyMembersAreThoseOfTheTimeline) {
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

TEST_F(SlidingSyncTest, InvitesComeWithStrippedState) {
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

TEST_F(SlidingSyncTest, ARejectedInviteTellsNothingElse) {
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

TEST_F(SlidingSyncTest, LeavingEndsTheRoomWhereItWasLeft) {
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

TEST_F(SlidingSyncTest, WhoWasKickedSeesThatAtFirstToo) {
  const std::string room = world_.MakeRoom(kBob);
  world_.Join(room, kAlice);
  world_.SetMember(room, kBob, kAlice, "leave");
  const Slid first = Slide(kAlice, All());
  EXPECT_EQ(first.Room(room)["membership"].StringOr(""), "leave");
  EXPECT_EQ(first.Timeline(room).back(), "@alice:x=leave");
  // A ban from a room that one never was in is none of one's business.
  const std::string other = world_.MakeRoom(kBob);
  world_.SetMember(other, kBob, kAlice, "ban");
  EXPECT_THAT(Slide(kAlice, All()).Rooms(), ElementsAre(room));
}

TEST_F(SlidingSyncTest, HeroesStandForANameAndAvatarsAreTold) {
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

TEST_F(SlidingSyncTest, BumpStampsFollowMessagesOnly) {
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

TEST_F(SlidingSyncTest, FiltersChooseRooms) {
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

TEST_F(SlidingSyncTest, RoomsEnterAndLeaveFiltersAsTheyChange) {
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

TEST_F(SlidingSyncTest, SpacesListTheirChildren) {
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

TEST_F(SlidingSyncTest, IgnoredUsersDoNotInviteOrSpeak) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  const std::string invited = world_.MakeRoom(kBob);
  ASSERT_TRUE(world_.account_data
                  .Put(kAlice, "", "m.ignored_user_list",
                       R"({"ignored_users":{"@bob:x":{}}})")
                  .ok());
  const Slid first = Slide(kAlice, All());
  world_.SetMember(invited, kBob, kAlice, "invite");
  world_.Say(room, kBob, "spam");
  EXPECT_THAT(Slide(kAlice, All(), first.pos()).Rooms(), IsEmpty());
}

TEST_F(SlidingSyncTest, TheSimplifiedFormHasItsOwnNames) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  world_.Say(room, kBob, "hi");
  const std::string invited = world_.MakeRoom(kBob);
  world_.SetMember(invited, kBob, kAlice, "invite");
  const std::string body =
      R"({"txn_id":"t","lists":{"a":{"ranges":[[0,0],[1,9]],)"
      R"("timeline_limit":1,"required_state":[["m.room.member","$ME"],)"
      R"(["m.room.create",""],["m.room.member","$LAZY"]]}}})";
  const Slid first = Slide(kAlice, body, "", SlidingForm::kSimplified);
  EXPECT_EQ(first.answer.At({"txn_id"}).StringOr(""), "t");
  EXPECT_THAT(
      first.State(room),
      UnorderedElementsAre("m.room.create", "@alice:x=join", "@bob:x=join"));
  const json::Value told = first.Room(room);
  EXPECT_EQ(told["notification_count"].AsInt(), 1);
  EXPECT_EQ(told["highlight_count"].AsInt(), 0);
  EXPECT_FALSE(told["membership"]);
  EXPECT_FALSE(told["lists"]);
  EXPECT_TRUE(first.Room(invited)["invite_state"]);
  EXPECT_FALSE(first.Room(invited)["stripped_state"]);
}

TEST_F(SlidingSyncTest, ExtensionsTellWhatStandsBesideRooms) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  const std::string said = world_.Say(room, kBob, "hi");
  ASSERT_TRUE(world_.account_data.Put(kAlice, room, "org.a", "{\"n\":1}").ok());
  ASSERT_TRUE(world_.account_data.Put(kAlice, "", "org.g", "{\"n\":2}").ok());
  ASSERT_TRUE(
      world_.ephemeral
          .SetReceipt(SyncWorld::Of(kBob), {room, "m.read", said, std::nullopt})
          .ok());
  ASSERT_TRUE(
      world_.ephemeral.SetTyping(SyncWorld::Of(kBob), room, true, seconds(9))
          .ok());
  const std::string body =
      All(10, "[]",
          R"(,"extensions":{"account_data":{"enabled":true},)"
          R"("receipts":{"enabled":true},"typing":{"enabled":true},)"
          R"("e2ee":{"enabled":true},"to_device":{"enabled":true}})");
  const Slid first = Slide(kAlice, body);
  const auto of_room = [&](const Slid& slid, std::string_view extension) {
    return slid.answer.Raw({"extensions", extension, "rooms", room});
  };
  EXPECT_EQ(of_room(first, "account_data"),
            R"([{"content":{"n":1},"type":"org.a"}])");
  EXPECT_THAT(first.answer.Raw({"extensions", "account_data", "global"}),
              ::testing::HasSubstr(R"({"content":{"n":2},"type":"org.g"})"));
  EXPECT_THAT(of_room(first, "receipts"), ::testing::HasSubstr(said));
  EXPECT_EQ(of_room(first, "typing"),
            R"({"content":{"user_ids":["@bob:x"]},"type":"m.typing"})");
  EXPECT_TRUE(
      first.answer.At({"extensions", "e2ee", "device_one_time_keys_count"}));
  EXPECT_TRUE(first.answer.At({"extensions", "to_device", "next_batch"}));

  const Slid quiet = Slide(kAlice, body, first.pos());
  for (const char* name : {"account_data", "receipts", "typing"}) {
    EXPECT_FALSE(quiet.answer.At({"extensions", name})) << name;
  }
  ASSERT_TRUE(world_.account_data.Put(kAlice, room, "org.a", "{\"n\":3}").ok());
  ASSERT_TRUE(
      world_.ephemeral.SetTyping(SyncWorld::Of(kBob), room, false, seconds(0))
          .ok());
  const Slid news = Slide(kAlice, body, quiet.pos());
  EXPECT_EQ(of_room(news, "account_data"),
            R"([{"content":{"n":3},"type":"org.a"}])");
  EXPECT_EQ(of_room(news, "typing"),
            R"({"content":{"user_ids":[]},"type":"m.typing"})");
  EXPECT_THAT(news.Rooms(), IsEmpty());
}

TEST_F(SlidingSyncTest, ExtensionsThatComeLaterTellEverything) {
  const std::string room = world_.MakeRoom(kAlice);
  ASSERT_TRUE(world_.account_data.Put(kAlice, room, "org.a", "{\"n\":1}").ok());
  const Slid first = Slide(kAlice, All());
  const std::string with =
      All(10, "[{}]", R"(,"extensions":{"account_data":{"enabled":true}})");
  const Slid second = Slide(kAlice, with, first.pos());
  EXPECT_EQ(second.answer.Raw({"extensions", "account_data", "rooms", room}),
            R"([{"content":{"n":1},"type":"org.a"}])");
  EXPECT_FALSE(Slide(kAlice, with, second.pos())
                   .answer.At({"extensions", "account_data"}));
}

TEST_F(SlidingSyncTest, ExtensionsHaveAScope) {
  const std::string room = world_.MakeRoom(kAlice);
  ASSERT_TRUE(world_.account_data.Put(kAlice, room, "org.a", "{\"n\":1}").ok());
  const auto rooms = [&](std::string_view scope) {
    return bool{
        Slide(kAlice, All(1, "[]",
                          fmt::format(R"(,"extensions":{{"account_data":)"
                                      R"({{"enabled":true{}}}}})",
                                      scope)))
            .answer.At({"extensions", "account_data", "rooms", room})};
  };
  EXPECT_TRUE(rooms(""));
  EXPECT_TRUE(rooms(R"(,"lists":["*"])"));
  EXPECT_TRUE(rooms(R"(,"lists":["all"])"));
  EXPECT_FALSE(rooms(R"(,"lists":[])"));
  EXPECT_FALSE(rooms(R"(,"lists":["other"],"rooms":["*"])"));
}

TEST_F(SlidingSyncTest, ThreadSubscriptionsAreAnExtension) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string root = world_.Say(room, kAlice, "root");
  world_.Send(room, kAlice, kTypeMessage, std::nullopt,
              fmt::format(R"({{"body":"r","m.relates_to":{{)"
                          R"("rel_type":"m.thread","event_id":"{}"}}}})",
                          root));
  ASSERT_TRUE(world_.threads
                  .Subscribe(SyncWorld::Of(kAlice), {room, root}, std::nullopt)
                  .ok());
  const std::string body =
      R"({"extensions":{"io.element.msc4308.thread_subscriptions":)"
      R"({"enabled":true}}})";
  constexpr std::string_view kName = "io.element.msc4308.thread_subscriptions";
  const Slid first = Slide(kAlice, body);
  EXPECT_EQ(
      first.answer
          .At({"extensions", kName, "subscribed", room, root, "automatic"})
          .AsBool(),
      false);
  const Slid second = Slide(kAlice, body, first.pos());
  EXPECT_FALSE(second.answer.At({"extensions", kName}));
  ASSERT_TRUE(
      world_.threads.Unsubscribe(SyncWorld::Of(kAlice), {room, root}).ok());
  EXPECT_TRUE(
      Slide(kAlice, body, second.pos())
          .answer.At({"extensions", kName, "unsubscribed", room, root}));
}

TEST_F(SlidingSyncTest, LimitsAreKept) {
  const auto errcode = [&](const std::string& body) {
    const auto document = json::Document::ParseView(body);
    EXPECT_TRUE(document.ok());
    return std::string(ParseSlidingRequest(document->root(),
                                           SlidingForm::kMsc4186,
                                           SyncWorld::Of(kAlice))
                           .status()
                           .errcode());
  };
  const auto lists = [](int n) {
    std::string body = R"({"lists":{)";
    for (int i = 0; i < n; ++i) {
      body +=
          fmt::format(R"({}"l{}":{{"timeline_limit":1,"required_state":{{}}}})",
                      i == 0 ? "" : ",", i);
    }
    return body + "}}";
  };
  EXPECT_EQ(errcode(lists(100)), "");
  EXPECT_EQ(errcode(lists(101)), "M_INVALID_PARAM");
  std::string subscriptions = R"({"room_subscriptions":{)";
  for (int i = 0; i < 101; ++i) {
    subscriptions += fmt::format(
        R"({}"!r{}:x":{{"timeline_limit":1,"required_state":{{}}}})",
        i == 0 ? "" : ",", i);
  }
  EXPECT_EQ(errcode(subscriptions + "}}"), "M_INVALID_PARAM");
  EXPECT_EQ(errcode(R"({"lists":{"a b":{"timeline_limit":1,)"
                    R"("required_state":{}}}})"),
            "M_INVALID_PARAM");
  EXPECT_EQ(errcode(R"({"lists":{"a":{"required_state":{}}}})"), "M_BAD_JSON");
  EXPECT_EQ(errcode(R"({"lists":{"a":{"timeline_limit":1}}})"), "M_BAD_JSON");
  EXPECT_EQ(errcode(R"({"lists":{"a":{"timeline_limit":-1,)"
                    R"("required_state":{}}}})"),
            "M_INVALID_PARAM");
  EXPECT_EQ(errcode(R"({"lists":{"a":{"timeline_limit":1,)"
                    R"("required_state":{},"range":[3,1]}}})"),
            "M_INVALID_PARAM");
  EXPECT_EQ(errcode(R"({"lists":[]})"), "M_BAD_JSON");
  EXPECT_EQ(errcode(R"({"extensions":{"to_device":{"since":"x"}}})"),
            "M_INVALID_PARAM");
}

TEST_F(SlidingSyncTest, ConnectionsSurviveARestartOfTheService) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string other = world_.MakeRoom(kAlice);
  std::unique_ptr<SyncService> service;
  const auto restart = [&] {
    world_.MakeRoom(kBob);  // What was queued is committed before that.
    service = std::make_unique<SyncService>(
        SyncService::Options(),
        SyncService::Deps{*world_.store, world_.clock, world_.caches,
                          world_.activity, world_.notifier, world_.ephemeral,
                          FilterLookup(), *world_.log, *world_.metrics});
  };
  const auto slide = [&](std::string_view body, std::string_view pos) {
    Slid slid;
    service->SlidingSync(Parse(kAlice, body, pos, SlidingForm::kMsc4186),
                         [&slid](Result<std::string> got) {
                           if (!got.ok()) slid.status = got.status();
                           if (got.ok()) slid.answer = Answer(*got);
                         });
    return slid;
  };
  restart();
  const Slid first = slide(Window(0, 0), "");
  EXPECT_THAT(first.Rooms(), ElementsAre(other));
  restart();
  EXPECT_THAT(slide(Window(0, 0), first.pos()).Rooms(), IsEmpty());
  const Slid lost = slide(Window(0, 1), first.pos());
  EXPECT_THAT(lost.Rooms(), ElementsAre(room));
  restart();
  const Slid again = slide(Window(0, 1), first.pos());
  EXPECT_THAT(again.Rooms(), ElementsAre(room));
  restart();
  EXPECT_THAT(slide(Window(0, 1), again.pos()).Rooms(), IsEmpty());
  EXPECT_EQ(slide(Window(0, 1), lost.pos()).status.errcode(), "M_UNKNOWN_POS");
}

TEST_F(SlidingSyncTest, WaitsForNewsAndGivesWayToTheNextRequest) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string body = All(10, "[{}]", R"(,"timeout":30000,"pos":null)");
  std::string pos = Slide(kAlice, All()).pos();
  std::vector<Result<std::string>> answers;
  const auto wait = [&] {
    auto request = Parse(kAlice, body, pos, SlidingForm::kMsc4186);
    request->timeout = seconds(30);
    world_.sync.SlidingSync(std::move(request),
                            [&answers](Result<std::string> got) {
                              answers.push_back(std::move(got));
                            });
  };
  wait();
  EXPECT_EQ(world_.notifier.parked(), 1u);
  wait();
  world_.wakes.RunAll();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].status().code(), StatusCode::kAborted);
  EXPECT_EQ(world_.notifier.parked(), 1u);
  world_.Say(room, kAlice, "hi");
  world_.wakes.RunAll();
  ASSERT_EQ(answers.size(), 2u);
  ASSERT_TRUE(answers[1].ok());
  EXPECT_THAT(Slid{Answer(*answers[1])}.Timeline(room), ElementsAre("hi"));
}

TEST_F(SlidingSyncTest, EverythingThatIsNewEndsTheWait) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  const std::string said = world_.Say(room, kBob, "hi");
  const std::string body =
      R"({"lists":{"a":{"timeline_limit":1,"required_state":[]}},)"
      R"("extensions":{"account_data":{"enabled":true},)"
      R"("receipts":{"enabled":true},"typing":{"enabled":true}}})";
  std::string pos = Slide(kAlice, body, "", SlidingForm::kSimplified).pos();
  const auto ends_with = [&](const char* what, const auto& happen) {
    auto request = Parse(kAlice, body, pos, SlidingForm::kSimplified);
    request->timeout = seconds(30);
    std::optional<Slid> slid;
    world_.sync.SlidingSync(std::move(request), [&](Result<std::string> got) {
      slid.emplace(Slid{Answer(*got), OkStatus()});
    });
    EXPECT_FALSE(slid) << what;
    happen();
    world_.wakes.RunAll();
    ASSERT_TRUE(slid) << what;
    pos = slid->pos();
  };
  ends_with("own receipt", [&] {
    ASSERT_TRUE(world_.ephemeral
                    .SetReceipt(SyncWorld::Of(kAlice),
                                {room, "m.read", said, std::nullopt})
                    .ok());
  });
  ends_with("typing", [&] {
    ASSERT_TRUE(
        world_.ephemeral.SetTyping(SyncWorld::Of(kBob), room, true, seconds(9))
            .ok());
  });
  ends_with("account data", [&] {
    ASSERT_TRUE(world_.account_data.Put(kAlice, "", "org.a", "{}").ok());
  });
  ends_with("room account data", [&] {
    ASSERT_TRUE(world_.account_data.Put(kAlice, room, "org.a", "{}").ok());
  });
  ends_with("a message", [&] { world_.Say(room, kBob, "more"); });
}

TEST_F(SlidingSyncTest, WaitsOnThroughWhatIsOutOfView) {
  const std::string hidden = world_.MakeRoom(kAlice);
  const std::string shown = world_.MakeRoom(kAlice);
  const std::string body =
      fmt::format(R"({{"room_subscriptions":{{"{}":{{"timeline_limit":9,)"
                  R"("required_state":{{}}}}}}}})",
                  shown);
  const std::string both =
      fmt::format(R"({{"room_subscriptions":{{"{}":{{"timeline_limit":9,)"
                  R"("required_state":{{}}}},"{}":{{"timeline_limit":9,)"
                  R"("required_state":{{}}}}}}}})",
                  shown, hidden);
  const Slid first = Slide(kAlice, both);
  auto request = Parse(kAlice, body, first.pos(), SlidingForm::kMsc4186);
  request->timeout = seconds(30);
  std::optional<Slid> slid;
  world_.sync.SlidingSync(std::move(request), [&](Result<std::string> got) {
    ASSERT_TRUE(got.ok());
    slid.emplace(Slid{Answer(*got), OkStatus()});
  });
  world_.Say(hidden, kAlice, "missed");
  world_.wakes.RunAll();
  EXPECT_FALSE(slid);
  world_.Say(shown, kAlice, "seen");
  world_.wakes.RunAll();
  ASSERT_TRUE(slid);
  EXPECT_THAT(slid->Rooms(), ElementsAre(shown));
  EXPECT_THAT(Slide(kAlice, both, slid->pos()).Timeline(hidden),
              ElementsAre("missed"));
}

}  // namespace
}  // namespace matrixcore
