// The plainest possible Store, to compare others with.  It shares no code with
// any backend on purpose: rows in a sorted map, indexes by sorting, snapshots
// by copying everything.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/store/catalog.h"
#include "testing/store_checks.h"

namespace matrixcore {
namespace conformance {
namespace {

struct RowLess {
  bool operator()(const Row& a, const Row& b) const {
    for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
      const int side = CompareCells(a[i], b[i]);
      if (side != 0) return side < 0;
    }
    return a.size() < b.size();
  }
};

using TableRows = std::map<Row, Row, RowLess>;  // By key.
using Contents = std::map<std::string_view, TableRows>;

Row FirstCells(const Row& row, size_t count) {
  return Row(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(count));
}

Row Cells(const Row& row, const std::vector<uint32_t>& columns) {
  Row cells;
  for (const uint32_t column : columns) cells.push_back(row[column]);
  return cells;
}

bool InBounds(const Cell& cell, const ScanSpec& spec) {
  if (IsNull(cell)) return false;
  if (spec.from.has_value()) {
    const int side = CompareCells(cell, spec.from->value);
    if (spec.from->inclusive ? side < 0 : side <= 0) return false;
  }
  if (spec.to.has_value()) {
    const int side = CompareCells(cell, spec.to->value);
    if (spec.to->inclusive ? side > 0 : side >= 0) return false;
  }
  return true;
}

class ModelSnapshot : public Snapshot {
 public:
  ModelSnapshot(const Catalog& catalog, Contents contents, Position position)
      : catalog_(catalog),
        contents_(std::move(contents)),
        position_(position) {}

  Position position() const override { return position_; }

  Result<std::optional<Row>> Get(const TableSpec& table,
                                 const Row& key) override {
    MC_RETURN_IF_ERROR(catalog_.CheckKey(table, key));
    const TableRows& rows = contents_[table.name];
    const auto found = rows.find(key);
    if (found == rows.end()) return std::optional<Row>();
    return std::optional<Row>(found->second);
  }

  Result<std::vector<std::optional<Row>>> GetMany(
      const TableSpec& table, std::span<const Row> keys) override {
    std::vector<std::optional<Row>> rows;
    for (const Row& key : keys) {
      MC_ASSIGN_OR_RETURN(auto row, Get(table, key));
      rows.push_back(std::move(row));
    }
    return rows;
  }

  Result<std::vector<Row>> Scan(const ScanSpec& spec) override {
    MC_RETURN_IF_ERROR(catalog_.CheckScan(spec));
    const std::vector<uint32_t> order = ScanOrder(*spec.table, spec.index);
    std::vector<Row> rows;
    for (const auto& [key, row] : contents_[spec.table->name]) {
      const Row ordered = Cells(row, order);
      if (FirstCells(ordered, spec.prefix.size()) != spec.prefix) continue;
      if ((spec.from.has_value() || spec.to.has_value()) &&
          !InBounds(ordered[spec.prefix.size()], spec)) {
        continue;
      }
      rows.push_back(row);
    }
    std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
      return RowLess()(Cells(a, order), Cells(b, order));
    });
    if (spec.descending) std::reverse(rows.begin(), rows.end());
    if (rows.size() > spec.limit) rows.resize(spec.limit);
    for (Row& row : rows) row = Project(row, spec);
    return rows;
  }

 private:
  const Catalog& catalog_;
  Contents contents_;
  const Position position_;
};

// Applies a batch to a copy of everything.
class ModelBatch {
 public:
  ModelBatch(Contents& contents, Position first)
      : contents_(contents), first_(first) {}

  bool Holds(const WriteBatch::Precondition& precondition) {
    if (const auto* p = std::get_if<WriteBatch::RowAbsent>(&precondition)) {
      return Find(*p->table, p->key) == nullptr;
    }
    if (const auto* p = std::get_if<WriteBatch::RowPresent>(&precondition)) {
      return Find(*p->table, p->key) != nullptr;
    }
    const auto& p = std::get<WriteBatch::ColumnEquals>(precondition);
    const Row* row = Find(*p.table, p.key);
    return row != nullptr && (*row)[p.column] == p.value;
  }

