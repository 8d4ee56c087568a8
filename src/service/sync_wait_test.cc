// Waiting: parked syncs and what wakes them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/sync_world.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;

class SyncWaitTest : public ::testing::Test {
 protected:
  SyncWaitTest() : room_(world_.MakeRoom(kAlice)) {
    since_ = world_.Sync(kAlice).next();
  }

  std::shared_ptr<SyncService::Ticket> Wait(Duration timeout = seconds(30),
                                            std::string filter = {}) {
    SyncRequest request;
    request.session = SyncWorld::Of(kAlice);
    request.since = StreamToken::Parse(since_);
    request.timeout = timeout;
    request.filter = std::move(filter);
    return world_.sync.Sync(std::move(request),
                            [this](Result<std::string> body) {
                              ++answers_;
                              body_ = std::move(body);
                            });
  }
  Answer Got() {
    EXPECT_EQ(answers_, 1);
    EXPECT_TRUE(body_.ok()) << body_.status().ToString();
    return body_.ok() ? Answer(*body_) : Answer();
  }

  SyncWorld world_;
  std::string room_;
  std::string since_;
  int answers_ = 0;
  Result<std::string> body_ = std::string();
};

TEST_F(SyncWaitTest, AnswersAtOnceWhenThereIsNews) {
  world_.Say(room_, kAlice, "hi");
  Wait();
  EXPECT_THAT(Got().Timeline("join", room_), ElementsAre("hi"));
}

TEST_F(SyncWaitTest, WaitsForNews) {
  Wait();
  EXPECT_EQ(answers_, 0);
  EXPECT_EQ(world_.notifier.parked(), 1u);
  world_.Say(room_, kAlice, "hi");
  world_.wakes.RunAll();
  EXPECT_THAT(Got().Timeline("join", room_), ElementsAre("hi"));
}

TEST_F(SyncWaitTest, WaitsForInvitesReceiptsTypingAndAccountData) {
  const std::string other = world_.MakeRoom(kBob);
  Wait();
  world_.SetMember(other, kBob, kAlice, "invite");
  world_.wakes.RunAll();
  EXPECT_TRUE(Got().Has("invite", other));

  since_ = Answer(*body_).next();
  answers_ = 0;
  Wait();
  ASSERT_TRUE(
      world_.ephemeral.SetTyping(SyncWorld::Of(kAlice), room_, true, seconds(9))
          .ok());
  world_.wakes.RunAll();
  EXPECT_TRUE(Got().Has("join", room_));

  since_ = Answer(*body_).next();
  answers_ = 0;
  Wait();
  ASSERT_TRUE(world_.account_data.Put(kAlice, "", "org.example", "{}").ok());
  world_.wakes.RunAll();
  EXPECT_TRUE(Got().At({"account_data"}));
}

TEST_F(SyncWaitTest, AnswersWithNothingNewAtTheDeadline) {
  Wait(seconds(10));
  world_.timers.Advance(seconds(9));
  world_.wakes.RunAll();
  EXPECT_EQ(answers_, 0);
  world_.timers.Advance(seconds(1));
  world_.wakes.RunAll();
  const Answer answer = Got();
  EXPECT_FALSE(answer.At({"rooms"}));
  EXPECT_EQ(answer.next(), since_);
}

TEST_F(SyncWaitTest, ReadsNothingWhenNothingCanHaveHappened) {
  const int before = world_.Built("incremental");
  Wait();
  EXPECT_EQ(world_.Built("incremental"), before);
  world_.Say(room_, kAlice, "hi");
  world_.wakes.RunAll();
  EXPECT_THAT(Got().Timeline("join", room_), ElementsAre("hi"));
  EXPECT_EQ(world_.Built("incremental"), before + 1);
}

TEST_F(SyncWaitTest, LooksAtPresenceOnlyIfTheFilterShowsIt) {
  Wait();
  const auto looks = [this] {
    const int before = world_.Built("incremental");
    const std::string alice = kAlice;
    world_.notifier.PublishUsers({&alice, 1}, Notifier::News::kPresence);
    world_.wakes.RunAll();
    return world_.Built("incremental") - before;
  };
  EXPECT_EQ(looks(), 1);
  world_.Say(room_, kAlice, "hi");
  world_.wakes.RunAll();
  since_ = Got().next();
  Wait(seconds(30), R"({"presence":{"not_types":["m.pres*"]}})");
  EXPECT_EQ(looks(), 0);
}

TEST_F(SyncWaitTest, SeesTypingThatBeganBeforeItCame) {
  ASSERT_TRUE(
      world_.ephemeral.SetTyping(SyncWorld::Of(kAlice), room_, true, seconds(9))
          .ok());
  Wait();
  EXPECT_TRUE(Got().Has("join", room_));
}

