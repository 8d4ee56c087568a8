#include "matrixcore/store/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <utility>

namespace matrixcore {
namespace {

Status Invalid(std::string message) {
  return {StatusCode::kInvalidArgument, std::move(message)};
}

bool IsName(std::string_view name) {
  if (name.empty() || name.size() > 60 || name[0] < 'a' || name[0] > 'z') {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool Contains(const std::vector<uint32_t>& list, uint32_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

std::string_view TypeName(ColumnType type) {
  switch (type) {
    case ColumnType::kInt64:
      return "int64";
    case ColumnType::kText:
      return "text";
    case ColumnType::kBlob:
      return "blob";
  }
  return "?";
}

uint32_t ColumnSince(const TableSpec& table, uint32_t column) {
  for (const TableSpec::AddedColumn& added : table.added_columns) {
    if (added.column == column) return added.since;
  }
  return table.since;
}

uint32_t IndexSince(const TableSpec& table, uint32_t index) {
  for (const TableSpec::AddedIndex& added : table.added_indexes) {
    if (added.index == index) return added.since;
  }
  return table.since;
}

Status ValidateColumns(const TableSpec& table) {
  if (table.columns.empty() || table.columns.size() > 64) {
    return Invalid(fmt::format("table {}: 1 to 64 columns, not {}", table.name,
                               table.columns.size()));
  }
  if (table.key_columns < 1 || table.key_columns > table.columns.size()) {
    return Invalid(fmt::format("table {}: {} key columns of {}", table.name,
                               table.key_columns, table.columns.size()));
  }
  std::set<std::string_view> names;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const ColumnSpec& column = table.columns[i];
    if (!IsName(column.name) || !names.insert(column.name).second) {
      return Invalid(fmt::format("table {}: column name \"{}\" is bad or twice",
                                 table.name, column.name));
    }
    if (i < table.key_columns && column.nullable) {
      return Invalid(fmt::format("table {}: key column {} is nullable",
                                 table.name, column.name));
    }
  }
  return OkStatus();
}

Status ValidateIndexes(const TableSpec& table) {
  std::set<std::string_view> names;
  for (uint32_t i = 0; i < table.indexes.size(); ++i) {
    const IndexSpec& index = table.indexes[i];
    if (!IsName(index.name) || !names.insert(index.name).second) {
      return Invalid(fmt::format("table {}: index name \"{}\" is bad or twice",
                                 table.name, index.name));
    }
    if (index.columns.empty()) {
      return Invalid(fmt::format("table {}: index {} has no columns",
                                 table.name, index.name));
    }
    std::set<uint32_t> columns;
    for (const uint32_t column : index.columns) {
      if (column >= table.columns.size() || !columns.insert(column).second) {
        return Invalid(
            fmt::format("table {}: index {}: column {} is bad or "
                        "twice",
                        table.name, index.name, column));
      }
      if (ColumnSince(table, column) > IndexSince(table, i)) {
        return Invalid(
            fmt::format("table {}: index {} is older than its "
                        "column {}",
                        table.name, index.name, table.columns[column].name));
      }
    }
  }
  return OkStatus();
}

Status ValidateVersions(const TableSpec& table, uint32_t version) {
  if (table.since < 1 || table.since > version) {
    return Invalid(
        fmt::format("table {}: since {}, but the schema is version "
                    "{}",
                    table.name, table.since, version));
  }
  std::set<uint32_t> columns;
  for (const TableSpec::AddedColumn& added : table.added_columns) {
    if (added.column < table.key_columns ||
        added.column >= table.columns.size() ||
        !columns.insert(added.column).second || added.since <= table.since ||
        added.since > version) {
      return Invalid(
          fmt::format("table {}: added column {} since {} is in the "
                      "key, unknown, twice or of no later version",
                      table.name, added.column, added.since));
    }
  }
  std::set<uint32_t> indexes;
  for (const TableSpec::AddedIndex& added : table.added_indexes) {
    if (added.index >= table.indexes.size() ||
        !indexes.insert(added.index).second || added.since <= table.since ||
        added.since > version) {
      return Invalid(
          fmt::format("table {}: added index {} since {} is unknown,"
                      " twice or of no later version",
                      table.name, added.index, added.since));
    }
  }
  return OkStatus();
}

// Checks cells of a Row or a BatchRow against columns.
class CellChecker {
 public:
  // `positions`: how many positions the batch asked for.
  CellChecker(const TableSpec& table, uint32_t positions)
      : table_(table), positions_(positions) {}

  template <typename AnyCell>
  Status Check(const AnyCell& cell, uint32_t column, bool may_be_null) const {
    return std::visit(
        [&](const auto& value) -> Status {
          using T = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<T, std::monostate>) {
            if (may_be_null) return OkStatus();
            return Fail(column, "a null");
          } else if constexpr (std::is_same_v<T, int64_t>) {
            return Expect(column, ColumnType::kInt64, 0);
          } else if constexpr (std::is_same_v<T, std::string>) {
            return Expect(column, ColumnType::kText, value.size());
          } else if constexpr (std::is_same_v<T, Blob>) {
            return Expect(column, ColumnType::kBlob, value.bytes.size());
          } else {
            if (value.index >= positions_) {
              return Fail(column, "a position that the batch did not ask for");
            }
            return Expect(column, ColumnType::kInt64, 0);
          }
        },
        cell);
  }

  // The cells are those of the first columns, as `order` numbers them.
  template <typename AnyRow>
  Status CheckLeading(const AnyRow& row, const std::vector<uint32_t>& order,
                      bool nulls) const {
    for (uint32_t i = 0; i < row.size(); ++i) {
      MC_RETURN_IF_ERROR(
          Check(row[i], order[i], nulls && table_.columns[order[i]].nullable));
    }
    return OkStatus();
  }

  template <typename AnyRow>
  Status CheckKey(const AnyRow& key, const std::vector<uint32_t>& order) const {
    if (key.size() != table_.key_columns) {
      return Invalid(fmt::format("table {}: a key of {} cells instead of {}",
                                 table_.name, key.size(), table_.key_columns));
    }
    return CheckLeading(key, order, false);
  }

  template <typename AnyRow>
  Status CheckRow(const AnyRow& row) const {
    if (row.size() != table_.columns.size()) {
      return Invalid(fmt::format("table {}: a row of {} cells instead of {}",
                                 table_.name, row.size(),
                                 table_.columns.size()));
    }
    for (uint32_t i = 0; i < row.size(); ++i) {
      MC_RETURN_IF_ERROR(Check(row[i], i, table_.columns[i].nullable));
    }
    return OkStatus();
  }

  Status Fail(uint32_t column, std::string_view what) const {
    return Invalid(fmt::format("table {}: column {} ({}) got {}", table_.name,
                               table_.columns[column].name,
                               TypeName(table_.columns[column].type), what));
  }

 private:
  Status Expect(uint32_t column, ColumnType type, size_t bytes) const {
    if (table_.columns[column].type != type) {
      return Fail(column, TypeName(type));
    }
    if (bytes > kMaxCellBytes) {
      return {StatusCode::kTooLarge,
              fmt::format("table {}: column {} got {} bytes, at most {} fit",
                          table_.name, table_.columns[column].name, bytes,
                          kMaxCellBytes)};
    }
    return OkStatus();
  }

  const TableSpec& table_;
  uint32_t positions_;
};

// Checks one operation or precondition whose table is known.
struct PartChecker {
  const Catalog::Table& table;
  CellChecker cells;

  const std::vector<uint32_t>& key_order() const { return table.orders[0]; }

  Status operator()(const WriteBatch::RowAbsent& p) const {
    return cells.CheckKey(p.key, key_order());
  }
  Status operator()(const WriteBatch::RowPresent& p) const {
    return cells.CheckKey(p.key, key_order());
  }
  Status operator()(const WriteBatch::ColumnEquals& p) const {
    MC_RETURN_IF_ERROR(cells.CheckKey(p.key, key_order()));
    if (p.column >= table.spec->columns.size()) return UnknownColumn(p.column);
    return cells.Check(p.value, p.column, true);
  }
  Status operator()(const WriteBatch::Put& op) const {
    return cells.CheckRow(op.row);
  }
  Status operator()(const WriteBatch::Insert& op) const {
    return cells.CheckRow(op.row);
  }
  Status operator()(const WriteBatch::Delete& op) const {
    return cells.CheckKey(op.key, key_order());
  }
  Status operator()(const WriteBatch::DeletePrefix& op) const {
    if (op.prefix.size() > table.spec->key_columns) {
      return Invalid(fmt::format(
          "table {}: a prefix of {} cells, the key has "
          "{}",
          table.spec->name, op.prefix.size(), table.spec->key_columns));
    }
    return cells.CheckLeading(op.prefix, key_order(), false);
  }
  Status operator()(const WriteBatch::Add& op) const {
    MC_RETURN_IF_ERROR(cells.CheckKey(op.key, key_order()));
    if (op.column >= table.spec->columns.size())
      return UnknownColumn(op.column);
    if (op.column < table.spec->key_columns ||
        table.spec->columns[op.column].type != ColumnType::kInt64) {
      return cells.Fail(op.column, "an addition");
    }
    return OkStatus();
  }

  Status UnknownColumn(uint32_t column) const {
    return Invalid(
        fmt::format("table {}: no column {}", table.spec->name, column));
  }
};

Status UnknownTable(const TableSpec* table) {
  if (table == nullptr) return Invalid("no table was named");
  return Invalid(fmt::format("table {} with {} columns is not in the schema",
                             table->name, table->columns.size()));
}

uint32_t SinceOf(const TableSpec& table, uint32_t column) {
  for (const auto& added : table.added_columns) {
    if (added.column == column) return added.since;
  }
  return table.since;
}

// The table as `version` knew it.
TableSpec EarlierTable(const TableSpec& table, uint32_t version) {
  TableSpec earlier = table;
  earlier.columns.clear();
  earlier.indexes.clear();
  earlier.added_columns.clear();
  earlier.added_indexes.clear();
  std::map<uint32_t, uint32_t> moved;  // Positions of today, and of then.
  for (uint32_t i = 0; i < table.columns.size(); ++i) {
    const uint32_t since = SinceOf(table, i);
    if (since > version) continue;
    const auto then = static_cast<uint32_t>(earlier.columns.size());
    moved[i] = then;
    earlier.columns.push_back(table.columns[i]);
    if (since > table.since) earlier.added_columns.push_back({then, since});
  }
  for (uint32_t i = 0; i < table.indexes.size(); ++i) {
    uint32_t since = table.since;
    for (const auto& added : table.added_indexes) {
      if (added.index == i) since = added.since;
    }
    if (since > version) continue;
    const auto then = static_cast<uint32_t>(earlier.indexes.size());
    earlier.indexes.push_back(table.indexes[i]);
    for (uint32_t& column : earlier.indexes.back().columns) {
      column = moved[column];
    }
    if (since > table.since) earlier.added_indexes.push_back({then, since});
  }
  return earlier;
}

}  // namespace

Schema EarlierSchema(const Schema& schema, uint32_t version) {
  Schema earlier;
  earlier.version = version;
  for (const TableSpec& table : schema.tables) {
    if (table.since > version) continue;
    earlier.tables.push_back(EarlierTable(table, version));
  }
  return earlier;
}

Status ValidateSchema(const Schema& schema) {
  std::set<std::string_view> names;
  for (const TableSpec& table : schema.tables) {
    if (!IsName(table.name) || table.name.starts_with("mc_") ||
        table.name.starts_with("sqlite_") || !names.insert(table.name).second) {
      return Invalid(
          fmt::format("table name \"{}\" is bad or twice", table.name));
    }
    MC_RETURN_IF_ERROR(ValidateColumns(table));
    MC_RETURN_IF_ERROR(ValidateVersions(table, schema.version));
    MC_RETURN_IF_ERROR(ValidateIndexes(table));
  }
  return OkStatus();
}

std::vector<uint32_t> ScanOrder(const TableSpec& table,
                                std::optional<uint32_t> index) {
  std::vector<uint32_t> order;
  if (index.has_value()) order = table.indexes[*index].columns;
  for (uint32_t i = 0; i < table.key_columns; ++i) {
    if (!Contains(order, i)) order.push_back(i);
  }
  return order;
}

Row Project(const Row& row, const ScanSpec& spec) {
  if (spec.columns.empty()) return row;
  Row cells;
  cells.reserve(spec.columns.size());
  for (const uint32_t column : spec.columns) cells.push_back(row[column]);
  return cells;
}

int CompareCells(const Cell& a, const Cell& b) {
  if (a.index() != b.index()) return a.index() < b.index() ? -1 : 1;
  switch (a.index()) {
    case 1: {
      const int64_t x = *std::get_if<int64_t>(&a);
      const int64_t y = *std::get_if<int64_t>(&b);
      return x < y ? -1 : (x > y ? 1 : 0);
    }
    case 2:
      return std::get_if<std::string>(&a)->compare(
          *std::get_if<std::string>(&b));
    case 3:
      return std::get_if<Blob>(&a)->bytes.compare(std::get_if<Blob>(&b)->bytes);
    default:
      return 0;
  }
}

Catalog::Catalog(const Schema& schema) : schema_(schema) {
  tables_.reserve(schema_.tables.size());
  for (const TableSpec& spec : schema_.tables) {
    Table table;
    table.spec = &spec;
    table.number = static_cast<uint32_t>(tables_.size());
    table.orders.push_back(ScanOrder(spec, std::nullopt));
    for (uint32_t i = 0; i < spec.indexes.size(); ++i) {
      table.orders.push_back(ScanOrder(spec, i));
      table.has_unique_index |= spec.indexes[i].unique;
    }
    by_name_.emplace(spec.name, table.number);
    tables_.push_back(std::move(table));
  }
}

const Catalog::Table* Catalog::Find(const TableSpec* table) const {
  if (table == nullptr) return nullptr;
  const auto found = by_name_.find(table->name);
  if (found == by_name_.end()) return nullptr;
  const Table& own = tables_[found->second];
  return own.spec->columns.size() == table->columns.size() ? &own : nullptr;
}

Status Catalog::CheckBatch(const WriteBatch& batch) const {
  const auto check = [&](const auto& part) -> Status {
    const Table* table = Find(part.table);
    if (table == nullptr) return UnknownTable(part.table);
    return PartChecker{*table,
                       CellChecker(*table->spec, batch.positions())}(part);
  };
  for (const WriteBatch::Precondition& part : batch.preconditions()) {
    MC_RETURN_IF_ERROR(std::visit(check, part));
  }
  for (const WriteBatch::Operation& part : batch.operations()) {
    MC_RETURN_IF_ERROR(std::visit(check, part));
  }
  return OkStatus();
}

Status Catalog::CheckKey(const TableSpec& table, const Row& key) const {
  const Table* own = Find(&table);
  if (own == nullptr) return UnknownTable(&table);
  return CellChecker(*own->spec, 0).CheckKey(key, own->orders[0]);
}

Status Catalog::CheckScan(const ScanSpec& spec) const {
  const Table* own = Find(spec.table);
  if (own == nullptr) return UnknownTable(spec.table);
  if (spec.index.has_value() && *spec.index >= own->spec->indexes.size()) {
    return Invalid(
        fmt::format("table {}: no index {}", own->spec->name, *spec.index));
  }
  const auto& order = own->orders[spec.index.has_value() ? *spec.index + 1 : 0];
  const bool bounded = spec.from.has_value() || spec.to.has_value();
  if (spec.prefix.size() + (bounded ? 1 : 0) > order.size()) {
    return Invalid(fmt::format(
        "table {}: a scan by {} cells, its order has {}", own->spec->name,
        spec.prefix.size() + (bounded ? 1 : 0), order.size()));
  }
  const CellChecker cells(*own->spec, 0);
  MC_RETURN_IF_ERROR(cells.CheckLeading(spec.prefix, order, true));
  for (const auto* bound : {&spec.from, &spec.to}) {
    if (!bound->has_value()) continue;
    MC_RETURN_IF_ERROR(
        cells.Check((*bound)->value, order[spec.prefix.size()], false));
  }
  for (const uint32_t column : spec.columns) {
    if (column < own->spec->columns.size()) continue;
    return Invalid(
        fmt::format("table {}: no column {}", own->spec->name, column));
  }
  return OkStatus();
}

}  // namespace matrixcore
