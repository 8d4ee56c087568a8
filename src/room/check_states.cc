// CheckRoom: the rows of a room's states.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "room/room_check.h"

namespace matrixcore {
namespace {

using tables::StateSnaps;

uint32_t Narrow(const Cell& cell) {
  return static_cast<uint32_t>(CellInt(cell));
}

class StateCheck {
 public:
  StateCheck(Snapshot& snapshot, const RoomHead& head, FindingSink& sink)
      : snapshot_(snapshot), head_(head), sink_(sink) {}

  Status Check(const std::vector<Row>& rows);

 private:
  // The heights of the states that `column` names; 0 for the empty state,
  // nothing for one that is missing.
  Result<std::vector<std::optional<uint32_t>>> HeightsOf(
      const std::vector<Row>& rows, uint32_t column);
  void CheckDelta(const Row& row);

  Snapshot& snapshot_;
  const RoomHead& head_;
  FindingSink& sink_;
};

Result<std::vector<std::optional<uint32_t>>> StateCheck::HeightsOf(
    const std::vector<Row>& rows, uint32_t column) {
  std::vector<Row> keys;
  for (const Row& row : rows) keys.push_back({Cell(head_.nid), row[column]});
  MC_ASSIGN_OR_RETURN(const auto found,
                      snapshot_.GetMany(tables::kStateSnaps, keys));
  std::vector<std::optional<uint32_t>> heights;
  for (size_t i = 0; i < rows.size(); ++i) {
    auto& height = heights.emplace_back();
    if (CellInt(rows[i][column]) == 0) {
      height = 0;
    } else if (found[i]) {
      height = Narrow((*found[i])[StateSnaps::kHeight]);
    }
  }
  return heights;
}

void StateCheck::CheckDelta(const Row& row) {
  const std::string name =
      fmt::format("state {}", CellInt(row[StateSnaps::kSnap]));
  const auto delta = DecodeStateDelta(CellBlob(row[StateSnaps::kDelta]));
  if (!delta.ok()) {
    sink_.Add("state-delta", "",
              fmt::format("{}: {}", name, delta.status().message()), "pairs");
    return;
  }
  StateKeyNum last = 0;
  for (const StateDeltaEntry& entry : *delta) {
    if (entry.key <= last || entry.key > head_.last_key ||
        entry.event > head_.last_idx) {
      sink_.Add(
          "state-delta", "",
          fmt::format("{}: key {} has event {}", name, entry.key, entry.event),
          fmt::format("ascending keys up to {}, events up to {}",
                      head_.last_key, head_.last_idx));
      return;
    }
    last = entry.key;
  }
}

Status StateCheck::Check(const std::vector<Row>& rows) {
  MC_ASSIGN_OR_RETURN(const std::optional<Row> cut,
                      snapshot_.Get(tables::kRoomCuts, {Cell(head_.nid)}));
  MC_ASSIGN_OR_RETURN(const auto parents, HeightsOf(rows, StateSnaps::kParent));
  MC_ASSIGN_OR_RETURN(const auto bases, HeightsOf(rows, StateSnaps::kBase));
  for (size_t i = 0; i < rows.size(); ++i) {
    const uint32_t snap = Narrow(rows[i][StateSnaps::kSnap]);
    const uint32_t parent = Narrow(rows[i][StateSnaps::kParent]);
    const uint32_t base = Narrow(rows[i][StateSnaps::kBase]);
    const uint32_t height = Narrow(rows[i][StateSnaps::kHeight]);
    if (snap > head_.last_snap) {
      sink_.Add("state-height", "", fmt::format("state {}", snap),
                fmt::format("none beyond {}", head_.last_snap));
    }
    const auto text = [](uint32_t number, std::optional<uint32_t> at) {
      return number == 0 ? std::string("the empty state")
             : at        ? fmt::format("state {} of height {}", number, *at)
                         : fmt::format("state {}, which is missing", number);
    };
    // A purge leaves out what nothing is based on.
    if (!parents[i] ? !cut : parent >= snap || height != *parents[i] + 1) {
      sink_.Add("state-height", "",
                fmt::format("state {} of height {} follows {}", snap, height,
                            text(parent, parents[i])),
                "one more than that of an earlier state");
    }
    const uint32_t below = height & (height - 1);
    if (base != 0 && (!bases[i] || base >= snap || *bases[i] != below)) {
      sink_.Add("state-base", "",
                fmt::format("state {} of height {} is based on {}", snap,
                            height, text(base, bases[i])),
                fmt::format("an earlier one of height {}, or the empty state",
                            below));
    }
    CheckDelta(rows[i]);
  }
  return OkStatus();
}

}  // namespace

Status CheckStates(Store& store, const RoomHead& start, size_t chunk,
                   FindingSink& sink) {
  StateSnap last = 0;
  for (bool more = true; more;) {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store.NewSnapshot());
    // A room that grows meanwhile grows in all its tables.
    RoomHead head = start;
    RoomCaches caches({.event_bytes = 0, .state_bytes = 0});
    MC_ASSIGN_OR_RETURN(const std::optional<RoomHead> now,
                        RoomReader(*snapshot, caches).Head(start.nid));
    if (now) head = *now;
    MC_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        snapshot->Scan({.table = &tables::kStateSnaps,
                        .prefix = {Cell(head.nid)},
                        .from = ScanSpec::Bound{Cell(int64_t{last}), false},
                        .limit = chunk}));
    more = rows.size() == chunk;
    if (rows.empty()) break;
    last = Narrow(rows.back()[StateSnaps::kSnap]);
    MC_RETURN_IF_ERROR(StateCheck(*snapshot, head, sink).Check(rows));
  }
  return OkStatus();
}

}  // namespace matrixcore
