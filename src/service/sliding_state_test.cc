#include "service/sliding_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service/sliding_config.h"

namespace matrixcore {
namespace {

SlidingState SomeState() {
  SlidingState state;
  state.account_data = true;
  EXPECT_EQ(state.ConfigNumber("[a]"), 0);
  EXPECT_EQ(state.ConfigNumber("[b]"), 1);
  EXPECT_EQ(state.ConfigNumber("[a]"), 0);
  state.Apply({{.room = 300, .config = 1, .limit = 20, .receipts = true},
               {.room = 7, .upto = 5'000'000'000, .is_dm = true}});
  return state;
}

TEST(SlidingStateTest, KeepsRoomsInOrder) {
  SlidingState state = SomeState();
  state.Apply({{.room = 8}, {.room = 7, .upto = 9}});
  ASSERT_EQ(state.rooms.size(), 3u);
  EXPECT_EQ(state.rooms[0].room, 7);
  EXPECT_EQ(state.rooms[0].upto, 9);
  EXPECT_EQ(state.rooms[2].room, 300);
  EXPECT_EQ(state.Find(8)->room, 8);
  EXPECT_EQ(state.Find(9), nullptr);
}

TEST(SlidingStateTest, ReadsWhatItWrites) {
  const SlidingState state = SomeState();
  SlidingState read;
  ASSERT_TRUE(DecodeInto(EncodeState(state), &read).ok());
  EXPECT_EQ(read, state);
  SlidingState later = state;
  later.thread_subscriptions = true;
  ASSERT_TRUE(later.ConfigNumber("[c]"));
  later.Apply({{.room = 20, .config = 2}, {.room = 7, .upto = 1}});
  const std::string change = EncodeChange(state, later);
  EXPECT_LT(change.size(), EncodeState(later).size());
  ASSERT_TRUE(DecodeInto(change, &read).ok());
  EXPECT_EQ(read, later);
}

TEST(SlidingStateTest, RefusesWhatIsDamaged) {
  const std::string whole = EncodeState(SomeState());
  for (size_t size = 0; size < whole.size(); ++size) {
    SlidingState state;
    EXPECT_EQ(DecodeInto(whole.substr(0, size), &state).code(),
              StatusCode::kDataLoss)
        << size;
  }
  SlidingState state;
  EXPECT_FALSE(DecodeInto(whole + "x", &state).ok());
  EXPECT_FALSE(DecodeInto(std::string(20, '\xff'), &state).ok());
}

TEST(SlidingStateTest, AConnectionHasSoManyConfigurations) {
  SlidingState state;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(state.ConfigNumber(std::to_string(i)));
  }
  EXPECT_FALSE(state.ConfigNumber("one more"));
  EXPECT_TRUE(state.ConfigNumber("7"));
}

SlidingRoomConfig Config(std::vector<RequiredState::Element> include,
                         bool lazy) {
  SlidingRoomConfig config;
  config.required_state.include = std::move(include);
  config.required_state.lazy_members = lazy;
  return config;
}

TEST(CombinedConfigTest, IsTheUnionOfAll) {
  CombinedConfig config;
  SlidingRoomConfig names = Config({{"m.room.name", ""}}, true);
  names.timeline_limit = 3;
  SlidingRoomConfig topics = Config({{"m.room.topic", std::nullopt}}, false);
  topics.timeline_limit = 5;
  config.Add(names);
  config.Add(topics);
  config.Seal();
  EXPECT_EQ(config.timeline_limit(), 5u);
  EXPECT_TRUE(config.lazy_members());
  EXPECT_TRUE(config.Wants("m.room.name", ""));
  EXPECT_FALSE(config.Wants("m.room.name", "x"));
  EXPECT_TRUE(config.Wants("m.room.topic", "x"));
  EXPECT_FALSE(config.Wants("m.room.member", "@a:x"));
}

TEST(CombinedConfigTest, IsNotLazyWhereAllMembersAreWanted) {
  CombinedConfig config;
  config.Add(Config({{}}, true));
  config.Add(Config({{"m.room.member", std::nullopt}}, false));
  config.Seal();
  EXPECT_FALSE(config.lazy_members());
  EXPECT_TRUE(config.Wants("m.room.member", "@a:x"));
}

TEST(CombinedConfigTest, ReadsItsText) {
  CombinedConfig config;
  config.Add(Config({{"m.room.name", ""}, {std::nullopt, "@a:x"}}, true));
  config.Add(Config({{}}, false));
  config.Seal();
  const auto read = CombinedConfig::FromText(config.text());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->text(), config.text());
  EXPECT_EQ(read->lazy_members(), config.lazy_members());
  EXPECT_FALSE(CombinedConfig::FromText("{").ok());
  // The order in which rules come does not matter.
  CombinedConfig other;
  other.Add(Config({{}}, false));
  other.Add(Config({{"m.room.name", ""}, {std::nullopt, "@a:x"}}, true));
  other.Seal();
  EXPECT_EQ(other.text(), config.text());
}

}  // namespace
}  // namespace matrixcore
