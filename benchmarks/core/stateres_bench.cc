// State resolution of the large generated rooms.
//
// The rooms are made by genroom.py, which prints nothing and needs a minute:
//
//   genroom.py --out DIR/big11 --seed 1 --fork-events 200
//   genroom.py --out DIR/b11-small --seed 1 --fork-events 3
//   genroom.py --out DIR/b11-deep --seed 1 --fork-events 5000
//   genroom.py --out DIR/b12-8x500 --seed 1 --room-version 12 --forks 8
//     --fork-events 500
//   genroom.py --out DIR/b12-stale --seed 1 --room-version 12 --stale 50
//
// and found in $MATRIXCORE_GENROOM=DIR.  Gates, on a 2-core Debian 12 machine:
// b11-small 0.2 ms, big11 1.5 ms, b12-8x500 8 ms, b11-deep 6 ms; 200 bytes an
// event.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "matrixcore/stateres/resolver.h"

namespace matrixcore {
namespace {

struct Room {
  const RoomVersionRules* rules = nullptr;
  std::vector<EventPtr> events;
  std::vector<RoomGraph::Source> sources;
  std::unique_ptr<RoomGraph> graph;
  std::vector<StateTree> states;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The room of that name, or null when it was not generated.
const Room* Load(const std::string& name) {
  static std::map<std::string, std::unique_ptr<Room>>& rooms =
      *new std::map<std::string, std::unique_ptr<Room>>();
  if (const auto found = rooms.find(name); found != rooms.end()) {
    return found->second.get();
  }
  const char* base = std::getenv("MATRIXCORE_GENROOM");
  if (base == nullptr) return nullptr;
  const std::string dir = std::string(base) + "/" + name + "/";
  Result<json::Document> states =
      json::Document::Parse(ReadFile(dir + "states.json"));
  if (!states.ok()) return nullptr;
  auto room = std::make_unique<Room>();
  room->rules = FindRoomVersion(states->root()["room_version"].StringOr(""));
  std::istringstream pdus(ReadFile(dir + "pdus.jsonl"));
  for (std::string line; std::getline(pdus, line);) {
    Result<EventPtr> event = Event::Parse(line, *room->rules);
    if (!event.ok()) return nullptr;
    room->events.push_back(*event);
    room->sources.push_back({event->get(), false});
  }
  room->graph = std::make_unique<RoomGraph>(*room->rules);
  if (!room->graph->AddAll(room->sources).ok()) return nullptr;
  for (const json::Value set : states->root()["state_sets"]) {
    room->states.emplace_back();
    for (const json::Value id : set) {
      const EventIdx event = room->graph->Find(id.StringOr(""));
      if (event == kNoIndex) return nullptr;
      room->graph->Apply(event, &room->states.back());
    }
  }
  return (rooms[name] = std::move(room)).get();
}

void BM_Resolve(benchmark::State& state, const std::string& name) {
  const Room* room = Load(name);
  if (room == nullptr) {
    state.SkipWithError("not in $MATRIXCORE_GENROOM");
    return;
  }
  StateResolver resolver(*room->graph);
  for (auto _ : state) {
    benchmark::DoNotOptimize(resolver.Resolve(room->states));
  }
  Explanation explanation;
  resolver.Resolve(room->states, &explanation);
  state.counters["conflicted"] =
      static_cast<double>(explanation.conflicted_events.size());
  state.counters["tried"] = static_cast<double>(explanation.steps.size());
}
BENCHMARK_CAPTURE(BM_Resolve, b11_small, "b11-small")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_Resolve, big11, "big11")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_Resolve, b11_deep, "b11-deep")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_Resolve, b12_8x500, "b12-8x500")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(BM_Resolve, b12_stale, "b12-stale")
    ->Unit(benchmark::kMicrosecond);

void BM_Intern(benchmark::State& state, const std::string& name) {
  const Room* room = Load(name);
  if (room == nullptr) {
    state.SkipWithError("not in $MATRIXCORE_GENROOM");
    return;
  }
  size_t bytes = 0;
  for (auto _ : state) {
    RoomGraph graph(*room->rules);
    for (const RoomGraph::Source& source : room->sources) {
      graph.Add(*source.event, source.rejected);
    }
    bytes = graph.ByteSize();
  }
  const auto events = static_cast<double>(room->events.size());
  state.counters["bytes_per_event"] = static_cast<double>(bytes) / events;
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(room->events.size()));
}
BENCHMARK_CAPTURE(BM_Intern, big11, "big11")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_Intern, b12_8x500, "b12-8x500")
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace matrixcore
