// The rows of rooms as a whole: rooms that are being brought in or taken away,
// and blocked ones.  For the tools that do so.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// An entry of tables::kStagedRooms.
struct StagedRoom {
  RoomNid nid = 0;
  std::string room_id;
  tables::StagedPurpose purpose = tables::StagedPurpose::kImport;
};
// Those with that room id; all of them for "".
Result<std::vector<StagedRoom>> FindStagedRooms(Snapshot& snapshot,
                                                std::string_view room_id);

// Deletes the rows of a table that belong to a room, some in each commit: those
// whose first key column is its number.  Safe to break off and to repeat.
// `progress` hears how many rows went; it may be null.
using RowsDeleted = std::function<void(uint64_t rows)>;
Status DeleteRowsOfRoom(Store& store, const TableSpec& table, RoomNid room,
                        const RowsDeleted& progress);

// Deletes what the room floor has of a staged room, and then its entry.
Status DeleteStagedRoom(Store& store, RoomNid room,
                        const RowsDeleted& progress = nullptr);

// --- Blocked rooms: nobody of this server may join them. ---

Result<bool> IsRoomBlocked(Snapshot& snapshot, std::string_view room_id);
// Who blocked it; "" when it is not blocked.
Result<std::string> RoomBlockedBy(Snapshot& snapshot, std::string_view room_id);
void BlockRoom(WriteBatch& batch, const std::string& room_id,
               const std::string& user_id, Timestamp now);
void UnblockRoom(WriteBatch& batch, const std::string& room_id);

}  // namespace matrixcore
