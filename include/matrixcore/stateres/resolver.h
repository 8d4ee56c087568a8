// State resolution: v1, v2 and v2.1, by room version (spec: rooms/v1.md,
// rooms/v2.md, rooms/v12.md, "State resolution").
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/auth/auth.h"
#include "matrixcore/base/status.h"
#include "matrixcore/stateres/room_graph.h"
#include "matrixcore/stateres/state_tree.h"

namespace matrixcore {

// Why a resolution came out as it did.
struct Explanation {
  // Keys at which the states differ, and the events there.
  std::vector<KeyIdx> conflicted_keys;
  std::vector<EventIdx> conflicted_events;
  // Keys at which no state has an event, but the result has one.
  std::vector<KeyIdx> added_keys;
  // v2 and v2.1 only.
  std::vector<EventIdx> auth_difference;
  std::vector<EventIdx> conflicted_subgraph;  // v2.1 only.
  // The power levels on which the mainline is based; kNoIndex if none.
  EventIdx mainline_base = kNoIndex;

  enum class Phase : uint8_t {
    kPower,     // v2: power events, in reverse topological power order.
    kMainline,  // v2: all others, in mainline order.
    kV1,        // v1: by depth and SHA-1 of the event id.
  };
  // One event that was tried, in the order in which they were.
  struct Step {
    EventIdx event = kNoIndex;
    KeyIdx key = kNoIndex;
    Phase phase = Phase::kPower;
    int64_t sender_level = 0;  // Of the sender, by the event's own auth events.
    int64_t origin_server_ts = 0;
    int64_t depth = 0;
    // How many power levels lie between the mainline's newest and this event's
    // own; kNoIndex: not based on the mainline at all.
    uint32_t mainline_position = kNoIndex;
    Rule rule = Rule::kAllowed;
    // What it was judged against: power levels, sender's and target's
    // membership, join rules; kNoIndex where there was none.
    std::array<EventIdx, 4> against{kNoIndex, kNoIndex, kNoIndex, kNoIndex};
  };
  std::vector<Step> steps;
};

// Resolves states of one room.  Keeps its working memory, so that resolving
// again costs little: keep one for each thread that resolves, or one with the
// graph. Not thread-safe; the graph must not change during a call.
class StateResolver {
 public:
  explicit StateResolver(const RoomGraph& graph);
  ~StateResolver();

  // The resolution of `states`; their events must be of the graph.  No states
  // give an empty one, equal ones their value.  Never fails, whatever the
  // events contain; linear in what lies between the conflict and the point
  // where the auth chains of the states meet again.
  StateTree Resolve(std::span<const StateTree> states,
                    Explanation* explanation = nullptr);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The explanation as JSON, for tools and administrators: for each conflicted
// key its candidates in the order in which they were tried, why, and who won.
std::string ExplanationJson(const RoomGraph& graph,
                            const Explanation& explanation,
                            const StateTree& resolved);

// Where ResolveStateIds finds events.
class EventSource {
 public:
  virtual ~EventSource() = default;
  // The event, or nullptr when it is not known; lives until the call returns.
  virtual const Event* Find(std::string_view event_id) = 0;
  // Whether it was rejected when it was received.
  virtual bool IsRejected(std::string_view event_id) = 0;
};

// The state of a room by name.
using StateIds = std::map<StateKey, std::string>;

// Resolves without a graph of one's own: walks the auth chains of `states`
// through `source`, interns them, resolves.  Unknown events are left out.  For
// tools, tests and the occasional resolution; whoever resolves often keeps a
// RoomGraph.  kInvalidArgument when auth events form a cycle.
Result<StateIds> ResolveStateIds(const RoomVersionRules& rules,
                                 std::span<const StateIds> states,
                                 EventSource& source);

}  // namespace matrixcore
