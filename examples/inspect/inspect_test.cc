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

Input In(std::string text) { return {"input", std::move(text)}; }

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
  EXPECT_EQ((*ParseObjects(In(R"({"a":1})"))).size(), 1u);
  EXPECT_EQ((*ParseObjects(In("{\n\"a\":\n1}"))).size(), 1u);
  EXPECT_EQ((*ParseObjects(In("{\"a\":1}\n\n{\"b\":2}\r\n"))).size(), 2u);
  EXPECT_EQ((*ParseObjects(In(R"([{"a":1},{"b":2},{}])"))).size(), 3u);
}

TEST(InputTest, KnowsWhereObjectsStand) {
  const auto lines = *ParseObjects(In("{}\n\n{}\n"));
  EXPECT_EQ(lines[0].where, "input, line 1");
  EXPECT_EQ(lines[1].where, "input, line 3");
  EXPECT_EQ((*ParseObjects(In("[{},{}]")))[1].where,
            "input, element 2 of the array");
  EXPECT_EQ((*ParseObjects(In("{}")))[0].where, "input");
}

TEST(InputTest, SaysWhereItIsBroken) {
  const auto message = [](const std::string& text) {
    return ParseObjects(In(text)).status().message();
  };
  EXPECT_EQ(message(""),
            "input: is empty; give JSON, or JSON Lines (a value on each line)");
  EXPECT_EQ(message("  \n"), message(""));
  EXPECT_EQ(message("{").find("input: Not JSON at byte 1: "), 0u);
  EXPECT_EQ(message("[{},\n {]").find("input: Not JSON at byte 7 (line 2, "),
            0u)
      << message("[{},\n {]");
  EXPECT_EQ(message("[{},1]"),
            "input, element 2 of the array: is not an object; give a JSON "
            "object here");
  EXPECT_EQ(message("{}\n{}\n{oops}\n").find("input, line 3: Not JSON at"), 0u);
}

TEST(InspectTest, CanonicalVectorsOfTheSpec) {
  const json::Document vectors = vectors::ReadJson("spec/canonical_json.json");
  for (const json::Value vector : vectors.root()) {
    const std::string input(vector["input_text"].StringOr(""));
    EXPECT_EQ(Ok(Canonical(In(input), true)),
              std::string(vector["canonical"].StringOr("")) + "\n");
  }
  EXPECT_FALSE(Canonical(In(R"({"a":-0})"), false).ok());
}

