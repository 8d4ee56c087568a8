// What a list of very many rooms needs of each, for less than their heads and
// previews cost.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "matrixcore/room/room_reader.h"

namespace matrixcore {

struct RoomFacts {
  Position last_pos = 0;  // 0: there is no such room.
  StateSnap state = 0;
  // From the current state, if asked for: as in RoomPreview.
  std::string type = {};
  bool encrypted = false;
};

// In the order of `rooms`, which is ascending.
Result<std::vector<RoomFacts>> ReadRoomFacts(Snapshot& snapshot,
                                             std::span<const RoomNid> rooms,
                                             bool with_state);

}  // namespace matrixcore
