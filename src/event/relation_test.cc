// Spec: client-server API, "Forming relationships between events", "Validity of
// replacement events".
#include "matrixcore/event/relation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

namespace matrixcore {
namespace {

EventPtr Make(std::string_view id, std::string_view content,
              std::string_view sender = "@a:x",
              std::string_view type = "m.room.message",
              std::string_view more = "") {
  auto event = Event::FromTrusted(
      fmt::format(R"({{"auth_events":[],"content":{},"depth":1,)"
                  R"("origin_server_ts":1,"prev_events":[],"room_id":"!r:x",)"
                  R"("sender":"{}",{}"type":"{}"}})",
                  content, sender, more, type),
      *FindRoomVersion("11"), std::string(id));
  EXPECT_TRUE(event.ok()) << event.status().ToString();
  return event.value();
}

std::string Relates(std::string_view rel_type, std::string_view id,
                    std::string_view more = "") {
  return fmt::format(
      R"({{{}"m.relates_to":{{"event_id":"{}","rel_type":"{}"}}}})", more, id,
      rel_type);
}

constexpr std::string_view kNew = R"("m.new_content":{"body":"b"},)";

TEST(RelationTest, ReadsTypeTargetAndKey) {
  const EventPtr event = Make("$1", R"({"m.relates_to":{"event_id":"$t",)"
                                    R"("key":"👍","rel_type":"m.annotation"}})");
  const auto relation = RelationOf(*event);
  ASSERT_TRUE(relation);
  EXPECT_EQ(relation->rel_type, "m.annotation");
  EXPECT_EQ(relation->event_id, "$t");
  EXPECT_EQ(relation->key, "👍");
}

TEST(RelationTest, OnlyAnnotationsHaveAKey) {
  const EventPtr event = Make(
      "$1",
      R"({"m.relates_to":{"event_id":"$t","key":"k","rel_type":"m.thread"}})");
  EXPECT_FALSE(RelationOf(*event)->key);
}

TEST(RelationTest, WhatDoesNotMatchTheSchemaIsNone) {
  for (const std::string content :
       {R"({})", R"({"m.relates_to":null})", R"({"m.relates_to":[]})",
        R"({"m.relates_to":{"rel_type":"m.thread"}})",
        R"({"m.relates_to":{"event_id":"$t"}})",
        R"({"m.relates_to":{"event_id":7,"rel_type":"m.thread"}})",
        R"({"m.relates_to":{"event_id":"$t","rel_type":7}})",
        R"({"m.relates_to":{"event_id":"t","rel_type":"m.thread"}})",
        R"({"m.relates_to":{"m.in_reply_to":{"event_id":"$t"}}})"}) {
    EXPECT_FALSE(RelationOf(*Make("$1", content))) << content;
  }
  EXPECT_FALSE(RelationOf(
      *Make("$1", Relates("m.thread", "$" + std::string(255, 'x')))));
}

TEST(RelationTest, AReplacementNeedsTheSameSenderAndTypeAndNewContent) {
  const EventPtr original = Make("$o", R"({"body":"a"})");
  EXPECT_TRUE(IsValidReplacement(*Make("$e", Relates("m.replace", "$o", kNew)),
                                 *original));
  EXPECT_FALSE(IsValidReplacement(
      *Make("$e", Relates("m.replace", "$o", kNew), "@b:x"), *original));
  EXPECT_FALSE(IsValidReplacement(
      *Make("$e", Relates("m.replace", "$o", kNew), "@a:x", "m.sticker"),
      *original));
  EXPECT_FALSE(
      IsValidReplacement(*Make("$e", Relates("m.replace", "$o")), *original));
  EXPECT_FALSE(IsValidReplacement(
      *Make("$e", Relates("m.replace", "$other", kNew)), *original));
  EXPECT_FALSE(IsValidReplacement(
      *Make("$e", Relates("m.reference", "$o", kNew)), *original));
}

TEST(RelationTest, StateAndEditsAreNotReplaced) {
  const std::string edit = Relates("m.replace", "$o", kNew);
  EXPECT_FALSE(IsValidReplacement(
      *Make("$e", edit),
      *Make("$o", "{}", "@a:x", "m.room.message", R"("state_key":"",)")));
  EXPECT_FALSE(IsValidReplacement(
      *Make("$e", edit, "@a:x", "m.room.message", R"("state_key":"",)"),
      *Make("$o", "{}")));
  EXPECT_FALSE(IsValidReplacement(
      *Make("$e", edit), *Make("$o", Relates("m.replace", "$older", kNew))));
  EXPECT_TRUE(IsValidReplacement(*Make("$e", edit),
                                 *Make("$o", Relates("m.thread", "$root"))));
}

TEST(RelationTest, AnEncryptedReplacementHidesItsNewContent) {
  EXPECT_TRUE(IsValidReplacement(
      *Make("$e", Relates("m.replace", "$o"), "@a:x", "m.room.encrypted"),
      *Make("$o", "{}", "@a:x", "m.room.encrypted")));
  EXPECT_FALSE(IsValidReplacement(
      *Make("$e", Relates("m.replace", "$o"), "@a:x", "m.room.encrypted"),
      *Make("$o", "{}")));
}

}  // namespace
}  // namespace matrixcore
