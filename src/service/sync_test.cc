#include "matrixcore/service/sync.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/sync_world.h"

namespace matrixcore {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class SyncTest : public ::testing::Test {
 protected:
  SyncWorld world_;
};

TEST_F(SyncTest, InitialSyncGivesTheWholeOfASmallRoomAsTimeline) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Say(room, kAlice, "hello");
  const Answer answer = world_.Sync(kAlice);
  EXPECT_THAT(answer.Timeline("join", room),
              ElementsAre("m.room.create", "@alice:x=join",
                          "m.room.power_levels", "m.room.join_rules", "hello"));
  EXPECT_THAT(answer.State("join", room), IsEmpty());
  EXPECT_FALSE(answer.Limited(room));
  EXPECT_NE(answer.next(), "");
}

TEST_F(SyncTest, ALimitedTimelineComesWithTheStateAtItsStart) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.SetName(room, kAlice, "old");
  world_.Say(room, kAlice, "one");
  world_.SetName(room, kAlice, "new");
  world_.Say(room, kAlice, "two");
  const Answer answer =
      world_.Sync(kAlice, "", R"({"room":{"timeline":{"limit":3}}})");
  EXPECT_THAT(answer.Timeline("join", room),
              ElementsAre("one", "m.room.name:new", "two"));
  EXPECT_THAT(answer.State("join", room),
              UnorderedElementsAre("m.room.create", "@alice:x=join",
                                   "m.room.power_levels", "m.room.join_rules",
                                   "m.room.name:old"));
  EXPECT_TRUE(answer.Limited(room));
}

TEST_F(SyncTest, IncrementalSyncGivesWhatIsNewOnce) {
  const std::string room = world_.MakeRoom(kAlice);
  const Answer first = world_.Sync(kAlice);
  world_.Say(room, kAlice, "news");
  const Answer second = world_.Sync(kAlice, first.next());
  EXPECT_THAT(second.Timeline("join", room), ElementsAre("news"));
  EXPECT_THAT(second.State("join", room), IsEmpty());
  EXPECT_FALSE(second.Limited(room));
  const Answer third = world_.Sync(kAlice, second.next());
  EXPECT_FALSE(third.At({"rooms"}));
  EXPECT_EQ(third.next(), second.next());
}

TEST_F(SyncTest, TheSameTokenGivesTheSameNewsAgain) {
  const std::string room = world_.MakeRoom(kAlice);
  const Answer first = world_.Sync(kAlice);
  world_.Say(room, kAlice, "news");
  world_.Sync(kAlice, first.next());
  world_.Say(room, kAlice, "more");
  EXPECT_THAT(world_.Sync(kAlice, first.next()).Timeline("join", room),
              ElementsAre("news", "more"));
}

TEST_F(SyncTest, ALimitedIncrementalSyncComesWithTheStateOfTheGap) {
  const std::string room = world_.MakeRoom(kAlice);
  const Answer first = world_.Sync(kAlice);
  world_.SetName(room, kAlice, "gap");
  world_.Join(room, kBob);
  for (int i = 0; i < 20; ++i) world_.Say(room, kAlice, std::to_string(i));
  const Answer second = world_.Sync(kAlice, first.next());
  EXPECT_TRUE(second.Limited(room));
  EXPECT_EQ(second.Timeline("join", room).size(), 10u);
  EXPECT_EQ(second.Timeline("join", room).front(), "10");
  EXPECT_THAT(second.State("join", room),
              UnorderedElementsAre("m.room.name:gap", "@bob:x=join"));
}

TEST_F(SyncTest, StateThatTheTimelineFilterHidesComesInTheStateBlock) {
  const std::string room = world_.MakeRoom(kAlice);
  const Answer first = world_.Sync(kAlice);
  world_.Say(room, kAlice, "one");
  world_.SetName(room, kAlice, "hidden");
  world_.Say(room, kAlice, "two");
  const Answer second =
      world_.Sync(kAlice, first.next(),
                  R"({"room":{"timeline":{"types":["m.room.message"]}}})");
  EXPECT_THAT(second.Timeline("join", room), ElementsAre("one", "two"));
  EXPECT_THAT(second.State("join", room), ElementsAre("m.room.name:hidden"));
}

