#include "matrixcore/room/history_purge.h"

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "matrixcore/id/identifiers.h"
#include "matrixcore/room/auth_tables.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "room/find_room.h"
#include "room/known_events.h"
#include "room/relation_work.h"
#include "room/room_caches.h"
#include "room/room_cut.h"
#include "room/rows.h"

namespace matrixcore {
namespace {

using tables::Events;
using tables::RelationTargets;
using tables::StateSnaps;

constexpr size_t kEventBudget = size_t{8} << 20;

class HistoryPurge {
 public:
  HistoryPurge(Store& store, RoomHead head, const HistoryPurgeOptions& options)
      : store_(store), head_(std::move(head)), options_(options) {}

  Result<HistoryPurgeResult> Run();

 private:
  Status FindCut();
  Result<EventIdx> FirstSince(Snapshot& snapshot, int64_t ts);
  Status FindNeeds();
  Result<std::vector<Row>> RowsOf(Snapshot& snapshot, EventIdx after,
                                  EventIdx before, bool descending);
  // Moves the cut up to where it is wanted.
  Status MoveCut();
  Status AddToBatch(RoomReader& reader, RelationWork& relations,
                    std::vector<Row> rows, WriteBatch& batch);
  // Deletes what nobody needs below it.
  Status DeleteEvents();
  Status ForgetTargets(Snapshot& snapshot, const std::vector<Row>& rows,
                       WriteBatch& batch);
  Status DeleteStates();
  bool StaysByPolicy(const Row& row) const;
  void Progress(uint64_t more) {
    done_ += more;
    if (options_.progress) options_.progress(done_, 2 * uint64_t{cut_});
  }

  Store& store_;
  const RoomHead head_;
  const HistoryPurgeOptions& options_;
  HistoryPurgeResult result_;
  EventIdx cut_ = 0;      // Where the history is to be cut ...
  EventIdx old_cut_ = 1;  // ... and where it is.
  CutNeeds needs_;
  absl::flat_hash_set<EventIdx> needed_;
  uint64_t done_ = 0;
};

// The number of the first event that the room has from a time on.
Result<EventIdx> HistoryPurge::FirstSince(Snapshot& snapshot, int64_t ts) {
  EventIdx low = 1;
  EventIdx high = head_.last_idx + 1;
  while (low < high) {
    const EventIdx middle = low + (high - low) / 2;
    MC_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        snapshot.Scan({.table = &tables::kEvents,
                       .prefix = {Cell(head_.nid)},
                       .from = ScanSpec::Bound{Cell(int64_t{middle}), true},
                       .limit = 1}));
    if (rows.empty() || CellInt(rows[0][Events::kMaxTs]) >= ts) {
      high = middle;
    } else {
      low = static_cast<EventIdx>(CellInt(rows[0][Events::kIdx])) + 1;
    }
  }
  return high;
}

Status HistoryPurge::FindCut() {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  KnownEvents events(head_.nid, *head_.rules, kEventBudget);
  events.Use(*snapshot);
  if (options_.before_event_id.empty()) {
    MC_ASSIGN_OR_RETURN(cut_, FirstSince(*snapshot, options_.before.ms));
  } else {
    MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr first,
                        events.Find(options_.before_event_id));
    if (first == nullptr) {
      return {StatusCode::kNotFound,
              fmt::format("room {} has no event {}", head_.room_id,
                          options_.before_event_id)};
    }
    cut_ = first->idx;
  }
  for (const std::string& id : head_.extremities) {
    MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr end, events.Find(id));
    if (end != nullptr) cut_ = std::min(cut_, end->idx);
  }
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot->Get(tables::kRoomCuts, {Cell(head_.nid)}));
  if (row) {
    old_cut_ = static_cast<EventIdx>(CellInt((*row)[tables::RoomCuts::kIdx]));
  }
  // A history that was cut higher stays so, and is completed there.
  cut_ = std::max(cut_, old_cut_);
  return OkStatus();
}

bool HistoryPurge::StaysByPolicy(const Row& row) const {
  if (options_.keep_state && !IsNull(row[Events::kStateKey])) return true;
  return !options_.delete_local &&
         DomainOf(CellText(row[Events::kSender])) == options_.server_name;
}

Result<std::vector<Row>> HistoryPurge::RowsOf(Snapshot& snapshot,
                                              EventIdx after, EventIdx before,
                                              bool descending) {
  MC_ASSIGN_OR_RETURN(
      std::vector<Row> rows,
      snapshot.Scan({.table = &tables::kEvents,
                     .prefix = {Cell(head_.nid)},
                     .from = ScanSpec::Bound{Cell(int64_t{after}), false},
                     .to = ScanSpec::Bound{Cell(int64_t{before}), false},
                     .descending = descending,
                     .limit = options_.batch_events}));
  return rows;
}

