#include "matrixcore/base/time.h"

#include <gtest/gtest.h>

namespace matrixcore {
namespace {

TEST(MonotonicTime, AddsAndSubtractsDurations) {
  const MonotonicTime start{1'000'000'000};
  EXPECT_EQ((start + seconds(2)).ns, 3'000'000'000);
  EXPECT_EQ(start + milliseconds(5) - start, milliseconds(5));
  EXPECT_LT(start + Duration(1), MonotonicTime::Never());
}

TEST(SystemClock, TellsMillisecondsOfTheEpoch) {
  const auto clock = NewSystemClock();
  EXPECT_GT(clock->Now().ms, 1'700'000'000'000);  // November 2023.
  EXPECT_LT(clock->Now().ms, 4'000'000'000'000);  // October 2096.
}

TEST(SystemClock, NeverGoesBack) {
  const auto clock = NewSystemClock();
  MonotonicTime last = clock->Monotonic();
  for (int i = 0; i < 1000; ++i) {
    const MonotonicTime now = clock->Monotonic();
    ASSERT_LE(last, now);
    last = now;
  }
}

}  // namespace
}  // namespace matrixcore
