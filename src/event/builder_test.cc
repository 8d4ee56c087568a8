#include "matrixcore/event/builder.h"

#include <gtest/gtest.h>

#include <string>

#include "matrixcore/event/signing.h"
#include "matrixcore/json/canonical.h"

namespace matrixcore {
namespace {

SigningKey Key() {
  Ed25519Seed seed;
  seed.fill(7);
  return SigningKey::FromSeed(seed, "auto");
}

EventDraft Draft() {
  return {.type = "m.room.topic",
          .sender = "@alice:example.org",
          .state_key = "",
          .content = R"({ "topic": "caf\u00e9", "a": [true, null] })"};
}

EventPlace Place() {
  EventPlace place;
  place.room_id = "!room:example.org";
  place.prev_events = {"$prev"};
  place.auth_events = {"$create", "$levels"};
  place.depth = 9;
  place.now = {1700000000000};
  return place;
}

Result<EventPtr> Build(const EventDraft& draft, const EventPlace& place,
                       const char* version) {
  return BuildEvent(draft, place, "example.org", Key(),
                    *FindRoomVersion(version), "opaque");
}

TEST(BuilderTest, BuildsWhatParseWouldAcceptInEveryVersion) {
  for (const RoomVersionRules* rules : AllRoomVersions()) {
    Result<EventPtr> built =
        BuildEvent(Draft(), Place(), "example.org", Key(), *rules, "opaque");
    ASSERT_TRUE(built.ok()) << rules->id << built.status().message();
    Result<EventPtr> parsed = Event::Parse((*built)->json(), *rules);
    ASSERT_TRUE(parsed.ok()) << rules->id << parsed.status().message();
    EXPECT_EQ((*parsed)->json(), (*built)->json());
    EXPECT_EQ((*parsed)->event_id(), (*built)->event_id());
    EXPECT_EQ(*json::Canonical((*built)->json()), (*built)->json());
    EXPECT_EQ((*built)->prev_events(), std::vector<std::string>{"$prev"});
    EXPECT_EQ((*built)->content_json(),
              "{\"a\":[true,null],\"topic\":\"caf\xC3\xA9\"}");
  }
}

TEST(BuilderTest, VersionOneNamesEventsWithHashes) {
  EventPlace place = Place();
  place.auth_hashes = {Sha256(""), Sha256("a")};
  Result<EventPtr> built = Build(Draft(), place, "1");
  ASSERT_TRUE(built.ok());
  EXPECT_EQ((*built)->event_id(), "$opaque:example.org");
  Result<json::Document> document = (*built)->Document();
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(
      document->root()["auth_events"].raw(),
      R"([["$create",{"sha256":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"}],)"
      R"(["$levels",{"sha256":"ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs"}]])");
  EXPECT_EQ(document->root()["prev_events"].raw(), R"([["$prev",{}]])");
}

TEST(BuilderTest, PutsRedactsWhereTheVersionWantsIt) {
  EventDraft draft{.type = "m.room.redaction",
                   .sender = "@alice:example.org",
                   .content = R"({"reason":"spam"})",
                   .redacts = "$bad"};
  Result<EventPtr> old = Build(draft, Place(), "10");
  ASSERT_TRUE(old.ok());
  EXPECT_EQ((*old)->redacts(), "$bad");
  EXPECT_EQ((*old)->content_json(), R"({"reason":"spam"})");
  Result<EventPtr> fresh = Build(draft, Place(), "11");
  ASSERT_TRUE(fresh.ok());
  EXPECT_EQ((*fresh)->redacts(), "$bad");
  EXPECT_EQ((*fresh)->content_json(), R"({"reason":"spam","redacts":"$bad"})");
}

TEST(BuilderTest, CreateOfVersionTwelveHasNoRoomId) {
  EventPlace place;
  place.now = {1};
  Result<EventPtr> built = Build({.type = "m.room.create",
                                  .sender = "@alice:example.org",
                                  .state_key = "",
                                  .content = R"({"room_version":"12"})"},
                                 place, "12");
  ASSERT_TRUE(built.ok()) << built.status().message();
  EXPECT_EQ((*built)->room_id(), "!" + (*built)->event_id().substr(1));
  EXPECT_EQ((*built)->json().find("room_id"), std::string::npos);
}

TEST(BuilderTest, DraftTimeReplacesTheClock) {
  EventDraft draft = Draft();
  EXPECT_EQ((*Build(draft, Place(), "11"))->origin_server_ts(), 1700000000000);
  draft.origin_server_ts = Timestamp{42};
  EXPECT_EQ((*Build(draft, Place(), "11"))->origin_server_ts(), 42);
}

TEST(BuilderTest, RefusesBadContent) {
  for (const char* content : {"", "[]", "{", "\"x\"", "1"}) {
    EventDraft draft = Draft();
    draft.content = content;
    const Status status = Build(draft, Place(), "11").status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << content;
  }
  EventDraft draft = Draft();
  draft.content = R"({"n":1.5})";
  EXPECT_EQ(Build(draft, Place(), "11").status().errcode(), "M_BAD_JSON");
  EXPECT_TRUE(Build(draft, Place(), "5").ok());
}

TEST(BuilderTest, RefusesWhatIsTooLarge) {
  EventDraft draft = Draft();
  draft.content = "{\"a\":\"" + std::string(66000, 'x') + "\"}";
  EXPECT_EQ(Build(draft, Place(), "11").status().code(), StatusCode::kTooLarge);
  draft = Draft();
  draft.state_key = std::string(256, 'x');
  EXPECT_EQ(Build(draft, Place(), "11").status().errcode(), "M_TOO_LARGE");
  EventPlace place = Place();
  place.prev_events.assign(21, "$p");
  EXPECT_EQ(Build(Draft(), place, "11").status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace matrixcore
