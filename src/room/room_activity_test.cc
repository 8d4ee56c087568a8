#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/base/random.h"
#include "matrixcore/room/room_writer.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::UnorderedElementsAreArray;

TEST(RoomActivityTest, KnowsNothingOfWhatWasBeforeTheStart) {
  RoomActivity activity(10);
  EXPECT_EQ(activity.ChangedSince(9), std::nullopt);
  EXPECT_THAT(activity.ChangedSince(10), Optional(IsEmpty()));
  EXPECT_TRUE(activity.MayHaveChangedSince(1, 9));
  EXPECT_FALSE(activity.MayHaveChangedSince(1, 10));
}

TEST(RoomActivityTest, ForgetsWhatIsLongAgo) {
  RoomActivity activity(0);
  for (Position pos = 1; pos <= 20'000; ++pos) activity.Committed(1, pos);
  EXPECT_EQ(activity.ChangedSince(1), std::nullopt);
  EXPECT_THAT(activity.ChangedSince(19'999), Optional(ElementsAre(1)));
}

// Both questions have the same answer, in whatever order commits are heard of.
TEST(RoomActivityTest, NamesTheRoomsThatMayHaveChanged) {
  constexpr RoomNid kRooms = 12;
  const std::unique_ptr<Random> random = NewSeededRandom(1);
  RoomActivity activity(100);
  std::vector<std::pair<RoomNid, Position>> under_way;
  Position pos = 100;
  for (int i = 0; i < 3000; ++i) {
    const size_t chance = random->Below(10);
    if (chance < 5 || under_way.empty()) {
      const RoomNid room = 1 + static_cast<RoomNid>(random->Below(kRooms));
      activity.Pending(room);
      under_way.emplace_back(room, ++pos);
    } else {
      const size_t which = random->Below(under_way.size());
      const auto [room, committed] = under_way[which];
      under_way.erase(under_way.begin() + static_cast<ptrdiff_t>(which));
      chance == 5 ? activity.Failed(room) : activity.Committed(room, committed);
    }
    const Position since =
        std::max<Position>(100, pos - static_cast<Position>(random->Below(40)));
    std::vector<RoomNid> expected;
    for (RoomNid room = 1; room <= kRooms; ++room) {
      if (activity.MayHaveChangedSince(room, since)) expected.push_back(room);
    }
    ASSERT_THAT(activity.ChangedSince(since),
                Optional(UnorderedElementsAreArray(expected)));
  }
}

}  // namespace
}  // namespace matrixcore
