#include "matrixcore/event/event.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "matrixcore/json/object.h"
#include "vectors/vectors.h"

namespace matrixcore {
namespace {

const RoomVersionRules& Version(std::string_view id) {
  return *FindRoomVersion(id);
}

// A valid event of versions 3 to 11, to be spoiled member by member.
json::Object Message() {
  json::Object event;
  event.SetRaw("auth_events", R"(["$a"])");
  event.SetRaw("content", R"({"body":"hi"})");
  event.SetInt("depth", 7);
  event.SetRaw("hashes",
               R"({"sha256":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})");
  event.SetInt("origin_server_ts", 1700000000000);
  event.SetRaw("prev_events", R"(["$p1","$p2"])");
  event.SetString("room_id", "!r:example.org");
  event.SetString("sender", "@alice:example.org");
  event.SetRaw("signatures", R"({"example.org":{"ed25519:1":"x"}})");
  event.SetString("type", "m.room.message");
  return event;
}

json::Object MessageV1() {
  json::Object event = Message();
  event.SetString("event_id", "$opaque:example.org");
  event.SetRaw("auth_events", R"([["$a:example.org",{"sha256":"x"}]])");
  event.SetRaw("prev_events", R"([["$p:example.org",{"sha256":"y"}]])");
  return event;
}

Status ParseStatus(const json::Object& event, std::string_view version) {
  return Event::Parse(event.ToJson(), Version(version)).status();
}

TEST(EventTest, ReadsTheHeader) {
  Result<EventPtr> parsed = Event::Parse(Message().ToJson(), Version("10"));
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  const Event& event = **parsed;
  EXPECT_EQ(event.type(), "m.room.message");
  EXPECT_EQ(event.sender(), "@alice:example.org");
  EXPECT_EQ(event.room_id(), "!r:example.org");
  EXPECT_FALSE(event.is_state());
  EXPECT_EQ(event.state_key(), std::nullopt);
  EXPECT_EQ(event.depth(), 7);
  EXPECT_EQ(event.origin_server_ts(), 1700000000000);
  EXPECT_EQ(event.prev_events(), (std::vector<std::string>{"$p1", "$p2"}));
  EXPECT_EQ(event.auth_events(), std::vector<std::string>{"$a"});
  EXPECT_EQ(event.redacts(), "");
  EXPECT_EQ(event.content_json(), R"({"body":"hi"})");
  EXPECT_EQ(event.content()["body"].AsString(), "hi");
  EXPECT_EQ(event.json(), Message().ToJson());
  EXPECT_EQ(event.event_id().size(), 44u);
  EXPECT_EQ(event.event_id().front(), '$');
  EXPECT_GT(event.ByteSize(), event.json().size());
}

TEST(EventTest, ReadsPairsAndTheGivenIdInVersionOne) {
  Result<EventPtr> parsed = Event::Parse(MessageV1().ToJson(), Version("1"));
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ((*parsed)->event_id(), "$opaque:example.org");
  EXPECT_EQ((*parsed)->prev_events(),
            std::vector<std::string>{"$p:example.org"});
  EXPECT_EQ((*parsed)->auth_events(),
            std::vector<std::string>{"$a:example.org"});
}

TEST(EventTest, CanonicalisesAndKeepsUnknownFields) {
  const std::string text =
      R"({ "zzz": [1, 2], "type": "t\u0065st", "unsigned": {"age": 1},
           "event_id": "$forged", "sender": "@a:b", "room_id": "!r:b",
           "content": {"b": 1, "a": 2}, "depth": 1, "origin_server_ts": 2,
           "hashes": {"sha256": ""}, "signatures": {}, "prev_events": [],
           "auth_events": [] })";
  Result<EventPtr> parsed = Event::Parse(text, Version("10"));
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ((*parsed)->json(),
            R"({"auth_events":[],"content":{"a":2,"b":1},"depth":1,)"
            R"("hashes":{"sha256":""},"origin_server_ts":2,"prev_events":[],)"
            R"("room_id":"!r:b","sender":"@a:b","signatures":{},)"
            R"("type":"test","zzz":[1,2]})");
}

