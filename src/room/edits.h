// Which replacement of an event counts, judged from the store.  For the room
// floor only.
#pragma once

#include <span>

#include "matrixcore/room/room_reader.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// The greatest of the valid replacements of `target` among `edits`: by time,
// then by id.
struct BestEdit {
  EventIdx idx = 0;  // 0: none is valid.
  int64_t ts = 0;
  std::string event_id;
};
Result<BestEdit> FindBestEdit(RoomReader& reader, const RoomHead& head,
                              EventIdx target, std::span<const EventIdx> edits);

// Completes the index of relations for events that came behind those that
// relate to them.
Status JudgeEditsAgain(Store& store, const RoomHead& head);

}  // namespace matrixcore
