#include "auth/rule_names.h"

#include <fmt/format.h>

#include <iterator>
#include <string>

namespace matrixcore {
namespace {

// The groups of rules; their numbers move with the room version.
enum class Group : uint8_t {
  kNone,
  kCreate,
  kRoomId,
  kAuthEvents,
  kFederate,
  kAliases,
  kMember,
  kJoin,
  kInvite,
  kLeave,
  kBan,
  kKnock,
  kSender,
  kThirdParty,
  kSend,
  kStateKey,
  kPowerLevels,
  kRedaction,
};

struct RuleInfo {
  Rule rule;
  Group group;
  // The number inside the group in version 12; 0: the group alone.
  int number;
  std::string_view name;
  std::string_view text;
};

constexpr RuleInfo kRules[] = {
    {Rule::kAllowed, Group::kNone, 0, "allowed", ""},
    {Rule::kIdentifierTooLong, Group::kNone, 0, "identifier-too-long",
     "an identifier has more than 255 bytes"},
    {Rule::kCreateHasPrevEvents, Group::kCreate, 1, "create-has-prev-events",
     "the create event has prev_events"},
    {Rule::kCreateRoomIdMismatch, Group::kCreate, 2, "create-room-id-mismatch",
     "the domain of the room id is not the sender's"},
    {Rule::kCreateUnknownVersion, Group::kCreate, 3, "create-unknown-version",
     "the room version is not known"},
    {Rule::kCreateNoCreator, Group::kCreate, 4, "create-no-creator",
     "the create event has no creator"},
    {Rule::kCreateBadAdditionalCreators, Group::kCreate, 4,
     "create-bad-additional-creators",
     "additional_creators is not an array of user ids"},
    {Rule::kCreateHasRoomId, Group::kCreate, 2, "create-has-room-id",
     "the create event has a room_id"},
    {Rule::kRoomIdNotCreate, Group::kRoomId, 0, "room-id-not-create",
     "the room id is not that of an accepted create event"},
    {Rule::kAuthEventsDuplicate, Group::kAuthEvents, 1, "auth-events-duplicate",
     "two auth events have the same type and state key"},
    {Rule::kAuthEventsUnexpected, Group::kAuthEvents, 2,
     "auth-events-unexpected",
     "an auth event is unknown or not one that this event may have"},
    {Rule::kAuthEventsRejected, Group::kAuthEvents, 3, "auth-events-rejected",
     "an auth event was rejected"},
    {Rule::kAuthEventsNoCreate, Group::kAuthEvents, 4, "auth-events-no-create",
     "there is no create event"},
    {Rule::kAuthEventsOtherRoom, Group::kAuthEvents, 5,
     "auth-events-other-room", "an auth event is of another room"},
    {Rule::kNotFederated, Group::kFederate, 0, "not-federated",
     "the room does not federate and the sender is of another server"},
    {Rule::kAliasesNoStateKey, Group::kAliases, 1, "aliases-no-state-key",
     "the aliases event has no state key"},
    {Rule::kAliasesWrongDomain, Group::kAliases, 2, "aliases-wrong-domain",
     "the state key of the aliases event is not the sender's server"},
    {Rule::kMemberMalformed, Group::kMember, 1, "member-malformed",
     "the member event has no state key or no membership"},
    {Rule::kMemberAuthoriserUnsigned, Group::kMember, 2,
     "member-authoriser-unsigned",
     "join_authorised_via_users_server names nobody who could have signed"},
    {Rule::kMemberJoinNotSelf, Group::kJoin, 2, "member-join-not-self",
     "a user can only join for themselves"},
    {Rule::kMemberJoinBanned, Group::kJoin, 3, "member-join-banned",
     "the user is banned"},
    {Rule::kMemberJoinNotInvited, Group::kJoin, 4, "member-join-not-invited",
     "the room is for the invited"},
    {Rule::kMemberJoinNotAuthorised, Group::kJoin, 5,
     "member-join-not-authorised",
     "the user who authorises the join is not joined or may not invite"},
    {Rule::kMemberJoinRule, Group::kJoin, 7, "member-join-rule",
     "the join rule lets nobody join"},
    {Rule::kMemberInviteThirdParty, Group::kInvite, 1,
     "member-invite-third-party",
     "the third-party invite is malformed, unsigned, unknown, of another "
     "sender, or its target is banned"},
    {Rule::kMemberInviteSenderNotJoined, Group::kInvite, 2,
     "member-invite-sender-not-joined", "the inviting user is not joined"},
    {Rule::kMemberInviteTargetJoinedOrBanned, Group::kInvite, 3,
     "member-invite-target-joined-or-banned",
     "the invited user is joined or banned"},
    {Rule::kMemberInviteLevel, Group::kInvite, 5, "member-invite-level",
     "the inviting user's level is too low"},
    {Rule::kMemberLeaveNotIn, Group::kLeave, 1, "member-leave-not-in",
     "only who is invited, joined or knocking can leave"},
    {Rule::kMemberLeaveSenderNotJoined, Group::kLeave, 2,
     "member-leave-sender-not-joined", "the kicking user is not joined"},
    {Rule::kMemberUnbanLevel, Group::kLeave, 3, "member-unban-level",
     "the level is too low to unban"},
    {Rule::kMemberKickLevel, Group::kLeave, 5, "member-kick-level",
     "the level is too low to kick, or not above the target's"},
    {Rule::kMemberBanSenderNotJoined, Group::kBan, 1,
     "member-ban-sender-not-joined", "the banning user is not joined"},
    {Rule::kMemberBanLevel, Group::kBan, 3, "member-ban-level",
     "the level is too low to ban, or not above the target's"},
    {Rule::kMemberKnockRule, Group::kKnock, 1, "member-knock-rule",
     "the join rule does not allow knocking"},
    {Rule::kMemberKnockNotSelf, Group::kKnock, 2, "member-knock-not-self",
     "a user can only knock for themselves"},
    {Rule::kMemberKnockMembership, Group::kKnock, 4, "member-knock-membership",
     "who is banned, invited or joined cannot knock"},
    {Rule::kMemberUnknown, Group::kMember, 8, "member-unknown",
     "the membership is unknown"},
    {Rule::kSenderNotJoined, Group::kSender, 0, "sender-not-joined",
     "the sender is not joined"},
    {Rule::kThirdPartyInviteLevel, Group::kThirdParty, 1,
     "third-party-invite-level", "the sender's level is too low to invite"},
    {Rule::kSendLevel, Group::kSend, 0, "send-level",
     "the sender's level is too low for this type of event"},
    {Rule::kStateKeyOfOtherUser, Group::kStateKey, 0, "state-key-of-other-user",
     "the state key is another user's"},
    {Rule::kPowerLevelsMalformed, Group::kPowerLevels, 3,
     "power-levels-malformed", "a power level is malformed"},
    {Rule::kPowerLevelsNamesCreator, Group::kPowerLevels, 4,
     "power-levels-names-creator", "the power levels name a creator"},
    {Rule::kPowerLevelsChange, Group::kPowerLevels, 6, "power-levels-change",
     "the sender may not change that level"},
    {Rule::kPowerLevelsUserChange, Group::kPowerLevels, 9,
     "power-levels-user-change", "the sender may not change that user's level"},
    {Rule::kRedactionLevel, Group::kRedaction, 3, "redaction-level",
     "the sender may not redact"},
};

constexpr bool IsInOrder() {
  int expected = 0;
  for (const RuleInfo& info : kRules) {
    if (static_cast<int>(info.rule) != expected++) return false;
  }
  return true;
}
static_assert(IsInOrder(), "a row for each Rule, in its order");

const RuleInfo& InfoOf(Rule rule) {
  return kRules[static_cast<size_t>(rule) % std::size(kRules)];
}

// The number of "If type is `m.room.member`".
int MemberRule(const RoomVersionRules& rules) {
  return 4 + (rules.aliases_special_case ? 1 : 0) +
         (rules.room_id_is_create_hash ? 1 : 0);
}

// The number of a group, "5.3"; "" where the version has no such rules.
std::string GroupNumber(Group group, const RoomVersionRules& rules) {
  const int before = rules.room_id_is_create_hash ? 1 : 0;
  const int member = MemberRule(rules);
  const int via = rules.restricted_joins ? 1 : 0;
  const auto in_member = [&](int number) {
    return fmt::format("{}.{}", member, number + via);
  };
  switch (group) {
    case Group::kNone:
      return "";
    case Group::kCreate:
      return "1";
    case Group::kRoomId:
      return rules.room_id_is_create_hash ? "2" : "";
    case Group::kAuthEvents:
      return fmt::format("{}", 2 + before);
    case Group::kFederate:
      return fmt::format("{}", 3 + before);
    case Group::kAliases:
      return rules.aliases_special_case ? "4" : "";
    case Group::kMember:
      return fmt::format("{}", member);
    case Group::kJoin:
      return in_member(2);
    case Group::kInvite:
      return in_member(3);
    case Group::kLeave:
      return in_member(4);
    case Group::kBan:
      return in_member(5);
    case Group::kKnock:
      return rules.knock ? in_member(6) : "";
    case Group::kRedaction:
      return rules.redaction_event_rule ? fmt::format("{}", member + 6) : "";
    default:
      return fmt::format("{}", member + static_cast<int>(group) -
                                   static_cast<int>(Group::kSender) + 1);
  }
}

// The number inside the group, which earlier versions number differently.
int NumberInGroup(const RuleInfo& info, const RoomVersionRules& rules) {
  const bool v10 = rules.power_level_format == PowerLevelFormat::kIntegers;
  const bool v12 = rules.creators_above_all;
  switch (info.rule) {
    case Rule::kMemberJoinRule:
      return rules.restricted_joins ? 7 : 6;
    case Rule::kMemberUnknown:
      return rules.restricted_joins ? 8 : rules.knock ? 7 : 6;
    case Rule::kPowerLevelsMalformed:
      return v10 ? 3 : 1;
    case Rule::kPowerLevelsChange:
      return v12 ? 6 : v10 ? 5 : 3;
    case Rule::kPowerLevelsUserChange:
      return v12 ? 9 : v10 ? 8 : 6;
    default:
      return info.number;
  }
}

}  // namespace

std::string_view RuleName(Rule rule) { return InfoOf(rule).name; }

std::string RuleNumber(Rule rule, const RoomVersionRules& rules) {
  const RuleInfo& info = InfoOf(rule);
  std::string number = GroupNumber(info.group, rules);
  if (number.empty() || info.number == 0) return number;
  return fmt::format("{}.{}", number, NumberInGroup(info, rules));
}

std::string_view auth_rules::RuleText(Rule rule) { return InfoOf(rule).text; }

}  // namespace matrixcore