TEST(EventTest, DecodesEscapedHeaderFields) {
  json::Object event = Message();
  event.SetString("type", "quote\"d");
  event.SetString("state_key", "line\nbreak");
  event.SetString("sender", "@back\\slash:example.org");
  Result<EventPtr> parsed = Event::Parse(event.ToJson(), Version("9"));
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ((*parsed)->type(), "quote\"d");
  EXPECT_EQ((*parsed)->state_key(), "line\nbreak");
  EXPECT_EQ((*parsed)->sender(), "@back\\slash:example.org");
}

TEST(EventTest, FindsRedactsWhereTheVersionPutsIt) {
  json::Object top = Message();
  top.SetString("type", "m.room.redaction");
  top.SetString("redacts", "$top");
  top.SetRaw("content", R"({"redacts":"$inside"})");
  EXPECT_EQ((*Event::Parse(top.ToJson(), Version("10")))->redacts(), "$top");
  EXPECT_EQ((*Event::Parse(top.ToJson(), Version("11")))->redacts(), "$inside");
  // Other types have no such field in their content.
  top.SetString("type", "m.room.message");
  EXPECT_EQ((*Event::Parse(top.ToJson(), Version("11")))->redacts(), "");
}

TEST(EventTest, CreateOfVersionTwelveNamesItsRoom) {
  json::Object create = Message();
  create.SetString("type", "m.room.create");
  create.SetString("state_key", "");
  create.SetRaw("auth_events", "[]");
  create.SetRaw("prev_events", "[]");
  create.Erase("room_id");
  Result<EventPtr> parsed = Event::Parse(create.ToJson(), Version("12"));
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ((*parsed)->room_id(), "!" + (*parsed)->event_id().substr(1));
  Result<EventPtr> stored = Event::FromStored(
      (*parsed)->json(), (*parsed)->event_id(), Version("12"));
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ((*stored)->room_id(), (*parsed)->room_id());
  EXPECT_EQ(ParseStatus(create, "11").errcode(), "M_BAD_JSON");
}

TEST(EventTest, RefusesWrongTypes) {
  const struct {
    const char* key;
    const char* value;
  } kCases[] = {
      {"type", "1"},
      {"sender", "null"},
      {"sender", "\"alice\""},
      {"sender", "\"@alice\""},
      {"state_key", "7"},
      {"room_id", "{}"},
      {"room_id", "\"#r:b\""},
      {"content", "[]"},
      {"content", "\"x\""},
      {"depth", "\"7\""},
      {"depth", "-1"},
      {"depth", "9007199254740992"},
      {"depth", "1.5"},
      {"origin_server_ts", "\"now\""},
      {"hashes", "{}"},
      {"hashes", "{\"sha256\":1}"},
      {"signatures", "[]"},
      {"prev_events", "{}"},
      {"prev_events", "[1]"},
      {"prev_events", "[\"x\"]"},
      {"auth_events", "\"$a\""},
      {"auth_events", "[[\"$a\",{}]]"},
  };
  for (const auto& c : kCases) {
    json::Object event = Message();
    event.SetRaw(c.key, c.value);
    const Status status = ParseStatus(event, "10");
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument)
        << c.key << ": " << c.value;
    EXPECT_EQ(status.errcode(), "M_BAD_JSON") << c.key << ": " << c.value;
  }
}

TEST(EventTest, RefusesMissingFields) {
  for (const char* key :
       {"type", "sender", "room_id", "content", "depth", "origin_server_ts",
        "hashes", "signatures", "prev_events", "auth_events"}) {
    json::Object event = Message();
    event.Erase(key);
    EXPECT_EQ(ParseStatus(event, "10").errcode(), "M_BAD_JSON") << key;
  }
  json::Object old = MessageV1();
  old.Erase("event_id");
  EXPECT_EQ(ParseStatus(old, "2").errcode(), "M_BAD_JSON");
}

TEST(EventTest, DepthIsLimitedByTheVersion) {
  json::Object event = Message();
  event.SetInt("depth", INT64_MAX);
  EXPECT_TRUE(ParseStatus(event, "5").ok());
  EXPECT_FALSE(ParseStatus(event, "6").ok());
  event.SetInt("depth", (int64_t{1} << 53) - 1);
  EXPECT_TRUE(ParseStatus(event, "6").ok());
}

