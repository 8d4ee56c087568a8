#include "matrixcore/json/canonical.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "vectors/vectors.h"

namespace matrixcore::json {
namespace {

using std::string_literals::operator""s;

std::string Strict(std::string_view text) {
  Result<std::string> result = Canonical(text, NumberRule::kStrict);
  return result ? *result : result.status().ToString();
}
std::string Lax(std::string_view text) {
  Result<std::string> result = Canonical(text, NumberRule::kLax);
  return result ? *result : result.status().ToString();
}

// The spec's examples; the last one has numbers that only old room versions
// allow.
TEST(Canonical, MatchesTheExamplesOfTheSpec) {
  const Document vectors = vectors::ReadJson("spec/canonical_json.json");
  ASSERT_EQ(vectors.root().size(), 10u);
  size_t index = 0;
  for (Value vector : vectors.root()) {
    const std::string_view input = *vector["input_text"].AsString();
    EXPECT_EQ(Lax(input), vector["canonical"].AsString());
    if (++index < vectors.root().size()) {
      EXPECT_EQ(Strict(input), vector["canonical"].AsString());
    } else {
      EXPECT_EQ(Strict(input),
                "invalid-argument M_BAD_JSON: The number -0 is not allowed");
    }
  }
}

TEST(Canonical, SortsKeysByCodePoint) {
  // In UTF-16 the emoji (D83D DE00) would come before U+FFFF.
  EXPECT_EQ(
      Strict("{\"\U0001F600\":1,\"\uFFFF\":2,\"\u00e9\":3,\"z\":4,\"\":5}"),
      "{\"\":5,\"z\":4,\"\u00e9\":3,\"\uFFFF\":2,\"\U0001F600\":1}");
  EXPECT_EQ(Strict(R"({"aa":1,"a":2,"B":3})"), R"({"B":3,"a":2,"aa":1})");
  EXPECT_EQ(Strict("{\"a\x7f\":1,\"a\u0080\":2,\"a!\":3}"),
            "{\"a!\":3,\"a\x7f\":1,\"a\u0080\":2}");
}

TEST(Canonical, SortsAtEveryLevel) {
  EXPECT_EQ(
      Strict(R"([{"b":{"d":[{"f":1,"e":2}],"c":0},"a":1},{"y":1,"x":2}])"),
      R"([{"a":1,"b":{"c":0,"d":[{"e":2,"f":1}]}},{"x":2,"y":1}])");
}

TEST(Canonical, RemovesWhiteSpace) {
  EXPECT_EQ(Strict(" { \"a\" : [ 1 ,\t2\n] , \"b\" : { } , \"c\":[ ]\r} "),
            R"({"a":[1,2],"b":{},"c":[]})");
  EXPECT_EQ(Strict(" \"a b\" "), "\"a b\"");
}

TEST(Canonical, WritesEscapesInTheirShortestForm) {
  EXPECT_EQ(Strict(R"("\u0008\u0009\u000a\u000c\u000d\u0022\u005c\u002f\/")"),
            R"("\b\t\n\f\r\"\\//")");
  EXPECT_EQ(Strict(R"("\u0000\u001F\u007f\u2028\u00E9\ud83d\ude00")"),
            "\"\\u0000\\u001f\x7f\u2028\u00e9\U0001F600\"");
}

TEST(Canonical, KeysThatNeedEscapesAreEscaped) {
  EXPECT_EQ(Strict(R"({"b\"":1,"a\\":2,"\u000A":3})"),
            R"({"\n":3,"a\\":2,"b\"":1})");
  // Equal only once unescaped: the last one counts.
  EXPECT_EQ(Strict(R"({"\u0061":1,"a":2})"), R"({"a":2})");
}

TEST(Canonical, TheLastOfRepeatedKeysCounts) {
  EXPECT_EQ(Strict(R"({"a":1,"a":2})"), R"({"a":2})");
  EXPECT_EQ(Strict(R"({"b":1,"a":{"x":1},"b":[2],"a":3,"b":4})"),
            R"({"a":3,"b":4})");
}

TEST(Canonical, LeavesCanonicalTextsAsTheyAre) {
  for (std::string_view text :
       {R"({"a":[1,-2,{"b":"c\n"}],"d":{},"e":[],"f":null,"g":true})", "[]",
        "0", "\"\"", R"(["\u0001"])", "-9007199254740991"}) {
    EXPECT_EQ(Strict(text), text);
    EXPECT_EQ(Lax(text), text);
  }
}

