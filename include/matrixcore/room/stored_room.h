// What is stored of a room, as values: its head, its events where they stand,
// its states and members.  RoomReader reads them, RoomWriter makes them.
//
// Inside a room everything has a number: events (EventIdx), pairs of type and
// state_key (StateKeyNum), states (StateSnap).  All count from 1; 0 is none, or
// the empty state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/event/event.h"
#include "matrixcore/event/views.h"
#include "matrixcore/roomversion/room_version.h"
#include "matrixcore/stateres/state_tree.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

using RoomNid = int64_t;
using EventIdx = uint32_t;
using StateKeyNum = uint32_t;
using StateSnap = uint32_t;

// The head of a room, as its row says.
struct RoomHead {
  RoomNid nid = 0;
  std::string room_id;
  const RoomVersionRules* rules = nullptr;
  std::string creator;
  int64_t generation = 0;
  std::vector<std::string> extremities;
  int64_t depth = 0;
  EventIdx last_idx = 0;
  StateKeyNum last_key = 0;
  StateSnap last_snap = 0;
  StateSnap state = 0;
  int64_t joined = 0;
  int64_t invited = 0;
  Position last_pos = 0;
  int64_t max_ts = INT64_MIN;  // The greatest origin_server_ts of its events.
  bool listed = false;
};

enum EventFlags : int64_t {
  kEventRejected = 1,
  kEventSoftFailed = 2,
  // Kept without its surroundings, for others which it authorises or as the
  // last copy: its states are not known, and it is in no timeline.
  kEventOutlier = 4,
};

// An event where it stands in its room.
struct StoredEvent {
  EventPtr event;
  EventIdx idx = 0;
  Position pos = 0;
  StateSnap before = 0;
  StateSnap after = 0;
  EventIdx replaces = 0;  // Of a state event: the one before at its key, or 0.
  int64_t flags = 0;
  EventIdx redacted_by = 0;  // The redaction; 0 if it was not redacted.
  std::string txn_device;    // "" if it was sent without a transaction id.
  std::string txn_id;
  // The greatest origin_server_ts of the room up to this event.
  int64_t max_ts = 0;
};

// An entry of the index of relations: an event that relates to another.
struct RelatedEvent {
  EventIdx idx = 0;
  Position pos = 0;
  std::string rel_type = {};
  std::string type = {};
  std::string sender = {};
};

// What is known of the events that relate to one event, without those that were
// redacted.
struct RelationSummary {
  std::string target;       // An event id.
  EventIdx target_idx = 0;  // 0 if that event is not in the room.
  int64_t children = 0;     // All of them.
  int64_t references = 0;   // With m.reference.
  // The newest valid replacement, 0 if none (spec: "Server-side aggregation of
  // m.replace relationships").
  EventIdx edit = 0;
  int64_t threaded = 0;  // With m.thread ...
  EventIdx thread_last = 0;
  Position thread_pos = 0;  // ... and the last of them.
};

// The newest membership of a user in a room.
struct MembershipRow {
  std::string user_id;
  RoomNid room = 0;
  Membership membership = Membership::kNone;
  EventIdx idx = 0;
  Position pos = 0;
  bool forgotten = false;
};

// The names of a room's state key numbers.  Append-only, shared.  Thread-safe.
class StateKeyNames;

// The state of a room at one snapshot number: event numbers by key number.
// Immutable, shared, comparable by number.  The states of a room that are in
// memory share all that is equal.
class StateMap {
 public:
  StateMap() = default;
  explicit StateMap(StateTree map) : map_(std::move(map)) {}

  // 0 when the state has no such key.
  EventIdx Find(StateKeyNum key) const {
    const EventIdx event = map_.Get(key);
    return event == kNoIndex ? 0 : event;
  }
  // Calls visit(key, event), in the order of the keys' numbers.
  template <typename Visit>
  void ForEach(Visit visit) const {
    map_.ForEach(visit);
  }
  // All events, by key number.
  std::vector<EventIdx> events() const {
    std::vector<EventIdx> all;
    all.reserve(size());
    ForEach([&all](StateKeyNum, EventIdx event) { all.push_back(event); });
    return all;
  }
  // How many keys it has.
  size_t size() const { return map_.size(); }
  const StateTree& map() const { return map_; }

 private:
  StateTree map_;
};
using StateMapPtr = std::shared_ptr<const StateMap>;

}  // namespace matrixcore