TEST_F(SyncTest, PrevBatchPagesOnWithoutGapOrRepeat) {
  const std::string room = world_.MakeRoom(kAlice);
  for (int i = 0; i < 15; ++i) world_.Say(room, kAlice, std::to_string(i));
  const Answer answer = world_.Sync(kAlice);
  EXPECT_EQ(answer.Timeline("join", room).front(), "5");
  HistoryService::MessagesQuery query;
  query.from = StreamToken::Parse(
      answer.At({"rooms", "join", room, "timeline", "prev_batch"})
          .StringOr(""));
  ASSERT_TRUE(query.from.has_value());
  const Result<std::string> page =
      world_.history.Messages(SyncWorld::Of(kAlice), room, query);
  ASSERT_TRUE(page.ok());
  EXPECT_THAT(
      Answer::Names(Answer(*page).At({"chunk"})),
      ElementsAre("4", "3", "2", "1", "0", "m.room.join_rules",
                  "m.room.power_levels", "@alice:x=join", "m.room.create"));
}

TEST_F(SyncTest, ANewlyJoinedRoomComesWithItsFullState) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.SetName(room, kAlice, "club");
  for (int i = 0; i < 20; ++i) world_.Say(room, kAlice, std::to_string(i));
  const Answer first = world_.Sync(kBob);
  EXPECT_FALSE(first.Has("join", room));
  world_.Join(room, kBob);
  const Answer second = world_.Sync(kBob, first.next());
  EXPECT_TRUE(second.Limited(room));
  EXPECT_EQ(second.Timeline("join", room).back(), "@bob:x=join");
  EXPECT_THAT(second.State("join", room),
              UnorderedElementsAre("m.room.create", "@alice:x=join",
                                   "m.room.power_levels", "m.room.join_rules",
                                   "m.room.name:club"));
}

TEST_F(SyncTest, ANewlyJoinedRoomShowsOnlyVisibleHistory) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.SetVisibility(room, kAlice, "joined");
  world_.Say(room, kAlice, "secret");
  const Answer first = world_.Sync(kBob);
  world_.Join(room, kBob);
  world_.Say(room, kAlice, "welcome");
  const Answer second = world_.Sync(kBob, first.next());
  EXPECT_THAT(second.Timeline("join", room), Not(Contains("secret")));
  EXPECT_THAT(second.Timeline("join", room), Contains("welcome"));
}

TEST_F(SyncTest, ComingBackShowsWhatHappenedMeanwhile) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  world_.Say(room, kAlice, "before");
  const Answer first = world_.Sync(kBob);
  world_.Leave(room, kBob);
  const Answer second = world_.Sync(kBob, first.next());
  EXPECT_THAT(second.Timeline("leave", room), ElementsAre("@bob:x=leave"));
  world_.Say(room, kAlice, "meanwhile");
  world_.Join(room, kBob);
  const Answer third =
      world_.Sync(kBob, second.next(), R"({"room":{"timeline":{"limit":4}}})");
  EXPECT_THAT(
      third.Timeline("join", room),
      ElementsAre("before", "@bob:x=leave", "meanwhile", "@bob:x=join"));
  EXPECT_TRUE(third.Limited(room));
}

// The end of the stay is told by no answer: the invite is.  It must not be lost
// for those who accept.
TEST_F(SyncTest, NothingIsLostBetweenALeaveAndANewInvite) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  const Answer first = world_.Sync(kBob);
  world_.Say(room, kAlice, "unseen");
  world_.Leave(room, kBob);
  world_.SetMember(room, kAlice, kBob, "invite");
  const Answer second = world_.Sync(kBob, first.next());
  EXPECT_TRUE(second.Has("invite", room));
  EXPECT_FALSE(second.Has("leave", room));
  world_.Join(room, kBob);
  EXPECT_THAT(world_.Sync(kBob, second.next()).Timeline("join", room),
              Contains("unseen"));
}

