// Between rows and the room floor's values.
#pragma once

#include <string>

#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/tables.h"

namespace matrixcore {

// kDataLoss for a room version or an event that cannot be read.
Result<RoomHead> HeadFromRow(const Row& row);
// Takes the strings of the row.
Result<StoredEvent> EventFromRow(Row row, const RoomVersionRules& rules);
MembershipRow MembershipFromRow(const Row& row);

// The whole row of a room; `room` is its number, or the position that becomes
// it.
BatchRow RowFromHead(const RoomHead& head, const BatchCell& room,
                     const BatchCell& last_pos);
// The whole row of an event.
BatchRow RowFromEvent(const StoredEvent& stored, const BatchCell& room,
                      const BatchCell& pos);

}  // namespace matrixcore
