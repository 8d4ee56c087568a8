// The room that a tool is asked to work on.  For the room floor only.
#pragma once

#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/room/stored_room.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// kNotFound, with a message for people, when it is not there.
Result<RoomHead> FindRoom(Store& store, std::string_view room_id);

}  // namespace matrixcore
