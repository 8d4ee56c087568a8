// RoomPreview: what may be told of a room to who is not in it: in the room
// directory, in a space's hierarchy, in a room summary.
//
// The RoomWriter keeps one for every room, in the commit that changes the state
// it is made from, so that a list of rooms costs one batch of reads.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/auth/auth.h"
#include "matrixcore/store/table.h"
#include "matrixcore/store/write_batch.h"

namespace matrixcore {

// A value.  Texts are "" when the room does not have them.
struct RoomPreview {
  std::string name = {};
  std::string topic = {};  // Plain text.
  std::string canonical_alias = {};
  std::string avatar_url = {};
  std::string join_rule = "invite";
  bool world_readable = false;
  bool guest_can_join = false;
  std::string type = {};        // "m.space", ...
  std::string encryption = {};  // The algorithm.
  // Rooms whose members may join, when the join rule is a restricted one.
  std::vector<std::string> allowed_room_ids = {};

  friend bool operator==(const RoomPreview&, const RoomPreview&) = default;
};

// Whether a preview is made from the state at that key, among others.
bool IsPreviewKey(std::string_view type, std::string_view state_key);

// What the state of a room says.
RoomPreview RoomPreviewOf(const StateSource& state);

// Between previews and rows of tables::kRoomPreviews; `room` is the room's
// number, or the position that becomes it.
BatchRow RowFromRoomPreview(const RoomPreview& preview, const BatchCell& room);
RoomPreview RoomPreviewFromRow(const Row& row);

}  // namespace matrixcore
