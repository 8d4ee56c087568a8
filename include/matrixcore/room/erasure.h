// Users who had their content erased when they deactivated their account (spec:
// client-server API, POST /account/deactivate, `erase`).
//
// Their events stay: whoever could see them before goes on to see them, all
// others get them redacted.  Of state events that holds for their own
// memberships; the rest says what the room is, not what they said.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/store/write_batch.h"

namespace matrixcore {

// Erases the user from the position of that batch on.  Call
// RoomCaches::NoteErasure once it is committed.
void AddErasure(WriteBatch& batch, const std::string& user_id);
// For the start of a server: tells the caches if anybody was erased.
Status LoadErasures(Snapshot& snapshot, RoomCaches& caches);

// Which of `events`, all of which `user_id` may see, must be shown redacted.
// Empty for none, without a read while nobody was erased.
Result<std::vector<bool>> ErasedEvents(RoomReader& reader, const RoomHead& room,
                                       std::string_view user_id,
                                       std::span<const StoredEvent> events);

}  // namespace matrixcore
