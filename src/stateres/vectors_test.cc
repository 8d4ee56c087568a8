// Resolutions on which independent implementations agree (tests/vectors).
#include "vectors/vectors.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "matrixcore/stateres/resolver.h"
#include "stateres/test_room.h"

namespace matrixcore {
namespace {

std::vector<std::string> GeneratedRooms() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::string(MC_VECTORS_DIR) + "/genroom")) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Rows of [type, state_key, event_id].
StateIds ReadRows(json::Value rows) {
  StateIds state;
  for (const json::Value row : rows) {
    state.emplace(StateKey{std::string(row.at(0).StringOr("?")),
                           std::string(row.at(1).StringOr("?"))},
                  row.at(2).StringOr("?"));
  }
  return state;
}

StateIds StateOf(TestRoom* room, json::Value event_ids) {
  StateIds state;
  for (const json::Value id : event_ids) {
    const Event* event = room->Find(id.StringOr(""));
    EXPECT_NE(event, nullptr) << id.raw();
    if (event == nullptr) continue;
    state.emplace(StateKey{std::string(event->type()),
                           std::string(event->state_key().value_or("?"))},
                  event->event_id());
  }
  return state;
}

TEST(StateResVectorsTest, GeneratedRooms) {
  const std::vector<std::string> names = GeneratedRooms();
  EXPECT_EQ(names.size(), 12u);
  for (const std::string& name : names) {
    const std::string dir = "genroom/" + name + "/";
    const json::Document states = vectors::ReadJson(dir + "states.json");
    const RoomVersionRules* rules =
        FindRoomVersion(states.root()["room_version"].StringOr(""));
    ASSERT_NE(rules, nullptr) << name;
    TestRoom room(*rules);
    for (const std::string& line : vectors::ReadLines(dir + "pdus.jsonl")) {
      room.Add(json::Document::Parse(line)->root());
      // The ids are real hashes, in real federation format.
      if (rules->event_id_format != EventIdFormat::kServerGiven) {
        Result<EventPtr> parsed = Event::Parse(line, *rules);
        ASSERT_TRUE(parsed.ok()) << parsed.status().message();
        EXPECT_EQ((*parsed)->event_id(), room.events().back()->event_id());
      }
    }
    std::vector<StateIds> sets;
    for (const json::Value set : states.root()["state_sets"]) {
      sets.push_back(StateOf(&room, set));
    }
    Result<StateIds> resolved = ResolveStateIds(*rules, sets, room);
    ASSERT_TRUE(resolved.ok()) << name;
    EXPECT_EQ(Text(*resolved),
              Text(ReadRows(vectors::ReadJson(dir + "expected.json").root())))
        << name;
  }
}

// A state that ruma recorded, without the header of its file.
StateIds ReadSnapshot(const std::string& name) {
  const std::string snapshot = vectors::ReadFile("ruma/" + name);
  const json::Document rows =
      *json::Document::Parse(snapshot.substr(snapshot.find("\n[")));
  StateIds state;
  for (const json::Value row : rows.root()) {
    state.emplace(StateKey{std::string(row["type"].StringOr("?")),
                           std::string(row["state_key"].StringOr("?"))},
                  row["event_id"].StringOr("?"));
  }
  return state;
}

// The problems of ruma's test suite.
class RumaProblem {
 public:
  explicit RumaProblem(json::Value problem)
      : problem_(problem),
        expected_(ReadSnapshot(std::string(problem["expected"].StringOr("")))) {
    for (const json::Value file : problem["pdus"]) {
      const json::Document pdus = Fixture(file);
      if (room_ == nullptr) {
        const json::Value version =
            pdus.root().at(0)["content"]["room_version"];
        room_ =
            std::make_unique<TestRoom>(*FindRoomVersion(version.StringOr("")));
      }
      batches_.emplace_back();
      for (const json::Value pdu : pdus.root()) {
        batches_.back().push_back(room_->Add(pdu));
      }
    }
    graph_ = std::make_unique<RoomGraph>(room_->Graph());
    resolver_ = std::make_unique<StateResolver>(*graph_);
  }