TEST_F(SyncTest, LeavingAndComingBackBetweenTwoSyncsHidesThePrivatePart) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.SetVisibility(room, kAlice, "joined");
  world_.Join(room, kBob);
  const Answer first = world_.Sync(kBob);
  world_.Leave(room, kBob);
  world_.Say(room, kAlice, "about bob");
  world_.SetName(room, kAlice, "changed");
  world_.Join(room, kBob);
  const Answer second = world_.Sync(kBob, first.next());
  // The room's name is what it is, and belongs to what bob may know now.
  EXPECT_THAT(
      second.Timeline("join", room),
      ElementsAre("@bob:x=leave", "m.room.name:changed", "@bob:x=join"));
}

TEST_F(SyncTest, LeavingGivesTheRoomUpToTheLeave) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  const Answer first = world_.Sync(kBob);
  world_.Say(room, kAlice, "last words");
  world_.Leave(room, kBob);
  world_.Say(room, kAlice, "gone");
  world_.SetName(room, kAlice, "without bob");
  const Answer second = world_.Sync(kBob, first.next());
  EXPECT_FALSE(second.Has("join", room));
  EXPECT_THAT(second.Timeline("leave", room),
              ElementsAre("last words", "@bob:x=leave"));
  EXPECT_THAT(second.State("leave", room), IsEmpty());
  const Answer third = world_.Sync(kBob, second.next());
  EXPECT_FALSE(third.At({"rooms"}));
}

TEST_F(SyncTest, JoiningAndLeavingBetweenTwoSyncsGivesTheStateAtTheLeave) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.SetName(room, kAlice, "then");
  const Answer first = world_.Sync(kBob);
  world_.Join(room, kBob);
  world_.Leave(room, kBob);
  world_.SetName(room, kAlice, "now");
  const Answer second =
      world_.Sync(kBob, first.next(), R"({"room":{"timeline":{"types":[]}}})");
  EXPECT_THAT(second.State("leave", room),
              UnorderedElementsAre("m.room.create", "@alice:x=join",
                                   "m.room.power_levels", "m.room.join_rules",
                                   "m.room.name:then", "@bob:x=leave"));
}

TEST_F(SyncTest, ABanAfterAKickDoesNotRenewWhatIsKnown) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  const Answer first = world_.Sync(kBob);
  world_.SetMember(room, kAlice, kBob, "leave");
  world_.SetName(room, kAlice, "secret");
  world_.SetMember(room, kAlice, kBob, "ban");
  const Answer second =
      world_.Sync(kBob, first.next(), R"({"room":{"timeline":{"limit":1}}})");
  EXPECT_THAT(second.Timeline("leave", room), ElementsAre("@bob:x=ban"));
  EXPECT_THAT(second.State("leave", room), ElementsAre("@bob:x=leave"));
}

TEST_F(SyncTest, ARejectedInviteShowsNothingOfTheRoom) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Say(room, kAlice, "secret");
  world_.SetMember(room, kAlice, kBob, "invite");
  const Answer first = world_.Sync(kBob);
  world_.Leave(room, kBob);
  const Answer second = world_.Sync(kBob, first.next());
  EXPECT_THAT(second.Timeline("leave", room), ElementsAre("@bob:x=leave"));
  EXPECT_THAT(second.State("leave", room), IsEmpty());
}

