// Which events of a room stay needed when its history is cut off.  For the room
// floor only.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "matrixcore/room/room_reader.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// What must stay of the events below a cut.
struct CutNeeds {
  // Numbers below the cut, ascending: the events of the states before the first
  // events above it, and the auth events of all that stays, and theirs ...
  std::vector<EventIdx> events;
  // The states of those first events, whose rows stay with their bases.
  std::vector<StateSnap> states;
  // The first state that an event above the cut made; UINT32_MAX if none did.
  // Those from it on stay too.
  StateSnap first_new_state = UINT32_MAX;
};

// `head` is that of the room; `cut` the number of the first event that stays in
// the graph.  `progress` hears how many events were looked at, and ends the
// work with kAborted by giving false; it may be null.
Result<CutNeeds> FindCutNeeds(
    Store& store, const RoomHead& head, EventIdx cut, size_t chunk,
    const std::function<bool(uint64_t done, uint64_t total)>& progress);

// The auth events of those events, and theirs ...: numbers, ascending, with the
// given ones.
Result<std::vector<EventIdx>> AuthClosure(Store& store, const RoomHead& head,
                                          std::vector<EventIdx> events);

}  // namespace matrixcore
