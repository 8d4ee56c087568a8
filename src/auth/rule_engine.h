// The authorisation rules, once, for two worlds: events read from their bytes
// (auth.cc) and interned events of a RoomGraph (stateres).  Internal to both.
//
// The rules are a template over a Context, which answers questions about the
// event and the state.  Levels are int64_t; kBadLevel says that the level that
// was asked for is malformed, which rejects the event that needed it.
#pragma once

#include <cstdint>
#include <string_view>

#include "matrixcore/auth/auth.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/roomversion/room_version.h"

namespace matrixcore::auth_rules {

inline constexpr int64_t kBadLevel = INT64_MIN;

enum class EventClass : uint8_t {
  kCreate,
  kMember,
  kPowerLevels,
  kThirdPartyInvite,
  kAliases,
  kRedaction,
  kOther,
};

constexpr EventClass ClassOf(std::string_view type) {
  if (type == kTypeMember) return EventClass::kMember;
  if (type == kTypePowerLevels) return EventClass::kPowerLevels;
  if (type == kTypeCreate) return EventClass::kCreate;
  if (type == kTypeThirdPartyInvite) return EventClass::kThirdPartyInvite;
  if (type == kTypeAliases) return EventClass::kAliases;
  if (type == kTypeRedaction) return EventClass::kRedaction;
  return EventClass::kOther;
}

enum class JoinRule : uint8_t {
  kInvite,  // Also when there is no join rule.
  kPublic,
  kKnock,
  kRestricted,
  kKnockRestricted,
  kOther,
};

constexpr JoinRule ParseJoinRule(std::string_view name) {
  if (name == "invite") return JoinRule::kInvite;
  if (name == "public") return JoinRule::kPublic;
  if (name == "knock") return JoinRule::kKnock;
  if (name == "restricted") return JoinRule::kRestricted;
  if (name == "knock_restricted") return JoinRule::kKnockRestricted;
  return JoinRule::kOther;
}

// The named levels of a power levels event, in the order of the rules' text.
enum class Scalar : uint8_t {
  kUsersDefault,
  kEventsDefault,
  kStateDefault,
  kBan,
  kRedact,
  kKick,
  kInvite,
};
inline constexpr size_t kScalars = 7;
inline constexpr std::string_view kScalarNames[kScalars] = {
    "users_default", "events_default", "state_default", "ban",
    "redact",        "kick",           "invite"};
inline constexpr int64_t kScalarDefaults[kScalars] = {0, 0, 50, 50, 50, 50, 0};

// Whether a >= b; false when either is malformed, which *bad then says.
inline bool AtLeast(int64_t a, int64_t b, bool* bad) {
  if (a == kBadLevel || b == kBadLevel) {
    *bad = true;
    return false;
  }
  return a >= b;
}

// `rejection`, or kPowerLevelsMalformed if that is the deeper reason.
inline Rule Reject(Rule rejection, bool bad) {
  return bad ? Rule::kPowerLevelsMalformed : rejection;
}

// Rule "If `membership` is `join`".
template <typename Context>
Rule CheckJoin(const Context& c) {
  if (c.IsFirstJoin()) return Rule::kAllowed;
  if (!c.SenderIsTarget()) return Rule::kMemberJoinNotSelf;
  const Membership membership = c.SenderMembership();
  if (membership == Membership::kBan) return Rule::kMemberJoinBanned;
  const RoomVersionRules& rules = c.rules();
  const JoinRule join_rule = c.GetJoinRule();
  const bool inside =
      membership == Membership::kInvite || membership == Membership::kJoin;
  if (join_rule == JoinRule::kInvite ||
      (join_rule == JoinRule::kKnock && rules.knock)) {
    return inside ? Rule::kAllowed : Rule::kMemberJoinNotInvited;
  }
  if ((join_rule == JoinRule::kRestricted && rules.restricted_joins) ||
      (join_rule == JoinRule::kKnockRestricted && rules.knock_restricted)) {
    if (inside) return Rule::kAllowed;
    if (c.AuthoriserMembership() != Membership::kJoin) {
      return Rule::kMemberJoinNotAuthorised;
    }
    bool bad = false;
    if (AtLeast(c.AuthoriserLevel(), c.Level(Scalar::kInvite), &bad)) {
      return Rule::kAllowed;
    }
    return Reject(Rule::kMemberJoinNotAuthorised, bad);
  }
  return join_rule == JoinRule::kPublic ? Rule::kAllowed
                                        : Rule::kMemberJoinRule;
}

// Rule "If `membership` is `invite`".
template <typename Context>
Rule CheckInvite(const Context& c) {
  const Membership target = c.TargetMembership();
  if (c.HasThirdPartyInvite()) {
    const bool ok = target != Membership::kBan && c.IsThirdPartyInviteValid();
    return ok ? Rule::kAllowed : Rule::kMemberInviteThirdParty;
  }
  if (c.SenderMembership() != Membership::kJoin) {
    return Rule::kMemberInviteSenderNotJoined;
  }
  if (target == Membership::kJoin || target == Membership::kBan) {
    return Rule::kMemberInviteTargetJoinedOrBanned;
  }
  bool bad = false;
  if (AtLeast(c.SenderLevel(), c.Level(Scalar::kInvite), &bad)) {
    return Rule::kAllowed;
  }
  return Reject(Rule::kMemberInviteLevel, bad);
}

// Whether the sender's level reaches `needed` and lies above the target's.
template <typename Context>
bool StandsAbove(const Context& c, Scalar needed, bool* bad) {
  const int64_t sender = c.SenderLevel();
  const int64_t target = c.TargetLevel();
  return AtLeast(sender, c.Level(needed), bad) &&
         !AtLeast(target, sender, bad) && !*bad;
}

// Rule "If `membership` is `leave`".
template <typename Context>
Rule CheckLeave(const Context& c) {
  const Membership sender = c.SenderMembership();
  if (c.SenderIsTarget()) {
    const bool inside = sender == Membership::kInvite ||
                        sender == Membership::kJoin ||
                        (sender == Membership::kKnock && c.rules().knock);
    return inside ? Rule::kAllowed : Rule::kMemberLeaveNotIn;
  }
  if (sender != Membership::kJoin) return Rule::kMemberLeaveSenderNotJoined;
  bool bad = false;
  if (c.TargetMembership() == Membership::kBan &&
      !AtLeast(c.SenderLevel(), c.Level(Scalar::kBan), &bad)) {
    return Reject(Rule::kMemberUnbanLevel, bad);
  }
  if (StandsAbove(c, Scalar::kKick, &bad)) return Rule::kAllowed;
  return Reject(Rule::kMemberKickLevel, bad);
}

// Rule "If `membership` is `ban`".
template <typename Context>
Rule CheckBan(const Context& c) {
  if (c.SenderMembership() != Membership::kJoin) {
    return Rule::kMemberBanSenderNotJoined;
  }
  bool bad = false;
  if (StandsAbove(c, Scalar::kBan, &bad)) return Rule::kAllowed;
  return Reject(Rule::kMemberBanLevel, bad);
}

// Rule "If `membership` is `knock`".
template <typename Context>
Rule CheckKnock(const Context& c) {
  const JoinRule join_rule = c.GetJoinRule();
  if (join_rule != JoinRule::kKnock &&
      !(join_rule == JoinRule::kKnockRestricted &&
        c.rules().knock_restricted)) {
    return Rule::kMemberKnockRule;
  }
  if (!c.SenderIsTarget()) return Rule::kMemberKnockNotSelf;
  const Membership membership = c.SenderMembership();
  const bool barred = membership == Membership::kBan ||
                      membership == Membership::kInvite ||
                      membership == Membership::kJoin;
  return barred ? Rule::kMemberKnockMembership : Rule::kAllowed;
}

// Rule "If type is `m.room.member`".
template <typename Context>
Rule CheckMember(const Context& c) {
  if (!c.HasStateKey() || !c.HasMembership()) return Rule::kMemberMalformed;
  switch (c.NewMembership()) {
    case Membership::kJoin:
      return CheckJoin(c);
    case Membership::kInvite:
      return CheckInvite(c);
    case Membership::kLeave:
      return CheckLeave(c);
    case Membership::kBan:
      return CheckBan(c);
    case Membership::kKnock:
      return c.rules().knock ? CheckKnock(c) : Rule::kMemberUnknown;
    case Membership::kNone:
      break;
  }
  return Rule::kMemberUnknown;
}

// The rules after "considering the event's `auth_events`", in their order.
template <typename Context>
Rule CheckState(const Context& c) {
  const EventClass event_class = c.GetClass();
  if (event_class == EventClass::kCreate) return c.CreateVerdict();
  if (!c.HasCreate()) return Rule::kAuthEventsNoCreate;
  if (!c.IsOfCreatesRoom()) return Rule::kRoomIdNotCreate;
  if (c.IsKeptOutByFederate()) return Rule::kNotFederated;
  if (event_class == EventClass::kAliases && c.rules().aliases_special_case) {
    if (!c.HasStateKey()) return Rule::kAliasesNoStateKey;
    return c.StateKeyIsSendersDomain() ? Rule::kAllowed
                                       : Rule::kAliasesWrongDomain;
  }
  if (event_class == EventClass::kMember) return CheckMember(c);
  if (c.SenderMembership() != Membership::kJoin) return Rule::kSenderNotJoined;
  bool bad = false;
  const int64_t sender_level = c.SenderLevel();
  if (event_class == EventClass::kThirdPartyInvite) {
    if (AtLeast(sender_level, c.Level(Scalar::kInvite), &bad)) {
      return Rule::kAllowed;
    }
    return Reject(Rule::kThirdPartyInviteLevel, bad);
  }
  if (!AtLeast(sender_level, c.RequiredLevel(), &bad)) {
    return Reject(Rule::kSendLevel, bad);
  }
  if (c.StateKeyIsOtherUser()) return Rule::kStateKeyOfOtherUser;
  if (event_class == EventClass::kPowerLevels) {
    return c.CheckPowerLevels(sender_level);
  }
  if (event_class == EventClass::kRedaction && c.rules().redaction_event_rule) {
    if (AtLeast(sender_level, c.Level(Scalar::kRedact), &bad) ||
        c.RedactsOwnDomain()) {
      return Rule::kAllowed;
    }
    return Reject(Rule::kRedactionLevel, bad);
  }
  return Rule::kAllowed;
}

// Whether a level may change as the rules want: neither side, where there is
// one, is above the sender's.  `old_level` and `new_level` are nullopt when
// absent.
inline bool MayChange(std::optional<int64_t> old_level,
                      std::optional<int64_t> new_level, int64_t sender_level) {
  if (old_level == new_level) return true;
  return old_level.value_or(kBadLevel) <= sender_level &&
         new_level.value_or(kBadLevel) <= sender_level;
}

// The same for an entry of `users`: one that is not the sender's own must also
// have been below the sender's level.
inline bool MayChangeUser(std::optional<int64_t> old_level,
                          std::optional<int64_t> new_level,
                          int64_t sender_level, bool is_sender) {
  if (old_level == new_level) return true;
  if (!is_sender && old_level.has_value() && *old_level >= sender_level) {
    return false;
  }
  return MayChange(old_level, new_level, sender_level);
}

}  // namespace matrixcore::auth_rules
