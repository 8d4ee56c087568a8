#include "matrixcore/auth/auth.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "auth/auth_keys.h"
#include "auth/content_rules.h"
#include "auth/rule_engine.h"
#include "auth/rule_names.h"
#include "event/canonical_reader.h"
#include "event/power_level.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/canonical.h"

namespace matrixcore {
namespace {

using auth_rules::EventClass;
using auth_rules::JoinRule;
using auth_rules::kBadLevel;
using auth_rules::kScalarDefaults;
using auth_rules::kScalarNames;
using auth_rules::Scalar;
using auth_rules::Text;
using canonical::Member;

// Answers the questions of the rules from the bytes of events.
class EventContext {
 public:
  EventContext(const Event& event, const StateSource& state)
      : event_(event),
        state_(state),
        content_(event.content_json()),
        create_(state.Find(kTypeCreate, "")),
        class_(auth_rules::ClassOf(event.type())),
        sender_membership_(class_ == EventClass::kCreate
                               ? Membership::kNone
                               : MembershipIn(event.sender())) {}

  const RoomVersionRules& rules() const { return event_.rules(); }
  EventClass GetClass() const { return class_; }
  Rule CreateVerdict() const { return auth_rules::CheckCreate(event_); }
  bool HasCreate() const { return create_ != nullptr; }
  bool IsOfCreatesRoom() const {
    return !rules().room_id_is_create_hash ||
           create_->room_id() == event_.room_id();
  }
  bool IsKeptOutByFederate() const {
    return Member(create_->content_json(), "m.federate") == "false" &&
           DomainOf(create_->sender()) != DomainOf(event_.sender());
  }
  bool HasStateKey() const { return event_.is_state(); }
  bool StateKeyIsSendersDomain() const {
    return event_.state_key() == DomainOf(event_.sender());
  }
  bool StateKeyIsOtherUser() const {
    const std::string_view key = event_.state_key().value_or("");
    return !key.empty() && key.front() == '@' && key != event_.sender();
  }

  // Membership.
  bool HasMembership() const {
    return canonical::IsString(Member(content_, "membership"));
  }
  Membership NewMembership() const { return MembershipOf(event_); }
  bool SenderIsTarget() const { return event_.state_key() == event_.sender(); }
  Membership SenderMembership() const { return sender_membership_; }
  Membership TargetMembership() const {
    return MembershipIn(*event_.state_key());
  }
  bool IsFirstJoin() const {
    if (event_.prev_events().size() != 1 ||
        event_.prev_events()[0] != create_->event_id()) {
      return false;
    }
    const std::string_view target = *event_.state_key();
    return rules().creator_is_sender ? create_->sender() == target
                                     : IsRoomCreator(*create_, target);
  }
  JoinRule GetJoinRule() const {
    const Event* event = state_.Find(kTypeJoinRules, "");
    return auth_rules::JoinRuleIn(event == nullptr ? std::string_view()
                                                   : event->content_json());
  }
  Membership AuthoriserMembership() const {
    const Text user(Authoriser());
    return user.is_string() ? MembershipIn(user.view()) : Membership::kNone;
  }
  int64_t AuthoriserLevel() const {
    return UserLevel(Text(Authoriser()).view());
  }
  bool HasThirdPartyInvite() const {
    return !Member(content_, "third_party_invite").empty();
  }
  bool IsThirdPartyInviteValid() const {
    const Text token(auth_rules::ThirdPartyToken(content_));
    if (!token.is_string()) return false;
    const Event* event = state_.Find(kTypeThirdPartyInvite, token.view());
    return event != nullptr && event->sender() == event_.sender() &&
           auth_rules::IsThirdPartyInviteValid(
               Member(Member(content_, "third_party_invite"), "signed"),
               *event_.state_key(), event->content_json());
  }

  // Levels.
  int64_t SenderLevel() const { return UserLevel(event_.sender()); }
  int64_t TargetLevel() const { return UserLevel(*event_.state_key()); }
  int64_t Level(Scalar scalar) const {
    const auto i = static_cast<size_t>(scalar);
    return Read(Levels().scalars[i], kScalarDefaults[i]);
  }
  int64_t RequiredLevel() const {
    const std::string_view own =
        canonical::MemberNamed(Levels().events, event_.type());
    if (!own.empty() && !canonical::IsNull(own)) return Read(own, kBadLevel);
    return Level(event_.is_state() ? Scalar::kStateDefault
                                   : Scalar::kEventsDefault);
  }
  Rule CheckPowerLevels(int64_t sender_level) const {
    const Rule format =
        auth_rules::CheckPowerLevelsFormat(content_, create_, rules());
    if (format != Rule::kAllowed || !event_.is_state()) return format;
    const Event* previous = state_.Find(kTypePowerLevels, *event_.state_key());
    if (previous == nullptr) return Rule::kAllowed;
    return auth_rules::CheckPowerLevelsChange(previous->content_json(),
                                              content_, event_.sender(),
                                              sender_level, rules());
  }
  bool RedactsOwnDomain() const {
    return event_.redacts().empty() ||
           DomainOf(event_.redacts()) == DomainOf(event_.event_id());
  }

