// State resolution v1 (spec: rooms/v1.md, "State resolution").
#include <algorithm>
#include <array>
#include <utility>

#include "matrixcore/crypto/hash.h"
#include "matrixcore/event/types.h"
#include "stateres/resolver_impl.h"

namespace matrixcore {

// Gathers the different events at a key, by ascending depth, then descending
// SHA-1 of their ids.
void StateResolver::Impl::SortV1(std::span<const StateTree> states, KeyIdx key,
                                 std::vector<EventIdx>* sorted) const {
  using Hash = std::array<uint8_t, 20>;
  std::vector<std::pair<Hash, EventIdx>> events;
  sorted->clear();
  for (const StateTree& state : states) {
    const EventIdx event = state.Get(key);
    const auto is_it = [event](const auto& e) { return e.second == event; };
    if (event != kNoIndex &&
        std::none_of(events.begin(), events.end(), is_it)) {
      events.emplace_back(Sha1(AsBytes(c_.ids[event])), event);
    }
  }
  std::sort(events.begin(), events.end(), [this](const auto& a, const auto& b) {
    if (c_.depth[a.second] != c_.depth[b.second]) {
      return c_.depth[a.second] < c_.depth[b.second];
    }
    return a.first > b.first;
  });
  for (const auto& [hash, event] : events) sorted->push_back(event);
}

// For keys that authorise other events: the newest of the unbroken run of
// events each of which the one before allows.
EventIdx StateResolver::Impl::ResolveAuthKeyV1(
    KeyIdx key, std::span<const EventIdx> sorted) {
  EventIdx winner = sorted[0];
  for (const EventIdx event : sorted.subspan(1)) {
    state_[key] = winner;
    const Rule rule = Check(event, Explanation::Phase::kV1, kNoIndex);
    if (rule != Rule::kAllowed) break;
    winner = event;
  }
  state_[key] = kNoIndex;
  return winner;
}

// For all others: the newest that is allowed, else the oldest.
EventIdx StateResolver::Impl::ResolveOtherKeyV1(
    std::span<const EventIdx> sorted) {
  for (size_t i = sorted.size(); i-- > 0;) {
    const Rule rule = Check(sorted[i], Explanation::Phase::kV1, kNoIndex);
    if (rule == Rule::kAllowed) return sorted[i];
  }
  return sorted[0];
}

void StateResolver::Impl::ResolveV1(std::span<const StateTree> states) {
  enum Group : size_t { kPower, kJoinRules, kMembers, kOthers, kGroups };
  std::array<std::vector<KeyIdx>, kGroups> groups;
  const uint32_t join_rules = c_.keys[c_.join_rules_key].type;
  std::vector<EventIdx> sorted;
  for (const KeyIdx key : conflicted_keys_) {
    SortV1(states, key, &sorted);
    const uint32_t type = c_.keys[key].type;
    if (sorted.size() == 1) {
      // Missing in some states, the same in all others: no conflict in v1.
      Put(key, sorted[0]);
    } else if (key == c_.power_key) {
      groups[kPower].push_back(key);
    } else {
      const Group group = type == join_rules       ? kJoinRules
                          : type == c_.member_type ? kMembers
                                                   : kOthers;
      groups[group].push_back(key);
    }
  }
  // A group sees the outcome of those before it, never its own.
  std::vector<std::pair<KeyIdx, EventIdx>> resolved;
  for (size_t group = kPower; group < kGroups; ++group) {
    resolved.clear();
    for (const KeyIdx key : groups[group]) {
      SortV1(states, key, &sorted);
      resolved.emplace_back(key, group == kOthers
                                     ? ResolveOtherKeyV1(sorted)
                                     : ResolveAuthKeyV1(key, sorted));
    }
    for (const auto& [key, event] : resolved) Put(key, event);
  }
}

}  // namespace matrixcore
