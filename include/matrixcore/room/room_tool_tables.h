// The tables of the room floor for the tools over whole rooms: purging,
// importing, blocking.
#pragma once

#include "matrixcore/store/table.h"

namespace matrixcore::tables {

// Where a room's history was cut off.
struct RoomCuts {
  enum Column : uint32_t {
    kRoom,
    kIdx,  // Of the first event that stayed in the timeline: those below it are
           // outliers (kEventOutlier) or gone.
    kPos,  // Of that event.
    kTs,   // Milliseconds: when it was cut.
  };
};
extern const TableSpec kRoomCuts;

// Public keys that came with an imported room: good for its own events and for
// nothing else.
struct RoomSigningKeys {
  enum Column : uint32_t { kRoom, kServer, kKeyId, kKey };
};
extern const TableSpec kRoomSigningKeys;

// Rooms that are being brought in or taken away: other tables may have rows
// with their number, but kRooms has none, so that no reader sees them.
struct StagedRooms {
  enum Column : uint32_t {
    kNid,
    kRoomId,
    kPurpose,  // StagedPurpose.
    kTs,       // Milliseconds: when it began.
  };
  enum Index : uint32_t { kByRoomId };
};
extern const TableSpec kStagedRooms;
enum class StagedPurpose : int64_t { kImport = 0, kPurge = 1 };

// Rooms that nobody here may join.
struct BlockedRooms {
  enum Column : uint32_t { kRoomId, kUser, kTs };  // Who blocked it, and when.
};
extern const TableSpec kBlockedRooms;

// The version of the schema that has the tables of all floors as they are.
inline constexpr uint32_t kSchemaVersion = 3;

}  // namespace matrixcore::tables
