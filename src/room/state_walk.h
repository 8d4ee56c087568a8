// The states of one room for who walks along its graph: persistent maps of the
// room's own numbers (key number to event number), so that the states of
// thousands of events cost little memory, and their resolution.  For the room
// floor only.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "matrixcore/base/lru.h"
#include "matrixcore/stateres/resolver.h"
#include "matrixcore/stateres/room_graph.h"
#include "matrixcore/stateres/state_tree.h"
#include "room/known_events.h"
#include "room/room_caches.h"

namespace matrixcore {

// The event number at a key, 0 if the state has none.
inline EventIdx StateAt(const StateTree& state, StateKeyNum key) {
  const EventIdx idx = state.Get(key);
  return idx == kNoIndex ? 0 : idx;
}

// A row of tables::kStateSnaps.
struct StateSnapRow {
  StateSnap parent = 0;
  StateSnap base = 0;
  uint32_t height = 0;
  std::vector<StateDeltaEntry> delta = {};
};

// Not thread-safe.
class StateWalk {
 public:
  // The number of an event's state key; 0 if it has none.
  using KeyNumOf = std::function<Result<StateKeyNum>(
      std::string_view type, std::string_view state_key)>;

  // `events` outlives this.
  StateWalk(RoomNid room, const RoomVersionRules& rules, KnownEvents& events,
            KeyNumOf key_num, size_t budget_bytes);

  void Use(Snapshot& snapshot) { snapshot_ = &snapshot; }

  // The state that a snapshot number stands for.  kDataLoss when rows of it are
  // missing or damaged; the message says which.
  Result<StateTree> At(StateSnap snap);
  Result<StateSnapRow> RowOf(StateSnap snap);
  void Keep(StateSnap snap, const StateTree& state);
  // Keeps one that the store does not have yet, until ReleasePinned.
  void Pin(StateSnap snap, const StateTree& state, StateSnapRow row);
  void ReleasePinned();

  // Their resolution (spec: each room version, "State resolution").
  Result<StateTree> Resolve(std::span<const StateTree> states);

 private:
  // Adds events with their auth chains to the graph.
  Status AddToGraph(const std::vector<EventIdx>& idxs);
  Result<StateTree> ToGraph(const StateTree& state);
  Result<StateKeyNum> FromGraphKey(KeyIdx key);

  const RoomNid room_;
  KnownEvents& events_;
  const KeyNumOf key_num_;
  Snapshot* snapshot_ = nullptr;
  CacheBudget budget_;
  LruCache<StateSnap, StateTree> states_;
  struct Pinned {
    StateTree state;
    StateSnapRow row;
  };
  absl::flat_hash_map<StateSnap, Pinned> pinned_;

  // What resolutions have needed so far.
  RoomGraph graph_;
  StateResolver resolver_;
  absl::flat_hash_map<EventIdx, EventIdx> graph_of_;  // By room number.
  std::vector<EventIdx> room_of_;                     // By graph number.
  absl::flat_hash_map<KeyIdx, StateKeyNum> keys_;
  StateTree last_room_state_;   // The last one that was translated ...
  StateTree last_graph_state_;  // ... and what it became.
};

}  // namespace matrixcore