TEST(EventTest, StrictVersionsRefuseWhatIsNotCanonicalJson) {
  for (const char* content : {R"({"n":1.0})", R"({"n":1e3})", R"({"n":-0})",
                              R"({"n":9007199254740992})", R"({"n":0e5})",
                              R"({"n":0.0})", R"({"a":1,"a":2})"}) {
    json::Object event = Message();
    event.SetRaw("content", content);
    EXPECT_FALSE(ParseStatus(event, "6").ok()) << content;
    EXPECT_TRUE(ParseStatus(event, "5").ok()) << content;
  }
}

TEST(EventTest, LaxVersionsCanonicaliseAndTakeTheLastOfRepeatedKeys) {
  json::Object event = Message();
  event.SetRaw("content",
               R"({"b":-0,"a":1e10,"a":2,"big":123456789012345678901})");
  Result<EventPtr> parsed = Event::Parse(event.ToJson(), Version("5"));
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ((*parsed)->content_json(),
            R"({"a":2,"b":0,"big":123456789012345678901})");
}

TEST(EventTest, LoneSurrogatesAndDeepNestingAreRefused) {
  json::Object event = Message();
  event.SetRaw("content", R"({"a":"\ud800"})");
  EXPECT_FALSE(ParseStatus(event, "10").ok());
  event.SetRaw("content", "{\"a\":" + std::string(20000, '[') +
                              std::string(20000, ']') + "}");
  EXPECT_FALSE(ParseStatus(event, "1").ok());
  EXPECT_FALSE(ParseStatus(event, "10").ok());
}

TEST(EventTest, SizeLimitIsInclusive) {
  json::Object event = Message();
  const auto pad_to = [&event](size_t size) {
    event.SetRaw("content", R"({"body":""})");
    const size_t rest = event.ToJson().size();
    event.SetRaw("content",
                 R"({"body":")" + std::string(size - rest, 'x') + "\"}");
    EXPECT_EQ(event.ToJson().size(), size);
  };
  pad_to(65536);
  EXPECT_TRUE(ParseStatus(event, "10").ok());
  pad_to(65537);
  EXPECT_EQ(ParseStatus(event, "10").code(), StatusCode::kTooLarge);
  EXPECT_EQ(ParseStatus(event, "10").errcode(), "M_TOO_LARGE");
}

TEST(EventTest, LengthLimitsCountCodePointsUntilVersionTen) {
  json::Object event = Message();
  const auto repeat = [](size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += "\xC3\xA9";  // 2 bytes each
    return text;
  };
  event.SetString("type", repeat(255));
  EXPECT_TRUE(ParseStatus(event, "10").ok());
  EXPECT_EQ(ParseStatus(event, "11").code(), StatusCode::kTooLarge);
  event.SetString("type", repeat(256));
  EXPECT_EQ(ParseStatus(event, "10").code(), StatusCode::kTooLarge);
  event.SetString("type", std::string(255, 'x'));
  EXPECT_TRUE(ParseStatus(event, "11").ok());
  event.SetString("state_key", std::string(256, 'x'));
  EXPECT_EQ(ParseStatus(event, "11").code(), StatusCode::kTooLarge);
}

TEST(EventTest, LimitsReferences) {
  const auto list = [](size_t count) {
    std::string out = "[";
    for (size_t i = 0; i < count; ++i) out += i == 0 ? "\"$x\"" : ",\"$x\"";
    return out + "]";
  };
  json::Object event = Message();
  event.SetRaw("prev_events", list(20));
  event.SetRaw("auth_events", list(10));
  EXPECT_TRUE(ParseStatus(event, "10").ok());
  event.SetRaw("prev_events", list(21));
  EXPECT_FALSE(ParseStatus(event, "10").ok());
  event.SetRaw("prev_events", list(20));
  event.SetRaw("auth_events", list(11));
  EXPECT_FALSE(ParseStatus(event, "10").ok());
}

TEST(EventTest, AcceptsHistoricalSenders) {
  for (const char* sender : {"@:example.org", "@A B!\xC3\xA9:example.org"}) {
    json::Object event = Message();
    event.SetString("sender", sender);
    EXPECT_TRUE(ParseStatus(event, "12").ok()) << sender;
  }
}

