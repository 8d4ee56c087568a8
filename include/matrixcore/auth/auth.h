// Authorisation rules (spec: content/rooms/vN.md "Authorization rules").
//
// Pure functions: they reach the room's state through a StateSource and never
// fail; the answer is a Verdict that names the rule that decided.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/event/event.h"

namespace matrixcore {

// The state against which an event is judged.  Implemented by the room floor
// over cached state, by state resolution over its overlay, by tests over maps.
class StateSource {
 public:
  virtual ~StateSource() = default;
  // The event, or nullptr; it lives at least as long as the source.
  virtual const Event* Find(std::string_view type,
                            std::string_view state_key) const = 0;
};

// A (type, state_key) pair.
struct StateKey {
  std::string type;
  std::string state_key;
  friend auto operator<=>(const StateKey&, const StateKey&) = default;
};

// The auth rules in the order of version 12's text, with those that other
// versions have or had.  docs/ and `explain` print RuleName.
enum class Rule : uint8_t {
  kAllowed,
  kIdentifierTooLong,  // More than 255 bytes, where the format counts
                       // characters.
  kCreateHasPrevEvents,
  kCreateRoomIdMismatch,
  kCreateUnknownVersion,
  kCreateNoCreator,
  kCreateBadAdditionalCreators,
  kCreateHasRoomId,
  kRoomIdNotCreate,
  kAuthEventsDuplicate,
  kAuthEventsUnexpected,
  kAuthEventsRejected,
  kAuthEventsNoCreate,
  kAuthEventsOtherRoom,
  kNotFederated,
  kAliasesNoStateKey,
  kAliasesWrongDomain,
  kMemberMalformed,
  kMemberAuthoriserUnsigned,
  kMemberJoinNotSelf,
  kMemberJoinBanned,
  kMemberJoinNotInvited,
  kMemberJoinNotAuthorised,
  kMemberJoinRule,
  kMemberInviteThirdParty,
  kMemberInviteSenderNotJoined,
  kMemberInviteTargetJoinedOrBanned,
  kMemberInviteLevel,
  kMemberLeaveNotIn,
  kMemberLeaveSenderNotJoined,
  kMemberUnbanLevel,
  kMemberKickLevel,
  kMemberBanSenderNotJoined,
  kMemberBanLevel,
  kMemberKnockRule,
  kMemberKnockNotSelf,
  kMemberKnockMembership,
  kMemberUnknown,
  kSenderNotJoined,
  kThirdPartyInviteLevel,
  kSendLevel,
  kStateKeyOfOtherUser,
  kPowerLevelsMalformed,
  kPowerLevelsNamesCreator,
  kPowerLevelsChange,
  kPowerLevelsUserChange,
  kRedactionLevel,
};
// "member-join-banned".
std::string_view RuleName(Rule rule);
// Where the rule stands in that version's text, "5.3.3"; "" when it is not
// there.
std::string RuleNumber(Rule rule, const RoomVersionRules& rules);

struct Verdict {
  Rule rule = Rule::kAllowed;
  std::string detail;  // For people; "" when allowed.
  bool allowed() const { return rule == Rule::kAllowed; }
};

// What an event's auth events must be: the (type, state_key) pairs to look up
// in the state before it (spec: server-server API, "Auth events selection").
// `content` is the event's content.
std::vector<StateKey> AuthStateKeys(std::string_view type,
                                    std::string_view sender,
                                    std::optional<std::string_view> state_key,
                                    json::Value content,
                                    const RoomVersionRules& rules);

// Rules that depend on the event alone and on its own auth events: format of
// the create event, duplicates, foreign or rejected auth events.  `auth_events`
// are the events that it names, with whether each was rejected; a null event is
// one that could not be had, which rejects.  `create` is the room's create
// event if that was accepted (needed from version 12 on, where it is not among
// them).
struct AuthEvent {
  const Event* event = nullptr;
  bool rejected = false;
};
Verdict CheckAuthEvents(const Event& event,
                        const std::vector<AuthEvent>& auth_events,
                        const Event* create);

// Rules that depend on the room's state: everything after "considering the
// event's auth_events".  In versions with rules().room_id_is_create_hash the
// source must give the create event for ("m.room.create", "").  Allocates
// nothing when the event is allowed (unless by the signature of a third-party
// invite).
//
// The signature that `join_authorised_via_users_server` asks for is the
// business of CheckIntegrity, and that it names a user at all of
// CheckAuthEvents.
Verdict CheckStateAuth(const Event& event, const StateSource& state);

}  // namespace matrixcore