TEST_F(SyncTest, InvitesComeWithStrippedState) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.SetName(room, kAlice, "club");
  const Answer first = world_.Sync(kBob);
  world_.SetMember(room, kAlice, kBob, "invite");
  for (const std::string& since : {std::string(), first.next()}) {
    const Answer answer = world_.Sync(kBob, since);
    const std::vector<std::string> state = Answer::Names(
        answer.At({"rooms", "invite", room, "invite_state", "events"}));
    EXPECT_THAT(state, Contains("m.room.name:club"));
    EXPECT_EQ(state.back(), "@bob:x=invite");
  }
  EXPECT_FALSE(world_.Sync(kBob, world_.Sync(kBob).next()).At({"rooms"}));
}

TEST_F(SyncTest, KnocksComeWithStrippedState) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Send(room, kAlice, kTypeJoinRules, "", R"({"join_rule":"knock"})");
  world_.SetMember(room, kBob, kBob, "knock");
  const Answer answer = world_.Sync(kBob);
  EXPECT_THAT(Answer::Names(
                  answer.At({"rooms", "knock", room, "knock_state", "events"})),
              Contains("@bob:x=knock"));
}

TEST_F(SyncTest, LeftRoomsAreInAnInitialSyncOnlyWhenAsked) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  world_.Say(room, kAlice, "before");
  world_.Leave(room, kBob);
  world_.Say(room, kAlice, "after");
  EXPECT_FALSE(world_.Sync(kBob).At({"rooms"}));
  const Answer answer =
      world_.Sync(kBob, "", R"({"room":{"include_leave":true}})");
  EXPECT_THAT(answer.Timeline("leave", room), Contains("before"));
  EXPECT_EQ(answer.Timeline("leave", room).back(), "@bob:x=leave");
  EXPECT_TRUE(answer.At({"rooms", "leave", room, "state", "events"}));
}

TEST_F(SyncTest, FullStateGivesEverythingAndOnlyTheNewTimeline) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.SetName(room, kAlice, "club");
  const Answer first = world_.Sync(kAlice);
  world_.Say(room, kAlice, "news");
  SyncRequest request;
  request.session = SyncWorld::Of(kAlice);
  request.since = StreamToken::Parse(first.next());
  request.full_state = true;
  request.timeout = seconds(30);
  const Answer answer = world_.Sync(request);
  EXPECT_THAT(answer.Timeline("join", room), ElementsAre("news"));
  EXPECT_THAT(answer.State("join", room),
              UnorderedElementsAre("m.room.create", "@alice:x=join",
                                   "m.room.power_levels", "m.room.join_rules",
                                   "m.room.name:club"));
}

TEST_F(SyncTest, StateAfterIsTheStateAtTheEnd) {
  const std::string room = world_.MakeRoom(kAlice);
  const Answer first = world_.Sync(kAlice);
  world_.SetName(room, kAlice, "one");
  world_.Say(room, kAlice, "hi");
  world_.SetName(room, kAlice, "two");
  SyncRequest request;
  request.session = SyncWorld::Of(kAlice);
  request.since = StreamToken::Parse(first.next());
  request.use_state_after = true;
  const Answer answer = world_.Sync(request);
  EXPECT_THAT(answer.Timeline("join", room),
              ElementsAre("m.room.name:one", "hi", "m.room.name:two"));
  EXPECT_THAT(Answer::Names(
                  answer.At({"rooms", "join", room, "state_after", "events"})),
              ElementsAre("m.room.name:two"));
  EXPECT_FALSE(answer.At({"rooms", "join", room, "state"}));
}

TEST_F(SyncTest, StateAfterTellsThatOneIsOut) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  const Answer first = world_.Sync(kBob);
  world_.SetMember(room, kAlice, kBob, "leave");
  world_.SetMember(room, kAlice, kBob, "ban");
  SyncRequest request;
  request.session = SyncWorld::Of(kBob);
  request.since = StreamToken::Parse(first.next());
  request.use_state_after = true;
  const Answer answer = world_.Sync(request);
  EXPECT_THAT(Answer::Names(
                  answer.At({"rooms", "leave", room, "state_after", "events"})),
              ElementsAre("@bob:x=ban"));
}

