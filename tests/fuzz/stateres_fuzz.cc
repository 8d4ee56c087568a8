// Any room resolves, and as the naive reading of the specification has it.  The
// first byte chooses the room version, the second how many states there are
// (and whether the events come from a random room instead); then PDUs, a line
// each, with ids that are believed.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/check.h"
#include "matrixcore/stateres/resolver.h"
#include "stateres/naive_resolution.h"
#include "stateres/random_room.h"
#include "stateres/test_room.h"

namespace mc = matrixcore;

namespace {

void CheckResolution(mc::TestRoom& room,
                     const std::vector<mc::StateIds>& states) {
  const mc::RoomGraph graph = room.Graph();
  std::vector<mc::StateTree> maps;
  for (const mc::StateIds& state : states) {
    maps.push_back(mc::Numbered(graph, state));
  }
  mc::StateResolver resolver(graph);
  const mc::StateTree resolved = resolver.Resolve(maps);
  mc::Explanation explanation;
  MC_FUZZ_CHECK(resolver.Resolve(maps, &explanation) == resolved);
  const std::string text = mc::ExplanationJson(graph, explanation, resolved);
  MC_FUZZ_CHECK(mc::json::Document::ParseView(text).ok());
  if (!room.acyclic()) return;
  MC_FUZZ_CHECK(mc::Named(graph, resolved) ==
                mc::NaiveResolution(room).Resolve(states));
}

// Reads the PDUs; false when the room is one that the naive reading does not
// know: with several create events, or one that has auth events.
bool ReadRoom(std::string_view lines, mc::TestRoom* room) {
  size_t creates = 0;
  while (!lines.empty() && room->events().size() < 40) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    const auto pdu = mc::json::Document::ParseView(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (!pdu.ok() || pdu->root()["event_id"].StringOr("").empty()) continue;
    const mc::EventPtr event = room->Add(pdu->root());
    if (event == nullptr || event->type() != "m.room.create") continue;
    ++creates;
    if (!event->auth_events().empty() || !event->Is("m.room.create", "")) {
      return false;
    }
  }
  return creates <= 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto versions = mc::AllRoomVersions();
  const mc::RoomVersionRules& rules = *versions[data[0] % versions.size()];
  if (data[1] >= 0x80) {
    uint64_t seed = 0;
    for (size_t i = 1; i < size && i < 10; ++i) seed = seed << 8 | data[i];
    mc::RandomRoom random(rules, seed);
    CheckResolution(random.room(), random.states());
    return 0;
  }
  const size_t count = 1 + data[1] % 4;
  mc::TestRoom room(rules);
  if (!ReadRoom({reinterpret_cast<const char*>(data) + 2, size - 2}, &room)) {
    return 0;
  }
  // State i leaves out every fourth event, each another one.
  std::vector<mc::StateIds> states(count);
  for (size_t i = 0; i < room.events().size(); ++i) {
    const mc::Event& event = *room.events()[i];
    for (size_t s = 0; s < count; ++s) {
      if (!event.is_state() || i % 4 == s) continue;
      states[s][mc::StateKey{std::string(event.type()),
                             std::string(*event.state_key())}] =
          event.event_id();
    }
  }
  CheckResolution(room, states);
  return 0;
}
