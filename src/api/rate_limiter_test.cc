#include "api/rate_limiter.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "matrixcore/testing/sim.h"

namespace matrixcore::api {
namespace {

HomeserverOptions::RateLimits TwoASecondThreeAtOnce() {
  HomeserverOptions::RateLimits limits;
  limits.message = {.per_second = 2, .burst = 3};
  limits.login = {.per_second = 1, .burst = 1};
  limits.other = {.per_second = 0, .burst = 0};
  return limits;
}

TEST(RateLimiterTest, ABurstPassesThenTheRateHolds) {
  SimTime time;
  RateLimiter limiter(TwoASecondThreeAtOnce(), time);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(limiter.Take(RateLimit::kMessage, "@a:x").allowed) << i;
  }
  EXPECT_FALSE(limiter.Take(RateLimit::kMessage, "@a:x").allowed);
  time.Advance(milliseconds(499));
  EXPECT_FALSE(limiter.Take(RateLimit::kMessage, "@a:x").allowed);
  time.Advance(milliseconds(1));
  EXPECT_TRUE(limiter.Take(RateLimit::kMessage, "@a:x").allowed);
  EXPECT_FALSE(limiter.Take(RateLimit::kMessage, "@a:x").allowed);
}

TEST(RateLimiterTest, TellsWhatIsLeftAndWhenToComeBack) {
  SimTime time;
  RateLimiter limiter(TwoASecondThreeAtOnce(), time);
  const auto first = limiter.Take(RateLimit::kMessage, "@a:x");
  EXPECT_TRUE(first.limited);
  EXPECT_EQ(first.limit, 3);
  EXPECT_EQ(first.remaining, 2);
  EXPECT_EQ(first.reset_after, milliseconds(500));
  limiter.Take(RateLimit::kMessage, "@a:x");
  limiter.Take(RateLimit::kMessage, "@a:x");
  time.Advance(milliseconds(200));
  const auto refused = limiter.Take(RateLimit::kMessage, "@a:x");
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.remaining, 0);
  EXPECT_EQ(refused.retry_after, milliseconds(300));
  EXPECT_EQ(refused.reset_after, milliseconds(1300));
}

TEST(RateLimiterTest, UsersAndClassesAreCountedApart) {
  SimTime time;
  RateLimiter limiter(TwoASecondThreeAtOnce(), time);
  EXPECT_TRUE(limiter.Take(RateLimit::kLogin, "1.2.3.4").allowed);
  EXPECT_FALSE(limiter.Take(RateLimit::kLogin, "1.2.3.4").allowed);
  EXPECT_TRUE(limiter.Take(RateLimit::kLogin, "1.2.3.5").allowed);
  EXPECT_TRUE(limiter.Take(RateLimit::kMessage, "1.2.3.4").allowed);
}

TEST(RateLimiterTest, AnIpv6NetworkIsOne) {
  EXPECT_EQ(LimitedAddress("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(LimitedAddress("::ffff:192.0.2.1"), "::ffff:192.0.2.1");
  EXPECT_EQ(LimitedAddress("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2:");
  EXPECT_EQ(LimitedAddress("2001:db8:1:2::9"), "2001:db8:1:2:");
  EXPECT_EQ(LimitedAddress("2001:db8::1"), "2001:db8:0:0:");
  EXPECT_EQ(LimitedAddress("2001:db8::2:0:0:0:1"), "2001:db8:0:2:");
  EXPECT_EQ(LimitedAddress("::1"), "0:0:0:0:");
  EXPECT_EQ(LimitedAddress(""), "");
}

TEST(RateLimiterTest, NoRateIsNoLimit) {
  SimTime time;
  RateLimiter limiter(TwoASecondThreeAtOnce(), time);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(limiter.Take(RateLimit::kDefault, "@a:x").allowed);
    EXPECT_FALSE(limiter.Take(RateLimit::kNone, "@a:x").limited);
  }
  EXPECT_EQ(limiter.size(), 0U);
}

TEST(RateLimiterTest, MemoryIsBoundedAndAFloodOfNamesClearsNoOffender) {
  SimTime time;
  RateLimiter limiter(TwoASecondThreeAtOnce(), time, 800);
  for (int i = 0; i < 4; ++i) limiter.Take(RateLimit::kMessage, "@offender:x");
  for (int i = 0; i < 20'000; ++i) {
    limiter.Take(RateLimit::kMessage, fmt::format("@user{}:x", i));
  }
  EXPECT_LE(limiter.size(), 800U);
  EXPECT_FALSE(limiter.Take(RateLimit::kMessage, "@offender:x").allowed);
}

}  // namespace
}  // namespace matrixcore::api
