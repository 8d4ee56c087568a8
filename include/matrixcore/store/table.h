// Tables as data: what the library asks a storage backend to keep.
//
// A backend knows nothing of Matrix.  It is given TableSpecs once and keeps
// typed rows of those tables, in key order.  SQL backends make real tables with
// real columns, so that an operator can read them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace matrixcore {

enum class ColumnType : uint8_t { kInt64, kText, kBlob };

struct ColumnSpec {
  std::string_view name;
  ColumnType type = ColumnType::kInt64;
  bool nullable = false;
};

// An index over columns, named by their position in the table.  Rows whose
// first indexed column is null are still listed.  Entries are ordered by the
// indexed columns, then by the table's key.  In a unique index, rows with a
// null in any indexed column never conflict.
struct IndexSpec {
  std::string_view name;
  std::vector<uint32_t> columns;
  bool unique = false;
};

// One table.  The first `key_columns` columns are the key: never null, unique
// together, and the order of the rows.  int64 sort as numbers, text and blobs
// as bytes; null sorts first.
struct TableSpec {
  std::string_view name;  // [a-z_]+, unique.
  std::vector<ColumnSpec> columns;
  uint32_t key_columns = 1;
  std::vector<IndexSpec> indexes = {};
  // The schema version that brought the table.  Columns are never removed; a
  // column that a later version adds is listed in `added_columns`: in rows from
  // before it is null or, if it is not nullable, 0 or empty.
  uint32_t since = 1;
  // Rows usually over 300 bytes: a backend may lay the table out for that.
  bool large_rows = false;

  struct AddedColumn {
    uint32_t column = 0;
    uint32_t since = 1;
  };
  std::vector<AddedColumn> added_columns = {};
  struct AddedIndex {
    uint32_t index = 0;
    uint32_t since = 1;
  };
  std::vector<AddedIndex> added_indexes = {};
};

// Binary data in a column, apart from text.
struct Blob {
  std::string bytes;
  friend auto operator<=>(const Blob&, const Blob&) = default;
};

// A cell: null, a number, text (UTF-8, may contain NUL) or a blob.
using Cell = std::variant<std::monostate, int64_t, std::string, Blob>;
using Row = std::vector<Cell>;

inline bool IsNull(const Cell& cell) { return cell.index() == 0; }
// The number, or 0 for a null.  The column must be kInt64.
inline int64_t CellInt(const Cell& cell) {
  const int64_t* n = std::get_if<int64_t>(&cell);
  return n == nullptr ? 0 : *n;
}
// The text, or "" for a null.
inline std::string_view CellText(const Cell& cell) {
  const std::string* s = std::get_if<std::string>(&cell);
  return s == nullptr ? std::string_view() : std::string_view(*s);
}
inline std::string_view CellBlob(const Cell& cell) {
  const Blob* b = std::get_if<Blob>(&cell);
  return b == nullptr ? std::string_view() : std::string_view(b->bytes);
}

// Every table of a program, and the version of that set.
struct Schema {
  std::vector<TableSpec> tables;
  uint32_t version = 1;
  const TableSpec* Find(std::string_view name) const;
};

}  // namespace matrixcore
