#include "service/event_fields.h"

#include <gtest/gtest.h>

namespace matrixcore {
namespace {

std::string Pick(const std::vector<std::string>& paths, std::string_view json) {
  const Result<json::Document> document = json::Document::ParseView(json);
  EXPECT_TRUE(document.ok());
  std::string text;
  json::Writer out(&text);
  EventFields(paths).Write(out, document->root());
  return text;
}

TEST(EventFieldsTest, NoPathsMeansAll) {
  EXPECT_TRUE(EventFields().all());
  EXPECT_TRUE(EventFields(std::vector<std::string>()).all());
  EXPECT_FALSE(EventFields({"type"}).all());
}

TEST(EventFieldsTest, KeepsWholeProperties) {
  EXPECT_EQ(Pick({"type", "content"},
                 R"({"content":{"a":[1, 2]},"sender":"@a:h","type":"t"})"),
            R"({"content":{"a":[1, 2]},"type":"t"})");
}

TEST(EventFieldsTest, ReachesIntoObjects) {
  EXPECT_EQ(Pick({"content.body", "content.info.size"},
                 R"({"content":{"body":"hi","info":{"size":1,"w":2},"x":3}})"),
            R"({"content":{"body":"hi","info":{"size":1}}})");
}

TEST(EventFieldsTest, AShorterPathGivesTheWhole) {
  EXPECT_EQ(
      Pick({"content.body", "content"}, R"({"content":{"body":1,"x":2}})"),
      R"({"content":{"body":1,"x":2}})");
}

TEST(EventFieldsTest, DoesNotReachIntoOtherValues) {
  EXPECT_EQ(Pick({"content.body"}, R"({"content":"text"})"), "{}");
}

TEST(EventFieldsTest, ABackslashEscapesDotsAndItself) {
  EXPECT_EQ(Pick({R"(content.m\.relates_to)", R"(a\\b)", R"(c\d)"},
                 R"({"content":{"m.relates_to":1,"m":2},"a\\b":3,"c\\d":4})"),
            R"({"content":{"m.relates_to":1},"a\\b":3,"c\\d":4})");
}

}  // namespace
}  // namespace matrixcore
