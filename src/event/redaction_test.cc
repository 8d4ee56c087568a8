#include "matrixcore/event/redaction.h"

#include <gtest/gtest.h>

#include <string>

#include "matrixcore/event/types.h"
#include "matrixcore/json/object.h"

namespace matrixcore {
namespace {

std::string Redact(std::string_view version, const std::string& event) {
  Result<json::Document> document = json::Document::Parse(event);
  EXPECT_TRUE(document.ok()) << event;
  Result<std::string> redacted =
      RedactJson(document->root(), *FindRoomVersion(version));
  EXPECT_TRUE(redacted.ok());
  return redacted.ok() ? *redacted : "";
}

// The content that survives in an event of that type.
std::string RedactContent(std::string_view version, std::string_view type,
                          std::string content) {
  json::Object event;
  event.SetString("type", type);
  event.SetRaw("content", std::move(content));
  const std::string redacted = Redact(version, event.ToJson());
  const std::string tail = ",\"type\":\"" + std::string(type) + "\"}";
  EXPECT_TRUE(redacted.starts_with("{\"content\":")) << redacted;
  EXPECT_TRUE(redacted.ends_with(tail)) << redacted;
  return redacted.substr(11, redacted.size() - 11 - tail.size());
}

TEST(RedactionTest, TopLevelKeys) {
  const std::string event =
      R"({"age_ts":1,"auth_events":[],"content":{"body":"x"},"depth":1,)"
      R"("event_id":"$e","hashes":{},"membership":"join","origin":"o",)"
      R"("origin_server_ts":1,"prev_events":[],"prev_state":[],"redacts":"$r",)"
      R"("room_id":"!r","sender":"@a:b","signatures":{},"state_key":"",)"
      R"("type":"t","unsigned":{"age":1},"user_id":"@a:b"})";
  EXPECT_EQ(Redact("10", event),
            R"({"auth_events":[],"content":{},"depth":1,"event_id":"$e",)"
            R"("hashes":{},"membership":"join","origin":"o",)"
            R"("origin_server_ts":1,"prev_events":[],"prev_state":[],)"
            R"("room_id":"!r","sender":"@a:b","signatures":{},"state_key":"",)"
            R"("type":"t"})");
  EXPECT_EQ(Redact("11", event),
            R"({"auth_events":[],"content":{},"depth":1,"event_id":"$e",)"
            R"("hashes":{},"origin_server_ts":1,"prev_events":[],)"
            R"("room_id":"!r","sender":"@a:b","signatures":{},"state_key":"",)"
            R"("type":"t"})");
}

TEST(RedactionTest, Member) {
  const std::string content =
      R"({"displayname":"A","join_authorised_via_users_server":"@x:y",)"
      R"("membership":"join","third_party_invite":{"display_name":"d",)"
      R"("signed":{"mxid":"@a:b"}}})";
  EXPECT_EQ(RedactContent("8", kTypeMember, content),
            R"({"membership":"join"})");
  EXPECT_EQ(
      RedactContent("9", kTypeMember, content),
      R"({"join_authorised_via_users_server":"@x:y","membership":"join"})");
  EXPECT_EQ(RedactContent("11", kTypeMember, content),
            R"({"join_authorised_via_users_server":"@x:y","membership":"join",)"
            R"("third_party_invite":{"signed":{"mxid":"@a:b"}}})");
}

TEST(RedactionTest, ThirdPartyInviteOfVersionElevenWithoutSigned) {
  EXPECT_EQ(RedactContent("11", kTypeMember,
                          R"({"third_party_invite":{"display_name":"d"}})"),
            R"({"third_party_invite":{}})");
  EXPECT_EQ(
      RedactContent("11", kTypeMember, R"({"third_party_invite":"text"})"),
      "{}");
  EXPECT_EQ(RedactContent("11", kTypeMember,
                          R"({"membership":"x","third_party_invite":[1]})"),
            R"({"membership":"x"})");
}

TEST(RedactionTest, Create) {
  const std::string content = R"({"creator":"@a:b","room_version":"1"})";
  EXPECT_EQ(RedactContent("10", kTypeCreate, content), R"({"creator":"@a:b"})");
  EXPECT_EQ(RedactContent("11", kTypeCreate, content), content);
}

TEST(RedactionTest, JoinRules) {
  const std::string content = R"({"allow":[1],"join_rule":"restricted"})";
  EXPECT_EQ(RedactContent("7", kTypeJoinRules, content),
            R"({"join_rule":"restricted"})");
  EXPECT_EQ(RedactContent("8", kTypeJoinRules, content), content);
}

TEST(RedactionTest, PowerLevels) {
  const std::string content =
      R"({"ban":1,"events":{"x":1},"events_default":2,"invite":3,"kick":4,)"
      R"("notifications":{"room":5},"redact":6,"state_default":7,)"
      R"("users":{"@a:b":8},"users_default":9})";
  EXPECT_EQ(RedactContent("10", kTypePowerLevels, content),
            R"({"ban":1,"events":{"x":1},"events_default":2,"kick":4,)"
            R"("redact":6,"state_default":7,"users":{"@a:b":8},)"
            R"("users_default":9})");
  EXPECT_EQ(RedactContent("11", kTypePowerLevels, content),
            R"({"ban":1,"events":{"x":1},"events_default":2,"invite":3,)"
            R"("kick":4,"redact":6,"state_default":7,"users":{"@a:b":8},)"
            R"("users_default":9})");
}

TEST(RedactionTest, KeysThatNeedEscapesStayEscaped) {
  const std::string content =
      R"({"events":{"a\"b":1,"line\nbreak":2},"users":{"@q\"\\:x":3}})";
  EXPECT_EQ(RedactContent("11", kTypePowerLevels, content), content);
}