  void Run() {
    if (problem_["kind"].StringOr("") == "maps") {
      std::vector<StateTree> states;
      for (const json::Value file : problem_["state_maps"]) {
        const json::Document ids = Fixture(file);
        states.push_back(Numbered(*graph_, StateOf(room_.get(), ids.root())));
      }
      Expect("maps", resolver_->Resolve(states));
      return;
    }
    Expect("iterative", Iterative());
    Expect("batched", Batched());
    Expect("atomic", Atomic());
  }

 private:
  static json::Document Fixture(json::Value name) {
    return vectors::ReadJson("ruma/fixtures/" + std::string(name.StringOr("")));
  }

  void Expect(const char* how, const StateTree& state) {
    EXPECT_EQ(Text(Named(*graph_, state)), Text(expected_))
        << problem_["name"].raw() << " " << how;
  }

  StateTree Single(const Event& event) {
    StateTree state;
    graph_->Apply(graph_->Find(event.event_id()), &state);
    return state;
  }

  // State after each event from the states after its prev events.
  StateTree Iterative() {
    std::map<std::string, StateTree> after;
    std::set<std::string> leaves;
    for (const auto& batch : batches_) {
      for (const EventPtr& event : batch) {
        std::vector<StateTree> states;
        for (const std::string& prev : event->prev_events()) {
          states.push_back(after.at(prev));
          leaves.erase(prev);
        }
        leaves.insert(event->event_id());
        const StateTree before = resolver_->Resolve(states);
        StateTree with = before;
        graph_->Apply(graph_->Find(event->event_id()), &with);
        after[event->event_id()] =
            resolver_->Resolve(std::vector<StateTree>{before, with});
      }
    }
    std::vector<StateTree> states;
    for (const std::string& leaf : leaves) states.push_back(after.at(leaf));
    return resolver_->Resolve(states);
  }

  StateTree Batched() {
    StateTree result;
    bool first = true;
    for (const auto& batch : batches_) {
      std::vector<StateTree> states;
      if (!first) states.push_back(result);
      first = false;
      for (const EventPtr& event : batch) states.push_back(Single(*event));
      result = resolver_->Resolve(states);
    }
    return result;
  }

  StateTree Atomic() {
    std::vector<StateTree> states;
    for (const auto& batch : batches_) {
      for (const EventPtr& event : batch) states.push_back(Single(*event));
    }
    return resolver_->Resolve(states);
  }

  json::Value problem_;
  StateIds expected_;
  std::unique_ptr<TestRoom> room_;
  std::vector<std::vector<EventPtr>> batches_;
  std::unique_ptr<RoomGraph> graph_;
  std::unique_ptr<StateResolver> resolver_;
};

TEST(StateResVectorsTest, RumasProblems) {
  const json::Document manifest = vectors::ReadJson("ruma/manifest.json");
  size_t count = 0;
  for (const json::Value problem : manifest.root()) {
    RumaProblem(problem).Run();
    ++count;
  }
  EXPECT_EQ(count, 7u);
}

// Problem A of MSC4297 in a room of version 10: v2 answers as in version 11,
// and loses the join rules that v2.1 keeps.
TEST(StateResVectorsTest, TuwunelsProblem) {
  TestRoom room(*FindRoomVersion("10"));
  const json::Document pdus =
      vectors::ReadJson("tuwunel/state-res-v2.1-starts-from-empty-set.json");
  for (const json::Value pdu : pdus.root()) room.Add(pdu);
  std::vector<StateIds> sets;
  for (const char* file : {"state-bob", "state-charlie"}) {
    const json::Document ids = vectors::ReadJson(
        std::string("ruma/fixtures/MSC4297-problem-A/") + file + ".json");
    sets.push_back(StateOf(&room, ids.root()));
  }
  const Result<StateIds> resolved = ResolveStateIds(room.rules(), sets, room);
  ASSERT_TRUE(resolved.ok());
  EXPECT_EQ(
      Text(*resolved),
      Text(ReadSnapshot(
          "snapshots/msc4297_problem_a_state_res_v2_0@resolved_state.snap")));
}

}  // namespace
}  // namespace matrixcore
