// RoomGraph: the events of one room that matter for its state, as numbers.
//
// State resolution never looks at JSON or strings: an event is interned once,
// and what the rules can ever ask about it is kept in flat columns (about 150
// bytes an event, power levels parsed).  The graph holds no Event.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/event/event.h"
#include "matrixcore/roomversion/room_version.h"
#include "matrixcore/stateres/state_tree.h"

namespace matrixcore {

// Owned by whoever resolves states of the room; outlives its StateResolvers.
//
// Thread-safety: Add, AddAll, Intern and SetRejected need exclusive access; the
// rest may run in many threads at once.
class RoomGraph {
 public:
  explicit RoomGraph(const RoomVersionRules& rules);
  RoomGraph(RoomGraph&&) noexcept;
  RoomGraph& operator=(RoomGraph&&) noexcept;
  ~RoomGraph();

  const RoomVersionRules& rules() const;

  // Makes room for that many more events.
  void Reserve(size_t events);

  // Interns an event and gives its number; the number that it has if it is
  // there already.  Its auth events must have been added before, and the create
  // event before everything else: auth events that the graph does not know now
  // are never linked.  `rejected`: it was rejected when it was received.
  EventIdx Add(const Event& event, bool rejected = false);

  // Interns events in any order, auth events before those that name them.
  // kInvalidArgument when auth events form a cycle; those events, and the ones
  // that lead to them, are then left out.
  struct Source {
    const Event* event = nullptr;
    bool rejected = false;
  };
  Status AddAll(std::span<const Source> events);

  // The number of an event, or kNoIndex.
  EventIdx Find(std::string_view event_id) const;
  void SetRejected(EventIdx event, bool rejected);
  bool IsRejected(EventIdx event) const;

  // The number of a pair, made if need be.
  KeyIdx Intern(std::string_view type, std::string_view state_key);
  // The same, or kNoIndex.
  KeyIdx FindKey(std::string_view type, std::string_view state_key) const;

  // Events and keys are numbered from 0.  Views live until the next Add.
  size_t event_count() const;
  size_t key_count() const;
  std::string_view event_id(EventIdx event) const;
  // kNoIndex for an event that is no state event.
  KeyIdx key_of(EventIdx event) const;
  std::string_view type(KeyIdx key) const;
  std::string_view state_key(KeyIdx key) const;
  std::string_view sender(EventIdx event) const;
  int64_t origin_server_ts(EventIdx event) const;
  // Those of its auth events that the graph knows.
  std::span<const EventIdx> auth_events(EventIdx event) const;

  // Puts a state event of this graph into a state.
  void Apply(EventIdx event, StateTree* state) const {
    if (key_of(event) != kNoIndex) state->Set(key_of(event), event);
  }

  // Memory that the graph holds, in bytes.
  size_t ByteSize() const;

 private:
  friend class StateResolver;
  struct Columns;
  friend struct GraphAccess;
  std::unique_ptr<Columns> columns_;
};

}  // namespace matrixcore
