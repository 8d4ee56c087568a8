// Who wants to be invited (spec: client-server API, "Invite permission").
#pragma once

#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

inline constexpr std::string_view kInvitePermissionType =
    "m.invite_permission_config";

// Whether the user's account data says that nobody may invite them.
Result<bool> BlocksInvites(Snapshot& snapshot, std::string_view user_id);

// Ok when a user of this server may be invited.  M_INVALID_PARAM for what is no
// user id, M_FORBIDDEN for a user of another server, M_INVITE_BLOCKED.
Status CheckInvitable(Snapshot& snapshot, std::string_view user_id,
                      std::string_view server_name);

}  // namespace matrixcore
