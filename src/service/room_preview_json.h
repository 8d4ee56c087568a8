// Room previews in the form that clients get them, and who gets them.
#pragma once

#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/room_preview.h"
#include "matrixcore/room/room_reader.h"

namespace matrixcore {

// The members of a PublishedRoomsChunk, into an open object.
void WritePublishedRoom(json::Writer& out, const RoomHead& room,
                        const RoomPreview& preview);
// Those of a RoomPreview: the same, and what only these have.
void WriteRoomSummary(json::Writer& out, const RoomHead& room,
                      const RoomPreview& preview);

// Whether the user is joined to one of these rooms.
Result<bool> JoinedToAny(RoomReader& reader, std::string_view user_id,
                         const std::vector<std::string>& room_ids);

// Whether someone may find the room and its preview (spec: "GET
// /rooms/{roomId}/hierarchy"): members, those who may join or knock, everybody
// when it is world-readable.  `user_id` is "" for who is not logged in.
Result<bool> MayFindRoom(RoomReader& reader, const RoomHead& room,
                         const RoomPreview& preview, std::string_view user_id,
                         Membership membership);

}  // namespace matrixcore