TEST(EventTest, StoredBytesAreBelievedAndDamageIsFound) {
  Result<EventPtr> parsed = Event::Parse(Message().ToJson(), Version("10"));
  ASSERT_TRUE(parsed.ok());
  const std::string json = (*parsed)->json();
  Result<EventPtr> stored =
      Event::FromStored(json, (*parsed)->event_id(), Version("10"));
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ((*stored)->json(), json);
  EXPECT_EQ((*stored)->event_id(), (*parsed)->event_id());
  for (size_t cut = 0; cut < json.size(); ++cut) {
    EXPECT_EQ(Event::FromStored(json.substr(0, cut), "$x", Version("10"))
                  .status()
                  .code(),
              StatusCode::kDataLoss)
        << cut;
  }
}

TEST(EventTest, TrustedTestDataNeedsLittle) {
  Result<EventPtr> event = Event::FromTrusted(
      R"({"type":"m.room.create","state_key":"","sender":"@a:b",
          "content":{"room_version":"12"},"event_id":"$00-create",
          "test-comments":1})",
      Version("12"), "$00-create");
  ASSERT_TRUE(event.ok()) << event.status().message();
  EXPECT_EQ((*event)->event_id(), "$00-create");
  EXPECT_EQ((*event)->room_id(), "!00-create");
  EXPECT_FALSE(Event::FromTrusted(R"({"type":"x"})", Version("12"), "$x").ok());
}

TEST(EventTest, ContentIsParsedOnceByManyThreads) {
  Result<EventPtr> event = Event::Parse(Message().ToJson(), Version("10"));
  ASSERT_TRUE(event.ok());
  std::vector<std::thread> threads;
  std::vector<const char*> seen(4);
  for (size_t i = 0; i < seen.size(); ++i) {
    threads.emplace_back(
        [&, i] { seen[i] = (*event)->content()["body"].AsString()->data(); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen, std::vector<const char*>(4, seen[0]));
}

// An example of the specification's data: `allOf` and `$ref` put parts of it
// elsewhere.
json::Object SpecExample(json::Value value) {
  json::Object event;
  const auto merge = [&event](const json::Object& part) {
    for (const auto& [key, raw] : part.members()) event.SetRaw(key, raw);
  };
  if (const auto file = value["$ref"].AsString()) {
    const json::Document part =
        vectors::ReadJson("spec/examples/" + std::string(*file));
    merge(SpecExample(part.root()));
  }
  for (const json::Value part : value["allOf"]) merge(SpecExample(part));
  merge(json::Object::From(value));
  event.Erase("$ref");
  event.Erase("allOf");
  return event;
}

TEST(EventTest, SpecExamplesAreEventsOfTheirVersions) {
  const struct {
    const char* file;
    int first;
    int last;
  } kExamples[] = {{"pdu_v1", 1, 2},    {"pdu_v3", 3, 3},
                   {"pdu_v4", 4, 10},   {"pdu_v11", 11, 11},
                   {"pdu_v12", 12, 12}, {"pdu_v4_join_membership", 8, 11}};
  for (const auto& example : kExamples) {
    const json::Document document = vectors::ReadJson(
        "spec/examples/" + std::string(example.file) + ".json");
    const json::Object pdu = SpecExample(document.root());
    for (int version = example.first; version <= example.last; ++version) {
      const auto parsed =
          Event::Parse(pdu.ToJson(), Version(std::to_string(version)));
      ASSERT_TRUE(parsed.ok())
          << example.file << " " << parsed.status().message();
      EXPECT_EQ((*parsed)->sender(), "@alice:example.com");
      EXPECT_EQ((*parsed)->depth(), 12);
      EXPECT_FALSE((*parsed)->prev_events().empty());
      const bool has_redacts = !pdu.Get("redacts").empty();
      EXPECT_EQ((*parsed)->redacts().empty(), !has_redacts || version >= 11);
    }
    // Versions with other references to events refuse it.
    const char* other = example.first >= 3 ? "2" : "3";
    EXPECT_FALSE(Event::Parse(pdu.ToJson(), Version(other)).ok())
        << example.file;
  }
  // An example of what all formats share, which no version takes for an event.
  const json::Document minimal =
      vectors::ReadJson("spec/examples/minimal_pdu.json");
  for (const RoomVersionRules* rules : AllRoomVersions()) {
    EXPECT_FALSE(Event::Parse(minimal.text(), *rules).ok()) << rules->id;
  }
}

}  // namespace
}  // namespace matrixcore
