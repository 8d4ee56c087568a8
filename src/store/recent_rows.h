// RecentRows: the newest rows of a table to which rows are only added.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "matrixcore/base/lru.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/store/store.h"
#include "matrixcore/store/write_batch.h"

namespace matrixcore {

// For a table whose key ends with the position of the commit that added the
// row.  Rows whose keys agree up to there are a group; the last few rows of
// each group that is in use are kept.  Thread-safe.
class RecentRows {
 public:
  RecentRows(const TableSpec& table, CacheBudget& budget);

  // Whether a row of a batch is added in that way.
  bool IsAddition(const BatchRow& row) const;

  // Notes a row of a commit, whose first position is `first`.  To be called in
  // the order of commits.
  void Add(const BatchRow& row, Position first);

  // Around a commit that does something else to the table: forgets everything.
  void BeginOther();
  void EndOther();

  // What a scan of the table's key finds in a snapshot at `position`; nothing
  // when that is not known here.  Every commit up to there must have been
  // noted.
  std::optional<std::vector<Row>> Find(const ScanSpec& scan, Position position);

 private:
  struct Group {
    // All rows after that position are here.
    Position complete_after = 0;
    std::vector<std::shared_ptr<const Row>> rows;  // Ascending.
  };
  using GroupPtr = std::shared_ptr<const Group>;

  static size_t BytesOf(const GroupPtr& group);
  size_t position_column() const { return table_.key_columns - 1; }
  std::optional<std::vector<Row>> FindIn(const Group& group,
                                         const ScanSpec& scan,
                                         Position position) const;

  const TableSpec& table_;
  LruCache<std::string, GroupPtr> groups_;
  Mutex mutex_;
  int others_ MC_GUARDED_BY(mutex_) = 0;
};

}  // namespace matrixcore
