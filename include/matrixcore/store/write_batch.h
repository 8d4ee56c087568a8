// WriteBatch: changes that happen together or not at all.  A value: it can be
// printed, compared, and replayed against two backends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "matrixcore/store/table.h"

namespace matrixcore {

// Stands in a batch for a log position that is known only once the batch is
// committed: the `index`-th position that the batch asked for.
struct PositionRef {
  uint32_t index = 0;
  friend auto operator<=>(const PositionRef&, const PositionRef&) = default;
};

// A cell of a batch: a value, or a position to come.
using BatchCell =
    std::variant<std::monostate, int64_t, std::string, Blob, PositionRef>;
using BatchRow = std::vector<BatchCell>;

// The row as it is kept when the batch's first position becomes `first`.
Row ResolveRow(const BatchRow& row, int64_t first);

// Operations apply in the order in which they were added; preconditions are all
// checked before the first of them, against the state before the batch (with
// every earlier batch of a group commit applied).  Tables are those given to
// the store at opening and must outlive the batch.
class WriteBatch {
 public:
  // Writes a whole row, replacing a row with the same key.  A different row
  // with the same cells in a unique index makes the batch fail with kAborted;
  // that holds for Insert and Add too, and is checked at each operation, in
  // order.
  struct Put {
    const TableSpec* table = nullptr;
    BatchRow row;
    friend bool operator==(const Put&, const Put&) = default;
  };
  // Writes a row; if its key exists the batch fails with kAborted.
  struct Insert {
    const TableSpec* table = nullptr;
    BatchRow row;
    friend bool operator==(const Insert&, const Insert&) = default;
  };
  // Removes the row with that key, if there is one.
  struct Delete {
    const TableSpec* table = nullptr;
    BatchRow key;
    friend bool operator==(const Delete&, const Delete&) = default;
  };
  // Removes all rows whose leading key columns equal `prefix`.
  struct DeletePrefix {
    const TableSpec* table = nullptr;
    BatchRow prefix;
    friend bool operator==(const DeletePrefix&, const DeletePrefix&) = default;
  };
  // Adds to an int64 column, not of the key, of an existing row (a null counts
  // as 0); nothing happens if the row is absent.  If the sum does not fit, the
  // batch fails with kFailedPrecondition.
  struct Add {
    const TableSpec* table = nullptr;
    BatchRow key;
    uint32_t column = 0;
    int64_t amount = 0;
    friend bool operator==(const Add&, const Add&) = default;
  };
  using Operation = std::variant<Put, Insert, Delete, DeletePrefix, Add>;

  struct RowAbsent {
    const TableSpec* table = nullptr;
    Row key;
    friend bool operator==(const RowAbsent&, const RowAbsent&) = default;
  };
  struct RowPresent {
    const TableSpec* table = nullptr;
    Row key;
    friend bool operator==(const RowPresent&, const RowPresent&) = default;
  };
  // The row exists and that column has that value (null equals null).
  struct ColumnEquals {
    const TableSpec* table = nullptr;
    Row key;
    uint32_t column = 0;
    Cell value;
    friend bool operator==(const ColumnEquals&, const ColumnEquals&) = default;
  };
  using Precondition = std::variant<RowAbsent, RowPresent, ColumnEquals>;

  // Asks for one more position of the global log.  Positions of one batch are
  // consecutive, in the order asked for.
  PositionRef NewPosition() { return {positions_++}; }
  uint32_t positions() const { return positions_; }

  void PutRow(const TableSpec& table, BatchRow row) {
    operations_.push_back(Put{&table, std::move(row)});
  }
  void InsertRow(const TableSpec& table, BatchRow row) {
    operations_.push_back(Insert{&table, std::move(row)});
  }
  void DeleteRow(const TableSpec& table, BatchRow key) {
    operations_.push_back(Delete{&table, std::move(key)});
  }
  void DeleteRows(const TableSpec& table, BatchRow prefix) {
    operations_.push_back(DeletePrefix{&table, std::move(prefix)});
  }
  void AddTo(const TableSpec& table, BatchRow key, uint32_t column,
             int64_t amount) {
    operations_.push_back(Add{&table, std::move(key), column, amount});
  }
  void Require(Precondition precondition) {
    preconditions_.push_back(std::move(precondition));
  }

  const std::vector<Operation>& operations() const { return operations_; }
  const std::vector<Precondition>& preconditions() const {
    return preconditions_;
  }
  bool empty() const {
    return operations_.empty() && preconditions_.empty() && positions_ == 0;
  }
  // About how many bytes the batch holds.
  size_t ByteSize() const;
  // One line an operation, for people and for comparing.
  std::string ToString() const;

  // Appends everything of `other`; its positions follow those of this batch.
  // (All preconditions of the result are checked before its first operation.)
  void Append(WriteBatch other);

  // Tables are compared by identity.
  friend bool operator==(const WriteBatch&, const WriteBatch&) = default;

 private:
  std::vector<Operation> operations_;
  std::vector<Precondition> preconditions_;
  uint32_t positions_ = 0;
};

}  // namespace matrixcore
