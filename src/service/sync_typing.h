// What a sync says about typing.
#pragma once

#include <optional>
#include <vector>

#include "matrixcore/service/ephemeral.h"
#include "service/sync_rooms.h"

namespace matrixcore {

// Whether someone types in a room that the user is in.  A client that knows of
// nobody typing needs no serial to learn what changed.
bool SomeoneTypesIn(const std::vector<UserRoom>& rooms, const TypingNews& news);

// What there is to say about a room.  `newly`: the client knows nothing of it
// yet; `initial`: nor of any other.
std::optional<TypingUsers> FindTyping(const EphemeralService& ephemeral,
                                      const TypingNews& news, RoomNid room,
                                      bool newly, bool initial);

}  // namespace matrixcore