TEST_F(SyncWaitTest, WaitsOnThroughWhatTheFilterHides) {
  world_.Join(room_, kBob);
  since_ = world_.Sync(kAlice).next();
  Wait(seconds(10), R"({"room":{"timeline":{"types":["org.example"]},)"
                    R"("state":{"types":["org.example"]}}})");
  // Nobody is notified of it, so that no count changes.
  world_.Send(room_, kBob, "org.hidden", std::nullopt, "{}");
  world_.wakes.RunAll();
  EXPECT_EQ(answers_, 0);
  EXPECT_EQ(world_.notifier.parked(), 1u);
  world_.Send(room_, kAlice, "org.example", std::nullopt, "{}");
  world_.wakes.RunAll();
  EXPECT_THAT(Got().Timeline("join", room_), ElementsAre("org.example"));
}

TEST_F(SyncWaitTest, WaitsOnWhenOneReadsTheOwnMessage) {
  world_.Join(room_, kBob);
  const std::string filter = R"({"room":{"timeline":{"types":[]}}})";
  since_ = world_.Sync(kAlice, "", filter).next();
  Wait(seconds(10), filter);
  world_.Say(room_, kAlice, "mine");
  world_.wakes.RunAll();
  EXPECT_EQ(answers_, 0);
  // Counts that change are news ...
  world_.Say(room_, kBob, "yours");
  world_.wakes.RunAll();
  EXPECT_EQ(Got().Raw({"rooms", "join", room_, "unread_notifications"}),
            R"({"highlight_count":0,"notification_count":1})");
  // ... also when it is one's own message that changes them.
  since_ = Answer(*body_).next();
  answers_ = 0;
  Wait(seconds(10), filter);
  world_.Say(room_, kAlice, "mine");
  world_.wakes.RunAll();
  EXPECT_EQ(Got().Raw({"rooms", "join", room_, "unread_notifications"}),
            R"({"highlight_count":0,"notification_count":0})");
  // An answer that got lost told nothing.
  const std::string lost = Answer(*body_).next();
  EXPECT_TRUE(world_.Sync(kAlice, since_, filter).Has("join", room_));
  EXPECT_FALSE(world_.Sync(kAlice, lost, filter).Has("join", room_));
}

TEST_F(SyncWaitTest, TwoLoopsOfADeviceAreToldTheSame) {
  world_.Join(room_, kBob);
  const std::string filter = R"({"room":{"timeline":{"types":[]}}})";
  const std::string one = world_.Sync(kAlice, "", filter).next();
  world_.Say(room_, kAlice, "mine");
  EXPECT_TRUE(world_.Sync(kAlice, one).Has("join", room_));
  EXPECT_FALSE(world_.Sync(kAlice, one, filter).Has("join", room_));
}

TEST_F(SyncWaitTest, TheTimeoutHasAMaximum) {
  Wait(seconds(100'000));
  world_.timers.Advance(seconds(120));
  world_.wakes.RunAll();
  Got();
}

TEST_F(SyncWaitTest, CancelGivesUp) {
  const auto ticket = Wait();
  ticket->Cancel();
  world_.wakes.RunAll();
  EXPECT_EQ(answers_, 1);
  EXPECT_EQ(body_.status().code(), StatusCode::kAborted);
  EXPECT_EQ(world_.notifier.parked(), 0u);
  ticket->Cancel();
}

TEST_F(SyncWaitTest, ShutdownAnswersWithNothingNew) {
  Wait();
  world_.notifier.Shutdown();
  world_.wakes.RunAll();
  EXPECT_EQ(Got().next(), since_);
}

TEST_F(SyncWaitTest, TheServiceMayGoBeforeThoseWhoWait) {
  auto sync = std::make_unique<SyncService>(
      SyncService::Options(),
      SyncService::Deps{*world_.store, world_.clock, world_.caches,
                        world_.activity, world_.notifier, world_.ephemeral,
                        FilterLookup(), *world_.log, *world_.metrics});
  SyncRequest request;
  request.session = SyncWorld::Of(kAlice);
  request.since = StreamToken::Parse(since_);
  request.timeout = seconds(30);
  const auto ticket = sync->Sync(request, [this](Result<std::string> body) {
    ++answers_;
    body_ = std::move(body);
  });
  sync.reset();
  ticket->Cancel();
  world_.Say(room_, kAlice, "hi");
  world_.wakes.RunAll();
  EXPECT_EQ(answers_, 1);
  EXPECT_EQ(body_.status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace matrixcore
