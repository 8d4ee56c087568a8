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
  EXPECT_EQ(typing_->Serial(), 1'700'000'000'000);
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
  const int64_t serial = typing_->Serial();
  timers_.Advance(seconds(8));
  typing_->Set(kRoom, "@a:h", seconds(10));
  timers_.Advance(seconds(8));
  EXPECT_THAT(In(kRoom), ElementsAre("@a:h"));
  EXPECT_EQ(typing_->Serial(), serial);
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
  const int64_t serial = typing_->Serial();
  typing_->Set(kRoom, "@a:h", Duration::zero());
  EXPECT_EQ(typing_->Serial(), serial);
  EXPECT_THAT(changed_, IsEmpty());
}

TEST_F(TypingTest, SinceGivesTheRoomsThatChanged) {
  typing_->Set(kRoom, "@a:h", seconds(30));
  const int64_t serial = typing_->Serial();
  EXPECT_THAT(typing_->Since(serial), IsEmpty());
  typing_->Set(kOther, "@a:h", seconds(30));
  typing_->Set(kRoom, "@a:h", Duration::zero());
  const std::vector<TypingUsers> news = typing_->Since(serial);
  ASSERT_EQ(news.size(), 2u);
  EXPECT_EQ(news[0].room, kOther);
  EXPECT_THAT(news[0].user_ids, ElementsAre("@a:h"));
  EXPECT_EQ(news[1].room, kRoom);
  EXPECT_THAT(news[1].user_ids, IsEmpty());
}

TEST_F(TypingTest, SinceTheBeginningLeavesOutRoomsWhereNobodyTypes) {
  typing_->Set(kRoom, "@a:h", seconds(30));
  typing_->Set(kRoom, "@a:h", Duration::zero());
  typing_->Set(kOther, "@a:h", seconds(30));
  const std::vector<TypingUsers> now = typing_->Since(0);
  ASSERT_EQ(now.size(), 1u);
  EXPECT_EQ(now[0].room, kOther);
}

TEST_F(TypingTest, ASerialFromTheFutureCountsAsNone) {
  typing_->Set(kRoom, "@a:h", seconds(30));
  EXPECT_EQ(typing_->Since(typing_->Serial() + 1).size(), 1u);
}

TEST_F(TypingTest, ForgetsTheOldestQuietRooms) {
  const int64_t start = typing_->Serial();
  typing_->Set(1, "@busy:h", seconds(600));
  for (RoomNid room = 2; room <= 6000; ++room) {
    typing_->Set(room, "@a:h", seconds(30));
    typing_->Set(room, "@a:h", Duration::zero());
  }
  const std::vector<TypingUsers> known = typing_->Since(start);
  EXPECT_LE(known.size(), 4097u);
  EXPECT_EQ(known.front().room, 1);
  EXPECT_EQ(known.back().room, 6000);
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
