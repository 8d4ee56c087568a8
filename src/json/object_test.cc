#include "matrixcore/json/object.h"

#include <gtest/gtest.h>

#include <string>

namespace matrixcore::json {
namespace {

Object Parse(std::string_view text) {
  const Document doc = *Document::ParseView(text);
  return Object::From(doc.root());
}

TEST(Object, CopiesMembersAndSortsThem) {
  const Object object = Parse(R"({"b": [1, 2],"a":"x","\u0063":{"z":1}})");
  EXPECT_EQ(object.size(), 3u);
  EXPECT_EQ(object.Get("b"), "[1, 2]");
  EXPECT_EQ(object.ToJson(), R"({"a":"x","b":[1, 2],"c":{"z":1}})");
}

TEST(Object, TheLastOfRepeatedKeysCounts) {
  EXPECT_EQ(Parse(R"({"a":1,"b":2,"a":3})").ToJson(), R"({"a":3,"b":2})");
}

TEST(Object, OtherKindsGiveAnEmptyOne) {
  EXPECT_TRUE(Parse("[1,2]").empty());
  EXPECT_TRUE(Parse("null").empty());
  EXPECT_TRUE(Object::From(Value()).empty());
  EXPECT_EQ(Object().ToJson(), "{}");
}

TEST(Object, SetsReplacesAndErases) {
  Object object = Parse(R"({"a":1})");
  object.SetString("name", "q\"\n");
  object.SetInt("number", -5);
  object.SetBool("yes", true);
  object.SetBool("no", false);
  object.SetRaw("a", "[]");
  object.Erase("no");
  object.Erase("absent");
  EXPECT_EQ(object.ToJson(),
            R"({"a":[],"name":"q\"\n","number":-5,"yes":true})");
  EXPECT_TRUE(object.Has("yes"));
  EXPECT_FALSE(object.Has("no"));
  EXPECT_EQ(object.Get("no"), "");
}

TEST(Object, ComparesByMembers) {
  EXPECT_EQ(Parse(R"({"a":1,"b":2})"), Parse(R"({"b":2,"a":1})"));
  EXPECT_NE(Parse(R"({"a":1})"), Parse(R"({"a":2})"));
}

TEST(Object, EscapesKeys) {
  Object object;
  object.SetInt("a\"\n", 1);
  EXPECT_EQ(object.ToJson(), R"({"a\"\n":1})");
}

}  // namespace
}  // namespace matrixcore::json