// What stays below the cut: what the rest needs, and what is wanted, with all
// that authorises it.
Status HistoryPurge::FindNeeds() {
  MC_ASSIGN_OR_RETURN(needs_, FindCutNeeds(store_, head_, cut_,
                                           options_.batch_events, nullptr));
  std::vector<EventIdx> wanted = needs_.events;
  EventIdx last = 0;
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store_.NewSnapshot());
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        RowsOf(*snapshot, last, cut_, false));
    for (const Row& row : rows) {
      last = static_cast<EventIdx>(CellInt(row[Events::kIdx]));
      if (StaysByPolicy(row)) wanted.push_back(last);
    }
    if (rows.size() < options_.batch_events) break;
  }
  MC_ASSIGN_OR_RETURN(wanted, AuthClosure(store_, head_, std::move(wanted)));
  needed_.insert(wanted.begin(), wanted.end());
  return OkStatus();
}

// Takes events out of the graph, the timeline and the indexes.
Status HistoryPurge::AddToBatch(RoomReader& reader, RelationWork& relations,
                                std::vector<Row> rows, WriteBatch& batch) {
  KnownEvents events(head_.nid, *head_.rules, kEventBudget);
  events.Use(reader.snapshot());
  const auto find =
      [&events](std::string_view id) -> Result<std::optional<StoredEvent>> {
    MC_ASSIGN_OR_RETURN(const KnownEvents::StoredPtr found, events.Find(id));
    if (found == nullptr) return std::optional<StoredEvent>();
    return std::optional<StoredEvent>(*found);
  };
  for (Row& row : rows) {
    MC_ASSIGN_OR_RETURN(StoredEvent stored,
                        EventFromRow(std::move(row), *head_.rules));
    if ((stored.flags & kEventOutlier) != 0) continue;
    if (stored.flags == 0) {
      MC_RETURN_IF_ERROR(
          relations.LoadToRemove(&reader, head_, *stored.event, find));
      relations.Remove(*stored.event, stored.idx, stored.pos);
    }
    const int64_t ts = stored.event->origin_server_ts();
    if (ts < stored.max_ts) {
      batch.DeleteRow(tables::kLateEvents,
                      {head_.nid, ts, int64_t{stored.idx}});
    }
    stored.flags |= kEventOutlier;
    stored.before = stored.after = 0;
    if (!needed_.contains(stored.replaces)) stored.replaces = 0;
    batch.PutRow(tables::kEvents, RowFromEvent(stored, head_.nid, stored.pos));
  }
  return OkStatus();
}

Status HistoryPurge::MoveCut() {
  while (old_cut_ < cut_) {
    WriteBatch batch;
    std::vector<Position> gone;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store_.NewSnapshot());
      RoomCaches caches({.event_bytes = kEventBudget, .state_bytes = 4096});
      RoomReader reader(*snapshot, caches);
      MC_ASSIGN_OR_RETURN(std::vector<Row> rows,
                          RowsOf(*snapshot, old_cut_ - 1, cut_, false));
      if (rows.empty()) break;
      for (const Row& row : rows) gone.push_back(CellInt(row[Events::kPos]));
      const auto next =
          static_cast<EventIdx>(CellInt(rows.back()[Events::kIdx])) + 1;
      MC_ASSIGN_OR_RETURN(
          const std::optional<Row> first,
          snapshot->Get(tables::kEvents,
                        {Cell(head_.nid), Cell(int64_t{next})}));
      if (!first) {
        return {StatusCode::kDataLoss,
                fmt::format("room {}: event number {} is missing; check the "
                            "room",
                            head_.room_id, next)};
      }
      RelationWork relations;
      MC_RETURN_IF_ERROR(AddToBatch(reader, relations, std::move(rows), batch));
      relations.Finish(batch, head_.nid,
                       [](EventIdx) { return BatchCell(int64_t{0}); });
      batch.PutRow(tables::kRoomCuts,
                   {head_.nid, int64_t{next}, CellInt((*first)[Events::kPos]),
                    options_.now.ms});
      old_cut_ = next;
    }
    if (options_.also) {
      MC_RETURN_IF_ERROR(options_.also(head_.nid, gone));
    }
    MC_RETURN_IF_ERROR(store_.Commit(std::move(batch)).status());
    Progress(gone.size());
  }
  return OkStatus();
}

