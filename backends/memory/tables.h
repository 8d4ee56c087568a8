// The rows of every table as trees, and how a batch changes them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/store/catalog.h"
#include "memory/row_tree.h"

namespace matrixcore::memory {

// All trees at one position: a value whose copy is a snapshot.  Trees are
// numbered: a table's own, then one for each of its indexes, then the next
// table's.
struct Tables {
  Position position = 0;
  std::vector<RowTree> trees;
};

// Where the trees of each table begin.  Immutable.
class Layout {
 public:
  explicit Layout(const Catalog& catalog);
  size_t trees() const { return trees_; }
  size_t first(const Catalog::Table& table) const {
    return first_[table.number];
  }

 private:
  std::vector<size_t> first_;
  size_t trees_ = 0;
};

// Tells where a row lies from a range of an order, for RowTree.  `prefix` and
// the bounds must outlive it.
class Range {
 public:
  Range(const RowOrder& order, std::span<const Cell> prefix)
      : order_(order), prefix_(prefix) {}
  Range(const RowOrder& order, const ScanSpec& spec)
      : order_(order),
        prefix_(spec.prefix),
        from_(spec.from.has_value() ? &*spec.from : nullptr),
        to_(spec.to.has_value() ? &*spec.to : nullptr) {}

  int operator()(const Row& row) const;

 private:
  const RowOrder& order_;
  std::span<const Cell> prefix_;
  const ScanSpec::Bound* from_ = nullptr;
  const ScanSpec::Bound* to_ = nullptr;
};

// Applies batches to a Tables, each wholly or not at all.
class Writer {
 public:
  Writer(const Catalog& catalog, const Layout& layout, Tables& tables)
      : catalog_(catalog), layout_(layout), tables_(tables) {}

  // The batch has passed Catalog::CheckBatch.  On error nothing has changed.
  Result<CommitInfo> Apply(const WriteBatch& batch);

 private:
  using Table = Catalog::Table;

  Status CheckPrecondition(const WriteBatch::Precondition& precondition) const;
  Status ApplyOperation(const WriteBatch::Operation& operation);
  Status Store(const Table& table, Row row, bool may_replace);
  Status Add(const WriteBatch::Add& add);
  void Remove(const Table& table, const Row& row);
  void RemoveAll(const Table& table, const Row& prefix);
  // kAborted when another row has the same cells in a unique index.
  Status CheckUnique(const Table& table, const Row& row) const;

  const RowRef* Find(const Table& table, std::span<const Cell> key) const;
  // The tree to change, after noting how it was before the batch.
  RowTree& Touch(size_t tree);

  const Catalog& catalog_;
  const Layout& layout_;
  Tables& tables_;
  Position first_ = 0;  // The first position of the batch.
  std::vector<std::pair<size_t, RowTree>> before_;
};

}  // namespace matrixcore::memory