TEST_F(SyncTest, SummaryNamesHeroesOfNamelessRoomsAndCountsMembers) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kCarol);
  world_.SetMember(room, kAlice, kBob, "invite");
  const Answer first = world_.Sync(kAlice);
  EXPECT_EQ(first.Raw({"rooms", "join", room, "summary"}),
            R"({"m.heroes":["@bob:x","@carol:x"],)"
            R"("m.invited_member_count":1,"m.joined_member_count":2})");
  world_.SetName(room, kAlice, "club");
  world_.Join(room, kBob);
  const Answer second = world_.Sync(kAlice, first.next());
  EXPECT_EQ(second.Raw({"rooms", "join", room, "summary"}),
            R"({"m.invited_member_count":0,"m.joined_member_count":3})");
  world_.Say(room, kAlice, "hi");
  const Answer third = world_.Sync(kAlice, second.next());
  EXPECT_TRUE(third.Has("join", room));
  EXPECT_FALSE(third.At({"rooms", "join", room, "summary"}));
}

TEST_F(SyncTest, HeroesTakeOverWhenTheNameIsRedacted) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  const std::string name = world_.SetName(room, kAlice, "rude");
  const Answer first = world_.Sync(kAlice);
  EXPECT_FALSE(first.At({"rooms", "join", room, "summary", "m.heroes"}));
  world_.Send(room, kAlice, kTypeRedaction, std::nullopt,
              fmt::format(R"({{"redacts":"{}"}})", name));
  EXPECT_EQ(world_.Sync(kAlice, first.next())
                .Raw({"rooms", "join", room, "summary", "m.heroes"}),
            R"(["@bob:x"])");
}

TEST_F(SyncTest, AFilteredDisplayNameChangeIsNoNews) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string filter =
      R"({"room":{"timeline":{"types":[]},"state":{"types":["org.example"]}}})";
  const Answer first = world_.Sync(kAlice, "", filter);
  world_.Send(room, kAlice, kTypeMember, kAlice,
              R"({"membership":"join","displayname":"A"})");
  EXPECT_FALSE(world_.Sync(kAlice, first.next(), filter).At({"rooms"}));
}

TEST_F(SyncTest, ReportsMembershipChangesOfOthers) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  const Answer first = world_.Sync(kAlice);
  world_.Leave(room, kBob);
  const Answer second = world_.Sync(kAlice, first.next());
  EXPECT_THAT(second.Timeline("join", room), ElementsAre("@bob:x=leave"));
  EXPECT_EQ(second.Raw({"rooms", "join", room, "summary", "m.heroes"}),
            R"(["@bob:x"])");
}

TEST_F(SyncTest, TimelineFilterReachesItsLimit) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Say(room, kAlice, "mine");
  for (int i = 0; i < 30; ++i) {
    world_.Send(room, kAlice, "org.example.filler", std::nullopt, "{}");
  }
  const Answer answer = world_.Sync(
      kAlice, "",
      R"({"room":{"timeline":{"limit":1,"types":["m.room.mess*"]}}})");
  EXPECT_THAT(answer.Timeline("join", room), ElementsAre("mine"));
  EXPECT_FALSE(answer.Limited(room));
}

TEST_F(SyncTest, ATimelineLimitOfNothingLeavesOnlyState) {
  const std::string room = world_.MakeRoom(kAlice);
  const Answer answer = world_.Sync(
      kAlice, "",
      R"({"room":{"timeline":{"limit":0},"state":{"types":["m.room.member"]}}})");
  EXPECT_THAT(answer.Timeline("join", room), IsEmpty());
  EXPECT_THAT(answer.State("join", room), ElementsAre("@alice:x=join"));
  EXPECT_TRUE(answer.Limited(room));
}

