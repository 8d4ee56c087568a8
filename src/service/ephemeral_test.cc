#include "matrixcore/service/ephemeral.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/sync_world.h"

namespace matrixcore {
namespace {

using ::testing::IsEmpty;

constexpr std::string_view kNoTimeline =
    R"({"room":{"timeline":{"types":[]},"state":{"types":[]}}})";

class EphemeralTest : public ::testing::Test {
 protected:
  EphemeralTest() : room_(world_.MakeRoom(kAlice)) { world_.Join(room_, kBob); }

  Status SetReceipt(std::string_view user, std::string_view type,
                    std::string_view event_id,
                    std::optional<std::string> thread_id = std::nullopt) {
    return world_.ephemeral.SetReceipt(SyncWorld::Of(user),
                                       {.room_id = room_,
                                        .type = std::string(type),
                                        .event_id = std::string(event_id),
                                        .thread_id = std::move(thread_id)});
  }
  Status SetTyping(std::string_view user, bool typing) {
    return world_.ephemeral.SetTyping(SyncWorld::Of(user), room_, typing,
                                      seconds(30));
  }
  // The ephemeral events of the room that a sync gives.
  std::string Ephemeral(std::string_view user, std::string_view since = {}) {
    last_ = world_.Sync(user, since, std::string(kNoTimeline));
    return last_.Raw({"rooms", "join", room_, "ephemeral", "events"});
  }
  std::string Relation(std::string_view target, std::string_view type) {
    return world_.Send(
        room_, kAlice, kTypeMessage, std::nullopt,
        fmt::format(R"({{"m.relates_to":{{"event_id":"{}","rel_type":"{}"}}}})",
                    target, type));
  }

