// Two stores, the same random batches, the same answers.
#include <algorithm>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/base/random.h"
#include "matrixcore/store/catalog.h"
#include "testing/store_checks.h"

namespace matrixcore {
namespace conformance {
namespace {

// Makes batches and reads over few distinct values, so that rows meet.
class Generator {
 public:
  explicit Generator(Random& random) : random_(random) {}

  uint64_t Below(uint64_t bound) { return random_.Below(bound); }

  const TableSpec& Table() {
    const auto& tables = ConformanceSchema().tables;
    return tables[Below(tables.size())];
  }

  Cell CellFor(const ColumnSpec& column, bool null) {
    if (null && column.nullable && Below(4) == 0) return {};
    switch (column.type) {
      case ColumnType::kInt64:
        return static_cast<int64_t>(Below(8)) - 2;
      case ColumnType::kText:
        return Text();
      case ColumnType::kBlob:
        return Blob{Text()};
    }
    return {};
  }

  Row KeyFor(const TableSpec& table, size_t cells) {
    Row key;
    for (size_t i = 0; i < cells; ++i) {
      key.push_back(CellFor(table.columns[i], false));
    }
    return key;
  }

  WriteBatch Batch() {
    WriteBatch batch;
    const uint64_t positions = Below(3);
    for (uint64_t i = 0; i < positions; ++i) batch.NewPosition();
    if (Below(4) == 0) AddPrecondition(batch);
    const uint64_t operations = Below(6);
    for (uint64_t i = 0; i < operations; ++i) AddOperation(batch);
    return batch;
  }

  ScanSpec Scan() {
    ScanSpec spec;
    spec.table = &Table();
    if (Below(2) == 0) {
      spec.index = static_cast<uint32_t>(Below(spec.table->indexes.size()));
    }
    const std::vector<uint32_t> order = ScanOrder(*spec.table, spec.index);
    const uint64_t prefix = Below(order.size() + 1);
    for (uint64_t i = 0; i < prefix; ++i) {
      spec.prefix.push_back(CellFor(spec.table->columns[order[i]], true));
    }
    if (prefix < order.size()) {
      const ColumnSpec& next = spec.table->columns[order[prefix]];
      if (Below(3) == 0) spec.from = {CellFor(next, false), Below(2) == 0};
      if (Below(3) == 0) spec.to = {CellFor(next, false), Below(2) == 0};
    }
    spec.descending = Below(2) == 0;
    if (Below(3) == 0) spec.limit = Below(6);
    if (Below(3) == 0) {
      const uint64_t columns = 1 + Below(3);
      for (uint64_t i = 0; i < columns; ++i) {
        spec.columns.push_back(
            static_cast<uint32_t>(Below(spec.table->columns.size())));
      }
    }
    return spec;
  }

 private:
  std::string Text() {
    static constexpr std::string_view kTexts[] = {
        "", "a", "b", "ab", "B", std::string_view("a\0b", 3), "\xc3\xa9"};
    return std::string(kTexts[Below(std::size(kTexts))]);
  }

  // Sometimes with a position instead of a number.
  BatchRow WithPositions(BatchRow row, const WriteBatch& batch) {
    for (BatchCell& cell : row) {
      if (batch.positions() > 0 && std::holds_alternative<int64_t>(cell) &&
          Below(6) == 0) {
        cell = PositionRef{static_cast<uint32_t>(Below(batch.positions()))};
      }
    }
    return row;
  }

  void AddOperation(WriteBatch& batch) {
    const TableSpec& table = Table();
    Row row;
    for (const ColumnSpec& column : table.columns) {
      row.push_back(CellFor(column, true));
    }
    const BatchRow cells = WithPositions(AsBatchRow(row), batch);
    const BatchRow key(cells.begin(),
                       cells.begin() + std::ptrdiff_t{table.key_columns});
    switch (Below(10)) {
      case 0:
        batch.DeleteRow(table, key);
        return;
      case 1: {
        const uint64_t prefix = Below(12) == 0 ? 0 : 1 + Below(key.size());
        batch.DeleteRows(
            table, BatchRow(key.begin(),
                            key.begin() + static_cast<std::ptrdiff_t>(prefix)));
        return;
      }
      case 2:
      case 3:
        batch.InsertRow(table, cells);
        return;
      case 4:
        AddAddition(batch, table, key);
        return;
      default:
        batch.PutRow(table, cells);
    }
  }

  void AddAddition(WriteBatch& batch, const TableSpec& table,
                   const BatchRow& key) {
    for (uint32_t i = table.key_columns; i < table.columns.size(); ++i) {
      if (table.columns[i].type != ColumnType::kInt64) continue;
      const bool huge = Below(10) == 0;
      batch.AddTo(table, key, i,
                  huge ? INT64_MAX : static_cast<int64_t>(Below(5)) - 2);
      return;
    }
  }

  void AddPrecondition(WriteBatch& batch) {
    const TableSpec& table = Table();
    Row key = KeyFor(table, table.key_columns);
    switch (Below(3)) {
      case 0:
        batch.Require(WriteBatch::RowAbsent{&table, std::move(key)});
        return;
      case 1:
        batch.Require(WriteBatch::RowPresent{&table, std::move(key)});
        return;
      default: {
        const auto column = static_cast<uint32_t>(Below(table.columns.size()));
        batch.Require(
            WriteBatch::ColumnEquals{&table, std::move(key), column,
                                     CellFor(table.columns[column], true)});
      }
    }
  }

