#include "event/canonical_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace matrixcore::canonical {
namespace {

std::vector<std::string> Members(std::string_view object, bool* complete) {
  std::vector<std::string> out;
  ObjectReader reader(object);
  while (reader.Next()) {
    EXPECT_EQ(object.substr(reader.value_offset(), reader.value().size()),
              reader.value());
    out.push_back(std::string(reader.key()) + "=" +
                  std::string(reader.value()));
  }
  *complete = reader.complete();
  return out;
}

TEST(CanonicalReaderTest, WalksAnObject) {
  bool complete = false;
  EXPECT_EQ(
      Members(R"({"a":1,"b":{"x":[1,"}"]},"c":"q\"uote","d":[],"e":null})",
              &complete),
      (std::vector<std::string>{"a=1", R"(b={"x":[1,"}"]})", R"(c="q\"uote")",
                                "d=[]", "e=null"}));
  EXPECT_TRUE(complete);
  EXPECT_EQ(Members("{}", &complete), std::vector<std::string>{});
  EXPECT_TRUE(complete);
}

TEST(CanonicalReaderTest, StopsAtBrokenTextWithoutReadingBeyondIt) {
  for (const std::string_view broken :
       {"",          "{",          "{\"",       "{\"a",       "{\"a\"",
        "{\"a\":",   "{\"a\":1",   "{\"a\":1,", "{\"a\":\"x", "{\"a\":\"x\\",
        "{\"a\":[1", "{\"a\":1]",  "{\"a\"1}",  "{a:1}",      "[1]",
        "1",         "{\"a\":1}x", "{}x",       "{,}",        "{\"a\":}"}) {
    // A copy of the exact size, so that a sanitizer sees a read beyond it.
    const std::vector<char> exact(broken.begin(), broken.end());
    bool complete = false;
    Members({exact.data(), exact.size()}, &complete);
    EXPECT_FALSE(complete) << broken;
  }
}

TEST(CanonicalReaderTest, WalksAnArray) {
  std::vector<std::string> values;
  ArrayReader reader(R"(["a",["b",1],{"c":2},true])");
  while (reader.Next()) values.emplace_back(reader.value());
  EXPECT_EQ(values, (std::vector<std::string>{R"("a")", R"(["b",1])",
                                              R"({"c":2})", "true"}));
  EXPECT_TRUE(reader.complete());
}

TEST(CanonicalReaderTest, NestingCostsNoStack) {
  std::string deep(200000, '[');
  deep.append(200000, ']');
  EXPECT_EQ(SkipValue(deep, 0), deep.size());
  EXPECT_EQ(SkipValue(std::string_view(deep).substr(0, deep.size() - 1), 0),
            std::string_view::npos);
}

TEST(CanonicalReaderTest, FindsMembers) {
  constexpr std::string_view kObject = R"({"a\nb":1,"plain":2,"q\"":3})";
  EXPECT_EQ(Member(kObject, "plain"), "2");
  EXPECT_EQ(Member(kObject, "absent"), "");
  EXPECT_EQ(Member("[1]", "plain"), "");
  EXPECT_EQ(MemberNamed(kObject, "a\nb"), "1");
  EXPECT_EQ(MemberNamed(kObject, "q\""), "3");
  EXPECT_EQ(MemberNamed(kObject, "plain"), "2");
}

TEST(CanonicalReaderTest, UnescapesAndCompares) {
  std::string text;
  AppendUnescaped(R"(a\b\t\n\f\r\"\\\u0001z)", &text);
  EXPECT_EQ(text, "a\b\t\n\f\r\"\\\x01z");
  EXPECT_TRUE(BodyEquals(R"(a\nb)", "a\nb"));
  EXPECT_FALSE(BodyEquals(R"(a\nb)", "a\nbc"));
  EXPECT_FALSE(BodyEquals(R"(a\nb)", "a\n"));
  EXPECT_FALSE(BodyEquals("ab", "abc"));
  EXPECT_TRUE(StringEquals(R"("x")", "x"));
  EXPECT_FALSE(StringEquals("x", "x"));
  // "\"" (0x22) sorts before "#" (0x23), though its escape (0x5c) does not.
  EXPECT_LT(CompareBodies(R"(\")", "#"), 0);
  EXPECT_GT(CompareBodies("b", "a"), 0);
  EXPECT_EQ(CompareBodies(R"(\\)", R"(\\)"), 0);
  EXPECT_LT(CompareBodies("a", R"(a\n)"), 0);
}

TEST(CanonicalReaderTest, ReadsIntegers) {
  EXPECT_EQ(Int("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(Int("9223372036854775807"), INT64_MAX);
  for (const std::string_view bad :
       {"", "1.5", "1e3", "9223372036854775808", "\"1\"", "null", "1 "}) {
    EXPECT_EQ(Int(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace matrixcore::canonical
