// How a user of this server joins a room that it knows: guests, restricted
// rooms, third-party invites, rooms that replace others.  For the services
// about rooms.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/service/accounts.h"
#include "service/room_settings.h"
#include "service/third_party_proof.h"

namespace matrixcore {

// What is known of the user and of other rooms before the room is looked at.
struct JoinFacts {
  // The user is in one of the rooms whose members may join.
  bool restriction_met = false;
  // Of the room that this one replaces, when the user comes from there.
  std::vector<RoomSetting> settings;
};
Result<JoinFacts> ReadJoinFacts(RoomReader& reader, const RoomHead& room,
                                const std::string& user_id);

// Adds to `change` what makes the user, who is not joined, join: `content` is
// that of the member event.  M_GUEST_ACCESS_FORBIDDEN; M_FORBIDDEN for a proof
// that goes with no invite of the room.
Status AddJoin(const RoomView& view, const Session& session,
               const JoinFacts& facts, std::string_view content,
               const std::optional<ThirdPartyProof>& proof, RoomChange& change);

}  // namespace matrixcore