TEST(InspectTest, IdsAndHashesOfRealEvents) {
  for (const char* version : {"3", "4", "11", "12"}) {
    const std::string pdus = vectors::ReadFile(std::string("genroom/v") +
                                               version + "-s13/pdus.jsonl");
    const std::vector<std::string> ids =
        Lines(Ok(EventIds(In(pdus), Version(version))));
    const std::vector<std::string> hashes =
        Lines(Ok(Hashes(In(pdus), Version(version))));
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
  EXPECT_EQ(Ok(Redact(In("{\"type\":\"t\",\"content\":{\"a\":1},\"age\":1}\n"
                         "{\"type\":\"m.room.create\",\"content\":{\"a\":1}}"),
                      Version("11"))),
            "{\"content\":{},\"type\":\"t\"}\n"
            "{\"content\":{\"a\":1},\"type\":\"m.room.create\"}\n");
}

TEST(InspectTest, SignsAsTheSpecDoes) {
  const json::Document vectors = vectors::ReadJson("spec/signing.json");
  const SigningKey key = *SigningKey::Parse(
      "ed25519 1 " + std::string(vectors.root()["seed_base64"].StringOr("")));
  const auto canonical = [](json::Value value) {
    return Ok(Canonical(In(std::string(value.raw())), false));
  };
  for (const json::Value vector : vectors.root()["json_signing"]) {
    EXPECT_EQ(Ok(Sign(In(std::string(vector["input"].raw())), nullptr, "domain",
                      key)),
              canonical(vector["signed"]));
  }
  for (const json::Value vector : vectors.root()["event_signing_room_v1"]) {
    const std::string done = Ok(Sign(In(std::string(vector["input"].raw())),
                                     &Version("1"), "domain", key));
    EXPECT_EQ(done, canonical(vector["signed"]));
  }
}

TEST(InspectTest, VerifiesEvents) {
  const SigningKey key = *SigningKey::Parse(
      "ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1");
  const std::string event = Ok(Sign(
      In(R"({"type":"m.room.message","sender":"@a:x","content":{"body":"b"}})"),
      &Version("11"), "x", key));
  const auto verify = [&](const std::string& text) {
    const Result<Answer> answer =
        Verify(In(text), &Version("11"), "x", key.key_id(), key.public_key());
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
      Ok(AuthCheckVectors(In(vectors::ReadFile("auth/vectors.jsonl"))));
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
  for (const std::string& line : Lines(Ok(AuthCheckAll({In(pdus)}, "")))) {
    EXPECT_NE(line.find(R"("verdict":"allow","rule":"allowed"})"),
              std::string::npos)
        << line;
  }
  const std::vector<std::string> events = Lines(pdus);
  const std::string state = events[0] + "\n" + events[1];
  EXPECT_NE(Ok(AuthCheckByState(In(events[2]), In(state), ""))
                .find("\"verdict\":\"allow\""),
            std::string::npos);
  const std::string stranger =
      Ok(AuthCheckByState(In(events[2]), In(events[0]), "12"));
  EXPECT_NE(stranger.find(R"("rule":"sender-not-joined","rule_number":"6")"),
            std::string::npos)
      << stranger;
}

RoomInput Generated(const std::string& name) {
  return {{In(vectors::ReadFile("genroom/" + name + "/pdus.jsonl"))},
          {In(vectors::ReadFile("genroom/" + name + "/states.json"))},
          ""};
}

TEST(InspectTest, ResolvesWithAndWithoutIdsAndInBothFormsOfStates) {
  RoomInput input = Generated("v11-s13");
  const std::string expected = Ok(
      Canonical(In(vectors::ReadFile("genroom/v11-s13/expected.json")), false));
  EXPECT_EQ(Ok(Resolve(input)), expected);

  // Without event_id: computed.  As one array.
  std::string array;
  for (const std::string& line : Lines(input.events[0].text)) {
    const size_t at = line.find("\"event_id\":\"");
    const size_t end = line.find(',', at);
    array +=
        (array.empty() ? "[" : ",") + line.substr(0, at) + line.substr(end + 1);
  }
  input.events = {In(array + "]")};
  EXPECT_EQ(Ok(Resolve(input)), expected);

  // States as type -> state_key -> id, in a bare array.
  const RoomInput original = Generated("v11-s13");
  const json::Document states = *json::Document::Parse(original.states[0].text);
  std::map<std::string, std::pair<std::string, std::string>> keys;
  for (const std::string& line : Lines(original.events[0].text)) {
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
  input.states = {In(sets + "]")};
  input.room_version = "11";
  EXPECT_EQ(Ok(Resolve(input)), expected);
}

// The rows of a snapshot of ruma, as Resolve prints them.
std::string RumaRows(const std::string& snapshot_name) {
  const std::string snapshot = vectors::ReadFile("ruma/" + snapshot_name);
  const json::Document rows =
      *json::Document::Parse(snapshot.substr(snapshot.find("\n[")));
  std::string expected;
  for (const json::Value row : rows.root()) {
    expected += (expected.empty() ? "[[" : ",[") +
                std::string(row["type"].raw()) + "," +
                std::string(row["state_key"].raw()) + "," +
                std::string(row["event_id"].raw()) + "]";
  }
  return expected + "]\n";
}

// The problems as their files are: several of PDUs, a state in each file, or no
// states and the room replayed.
TEST(InspectTest, ResolvesRumasProblems) {
  const json::Document manifest = vectors::ReadJson("ruma/manifest.json");
  for (const json::Value problem : manifest.root()) {
    const auto read = [](json::Value names) {
      std::vector<Input> inputs;
      for (const json::Value name : names) {
        inputs.push_back(In(vectors::ReadFile("ruma/fixtures/" +
                                              std::string(name.StringOr("")))));
      }
      return inputs;
    };
    RoomInput input;
    input.events = read(problem["pdus"]);
    if (problem["state_maps"]) input.states = read(problem["state_maps"]);
    EXPECT_EQ(Ok(Resolve(input)),
              RumaRows(std::string(problem["expected"].StringOr(""))))
        << problem["name"].raw();
    EXPECT_TRUE(json::Document::Parse(Ok(Explain(input))).ok());
  }
}

TEST(InspectTest, ExplainIsJson) {
  Result<json::Document> explained =
      json::Document::Parse(Ok(Explain(Generated("v12-s13"))));
  ASSERT_TRUE(explained.ok());
  EXPECT_GT(explained->root()["keys"].size(), 3u);
  EXPECT_EQ(explained->root()["room_version"].AsString(), "12");
}

constexpr char kCreate[] =
    R"({"event_id":"$c","type":"m.room.create","state_key":"","sender":"@a:x",)"
    R"("content":{"room_version":"11"}})";

std::string ResolveError(const std::string& events, const std::string& states,
                         const std::string& version = "") {
  const Result<std::string> resolved =
      Resolve({{{"pdus.jsonl", events}}, {{"states.json", states}}, version});
  EXPECT_FALSE(resolved.ok()) << events << states;
  return resolved.status().message();
}

TEST(InspectTest, BadStatesAreNamed) {
  EXPECT_EQ(ResolveError(kCreate, R"([["$c"],["$c","$gone"]])"),
            "states.json, state set 2, entry 2: $gone is not among the events "
            "of pdus.jsonl; add it there or leave it out here");
  EXPECT_EQ(ResolveError(kCreate, R"(["$gone"])"),
            "states.json, entry 1: $gone is not among the events of "
            "pdus.jsonl; add it there or leave it out here");
  EXPECT_EQ(ResolveError(kCreate, "[[1]]"),
            "states.json, state set 1, entry 1: is not a string; give an event "
            "id");
  EXPECT_EQ(ResolveError(kCreate, R"({"m.room.name":{"":"$c"}})"),
            "states.json, \"m.room.name\" \"\": $c is a m.room.create event "
            "with state_key \"\"; move it there");
  const std::string forms = " holds no states; give an array of state sets";
  EXPECT_EQ(ResolveError(kCreate, "7").find("states.json:" + forms), 0u);
  EXPECT_EQ(
      ResolveError(kCreate, "[7]").find("states.json, state set 1:" + forms),
      0u);
  EXPECT_EQ(
      ResolveError(kCreate, R"({"state_sets":1})").find("states.json:" + forms),
      0u);
  EXPECT_EQ(ResolveError(kCreate, R"({"a":"$c"})").find("states.json:" + forms),
            0u);
  const std::string other(
      R"({"event_id":"$d","type":"m.room.create","state_key":"",)"
      R"("sender":"@a:x","content":{}})");
  EXPECT_EQ(ResolveError(kCreate + ("\n" + other), R"([["$c","$d"]])"),
            "states.json, state set 1, entry 2: $d has the type and state_key "
            "of $c, which is there already; leave one out");
  const std::string message =
      R"({"event_id":"$m","type":"m","sender":"@a:x","content":{}})";
  EXPECT_EQ(ResolveError(kCreate + ("\n" + message), R"([["$m"]])"),
            "states.json, state set 1, entry 1: $m is no state event (it has "
            "no state_key); leave it out");
}

TEST(InspectTest, BadEventsAreNamed) {
  const std::string bare = R"({"type":"x","sender":"@a:x","content":{}})";
  EXPECT_EQ(ResolveError(kCreate, "[]", "13"),
            "--room-version: unknown room version \"13\"; known are 1 to 12");
  EXPECT_EQ(ResolveError(R"({"type":"m.room.create","sender":"@a:x",)"
                         R"("content":{"room_version":13}})",
                         "[]"),
            "pdus.jsonl, content.room_version: unknown room version \"13\"; "
            "known are 1 to 12");
  EXPECT_EQ(ResolveError(kCreate + std::string("\n") + kCreate, "[]"),
            "pdus.jsonl, line 2: event_id $c is that of pdus.jsonl, line 1 "
            "too; leave one out");
  EXPECT_EQ(ResolveError(bare, "[]"),
            "pdus.jsonl: has no m.room.create event that would name the room "
            "version; add it, or name the version with --room-version");
  EXPECT_EQ(ResolveError(bare, "[]", "1"),
            "pdus.jsonl: event_id is missing; in room version 1 it cannot be "
            "computed: add it");
  EXPECT_EQ(ResolveError(kCreate + std::string("\n{\"type\":\"x\"}"), "[]"),
            "pdus.jsonl, line 2: not an event: sender is missing or not a "
            "string; a PDU has the strings type and sender and the object "
            "content");
  const std::string a =
      R"({"event_id":"$a","type":"a","sender":"@a:x","content":{},"auth_events":["$b"]})";
  const std::string b =
      R"({"event_id":"$b","type":"b","sender":"@a:x","content":{},"auth_events":["$a"]})";
  EXPECT_EQ(ResolveError(a + "\n" + b, "[]", "1"),
            "pdus.jsonl: auth events form a cycle through $a; no real event "
            "can name one that names it: correct its auth_events");
  EXPECT_EQ(Ok(Resolve({{In(kCreate)}, {In(R"([["$c"]])")}, ""})),
            "[[\"m.room.create\",\"\",\"$c\"]]\n");
}

TEST(InspectTest, BadVectorsAreNamed) {
  const auto error = [](const std::string& vector) {
    return AuthCheckVectors({"v.jsonl", "{\"id\":1," + vector + "}"})
        .status()
        .message();
  };
  EXPECT_EQ(error(R"("room_version":"0")"),
            "v.jsonl, room_version: unknown room version \"0\"; known are 1 "
            "to 12");
  EXPECT_EQ(error(R"("room_version":"11","event":{})"),
            "v.jsonl, auth_state: is missing or not an array; give the PDUs of "
            "the state");
  EXPECT_EQ(error(R"("room_version":"11","auth_state":[])"),
            "v.jsonl, event: is missing or not an object; give a PDU here");
  EXPECT_EQ(error(R"("room_version":"11","auth_state":[1])"),
            "v.jsonl, auth_state, PDU 1: is missing or not an object; give a "
            "PDU here");
}

// What a rejected event authorises is rejected too.
TEST(InspectTest, AuthCheckRemembersWhatItRejected) {
  const auto line = [](const std::string& id, const std::string& rest) {
    return R"({"event_id":")" + id + R"(","room_id":"!r:x",)" + rest + "}\n";
  };
  const std::string events =
      // Before what it names, as in a file in no order.
      line("$m", R"("type":"m","sender":"@b:x","content":{},)"
                 R"("auth_events":["$c","$j"],"prev_events":["$j"])") +
      line("$c", R"("type":"m.room.create","state_key":"","sender":"@a:x",)"
                 R"("content":{"room_version":"11"})") +
      line("$j", R"("type":"m.room.member","state_key":"@b:x",)"
                 R"("sender":"@b:x","content":{"membership":"join"},)"
                 R"("auth_events":["$c"],"prev_events":["$x"])");
  const std::vector<std::string> lines =
      Lines(Ok(AuthCheckAll({In(events)}, "")));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_NE(lines[0].find("auth-events-rejected"), std::string::npos);
  EXPECT_NE(lines[1].find("\"allowed\""), std::string::npos);
  EXPECT_NE(lines[2].find("member-join-not-invited"), std::string::npos);
}

TEST(InspectTest, DagShowsEachEventAndItsOutcome) {
  RoomInput input;
  size_t events = 0;
  for (const char* file : {"bootstrap-public-chat", "topic-vs-ban-common",
                           "topic-vs-ban-alice", "topic-vs-ban-bob"}) {
    const json::Document pdus =
        vectors::ReadJson(std::string("ruma/fixtures/") + file + ".json");
    events += pdus.root().size();
    input.events.push_back(In(std::string(pdus.text())));
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
  EXPECT_EQ(count(svg, "<g>"), events);
  // The rule that decided is there to be read.
  EXPECT_EQ(count(svg, ">sender-not-joined</text>"), 1u);
  EXPECT_EQ(count(dot, "sender-not-joined"), 1u);
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