TEST_F(SyncTest, FiltersOfRoomsApplyToAllSections) {
  const std::string wanted = world_.MakeRoom(kAlice);
  const std::string other = world_.MakeRoom(kAlice);
  const std::string filter =
      fmt::format(R"({{"room":{{"rooms":["{}"]}}}})", wanted);
  const Answer answer = world_.Sync(kAlice, "", filter);
  EXPECT_TRUE(answer.Has("join", wanted));
  EXPECT_FALSE(answer.Has("join", other));
}

TEST_F(SyncTest, SenderAndUrlFiltersApplyToTheTimeline) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  world_.Say(room, kAlice, "from alice");
  world_.Say(room, kBob, "from bob");
  world_.Send(room, kAlice, kTypeMessage, std::nullopt,
              R"({"body":"picture","url":"mxc://x/y"})");
  EXPECT_THAT(world_
                  .Sync(kAlice, "",
                        R"({"room":{"timeline":{"types":["m.room.message"],)"
                        R"("not_senders":["@bob:x"]}}})")
                  .Timeline("join", room),
              ElementsAre("from alice", "picture"));
  EXPECT_THAT(
      world_.Sync(kAlice, "", R"({"room":{"timeline":{"contains_url":true}}})")
          .Timeline("join", room),
      ElementsAre("picture"));
}

TEST_F(SyncTest, EventFieldsKeepWhatIsNamed) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Say(room, kAlice, "hi");
  const Answer answer =
      world_.Sync(kAlice, "",
                  R"({"event_fields":["type","content.body"],)"
                  R"("room":{"timeline":{"limit":1}}})");
  EXPECT_EQ(answer.Raw({"rooms", "join", room, "timeline", "events"}),
            R"([{"content":{"body":"hi"},"type":"m.room.message"}])");
}

TEST_F(SyncTest, FederationFormatGivesThePdu) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string id = world_.Say(room, kAlice, "hi");
  const Answer answer = world_.Sync(
      kAlice, "",
      R"({"event_format":"federation","room":{"timeline":{"limit":1}}})");
  const std::string event =
      answer.Raw({"rooms", "join", room, "timeline", "events"});
  for (const std::string_view field :
       {"auth_events", "prev_events", "hashes", "signatures", "depth",
        "event_id", "room_id"}) {
    EXPECT_THAT(event, HasSubstr(fmt::format("\"{}\":", field)));
  }
}

TEST_F(SyncTest, StoredFiltersAreFoundById) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Say(room, kAlice, "hi");
  const Result<json::Document> filter =
      json::Document::Parse(R"({"room":{"timeline":{"limit":1}}})");
  const Result<std::string> id = world_.filters.Create(kAlice, filter->root());
  ASSERT_TRUE(id.ok());
  EXPECT_THAT(world_.Sync(kAlice, "", *id).Timeline("join", room),
              ElementsAre("hi"));
}

TEST_F(SyncTest, RefusesBadFilters) {
  SyncRequest request;
  request.session = SyncWorld::Of(kAlice);
  request.filter = R"({"room":{"state":{"lazy_load_members":"true"}}})";
  EXPECT_EQ(world_.TrySync(request).status().errcode(), "M_BAD_JSON");
  request.filter = "{";
  EXPECT_EQ(world_.TrySync(request).status().errcode(), "M_NOT_JSON");
  request.filter = "99";
  EXPECT_EQ(world_.TrySync(request).status().code(), StatusCode::kNotFound);
}

TEST_F(SyncTest, ATokenFromTheFutureIsAnsweredFromTheBeginning) {
  const std::string room = world_.MakeRoom(kAlice);
  const Answer answer = world_.Sync(kAlice, "s999999");
  EXPECT_EQ(answer.Timeline("join", room).front(), "m.room.create");
  EXPECT_LT(StreamToken::Parse(answer.next())->position, 999999);
}

