#include "room/state_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "matrixcore/room/tables.h"
#include "room/auth_chain.h"

namespace matrixcore {
namespace {

using tables::StateSnaps;

// Events of the graph that are read at once.
constexpr size_t kEventsAtOnce = 256;
// A path of a persistent map, what one more state costs, and its place here.
constexpr size_t kStateBytes = 240;

uint32_t Narrow(const Cell& cell) {
  return static_cast<uint32_t>(CellInt(cell));
}

void Apply(const std::vector<StateDeltaEntry>& delta, StateTree* state) {
  for (const StateDeltaEntry& entry : delta) {
    state->Set(entry.key, entry.event == 0 ? kNoIndex : entry.event);
  }
}

}  // namespace

StateWalk::StateWalk(RoomNid room, const RoomVersionRules& rules,
                     KnownEvents& events, KeyNumOf key_num, size_t budget_bytes)
    : room_(room),
      events_(events),
      key_num_(std::move(key_num)),
      budget_(budget_bytes),
      states_(budget_, "states", 1,
              [](const StateTree&) { return kStateBytes; }),
      graph_(rules),
      resolver_(graph_) {}

Result<StateSnapRow> StateWalk::RowOf(StateSnap snap) {
  if (const auto it = pinned_.find(snap); it != pinned_.end()) {
    return it->second.row;
  }
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> row,
      snapshot_->Get(tables::kStateSnaps, {Cell(room_), Cell(int64_t{snap})}));
  if (!row) {
    return Status(StatusCode::kDataLoss,
                  fmt::format("state snapshot {} is missing", snap));
  }
  StateSnapRow read;
  read.parent = Narrow((*row)[StateSnaps::kParent]);
  read.base = Narrow((*row)[StateSnaps::kBase]);
  read.height = Narrow((*row)[StateSnaps::kHeight]);
  MC_ASSIGN_OR_RETURN(read.delta,
                      DecodeStateDelta(CellBlob((*row)[StateSnaps::kDelta])));
  if (read.base >= snap) {
    return Status(StatusCode::kDataLoss,
                  fmt::format("state snapshot {} is based on the later {}",
                              snap, read.base));
  }
  return read;
}

Result<StateTree> StateWalk::At(StateSnap snap) {
  std::vector<std::pair<StateSnap, std::vector<StateDeltaEntry>>> chain;
  StateTree state;
  for (StateSnap at = snap; at != 0;) {
    if (const auto it = pinned_.find(at); it != pinned_.end()) {
      state = it->second.state;
      break;
    }
    if (const auto known = states_.Get(at)) {
      state = *known;
      break;
    }
    MC_ASSIGN_OR_RETURN(StateSnapRow row, RowOf(at));
    chain.emplace_back(at, std::move(row.delta));
    at = row.base;
  }
  for (auto link = chain.rbegin(); link != chain.rend(); ++link) {
    Apply(link->second, &state);
    Keep(link->first, state);
  }
  return state;
}

void StateWalk::Keep(StateSnap snap, const StateTree& state) {
  states_.Put(snap, state);
}

void StateWalk::Pin(StateSnap snap, const StateTree& state, StateSnapRow row) {
  pinned_[snap] = {state, std::move(row)};
}

void StateWalk::ReleasePinned() {
  for (const auto& [snap, pinned] : pinned_) Keep(snap, pinned.state);
  pinned_.clear();
}

// Auth events come before those that name them, and the create event, which is
// the room's first, before all others.  What is missing is left out.
Status StateWalk::AddToGraph(const std::vector<EventIdx>& idxs) {
  MC_ASSIGN_OR_RETURN(std::vector<EventIdx> chain,
                      AuthChainOf(events_, idxs, [this](EventIdx idx) {
                        return graph_of_.contains(idx);
                      }));
  if (chain.empty()) return OkStatus();
  if (graph_.event_count() == 0 && chain.front() != 1) {
    chain.insert(chain.begin(), 1);
  }
  graph_.Reserve(chain.size());
  for (size_t begin = 0; begin < chain.size(); begin += kEventsAtOnce) {
    const auto some = std::span<const EventIdx>(chain).subspan(
        begin, std::min(kEventsAtOnce, chain.size() - begin));
    MC_RETURN_IF_ERROR(events_.Load(some));
    for (const EventIdx at : some) {
      MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr stored, events_.At(at));
      if (stored == nullptr) continue;
      const EventIdx number =
          graph_.Add(*stored->event, (stored->flags & kEventRejected) != 0);
      graph_of_[at] = number;
      if (number >= room_of_.size()) room_of_.resize(number + 1, 0);
      room_of_[number] = at;
    }
  }
  return OkStatus();
}

Result<StateTree> StateWalk::ToGraph(const StateTree& state) {
  StateTree out = last_graph_state_;
  std::vector<std::array<uint32_t, 3>> changes;
  std::vector<EventIdx> events;
  StateTree::Diff(last_room_state_, state,
                  [&](KeyIdx key, EventIdx from, EventIdx to) {
                    changes.push_back({key, from, to});
                    events.push_back(to == kNoIndex ? from : to);
                  });
  MC_RETURN_IF_ERROR(AddToGraph(events));
  for (const auto& [key, from, to] : changes) {
    const auto found = graph_of_.find(to == kNoIndex ? from : to);
    if (found == graph_of_.end()) {
      return Status(StatusCode::kDataLoss,
                    fmt::format("event number {} is missing",
                                to == kNoIndex ? from : to));
    }
    const EventIdx some = found->second;
    const KeyIdx graph_key = graph_.key_of(some);
    if (graph_key == kNoIndex) {
      return Status(StatusCode::kDataLoss,
                    fmt::format("a state holds event number {}, which is no "
                                "state event",
                                to == kNoIndex ? from : to));
    }
    keys_[graph_key] = key;
    out.Set(graph_key, to == kNoIndex ? kNoIndex : some);
  }
  last_room_state_ = state;
  last_graph_state_ = out;
  return out;
}

Result<StateKeyNum> StateWalk::FromGraphKey(KeyIdx key) {
  if (const auto it = keys_.find(key); it != keys_.end()) return it->second;
  MC_ASSIGN_OR_RETURN(const StateKeyNum num,
                      key_num_(graph_.type(key), graph_.state_key(key)));
  keys_[key] = num;
  return num;
}

Result<StateTree> StateWalk::Resolve(std::span<const StateTree> states) {
  if (states.empty()) return StateTree();
  const bool equal =
      std::all_of(states.begin() + 1, states.end(),
                  [&](const StateTree& state) { return state == states[0]; });
  if (equal) return states[0];
  std::vector<StateTree> translated;
  for (const StateTree& state : states) {
    MC_ASSIGN_OR_RETURN(translated.emplace_back(), ToGraph(state));
  }
  const StateTree resolved = resolver_.Resolve(translated);
  // Mostly the first state.
  StateTree out = states[0];
  std::vector<std::array<uint32_t, 2>> changes;
  StateTree::Diff(translated[0], resolved,
                  [&changes](KeyIdx key, EventIdx, EventIdx to) {
                    changes.push_back({key, to});
                  });
  for (const auto& [key, to] : changes) {
    MC_ASSIGN_OR_RETURN(const StateKeyNum num, FromGraphKey(key));
    out.Set(num, to == kNoIndex ? kNoIndex : room_of_[to]);
  }
  return out;
}

}  // namespace matrixcore
