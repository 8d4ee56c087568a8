#include "matrixcore/json/value.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

namespace matrixcore::json {
namespace {

std::optional<int64_t> Int(std::string_view text) {
  const Document doc = *Document::ParseView(text);
  return doc.root().AsInt();
}
std::optional<double> Double(std::string_view text) {
  const Document doc = *Document::ParseView(text);
  return doc.root().AsDouble();
}
bool Same(std::string_view a, std::string_view b) {
  const Document a_doc = *Document::ParseView(a);
  const Document b_doc = *Document::ParseView(b);
  EXPECT_EQ(Equal(a_doc.root(), b_doc.root()),
            Equal(b_doc.root(), a_doc.root()));
  return Equal(a_doc.root(), b_doc.root());
}

TEST(Value, MissingAnswersEmptyEverywhere) {
  const Value value;
  EXPECT_TRUE(value.IsMissing());
  EXPECT_FALSE(static_cast<bool>(value));
  EXPECT_FALSE(value.IsNull());
  EXPECT_EQ(value.AsBool(), std::nullopt);
  EXPECT_EQ(value.AsInt(), std::nullopt);
  EXPECT_EQ(value.AsDouble(), std::nullopt);
  EXPECT_EQ(value.AsString(), std::nullopt);
  EXPECT_EQ(value.StringOr("fallback"), "fallback");
  EXPECT_EQ(value.size(), 0u);
  EXPECT_TRUE(value.empty());
  EXPECT_TRUE(value["a"]["b"].at(3).IsMissing());
  EXPECT_EQ(value.raw(), "");
  EXPECT_EQ(value.begin(), value.end());
  EXPECT_EQ(value.members().begin(), value.members().end());
}

TEST(Value, WrongKindsAnswerEmpty) {
  const Document doc = *Document::Parse(R"(["1",1,true,null,{"a":1}])");
  const Value root = doc.root();
  EXPECT_EQ(root.at(0).AsInt(), std::nullopt);
  EXPECT_EQ(root.at(0).AsDouble(), std::nullopt);
  EXPECT_EQ(root.at(0).size(), 0u);
  EXPECT_EQ(root.at(1).AsBool(), std::nullopt);
  EXPECT_EQ(root.at(1).AsString(), std::nullopt);
  EXPECT_EQ(root.at(2).AsInt(), std::nullopt);
  EXPECT_EQ(root.at(3).AsBool(), std::nullopt);
  EXPECT_TRUE(root["a"].IsMissing());
  EXPECT_TRUE(root.at(4).at(0).IsMissing());
  EXPECT_TRUE(root.at(5).IsMissing());
  EXPECT_EQ(root.at(1).begin(), root.at(1).end());
  EXPECT_EQ(root.members().begin(), root.members().end());
}

TEST(Value, AsIntCoversInt64Exactly) {
  EXPECT_EQ(Int("0"), 0);
  EXPECT_EQ(Int("-1"), -1);
  EXPECT_EQ(Int("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(Int("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(Int("9223372036854775808"), std::nullopt);
  EXPECT_EQ(Int("-9223372036854775809"), std::nullopt);
  EXPECT_EQ(Int("1.0"), std::nullopt);
  EXPECT_EQ(Int("1e3"), std::nullopt);
  EXPECT_EQ(Int("-0"), std::nullopt);
}

TEST(Value, OnlyPlainDigitsAreIntegers) {
  for (std::string_view text : {"0", "10", "-5", "123456789012345678901234"}) {
    EXPECT_TRUE(Document::ParseView(text)->root().IsInteger()) << text;
  }
  for (std::string_view text : {"-0", "0.0", "1.0", "1e2", "1E2", "-0.0"}) {
    const Document doc = *Document::ParseView(text);
    EXPECT_EQ(doc.root().kind(), Kind::kFloat) << text;
    EXPECT_TRUE(doc.root().IsNumber()) << text;
  }
}

TEST(Value, AsDoubleRoundsAnyNumber) {
  EXPECT_EQ(Double("1"), 1.0);
  EXPECT_EQ(Double("-2.5e-1"), -0.25);
  EXPECT_EQ(Double("1e308"), 1e308);
  EXPECT_EQ(Double("123456789012345678901234567890"),
            123456789012345678901234567890.0);
  EXPECT_EQ(Double("5e-324"), 5e-324);
  EXPECT_EQ(Double("1e-400"), 0.0);
  EXPECT_EQ(Double("-0.0000e0"), 0.0);
  EXPECT_TRUE(std::signbit(*Double("-1e-400")));
  // Passes the reader's rough limit, yet is infinite as a double.
  EXPECT_EQ(Double("1.7976931348623159e308"), std::nullopt);
}

TEST(Value, IteratesArrays) {
  const Document doc = *Document::Parse(R"([1,[2,[3]],{"a":4},"5"])");
  std::vector<std::string> seen;
  for (Value element : doc.root()) seen.emplace_back(element.raw());
  EXPECT_EQ(seen,
            (std::vector<std::string>{"1", "[2,[3]]", R"({"a":4})", "\"5\""}));
  EXPECT_EQ(doc.root().begin().key(), "");
  EXPECT_EQ(doc.root().at(3).AsString(), "5");
  EXPECT_TRUE(doc.root().at(4).IsMissing());
}

TEST(Value, IteratesMembersInTextOrderRepeatedOnesToo) {
  const Document doc =
      *Document::Parse(R"({"b":[1],"a":{"x":{}},"b":2,"\n":3})");
  std::vector<std::string> seen;
  for (auto [key, value] : doc.root().members()) {
    seen.push_back(std::string(key) + "=" + std::string(value.raw()));
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"b=[1]", R"(a={"x":{}})", "b=2",
                                            "\n=3"}));
  std::vector<std::string> values;
  for (Value value : doc.root()) values.emplace_back(value.raw());
  EXPECT_EQ(values, (std::vector<std::string>{"[1]", R"({"x":{}})", "2", "3"}));
}

TEST(Value, EmptyContainersIterateNothing) {
  const Document doc = *Document::Parse("[[],{}]");
  EXPECT_EQ(doc.root().at(0).begin(), doc.root().at(0).end());
  EXPECT_EQ(doc.root().at(1).begin(), doc.root().at(1).end());
  EXPECT_TRUE(doc.root().at(0).empty());
  EXPECT_FALSE(doc.root().empty());
}

TEST(Equal, ComparesNumbersByValue) {
  EXPECT_TRUE(Same("1", "1.0"));
  EXPECT_TRUE(Same("100", "1e2"));
  EXPECT_TRUE(Same("0.5", "5e-1"));
  EXPECT_TRUE(Same("0.050", "5.0E-2"));
  EXPECT_TRUE(Same("0", "-0.000e9"));
  EXPECT_TRUE(Same("123456789012345678901234567890",
                   "1.2345678901234567890123456789e29"));
  EXPECT_FALSE(
      Same("123456789012345678901234567890", "123456789012345678901234567891"));
  EXPECT_FALSE(Same("1", "-1"));
  EXPECT_FALSE(Same("1", "10"));
  EXPECT_FALSE(Same("1e-400", "0"));
}

TEST(Equal, ComparesStringsUnescaped) {
  EXPECT_TRUE(Same(R"("\u0061\/")", R"("a/")"));
  EXPECT_FALSE(Same(R"("a")", R"("A")"));
  EXPECT_FALSE(Same(R"("1")", "1"));
}

TEST(Equal, IgnoresTheOrderOfMembers) {
  EXPECT_TRUE(
      Same(R"({"a":1,"b":[true,null]})", R"({ "b":[true,null],"a":1.0 })"));
  EXPECT_FALSE(Same(R"({"a":1})", R"({"a":1,"b":1})"));
  EXPECT_FALSE(Same(R"({"a":1,"b":2})", R"({"a":1,"c":2})"));
  EXPECT_FALSE(Same("[1,2]", "[2,1]"));
  EXPECT_FALSE(Same("[1,2]", "[1,2,3]"));
  EXPECT_FALSE(Same("[]", "{}"));
  EXPECT_FALSE(Same("true", "false"));
  EXPECT_TRUE(Same("null", "null"));
  EXPECT_FALSE(Same("[[[1]]]", "[[[2]]]"));
}

TEST(Equal, OnlyTheLastOfRepeatedKeysCounts) {
  EXPECT_TRUE(Same(R"({"a":1,"a":2})", R"({"a":2})"));
  EXPECT_FALSE(Same(R"({"a":2,"a":1})", R"({"a":2})"));
}

TEST(Equal, MissingEqualsOnlyMissing) {
  const Document doc = *Document::Parse("null");
  EXPECT_TRUE(Equal(Value(), Value()));
  EXPECT_FALSE(Equal(Value(), doc.root()));
  EXPECT_FALSE(Equal(doc.root(), Value()));
}

}  // namespace
}  // namespace matrixcore::json