  SyncWorld world_;
  std::string room_;
  Answer last_;
};

TEST_F(EphemeralTest, TypingReachesMembersOnceForEachChange) {
  const std::string start = world_.Sync(kBob).next();
  ASSERT_TRUE(SetTyping(kAlice, true).ok());
  EXPECT_EQ(Ephemeral(kBob, start),
            R"([{"content":{"user_ids":["@alice:x"]},"type":"m.typing"}])");
  EXPECT_EQ(Ephemeral(kBob, last_.next()), "");
  world_.timers.Advance(seconds(30));
  EXPECT_EQ(Ephemeral(kBob, last_.next()),
            R"([{"content":{"user_ids":[]},"type":"m.typing"}])");
}

TEST_F(EphemeralTest, TypingIsInInitialSyncsWhileItLasts) {
  ASSERT_TRUE(SetTyping(kAlice, true).ok());
  EXPECT_EQ(Ephemeral(kBob),
            R"([{"content":{"user_ids":["@alice:x"]},"type":"m.typing"}])");
  ASSERT_TRUE(SetTyping(kAlice, false).ok());
  EXPECT_EQ(Ephemeral(kBob), "[]");
}

TEST_F(EphemeralTest, OnlyMembersMayType) {
  EXPECT_EQ(SetTyping(kCarol, true).errcode(), "M_FORBIDDEN");
  EXPECT_EQ(
      world_.ephemeral
          .SetTyping(SyncWorld::Of(kAlice), "!unknown:x", true, seconds(1))
          .errcode(),
      "M_FORBIDDEN");
}

TEST_F(EphemeralTest, TypingWakesMembersOfARoomThatNobodyWroteSinceTheStart) {
  // A second process over the same store knows no members of the room yet.
  JoinedUsers joined;
  RoomWriter writer(
      {.server_name = "x"},
      {*world_.store, world_.coordinator, *world_.rooms_executor, world_.clock,
       *world_.random, world_.key, world_.caches, world_.activity, joined,
       world_.notifier, *world_.log, *world_.metrics});
  Notifier notifier(*world_.store, joined, world_.wakes, world_.timers,
                    world_.clock, *world_.metrics);
  EphemeralService ephemeral({*world_.store, world_.clock, world_.timers,
                              world_.caches, world_.activity, joined, writer,
                              notifier});
  int woken = 0;
  notifier.Park(kBob, Notifier::Hears::kEverything, notifier.Version(),
                MonotonicTime::Never(), [&woken](Notifier::Wake) { ++woken; });
  notifier.Park(kCarol, Notifier::Hears::kEverything, notifier.Version(),
                MonotonicTime::Never(), [&woken](Notifier::Wake) { ++woken; });
  ASSERT_TRUE(
      ephemeral.SetTyping(SyncWorld::Of(kAlice), room_, true, seconds(30))
          .ok());
  writer.Drain();
  world_.wakes.RunAll();
  EXPECT_EQ(woken, 1);
}

TEST_F(EphemeralTest, ReceiptsReachMembers) {
  const std::string id = world_.Say(room_, kAlice, "hi");
  const std::string start = world_.Sync(kAlice).next();
  ASSERT_TRUE(SetReceipt(kBob, "m.read", id).ok());
  const std::string expected = fmt::format(
      R"([{{"content":{{"{}":{{"m.read":{{"@bob:x":{{"ts":1700000000000}}}}}}}},)"
      R"("type":"m.receipt"}}])",
      id);
  EXPECT_EQ(Ephemeral(kAlice, start), expected);
  EXPECT_EQ(Ephemeral(kAlice, last_.next()), "");
  EXPECT_EQ(Ephemeral(kAlice), expected);
}

TEST_F(EphemeralTest, PrivateReceiptsReachTheirOwnerOnly) {
  const std::string id = world_.Say(room_, kAlice, "hi");
  const std::string start = world_.Sync(kAlice).next();
  ASSERT_TRUE(SetReceipt(kBob, "m.read.private", id).ok());
  EXPECT_EQ(Ephemeral(kAlice, start), "");
  EXPECT_EQ(Ephemeral(kAlice), "[]");
  EXPECT_THAT(Ephemeral(kBob, start), ::testing::HasSubstr("m.read.private"));
}

TEST_F(EphemeralTest, ReceiptsOnlyMoveForward) {
  const std::string first = world_.Say(room_, kAlice, "1");
  const std::string second = world_.Say(room_, kAlice, "2");
  ASSERT_TRUE(SetReceipt(kBob, "m.read", second).ok());
  const std::string start = world_.Sync(kAlice).next();
  EXPECT_TRUE(SetReceipt(kBob, "m.read", first).ok());
  EXPECT_TRUE(SetReceipt(kBob, "m.read", second).ok());
  EXPECT_EQ(Ephemeral(kAlice, start), "");
  const std::string third = world_.Say(room_, kAlice, "3");
  EXPECT_TRUE(SetReceipt(kBob, "m.read", third).ok());
  EXPECT_THAT(Ephemeral(kAlice, start), ::testing::HasSubstr(third));
}

TEST_F(EphemeralTest, EachThreadHasItsReceiptsAndItsEvent) {
  const std::string root = world_.Say(room_, kAlice, "root");
  const std::string reply = Relation(root, "m.thread");
  ASSERT_TRUE(SetReceipt(kBob, "m.read", reply, root).ok());
  ASSERT_TRUE(SetReceipt(kBob, "m.read", reply).ok());
  ASSERT_TRUE(SetReceipt(kBob, "m.read", root, "main").ok());
  const Result<json::Document> events =
      json::Document::Parse(Ephemeral(kAlice));
  ASSERT_EQ(events->root().size(), 3u);
  EXPECT_TRUE(events->root()
                  .at(0)["content"][reply]["m.read"][kBob]["thread_id"]
                  .IsMissing());
  EXPECT_EQ(events->root()
                .at(1)["content"][reply]["m.read"][kBob]["thread_id"]
                .StringOr(""),
            root);
  EXPECT_EQ(events->root()
                .at(2)["content"][root]["m.read"][kBob]["thread_id"]
                .StringOr(""),
            "main");
}

TEST_F(EphemeralTest, FindsTheThreadOfIndirectRelations) {
  const std::string root = world_.Say(room_, kAlice, "root");
  const std::string reply = Relation(root, "m.thread");
  const std::string reaction = Relation(reply, "m.annotation");
  const std::string edit = Relation(root, "m.replace");
  EXPECT_TRUE(SetReceipt(kBob, "m.read", reaction, root).ok());
  EXPECT_EQ(SetReceipt(kBob, "m.read", reaction, "main").errcode(),
            "M_INVALID_PARAM");
  EXPECT_TRUE(SetReceipt(kBob, "m.read", edit, "main").ok());
  EXPECT_EQ(SetReceipt(kBob, "m.read", edit, root).errcode(),
            "M_INVALID_PARAM");
  // The root is part of both.
  EXPECT_TRUE(SetReceipt(kBob, "m.read.private", root, "main").ok());
  EXPECT_TRUE(SetReceipt(kBob, "m.read.private", root, root).ok());
}

TEST_F(EphemeralTest, RefusesBadReceipts) {
  const std::string id = world_.Say(room_, kAlice, "hi");
  EXPECT_EQ(SetReceipt(kBob, "m.seen", id).errcode(), "M_INVALID_PARAM");
  EXPECT_EQ(SetReceipt(kBob, "m.read", id, "").errcode(), "M_INVALID_PARAM");
  EXPECT_EQ(SetReceipt(kBob, "m.read", id, "other").errcode(),
            "M_INVALID_PARAM");
  EXPECT_EQ(SetReceipt(kBob, "m.fully_read", id, "main").errcode(),
            "M_INVALID_PARAM");
  EXPECT_EQ(SetReceipt(kBob, "m.read", "$unknown").errcode(), "M_NOT_FOUND");
  EXPECT_EQ(SetReceipt(kCarol, "m.read", id).errcode(), "M_FORBIDDEN");
  const std::string other = world_.MakeRoom(kBob);
  const std::string elsewhere = world_.Say(other, kBob, "hi");
  EXPECT_EQ(SetReceipt(kBob, "m.read", elsewhere).errcode(), "M_NOT_FOUND");
}

TEST_F(EphemeralTest, TheFullyReadMarkerIsAccountDataOfTheRoom) {
  const std::string first = world_.Say(room_, kAlice, "1");
  const std::string second = world_.Say(room_, kAlice, "2");
  const std::string start = world_.Sync(kBob).next();
  ASSERT_TRUE(SetReceipt(kBob, "m.fully_read", second).ok());
  const Answer news = world_.Sync(kBob, start);
  EXPECT_EQ(news.Raw({"rooms", "join", room_, "account_data", "events"}),
            fmt::format(
                R"([{{"content":{{"event_id":"{}"}},"type":"m.fully_read"}}])",
                second));
  EXPECT_TRUE(SetReceipt(kBob, "m.fully_read", first).ok());
  EXPECT_FALSE(world_.Sync(kBob, news.next()).At({"rooms"}));
  EXPECT_FALSE(world_.Sync(kAlice, start).At({"rooms"}));
}

TEST_F(EphemeralTest, ReadMarkersMoveTogetherOrNotAtAll) {
  const std::string id = world_.Say(room_, kAlice, "hi");
  const std::string start = world_.Sync(kBob).next();
  EXPECT_EQ(world_.ephemeral
                .SetReadMarkers(SyncWorld::Of(kBob), room_,
                                {.fully_read = id,
                                 .read = "$unknown",
                                 .read_private = std::nullopt})
                .errcode(),
            "M_NOT_FOUND");
  EXPECT_FALSE(world_.Sync(kBob, start).At({"rooms"}));
  ASSERT_TRUE(
      world_.ephemeral
          .SetReadMarkers(SyncWorld::Of(kBob), room_,
                          {.fully_read = id, .read = id, .read_private = id})
          .ok());
  const std::string receipts = Ephemeral(kBob, start);
  EXPECT_THAT(receipts, ::testing::HasSubstr(R"("m.read":)"));
  EXPECT_THAT(receipts, ::testing::HasSubstr(R"("m.read.private":)"));
  EXPECT_TRUE(
      world_.ephemeral.SetReadMarkers(SyncWorld::Of(kBob), room_, {}).ok());
}

TEST_F(EphemeralTest, FiltersApplyToEphemeralEvents) {
  const std::string id = world_.Say(room_, kAlice, "hi");
  ASSERT_TRUE(SetReceipt(kBob, "m.read", id).ok());
  ASSERT_TRUE(SetTyping(kBob, true).ok());
  const Answer answer = world_.Sync(
      kAlice, "", R"({"room":{"ephemeral":{"not_types":["m.receipt"]}}})");
  const std::string events =
      answer.Raw({"rooms", "join", room_, "ephemeral", "events"});
  EXPECT_THAT(events, ::testing::HasSubstr("m.typing"));
  EXPECT_THAT(events, ::testing::Not(::testing::HasSubstr("m.receipt")));
}

}  // namespace
}  // namespace matrixcore
