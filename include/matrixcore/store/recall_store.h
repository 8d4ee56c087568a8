// RecallStore: a Store in front of another, which spares it the reads whose
// answers are known.
//
// A client's sync asks a dozen tables for what is new, and most have nothing
// new.  This store keeps, for the tables that it is told to watch, when rows
// were last written, apart by the first key column.  From that it knows
//
//   that a scan of log positions above P finds nothing, because nothing was
//   written since P;
//   that a read of before would find the same again, because nothing of its
//   part of the table was written since; small answers are kept for that; and
//   which rows were added last to a log, a table to which rows are only added.
//
// Every answer is the one that the store behind would give for the same
// snapshot.  That holds as long as all commits go through this object: a store
// that other processes write too must not be wrapped.
//
// Snapshots pass on everything else.  Thread-safe like any Store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "matrixcore/base/cache_budget.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

class RecallStore : public Store {
 public:
  struct Watch {
    const TableSpec* table = nullptr;
    // A column that only ever gets positions of the log: that of the commit
    // which writes the row, or one that the row had before.
    std::optional<uint32_t> position_column = std::nullopt;
    // The key ends with the position of the commit that adds the row, and rows
    // are hardly ever changed or removed afterwards.
    bool is_log = false;
  };
  struct Stats {
    uint64_t recalled = 0;   // Reads that were answered from here.
    uint64_t passed_on = 0;  // Reads of watched tables that were not.
  };

  // `store` and `budget` outlive this; the tables watched are among its own.
  RecallStore(Store& store, const std::vector<Watch>& watches,
              CacheBudget& budget);
  ~RecallStore() override;

  Result<std::unique_ptr<Snapshot>> NewSnapshot() override;
  void CommitAsync(WriteBatch batch, Done done) override;
  Position LastPosition() const override;
  Status Check() override;
  void Close() override;

  Stats stats() const;

 private:
  struct Rep;
  class View;
  // Commits that are under way when this is destroyed still note their end.
  std::shared_ptr<Rep> rep_;
};

}  // namespace matrixcore
