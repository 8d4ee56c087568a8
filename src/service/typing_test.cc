#include "service/typing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/manual_world.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr RoomNid kRoom = 7;
constexpr RoomNid kOther = 8;

class TypingTest : public ::testing::Test {
 protected:
  std::vector<std::string> In(RoomNid room) {
    return typing_->In(room).user_ids;
  }

  ManualClock clock_;
  ManualTimers timers_{clock_};
  std::vector<RoomNid> changed_;
  std::shared_ptr<Typing> typing_ = std::make_shared<Typing>(
      clock_, timers_, [this](RoomNid room) { changed_.push_back(room); });
};

TEST_F(TypingTest, StartsItsSerialAtTheTime) {
  EXPECT_EQ(typing_->Since(0).serial, 1'700'000'000'000);
}

TEST_F(TypingTest, ListsWhoTypesSorted) {
  typing_->Set(kRoom, "@b:h", seconds(30));
  typing_->Set(kRoom, "@a:h", seconds(30));
  EXPECT_THAT(In(kRoom), ElementsAre("@a:h", "@b:h"));
  EXPECT_THAT(In(kOther), IsEmpty());
  EXPECT_THAT(changed_, ElementsAre(kRoom, kRoom));
}

TEST_F(TypingTest, StopsWhenToldAndAtTheTimeout) {
  typing_->Set(kRoom, "@a:h", seconds(30));
  typing_->Set(kRoom, "@b:h", seconds(10));
  typing_->Set(kRoom, "@a:h", Duration::zero());
  EXPECT_THAT(In(kRoom), ElementsAre("@b:h"));
  timers_.Advance(seconds(10));
  EXPECT_THAT(In(kRoom), IsEmpty());
  EXPECT_EQ(changed_.size(), 4u);
  EXPECT_EQ(timers_.pending(), 0u);
}

TEST_F(TypingTest, ARefreshProlongsSilently) {
  typing_->Set(kRoom, "@a:h", seconds(10));
  const int64_t serial = typing_->Since(0).serial;
  timers_.Advance(seconds(8));
  typing_->Set(kRoom, "@a:h", seconds(10));
  timers_.Advance(seconds(8));
  EXPECT_THAT(In(kRoom), ElementsAre("@a:h"));
  EXPECT_EQ(typing_->Since(0).serial, serial);
  EXPECT_EQ(changed_.size(), 1u);
  timers_.Advance(seconds(2));
  EXPECT_THAT(In(kRoom), IsEmpty());
}

TEST_F(TypingTest, AnAbsurdTimeoutIsCutAtTenMinutes) {
  typing_->Set(kRoom, "@a:h", seconds(1'000'000));
  timers_.Advance(seconds(600));
  EXPECT_THAT(In(kRoom), IsEmpty());
}

TEST_F(TypingTest, StoppingWhoDoesNotTypeChangesNothing) {
  const int64_t serial = typing_->Since(0).serial;
  typing_->Set(kRoom, "@a:h", Duration::zero());
  EXPECT_EQ(typing_->Since(0).serial, serial);
  EXPECT_THAT(changed_, IsEmpty());
}

TEST_F(TypingTest, SinceGivesTheRoomsThatChanged) {
  typing_->Set(kRoom, "@a:h", seconds(30));
  const int64_t serial = typing_->Since(0).serial;
  EXPECT_THAT(typing_->Since(serial).changed, IsEmpty());
  typing_->Set(kOther, "@a:h", seconds(30));
  typing_->Set(kRoom, "@a:h", Duration::zero());
  const TypingNews news = typing_->Since(serial);
  ASSERT_EQ(news.changed.size(), 2u);
  EXPECT_EQ(news.changed[0].room, kRoom);
  EXPECT_THAT(news.changed[0].user_ids, IsEmpty());
  EXPECT_EQ(news.changed[1].room, kOther);
  EXPECT_THAT(news.changed[1].user_ids, ElementsAre("@a:h"));
  EXPECT_THAT(news.active, ElementsAre(kOther));
  EXPECT_FALSE(news.incomplete);
}

TEST_F(TypingTest, SinceTheBeginningLeavesOutRoomsWhereNobodyTypes) {
  typing_->Set(kRoom, "@a:h", seconds(30));
  typing_->Set(kRoom, "@a:h", Duration::zero());
  typing_->Set(kOther, "@a:h", seconds(30));
  const TypingNews now = typing_->Since(0);
  ASSERT_EQ(now.changed.size(), 1u);
  EXPECT_EQ(now.changed[0].room, kOther);
  EXPECT_FALSE(now.incomplete);
}

TEST_F(TypingTest, WhatAnotherProcessSaidIsIncomplete) {
  typing_->Set(kRoom, "@a:h", seconds(30));
  for (const int64_t serial :
       {int64_t{1'699'999'999'999}, typing_->Since(0).serial + 1}) {
    const TypingNews news = typing_->Since(serial);
    EXPECT_TRUE(news.incomplete);
    ASSERT_EQ(news.changed.size(), 1u);
  }
}

TEST_F(TypingTest, ForgetsTheOldestQuietRooms) {
  const int64_t start = typing_->Since(0).serial;
  typing_->Set(1, "@busy:h", seconds(600));
  for (RoomNid room = 2; room <= 6000; ++room) {
    typing_->Set(room, "@a:h", seconds(30));
    typing_->Set(room, "@a:h", Duration::zero());
  }
  EXPECT_TRUE(typing_->Since(start).incomplete);
  EXPECT_THAT(typing_->Since(start).active, ElementsAre(1));
  EXPECT_FALSE(typing_->Since(typing_->Since(0).serial - 100).incomplete);
  EXPECT_EQ(typing_->Since(typing_->Since(0).serial - 100).changed.size(), 50u);
}

TEST_F(TypingTest, StopCancelsEverything) {
  typing_->Set(kRoom, "@a:h", seconds(30));
  typing_->Stop();
  EXPECT_EQ(timers_.pending(), 0u);
  typing_->Set(kRoom, "@a:h", seconds(30));
  EXPECT_THAT(In(kRoom), IsEmpty());
}

}  // namespace
}  // namespace matrixcore
