// Tests of the parts of matrixcore-load that figures depend on.
#include <gtest/gtest.h>

#include "histogram.h"
#include "http_client.h"
#include "syncers.h"
#include "world.h"

namespace matrixcore::load {
namespace {

TEST(HistogramTest, QuantilesAreWithinOnePercent) {
  Histogram h;
  for (int64_t ms = 1; ms <= 1000; ++ms) h.Add(ms * 1'000'000);
  EXPECT_EQ(h.count(), 1000u);
  EXPECT_NEAR(h.QuantileMs(0.50), 500, 5);
  EXPECT_NEAR(h.QuantileMs(0.99), 990, 10);
  EXPECT_DOUBLE_EQ(h.QuantileMs(1.0), 1000);
  EXPECT_DOUBLE_EQ(h.max_ms(), 1000);
  EXPECT_DOUBLE_EQ(h.mean_ms(), 500.5);
}

TEST(HistogramTest, SmallAndLargeValuesFit) {
  Histogram h;
  h.Add(-5);
  EXPECT_DOUBLE_EQ(h.QuantileMs(0.5), 0);
  h.Add(INT64_MAX);
  EXPECT_DOUBLE_EQ(h.QuantileMs(1.0), h.max_ms());
}

TEST(HistogramTest, IsZeroWhenEmpty) {
  EXPECT_DOUBLE_EQ(Histogram().QuantileMs(0.99), 0);
}

TEST(TargetTest, TakesHostsPortsAndAddresses) {
  const auto plain = ParseTarget("http://example.org");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->host, "example.org");
  EXPECT_EQ(plain->port, "80");
  EXPECT_FALSE(plain->tls);
  const auto secure = ParseTarget("https://[::1]:8448/");
  ASSERT_TRUE(secure.ok());
  EXPECT_EQ(secure->host, "::1");
  EXPECT_EQ(secure->port, "8448");
  EXPECT_EQ(secure->authority, "[::1]:8448");
  EXPECT_TRUE(secure->tls);
}

TEST(TargetTest, RefusesWhatIsNoHost) {
  EXPECT_FALSE(ParseTarget("example.org").ok());
  EXPECT_FALSE(ParseTarget("http://").ok());
  EXPECT_FALSE(ParseTarget("http://example.org/_matrix").ok());
  EXPECT_FALSE(ParseTarget("http://example.org:").ok());
}

TEST(EscapeSegmentTest, KeepsOnlyUnreservedCharacters) {
  EXPECT_EQ(EscapeSegment("!aZ9-._~:x/y"), "%21aZ9-._~%3Ax%2Fy");
}

TEST(FindStringTest, FindsTheValueWhateverTheSpacing) {
  EXPECT_EQ(FindString(R"({"next_batch":"s1_2"})", "\"next_batch\""), "s1_2");
  EXPECT_EQ(FindString("{\n \"next_batch\" : \"s3\"\n}", "\"next_batch\""),
            "s3");
  EXPECT_EQ(FindString(R"({"a":"next_batch"})", "\"next_batch\""), "");
  EXPECT_EQ(FindString("{}", "\"next_batch\""), "");
}

TEST(PlanWorldTest, SpreadsMembersEvenly) {
  Options options;
  options.users = 4;
  options.rooms = 2;
  options.members = 2;
  const World world = PlanWorld(options);
  ASSERT_EQ(world.rooms.size(), 2u);
  EXPECT_EQ(world.rooms[0].members, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(world.rooms[1].members, (std::vector<uint32_t>{2, 3}));
  EXPECT_EQ(world.users[3].rooms, (std::vector<uint32_t>{1}));
}

TEST(PlanWorldTest, ParkedUsersHaveQuietRoomsOfTheirOwn) {
  Options options;
  options.users = 1;
  options.rooms = 0;
  options.parked = 5;
  options.quiet_room_size = 3;
  const World world = PlanWorld(options);
  ASSERT_EQ(world.users.size(), 6u);
  ASSERT_EQ(world.rooms.size(), 2u);
  EXPECT_EQ(world.rooms[0].members, (std::vector<uint32_t>{1, 2, 3}));
  EXPECT_EQ(world.rooms[1].members, (std::vector<uint32_t>{4, 5}));
}

}  // namespace
}  // namespace matrixcore::load
