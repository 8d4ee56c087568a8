#include "room/edits.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/event/relation.h"
#include "matrixcore/room/tables.h"
#include "room/relation_rows.h"
#include "room/rows.h"

namespace matrixcore {
namespace {

using tables::RelationTargets;

constexpr size_t kEditsAtOnce = 500;

// The numbers of the events that replace `target`, valid or not.
Result<std::vector<EventIdx>> EditsOf(RoomReader& reader, const RoomHead& head,
                                      std::string_view target) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<RelatedEvent> related,
      reader.Relations(head, target, {.rel_type = kRelReplace}));
  std::vector<EventIdx> edits;
  for (const RelatedEvent& event : related) edits.push_back(event.idx);
  return edits;
}

Status JudgeTarget(RoomReader& reader, const RoomHead& head, const Row& row,
                   WriteBatch& batch) {
  const std::string target(CellText(row[RelationTargets::kTarget]));
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> found,
      reader.snapshot().Scan({.table = &tables::kEvents,
                              .index = tables::Events::kByEventId,
                              .prefix = {Cell(target)},
                              .limit = 1}));
  if (found.empty() || CellInt(found[0][tables::Events::kRoom]) != head.nid) {
    return OkStatus();
  }
  const auto idx =
      static_cast<EventIdx>(CellInt(found[0][tables::Events::kIdx]));
  MC_ASSIGN_OR_RETURN(const std::vector<EventIdx> edits,
                      EditsOf(reader, head, target));
  MC_ASSIGN_OR_RETURN(const BestEdit best,
                      FindBestEdit(reader, head, idx, edits));
  BatchRow changed;
  for (const Cell& cell : row) {
    std::visit([&changed](const auto& v) { changed.emplace_back(v); }, cell);
  }
  changed[RelationTargets::kIdx] = int64_t{idx};
  if (best.idx != 0) {
    changed[RelationTargets::kEdit] = int64_t{best.idx};
    changed[RelationTargets::kEditTs] = best.ts;
    changed[RelationTargets::kEditId] = best.event_id;
  }
  batch.PutRow(tables::kRelationTargets, std::move(changed));
  return OkStatus();
}

}  // namespace

Result<BestEdit> FindBestEdit(RoomReader& reader, const RoomHead& head,
                              EventIdx target,
                              std::span<const EventIdx> edits) {
  BestEdit best;
  if (target == 0 || edits.empty()) return best;
  MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> original,
                      reader.Events(head, {&target, 1}));
  for (size_t at = 0; at < edits.size(); at += kEditsAtOnce) {
    const std::span<const EventIdx> some =
        edits.subspan(at, std::min(kEditsAtOnce, edits.size() - at));
    MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> events,
                        reader.Events(head, some));
    for (size_t i = 0; i < events.size(); ++i) {
      if (!IsValidReplacement(*events[i], *original[0])) continue;
      BestEdit edit{some[i], events[i]->origin_server_ts(),
                    events[i]->event_id()};
      if (best.idx != 0 &&
          std::pair(edit.ts, std::string_view(edit.event_id)) <
              std::pair(best.ts, std::string_view(best.event_id))) {
        continue;
      }
      best = std::move(edit);
    }
  }
  return best;
}

Status JudgeEditsAgain(Store& store, const RoomHead& head) {
  RoomCaches caches({.event_bytes = size_t{1} << 20, .state_bytes = 4096});
  ScanSpec scan{.table = &tables::kRelationTargets,
                .prefix = {Cell(head.nid)},
                .limit = kEditsAtOnce};
  for (bool more = true; more;) {
    WriteBatch batch;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store.NewSnapshot());
      RoomReader reader(*snapshot, caches);
      MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot->Scan(scan));
      more = rows.size() == scan.limit;
      for (const Row& row : rows) {
        if (CellInt(row[RelationTargets::kIdx]) != 0) continue;
        MC_RETURN_IF_ERROR(JudgeTarget(reader, head, row, batch));
      }
      if (more) {
        scan.from =
            ScanSpec::Bound{rows.back()[RelationTargets::kTarget], false};
      }
    }
    if (batch.empty()) continue;
    MC_ASSIGN_OR_RETURN([[maybe_unused]] const CommitInfo done,
                        store.Commit(std::move(batch)));
  }
  return OkStatus();
}

}  // namespace matrixcore
