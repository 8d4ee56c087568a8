// Reading the contents of common state events: lenient, never failing, each
// with the default that the specification gives.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/event/event.h"

namespace matrixcore {

enum class Membership : uint8_t { kNone, kInvite, kJoin, kKnock, kLeave, kBan };
// "join" -> kJoin; kNone for anything unknown.
Membership ParseMembership(std::string_view name);
// "join"; "leave" for kNone, as a user who never was in the room is seen.
std::string_view MembershipName(Membership membership);
// content.membership of an m.room.member event.
Membership MembershipOf(const Event& event);

enum class HistoryVisibility : uint8_t {
  kInvited,
  kJoined,
  kShared,
  kWorldReadable
};
// kShared when the event is null or says nothing valid.
HistoryVisibility HistoryVisibilityOf(const Event* event);

// "public", "invite", ...; "invite" when the event is null or says nothing
// valid.
std::string_view JoinRuleOf(const Event* event);

// Power levels as the room's versions read them.  A level is at most 2^53-1;
// the creators of a version 12 room stand above every number.
inline constexpr int64_t kCreatorPower = INT64_MAX;

// A reader over the room's create and power level events; either may be null.
// Holds views: both events must outlive it.  Cheap to make.
class PowerLevels {
 public:
  PowerLevels(const Event* create, const Event* power_levels);

  // The level of a user; kCreatorPower for a creator from version 12 on.
  int64_t User(std::string_view user_id) const;
  // The level needed to send an event of that type.
  int64_t ToSend(std::string_view type, bool is_state) const;
  int64_t ToBan() const;
  int64_t ToKick() const;
  int64_t ToInvite() const;
  int64_t ToRedact() const;
  // notifications.`key`, 50 by default.
  int64_t ToNotify(std::string_view key) const;

 private:
  int64_t Scalar(std::string_view key, int64_t fallback) const;
  const Event* create_;
  const Event* levels_;
};

// Whether `user_id` created the room: the sender (before version 11
// content.creator), and from version 12 on also additional_creators.
bool IsRoomCreator(const Event& create, std::string_view user_id);

}  // namespace matrixcore
