// What the graph of a stored room says: auth chains, and what several states
// come to.  Reads in batches what it needs and remembers nothing.
#pragma once

#include <span>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/stateres/state_tree.h"

namespace matrixcore {

// The numbers of the events `of`, of their auth events, of theirs, and so on,
// ascending.  Errors: those of the store; kDataLoss for damaged rows.
Result<std::vector<EventIdx>> StoredAuthChain(RoomReader& reader,
                                              const RoomHead& room,
                                              const std::vector<EventIdx>& of);

// The resolution of states of the room (spec: each room version, "State
// resolution"), in the room's numbers of keys and events.
Result<StateTree> ResolveStored(RoomReader& reader, const RoomHead& room,
                                std::span<const StateSnap> states);

}  // namespace matrixcore
