#include "stateres/graph_context.h"

#include <optional>

namespace matrixcore {
namespace {

std::optional<int64_t> Known(int64_t level) {
  if (level == kAbsentLevel || level == auth_rules::kBadLevel) {
    return std::nullopt;
  }
  return level;
}

// Calls visit(name, old level, new level) for each name in two sorted lists of
// entries; stops at false.
template <typename Visit>
bool ForEachPair(const GraphColumns& c, uint32_t a, uint32_t a_end, uint32_t b,
                 uint32_t b_end, Visit visit) {
  while (a < a_end || b < b_end) {
    const bool take_a =
        a < a_end && (b >= b_end || c.level_names[a] <= c.level_names[b]);
    const bool take_b =
        b < b_end && (a >= a_end || c.level_names[b] <= c.level_names[a]);
    if (!visit(c.level_names[take_a ? a : b],
               take_a ? Known(c.levels[a]) : std::nullopt,
               take_b ? Known(c.levels[b]) : std::nullopt)) {
      return false;
    }
    a += take_a ? 1 : 0;
    b += take_b ? 1 : 0;
  }
  return true;
}

}  // namespace

EventIdx GraphContext::PickAnywhere(KeyIdx key) const {
  const EventIdx event = Accepted(state_[key]);
  if (event != kNoIndex || !falls_back_) return event;
  for (const EventIdx own : c_.AuthOf(event_)) {
    if (c_.key[own] == key) return Accepted(own);
  }
  return kNoIndex;
}

Rule GraphContext::CheckPowerLevels(int64_t sender_level) const {
  if (facts_.verdict != Rule::kAllowed) return facts_.verdict;
  const PowerTable& fresh = c_.power[c_.detail[event_]];
  if (c_.rules.creators_above_all) {
    for (const uint32_t creator : c_.creates[c_.detail[create_]].creators) {
      if (c_.LevelIn(fresh.users, fresh.events, creator) != kAbsentLevel) {
        return Rule::kPowerLevelsNamesCreator;
      }
    }
  }
  // With a state key of its own, an event replaces only its own kind.
  const KeyIdx key = c_.key[event_];
  const EventIdx previous = key == c_.power_key ? Levels() : PickAnywhere(key);
  if (previous == kNoIndex) return Rule::kAllowed;
  const PowerTable& old = c_.power[c_.detail[previous]];
  for (size_t i = 0; i < auth_rules::kScalars; ++i) {
    if (!auth_rules::MayChange(Known(old.scalars[i]), Known(fresh.scalars[i]),
                               sender_level)) {
      return Rule::kPowerLevelsChange;
    }
  }
  const auto may_change = [&](uint32_t, auto before, auto after) {
    return auth_rules::MayChange(before, after, sender_level);
  };
  if (!ForEachPair(c_, old.events, old.notifications, fresh.events,
                   fresh.notifications, may_change)) {
    return Rule::kPowerLevelsChange;
  }
  if (c_.rules.notifications_in_power_levels &&
      !ForEachPair(c_, old.notifications, old.end, fresh.notifications,
                   fresh.end, may_change)) {
    return Rule::kPowerLevelsChange;
  }
  const bool fine =
      ForEachPair(c_, old.users, old.events, fresh.users, fresh.events,
                  [&](uint32_t user, auto before, auto after) {
                    return auth_rules::MayChangeUser(
                        before, after, sender_level, user == sender_);
                  });
  return fine ? Rule::kAllowed : Rule::kPowerLevelsUserChange;
}

}  // namespace matrixcore
