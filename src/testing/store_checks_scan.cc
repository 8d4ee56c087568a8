// Scans: every order, prefix, bound, direction and limit.
#include <algorithm>
#include <string>
#include <vector>

#include "matrixcore/store/catalog.h"
#include "testing/store_checks.h"

namespace matrixcore::conformance {
namespace {

// Rows with few distinct values in every column, nulls among them; the same
// every time.
std::vector<Row> SampleRows(const TableSpec& table) {
  const std::string_view texts[] = {"", "a", std::string_view("a\0", 2), "b"};
  const auto cell = [&](const ColumnSpec& column, size_t i) -> Cell {
    if (column.nullable && i % 5 == 0) return {};
    switch (column.type) {
      case ColumnType::kInt64:
        return static_cast<int64_t>(i % 4) * 10 - 10;
      case ColumnType::kText:
        return std::string(texts[i % 4]);
      case ColumnType::kBlob:
        return Blob{std::string(texts[i % 4])};
    }
    return {};
  };
  std::vector<Row> rows;
  for (size_t i = 0; i < 64; ++i) {
    Row row;
    for (size_t c = 0; c < table.columns.size(); ++c) {
      // Key columns count up through all combinations, the others mix.
      row.push_back(cell(table.columns[c], c < table.key_columns
                                               ? i >> (2 * c)
                                               : i * (c + 1) + i / 7));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// Puts what fits: rows that a unique index refuses are left out.
void Fill(Session& session, const TableSpec& table) {
  for (const Row& row : SampleRows(table)) {
    WriteBatch batch;
    batch.PutRow(table, AsBatchRow(row));
    (void)session.store().Commit(std::move(batch));
  }
}

// The rows of `all` that `spec` asks for, worked out the plain way.
std::vector<Row> Expected(const std::vector<Row>& all, const ScanSpec& spec) {
  const std::vector<uint32_t> order = ScanOrder(*spec.table, spec.index);
  const size_t next = spec.prefix.size();
  std::vector<Row> rows;
  for (const Row& row : all) {
    bool matches = true;
    for (size_t i = 0; i < next; ++i) {
      matches = matches && row[order[i]] == spec.prefix[i];
    }
    if (spec.from.has_value()) {
      const int side = CompareCells(row[order[next]], spec.from->value);
      matches = matches && !IsNull(row[order[next]]) &&
                (side > 0 || (side == 0 && spec.from->inclusive));
    }
    if (spec.to.has_value()) {
      const int side = CompareCells(row[order[next]], spec.to->value);
      matches = matches && !IsNull(row[order[next]]) &&
                (side < 0 || (side == 0 && spec.to->inclusive));
    }
    if (matches) rows.push_back(row);
  }
  std::sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
    for (const uint32_t column : order) {
      const int side = CompareCells(a[column], b[column]);
      if (side != 0) return side < 0;
    }
    return false;
  });
  if (spec.descending) std::reverse(rows.begin(), rows.end());
  if (rows.size() > spec.limit) rows.resize(spec.limit);
  return rows;
}

// Tries `spec` with every pair of bounds of the next column, direction and
// limit.
void TryBounds(Snapshot& snapshot, const std::vector<Row>& all, ScanSpec spec,
               const std::vector<Cell>& values, Findings& findings) {
  std::vector<std::optional<ScanSpec::Bound>> bounds = {std::nullopt};
  for (const Cell& value : values) {
    if (IsNull(value)) continue;
    bounds.push_back(ScanSpec::Bound{value, true});
    bounds.push_back(ScanSpec::Bound{value, false});
  }
  for (const auto& from : bounds) {
    for (const auto& to : bounds) {
      spec.from = from;
      spec.to = to;
      for (const size_t limit : {size_t{0}, size_t{1}, size_t{3}, SIZE_MAX}) {
        spec.limit = limit;
        for (const bool descending : {false, true}) {
          spec.descending = descending;
          const std::vector<Row> expected = Expected(all, spec);
          const std::vector<Row> actual = ScanOn(snapshot, spec, findings);
          if (actual != expected) {
            findings.Add(fmt::format("{}: {} instead of {}", Describe(spec),
                                     Describe(actual), Describe(expected)));
          }
        }
      }
    }
  }
}

std::vector<Cell> DistinctCells(const std::vector<Row>& rows, uint32_t column) {
  std::vector<Cell> cells;
  for (const Row& row : rows) {
    if (std::find(cells.begin(), cells.end(), row[column]) == cells.end()) {
      cells.push_back(row[column]);
    }
    if (cells.size() == 3) break;
  }
  return cells;
}

// Values that no sample row has: between those that rows have, and beyond them.
std::vector<Cell> AbsentCells(ColumnType type) {
  switch (type) {
    case ColumnType::kInt64:
      return {INT64_MIN, int64_t{5}, INT64_MAX};
    case ColumnType::kText:
      return {std::string("a\0\0", 3), "\xf4\x8f\xbf\xbf"};
    case ColumnType::kBlob:
      return {Blob{std::string("a\0\0", 3)}, Blob{"\xff\xff"}};
  }
  return {};
}

// Every prefix of distinct values, from `spec.prefix` on.
void TryPrefixes(Snapshot& snapshot, const std::vector<Row>& all, ScanSpec spec,
                 Findings& findings) {
  if (!findings.empty()) return;
  const std::vector<uint32_t> order = ScanOrder(*spec.table, spec.index);
  const size_t next = spec.prefix.size();
  if (next == order.size()) {
    TryBounds(snapshot, all, spec, {}, findings);
    return;
  }
  const std::vector<Cell> values = DistinctCells(all, order[next]);
  const std::vector<Cell> absent =
      AbsentCells(spec.table->columns[order[next]].type);
  std::vector<Cell> bounds = values;
  bounds.insert(bounds.end(), absent.begin(), absent.end());
  TryBounds(snapshot, all, spec, bounds, findings);
  ScanSpec nowhere = spec;
  nowhere.prefix.push_back(absent[0]);
  TryBounds(snapshot, all, nowhere, {}, findings);
  for (const Cell& value : values) {
    ScanSpec longer = spec;
    longer.prefix.push_back(value);
    TryPrefixes(snapshot, all, longer, findings);
  }
}

void ScanEverything(StoreFixture& fixture, Findings& findings,
                    const TableSpec& table) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  Fill(session, table);
  const auto snapshot = session.TakeSnapshot();
  if (snapshot == nullptr) return;
  std::vector<Row> all = ScanOn(*snapshot, {.table = &table}, findings);
  if (!findings.Expect(all.size() >= 4, "a scan of the key lacks rows")) return;
  TryPrefixes(*snapshot, all, {.table = &table}, findings);
  for (uint32_t i = 0; i < table.indexes.size(); ++i) {
    TryPrefixes(*snapshot, all, {.table = &table, .index = i}, findings);
  }
}

void ScansNumbers(StoreFixture& fixture, Findings& findings) {
  ScanEverything(fixture, findings, kNumbers);
}
void ScansPairs(StoreFixture& fixture, Findings& findings) {
  ScanEverything(fixture, findings, kPairs);
}
void ScansDocuments(StoreFixture& fixture, Findings& findings) {
  ScanEverything(fixture, findings, kDocuments);
}
void ScansLinks(StoreFixture& fixture, Findings& findings) {
  ScanEverything(fixture, findings, kLinks);
}

void ScansManyRowsInPages(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  constexpr int64_t kRows = 3000;
  WriteBatch batch;
  for (int64_t i = 0; i < kRows; ++i) {
    batch.PutRow(kDocuments, {i % 3,
                              fmt::format("{:08}", i),
                              std::string(static_cast<size_t>(i % 700), 'x'),
                              i / 10,
                              {}});
  }
  session.Commit(std::move(batch), "many rows");
  const auto snapshot = session.TakeSnapshot();
  if (snapshot == nullptr) return;
  for (const bool descending : {false, true}) {
    size_t seen = 0;
    ScanSpec spec{.table = &kDocuments,
                  .prefix = {int64_t{1}},
                  .descending = descending,
                  .limit = 97};
    for (;;) {
      const std::vector<Row> page = ScanOn(*snapshot, spec, findings);
      if (page.empty()) break;
      for (const Row& row : page) {
        const int64_t number =
            static_cast<int64_t>(descending ? 999 - seen : seen) * 3 + 1;
        if (CellText(row[1]) != fmt::format("{:08}", number)) {
          findings.Add(fmt::format("row {} of a scan in pages is {}", seen,
                                   Describe(row[1])));
          return;
        }
        ++seen;
      }
      (descending ? spec.to : spec.from) =
          ScanSpec::Bound{page.back()[1], false};
    }
    ExpectEqual(seen, size_t{1000}, "rows of a scan in pages", findings);
  }
  const auto marked = ScanOn(*snapshot,
                             {.table = &kDocuments,
                              .index = Documents::kByMark,
                              .prefix = {int64_t{7}}},
                             findings);
  ExpectEqual(marked.size(), size_t{10}, "rows of one mark", findings);
}

// Of the columns, any, in any order, also twice.
void ScansGivenColumns(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  for (const TableSpec* table : {&kNumbers, &kPairs, &kDocuments, &kLinks}) {
    Fill(session, *table);
    const auto snapshot = session.TakeSnapshot();
    if (snapshot == nullptr) return;
    const auto count = static_cast<uint32_t>(table->columns.size());
    std::vector<std::vector<uint32_t>> choices = {{count - 1, 0, count - 1}};
    for (uint32_t i = 0; i < count; ++i) choices.push_back({i});
    for (uint32_t order = 0; order <= table->indexes.size(); ++order) {
      ScanSpec spec{.table = table, .limit = 7};
      if (order > 0) spec.index = order - 1;
      for (const bool descending : {false, true}) {
        spec.descending = descending;
        spec.columns.clear();
        const std::vector<Row> whole = ScanOn(*snapshot, spec, findings);
        for (const std::vector<uint32_t>& columns : choices) {
          spec.columns = columns;
          std::vector<Row> expected;
          for (const Row& row : whole) expected.push_back(Project(row, spec));
          ExpectEqual(ScanOn(*snapshot, spec, findings), expected,
                      Describe(spec), findings);
        }
      }
    }
    const auto refused =
        snapshot->Scan({.table = table, .columns = {uint32_t{0}, count}});
    findings.Expect(
        !refused.ok() &&
            refused.status().code() == StatusCode::kInvalidArgument,
        "a scan of a column that the table does not have is not refused");
  }
}

constexpr StoreCheck kChecks[] = {
    {"ScansNumbers", ScansNumbers},
    {"ScansPairs", ScansPairs},
    {"ScansDocuments", ScansDocuments},
    {"ScansLinks", ScansLinks},
    {"ScansManyRowsInPages", ScansManyRowsInPages},
    {"ScansGivenColumns", ScansGivenColumns},
};

}  // namespace

std::span<const StoreCheck> ScanChecks() { return kChecks; }

}  // namespace matrixcore::conformance