  StatusCode Apply(const WriteBatch::Operation& operation) {
    if (const auto* op = std::get_if<WriteBatch::Put>(&operation)) {
      return Write(*op->table, Resolve(op->row), true);
    }
    if (const auto* op = std::get_if<WriteBatch::Insert>(&operation)) {
      return Write(*op->table, Resolve(op->row), false);
    }
    if (const auto* op = std::get_if<WriteBatch::Delete>(&operation)) {
      contents_[op->table->name].erase(Resolve(op->key));
      return StatusCode::kOk;
    }
    if (const auto* op = std::get_if<WriteBatch::DeletePrefix>(&operation)) {
      const Row prefix = Resolve(op->prefix);
      std::erase_if(contents_[op->table->name], [&prefix](const auto& entry) {
        return FirstCells(entry.first, prefix.size()) == prefix;
      });
      return StatusCode::kOk;
    }
    const auto& op = std::get<WriteBatch::Add>(operation);
    const Row* found = Find(*op.table, Resolve(op.key));
    if (found == nullptr) return StatusCode::kOk;
    Row row = *found;
    const int64_t old = CellInt(row[op.column]);
    if (op.amount > 0 ? old > INT64_MAX - op.amount
                      : old < INT64_MIN - op.amount) {
      return StatusCode::kFailedPrecondition;
    }
    row[op.column] = old + op.amount;
    return Write(*op.table, std::move(row), true);
  }

 private:
  const Row* Find(const TableSpec& table, const Row& key) {
    const TableRows& rows = contents_[table.name];
    const auto found = rows.find(key);
    return found == rows.end() ? nullptr : &found->second;
  }

  Row Resolve(const BatchRow& row) const {
    Row out;
    for (const BatchCell& cell : row) {
      if (const auto* position = std::get_if<PositionRef>(&cell)) {
        out.push_back(first_ + position->index);
      } else if (const auto* number = std::get_if<int64_t>(&cell)) {
        out.push_back(*number);
      } else if (const auto* text = std::get_if<std::string>(&cell)) {
        out.push_back(*text);
      } else if (const auto* blob = std::get_if<Blob>(&cell)) {
        out.push_back(*blob);
      } else {
        out.emplace_back();
      }
    }
    return out;
  }

  StatusCode Write(const TableSpec& table, Row row, bool may_replace) {
    TableRows& rows = contents_[table.name];
    Row key = FirstCells(row, table.key_columns);
    if (!may_replace && rows.contains(key)) return StatusCode::kAborted;
    for (const IndexSpec& index : table.indexes) {
      if (!index.unique) continue;
      const Row cells = Cells(row, index.columns);
      if (std::any_of(cells.begin(), cells.end(), IsNull)) continue;
      for (const auto& [other_key, other] : rows) {
        if (other_key != key && Cells(other, index.columns) == cells) {
          return StatusCode::kAborted;
        }
      }
    }
    rows[std::move(key)] = std::move(row);
    return StatusCode::kOk;
  }

  Contents& contents_;
  const Position first_;
};

class ModelStore : public Store {
 public:
  explicit ModelStore(const Schema& schema) : catalog_(schema) {}

  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    MC_RETURN_IF_ERROR(Check());
    return std::unique_ptr<Snapshot>(
        std::make_unique<ModelSnapshot>(catalog_, contents_, position_));
  }

  void CommitAsync(WriteBatch batch, Done done) override { done(Apply(batch)); }

  Position LastPosition() const override { return position_; }

  Status Check() override {
    if (closed_) return {StatusCode::kUnavailable, "the store is closed"};
    return OkStatus();
  }

  void Close() override { closed_ = true; }

 private:
  Result<CommitInfo> Apply(const WriteBatch& batch) {
    MC_RETURN_IF_ERROR(Check());
    MC_RETURN_IF_ERROR(catalog_.CheckBatch(batch));
    Contents contents = contents_;
    ModelBatch model(contents, position_ + 1);
    for (const WriteBatch::Precondition& part : batch.preconditions()) {
      if (!model.Holds(part)) return Status(StatusCode::kAborted, "model");
    }
    for (const WriteBatch::Operation& part : batch.operations()) {
      const StatusCode code = model.Apply(part);
      if (code != StatusCode::kOk) return Status(code, "model");
    }
    contents_ = std::move(contents);
    CommitInfo info{position_, position_ + batch.positions()};
    if (batch.positions() > 0) ++info.first;
    position_ = info.last;
    return info;
  }

  const Catalog catalog_;
  Contents contents_;
  Position position_ = 0;
  bool closed_ = false;
};

}  // namespace
}  // namespace conformance

std::unique_ptr<Store> NewModelStore(const Schema& schema) {
  return std::make_unique<conformance::ModelStore>(schema);
}

}  // namespace matrixcore
