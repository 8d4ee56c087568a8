// Between rows and the room floor's values.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/tables.h"

namespace matrixcore {

// kDataLoss for a room version or an event that cannot be read.
Result<RoomHead> HeadFromRow(const Row& row);
// Takes the strings of the row.
Result<StoredEvent> EventFromRow(Row row, const RoomVersionRules& rules);
// The rows of tables::kEvents with those numbers, which ascend; nothing where
// there is none.  Runs of neighbours are read at once: the first events of a
// room are its state, one beside the other.
Result<std::vector<std::optional<Row>>> ReadEventRows(
    Snapshot& snapshot, RoomNid room, std::span<const EventIdx> ascending);
MembershipRow MembershipFromRow(const Row& row);

// The whole row of a room; `room` is its number, or the position that becomes
// it.
BatchRow RowFromHead(const RoomHead& head, const BatchCell& room,
                     const BatchCell& last_pos);
// The whole row of an event.
BatchRow RowFromEvent(const StoredEvent& stored, const BatchCell& room,
                      const BatchCell& pos);

}  // namespace matrixcore