  Random& random_;
};

std::string Outcome(const Result<CommitInfo>& result) {
  if (!result.ok()) return std::string(StatusCodeName(result.status().code()));
  return fmt::format("positions {} to {}", result->first, result->last);
}

class Comparison {
 public:
  // `name` is part of what is noted.
  Comparison(Store& left, Store& right, std::string name, Random& random,
             Findings& findings)
      : left_(left),
        right_(right),
        name_(std::move(name)),
        generator_(random),
        findings_(findings) {}

  // False when there is no point in going on.
  bool Step() {
    switch (generator_.Below(4)) {
      case 0:
        CommitGroup();
        break;
      case 1:
        if (!KeepSnapshots()) return false;
        break;
      default:
        if (!ReadOne()) return false;
    }
    return findings_.empty();
  }

 private:
  using Pair = std::pair<std::unique_ptr<Snapshot>, std::unique_ptr<Snapshot>>;

  void Differ(const std::string& what, const std::string& left,
              const std::string& right) {
    if (left == right) return;
    findings_.Add(
        fmt::format("{}: {}: {} against {}", name_, what, left, right));
  }

  // Several batches at once, which may become one transaction.
  void CommitGroup() {
    const uint64_t count = 1 + generator_.Below(5);
    std::vector<WriteBatch> batches;
    for (uint64_t i = 0; i < count; ++i) batches.push_back(generator_.Batch());
    const auto left = CommitAll(left_, batches);
    const auto right = CommitAll(right_, batches);
    for (size_t i = 0; i < batches.size(); ++i) {
      Differ("commit of " + batches[i].ToString(), left[i], right[i]);
    }
  }

  static std::vector<std::string> CommitAll(
      Store& store, const std::vector<WriteBatch>& batches) {
    std::vector<std::promise<std::string>> outcomes(batches.size());
    for (size_t i = 0; i < batches.size(); ++i) {
      store.CommitAsync(batches[i],
                        [&promise = outcomes[i]](Result<CommitInfo> result) {
                          promise.set_value(Outcome(result));
                        });
    }
    std::vector<std::string> texts;
    for (auto& outcome : outcomes) texts.push_back(outcome.get_future().get());
    return texts;
  }

  std::optional<Pair> Snapshots() {
    auto left = left_.NewSnapshot();
    auto right = right_.NewSnapshot();
    if (!findings_.Expect(left.ok() && right.ok(), "no snapshot")) {
      return std::nullopt;
    }
    return Pair(*std::move(left), *std::move(right));
  }

  // At most one pair beside the newest, since readers may be few.
  bool KeepSnapshots() {
    kept_ = Pair();
    auto pair = Snapshots();
    if (!pair.has_value()) return false;
    kept_ = *std::move(pair);
    return true;
  }

  bool ReadOne() {
    if (kept_.first != nullptr && generator_.Below(2) == 0) {
      Compare(*kept_.first, *kept_.second, "an old snapshot");
      return true;
    }
    const auto pair = Snapshots();
    if (!pair.has_value()) return false;
    Compare(*pair->first, *pair->second, "a new snapshot");
    return true;
  }

  void Compare(Snapshot& left, Snapshot& right, const std::string& which) {
    Differ(which + ": position", fmt::format("{}", left.position()),
           fmt::format("{}", right.position()));
    const ScanSpec scan = generator_.Scan();
    const std::vector<Row> left_scan = ScanOn(left, scan, findings_);
    const std::vector<Row> right_scan = ScanOn(right, scan, findings_);
    if (left_scan != right_scan) {
      findings_.Add(fmt::format("{}: {}: {}: {} against {}", name_, which,
                                Describe(scan), Describe(left_scan),
                                Describe(right_scan)));
    }
    const TableSpec& table = generator_.Table();
    std::vector<Row> keys;
    for (int i = 0; i < 4; ++i) {
      keys.push_back(generator_.KeyFor(table, table.key_columns));
    }
    const auto left_rows = left.GetMany(table, keys);
    const auto right_rows = right.GetMany(table, keys);
    if (!findings_.Expect(left_rows.ok() && right_rows.ok(), "GetMany fails")) {
      return;
    }
    for (size_t i = 0; i < keys.size(); ++i) {
      Differ(fmt::format("{}: get {} {}", which, table.name, Describe(keys[i])),
             Describe((*left_rows)[i]), Describe((*right_rows)[i]));
    }
  }

  Store& left_;
  Store& right_;
  const std::string name_;
  Generator generator_;
  Findings& findings_;
  Pair kept_;
};

}  // namespace
}  // namespace conformance

void CompareStores(Store& left, Store& right, uint64_t seed, size_t steps,
                   Findings& findings) {
  const std::unique_ptr<Random> random = NewSeededRandom(seed);
  conformance::Comparison comparison(left, right, fmt::format("seed {}", seed),
                                     *random, findings);
  for (size_t i = 0; i < steps && comparison.Step(); ++i) {
  }
}

void CompareStores(Store& left, Store& right, Random& random, size_t steps,
                   Findings& findings) {
  conformance::Comparison comparison(left, right, "given choices", random,
                                     findings);
  for (size_t i = 0; i < steps && comparison.Step(); ++i) {
  }
}

}  // namespace matrixcore
