#include "sqlite/sql.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

namespace matrixcore::sqlite {
namespace {

// `part(i)` for i in [0, count), joined by `separator`.
template <typename Part>
std::string Join(size_t count, std::string_view separator, Part part) {
  std::string out;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out += separator;
    out += part(i);
  }
  return out;
}

std::string ColumnName(const TableSpec& table, size_t column) {
  return Quote(table.columns[column].name);
}

std::string ColumnNames(const TableSpec& table, size_t count) {
  return Join(count, ", ", [&](size_t i) { return ColumnName(table, i); });
}

std::string AllColumns(const TableSpec& table) {
  return ColumnNames(table, table.columns.size());
}

std::string ColumnSql(const TableSpec& table, size_t column) {
  const ColumnSpec& spec = table.columns[column];
  return fmt::format("{} {}{}", Quote(spec.name), SqlType(spec.type),
                     spec.nullable ? "" : " NOT NULL");
}

// "WHERE a=? AND b=?" over the first key columns; "" for none.
std::string WhereKey(const TableSpec& table, size_t columns) {
  if (columns == 0) return "";
  return " WHERE " + Join(columns, " AND ", [&](size_t i) {
           return ColumnName(table, i) + "=?";
         });
}

// Makes SQLite go by the key, whatever statistics it has.
std::string KeyHint(const TableSpec& table) {
  if (LayoutOf(table) == TableLayout::kIntegerKey) return "NOT INDEXED";
  return fmt::format("INDEXED BY \"sqlite_autoindex_{}_1\"", table.name);
}

}  // namespace

TableLayout LayoutOf(const TableSpec& table) {
  if (table.key_columns == 1 && table.columns[0].type == ColumnType::kInt64) {
    return TableLayout::kIntegerKey;
  }
  return table.large_rows ? TableLayout::kLargeRows : TableLayout::kClustered;
}

std::string Quote(std::string_view name) { return fmt::format("\"{}\"", name); }

std::string IndexName(const TableSpec& table, const IndexSpec& index) {
  return fmt::format("\"{}.{}\"", table.name, index.name);
}

std::string_view SqlType(ColumnType type) {
  switch (type) {
    case ColumnType::kInt64:
      return "INTEGER";
    case ColumnType::kText:
      return "TEXT";
    case ColumnType::kBlob:
      return "BLOB";
  }
  return "";
}

std::string CreateTableSql(const TableSpec& table) {
  const TableLayout layout = LayoutOf(table);
  const std::string columns = Join(table.columns.size(), ", ", [&](size_t i) {
    return ColumnSql(table, i);
  });
  // A key "a INTEGER NOT NULL, PRIMARY KEY(a)" is the row id just like
  // "a INTEGER PRIMARY KEY".
  return fmt::format(
      "CREATE TABLE {} ({}, PRIMARY KEY ({})) {}STRICT", Quote(table.name),
      columns, ColumnNames(table, table.key_columns),
      layout == TableLayout::kClustered ? "WITHOUT ROWID, " : "");
}

std::string CreateIndexSql(const TableSpec& table, uint32_t index) {
  const IndexSpec& spec = table.indexes[index];
  // SQLite follows the indexed columns by the key of its own layout; with large
  // rows that is a row id of no meaning, so the real key is listed.
  const std::vector<uint32_t> columns =
      LayoutOf(table) == TableLayout::kLargeRows && !spec.unique
          ? ScanOrder(table, index)
          : spec.columns;
  return fmt::format(
      "CREATE {}INDEX {} ON {} ({})", spec.unique ? "UNIQUE " : "",
      IndexName(table, spec), Quote(table.name),
      Join(columns.size(), ", ",
           [&](size_t i) { return ColumnName(table, columns[i]); }));
}

std::string AddColumnSql(const TableSpec& table, uint32_t column) {
  const ColumnSpec& spec = table.columns[column];
  std::string_view otherwise;
  if (!spec.nullable) {
    switch (spec.type) {
      case ColumnType::kInt64:
        otherwise = " DEFAULT 0";
        break;
      case ColumnType::kText:
        otherwise = " DEFAULT ''";
        break;
      case ColumnType::kBlob:
        otherwise = " DEFAULT x''";
        break;
    }
  }
  return fmt::format("ALTER TABLE {} ADD COLUMN {}{}", Quote(table.name),
                     ColumnSql(table, column), otherwise);
}

std::string InsertSql(const TableSpec& table) {
  return fmt::format(
      "INSERT INTO {} ({}) VALUES ({})", Quote(table.name), AllColumns(table),
      Join(table.columns.size(), ", ", [](size_t) { return "?"; }));
}

