#include "matrixcore/service/notice_purge.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/unread_tables.h"

namespace matrixcore {
namespace {

using tables::Notices;
using tables::PersonalNotices;
using tables::ThreadNotices;

constexpr size_t kAtOnce = 500;

// Deletes the rows of a table before `before` behind that prefix; the newest of
// them moves to position 0, where its running totals are what was read by
// everybody who has read anything.  `at` is the column of the position, `base`
// makes that row of the newest.
Status CutTotals(Store& store, const TableSpec& table, const Row& prefix,
                 uint32_t at, Position before, BatchRow (*base)(const Row&)) {
  for (;;) {
    WriteBatch batch;
    bool more = false;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store.NewSnapshot());
      MC_ASSIGN_OR_RETURN(
          const std::vector<Row> rows,
          snapshot->Scan({.table = &table,
                          .prefix = prefix,
                          .from = ScanSpec::Bound{Cell(int64_t{1}), true},
                          .to = ScanSpec::Bound{Cell(before), false},
                          .limit = kAtOnce}));
      if (rows.empty()) return OkStatus();
      more = rows.size() == kAtOnce;
      for (const Row& row : rows) {
        BatchRow key;
        for (uint32_t i = 0; i < table.key_columns; ++i) {
          std::visit([&key](const auto& v) { key.emplace_back(v); }, row[i]);
        }
        batch.DeleteRow(table, std::move(key));
      }
      BatchRow kept = base(rows.back());
      kept[at] = int64_t{0};
      batch.PutRow(table, std::move(kept));
    }
    MC_RETURN_IF_ERROR(store.Commit(std::move(batch)).status());
    if (!more) return OkStatus();
  }
}

BatchRow Copy(const Row& row) {
  BatchRow copy;
  for (const Cell& cell : row) {
    std::visit([&copy](const auto& v) { copy.emplace_back(v); }, cell);
  }
  return copy;
}

// A row that is about no event: only its totals count.
BatchRow TotalsAlone(const Row& row) {
  BatchRow base = Copy(row);
  base[Notices::kIdx] = int64_t{0};
  base[Notices::kSender] = std::string();
  base[Notices::kThread] = std::monostate();
  base[Notices::kHighlight] = int64_t{0};
  base[Notices::kActions] = std::string("[]");
  return base;
}

Status CutThreads(Store& store, RoomNid room, Position before) {
  ScanSpec scan{.table = &tables::kNoticeThreads,
                .prefix = {Cell(room)},
                .limit = kAtOnce};
  for (;;) {
    std::vector<Row> threads;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store.NewSnapshot());
      MC_ASSIGN_OR_RETURN(threads, snapshot->Scan(scan));
    }
    for (const Row& row : threads) {
      MC_RETURN_IF_ERROR(
          CutTotals(store, tables::kThreadNotices,
                    {Cell(room), row[tables::NoticeThreads::kThread]},
                    ThreadNotices::kPos, before, Copy));
    }
    if (threads.size() < scan.limit) return OkStatus();
    scan.from =
        ScanSpec::Bound{threads.back()[tables::NoticeThreads::kThread], false};
  }
}

Status CutPersonal(Store& store, RoomNid room, Position before) {
  ScanSpec scan{.table = &tables::kUsers, .limit = kAtOnce};
  for (bool more = true; more;) {
    WriteBatch batch;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store.NewSnapshot());
      MC_ASSIGN_OR_RETURN(const std::vector<Row> users, snapshot->Scan(scan));
      more = users.size() == scan.limit;
      for (const Row& user : users) {
        MC_ASSIGN_OR_RETURN(
            const std::vector<Row> rows,
            snapshot->Scan({.table = &tables::kPersonalNotices,
                            .prefix = {user[tables::Users::kUser], Cell(room)},
                            .to = ScanSpec::Bound{Cell(before), false}}));
        for (const Row& row : rows) {
          batch.DeleteRow(tables::kPersonalNotices,
                          {std::string(CellText(row[PersonalNotices::kUser])),
                           room, CellInt(row[PersonalNotices::kPos])});
        }
      }
      if (more) {
        scan.from = ScanSpec::Bound{users.back()[tables::Users::kUser], false};
      }
    }
    if (batch.empty()) continue;
    MC_RETURN_IF_ERROR(store.Commit(std::move(batch)).status());
  }
  return OkStatus();
}

}  // namespace

Status PurgeNotices(Store& store, RoomNid room, Position before) {
  MC_RETURN_IF_ERROR(CutTotals(store, tables::kNotices, {Cell(room)},
                               Notices::kPos, before, TotalsAlone));
  MC_RETURN_IF_ERROR(CutThreads(store, room, before));
  return CutPersonal(store, room, before);
}

}  // namespace matrixcore
