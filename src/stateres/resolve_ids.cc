#include <absl/container/flat_hash_set.h>

#include <utility>

#include "matrixcore/event/types.h"
#include "matrixcore/stateres/resolver.h"

namespace matrixcore {
namespace {

// The events of the states and of their auth chains, as far as they are known.
std::vector<RoomGraph::Source> CollectEvents(const RoomVersionRules& rules,
                                             std::span<const StateIds> states,
                                             EventSource& source) {
  std::vector<RoomGraph::Source> events;
  absl::flat_hash_set<std::string_view> seen;
  std::vector<std::string_view> open;
  for (const StateIds& state : states) {
    for (const auto& [key, event_id] : state) open.push_back(event_id);
  }
  while (!open.empty()) {
    const std::string_view event_id = open.back();
    open.pop_back();
    if (!seen.insert(event_id).second) continue;
    const Event* event = source.Find(event_id);
    if (event == nullptr) continue;
    events.push_back({event, source.IsRejected(event_id)});
    for (const std::string& id : event->auth_events()) open.push_back(id);
    if (rules.room_id_is_create_hash && event->room_id().size() > 1 &&
        !event->Is(kTypeCreate, "")) {
      // The create event is named by the room id alone.
      const std::string create_id = "$" + event->room_id().substr(1);
      if (const Event* create = source.Find(create_id);
          create != nullptr && seen.insert(create->event_id()).second) {
        events.push_back({create, source.IsRejected(create_id)});
      }
    }
  }
  return events;
}

}  // namespace

Result<StateIds> ResolveStateIds(const RoomVersionRules& rules,
                                 std::span<const StateIds> states,
                                 EventSource& source) {
  RoomGraph graph(rules);
  const std::vector<RoomGraph::Source> events =
      CollectEvents(rules, states, source);
  graph.Reserve(events.size());
  MC_RETURN_IF_ERROR(graph.AddAll(events));
  std::vector<StateTree> maps(states.size());
  for (size_t i = 0; i < states.size(); ++i) {
    for (const auto& [key, event_id] : states[i]) {
      const EventIdx event = graph.Find(event_id);
      if (event != kNoIndex) graph.Apply(event, &maps[i]);
    }
  }
  StateIds resolved;
  StateResolver(graph).Resolve(maps).ForEach([&](KeyIdx key, EventIdx event) {
    resolved.emplace(StateKey{std::string(graph.type(key)),
                              std::string(graph.state_key(key))},
                     graph.event_id(event));
  });
  return resolved;
}

}  // namespace matrixcore