 private:
  Membership MembershipIn(std::string_view user) const {
    const Event* member = state_.Find(kTypeMember, user);
    return member == nullptr ? Membership::kNone : MembershipOf(*member);
  }
  std::string_view Authoriser() const {
    return Member(content_, "join_authorised_via_users_server");
  }
  // Raw members of the current power levels, "" where there is none.
  struct CurrentLevels {
    bool exist = false;
    std::array<std::string_view, auth_rules::kScalars> scalars;
    std::string_view events;
    std::string_view users;
  };
  // Found in one pass over the content.
  const CurrentLevels& Levels() const {
    if (levels_read_) return levels_;
    levels_read_ = true;
    const Event* event = state_.Find(kTypePowerLevels, "");
    if (event == nullptr) return levels_;
    levels_.exist = true;
    canonical::ObjectReader reader(event->content_json());
    while (reader.Next()) {
      const std::string_view key = reader.key();
      if (key == "events") {
        levels_.events = reader.value();
      } else if (key == "users") {
        levels_.users = reader.value();
      } else {
        const auto scalar =
            std::find(std::begin(kScalarNames), std::end(kScalarNames), key);
        if (scalar == std::end(kScalarNames)) continue;
        levels_
            .scalars[static_cast<size_t>(scalar - std::begin(kScalarNames))] =
            reader.value();
      }
    }
    return levels_;
  }
  // null reads as absent where versions let it in.
  int64_t Read(std::string_view raw, int64_t fallback) const {
    if (raw.empty() || canonical::IsNull(raw)) return fallback;
    return ParsePowerLevel(raw, rules().power_level_format).value_or(kBadLevel);
  }
  int64_t UserLevel(std::string_view user) const {
    if (rules().creators_above_all && IsRoomCreator(*create_, user)) {
      return kCreatorPower;
    }
    const CurrentLevels& levels = Levels();
    if (!levels.exist) return IsRoomCreator(*create_, user) ? 100 : 0;
    const std::string_view own = canonical::MemberNamed(levels.users, user);
    if (!own.empty() && !canonical::IsNull(own)) return Read(own, kBadLevel);
    return Level(Scalar::kUsersDefault);
  }

