// Where the service floor keeps rows of rooms, for taking a room away
// (room/room_purge.h).
#pragma once

#include "matrixcore/room/room_purge.h"

namespace matrixcore {

// Key backups are not among them: they are their owners', who may be in the
// room by another server.
RoomTableList TablesOfRooms();

}  // namespace matrixcore