TEST_F(SyncTest, IgnoredUsersSayNothingButTheirStateCounts) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  ASSERT_TRUE(world_.account_data
                  .Put(kAlice, "", "m.ignored_user_list",
                       R"({"ignored_users":{"@bob:x":{}}})")
                  .ok());
  const Answer first = world_.Sync(kAlice);
  world_.Say(room, kBob, "noise");
  world_.SetName(room, kBob, "from bob");
  world_.Say(room, kAlice, "signal");
  const Answer second = world_.Sync(kAlice, first.next());
  EXPECT_THAT(second.Timeline("join", room),
              ElementsAre("m.room.name:from bob", "signal"));
  const std::string party = world_.MakeRoom(kBob);
  world_.SetMember(party, kBob, kAlice, "invite");
  EXPECT_FALSE(world_.Sync(kAlice, second.next()).At({"rooms"}));
  EXPECT_FALSE(world_.Sync(kAlice).Has("invite", party));
}

TEST_F(SyncTest, AccountDataComesGloballyAndByRoom) {
  const std::string room = world_.MakeRoom(kAlice);
  const Answer first = world_.Sync(kAlice);
  EXPECT_THAT(first.Raw({"account_data"}), HasSubstr("m.push_rules"));
  ASSERT_TRUE(
      world_.account_data.Put(kAlice, "", "org.example", R"({"a":1})").ok());
  ASSERT_TRUE(
      world_.account_data.Put(kAlice, room, "m.tag", R"({"tags":{}})").ok());
  const Answer second = world_.Sync(kAlice, first.next());
  EXPECT_EQ(second.Raw({"account_data"}),
            R"({"events":[{"content":{"a":1},"type":"org.example"}]})");
  EXPECT_EQ(second.Raw({"rooms", "join", room, "account_data"}),
            R"({"events":[{"content":{"tags":{}},"type":"m.tag"}]})");
  EXPECT_FALSE(world_.Sync(kAlice, second.next()).At({"account_data"}));
}

TEST_F(SyncTest, AccountDataSetBeforeTheJoinComesWithIt) {
  const std::string room = world_.MakeRoom(kAlice);
  ASSERT_TRUE(
      world_.account_data.Put(kBob, room, "m.tag", R"({"tags":{}})").ok());
  const Answer first = world_.Sync(kBob);
  world_.Join(room, kBob);
  EXPECT_THAT(world_.Sync(kBob, first.next())
                  .Raw({"rooms", "join", room, "account_data"}),
              HasSubstr("m.tag"));
}

TEST_F(SyncTest, ClientsLearnWhoSharesEncryptedRooms) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kCarol);
  const Answer first = world_.Sync(kAlice);
  world_.Send(room, kAlice, kTypeEncryption, "",
              R"({"algorithm":"m.megolm.v1.aes-sha2"})");
  const Answer second = world_.Sync(kAlice, first.next());
  EXPECT_EQ(second.Raw({"device_lists"}),
            R"({"changed":["@carol:x"],"left":[]})");
  world_.Join(room, kBob);
  world_.Leave(room, kCarol);
  const Answer third = world_.Sync(kAlice, second.next());
  EXPECT_EQ(third.Raw({"device_lists"}),
            R"({"changed":["@bob:x"],"left":["@carol:x"]})");
  const Answer bob = world_.Sync(kBob);
  EXPECT_FALSE(bob.At({"device_lists"}));
  world_.Leave(room, kBob);
  EXPECT_EQ(world_.Sync(kBob, bob.next()).Raw({"device_lists"}),
            R"({"changed":[],"left":["@alice:x"]})");
}

TEST_F(SyncTest, EveryAnswerCountsOneTimeKeys) {
  const Answer answer = world_.Sync(kAlice);
  EXPECT_EQ(answer.Raw({"device_one_time_keys_count"}), "{}");
  EXPECT_EQ(answer.Raw({"device_unused_fallback_key_types"}), "[]");
}

}  // namespace
}  // namespace matrixcore
