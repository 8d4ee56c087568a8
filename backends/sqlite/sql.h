// The SQL text for declared tables.  Names are always quoted: a column may be
// called "group".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "matrixcore/store/catalog.h"
#include "matrixcore/store/table.h"

namespace matrixcore::sqlite {

// How the rows of a table lie in the file.
enum class TableLayout {
  kIntegerKey,  // The key is one number: SQLite's row id.
  kLargeRows,   // Rows by row id, with an index of the key.
  kClustered,   // Rows in the tree of the key (WITHOUT ROWID).
};
TableLayout LayoutOf(const TableSpec& table);

std::string Quote(std::string_view name);
// "table.index", quoted.
std::string IndexName(const TableSpec& table, const IndexSpec& index);
std::string_view SqlType(ColumnType type);

std::string CreateTableSql(const TableSpec& table);
std::string CreateIndexSql(const TableSpec& table, uint32_t index);
// For rows that exist: null, or 0 or empty when the column is not nullable.
std::string AddColumnSql(const TableSpec& table, uint32_t column);

// Parameters of these are the columns or the key in order, and in AddSql the
// amount before the key.
std::string InsertSql(const TableSpec& table);
std::string PutSql(const TableSpec& table);
std::string DeleteSql(const TableSpec& table, uint32_t prefix_columns);
std::string AddSql(const TableSpec& table, uint32_t column);
std::string GetSql(const TableSpec& table);
std::string ExistsSql(const TableSpec& table);
std::string GetColumnSql(const TableSpec& table, uint32_t column);

// What of a scan is in its text; the values are parameters: the prefix cells
// that are not null, `from`, `to`, the limit.
struct ScanShape {
  enum Bound : uint8_t { kNone, kInclusive, kExclusive };

  uint32_t table = 0;   // Catalog::Table::number.
  uint32_t order = 0;   // 0 for the key, else 1 + the index.
  uint32_t prefix = 0;  // How many columns.
  uint64_t nulls = 0;   // Bit i: prefix cell i is null.
  Bound from = kNone;
  Bound to = kNone;
  bool descending = false;
  std::vector<uint32_t> columns = {};  // Empty: all.

  friend bool operator==(const ScanShape&, const ScanShape&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const ScanShape& s) {
    return H::combine(std::move(state), s.table, s.order, s.prefix, s.nulls,
                      static_cast<int>(s.from), static_cast<int>(s.to),
                      s.descending, s.columns);
  }
};
ScanShape ShapeOf(const Catalog::Table& table, const ScanSpec& spec);
std::string ScanSql(const Catalog::Table& table, const ScanShape& shape);

}  // namespace matrixcore::sqlite
