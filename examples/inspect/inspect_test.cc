#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "commands.h"
#include "input.h"
#include "matrixcore/crypto/base64.h"
#include "picture.h"
#include "vectors/vectors.h"

namespace matrixcore::inspect {
namespace {

const RoomVersionRules& Version(std::string_view id) {
  return *FindRoomVersion(id);
}

std::string Ok(const Result<std::string>& text) {
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? *text : "";
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(InputTest, TakesJsonJsonLinesAndArrays) {
  EXPECT_EQ((*ParseObjects(R"({"a":1})")).size(), 1u);
  EXPECT_EQ((*ParseObjects("{\n\"a\":\n1}")).size(), 1u);
  EXPECT_EQ((*ParseObjects("{\"a\":1}\n\n{\"b\":2}\r\n")).size(), 2u);
  EXPECT_EQ((*ParseObjects(R"([{"a":1},{"b":2},{}])")).size(), 3u);
}

TEST(InputTest, SaysWhereItIsBroken) {
  EXPECT_FALSE(ParseObjects("").ok());
  EXPECT_FALSE(ParseObjects("  \n").ok());
  EXPECT_FALSE(ParseObjects("{").ok());
  EXPECT_FALSE(ParseObjects("[1]").ok());
  EXPECT_NE(ParseObjects("{}\n{}\n{oops}\n").status().message().find("line 3"),
            std::string::npos);
}

TEST(InspectTest, CanonicalVectorsOfTheSpec) {
  const json::Document vectors = vectors::ReadJson("spec/canonical_json.json");
  for (const json::Value vector : vectors.root()) {
    const std::string input(vector["input_text"].StringOr(""));
    EXPECT_EQ(Ok(Canonical(input, true)),
              std::string(vector["canonical"].StringOr("")) + "\n");
  }
  EXPECT_FALSE(Canonical(R"({"a":-0})", false).ok());
}

TEST(InspectTest, IdsAndHashesOfRealEvents) {
  for (const char* version : {"3", "4", "11", "12"}) {
    const std::string pdus = vectors::ReadFile(std::string("genroom/v") +
                                               version + "-s13/pdus.jsonl");
    const std::vector<std::string> ids =
        Lines(Ok(EventIds(pdus, Version(version))));
    const std::vector<std::string> hashes =
        Lines(Ok(Hashes(pdus, Version(version))));
    const std::vector<std::string> events = Lines(pdus);
    ASSERT_EQ(ids.size(), events.size());
    for (size_t i = 0; i < events.size(); ++i) {
      const json::Document event = *json::Document::Parse(events[i]);
      const json::Document id = *json::Document::Parse(ids[i]);
      EXPECT_EQ(id.root()["event_id"].AsString(),
                event.root()["event_id"].AsString());
      const json::Document hash = *json::Document::Parse(hashes[i]);
      EXPECT_EQ(hash.root()["content_hash_matches"].AsBool(), true);
    }
  }
}

TEST(InspectTest, RedactsEachLine) {
  EXPECT_EQ(Ok(Redact("{\"type\":\"t\",\"content\":{\"a\":1},\"age\":1}\n"
                      "{\"type\":\"m.room.create\",\"content\":{\"a\":1}}\n",
                      Version("11"))),
            "{\"content\":{},\"type\":\"t\"}\n"
            "{\"content\":{\"a\":1},\"type\":\"m.room.create\"}\n");
}

TEST(InspectTest, SignsAsTheSpecDoes) {
  const json::Document vectors = vectors::ReadJson("spec/signing.json");
  const SigningKey key = *SigningKey::Parse(
      "ed25519 1 " + std::string(vectors.root()["seed_base64"].StringOr("")));
  const auto canonical = [](json::Value value) {
    return Ok(Canonical(std::string(value.raw()), false));
  };
  for (const json::Value vector : vectors.root()["json_signing"]) {
    EXPECT_EQ(
        Ok(Sign(std::string(vector["input"].raw()), nullptr, "domain", key)),
        canonical(vector["signed"]));
  }
  for (const json::Value vector : vectors.root()["event_signing_room_v1"]) {
    const std::string done = Ok(
        Sign(std::string(vector["input"].raw()), &Version("1"), "domain", key));
    EXPECT_EQ(done, canonical(vector["signed"]));
  }
}

TEST(InspectTest, VerifiesEvents) {
  const SigningKey key = *SigningKey::Parse(
      "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1");
  const std::string event = Ok(Sign(
      R"({"type":"m.room.message","sender":"@a:x","content":{"body":"b"}})",
      &Version("11"), "x", key));
  const auto verify = [&](const std::string& text) {
    const Result<Answer> answer =
        Verify(text, &Version("11"), "x", key.key_id(), key.public_key());
    EXPECT_TRUE(answer.ok());
    return answer->text + (answer->good ? "good" : "bad");
  };
  EXPECT_EQ(verify(event), "{\"signature\":true,\"content_hash\":true}\ngood");
  std::string changed = event;
  changed.replace(changed.find("\"b\""), 3, "\"c\"");
  EXPECT_EQ(verify(changed),
            "{\"signature\":true,\"content_hash\":false}\nbad");
  changed = event;
  changed.replace(changed.find("@a:x"), 4, "@b:x");
  EXPECT_EQ(verify(changed),
            "{\"signature\":false,\"content_hash\":false}\nbad");
}

TEST(InspectTest, AuthVectors) {
  const std::string out =
      Ok(AuthCheckVectors(vectors::ReadFile("auth/vectors.jsonl")));
  const std::vector<std::string> verdicts = Lines(out);
  const std::vector<std::string> vectors =
      vectors::ReadLines("auth/vectors.jsonl");
  ASSERT_EQ(verdicts.size(), vectors.size());
  for (size_t i = 0; i < vectors.size(); ++i) {
    const json::Document verdict = *json::Document::Parse(verdicts[i]);
    const json::Document vector = *json::Document::Parse(vectors[i]);
    EXPECT_EQ(verdict.root()["id"].raw(), vector.root()["id"].raw());
    EXPECT_EQ(verdict.root()["verdict"].AsString(),
              vector.root()["expected"].AsString());
    EXPECT_TRUE(verdict.root()["rule"].IsString());
  }
}

TEST(InspectTest, AuthCheckByOwnAuthEventsAndByAState) {
  const std::string pdus = vectors::ReadFile("genroom/v12-s13/pdus.jsonl");
  for (const std::string& line : Lines(Ok(AuthCheckAll(pdus, Version("12"))))) {
    EXPECT_NE(line.find(R"("verdict":"allow","rule":"allowed"})"),
              std::string::npos)
        << line;
  }
  const std::vector<std::string> events = Lines(pdus);
  const std::string state = events[0] + "\n" + events[1];
  EXPECT_NE(Ok(AuthCheckOne(events[2], state, Version("12")))
                .find("\"verdict\":\"allow\""),
            std::string::npos);
  const std::string stranger =
      Ok(AuthCheckOne(events[2], events[0], Version("12")));
  EXPECT_NE(stranger.find(R"("rule":"sender-not-joined","rule_number":"6")"),
            std::string::npos)
      << stranger;
}

RoomInput Generated(const std::string& name) {
  return {vectors::ReadFile("genroom/" + name + "/pdus.jsonl"),
          vectors::ReadFile("genroom/" + name + "/states.json"), ""};
}

TEST(InspectTest, ResolvesWithAndWithoutIdsAndInBothFormsOfStates) {
  RoomInput input = Generated("v11-s13");
  const std::string expected =
      Ok(Canonical(vectors::ReadFile("genroom/v11-s13/expected.json"), false));
  EXPECT_EQ(Ok(Resolve(input)), expected);

  // Without event_id: computed.  As one array.
  std::string array;
  for (const std::string& line : Lines(input.events)) {
    const size_t at = line.find("\"event_id\":\"");
    const size_t end = line.find(',', at);
    array +=
        (array.empty() ? "[" : ",") + line.substr(0, at) + line.substr(end + 1);
  }
  input.events = array + "]";
  EXPECT_EQ(Ok(Resolve(input)), expected);

  // States as type -> state_key -> id, in a bare array.
  const RoomInput original = Generated("v11-s13");
  const json::Document states = *json::Document::Parse(original.states);
  const json::Document pdus = *json::Document::Parse(input.events);
  std::map<std::string, std::pair<std::string, std::string>> keys;
  for (const std::string& line : Lines(original.events)) {
    const json::Document pdu = *json::Document::Parse(line);
    keys[std::string(pdu.root()["event_id"].StringOr(""))] = {
        std::string(pdu.root()["type"].StringOr("")),
        std::string(pdu.root()["state_key"].StringOr(""))};
  }
  std::string sets = "[";
  for (const json::Value set : states.root()["state_sets"]) {
    std::map<std::string, std::string> by_type;
    for (const json::Value id : set) {
      const auto& [type, state_key] = keys[std::string(id.StringOr(""))];
      std::string& entries = by_type[type];
      entries += (entries.empty() ? "\"" : ",\"") + state_key +
                 "\":" + std::string(id.raw());
    }
    std::string object;
    for (const auto& [type, entries] : by_type) {
      object +=
          (object.empty() ? "{\"" : ",\"") + type + "\":{" + entries + "}";
    }
    sets += (sets.size() > 1 ? "," : "") + object + "}";
  }
  input.states = sets + "]";
  input.room_version = "11";
  EXPECT_EQ(Ok(Resolve(input)), expected);
}

TEST(InspectTest, ReadsRumasFiles) {
  RoomInput input;
  input.events =
      vectors::ReadFile("ruma/fixtures/MSC4297-problem-A/pdus-v12.json");
  input.states =
      "[" +
      vectors::ReadFile("ruma/fixtures/MSC4297-problem-A/state-bob.json") +
      "," +
      vectors::ReadFile("ruma/fixtures/MSC4297-problem-A/state-charlie.json") +
      "]";
  const std::string snapshot = vectors::ReadFile(
      "ruma/snapshots/msc4297_problem_a_state_res_v2_1@resolved_state.snap");
  const json::Document rows =
      *json::Document::Parse(snapshot.substr(snapshot.find("\n[")));
  std::string expected;
  for (const json::Value row : rows.root()) {
    expected += (expected.empty() ? "[[" : ",[") +
                std::string(row["type"].raw()) + "," +
                std::string(row["state_key"].raw()) + "," +
                std::string(row["event_id"].raw()) + "]";
  }
  EXPECT_EQ(Ok(Resolve(input)), expected + "]\n");
}

TEST(InspectTest, ExplainIsJson) {
  Result<json::Document> explained =
      json::Document::Parse(Ok(Explain(Generated("v12-s13"))));
  ASSERT_TRUE(explained.ok());
  EXPECT_GT(explained->root()["keys"].size(), 3u);
  EXPECT_EQ(explained->root()["room_version"].AsString(), "12");
}

TEST(InspectTest, BadRoomsAreRefused) {
  const std::string create =
      R"({"event_id":"$c","type":"m.room.create","state_key":"","sender":"@a:x",)"
      R"("content":{"room_version":"11"}})";
  const auto refuse = [](const std::string& events, const std::string& states,
                         const std::string& version) {
    const Result<std::string> resolved = Resolve({events, states, version});
    EXPECT_FALSE(resolved.ok()) << events << states;
    return resolved.status().message();
  };
  EXPECT_NE(refuse(create, "[[\"$gone\"]]", "").find("$gone"),
            std::string::npos);
  refuse(create, "[[1]]", "");
  refuse(create, "7", "");
  refuse(create, "[7]", "");
  refuse(create, "{}", "");
  refuse(create, "[]", "13");
  refuse(create + "\n" + create, "[]", "");
  refuse(R"({"type":"x","sender":"@a:x","content":{}})", "[]", "");
  refuse(R"({"event_id":"$x","type":"x"})", "[]", "11");
  const std::string a =
      R"({"event_id":"$a","type":"a","sender":"@a:x","content":{},"auth_events":["$b"]})";
  const std::string b =
      R"({"event_id":"$b","type":"b","sender":"@a:x","content":{},"auth_events":["$a"]})";
  EXPECT_NE(refuse(a + "\n" + b, "[]", "1").find("cycle"), std::string::npos);
  EXPECT_EQ(Ok(Resolve({create, "[[\"$c\"]]", ""})),
            "[[\"m.room.create\",\"\",\"$c\"]]\n");
}

TEST(InspectTest, DagShowsEachEventAndItsOutcome) {
  RoomInput input;
  for (const char* file : {"bootstrap-public-chat", "topic-vs-ban-common",
                           "topic-vs-ban-alice", "topic-vs-ban-bob"}) {
    const json::Document pdus =
        vectors::ReadJson(std::string("ruma/fixtures/") + file + ".json");
    for (const json::Value pdu : pdus.root()) {
      std::string line(pdu.raw());
      std::replace(line.begin(), line.end(), '\n', ' ');
      input.events += line + "\n";
    }
  }
  const std::string dot = Ok(Dag(input, {}));
  EXPECT_EQ(dot.find("digraph room {"), 0u);
  EXPECT_NE(dot.find("lost in resolution"), std::string::npos) << dot;
  EXPECT_EQ(dot.find("style=dashed"), std::string::npos);
  EXPECT_NE(Ok(Dag(input, {false, true})).find("style=dashed"),
            std::string::npos);
  const std::string svg = Ok(Dag(input, {true, true}));
  EXPECT_EQ(svg.find("<svg "), 0u);
  const auto count = [](const std::string& text, const std::string& what) {
    size_t n = 0;
    for (size_t at = text.find(what); at != std::string::npos;
         at = text.find(what, at + 1)) {
      ++n;
    }
    return n;
  };
  EXPECT_EQ(count(svg, "<g>"), Lines(input.events).size());
}

TEST(InspectTest, PicturesEscapeWhatEventsContain) {
  const std::vector<Node> nodes = {{"$<&\"\\\n>",
                                    "<script>alert(1)</script>",
                                    "\"",
                                    Outcome::kLost,
                                    {},
                                    {}}};
  const std::string svg = DrawSvg(nodes, true);
  EXPECT_EQ(svg.find("<script>"), std::string::npos);
  EXPECT_NE(svg.find("&lt;script&gt;"), std::string::npos);
  const std::string dot = DrawDot(nodes, true);
  EXPECT_NE(dot.find(R"($<&\"\\ >)"), std::string::npos) << dot;
}

}  // namespace
}  // namespace matrixcore::inspect
