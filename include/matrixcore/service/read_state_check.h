// Whether what is unread of a room, and what its users have read, fits its
// events: the part of `matrixcore-admin check` that CheckRoom cannot know.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/room/room_check.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

struct ReadStateCheckOptions {
  // Of this server: where its users have read to is known.
  std::string server_name = {};
  // Rows read at a time.
  size_t chunk = 500;
};

// Checks one room, in snapshots of their own for each chunk; gives how many
// findings there were.  That an event ought to notify is not judged: that hangs
// on the push rules of the day.  Errors: kNotFound, those of the store.
Result<uint64_t> CheckReadState(
    Store& store, std::string_view room_id,
    const ReadStateCheckOptions& options,
    const std::function<void(const RoomFinding&)>& report);

}  // namespace matrixcore
