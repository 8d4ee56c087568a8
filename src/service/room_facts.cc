#include "service/room_facts.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "matrixcore/room/tables.h"
#include "matrixcore/store/catalog.h"

namespace matrixcore {
namespace {

using tables::RoomPreviews;
using tables::Rooms;

// A scan reads few rows until it is known to pay, then more.
constexpr size_t kFirstScan = 16;
constexpr size_t kMaxScan = 512;
// It pays when one of so many rows that it meets is wanted: reading a row costs
// that much less than asking for one.
constexpr size_t kWorth = 3;
// Else so many are asked for, before the next attempt.
constexpr size_t kKeys = 128;

// Reads rows of a table whose key is a room's number, for ascending `rooms`,
// and calls `take(i, row)` with `columns` of those that there are: in the
// table's order as long as that pays, else by their keys.  The first of the
// columns is the key.
template <typename Take>
class RowVisitor {
 public:
  RowVisitor(Snapshot& snapshot, const TableSpec& table,
             std::vector<uint32_t> columns, std::span<const RoomNid> rooms,
             const Take& take)
      : snapshot_(snapshot),
        rooms_(rooms),
        take_(take),
        scan_{.table = &table, .columns = std::move(columns)} {}

  Status Visit() {
    while (next_ < rooms_.size()) {
      bool worth = false;
      if (rooms_.size() - next_ >= kFirstScan) {
        MC_ASSIGN_OR_RETURN(worth, Scan());
      }
      limit_ = worth ? std::min(limit_ * 4, kMaxScan) : kFirstScan;
      if (!worth) MC_RETURN_IF_ERROR(Ask());
    }
    return OkStatus();
  }

 private:
  // Whether that was worth it.
  Result<bool> Scan() {
    const size_t first = next_;
    scan_.from = ScanSpec::Bound{Cell(rooms_[first]), true};
    scan_.to = ScanSpec::Bound{Cell(rooms_.back()), true};
    scan_.limit = limit_;
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot_.Scan(scan_));
    for (const Row& row : rows) {
      while (rooms_[next_] < CellInt(row[0])) ++next_;
      if (rooms_[next_] == CellInt(row[0])) take_(next_++, row);
    }
    if (rows.size() < limit_) next_ = rooms_.size();
    return (next_ - first) * kWorth >= rows.size();
  }

  Status Ask() {
    std::vector<Row> keys;
    for (size_t i = next_; i < rooms_.size() && keys.size() < kKeys; ++i) {
      keys.push_back({Cell(rooms_[i])});
    }
    MC_ASSIGN_OR_RETURN(const auto rows, snapshot_.GetMany(*scan_.table, keys));
    for (const std::optional<Row>& row : rows) {
      if (row) take_(next_, Project(*row, scan_));
      ++next_;
    }
    return OkStatus();
  }

  Snapshot& snapshot_;
  const std::span<const RoomNid> rooms_;
  const Take& take_;
  ScanSpec scan_;
  size_t next_ = 0;
  size_t limit_ = kFirstScan;
};

template <typename Take>
Status VisitRows(Snapshot& snapshot, const TableSpec& table,
                 std::vector<uint32_t> columns, std::span<const RoomNid> rooms,
                 const Take& take) {
  return RowVisitor<Take>(snapshot, table, std::move(columns), rooms, take)
      .Visit();
}

}  // namespace

Result<std::vector<RoomFacts>> ReadRoomFacts(Snapshot& snapshot,
                                             std::span<const RoomNid> rooms,
                                             bool with_state) {
  std::vector<RoomFacts> facts(rooms.size());
  MC_RETURN_IF_ERROR(VisitRows(
      snapshot, tables::kRooms, {Rooms::kNid, Rooms::kLastPos, Rooms::kState},
      rooms, [&facts](size_t i, const Row& row) {
        facts[i].last_pos = CellInt(row[1]);
        facts[i].state = static_cast<StateSnap>(CellInt(row[2]));
      }));
  if (!with_state) return facts;
  MC_RETURN_IF_ERROR(VisitRows(
      snapshot, tables::kRoomPreviews,
      {RoomPreviews::kRoom, RoomPreviews::kType, RoomPreviews::kEncryption},
      rooms, [&facts](size_t i, const Row& row) {
        facts[i].type = CellText(row[1]);
        facts[i].encrypted = !CellText(row[2]).empty();
      }));
  return facts;
}

}  // namespace matrixcore