// Of events that go, later ones may still be about them.
Status HistoryPurge::ForgetTargets(Snapshot& snapshot,
                                   const std::vector<Row>& rows,
                                   WriteBatch& batch) {
  std::vector<Row> keys;
  for (const Row& row : rows) {
    keys.push_back({Cell(head_.nid), row[Events::kEventId]});
  }
  MC_ASSIGN_OR_RETURN(const auto targets,
                      snapshot.GetMany(tables::kRelationTargets, keys));
  for (const std::optional<Row>& target : targets) {
    if (!target) continue;
    BatchRow changed;
    for (const Cell& cell : *target) {
      std::visit([&changed](const auto& v) { changed.emplace_back(v); }, cell);
    }
    changed[RelationTargets::kIdx] = int64_t{0};
    changed[RelationTargets::kEdit] = int64_t{0};
    changed[RelationTargets::kEditTs] = int64_t{0};
    changed[RelationTargets::kEditId] = std::monostate();
    batch.PutRow(tables::kRelationTargets, std::move(changed));
  }
  return OkStatus();
}

// From the newest down: whoever named an event goes before it.
Status HistoryPurge::DeleteEvents() {
  EventIdx below = cut_;
  for (bool more = true; more;) {
    WriteBatch batch;
    std::vector<Row> gone;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store_.NewSnapshot());
      MC_ASSIGN_OR_RETURN(std::vector<Row> rows,
                          RowsOf(*snapshot, 0, below, true));
      more = rows.size() == options_.batch_events;
      Progress(rows.size());
      for (Row& row : rows) {
        below = static_cast<EventIdx>(CellInt(row[Events::kIdx]));
        if (needed_.contains(below)) {
          ++result_.kept;
          continue;
        }
        batch.DeleteRow(tables::kEvents, {head_.nid, int64_t{below}});
        batch.DeleteRow(tables::kAuthEdges, {head_.nid, int64_t{below}});
        gone.push_back(std::move(row));
      }
      MC_RETURN_IF_ERROR(ForgetTargets(*snapshot, gone, batch));
    }
    if (batch.empty()) continue;
    result_.deleted += gone.size();
    MC_RETURN_IF_ERROR(store_.Commit(std::move(batch)).status());
  }
  return OkStatus();
}

// States below the cut, but for those at it and what they are based on.
Status HistoryPurge::DeleteStates() {
  absl::flat_hash_set<StateSnap> keep;
  StateSnap last = 0;
  const StateSnap end = std::min(needs_.first_new_state, head_.last_snap + 1);
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store_.NewSnapshot());
    for (StateSnap snap : needs_.states) {
      while (snap != 0 && keep.insert(snap).second) {
        MC_ASSIGN_OR_RETURN(
            const std::optional<Row> row,
            snapshot->Get(tables::kStateSnaps,
                          {Cell(head_.nid), Cell(int64_t{snap})}));
        snap = row ? static_cast<StateSnap>(CellInt((*row)[StateSnaps::kBase]))
                   : 0;
      }
    }
  }
  for (bool more = true; more;) {
    WriteBatch batch;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store_.NewSnapshot());
      MC_ASSIGN_OR_RETURN(
          const std::vector<Row> rows,
          snapshot->Scan({.table = &tables::kStateSnaps,
                          .prefix = {Cell(head_.nid)},
                          .from = ScanSpec::Bound{Cell(int64_t{last}), false},
                          .to = ScanSpec::Bound{Cell(int64_t{end}), false},
                          .limit = options_.batch_events}));
      more = rows.size() == options_.batch_events;
      for (const Row& row : rows) {
        last = static_cast<StateSnap>(CellInt(row[StateSnaps::kSnap]));
        if (keep.contains(last)) continue;
        batch.DeleteRow(tables::kStateSnaps, {head_.nid, int64_t{last}});
      }
    }
    if (!batch.empty()) {
      MC_RETURN_IF_ERROR(store_.Commit(std::move(batch)).status());
    }
  }
  return OkStatus();
}

Result<HistoryPurgeResult> HistoryPurge::Run() {
  MC_RETURN_IF_ERROR(FindCut());
  result_.room = head_.nid;
  if (cut_ <= 1) return result_;
  MC_RETURN_IF_ERROR(FindNeeds());
  MC_RETURN_IF_ERROR(MoveCut());
  MC_RETURN_IF_ERROR(DeleteEvents());
  MC_RETURN_IF_ERROR(DeleteStates());
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::optional<Row> cut,
                      snapshot->Get(tables::kRoomCuts, {Cell(head_.nid)}));
  if (cut) result_.cut = CellInt((*cut)[tables::RoomCuts::kPos]);
  return result_;
}

}  // namespace

Result<HistoryPurgeResult> PurgeHistory(Store& store, std::string_view room_id,
                                        const HistoryPurgeOptions& options) {
  MC_ASSIGN_OR_RETURN(RoomHead head, FindRoom(store, room_id));
  return HistoryPurge(store, std::move(head), options).Run();
}

}  // namespace matrixcore