TEST(RedactionTest, AliasesVisibilityRedactionAndTheRest) {
  EXPECT_EQ(RedactContent("5", kTypeAliases, R"({"aliases":["#a:b"],"x":1})"),
            R"({"aliases":["#a:b"]})");
  EXPECT_EQ(RedactContent("6", kTypeAliases, R"({"aliases":["#a:b"]})"), "{}");
  EXPECT_EQ(RedactContent("1", kTypeHistoryVisibility,
                          R"({"history_visibility":"shared","x":1})"),
            R"({"history_visibility":"shared"})");
  EXPECT_EQ(RedactContent("10", kTypeRedaction, R"({"redacts":"$x"})"), "{}");
  EXPECT_EQ(
      RedactContent("11", kTypeRedaction, R"({"reason":"","redacts":"$x"})"),
      R"({"redacts":"$x"})");
  EXPECT_EQ(RedactContent("12", kTypeName, R"({"name":"n"})"), "{}");
}

TEST(RedactionTest, IsIdempotentAndKeepsTheId) {
  for (const RoomVersionRules* rules : AllRoomVersions()) {
    Result<EventPtr> event = Event::FromTrusted(
        R"({"type":"m.room.member","state_key":"@a:b","sender":"@a:b",
            "room_id":"!r:b","content":{"membership":"join","displayname":"x"},
            "extra":1})",
        *rules, "$id");
    ASSERT_TRUE(event.ok());
    Result<EventPtr> once = RedactEvent(**event);
    ASSERT_TRUE(once.ok());
    Result<EventPtr> twice = RedactEvent(**once);
    ASSERT_TRUE(twice.ok());
    EXPECT_EQ((*once)->json(), (*twice)->json());
    EXPECT_EQ((*once)->event_id(), "$id");
    EXPECT_EQ((*once)->content_json(), R"({"membership":"join"})");
  }
}

TEST(RedactionTest, RefusesWhatIsNoObject) {
  Result<json::Document> document = json::Document::Parse("[]");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(
      RedactJson(document->root(), *FindRoomVersion("1")).status().errcode(),
      "M_BAD_JSON");
}

}  // namespace
}  // namespace matrixcore
