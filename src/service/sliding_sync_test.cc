// Sliding sync on the service floor (MSC4186), one behaviour each.
#include "service/sliding_test.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class SlidingSyncTest : public SlidingTest {};

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

TEST_F(SlidingSyncTest, IsNotWokenByPresence) {
  const std::string room = world_.MakeRoom(kAlice);
  const Slid first = Slide(kAlice, All());
  auto request = Parse(kAlice, All(), first.pos(), SlidingForm::kMsc4186);
  request->timeout = seconds(30);
  std::optional<Slid> slid;
  world_.sync.SlidingSync(std::move(request), [&](Result<std::string> got) {
    ASSERT_TRUE(got.ok());
    slid.emplace(Slid{Answer(*got), OkStatus()});
  });
  const int before = world_.Built("sliding incremental");
  const std::string alice = kAlice;
  world_.notifier.PublishUsers({&alice, 1}, Notifier::News::kPresence);
  world_.wakes.RunAll();
  EXPECT_EQ(world_.Built("sliding incremental"), before);
  world_.Say(room, kAlice, "hi");
  world_.wakes.RunAll();
  ASSERT_TRUE(slid);
  EXPECT_THAT(slid->Timeline(room), ElementsAre("hi"));
}

}  // namespace
}  // namespace matrixcore