  const Event& event_;
  const StateSource& state_;
  const std::string_view content_;
  const Event* create_;
  const EventClass class_;
  const Membership sender_membership_;
  mutable bool levels_read_ = false;
  mutable CurrentLevels levels_;
};

// What the levels were, for people.
std::string LevelText(int64_t level) {
  if (level == kBadLevel) return "a malformed level";
  return level == kCreatorPower ? "a creator's level"
                                : fmt::format("level {}", level);
}

std::string Describe(Rule rule, const Event& event, const EventContext& c) {
  const auto sender = [&] {
    return fmt::format("{} has {}", event.sender(), LevelText(c.SenderLevel()));
  };
  switch (rule) {
    case Rule::kSendLevel:
      return fmt::format("{}, {} needs {}", sender(), event.type(),
                         LevelText(c.RequiredLevel()));
    case Rule::kMemberInviteLevel:
    case Rule::kThirdPartyInviteLevel:
      return fmt::format("{}, inviting needs {}", sender(),
                         LevelText(c.Level(Scalar::kInvite)));
    case Rule::kMemberBanLevel:
    case Rule::kMemberUnbanLevel:
      return fmt::format("{}, the target {}, bans need {}", sender(),
                         LevelText(c.TargetLevel()),
                         LevelText(c.Level(Scalar::kBan)));
    case Rule::kMemberKickLevel:
      return fmt::format("{}, the target {}, kicks need {}", sender(),
                         LevelText(c.TargetLevel()),
                         LevelText(c.Level(Scalar::kKick)));
    case Rule::kPowerLevelsChange:
    case Rule::kPowerLevelsUserChange:
      return fmt::format("{}, which a level before or after the change exceeds",
                         sender());
    case Rule::kRedactionLevel:
      return fmt::format("{}, redacting needs {}", sender(),
                         LevelText(c.Level(Scalar::kRedact)));
    case Rule::kSenderNotJoined:
    case Rule::kMemberInviteSenderNotJoined:
    case Rule::kMemberLeaveSenderNotJoined:
    case Rule::kMemberBanSenderNotJoined:
    case Rule::kMemberJoinNotInvited:
    case Rule::kMemberLeaveNotIn:
    case Rule::kMemberKnockMembership:
    case Rule::kMemberJoinBanned:
      return fmt::format("the membership of {} is \"{}\"", event.sender(),
                         MembershipName(c.SenderMembership()));
    default:
      return "";
  }
}

Verdict MakeVerdict(Rule rule, std::string_view specifics) {
  Verdict verdict;
  verdict.rule = rule;
  verdict.detail = auth_rules::RuleText(rule);
  if (!specifics.empty()) {
    verdict.detail += ": ";
    verdict.detail += specifics;
  }
  return verdict;
}

bool IsAuthKeyOf(const Event& event, const Event& candidate) {
  if (!candidate.is_state()) return false;
  const std::optional<std::string_view> state_key = event.state_key();
  bool found = false;
  auth_rules::ForEachAuthKey(event.type(), event.sender(),
                             state_key.has_value() ? &*state_key : nullptr,
                             event.content_json(), event.rules(),
                             [&](std::string_view type, std::string_view key) {
                               found = found || candidate.Is(type, key);
                             });
  return found;
}

bool HasLongIdentifier(const Event& event) {
  const auto too_long = [](std::string_view text) {
    return text.size() > kMaxIdentifierBytes;
  };
  return too_long(event.type()) || too_long(event.sender()) ||
         too_long(event.room_id()) || too_long(event.event_id()) ||
         too_long(event.state_key().value_or(""));
}

// Whether `join_authorised_via_users_server` is there and names nobody.
bool HasBadAuthoriser(const Event& event) {
  if (!event.rules().restricted_joins || event.type() != kTypeMember) {
    return false;
  }
  const std::string_view raw =
      Member(event.content_json(), "join_authorised_via_users_server");
  if (raw.empty()) return false;
  const Text user(raw);
  return !user.is_string() || !IsUserId(user.view());
}

// The first rule about an event's own auth events that it breaks.
Rule CheckAuthEventList(const Event& event,
                        const std::vector<AuthEvent>& auth_events) {
  bool has_create = false;
  for (size_t i = 0; i < auth_events.size(); ++i) {
    const Event* a = auth_events[i].event;
    if (a == nullptr) return Rule::kAuthEventsUnexpected;
    for (size_t j = 0; j < i; ++j) {
      const Event* b = auth_events[j].event;
      if (a->is_state() && b->is_state() && a->type() == b->type() &&
          a->state_key() == b->state_key()) {
        return Rule::kAuthEventsDuplicate;
      }
    }
    has_create = has_create || a->Is(kTypeCreate, "");
  }
  for (const AuthEvent& a : auth_events) {
    if (!IsAuthKeyOf(event, *a.event)) return Rule::kAuthEventsUnexpected;
  }
  for (const AuthEvent& a : auth_events) {
    if (a.rejected) return Rule::kAuthEventsRejected;
  }
  if (event.rules().create_in_auth_events && !has_create) {
    return Rule::kAuthEventsNoCreate;
  }
  for (const AuthEvent& a : auth_events) {
    if (a.event->room_id() != event.room_id())
      return Rule::kAuthEventsOtherRoom;
  }
  return Rule::kAllowed;
}

}  // namespace

std::vector<StateKey> AuthStateKeys(std::string_view type,
                                    std::string_view sender,
                                    std::optional<std::string_view> state_key,
                                    json::Value content,
                                    const RoomVersionRules& rules) {
  // The members that matter, in the form that the reader wants.
  std::string canonical;
  if (!json::AppendCanonical(content, json::NumberRule::kLax, &canonical)
           .ok()) {
    canonical = "{}";
  }
  std::vector<StateKey> keys;
  auth_rules::ForEachAuthKey(
      type, sender, state_key.has_value() ? &*state_key : nullptr, canonical,
      rules, [&keys](std::string_view key_type, std::string_view key) {
        keys.push_back({std::string(key_type), std::string(key)});
      });
  return keys;
}

Verdict CheckAuthEvents(const Event& event,
                        const std::vector<AuthEvent>& auth_events,
                        const Event* create) {
  Rule rule = Rule::kAllowed;
  if (HasLongIdentifier(event)) {
    rule = Rule::kIdentifierTooLong;
  } else if (event.type() == kTypeCreate) {
    rule = auth_rules::CheckCreate(event);
  } else if (event.rules().room_id_is_create_hash &&
             (create == nullptr || create->room_id() != event.room_id())) {
    rule = Rule::kRoomIdNotCreate;
  } else {
    rule = CheckAuthEventList(event, auth_events);
    if (rule == Rule::kAllowed && HasBadAuthoriser(event)) {
      rule = Rule::kMemberAuthoriserUnsigned;
    }
  }
  return rule == Rule::kAllowed ? Verdict() : MakeVerdict(rule, "");
}

Verdict CheckStateAuth(const Event& event, const StateSource& state) {
  const EventContext context(event, state);
  const Rule rule = auth_rules::CheckState(context);
  if (rule == Rule::kAllowed) return {};
  return MakeVerdict(rule, Describe(rule, event, context));
}

}  // namespace matrixcore
