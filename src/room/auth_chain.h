// The auth chains of a stored room: the edges as tables::AuthEdges keeps them,
// by number.  For the room floor only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "room/known_events.h"

namespace matrixcore {

// What stands in a row, and what it says.  `auth` in any order; numbers that
// are not below the event's are left out, so that no chain is a circle.
std::string EncodeAuthEdges(EventIdx event, std::vector<EventIdx> auth);
// Descending.  kDataLoss when the bytes are no such numbers.
Result<std::vector<EventIdx>> DecodeAuthEdges(EventIdx event,
                                              std::string_view bytes);
// The bytes of an event's row, from the events that it names.
std::string AuthEdgesOf(EventIdx event,
                        const std::vector<KnownEvents::StoredPtr>& auth);

// The numbers of `of`, of their auth events, of theirs, and so on, ascending;
// those that `known` approves of and what is only behind them are left out.
//
// Goes down the room's edges once, many rows a read, however long the chains
// are; no event is read but those of rooms that have no edges stored.
Result<std::vector<EventIdx>> AuthChainOf(
    KnownEvents& events, const std::vector<EventIdx>& of,
    const std::function<bool(EventIdx)>& known = nullptr);

}  // namespace matrixcore
