// RoomReader: the index of relations.
#include <algorithm>
#include <utility>

#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/tables.h"
#include "room/relation_rows.h"
#include "room/rows.h"

namespace matrixcore {
namespace {

// From so many on it pays to ask first whether there is much to find.
constexpr size_t kManyTargets = 4;

Cell Text(std::string_view text) { return Cell(std::string(text)); }

}  // namespace

RelatedEvent RelatedFromRow(const Row& row) {
  using tables::Relations;
  RelatedEvent related;
  related.idx = static_cast<EventIdx>(CellInt(row[Relations::kIdx]));
  related.pos = CellInt(row[Relations::kPos]);
  related.rel_type = CellText(row[Relations::kRelType]);
  related.type = CellText(row[Relations::kType]);
  related.sender = CellText(row[Relations::kSender]);
  return related;
}

RelationSummary RelationSummaryFromRow(const Row& row) {
  using tables::RelationTargets;
  RelationSummary summary;
  summary.target = CellText(row[RelationTargets::kTarget]);
  summary.target_idx =
      static_cast<EventIdx>(CellInt(row[RelationTargets::kIdx]));
  summary.children = CellInt(row[RelationTargets::kChildren]);
  summary.references = CellInt(row[RelationTargets::kReferences]);
  summary.edit = static_cast<EventIdx>(CellInt(row[RelationTargets::kEdit]));
  summary.threaded = CellInt(row[RelationTargets::kThreaded]);
  summary.thread_last =
      static_cast<EventIdx>(CellInt(row[RelationTargets::kThreadLast]));
  summary.thread_pos = CellInt(row[RelationTargets::kThreadPos]);
  return summary;
}

Result<std::vector<RelatedEvent>> RoomReader::Relations(
    const RoomHead& room, std::string_view target, const RelationQuery& query) {
  ScanSpec scan{.table = &tables::kRelations,
                .prefix = {Cell(room.nid), Text(target)},
                .from = ScanSpec::Bound{Cell(query.after), false},
                .to = ScanSpec::Bound{Cell(query.until), true},
                .descending = query.newest_first,
                .limit = query.limit};
  if (!query.rel_type.empty()) {
    scan.index = tables::Relations::kByRelType;
    scan.prefix.push_back(Text(query.rel_type));
  }
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot_.Scan(scan));
  std::vector<RelatedEvent> related;
  related.reserve(rows.size());
  for (const Row& row : rows) related.push_back(RelatedFromRow(row));
  return related;
}

Result<std::vector<std::optional<RelationSummary>>>
RoomReader::RelationSummaries(const RoomHead& room,
                              std::span<const std::string_view> targets) {
  std::vector<std::optional<RelationSummary>> summaries(targets.size());
  // In many rooms nothing, or little, relates to anything.
  const ScanSpec all{.table = &tables::kRelationTargets,
                     .prefix = {Cell(room.nid)},
                     .limit = targets.size() / 4 + 1};
  if (targets.size() >= kManyTargets) {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> few, snapshot_.Scan(all));
    if (few.size() < all.limit) {
      for (const Row& row : few) {
        const RelationSummary summary = RelationSummaryFromRow(row);
        for (size_t i = 0; i < targets.size(); ++i) {
          if (targets[i] == summary.target) summaries[i] = summary;
        }
      }
      return summaries;
    }
  }
  std::vector<Row> keys;
  keys.reserve(targets.size());
  for (const std::string_view target : targets) {
    keys.push_back({Cell(room.nid), Text(target)});
  }
  MC_ASSIGN_OR_RETURN(const auto rows,
                      snapshot_.GetMany(tables::kRelationTargets, keys));
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i]) summaries[i] = RelationSummaryFromRow(*rows[i]);
  }
  return summaries;
}

Result<std::vector<RelationSummary>> RoomReader::Threads(const RoomHead& room,
                                                         Position until,
                                                         size_t limit) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot_.Scan({.table = &tables::kRelationTargets,
                      .index = tables::RelationTargets::kByThread,
                      .prefix = {Cell(room.nid)},
                      .from = ScanSpec::Bound{Cell(int64_t{0}), true},
                      .to = ScanSpec::Bound{Cell(until), true},
                      .descending = true,
                      .limit = limit}));
  std::vector<RelationSummary> threads;
  threads.reserve(rows.size());
  for (const Row& row : rows) threads.push_back(RelationSummaryFromRow(row));
  return threads;
}

Result<std::vector<int64_t>> RoomReader::ThreadShares(
    const RoomHead& room, std::string_view user_id,
    std::span<const std::string_view> roots) {
  std::vector<Row> keys;
  keys.reserve(roots.size());
  for (const std::string_view root : roots) {
    keys.push_back({Cell(room.nid), Text(root), Text(user_id)});
  }
  MC_ASSIGN_OR_RETURN(const auto rows,
                      snapshot_.GetMany(tables::kThreadUsers, keys));
  std::vector<int64_t> shares(roots.size(), 0);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i]) shares[i] = CellInt((*rows[i])[tables::ThreadUsers::kCount]);
  }
  return shares;
}

Result<std::vector<std::pair<std::string, int64_t>>> RoomReader::ThreadUsers(
    const RoomHead& room, std::string_view root, size_t limit) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot_.Scan({.table = &tables::kThreadUsers,
                                      .prefix = {Cell(room.nid), Text(root)},
                                      .limit = limit}));
  std::vector<std::pair<std::string, int64_t>> users;
  for (const Row& row : rows) {
    users.emplace_back(CellText(row[tables::ThreadUsers::kUser]),
                       CellInt(row[tables::ThreadUsers::kCount]));
  }
  return users;
}

Result<bool> RoomReader::IsRelatedTo(const RoomHead& room,
                                     std::string_view target,
                                     std::span<const std::string> senders,
                                     std::span<const std::string> rel_types) {
  using tables::Relations;
  const auto exists = [this](std::optional<uint32_t> index,
                             Row prefix) -> Result<bool> {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        snapshot_.Scan({.table = &tables::kRelations,
                                        .index = index,
                                        .prefix = std::move(prefix),
                                        .limit = 1}));
    return !rows.empty();
  };
  const Row of_target = {Cell(room.nid), Text(target)};
  if (senders.empty() && rel_types.empty()) return exists({}, of_target);
  if (senders.empty()) {
    for (const std::string& rel_type : rel_types) {
      Row prefix = of_target;
      prefix.push_back(Cell(rel_type));
      MC_ASSIGN_OR_RETURN(const bool found,
                          exists(Relations::kByRelType, std::move(prefix)));
      if (found) return true;
    }
    return false;
  }
  for (const std::string& sender : senders) {
    Row prefix = of_target;
    prefix.push_back(Cell(sender));
    if (rel_types.empty()) {
      MC_ASSIGN_OR_RETURN(const bool found,
                          exists(Relations::kBySender, std::move(prefix)));
      if (found) return true;
      continue;
    }
    for (const std::string& rel_type : rel_types) {
      Row with_type = prefix;
      with_type.push_back(Cell(rel_type));
      MC_ASSIGN_OR_RETURN(const bool found,
                          exists(Relations::kBySender, std::move(with_type)));
      if (found) return true;
    }
  }
  return false;
}

}  // namespace matrixcore
