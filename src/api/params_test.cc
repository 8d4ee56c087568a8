#include "api/params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/api/services.h"

namespace matrixcore::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

json::Document Parse(std::string text) {
  return std::move(json::Document::Parse(std::move(text))).value();
}

std::string_view ErrcodeOf(const Status& status) { return status.errcode(); }

TEST(ParamsTest, RequiredFieldsAreMissingOrWrongApart) {
  const json::Document doc = Parse(R"({"s":"x","n":null,"i":5,"f":1.5})");
  const json::Value root = doc.root();
  EXPECT_EQ(*RequiredString(root, "s"), "x");
  EXPECT_EQ(ErrcodeOf(RequiredString(root, "none").status()),
            "M_MISSING_PARAM");
  EXPECT_EQ(ErrcodeOf(RequiredString(root, "n").status()), "M_MISSING_PARAM");
  EXPECT_EQ(ErrcodeOf(RequiredString(root, "i").status()), "M_BAD_JSON");
  EXPECT_EQ(*RequiredInt(root, "i"), 5);
  EXPECT_EQ(ErrcodeOf(RequiredInt(root, "f").status()), "M_BAD_JSON");
  EXPECT_EQ(ErrcodeOf(RequiredBool(root, "i").status()), "M_BAD_JSON");
  EXPECT_EQ(ErrcodeOf(RequiredObject(root, "s").status()), "M_BAD_JSON");
  EXPECT_EQ(ErrcodeOf(RequiredArray(root, "s").status()), "M_BAD_JSON");
}

TEST(ParamsTest, OptionalFieldsHaveDefaultsButNotForWrongTypes) {
  const json::Document doc =
      Parse(R"({"n":null,"s":"x","b":true,"a":["p","q"]})");
  const json::Value root = doc.root();
  EXPECT_EQ(*OptionalInt(root, "n", 7), 7);
  EXPECT_EQ(ErrcodeOf(OptionalInt(root, "s", 7).status()), "M_BAD_JSON");
  EXPECT_TRUE(*OptionalBool(root, "b", false));
  EXPECT_FALSE(*OptionalBool(root, "none", false));
  EXPECT_EQ(*OptionalString(root, "n"), std::nullopt);
  EXPECT_TRUE(OptionalObject(root, "none")->IsMissing());
  EXPECT_THAT(*OptionalStrings(root, "a"), ElementsAre("p", "q"));
  EXPECT_THAT(*OptionalStrings(root, "none"), IsEmpty());
  const json::Document mixed = Parse(R"({"a":["p",1]})");
  EXPECT_EQ(ErrcodeOf(OptionalStrings(mixed.root(), "a").status()),
            "M_BAD_JSON");
}

TEST(ParamsTest, IntegersBeyondTheJsonRangeAreRefused) {
  const json::Document doc =
      Parse(R"({"max":9007199254740991,"over":9007199254740992})");
  EXPECT_EQ(*RequiredInt(doc.root(), "max"), 9007199254740991);
  EXPECT_EQ(ErrcodeOf(RequiredInt(doc.root(), "over").status()), "M_BAD_JSON");
}

// A Call of which only the target is looked at.
struct QueryCall {
  explicit QueryCall(std::string_view target)
      : call(*reinterpret_cast<Services*>(storage), HttpRequest()) {
    call.target = *UrlTarget::Parse(target);
  }
  alignas(16) char storage[16] = {};
  Call call;
};

TEST(ParamsTest, QueryNumbers) {
  const QueryCall q("/x?a=10&b=-1&c=1x&d=&e=99999999999999999999");
  EXPECT_EQ(*QueryInt(q.call, "a"), 10);
  EXPECT_EQ(*QueryInt(q.call, "none"), std::nullopt);
  EXPECT_EQ(*QueryInt(q.call, "b", -5), -1);
  for (const std::string_view name : {"b", "c", "d", "e"}) {
    EXPECT_EQ(ErrcodeOf(QueryInt(q.call, name).status()), "M_INVALID_PARAM")
        << name;
  }
}

TEST(ParamsTest, QueryWords) {
  const QueryCall q("/x?dir=b&flag=true&bad=yes&via=a&via=b");
  EXPECT_TRUE(*RequiredBackwards(q.call));
  EXPECT_TRUE(*QueryBool(q.call, "flag", false));
  EXPECT_TRUE(*QueryBool(q.call, "none", true));
  EXPECT_EQ(ErrcodeOf(QueryBool(q.call, "bad", false).status()),
            "M_INVALID_PARAM");
  EXPECT_EQ(ErrcodeOf(QueryEnum(q.call, "bad", {"no"}).status()),
            "M_INVALID_PARAM");
  EXPECT_THAT(QueryStrings(q.call, "via"), ElementsAre("a", "b"));
  const QueryCall none("/x");
  EXPECT_EQ(ErrcodeOf(RequiredBackwards(none.call).status()),
            "M_MISSING_PARAM");
  EXPECT_EQ(ErrcodeOf(RequiredQuery(none.call, "q").status()),
            "M_MISSING_PARAM");
  const QueryCall sideways("/x?dir=up");
  EXPECT_EQ(ErrcodeOf(RequiredBackwards(sideways.call).status()),
            "M_INVALID_PARAM");
}

TEST(ParamsTest, RepliesAreWrittenAsOneObject) {
  EXPECT_EQ(ObjectReply([](json::Writer& w) { w.Field("a", 1); }).body,
            R"({"a":1})");
  const Result<Reply> failed =
      TryObjectReply([](json::Writer&) { return NotFound("gone"); });
  EXPECT_EQ(ErrcodeOf(failed.status()), "M_NOT_FOUND");
}

}  // namespace
}  // namespace matrixcore::api
