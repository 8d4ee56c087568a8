#include "point_in_time.h"

#include <gtest/gtest.h>

namespace matrixcore::admin {
namespace {

constexpr Timestamp kNow{1'700'000'000'000};

TEST(ParsePointInTime, TakesDaysAndMoments) {
  EXPECT_EQ(ParsePointInTime("1970-01-02", kNow)->ms, 86'400'000);
  EXPECT_EQ(ParsePointInTime("2026-01-31", kNow)->ms, 1'769'817'600'000);
  EXPECT_EQ(ParsePointInTime("2026-01-31T12:30:05Z", kNow)->ms,
            1'769'862'605'000);
}

TEST(ParsePointInTime, TakesAges) {
  EXPECT_EQ(ParsePointInTime("30m", kNow)->ms, kNow.ms - 1'800'000);
  EXPECT_EQ(ParsePointInTime("12h", kNow)->ms, kNow.ms - 43'200'000);
  EXPECT_EQ(ParsePointInTime("90d", kNow)->ms, kNow.ms - 7'776'000'000);
  EXPECT_EQ(ParsePointInTime("8w", kNow)->ms, kNow.ms - 4'838'400'000);
}

TEST(ParsePointInTime, RefusesWhatIsNeither) {
  for (const char* text : {"", "d", "-1d", "90", "90x", "2026", "2026-13-01",
                           "2026-02-30", "2026-01-31T", "2026-01-31T24:00:00Z",
                           "2026-01-31T12:00:00", "2026-01-31 ", "yesterday"}) {
    EXPECT_EQ(ParsePointInTime(text, kNow).status().code(),
              StatusCode::kInvalidArgument)
        << text;
  }
}

}  // namespace
}  // namespace matrixcore::admin
