#include "matrixcore/stateres/resolver.h"

#include <algorithm>
#include <queue>

#include "stateres/graph_context.h"
#include "stateres/resolver_impl.h"

namespace matrixcore {
namespace {

// Bits of Impl::in_set_.
constexpr uint8_t kInFullSet = 1;
constexpr uint8_t kIsPower = 2;

constexpr uint32_t kUnknownPosition = kNoIndex - 1;

}  // namespace

StateResolver::StateResolver(const RoomGraph& graph)
    : impl_(std::make_unique<Impl>(graph)) {}
StateResolver::~StateResolver() = default;

StateTree StateResolver::Resolve(std::span<const StateTree> states,
                                 Explanation* explanation) {
  return impl_->Resolve(states, explanation);
}

StateTree StateResolver::Impl::Resolve(std::span<const StateTree> states,
                                       Explanation* explanation) {
  explanation_ = explanation;
  if (explanation_ != nullptr) *explanation_ = {};
  if (states.empty()) return {};
  Prepare(states);
  FindConflicts(states);
  if (conflicted_keys_.empty()) return states[0];
  NoteConflicts();
  if (c_.rules.state_resolution == StateResolution::kV1) {
    ResolveV1(states);
  } else {
    ResolveV2(states);
  }
  return Finish(states);
}

void StateResolver::Impl::Prepare(std::span<const StateTree> states) {
  base_.resize(c_.keys.size(), kNoIndex);
  empty_.resize(c_.keys.size(), kNoIndex);
  key_conflicted_.resize(c_.keys.size(), 0);
  marks_.resize(c_.size(), 0);
  in_set_.resize(c_.size(), 0);
  local_.resize(c_.size(), 0);
  position_.resize(c_.size(), kUnknownPosition);
  auth_difference_.Resize(c_.size());
  StateTree::Diff(base_map_, states[0],
                  [this](KeyIdx key, EventIdx before, EventIdx event) {
                    base_[key] = event;
                    if (before != kNoIndex) {
                      auth_difference_.SetUnconflicted(before, false);
                    }
                    if (event != kNoIndex) {
                      auth_difference_.SetUnconflicted(event, true);
                    }
                  });
  base_map_ = states[0];
  state_ = c_.rules.state_resolution == StateResolution::kV2_1 ? empty_.data()
                                                               : base_.data();
  changes_.clear();
  conflicted_keys_.clear();
  holders_.clear();
  conflicted_.clear();
  full_set_.clear();
  power_events_.clear();
}

// Splits the states: conflicted_keys_, holders_, and base_ without them.
void StateResolver::Impl::FindConflicts(std::span<const StateTree> states) {
  for (const StateTree& state : states.subspan(1)) {
    StateTree::Diff(states[0], state, [this](KeyIdx key, EventIdx, EventIdx) {
      if (key_conflicted_[key] != 0) return;
      key_conflicted_[key] = 1;
      conflicted_keys_.push_back(key);
    });
  }
  for (uint32_t i = 0; i < states.size(); ++i) {
    for (const KeyIdx key : conflicted_keys_) {
      const EventIdx event = states[i].Get(key);
      if (event != kNoIndex) holders_.push_back({event, i});
    }
  }
  for (const Conflicted& holder : holders_) {
    if (marks_[holder.event] != 0) continue;
    marks_[holder.event] = 1;
    conflicted_.push_back(holder.event);
  }
  for (const EventIdx event : conflicted_) marks_[event] = 0;
  std::sort(conflicted_.begin(), conflicted_.end());
  for (const KeyIdx key : conflicted_keys_) {
    const EventIdx before = base_[key];
    changes_.push_back({key, before});
    base_[key] = kNoIndex;
    if (before != kNoIndex) auth_difference_.SetUnconflicted(before, false);
  }
}

void StateResolver::Impl::ResolveV2(std::span<const StateTree> states) {
  CollectFullConflictedSet(static_cast<uint32_t>(states.size()));
  CollectPowerEvents();
  SortPowerEvents();
  CheckIteratively(order_, Explanation::Phase::kPower);
  SortByMainline(state_[c_.power_key]);
  CheckIteratively(order_, Explanation::Phase::kMainline);
}

void StateResolver::Impl::CollectFullConflictedSet(uint32_t states) {
  const auto add = [this](EventIdx event) {
    if (in_set_[event] != 0) return;
    in_set_[event] = kInFullSet;
    full_set_.push_back(event);
  };
  std::vector<EventIdx> found;
  auth_difference_.Find(c_, states, holders_, &found);
  for (const EventIdx event : conflicted_) add(event);
  for (const EventIdx event : found) add(event);
  if (explanation_ != nullptr) explanation_->auth_difference = found;
  if (c_.rules.state_resolution == StateResolution::kV2_1) {
    found.clear();
    FindConflictedSubgraph(c_, conflicted_, &marks_, &found);
    for (const EventIdx event : found) add(event);
    if (explanation_ != nullptr) explanation_->conflicted_subgraph = found;
  }
}

// Power events of the full conflicted set, and those of their auth chains that
// are reached without leaving the set.
void StateResolver::Impl::CollectPowerEvents() {
  for (const EventIdx event : full_set_) {
    if (c_.facts[event].Has(kPowerEvent) && (in_set_[event] & kIsPower) == 0) {
      in_set_[event] |= kIsPower;
      power_events_.push_back(event);
    }
  }
  for (size_t i = 0; i < power_events_.size(); ++i) {
    for (const EventIdx target : c_.AuthOf(power_events_[i])) {
      if (in_set_[target] == kInFullSet) {
        in_set_[target] |= kIsPower;
        power_events_.push_back(target);
      }
    }
  }
  std::sort(power_events_.begin(), power_events_.end());
}

// Reverse topological power ordering: Kahn's algorithm from the oldest events.
void StateResolver::Impl::SortPowerEvents() {
  const auto count = static_cast<uint32_t>(power_events_.size());
  for (uint32_t i = 0; i < count; ++i) local_[power_events_[i]] = i;
  // Who waits for whom, as lists one after another.
  std::vector<uint32_t> begin(count + 1, 0);
  std::vector<uint32_t> waits_for(count, 0);
  const auto for_each_edge = [&](auto visit) {
    for (uint32_t i = 0; i < count; ++i) {
      for (const EventIdx target : c_.AuthOf(power_events_[i])) {
        if ((in_set_[target] & kIsPower) != 0) visit(i, local_[target]);
      }
    }
  };
  for_each_edge([&](uint32_t from, uint32_t to) {
    ++waits_for[from];
    ++begin[to + 1];
  });
  for (uint32_t i = 0; i < count; ++i) begin[i + 1] += begin[i];
  std::vector<uint32_t> waiting(begin[count]);
  std::vector<uint32_t> next(begin.begin(), begin.end() - 1);
  for_each_edge(
      [&](uint32_t from, uint32_t to) { waiting[next[to]++] = from; });

  const auto after = [this](const Candidate& a, const Candidate& b) {
    return Before(b, a);
  };
  std::priority_queue<Candidate, std::vector<Candidate>, decltype(after)> ready(
      after);
  const auto push = [&](uint32_t i) {
    const EventIdx event = power_events_[i];
    // Higher levels first.
    const uint64_t rank =
        ~(static_cast<uint64_t>(c_.sort_level[event]) ^ (uint64_t{1} << 63));
    ready.push({rank, c_.ts[event], c_.id_prefix[event], event});
  };
  for (uint32_t i = 0; i < count; ++i) {
    if (waits_for[i] == 0) push(i);
  }
  order_.clear();
  while (!ready.empty()) {
    order_.push_back(ready.top());
    ready.pop();
    const uint32_t done = local_[order_.back().event];
    for (uint32_t k = begin[done]; k < begin[done + 1]; ++k) {
      if (--waits_for[waiting[k]] == 0) push(waiting[k]);
    }
  }
}

// The place on the mainline that the event's own power levels are based on.
uint32_t StateResolver::Impl::MainlinePosition(EventIdx event) {
  EventIdx levels = c_.InSlot(event, Slot::kPowerLevels);
  const size_t first = positioned_.size();
  while (levels != kNoIndex && position_[levels] == kUnknownPosition) {
    positioned_.push_back(levels);
    position_[levels] = kNoIndex;  // For now.
    levels = c_.InSlot(levels, Slot::kPowerLevels);
  }
  const uint32_t position = levels == kNoIndex ? kNoIndex : position_[levels];
  for (size_t i = first; i < positioned_.size(); ++i) {
    position_[positioned_[i]] = position;
  }
  return position;
}

void StateResolver::Impl::SortByMainline(EventIdx power_levels) {
  if (explanation_ != nullptr) explanation_->mainline_base = power_levels;
  positioned_.clear();
  uint32_t position = 0;
  for (EventIdx event = power_levels; event != kNoIndex;
       event = c_.InSlot(event, Slot::kPowerLevels)) {
    position_[event] = position++;
    positioned_.push_back(event);
  }
  order_.clear();
  for (const EventIdx event : full_set_) {
    if (in_set_[event] != kInFullSet || c_.key[event] == kNoIndex) continue;
    // Not based on the mainline, then its oldest end, come first.
    const uint64_t rank = uint64_t{kNoIndex} - MainlinePosition(event);
    order_.push_back({rank, c_.ts[event], c_.id_prefix[event], event});
  }
  std::sort(
      order_.begin(), order_.end(),
      [this](const Candidate& a, const Candidate& b) { return Before(a, b); });
  for (const EventIdx event : positioned_) position_[event] = kUnknownPosition;
  for (const EventIdx event : full_set_) in_set_[event] = 0;
}

void StateResolver::Impl::CheckIteratively(std::span<const Candidate> order,
                                           Explanation::Phase phase) {
  const bool mainline = phase == Explanation::Phase::kMainline;
  for (const Candidate& candidate : order) {
    const EventIdx event = candidate.event;
    if (c_.key[event] == kNoIndex) continue;
    const auto position =
        mainline ? static_cast<uint32_t>(kNoIndex - candidate.rank) : kNoIndex;
    if (Check(event, phase, position) == Rule::kAllowed) {
      Put(c_.key[event], event);
    }
  }
}

Rule StateResolver::Impl::Check(EventIdx event, Explanation::Phase phase,
                                uint32_t position) {
  const GraphContext context(c_, event, state_);
  const Rule rule = auth_rules::CheckState(context);
  if (explanation_ != nullptr) {
    Explanation::Step step;
    step.event = event;
    step.key = c_.key[event];
    step.phase = phase;
    step.sender_level = c_.sort_level[event];
    step.origin_server_ts = c_.ts[event];
    step.depth = c_.depth.empty() ? 0 : c_.depth[event];
    step.mainline_position = position;
    step.rule = rule;
    step.against = context.Against();
    explanation_->steps.push_back(step);
  }
  return rule;
}

void StateResolver::Impl::Put(KeyIdx key, EventIdx event) {
  changes_.push_back({key, state_[key]});
  state_[key] = event;
}

void StateResolver::Impl::NoteConflicts() {
  if (explanation_ == nullptr) return;
  explanation_->conflicted_keys = conflicted_keys_;
  explanation_->conflicted_events = conflicted_;
}

// The result: the first state with what was resolved; unconflicted events stay.
// Leaves the working memory as it was.
StateTree StateResolver::Impl::Finish(std::span<const StateTree> states) {
  StateTree result = states[0];
  for (const KeyIdx key : conflicted_keys_) result.Set(key, state_[key]);
  for (const Change& change : changes_) {
    const KeyIdx key = change.key;
    if (key_conflicted_[key] == 0 && states[0].Get(key) == kNoIndex) {
      if (explanation_ != nullptr && result.Get(key) == kNoIndex) {
        explanation_->added_keys.push_back(key);
      }
      result.Set(key, state_[key]);
    }
  }
  // The first changes are those of FindConflicts, of base_.
  for (size_t i = changes_.size(); i-- > conflicted_keys_.size();) {
    state_[changes_[i].key] = changes_[i].before;
  }
  for (size_t i = 0; i < conflicted_keys_.size(); ++i) {
    const Change& change = changes_[i];
    base_[change.key] = change.before;
    key_conflicted_[change.key] = 0;
    if (change.before != kNoIndex) {
      auth_difference_.SetUnconflicted(change.before, true);
    }
  }
  return result;
}

}  // namespace matrixcore
