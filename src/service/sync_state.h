// The state block of a room in a sync answer: what a client must be told beside
// the timeline so that it knows the room's state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/event_filter.h"
#include "service/lazy_members.h"

namespace matrixcore {

struct StateRequest {
  // The state that the client has (0: none), at the start of the timeline, and
  // at its end.
  StateSnap known = 0;
  StateSnap start = 0;
  StateSnap end = 0;
  // The timeline that it is given.
  const std::vector<StoredEvent>* timeline = nullptr;
  const RoomEventFilter* filter = nullptr;
  // The state is to be right at the end of the timeline, for clients that do
  // not take state from the timeline (use_state_after).
  bool after = false;
  // Lazy-loading: members that are wanted beside the timeline's senders; the
  // own one when everything is sent.
  std::vector<std::string> heroes = {};
  const Session* session = nullptr;
  LazyMembers* lazy = nullptr;  // Null: redundant members are wanted.
};

struct StateBlock {
  std::vector<StoredEvent> events;
  // Member events that the client gets, here or in the timeline: for
  // LazyMembers.
  std::vector<LazyMembers::Member> members;
};

// Folding `events` and then the timeline (with `after`: `events` alone) into
// the known state gives the state at the end, for all keys that the filter
// allows. With lazy-loading, of the members only those that changed since the
// known state, and those that the timeline needs.
Result<StateBlock> SelectState(RoomReader& reader, const RoomHead& room,
                               const StateRequest& request);

}  // namespace matrixcore
