// What was unread of history that is purged (room/history_purge.h).
#pragma once

#include "matrixcore/base/status.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Deletes the room's rows of kNotices and its like that are about events before
// a position; what follows is counted as before.  In bounded batches; safe to
// break off and to repeat.
Status PurgeNotices(Store& store, RoomNid room, Position before);

}  // namespace matrixcore
