#include "matrixcore/service/unread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/json/value.h"
#include "matrixcore/service/notifications.h"
#include "service/sync_world.h"

namespace matrixcore {
namespace {

constexpr char kByThread[] =
    R"({"room":{"timeline":{"unread_thread_notifications":true}}})";

// Spec: client-server API, "Receiving notifications", "Marking notifications as
// read".  Counts are written "notifications/highlights".
class UnreadTest : public ::testing::Test {
 protected:
  UnreadTest() : room_(world_.MakeRoom(kAlice)) { world_.Join(room_, kBob); }

  static std::string Text(json::Value count) {
    return fmt::format("{}/{}", count["notification_count"].raw(),
                       count["highlight_count"].raw());
  }
  std::string Count(std::string_view user, std::string filter = {}) {
    last_ = world_.Sync(user, {}, std::move(filter));
    return Text(last_.At({"rooms", "join", room_, "unread_notifications"}));
  }
  // The main timeline, then each thread with something.
  std::vector<std::string> ByThread(std::string_view user) {
    std::vector<std::string> counts = {Count(user, kByThread)};
    for (const auto [thread, count] :
         last_.At({"rooms", "join", room_, "unread_thread_notifications"})
             .members()) {
      counts.push_back(Text(count));
    }
    return counts;
  }
  std::string Say(std::string_view user, std::string_view body = "hi") {
    return world_.Say(room_, user, body);
  }
  std::string Send(std::string_view user, std::string content) {
    return world_.Send(room_, user, kTypeMessage, std::nullopt,
                       std::move(content));
  }
  std::string Reply(std::string_view user, std::string_view root,
                    std::string_view type = "m.thread") {
    return Send(
        user,
        fmt::format(
            R"({{"body":"x","m.relates_to":{{"event_id":"{}","rel_type":"{}"}}}})",
            root, type));
  }
  std::string Mention(std::string_view user, std::string_view whom) {
    return Send(
        user,
        fmt::format(R"({{"body":"x","m.mentions":{{"user_ids":["{}"]}}}})",
                    whom));
  }
  void Read(std::string_view user, std::string_view event,
            std::optional<std::string> thread = std::nullopt,
            std::string_view type = "m.read") {
    const Status status = world_.ephemeral.SetReceipt(
        SyncWorld::Of(user), {.room_id = room_,
                              .type = std::string(type),
                              .event_id = std::string(event),
                              .thread_id = std::move(thread)});
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  void PutRule(std::string_view user, std::string_view kind,
               std::string_view id, std::string_view rule) {
    const Result<json::Document> json = json::Document::ParseView(rule);
    const Status status =
        world_.push_rules.Put(user, {kind, id}, json->root(), {});
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  std::vector<std::string> Notifications(
      std::string_view user, NotificationService::Request request = {}) {
    NotificationService service({*world_.store, world_.caches, world_.clock});
    const Result<std::string> body = service.List(SyncWorld::Of(user), request);
    EXPECT_TRUE(body.ok()) << body.status().ToString();
    const Result<json::Document> json = json::Document::Parse(*body);
    std::vector<std::string> found;
    for (const json::Value one : json->root()["notifications"]) {
      found.push_back(fmt::format("{} {}",
                                  one["event"]["content"]["body"].StringOr(
                                      one["event"]["type"].StringOr("")),
                                  one["read"].raw()));
    }
    next_ = std::string(json->root()["next_token"].StringOr(""));
    return found;
  }

  SyncWorld world_;
  std::string room_;
  Answer last_;
  std::string next_;
};

TEST_F(UnreadTest, MessagesCountForOthers) {
  EXPECT_EQ(Count(kBob), "0/0");
  Say(kAlice);
  Say(kAlice);
  EXPECT_EQ(Count(kBob), "2/0");
  EXPECT_EQ(Count(kAlice), "0/0");
}

TEST_F(UnreadTest, WhatWasSaidBeforeOneJoinedDoesNotCount) {
  Say(kAlice);
  world_.Join(room_, kCarol);
  EXPECT_EQ(Count(kCarol), "0/0");
  Say(kAlice);
  EXPECT_EQ(Count(kCarol), "1/0");
  world_.Leave(room_, kCarol);
  Say(kAlice);
  world_.Join(room_, kCarol);
  EXPECT_EQ(Count(kCarol), "0/0");
}

TEST_F(UnreadTest, AnEventAndItsCountComeTogether) {
  const std::string start = world_.Sync(kBob).next();
  Say(kAlice);
  const Answer news = world_.Sync(kBob, start);
  EXPECT_EQ(Text(news.At({"rooms", "join", room_, "unread_notifications"})),
            "1/0");
}

TEST_F(UnreadTest, CountsComeEvenIfTheFilterHidesTheEvent) {
  constexpr char kNothing[] =
      R"({"room":{"timeline":{"types":[]},"ephemeral":{"types":[]}}})";
  const std::string start = world_.Sync(kBob, {}, kNothing).next();
  const std::string event = Say(kAlice);
  const Answer news = world_.Sync(kBob, start, kNothing);
  EXPECT_EQ(Text(news.At({"rooms", "join", room_, "unread_notifications"})),
            "1/0");
  EXPECT_FALSE(world_.Sync(kBob, news.next(), kNothing).Has("join", room_));
  Read(kBob, event, std::nullopt, "m.read.private");
  const Answer read = world_.Sync(kBob, news.next(), kNothing);
  EXPECT_EQ(Text(read.At({"rooms", "join", room_, "unread_notifications"})),
            "0/0");
}

TEST_F(UnreadTest, ReceiptsOfBothKindsMarkAsRead) {
  const std::string first = Say(kAlice);
  const std::string second = Say(kAlice);
  Say(kAlice);
  Read(kBob, first);
  EXPECT_EQ(Count(kBob), "2/0");
  Read(kBob, second, std::nullopt, "m.read.private");
  EXPECT_EQ(Count(kBob), "1/0");
  // The one that is further ahead counts.
  const std::string fourth = Say(kAlice);
  Read(kBob, fourth);
  EXPECT_EQ(Count(kBob), "0/0");
  Read(kBob, second);
  EXPECT_EQ(Count(kBob), "0/0");
}

TEST_F(UnreadTest, ReadMarkersMarkAsRead) {
  const std::string event = Say(kAlice);
  ASSERT_TRUE(
      world_.ephemeral
          .SetReadMarkers(
              SyncWorld::Of(kBob), room_,
              {.fully_read = event, .read = event, .read_private = event})
          .ok());
  EXPECT_EQ(Count(kBob), "0/0");
}

TEST_F(UnreadTest, TheFullyReadMarkerIsNoReceipt) {
  Read(kBob, Say(kAlice), std::nullopt, "m.fully_read");
  EXPECT_EQ(Count(kBob), "1/0");
}

TEST_F(UnreadTest, WhoSaysSomethingHasRead) {
  Say(kAlice);
  Say(kBob);
  EXPECT_EQ(Count(kBob), "0/0");
  EXPECT_EQ(Count(kAlice), "1/0");
}

TEST_F(UnreadTest, ANewDisplayNameReadsNothing) {
  Say(kAlice);
  world_.Send(room_, kBob, kTypeMember, kBob,
              R"({"displayname":"Bob","membership":"join"})");
  EXPECT_EQ(Count(kBob), "1/0");
}

TEST_F(UnreadTest, MentionsHighlight) {
  Mention(kAlice, kBob);
  EXPECT_EQ(Count(kBob), "1/1");
  world_.Join(room_, kCarol);
  const std::string event = Mention(kAlice, kBob);
  EXPECT_EQ(Count(kBob), "2/2");
  EXPECT_EQ(Count(kCarol), "1/0");
  Read(kBob, event);
  EXPECT_EQ(Count(kBob), "0/0");
}

TEST_F(UnreadTest, ARoomMentionNeedsThePower) {
  const std::string content = R"({"body":"x","m.mentions":{"room":true}})";
  Send(kAlice, content);
  EXPECT_EQ(Count(kBob), "1/1");
  Send(kBob, content);
  EXPECT_EQ(Count(kAlice), "1/0");
}

TEST_F(UnreadTest, NoticesAndReactionsDoNotNotify) {
  const std::string event = Say(kAlice);
  Read(kBob, event);
  Send(kAlice, R"({"body":"x","msgtype":"m.notice"})");
  world_.Send(
      room_, kAlice, "m.reaction", std::nullopt,
      fmt::format(
          R"({{"m.relates_to":{{"event_id":"{}","key":"k","rel_type":"m.annotation"}}}})",
          event));
  Reply(kAlice, event, "m.replace");
  EXPECT_EQ(Count(kBob), "0/0");
}

TEST_F(UnreadTest, AMutedRoomCountsNoMore) {
  Say(kAlice);
  PutRule(kBob, "room", room_, R"({"actions":[]})");
  Say(kAlice);
  Mention(kAlice, kBob);
  // What had been counted still is.
  EXPECT_EQ(Count(kBob), "2/1");
  ASSERT_TRUE(world_.push_rules.Delete(kBob, {"room", room_}).ok());
  Say(kAlice);
  EXPECT_EQ(Count(kBob), "3/1");
  EXPECT_EQ(Count(kAlice), "0/0");
}

TEST_F(UnreadTest, KeywordsOfAUserHighlightForThem) {
  world_.Join(room_, kCarol);
  PutRule(
      kBob, "content", "cake",
      R"({"actions":["notify",{"set_tweak":"highlight"}],"pattern":"cake"})");
  Say(kAlice, "there is cake");
  EXPECT_EQ(Count(kBob), "1/1");
  EXPECT_EQ(Count(kCarol), "1/0");
}

TEST_F(UnreadTest, TheDisplayNameInTheRoomCounts) {
  world_.Send(room_, kBob, kTypeMember, kBob,
              R"({"displayname":"Bobby","membership":"join"})");
  PutRule(kBob, "override", "name",
          R"({"actions":["notify",{"set_tweak":"highlight"}],)"
          R"("conditions":[{"kind":"contains_display_name"}]})");
  Say(kAlice, "hello bobby!");
  Say(kAlice, "hello bob");
  EXPECT_EQ(Count(kBob), "2/1");
}

TEST_F(UnreadTest, RulesAreThoseOfWhenTheEventCame) {
  Say(kAlice);
  ASSERT_TRUE(
      world_.push_rules.SetEnabled(kBob, {"override", ".m.rule.master"}, true)
          .ok());
  Say(kAlice);
  ASSERT_TRUE(
      world_.push_rules.SetEnabled(kBob, {"override", ".m.rule.master"}, false)
          .ok());
  Say(kAlice);
  EXPECT_EQ(Count(kBob), "2/0");
}

TEST_F(UnreadTest, IgnoredUsersDoNotNotify) {
  ASSERT_TRUE(world_.account_data
                  .Put(kBob, "", "m.ignored_user_list",
                       R"({"ignored_users":{"@alice:x":{}}})")
                  .ok());
  Mention(kAlice, kBob);
  EXPECT_EQ(Count(kBob), "0/0");
  world_.Join(room_, kCarol);
  Say(kCarol);
  EXPECT_EQ(Count(kBob), "1/0");
}

TEST_F(UnreadTest, ThreadsAreCountedApart) {
  const std::string root = Say(kAlice, "root");
  const std::string other = Say(kAlice, "other");
  Reply(kAlice, root);
  Reply(kAlice, root);
  Reply(kAlice, other);
  EXPECT_EQ(Count(kBob), "5/0");
  EXPECT_THAT(ByThread(kBob),
              ::testing::UnorderedElementsAre("2/0", "2/0", "1/0"));
}

TEST_F(UnreadTest, ReceiptsOfAThreadReadTheThread) {
  const std::string root = Say(kAlice, "root");
  const std::string first = Reply(kAlice, root);
  const std::string second = Reply(kAlice, root);
  const std::string after = Say(kAlice, "main");
  Read(kBob, first, root);
  EXPECT_THAT(ByThread(kBob), ::testing::ElementsAre("2/0", "1/0"));
  EXPECT_EQ(Count(kBob), "3/0");
  Read(kBob, after, "main");
  EXPECT_THAT(ByThread(kBob), ::testing::ElementsAre("0/0", "1/0"));
  Read(kBob, second, root, "m.read.private");
  EXPECT_THAT(ByThread(kBob), ::testing::ElementsAre("0/0"));
  Reply(kAlice, root);
  Read(kBob, Say(kAlice, "end"));
  EXPECT_THAT(ByThread(kBob), ::testing::ElementsAre("0/0"));
}

TEST_F(UnreadTest, UnthreadedReceiptsReadUpToAnEventInAllThreads) {
  const std::string root = Say(kAlice, "root");
  const std::string first = Reply(kAlice, root);
  Reply(kAlice, root);
  Read(kBob, first);
  EXPECT_THAT(ByThread(kBob), ::testing::ElementsAre("0/0", "1/0"));
}

TEST_F(UnreadTest, WhoSpeaksInAThreadHasReadTheThread) {
  const std::string root = Say(kAlice, "root");
  Reply(kAlice, root);
  Reply(kBob, root);
  EXPECT_THAT(ByThread(kBob), ::testing::ElementsAre("1/0"));
  EXPECT_THAT(ByThread(kAlice), ::testing::ElementsAre("0/0", "1/0"));
}

TEST_F(UnreadTest, MentionsInThreadsHighlightThere) {
  const std::string root = Say(kAlice, "root");
  Send(
      kAlice,
      fmt::format(
          R"({{"m.mentions":{{"user_ids":["@bob:x"]}},"m.relates_to":{{"event_id":"{}","rel_type":"m.thread"}}}})",
          root));
  EXPECT_THAT(ByThread(kBob), ::testing::ElementsAre("1/0", "1/1"));
  EXPECT_EQ(Count(kBob), "2/1");
}

TEST_F(UnreadTest, IndirectRelationsStayInTheirThread) {
  const std::string root = Say(kAlice, "root");
  const std::string reply = Reply(kAlice, root);
  Reply(kAlice, reply, "m.reference");
  EXPECT_THAT(ByThread(kBob), ::testing::ElementsAre("1/0", "2/0"));
}

TEST_F(UnreadTest, UsersWithRulesOfTheirOwnHaveThreadsToo) {
  PutRule(
      kBob, "content", "cake",
      R"({"actions":["notify",{"set_tweak":"highlight"}],"pattern":"cake"})");
  const std::string root = Say(kAlice, "root");
  const std::string reply = Reply(kAlice, root);
  Say(kAlice, "cake");
  EXPECT_THAT(ByThread(kBob), ::testing::ElementsAre("2/1", "1/0"));
  Read(kBob, reply, root);
  EXPECT_THAT(ByThread(kBob), ::testing::ElementsAre("2/1"));
}

TEST_F(UnreadTest, AnotherProcessCountsOn) {
  PutRule(kBob, "content", "cake",
          R"({"actions":["notify"],"pattern":"cake"})");
  world_.Join(room_, kCarol);
  const std::string root = Say(kAlice);
  Reply(kAlice, root);
  CacheBudget budget(1 << 20);
  PushProfiles profiles(*world_.store, budget);
  JoinedUsers joined;
  UnreadTracker unread({profiles, joined, world_.clock, "x"});
  RoomWriter writer(
      {.server_name = "x"},
      {*world_.store, world_.coordinator, *world_.rooms_executor, world_.clock,
       *world_.random, world_.key, world_.caches, world_.activity, joined,
       world_.notifier, *world_.log, *world_.metrics, &unread});
  RoomRequest request;
  request.room_id = room_;
  request.user_id = kAlice;
  request.prepare = [&](const RoomView&) -> Result<RoomChange> {
    RoomChange change;
    EventDraft draft;
    draft.type = kTypeMessage;
    draft.sender = kAlice;
    draft.content = fmt::format(
        R"({{"m.relates_to":{{"event_id":"{}","rel_type":"m.thread"}}}})",
        root);
    change.drafts.push_back(std::move(draft));
    return change;
  };
  ASSERT_TRUE(writer.SendAndWait(std::move(request)).ok());
  writer.Drain();
  Say(kAlice);
  for (const char* user : {kBob, kCarol}) {
    EXPECT_THAT(ByThread(user), ::testing::ElementsAre("2/0", "2/0")) << user;
  }
}

TEST_F(UnreadTest, ThreadSubscriptionsDecideAboutThreads) {
  const std::string root = Say(kAlice, "root");
  const std::string other = Say(kAlice, "other");
  const ThreadSubscriptionService::Thread thread{room_, root};
  ASSERT_TRUE(
      world_.threads.Subscribe(SyncWorld::Of(kBob), thread, std::nullopt).ok());
  PutRule(kBob, "room", room_, R"({"actions":[]})");
  Say(kAlice, "muted");
  Reply(kAlice, other);
  const std::string reply = Reply(kAlice, root);
  EXPECT_THAT(ByThread(kBob), ::testing::ElementsAre("2/0", "1/0"));
  Read(kBob, reply, root);
  ASSERT_TRUE(world_.threads.Unsubscribe(SyncWorld::Of(kBob), thread).ok());
  Reply(kAlice, root);
  EXPECT_THAT(ByThread(kBob), ::testing::ElementsAre("2/0"));
}

// Spec: "Listing Notifications".
TEST_F(UnreadTest, ListsNotificationsNewestFirst) {
  Say(kAlice, "1");
  Read(kBob, Say(kAlice, "2"));
  Say(kBob, "own");
  Mention(kAlice, kBob);
  EXPECT_THAT(Notifications(kBob),
              ::testing::ElementsAre("x false", "2 true", "1 true"));
  EXPECT_THAT(Notifications(kBob, {.only_highlights = true}),
              ::testing::ElementsAre("x false"));
  EXPECT_THAT(Notifications(kAlice), ::testing::ElementsAre("own true"));
}

TEST_F(UnreadTest, PagesThroughTheNotificationsOfAllRooms) {
  const std::string first = room_;
  const std::string second = world_.MakeRoom(kAlice);
  world_.Join(second, kBob);
  for (int i = 0; i < 6; ++i) {
    world_.Say(i % 2 == 0 ? first : second, kAlice, std::to_string(i));
  }
  PutRule(kBob, "content", "cake",
          R"({"actions":["notify"],"pattern":"cake"})");
  for (int i = 6; i < 10; ++i) {
    world_.Say(i % 2 == 0 ? first : second, kAlice, std::to_string(i));
  }
  std::vector<std::string> all;
  NotificationService::Request request{.limit = 3};
  for (int pages = 0; pages < 10; ++pages) {
    const auto page = Notifications(kBob, request);
    all.insert(all.end(), page.begin(), page.end());
    if (next_.empty()) break;
    request.from = std::stoll(next_);
  }
  EXPECT_THAT(all, ::testing::ElementsAre(
                       "9 false", "8 false", "7 false", "6 false", "5 false",
                       "4 false", "3 false", "2 false", "1 false", "0 false"));
}

TEST_F(UnreadTest, InvitationsAreNotifications) {
  world_.SetMember(room_, kAlice, kCarol, "invite");
  EXPECT_THAT(Notifications(kCarol),
              ::testing::ElementsAre("m.room.member false"));
}

TEST_F(UnreadTest, InvitationsAreJudgedByTheRulesOfTheInvited) {
  PutRule(kCarol, "content", "cake", R"({"actions":[],"pattern":"cake"})");
  world_.SetMember(room_, kAlice, kCarol, "invite");
  EXPECT_THAT(Notifications(kCarol),
              ::testing::ElementsAre("m.room.member false"));
  ASSERT_TRUE(world_.account_data
                  .Put(kCarol, "", "m.ignored_user_list",
                       R"({"ignored_users":{"@alice:x":{}}})")
                  .ok());
  const std::string other = world_.MakeRoom(kAlice);
  world_.SetMember(other, kAlice, kCarol, "invite");
  EXPECT_THAT(Notifications(kCarol), ::testing::SizeIs(1));
}

TEST_F(UnreadTest, NotificationsBeginWithTheStay) {
  Say(kAlice, "before");
  world_.Join(room_, kCarol);
  world_.Send(room_, kCarol, kTypeMember, kCarol,
              R"({"displayname":"C","membership":"join"})");
  Say(kAlice, "after");
  EXPECT_THAT(Notifications(kCarol), ::testing::ElementsAre("after false"));
  world_.Leave(room_, kCarol);
  EXPECT_THAT(Notifications(kCarol), ::testing::IsEmpty());
}

}  // namespace
}  // namespace matrixcore
