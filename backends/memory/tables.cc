#include "memory/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <type_traits>

namespace matrixcore::memory {
namespace {

Status Aborted(const TableSpec& table, std::string_view what) {
  return {StatusCode::kAborted, fmt::format("table {}: {}", table.name, what)};
}

bool HasNull(const Row& row, const std::vector<uint32_t>& columns) {
  return std::any_of(columns.begin(), columns.end(),
                     [&row](uint32_t column) { return IsNull(row[column]); });
}

std::span<const Cell> KeyOf(const TableSpec& table, const Row& row) {
  return std::span<const Cell>(row).first(table.key_columns);
}

bool SameKey(const TableSpec& table, const Row& a, const Row& b) {
  return std::equal(a.begin(), a.begin() + table.key_columns, b.begin());
}

}  // namespace

Layout::Layout(const Catalog& catalog) {
  for (const Catalog::Table& table : catalog.tables()) {
    first_.push_back(trees_);
    trees_ += table.orders.size();
  }
}

int Range::operator()(const Row& row) const {
  for (size_t i = 0; i < prefix_.size(); ++i) {
    const int side = CompareCells(row[order_[i]], prefix_[i]);
    if (side != 0) return side;
  }
  if (from_ == nullptr && to_ == nullptr) return 0;
  const Cell& cell = row[order_[prefix_.size()]];
  if (IsNull(cell)) return -1;  // Outside every bound; nulls sort first.
  if (from_ != nullptr) {
    const int side = CompareCells(cell, from_->value);
    if (side < 0 || (side == 0 && !from_->inclusive)) return -1;
  }
  if (to_ != nullptr) {
    const int side = CompareCells(cell, to_->value);
    if (side > 0 || (side == 0 && !to_->inclusive)) return 1;
  }
  return 0;
}

Result<CommitInfo> Writer::Apply(const WriteBatch& batch) {
  for (const WriteBatch::Precondition& part : batch.preconditions()) {
    MC_RETURN_IF_ERROR(CheckPrecondition(part));
  }
  first_ = tables_.position + 1;
  before_.clear();
  for (const WriteBatch::Operation& part : batch.operations()) {
    Status status = ApplyOperation(part);
    if (status.ok()) continue;
    for (auto& [tree, root] : before_) tables_.trees[tree] = std::move(root);
    return status;
  }
  before_.clear();
  tables_.position += batch.positions();
  return CommitInfo{batch.positions() > 0 ? first_ : tables_.position,
                    tables_.position};
}

Status Writer::CheckPrecondition(
    const WriteBatch::Precondition& precondition) const {
  return std::visit(
      [this](const auto& p) -> Status {
        using T = std::decay_t<decltype(p)>;
        const Table& table = *catalog_.Find(p.table);
        const RowRef* row = Find(table, p.key);
        if constexpr (std::is_same_v<T, WriteBatch::RowAbsent>) {
          if (row != nullptr) return Aborted(*table.spec, "the row exists");
        } else {
          if (row == nullptr) return Aborted(*table.spec, "there is no row");
          if constexpr (std::is_same_v<T, WriteBatch::ColumnEquals>) {
            if ((**row)[p.column] != p.value) {
              return Aborted(*table.spec, "a column has another value");
            }
          }
        }
        return OkStatus();
      },
      precondition);
}

Status Writer::ApplyOperation(const WriteBatch::Operation& operation) {
  return std::visit(
      [this](const auto& op) -> Status {
        using T = std::decay_t<decltype(op)>;
        const Table& table = *catalog_.Find(op.table);
        if constexpr (std::is_same_v<T, WriteBatch::Put>) {
          return Store(table, ResolveRow(op.row, first_), true);
        } else if constexpr (std::is_same_v<T, WriteBatch::Insert>) {
          return Store(table, ResolveRow(op.row, first_), false);
        } else if constexpr (std::is_same_v<T, WriteBatch::Add>) {
          return Add(op);
        } else if constexpr (std::is_same_v<T, WriteBatch::Delete>) {
          RemoveAll(table, ResolveRow(op.key, first_));
        } else {
          RemoveAll(table, ResolveRow(op.prefix, first_));
        }
        return OkStatus();
      },
      operation);
}

Status Writer::Store(const Table& table, Row row, bool may_replace) {
  const RowRef* old = Find(table, KeyOf(*table.spec, row));
  if (old != nullptr && !may_replace) {
    return Aborted(*table.spec, "a row with that key exists");
  }
  MC_RETURN_IF_ERROR(CheckUnique(table, row));
  if (old != nullptr) {
    const RowRef keep = *old;
    Remove(table, *keep);
  }
  const auto shared = std::make_shared<const Row>(std::move(row));
  const size_t first = layout_.first(table);
  for (size_t i = 0; i < table.orders.size(); ++i) {
    Touch(first + i).Insert(shared, table.orders[i]);
  }
  return OkStatus();
}

Status Writer::CheckUnique(const Table& table, const Row& row) const {
  if (!table.has_unique_index) return OkStatus();
  const TableSpec& spec = *table.spec;
  for (size_t i = 0; i < spec.indexes.size(); ++i) {
    const IndexSpec& index = spec.indexes[i];
    if (!index.unique || HasNull(row, index.columns)) continue;
    Row cells;
    for (const uint32_t column : index.columns) cells.push_back(row[column]);
    const RowRef* same = tables_.trees[layout_.first(table) + 1 + i].First(
        Range(table.orders[1 + i], cells));
    if (same != nullptr && !SameKey(spec, **same, row)) {
      return Aborted(spec,
                     fmt::format("another row has the same {}", index.name));
    }
  }
  return OkStatus();
}

Status Writer::Add(const WriteBatch::Add& add) {
  const Table& table = *catalog_.Find(add.table);
  const RowRef* old = Find(table, ResolveRow(add.key, first_));
  if (old == nullptr) return OkStatus();
  Row row = **old;
  int64_t sum = 0;
  if (__builtin_add_overflow(CellInt(row[add.column]), add.amount, &sum)) {
    return {StatusCode::kFailedPrecondition,
            fmt::format("table {}: column {} would overflow", table.spec->name,
                        table.spec->columns[add.column].name)};
  }
  row[add.column] = sum;
  return Store(table, std::move(row), true);
}

void Writer::Remove(const Table& table, const Row& row) {
  const size_t first = layout_.first(table);
  for (size_t i = 0; i < table.orders.size(); ++i) {
    Touch(first + i).Erase(row, table.orders[i]);
  }
}

void Writer::RemoveAll(const Table& table, const Row& prefix) {
  std::vector<RowRef> rows;
  tables_.trees[layout_.first(table)].Ascend(Range(table.orders[0], prefix),
                                             [&rows](const RowRef& row) {
                                               rows.push_back(row);
                                               return true;
                                             });
  for (const RowRef& row : rows) Remove(table, *row);
}

const RowRef* Writer::Find(const Table& table,
                           std::span<const Cell> key) const {
  return tables_.trees[layout_.first(table)].First(Range(table.orders[0], key));
}

RowTree& Writer::Touch(size_t tree) {
  const bool noted =
      std::any_of(before_.begin(), before_.end(),
                  [tree](const auto& entry) { return entry.first == tree; });
  if (!noted) before_.emplace_back(tree, tables_.trees[tree]);
  return tables_.trees[tree];
}

}  // namespace matrixcore::memory
