#include "stateres/auth_difference.h"

#include <algorithm>

namespace matrixcore {

void AuthDifference::Find(const GraphColumns& columns, uint32_t states,
                          const EventIdx* unconflicted,
                          std::span<const Conflicted> conflicted,
                          std::vector<EventIdx>* out) {
  if (reached_.size() < columns.size()) {
    reached_.resize(columns.size(), 0);
    holders_.resize(columns.size(), 0);
  }
  if (states <= 64) {
    const uint64_t full =
        states == 64 ? ~uint64_t{0} : (uint64_t{1} << states) - 1;
    Sweep(columns, full, unconflicted, conflicted, out);
  } else {
    SweepGroups(columns, states, unconflicted, conflicted, out);
  }
}

void AuthDifference::Sweep(const GraphColumns& columns, uint64_t full,
                           const EventIdx* unconflicted,
                           std::span<const Conflicted> conflicted,
                           std::vector<EventIdx>* out) {
  size_t holders_left = 0;
  for (const Conflicted& c : conflicted) {
    holders_left += holders_[c.event] == 0 ? 1 : 0;
    holders_[c.event] |= uint64_t{1} << c.state;
  }
  const auto is_partial = [full](uint64_t mask) {
    return mask != 0 && mask != full;
  };
  size_t pending = 0;  // Events below that only some states reach.
  EventIdx lowest = columns.size();
  EventIdx event = columns.size();
  while (event > 0 && (holders_left > 0 || pending > 0)) {
    --event;
    const uint64_t reached = reached_[event];
    if (is_partial(reached)) {
      out->push_back(event);
      --pending;
    }
    const KeyIdx key = columns.key[event];
    uint64_t send = reached | holders_[event];
    if (holders_[event] != 0) {
      --holders_left;
    } else if (key != kNoIndex && unconflicted[key] == event) {
      send = full;
    }
    if (send == 0) continue;
    for (const EventIdx target : columns.AuthOf(event)) {
      const uint64_t before = reached_[target];
      const uint64_t after = before | send;
      if (after == before) continue;
      reached_[target] = after;
      pending += is_partial(after) ? 1 : 0;
      pending -= is_partial(before) ? 1 : 0;
      lowest = std::min(lowest, target);
    }
  }
  lowest = std::min(lowest, event);
  std::fill(reached_.begin() + lowest, reached_.begin() + columns.size(), 0);
  for (const Conflicted& c : conflicted) holders_[c.event] = 0;
}

void AuthDifference::SweepGroups(const GraphColumns& columns, uint32_t states,
                                 const EventIdx* unconflicted,
                                 std::span<const Conflicted> conflicted,
                                 std::vector<EventIdx>* out) {
  std::vector<uint8_t> in_some(columns.size(), 0);
  std::vector<uint8_t> in_all(columns.size(), 1);
  for (uint32_t first = 0; first < states; first += 64) {
    const uint32_t count = std::min<uint32_t>(64, states - first);
    const uint64_t full =
        count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
    for (const Conflicted& c : conflicted) {
      if (c.state >= first && c.state - first < count) {
        holders_[c.event] |= uint64_t{1} << (c.state - first);
      }
    }
    for (EventIdx event = columns.size(); event-- > 0;) {
      const KeyIdx key = columns.key[event];
      const bool everywhere = key != kNoIndex && unconflicted[key] == event;
      const uint64_t send =
          everywhere ? full : reached_[event] | holders_[event];
      if (reached_[event] != 0) in_some[event] = 1;
      if (reached_[event] != full) in_all[event] = 0;
      if (send == 0) continue;
      for (const EventIdx target : columns.AuthOf(event)) {
        reached_[target] |= send;
      }
    }
    std::fill(reached_.begin(), reached_.begin() + columns.size(), 0);
    for (const Conflicted& c : conflicted) holders_[c.event] = 0;
  }
  for (EventIdx event = columns.size(); event-- > 0;) {
    if (in_some[event] != 0 && in_all[event] == 0) out->push_back(event);
  }
}

void FindConflictedSubgraph(const GraphColumns& columns,
                            std::span<const EventIdx> conflicted,
                            std::vector<uint8_t>* marks,
                            std::vector<EventIdx>* out) {
  if (conflicted.empty()) return;
  constexpr uint8_t kReached = 1;  // A conflicted event leads to it, or is it.
  constexpr uint8_t kLeads = 2;    // It leads to a conflicted event, or is one.
  std::vector<uint8_t>& mark = *marks;
  const EventIdx first = conflicted.front();
  const EventIdx last = conflicted.back();
  for (const EventIdx event : conflicted) mark[event] = kReached | kLeads;
  for (EventIdx event = last + 1; event-- > first;) {
    if ((mark[event] & kReached) == 0) continue;
    for (const EventIdx target : columns.AuthOf(event)) {
      if (target >= first) mark[target] |= kReached;
    }
  }
  for (EventIdx event = first; event <= last; ++event) {
    if ((mark[event] & kReached) == 0) continue;
    for (const EventIdx target : columns.AuthOf(event)) {
      if (target >= first && (mark[target] & kLeads) != 0) {
        mark[event] |= kLeads;
        break;
      }
    }
    if ((mark[event] & kLeads) != 0) out->push_back(event);
  }
  std::fill(mark.begin() + first, mark.begin() + last + 1, uint8_t{0});
}

}  // namespace matrixcore