std::string PutSql(const TableSpec& table) {
  const std::string insert = InsertSql(table);
  const bool has_unique =
      std::any_of(table.indexes.begin(), table.indexes.end(),
                  [](const IndexSpec& index) { return index.unique; });
  if (!has_unique && LayoutOf(table) != TableLayout::kLargeRows) {
    return "INSERT OR REPLACE" +
           insert.substr(std::string_view("INSERT").size());
  }
  // REPLACE would remove other rows that are equal in a unique index, and give
  // the row a new row id.
  const uint32_t key = table.key_columns;
  const size_t others = table.columns.size() - key;
  const std::string set = Join(others, ", ", [&](size_t i) {
    const std::string name = ColumnName(table, key + i);
    return fmt::format("{0}=excluded.{0}", name);
  });
  return fmt::format("{} ON CONFLICT ({}) DO {}", insert,
                     ColumnNames(table, key),
                     others == 0 ? "NOTHING" : "UPDATE SET " + set);
}

std::string DeleteSql(const TableSpec& table, uint32_t prefix_columns) {
  const std::string hint =
      prefix_columns == 0 ? std::string() : " " + KeyHint(table);
  return fmt::format("DELETE FROM {}{}{}", Quote(table.name), hint,
                     WhereKey(table, prefix_columns));
}

std::string AddSql(const TableSpec& table, uint32_t column) {
  return fmt::format("UPDATE {0} SET {1}=coalesce({1}, 0)+?{2}",
                     Quote(table.name), ColumnName(table, column),
                     WhereKey(table, table.key_columns));
}

std::string GetSql(const TableSpec& table) {
  return fmt::format("SELECT {} FROM {}{}", AllColumns(table),
                     Quote(table.name), WhereKey(table, table.key_columns));
}

std::string ExistsSql(const TableSpec& table) {
  return fmt::format("SELECT 1 FROM {}{}", Quote(table.name),
                     WhereKey(table, table.key_columns));
}

std::string GetColumnSql(const TableSpec& table, uint32_t column) {
  return fmt::format("SELECT {} FROM {}{}", ColumnName(table, column),
                     Quote(table.name), WhereKey(table, table.key_columns));
}

ScanShape ShapeOf(const Catalog::Table& table, const ScanSpec& spec) {
  const auto bound = [](const std::optional<ScanSpec::Bound>& b) {
    if (!b.has_value()) return ScanShape::kNone;
    return b->inclusive ? ScanShape::kInclusive : ScanShape::kExclusive;
  };
  ScanShape shape;
  shape.table = table.number;
  shape.order = spec.index.has_value() ? *spec.index + 1 : 0;
  shape.prefix = static_cast<uint32_t>(spec.prefix.size());
  for (uint32_t i = 0; i < shape.prefix; ++i) {
    if (IsNull(spec.prefix[i])) shape.nulls |= uint64_t{1} << i;
  }
  shape.from = bound(spec.from);
  shape.to = bound(spec.to);
  shape.descending = spec.descending;
  shape.columns = spec.columns;
  return shape;
}

std::string ScanSql(const Catalog::Table& table, const ScanShape& shape) {
  const TableSpec& spec = *table.spec;
  const std::vector<uint32_t>& order = table.orders[shape.order];
  std::vector<std::string> terms;
  for (uint32_t i = 0; i < shape.prefix; ++i) {
    const bool null = (shape.nulls >> i & 1) != 0;
    terms.push_back(ColumnName(spec, order[i]) + (null ? " IS NULL" : "=?"));
  }
  const auto bound = [&](ScanShape::Bound kind, std::string_view comparison) {
    if (kind == ScanShape::kNone) return;
    terms.push_back(
        fmt::format("{}{}{}?", ColumnName(spec, order[shape.prefix]),
                    comparison, kind == ScanShape::kInclusive ? "=" : ""));
  };
  bound(shape.from, ">");
  bound(shape.to, "<");

  // The index is named, so that no statistics can make SQLite choose another.
  const std::string hint =
      shape.order == 0
          ? KeyHint(spec)
          : "INDEXED BY " + IndexName(spec, spec.indexes[shape.order - 1]);
  const std::string columns =
      shape.columns.empty() ? AllColumns(spec)
                            : Join(shape.columns.size(), ", ", [&](size_t i) {
                                return ColumnName(spec, shape.columns[i]);
                              });
  std::string sql =
      fmt::format("SELECT {} FROM {} {}", columns, Quote(spec.name), hint);
  if (!terms.empty()) {
    sql += " WHERE " +
           Join(terms.size(), " AND ", [&](size_t i) { return terms[i]; });
  }
  if (shape.prefix < order.size()) {
    sql +=
        " ORDER BY " + Join(order.size() - shape.prefix, ", ", [&](size_t i) {
          return ColumnName(spec, order[shape.prefix + i]) +
                 (shape.descending ? " DESC" : "");
        });
  }
  return sql + " LIMIT ?";
}

}  // namespace matrixcore::sqlite
