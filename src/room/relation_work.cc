#include "room/relation_work.h"

#include <algorithm>

#include "matrixcore/room/tables.h"
#include "room/relation_rows.h"

namespace matrixcore {
namespace {

// When the newest replacement is redacted, the one that takes its place is
// sought among so many of the newest.
constexpr size_t kMaxEdits = 500;
// The same of the events of a thread; more than one batch can redact.
constexpr size_t kMaxThreadTail = 300;

Cell Text(std::string_view text) { return Cell(std::string(text)); }

}  // namespace

Status RelationWork::LoadToAdd(RoomReader* reader, const RoomHead& room,
                               const Event& event, const FindEvent& find) {
  const std::optional<Relation> relation = RelationOf(event);
  if (!relation) return OkStatus();
  return LoadTarget(reader, room, *relation, event.sender(), find);
}

Status RelationWork::LoadToRemove(RoomReader* reader, const RoomHead& room,
                                  const Event& event, const FindEvent& find) {
  const std::optional<Relation> relation = RelationOf(event);
  if (!relation) return OkStatus();
  MC_RETURN_IF_ERROR(LoadTarget(reader, room, *relation, event.sender(), find));
  if (reader == nullptr) return OkStatus();
  Target& target = targets_.find(relation->event_id)->second;
  if (relation->rel_type == kRelReplace) {
    return LoadEdits(*reader, room, target);
  }
  if (relation->rel_type == kRelThread) {
    return LoadThread(*reader, room, target);
  }
  return OkStatus();
}

Status RelationWork::LoadTarget(RoomReader* reader, const RoomHead& room,
                                const Relation& relation,
                                std::string_view sender,
                                const FindEvent& find) {
  if (relation.rel_type == kRelThread) {
    auto key = std::pair(std::string(relation.event_id), std::string(sender));
    if (!shares_.contains(key)) {
      Share share;
      if (reader != nullptr) {
        MC_ASSIGN_OR_RETURN(
            const std::vector<int64_t> events,
            reader->ThreadShares(room, sender, {&relation.event_id, 1}));
        share.events = events[0];
      }
      shares_.emplace(std::move(key), share);
    }
  }
  if (targets_.contains(relation.event_id)) return OkStatus();
  Target target;
  target.summary.target = relation.event_id;
  if (reader != nullptr) {
    MC_ASSIGN_OR_RETURN(
        const std::optional<Row> row,
        reader->snapshot().Get(tables::kRelationTargets,
                               {Cell(room.nid), Text(relation.event_id)}));
    if (row) {
      using tables::RelationTargets;
      target.stored = true;
      target.summary = RelationSummaryFromRow(*row);
      if (target.summary.edit != 0) {
        target.edits.insert(
            {CellInt((*row)[RelationTargets::kEditTs]),
             std::string(CellText((*row)[RelationTargets::kEditId])),
             target.summary.edit});
      }
      if (target.summary.thread_last != 0) {
        target.thread[target.summary.thread_last] = target.summary.thread_pos;
      }
    }
  }
  MC_ASSIGN_OR_RETURN(const std::optional<StoredEvent> event,
                      find(relation.event_id));
  if (event) {
    target.event = event->event;
    target.summary.target_idx = event->idx;
  }
  targets_.emplace(relation.event_id, std::move(target));
  return OkStatus();
}

Status RelationWork::LoadEdits(RoomReader& reader, const RoomHead& room,
                               Target& target) {
  if (target.edits_known || target.event == nullptr) return OkStatus();
  const Event& original = *target.event;
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      reader.snapshot().Scan(
                          {.table = &tables::kRelations,
                           .index = tables::Relations::kBySender,
                           .prefix = {Cell(room.nid), Text(original.event_id()),
                                      Text(original.sender()),
                                      Text(kRelReplace), Text(original.type())},
                           .descending = true,
                           .limit = kMaxEdits}));
  std::vector<EventIdx> idxs;
  for (const Row& row : rows) idxs.push_back(RelatedFromRow(row).idx);
  MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> events,
                      reader.Events(room, idxs));
  for (size_t i = 0; i < events.size(); ++i) {
    if (removed_.contains(idxs[i])) continue;
    if (!IsValidReplacement(*events[i], original)) continue;
    target.edits.insert(
        {events[i]->origin_server_ts(), events[i]->event_id(), idxs[i]});
  }
  target.edits_known = true;
  return OkStatus();
}

Status RelationWork::LoadThread(RoomReader& reader, const RoomHead& room,
                                Target& target) {
  if (target.thread_known) return OkStatus();
  MC_ASSIGN_OR_RETURN(
      const std::vector<RelatedEvent> tail,
      reader.Relations(room, target.summary.target,
                       {.rel_type = kRelThread, .limit = kMaxThreadTail}));
  for (const RelatedEvent& event : tail) {
    if (!removed_.contains(event.idx)) target.thread[event.idx] = event.pos;
  }
  target.thread_known = true;
  return OkStatus();
}