TEST(Canonical, StrictRefusesOtherNumbers) {
  for (std::string_view number :
       {"1.0", "0.0", "0.5", "1e3", "0e5", "0E0", "-0", "-0.0", "1E+2",
        "9007199254740992", "-9007199254740992", "100000000000000000000"}) {
    const Result<std::string> result =
        Canonical("{\"a\":[1," + std::string(number) + "]}");
    ASSERT_FALSE(result.ok()) << number;
    EXPECT_EQ(result.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(result.status().errcode(), "M_BAD_JSON");
  }
  EXPECT_EQ(Strict("[9007199254740991,-9007199254740991,0]"),
            "[9007199254740991,-9007199254740991,0]");
}

TEST(Canonical, StrictIgnoresNumbersThatARepeatedKeyHides) {
  EXPECT_EQ(Strict(R"({"a":1.5,"a":2})"), R"({"a":2})");
}

TEST(Canonical, LaxKeepsLargeIntegersUnrounded) {
  EXPECT_EQ(Lax("[9007199254740993,18446744073709551617,-9223372036854775809]"),
            "[9007199254740993,18446744073709551617,-9223372036854775809]");
}

TEST(Canonical, LaxWritesFloatsAsDocumented) {
  EXPECT_EQ(Lax("[-0,-0.0,1e10,1.0,1E+2,100e-2]"), "[0,0,10000000000,1,100,1]");
  EXPECT_EQ(Lax("[0.50,1e-7,1e16,1e20,-1.5]"), "[0.5,1e-07,1e+16,1e+20,-1.5]");
}

TEST(Canonical, LaxRefusesInfinity) {
  EXPECT_EQ(Lax("1.7976931348623159e308"),
            "invalid-argument M_BAD_JSON: The number 1.7976931348623159e308 is "
            "not allowed");
}

TEST(Canonical, ReportsTextsThatAreNotJson) {
  const Result<std::string> result = Canonical("{");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().errcode(), "M_NOT_JSON");
}

TEST(Canonical, AppendsAndLeavesTheOutputAloneOnFailure) {
  const Document doc = *Document::Parse(R"([{"b":1,"a":2},{"x":"y","z":0.5}])");
  std::string out = "before ";
  EXPECT_TRUE(
      AppendCanonical(doc.root().at(0), NumberRule::kStrict, &out).ok());
  EXPECT_EQ(out, R"(before {"a":2,"b":1})");
  EXPECT_FALSE(AppendCanonical(doc.root(), NumberRule::kStrict, &out).ok());
  EXPECT_EQ(out, R"(before {"a":2,"b":1})");
  EXPECT_TRUE(AppendCanonical(Value(), NumberRule::kStrict, &out).ok());
  EXPECT_EQ(out, R"(before {"a":2,"b":1})");
}

TEST(Canonical, TakesOneValueOutOfItsText) {
  const Document doc = *Document::Parse(R"({"a":{"x":1},"b":[1,2],"c":"d"})");
  EXPECT_EQ(*Canonical(doc.root()["a"]), R"({"x":1})");
  EXPECT_EQ(*Canonical(doc.root()["b"]), "[1,2]");
  EXPECT_EQ(*Canonical(doc.root()["c"]), "\"d\"");
}

TEST(Canonical, DepthCostsNoCallStack) {
  ParseOptions options;
  options.max_depth = 1'000'000;
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += R"({"b":0,"a":)";
  text += "1" + std::string(200'000, '}');
  const Document doc = *Document::Parse(text, options);
  const std::string canonical = *Canonical(doc.root());
  EXPECT_EQ(canonical.substr(0, 15), R"({"a":{"a":{"a":)");
  EXPECT_EQ(canonical.size(), text.size());
}

TEST(Canonical, FindsNumbersThatAreNotStrict) {
  const auto strict = [](std::string_view text) {
    const Document doc = *Document::ParseView(text);
    return HasOnlyStrictNumbers(doc.root());
  };
  EXPECT_TRUE(strict(R"({"a":[1,"2.5",{"b":9007199254740991}]})"));
  EXPECT_FALSE(strict(R"({"a":[1,{"b":1.0}]})"));
  EXPECT_FALSE(strict("[-0]"));
  EXPECT_FALSE(strict("9007199254740992"));
  EXPECT_TRUE(HasOnlyStrictNumbers(Value()));
  // Only inside the value that is asked about.
  const Document doc = *Document::Parse(R"([{"a":1},0.5])");
  EXPECT_TRUE(HasOnlyStrictNumbers(doc.root().at(0)));
}

}  // namespace
}  // namespace matrixcore::json
