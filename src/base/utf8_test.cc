#include "matrixcore/base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace matrixcore {
namespace {

using std::string_literals::operator""s;

TEST(Utf8, AcceptsTheEdgesOfEveryLength) {
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8("\x00\x7f"s));
  EXPECT_TRUE(IsValidUtf8("\xC2\x80\xDF\xBF"));          // U+80, U+7FF
  EXPECT_TRUE(IsValidUtf8("\xE0\xA0\x80\xEF\xBF\xBF"));  // U+800, U+FFFF
  EXPECT_TRUE(IsValidUtf8("\xED\x9F\xBF\xEE\x80\x80"));  // U+D7FF, U+E000
  EXPECT_TRUE(IsValidUtf8("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"));  // U+10FFFF
}

TEST(Utf8, RefusesWhatIsNotWellFormed) {
  for (const std::string& text : {
           "\x80"s,              // A continuation byte alone.
           "\xC0\x80"s,          // Overlong NUL.
           "\xC1\xBF"s,          // Overlong U+7F.
           "\xE0\x9F\xBF"s,      // Overlong U+7FF.
           "\xF0\x8F\xBF\xBF"s,  // Overlong U+FFFF.
           "\xED\xA0\x80"s,      // U+D800, a surrogate.
           "\xED\xBF\xBF"s,      // U+DFFF.
           "\xF4\x90\x80\x80"s,  // U+110000.
           "\xF5\x80\x80\x80"s,  // No such lead byte.
           "\xFF"s,              //
           "\xC2"s,              // Cut off.
           "\xE2\x82"s,          //
           "\xF0\x9F\x98"s,      //
           "\xC2 "s,             // Interrupted.
           "\xE2\x82 "s,         //
           "\xF0\x9F\x98 "s,     //
       }) {
    EXPECT_FALSE(IsValidUtf8(text)) << testing::PrintToString(text);
    // Wherever it stands: the fast path looks at 16 bytes at once.
    for (size_t before = 1; before < 40; ++before) {
      const std::string prefix(before, 'a');
      EXPECT_FALSE(IsValidUtf8(prefix + text + std::string(40, 'b')));
      EXPECT_EQ(ValidUtf8Prefix(prefix + text), before);
    }
  }
}

TEST(Utf8, AcceptsCharactersAtEveryOffset) {
  for (size_t before = 0; before < 40; ++before) {
    const std::string text =
        std::string(before, 'a') + "\u65e5\U0001F600\u00e9" + "tail";
    EXPECT_TRUE(IsValidUtf8(text));
    EXPECT_EQ(CountCodePoints(text), before + 7);
  }
}

TEST(Utf8, TruncatesBetweenCodePoints) {
  const std::string text = "a\u65e5b";  // 1, 3 and 1 bytes.
  EXPECT_EQ(TruncateUtf8(text, 5), text);
  EXPECT_EQ(TruncateUtf8(text, 4), "a\u65e5");
  EXPECT_EQ(TruncateUtf8(text, 3), "a");
  EXPECT_EQ(TruncateUtf8(text, 1), "a");
  EXPECT_EQ(TruncateUtf8(text, 0), "");
}

TEST(Utf8, RepairsInvalidBytes) {
  std::string out = "<";
  AppendValidUtf8(&out, "ok \xFF\u65e5\xE2\x82!");
  EXPECT_EQ(out, "<ok \uFFFD\u65e5\uFFFD\uFFFD!");
}

}  // namespace
}  // namespace matrixcore
