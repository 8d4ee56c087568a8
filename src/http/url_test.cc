#include "matrixcore/http/url.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace matrixcore {
namespace {

using std::string_literals::operator""s;
using Segments = std::vector<std::string>;

TEST(PercentDecode, DecodesEscapesAndNothingElse) {
  EXPECT_EQ(PercentDecode("a%2Fb%2fc+%20"), "a/b/c+ ");
  EXPECT_EQ(PercentDecode("%E6%97%A5"), "\u65e5");
  EXPECT_EQ(PercentDecode("%00"), "\0"s);
  EXPECT_EQ(PercentDecode(""), "");
  EXPECT_EQ(PercentDecode("%2541"), "%41");
}

TEST(PercentDecode, RefusesBrokenEscapesAndInvalidUtf8) {
  for (const char* text : {"%", "%4", "a%", "%zz", "%4g", "%%41", "% 1", "%ff",
                           "%ED%A0%80", "%C3", "\xff"}) {
    EXPECT_EQ(PercentDecode(text), std::nullopt) << text;
  }
}

TEST(PercentEncode, KeepsOnlyUnreservedCharacters) {
  EXPECT_EQ(PercentEncode("azAZ09-._~"), "azAZ09-._~");
  EXPECT_EQ(PercentEncode("!room:h/?&=+%#@ "),
            "%21room%3Ah%2F%3F%26%3D%2B%25%23%40%20");
  EXPECT_EQ(PercentEncode("\u65e5\xff"), "%E6%97%A5%FF");
}

TEST(PercentEncode, IsUndoneByDecoding) {
  std::string text;
  for (int i = 0; i < 128; ++i) text.push_back(static_cast<char>(i));
  text += "\u00e9\U0001F600";
  EXPECT_EQ(PercentDecode(PercentEncode(text)), text);
}

TEST(UrlTarget, TakesPathsApart) {
  const auto target = UrlTarget::Parse(
      "/_matrix/client/v3/rooms/!a%3Ah/send/m.room.message/x%2Fy");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->segments(),
            (Segments{"_matrix", "client", "v3", "rooms", "!a:h", "send",
                      "m.room.message", "x/y"}));
  EXPECT_EQ(target->path(),
            "/_matrix/client/v3/rooms/!a%3Ah/send/m.room.message/x%2Fy");
}

TEST(UrlTarget, KeepsEmptySegments) {
  EXPECT_EQ(UrlTarget::Parse("/")->segments(), (Segments{""}));
  EXPECT_EQ(UrlTarget::Parse("/a/")->segments(), (Segments{"a", ""}));
  EXPECT_EQ(UrlTarget::Parse("//a//b")->segments(),
            (Segments{"", "a", "", "b"}));
  EXPECT_EQ(UrlTarget::Parse("/a/../b/.")->segments(),
            (Segments{"a", "..", "b", "."}));
}

TEST(UrlTarget, APlusIsASpaceInQueriesOnly) {
  const auto target = UrlTarget::Parse("/a+b?q=c+d%2Be");
  EXPECT_EQ(target->segments(), (Segments{"a+b"}));
  EXPECT_EQ(target->Param("q"), "c d+e");
}

TEST(UrlTarget, FindsParameters) {
  const auto target =
      UrlTarget::Parse("/p?via=a&limit=10&via=b&empty=&flag&x=1=2&&=v&k%20=1");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->path(), "/p");
  EXPECT_EQ(target->Param("via"), "a");
  EXPECT_EQ(target->Params("via"), (std::vector<std::string_view>{"a", "b"}));
  EXPECT_EQ(target->Param("limit"), "10");
  EXPECT_EQ(target->Param("empty"), "");
  EXPECT_EQ(target->Param("flag"), "");
  EXPECT_EQ(target->Param("x"), "1=2");
  EXPECT_EQ(target->Param(""), "v");
  EXPECT_EQ(target->Param("k "), "1");
  EXPECT_EQ(target->Param("none"), std::nullopt);
  EXPECT_TRUE(target->Params("none").empty());
}

TEST(UrlTarget, AQuestionMarkInTheQueryIsText) {
  const auto target = UrlTarget::Parse("/a?b=c?d/e");
  EXPECT_EQ(target->path(), "/a");
  EXPECT_EQ(target->Param("b"), "c?d/e");
}

TEST(UrlTarget, RefusesOtherFormsAndBrokenEscapes) {
  for (const std::string& text :
       {""s, "a"s, "*"s, "http://h/a"s, "?a=b"s, "/a%"s, "/a%ff"s, "/a?b=%"s,
        "/a?%zz=1"s, "/a b"s, "/a\n"s, "/a\0"s, "/a#b"s, "/\x7f"s, "/\xff"s}) {
    EXPECT_EQ(UrlTarget::Parse(text).has_value(), false)
        << testing::PrintToString(text);
  }
}

}  // namespace
}  // namespace matrixcore
