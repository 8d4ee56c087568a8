// The questions of the authorisation rules, answered from a RoomGraph's columns
// during iterative auth checks; internal to stateres.
#pragma once

#include <array>

#include "auth/content_rules.h"
#include "auth/rule_engine.h"
#include "matrixcore/id/identifiers.h"
#include "stateres/columns.h"

namespace matrixcore {

// `state` is indexed by KeyIdx.  From version 2 of the algorithm on, the
// event's own auth event counts for a key that the state lacks, or at which it
// has a rejected event, unless that auth event was rejected itself.
class GraphContext {
 public:
  GraphContext(const GraphColumns& columns, EventIdx event,
               const EventIdx* state)
      : c_(columns),
        event_(event),
        state_(state),
        falls_back_(columns.rules.state_resolution != StateResolution::kV1),
        facts_(columns.facts[event]),
        sender_(columns.SenderOf(event)),
        create_(columns.rules.create_in_auth_events
                    ? Pick(columns.create_key, Slot::kCreate)
                    : Accepted(columns.create)),
        sender_member_(Pick(columns.sender_key[event], Slot::kSender)) {}

  const RoomVersionRules& rules() const { return c_.rules; }
  auth_rules::EventClass GetClass() const { return facts_.event_class; }
  Rule CreateVerdict() const { return facts_.verdict; }
  bool HasCreate() const { return create_ != kNoIndex; }
  bool IsOfCreatesRoom() const {
    return !c_.rules.room_id_is_create_hash || !facts_.Has(kOtherRoom);
  }
  bool IsKeptOutByFederate() const {
    return c_.creates[c_.detail[create_]].not_federated &&
           DomainOf(c_.strings[c_.SenderOf(create_)]) !=
               DomainOf(c_.strings[sender_]);
  }
  bool HasStateKey() const { return c_.key[event_] != kNoIndex; }
  bool StateKeyIsSendersDomain() const {
    return facts_.Has(kStateKeyIsSendersDomain);
  }
  bool StateKeyIsOtherUser() const { return facts_.Has(kStateKeyIsOtherUser); }

  bool HasMembership() const { return facts_.Has(kHasMembership); }
  Membership NewMembership() const { return facts_.membership; }
  bool SenderIsTarget() const {
    return c_.key[event_] == c_.sender_key[event_];
  }
  Membership SenderMembership() const { return MembershipOf(sender_member_); }
  Membership TargetMembership() const { return MembershipOf(TargetMember()); }
  bool IsFirstJoin() const {
    if (!facts_.Has(kFirstEvent)) return false;
    const auto& creators = c_.creates[c_.detail[create_]].creators;
    return c_.first_prev.at(event_) == create_ && !creators.empty() &&
           creators[0] == Target();
  }
  auth_rules::JoinRule GetJoinRule() const {
    const EventIdx event = Pick(c_.join_rules_key, Slot::kJoinRules);
    return event == kNoIndex
               ? auth_rules::JoinRule::kInvite
               : static_cast<auth_rules::JoinRule>(c_.detail[event]);
  }
  Membership AuthoriserMembership() const {
    const KeyIdx key = c_.detail[event_];
    if (key == kNoIndex) return Membership::kNone;
    if (key == c_.sender_key[event_]) return SenderMembership();
    return MembershipOf(Pick(key, Slot::kAuthoriser));
  }
  int64_t AuthoriserLevel() const {
    return UserLevel(c_.keys[c_.detail[event_]].state_key);
  }
  bool HasThirdPartyInvite() const { return facts_.Has(kHasThirdPartyInvite); }
  bool IsThirdPartyInviteValid() const {
    const KeyIdx key = c_.detail[event_];
    if (key == kNoIndex) return false;
    const EventIdx token = Pick(key, Slot::kThirdParty);
    if (token == kNoIndex || c_.SenderOf(token) != sender_) return false;
    const auto content = c_.third_party.find(token);
    return content != c_.third_party.end() &&
           auth_rules::IsThirdPartyInviteValid(c_.third_party.at(event_),
                                               c_.strings[Target()],
                                               content->second);
  }

  int64_t SenderLevel() const { return UserLevel(sender_); }
  int64_t TargetLevel() const { return UserLevel(Target()); }
  int64_t Level(auth_rules::Scalar scalar) const {
    const auto i = static_cast<size_t>(scalar);
    const EventIdx levels = Levels();
    const int64_t level = levels == kNoIndex
                              ? kAbsentLevel
                              : c_.power[c_.detail[levels]].scalars[i];
    return level == kAbsentLevel ? auth_rules::kScalarDefaults[i] : level;
  }
  int64_t RequiredLevel() const {
    const EventIdx levels = Levels();
    if (levels != kNoIndex) {
      const PowerTable& table = c_.power[c_.detail[levels]];
      const int64_t own = c_.LevelIn(table.events, table.notifications,
                                     c_.keys[c_.key[event_]].type);
      if (own != kAbsentLevel) return own;
    }
    return Level(auth_rules::Scalar::kStateDefault);
  }
  Rule CheckPowerLevels(int64_t sender_level) const;
  bool RedactsOwnDomain() const { return facts_.Has(kRedactsOwnDomain); }

  // For explanations.
  std::array<EventIdx, 4> Against() const {
    const bool member = facts_.event_class == auth_rules::EventClass::kMember;
    return {Levels(), sender_member_, member ? TargetMember() : kNoIndex,
            member ? Pick(c_.join_rules_key, Slot::kJoinRules) : kNoIndex};
  }

 private:
  EventIdx Accepted(EventIdx event) const {
    return event == kNoIndex || c_.facts[event].Has(kRejected) ? kNoIndex
                                                               : event;
  }
  EventIdx Pick(KeyIdx key, Slot slot) const {
    const EventIdx event = Accepted(state_[key]);
    if (event != kNoIndex || !falls_back_) return event;
    return Accepted(c_.InSlot(event_, slot));
  }
  // The same for a key that has no slot.
  EventIdx PickAnywhere(KeyIdx key) const;
  Membership MembershipOf(EventIdx event) const {
    return event == kNoIndex ? Membership::kNone : c_.facts[event].membership;
  }
  uint32_t Target() const { return c_.keys[c_.key[event_]].state_key; }
  EventIdx TargetMember() const {
    return SenderIsTarget() ? sender_member_
                            : Pick(c_.key[event_], Slot::kTarget);
  }
  EventIdx Levels() const { return Pick(c_.power_key, Slot::kPowerLevels); }
  int64_t UserLevel(uint32_t user) const {
    return c_.UserLevel(create_, Levels(), user);
  }

  const GraphColumns& c_;
  const EventIdx event_;
  const EventIdx* state_;
  const bool falls_back_;
  const EventFacts& facts_;
  const uint32_t sender_;
  const EventIdx create_;
  const EventIdx sender_member_;
};

}  // namespace matrixcore
