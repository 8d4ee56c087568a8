#include "matrixcore/room/room_rows.h"

#include <array>
#include <utility>

#include "matrixcore/room/auth_tables.h"
#include "matrixcore/room/tables.h"

namespace matrixcore {
namespace {

using tables::BlockedRooms;
using tables::StagedRooms;

// Rows that one commit deletes.
constexpr size_t kRowsAtOnce = 500;

// Those of the room floor, the events last: what is left of a broken-off
// deletion can still be looked at.
constexpr std::array<const TableSpec*, 11> kTables = {
    &tables::kRelations,  &tables::kRelationTargets, &tables::kThreadUsers,
    &tables::kLateEvents, &tables::kRoomPreviews,    &tables::kRoomCuts,
    &tables::kEvents,     &tables::kAuthEdges,       &tables::kStateSnaps,
    &tables::kStateKeys,  &tables::kRoomSigningKeys};

BatchRow KeyOf(const TableSpec& table, const Row& row) {
  BatchRow key;
  for (uint32_t i = 0; i < table.key_columns; ++i) {
    std::visit([&key](const auto& value) { key.emplace_back(value); }, row[i]);
  }
  return key;
}

}  // namespace

Result<std::vector<StagedRoom>> FindStagedRooms(Snapshot& snapshot,
                                                std::string_view room_id) {
  ScanSpec scan{.table = &tables::kStagedRooms};
  if (!room_id.empty()) {
    scan.index = StagedRooms::kByRoomId;
    scan.prefix = {Cell(std::string(room_id))};
  }
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot.Scan(scan));
  std::vector<StagedRoom> staged;
  for (const Row& row : rows) {
    staged.push_back({CellInt(row[StagedRooms::kNid]),
                      std::string(CellText(row[StagedRooms::kRoomId])),
                      static_cast<tables::StagedPurpose>(
                          CellInt(row[StagedRooms::kPurpose]))});
  }
  return staged;
}

Status DeleteRowsOfRoom(Store& store, const TableSpec& table, RoomNid room,
                        const RowsDeleted& progress) {
  for (;;) {
    std::vector<Row> rows;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store.NewSnapshot());
      MC_ASSIGN_OR_RETURN(rows, snapshot->Scan({.table = &table,
                                                .prefix = {Cell(room)},
                                                .limit = kRowsAtOnce}));
    }
    if (rows.empty()) return OkStatus();
    WriteBatch batch;
    for (const Row& row : rows) batch.DeleteRow(table, KeyOf(table, row));
    MC_ASSIGN_OR_RETURN([[maybe_unused]] const CommitInfo done,
                        store.Commit(std::move(batch)));
    if (progress) progress(rows.size());
    if (rows.size() < kRowsAtOnce) return OkStatus();
  }
}

Status DeleteStagedRoom(Store& store, RoomNid room,
                        const RowsDeleted& progress) {
  for (const TableSpec* table : kTables) {
    MC_RETURN_IF_ERROR(DeleteRowsOfRoom(store, *table, room, progress));
  }
  WriteBatch batch;
  batch.DeleteRow(tables::kStagedRooms, {room});
  return store.Commit(std::move(batch)).status();
}

Result<std::string> RoomBlockedBy(Snapshot& snapshot,
                                  std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> row,
      snapshot.Get(tables::kBlockedRooms, {Cell(std::string(room_id))}));
  if (!row) return std::string();
  return std::string(CellText((*row)[BlockedRooms::kUser]));
}

Result<bool> IsRoomBlocked(Snapshot& snapshot, std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> row,
      snapshot.Get(tables::kBlockedRooms, {Cell(std::string(room_id))}));
  return row.has_value();
}

void BlockRoom(WriteBatch& batch, const std::string& room_id,
               const std::string& user_id, Timestamp now) {
  batch.PutRow(tables::kBlockedRooms, {room_id, user_id, now.ms});
}

void UnblockRoom(WriteBatch& batch, const std::string& room_id) {
  batch.DeleteRow(tables::kBlockedRooms, {room_id});
}

}  // namespace matrixcore
