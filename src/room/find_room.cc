#include "room/find_room.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "matrixcore/room/room_reader.h"

namespace matrixcore {

Result<RoomHead> FindRoom(Store& store, std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store.NewSnapshot());
  RoomCaches caches({.event_bytes = 0, .state_bytes = 0});
  MC_ASSIGN_OR_RETURN(std::optional<RoomHead> head,
                      RoomReader(*snapshot, caches).Head(room_id));
  if (!head) {
    return Status(StatusCode::kNotFound,
                  fmt::format("there is no room {} here", room_id));
  }
  return *std::move(head);
}

}  // namespace matrixcore
