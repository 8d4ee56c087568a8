// Read, decide, write: the loop around batches with preconditions.
#pragma once

#include <memory>
#include <utility>

#include "matrixcore/base/status.h"
#include "matrixcore/service/outcomes.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Calls `attempt(snapshot, batch)`, which returns a Status, and commits the
// batch; again with a new snapshot when a precondition failed meanwhile.
// Nothing is committed when `attempt` fails or leaves the batch empty (then
// `last` is the snapshot's position).  kUnavailable when others interfered
// every time.
template <typename Attempt>
Result<CommitInfo> Transact(Store& store, Attempt&& attempt) {
  constexpr int kAttempts = 20;
  for (int i = 0; i < kAttempts; ++i) {
    WriteBatch batch;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store.NewSnapshot());
      MC_RETURN_IF_ERROR(attempt(*snapshot, batch));
      if (batch.empty()) return CommitInfo{0, snapshot->position()};
    }
    Result<CommitInfo> done = store.Commit(std::move(batch));
    if (done.ok() || done.status().code() != StatusCode::kAborted) return done;
  }
  return Status(StatusCode::kUnavailable, "too many concurrent changes");
}

// The one row of a unique index whose columns equal `prefix`.
inline Result<std::optional<Row>> FindByIndex(Snapshot& snapshot,
                                              const TableSpec& table,
                                              uint32_t index, Row prefix) {
  MC_ASSIGN_OR_RETURN(std::vector<Row> rows,
                      snapshot.Scan({.table = &table,
                                     .index = index,
                                     .prefix = std::move(prefix),
                                     .limit = 1}));
  if (rows.empty()) return std::optional<Row>();
  return std::optional<Row>(std::move(rows[0]));
}

// A stored row, to be changed and put back.
inline BatchRow ToBatchRow(const Row& row) {
  BatchRow out;
  out.reserve(row.size());
  for (const Cell& cell : row) {
    std::visit([&out](const auto& value) { out.emplace_back(value); }, cell);
  }
  return out;
}

inline Cell TextCell(std::string_view text) { return std::string(text); }

}  // namespace matrixcore
