#include "stateres/auth_difference.h"

#include <algorithm>

namespace matrixcore {

namespace {

constexpr uint8_t kAll = 0xFF;
constexpr uint32_t kGroup = 8;

// The bits of a state among `count`; the first stands for the missing ones too.
uint8_t BitsOf(uint32_t state, uint32_t count) {
  const uint32_t missing = state == 0 ? (0xFFu << count) & 0xFFu : 0;
  return static_cast<uint8_t>((1u << state) | missing);
}

bool IsPartial(uint8_t states) { return states != 0 && states != kAll; }

}  // namespace

void AuthDifference::SetUnconflicted(EventIdx event, bool unconflicted) {
  holders_[event] = unconflicted ? kAll : 0;
}

void AuthDifference::Resize(size_t events) {
  holders_.resize(events, 0);
  reached_.resize(events, 0);
}

void AuthDifference::Find(const GraphColumns& columns, uint32_t states,
                          std::span<const Conflicted> conflicted,
                          std::vector<EventIdx>* out) {
  if (states <= kGroup) {
    Sweep(columns, states, conflicted, out);
  } else {
    SweepGroups(columns, states, conflicted, out);
  }
}

void AuthDifference::Sweep(const GraphColumns& columns, uint32_t states,
                           std::span<const Conflicted> conflicted,
                           std::vector<EventIdx>* out) {
  uint8_t* const holders = holders_.data();
  uint8_t* const reached = reached_.data();
  const uint32_t* const auth_begin = columns.auth_begin.data();
  const EventIdx* const auth = columns.auth.data();
  const EventIdx count = columns.size();
  EventIdx last_holder = count;  // The lowest conflicted event.
  for (const Conflicted& c : conflicted) {
    holders[c.event] =
        static_cast<uint8_t>(holders[c.event] | BitsOf(c.state, states));
    last_holder = std::min(last_holder, c.event);
  }
  size_t pending = 0;  // Events below that only some states reach.
  EventIdx event = count;
  while (event > last_holder || pending > 0) {
    --event;
    const uint8_t in_chains = reached[event];
    if (IsPartial(in_chains)) {
      out->push_back(event);
      --pending;
    }
    const auto send = static_cast<uint8_t>(in_chains | holders[event]);
    if (send == 0) continue;
    const uint32_t end = auth_begin[event + 1];
    for (uint32_t i = auth_begin[event]; i < end; ++i) {
      const uint8_t before = reached[auth[i]];
      if (before == kAll) continue;
      const auto after = static_cast<uint8_t>(before | send);
      if (after == before) continue;
      reached[auth[i]] = after;
      pending += (after != kAll ? 1 : 0);
      pending -= (before != 0 ? 1 : 0);
    }
  }
  std::fill(reached_.begin(), reached_.end(), uint8_t{0});
  for (const Conflicted& c : conflicted) holders[c.event] = 0;
}

void AuthDifference::SweepGroups(const GraphColumns& columns, uint32_t states,
                                 std::span<const Conflicted> conflicted,
                                 std::vector<EventIdx>* out) {
  std::vector<uint8_t> in_some(columns.size(), 0);
  std::vector<uint8_t> in_all(columns.size(), 1);
  for (uint32_t first = 0; first < states; first += kGroup) {
    const uint32_t count = std::min(kGroup, states - first);
    for (const Conflicted& c : conflicted) {
      if (c.state < first || c.state - first >= count) continue;
      holders_[c.event] = static_cast<uint8_t>(holders_[c.event] |
                                               BitsOf(c.state - first, count));
    }
    for (EventIdx event = columns.size(); event-- > 0;) {
      if (reached_[event] != 0) in_some[event] = 1;
      if (reached_[event] != kAll) in_all[event] = 0;
      const auto send = static_cast<uint8_t>(reached_[event] | holders_[event]);
      if (send == 0) continue;
      for (const EventIdx target : columns.AuthOf(event)) {
        reached_[target] = static_cast<uint8_t>(reached_[target] | send);
      }
    }
    std::fill(reached_.begin(), reached_.end(), uint8_t{0});
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
