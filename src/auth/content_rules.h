// Rules that look only at contents, shared by events and interned events.
// Internal to auth and stateres.
#pragma once

#include <cstdint>
#include <string_view>

#include "auth/rule_engine.h"
#include "matrixcore/auth/auth.h"
#include "matrixcore/event/event.h"
#include "matrixcore/roomversion/room_version.h"

namespace matrixcore::auth_rules {

// The rules of a create event.
Rule CheckCreate(const Event& create);

// The join rule in the content of the room's m.room.join_rules event ("" if
// there is no such event).  Without one the room is invite-only.
JoinRule JoinRuleIn(std::string_view content);

// Whether new power levels are well-formed and, from version 12 on, name no
// creator; `create` may be null, then that is not judged.
Rule CheckPowerLevelsFormat(std::string_view content, const Event* create,
                            const RoomVersionRules& rules);

// The rules for changes from `old_content` to `new_content` of power levels by
// a sender of that level.
Rule CheckPowerLevelsChange(std::string_view old_content,
                            std::string_view new_content,
                            std::string_view sender, int64_t sender_level,
                            const RoomVersionRules& rules);

// The rules of an invite with `third_party_invite`, except for the target's ban
// and the sender: `signed_json` is its member `signed`, `token_content` the
// content of the event that its token names.
bool IsThirdPartyInviteValid(std::string_view signed_json,
                             std::string_view target,
                             std::string_view token_content);

}  // namespace matrixcore::auth_rules
