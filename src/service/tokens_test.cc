#include "matrixcore/service/tokens.h"

#include <gtest/gtest.h>

namespace matrixcore {
namespace {

TEST(StreamTokenTest, WritesPositionAndSerial) {
  EXPECT_EQ((StreamToken{123, 45}).ToString(), "s123_45");
  EXPECT_EQ((StreamToken{123, 0}).ToString(), "s123");
  EXPECT_EQ(StreamToken{}.ToString(), "s0");
}

TEST(StreamTokenTest, ReadsWhatItWrites) {
  for (const StreamToken token :
       {StreamToken{0, 0}, StreamToken{1, 0}, StreamToken{0, 7},
        StreamToken{INT64_MAX, INT64_MAX}, StreamToken{9, 0, 4},
        StreamToken{9, 7, 9}}) {
    EXPECT_EQ(StreamToken::Parse(token.ToString()), token);
  }
}

TEST(StreamTokenTest, ReadsAZeroSerial) {
  EXPECT_EQ(StreamToken::Parse("s5_0"), (StreamToken{5, 0}));
}

TEST(StreamTokenTest, RefusesWhatNoServerOfOursMade) {
  for (const std::string_view text : {"",
                                      "s",
                                      "5",
                                      "t5",
                                      "S5",
                                      "s-1",
                                      "s+1",
                                      "s 1",
                                      "s1 ",
                                      "s1_",
                                      "s_1",
                                      "s1_2_3",
                                      "s9_2_3_4",
                                      "s9_2_",
                                      "s9_2_03",
                                      "s01",
                                      "s1_02",
                                      "s1_-2",
                                      "s9223372036854775808",
                                      "s1_9223372036854775808",
                                      "s1x",
                                      "s0x1",
                                      "s1.5"}) {
    EXPECT_EQ(StreamToken::Parse(text), std::nullopt) << text;
  }
}

TEST(SlidingTokenTest, ReadsWhatItWrites) {
  const SlidingToken token{{123, 45}, 7, 8, 9};
  EXPECT_EQ(token.ToString(), "s123_45~7.8.9");
  EXPECT_EQ(SlidingToken::Parse(token.ToString()), token);
  EXPECT_EQ(StreamToken::Parse(token.ToString()), token.stream);
}

TEST(SlidingTokenTest, RefusesWhatNoServerOfOursMade) {
  EXPECT_EQ(SlidingToken::Parse("s1"), std::nullopt);
  for (const std::string_view text :
       {"", "s1~", "s1~1", "s1~1.2", "s1~1.2.", "s1~.2.3", "s1~1.2.3.4",
        "s1~1.2.3~4.5.6", "s1~1.02.3", "x~1.2.3", "~1.2.3", "s1~1.2.x"}) {
    EXPECT_EQ(SlidingToken::Parse(text), std::nullopt) << text;
    EXPECT_EQ(StreamToken::Parse(text), std::nullopt) << text;
  }
}

TEST(StreamTokenTest, OrdersByPositionFirst) {
  EXPECT_LT((StreamToken{1, 9}), (StreamToken{2, 0}));
  EXPECT_LT((StreamToken{2, 0}), (StreamToken{2, 1}));
}

}  // namespace
}  // namespace matrixcore
