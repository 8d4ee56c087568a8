#include "matrixcore/service/event_filter.h"

#include <gtest/gtest.h>

namespace matrixcore {
namespace {

SyncFilter Parse(const std::string& text) {
  auto document = json::Document::Parse(text);
  EXPECT_TRUE(document.ok());
  auto filter = ParseSyncFilter(document->root());
  EXPECT_TRUE(filter.ok()) << filter.status().ToString();
  return filter.ok() ? *filter : SyncFilter();
}

Status ParseError(const std::string& text) {
  auto document = json::Document::Parse(text);
  EXPECT_TRUE(document.ok());
  return ParseSyncFilter(document->root()).status();
}

TEST(WildcardMatchTest, StarsStandForAnyText) {
  EXPECT_TRUE(WildcardMatch("m.room.*", "m.room.message"));
  EXPECT_TRUE(WildcardMatch("*", ""));
  EXPECT_TRUE(WildcardMatch("a*b*c", "a--b--b--c"));
  EXPECT_FALSE(WildcardMatch("a*b*c", "a--c--b"));
  EXPECT_FALSE(WildcardMatch("m.room", "m.room.message"));
  EXPECT_FALSE(WildcardMatch("", "x"));
}

TEST(EventFilterTest, NotTypesWinOverTypes) {
  const SyncFilter filter = Parse(
      R"({"room":{"timeline":{"types":["m.room.*"],"not_types":["m.room.member"]}}})");
  EXPECT_TRUE(filter.room.timeline.AllowsType("m.room.message"));
  EXPECT_FALSE(filter.room.timeline.AllowsType("m.room.member"));
  EXPECT_FALSE(filter.room.timeline.AllowsType("org.example"));
}

TEST(EventFilterTest, EmptyListAllowsNothing) {
  const SyncFilter filter = Parse(R"({"presence":{"types":[]}})");
  EXPECT_TRUE(filter.presence.AllowsNothing());
  EXPECT_FALSE(filter.presence.AllowsType("m.presence"));
  EXPECT_FALSE(filter.account_data.AllowsNothing());
}

TEST(EventFilterTest, RoomsAreChosenByBothLists) {
  const SyncFilter filter =
      Parse(R"({"room":{"rooms":["!a:x","!b:x"],"not_rooms":["!b:x"]}})");
  EXPECT_TRUE(filter.room.AllowsRoom("!a:x"));
  EXPECT_FALSE(filter.room.AllowsRoom("!b:x"));
  EXPECT_FALSE(filter.room.AllowsRoom("!c:x"));
}

TEST(EventFilterTest, ReadsTheFlagsAndTheLimit) {
  const SyncFilter filter = Parse(
      R"({"event_format":"federation","room":{"include_leave":true,
          "state":{"lazy_load_members":true},"timeline":{"limit":5}}})");
  EXPECT_TRUE(filter.federation_format);
  EXPECT_TRUE(filter.room.include_leave);
  EXPECT_TRUE(filter.room.state.lazy_load_members);
  EXPECT_EQ(filter.room.timeline.limit, 5u);
}

TEST(EventFilterTest, ReadsWhatMustRelateToAnEvent) {
  const SyncFilter filter = Parse(
      R"({"room":{"timeline":{"related_by_senders":["@a:x"],
          "related_by_rel_types":["m.thread"]}}})");
  EXPECT_TRUE(filter.room.timeline.AsksForRelations());
  EXPECT_EQ(filter.room.timeline.related_by_senders,
            std::vector<std::string>{"@a:x"});
  EXPECT_EQ(filter.room.timeline.related_by_rel_types,
            std::vector<std::string>{"m.thread"});
  EXPECT_FALSE(filter.room.state.AsksForRelations());
  EXPECT_FALSE(
      ParseError(R"({"room":{"timeline":{"related_by_senders":7}}})").ok());
}

TEST(EventFilterTest, WrongTypesAreNamed) {
  EXPECT_EQ(ParseError(R"({"room":{"timeline":{"types":"m.x"}}})").errcode(),
            "M_BAD_JSON");
  EXPECT_EQ(ParseError(R"({"room":{"timeline":{"limit":-1}}})").message(),
            "filter: limit must be a number from 0");
  EXPECT_FALSE(ParseError(R"({"event_format":"other"})").ok());
  EXPECT_FALSE(ParseError(R"({"room":[]})").ok());
}

}  // namespace
}  // namespace matrixcore