void RelationWork::Count(Target& target, const Event& event,
                         const Relation& relation, int64_t amount) {
  target.changed = true;
  RelationSummary& summary = target.summary;
  summary.children += amount;
  if (relation.rel_type == kRelReference) summary.references += amount;
  if (relation.rel_type != kRelThread) return;
  summary.threaded += amount;
  Share& share = shares_[{summary.target, std::string(event.sender())}];
  share.events += amount;
  share.changed = true;
}

void RelationWork::Add(const Event& event, EventIdx idx) {
  const std::optional<Relation> relation = RelationOf(event);
  if (!relation) return;
  const auto found = targets_.find(relation->event_id);
  if (found == targets_.end()) return;
  Target& target = found->second;
  Added& added = added_[idx];
  added = {.target = std::string(relation->event_id),
           .rel_type = std::string(relation->rel_type),
           .type = std::string(event.type()),
           .sender = std::string(event.sender()),
           .key = std::nullopt};
  if (relation->key) added.key = std::string(*relation->key);
  Count(target, event, *relation, 1);
  if (relation->rel_type == kRelThread) target.thread[idx] = 0;
  if (target.event != nullptr && IsValidReplacement(event, *target.event)) {
    target.edits.insert({event.origin_server_ts(), event.event_id(), idx});
  }
}

void RelationWork::Remove(const Event& event, EventIdx idx, Position pos) {
  const std::optional<Relation> relation = RelationOf(event);
  if (!relation) return;
  const auto found = targets_.find(relation->event_id);
  if (found == targets_.end()) return;
  Target& target = found->second;
  if (added_.erase(idx) == 0) {
    removed_[idx] = {std::string(relation->event_id), pos};
  }
  Count(target, event, *relation, -1);
  target.thread.erase(idx);
  std::erase_if(target.edits,
                [idx](const Edit& edit) { return edit.idx == idx; });
}

Result<bool> RelationWork::HasAnnotation(RoomReader* reader,
                                         const RoomHead& room,
                                         std::string_view target,
                                         std::string_view sender,
                                         std::string_view type,
                                         std::string_view key) const {
  for (const auto& [idx, added] : added_) {
    if (added.target == target && added.sender == sender &&
        added.type == type && added.key == key &&
        added.rel_type == kRelAnnotation) {
      return true;
    }
  }
  if (reader == nullptr) return false;
  // More than one row only if they came from another server.
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      reader->snapshot().Scan(
          {.table = &tables::kRelations,
           .index = tables::Relations::kBySender,
           .prefix = {Cell(room.nid), Text(target), Text(sender),
                      Text(kRelAnnotation), Text(type), Text(key)},
           .limit = removed_.size() + 1}));
  return std::any_of(rows.begin(), rows.end(), [this](const Row& row) {
    return !removed_.contains(RelatedFromRow(row).idx);
  });
}

void RelationWork::Finish(
    WriteBatch& batch, const BatchCell& room,
    const std::function<BatchCell(EventIdx)>& pos_of) const {
  for (const auto& [idx, row] : removed_) {
    batch.DeleteRow(tables::kRelations, {room, row.first, row.second});
  }
  for (const auto& [idx, row] : added_) {
    batch.PutRow(
        tables::kRelations,
        {room, row.target, pos_of(idx), int64_t{idx}, row.rel_type, row.type,
         row.sender, row.key ? BatchCell(*row.key) : BatchCell()});
  }
  for (const auto& [id, target] : targets_) {
    if (!target.changed) continue;
    const RelationSummary& summary = target.summary;
    if (summary.children <= 0) {
      if (target.stored) batch.DeleteRow(tables::kRelationTargets, {room, id});
      continue;
    }
    const Edit edit = target.edits.empty() ? Edit() : *target.edits.rbegin();
    BatchCell last_pos;
    EventIdx last = 0;
    if (!target.thread.empty()) {
      last = target.thread.rbegin()->first;
      const Position pos = target.thread.rbegin()->second;
      last_pos = pos == 0 ? pos_of(last) : BatchCell(pos);
    }
    batch.PutRow(tables::kRelationTargets,
                 {room, id, int64_t{summary.target_idx}, summary.children,
                  summary.references, int64_t{edit.idx}, edit.ts,
                  edit.idx == 0 ? BatchCell() : BatchCell(edit.event_id),
                  summary.threaded, int64_t{last}, last_pos});
  }
  for (const auto& [key, share] : shares_) {
    if (!share.changed) continue;
    if (share.events > 0) {
      batch.PutRow(tables::kThreadUsers,
                   {room, key.first, key.second, share.events});
    } else {
      batch.DeleteRow(tables::kThreadUsers, {room, key.first, key.second});
    }
  }
}

}  // namespace matrixcore
