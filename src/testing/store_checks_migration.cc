// The way from every earlier schema to today's.
#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/base/random.h"
#include "matrixcore/store/catalog.h"
#include "testing/store_checks.h"

namespace matrixcore {
namespace conformance {
namespace {

using enum ColumnType;

uint32_t SinceOf(const TableSpec& table, uint32_t column) {
  for (const auto& added : table.added_columns) {
    if (added.column == column) return added.since;
  }
  return table.since;
}

Cell DefaultOf(const ColumnSpec& column) {
  if (column.nullable) return {};
  switch (column.type) {
    case kInt64:
      return int64_t{0};
    case kText:
      return std::string();
    case kBlob:
      return Blob{};
  }
  return {};
}

// A row of the earlier table as today's table has it after the migration.
Row Grown(const TableSpec& table, uint32_t version, const Row& row) {
  Row grown;
  size_t next = 0;
  for (uint32_t i = 0; i < table.columns.size(); ++i) {
    grown.push_back(SinceOf(table, i) > version ? DefaultOf(table.columns[i])
                                                : row[next++]);
  }
  return grown;
}

Cell RandomCell(const ColumnSpec& column, Random& random) {
  if (column.nullable && random.Below(4) == 0) return {};
  const auto number = static_cast<int64_t>(random.Below(100)) - 50;
  switch (column.type) {
    case kInt64:
      return number;
    case kText:
      return fmt::format("t{}", number);
    case kBlob:
      return Blob{fmt::format("b{}", number)};
  }
  return {};
}

// Rows as the program of that version wrote them; what a unique index refuses
// is left out.
void FillTables(Session& session, const Schema& schema, Random& random) {
  for (const TableSpec& table : schema.tables) {
    for (int i = 0; i < 12; ++i) {
      Row row;
      for (const ColumnSpec& column : table.columns) {
        row.push_back(RandomCell(column, random));
      }
      WriteBatch batch;
      batch.NewPosition();
      batch.PutRow(table, AsBatchRow(row));
      (void)session.store().Commit(std::move(batch));
    }
  }
}

// Compares every order of every table with what lay there before.
void CompareTables(Session& session, const Schema& schema,
                   const std::map<std::string_view, std::vector<Row>>& rows,
                   const std::string& what) {
  for (const TableSpec& table : schema.tables) {
    const auto found = rows.find(table.name);
    const std::vector<Row> old =
        found == rows.end() ? std::vector<Row>() : found->second;
    std::vector<std::optional<uint32_t>> orders = {std::nullopt};
    for (uint32_t i = 0; i < table.indexes.size(); ++i) orders.emplace_back(i);
    for (const std::optional<uint32_t> index : orders) {
      std::vector<Row> expected = old;
      std::sort(expected.begin(), expected.end(),
                [order = ScanOrder(table, index)](const Row& a, const Row& b) {
                  for (const uint32_t column : order) {
                    const int side = CompareCells(a[column], b[column]);
                    if (side != 0) return side < 0;
                  }
                  return false;
                });
      session.ExpectRows({.table = &table, .index = index}, expected, what);
    }
  }
}

// A unique index over a column that its table got later has nothing to compare
// in old rows unless that column may be null.
std::string Mistake(const Schema& schema) {
  for (const TableSpec& table : schema.tables) {
    for (const auto& added : table.added_indexes) {
      const IndexSpec& index = table.indexes[added.index];
      if (!index.unique) continue;
      const bool nullable = std::any_of(
          index.columns.begin(), index.columns.end(), [&](uint32_t column) {
            return table.columns[column].nullable &&
                   SinceOf(table, column) > table.since;
          });
      if (!nullable) {
        return fmt::format(
            "table {}: the unique index {} is newer than its table: let it "
            "name a nullable column that is as new, or old rows may collide",
            table.name, index.name);
      }
    }
  }
  return "";
}

// Five versions: tables that come, columns at the end and in the middle, and
// indexes old and new, over each kind of key.
const Schema& LongLivedSchema() {
  static const Schema schema{
      {{.name = "users",
        .columns = {{"user_id", kText},
                    {"city", kText, true},  // Since 3.
                    {"age", kInt64},
                    {"badge", kInt64, true},  // Since 4.
                    {"avatar", kBlob}},       // Since 2.
        .indexes = {{"age", {2}},
                    {"city", {1, 2}},      // Since 3.
                    {"badge", {3}, true},  // Since 4.
                    {"avatar", {4, 0}}},   // Since 5.
        .added_columns = {{1, 3}, {3, 4}, {4, 2}},
        .added_indexes = {{1, 3}, {2, 4}, {3, 5}}},
       {.name = "visits",
        .columns = {{"user_id", kText}, {"at", kInt64}, {"note", kText}},
        .key_columns = 2,
        .indexes = {{"note", {2}}},
        .since = 2,
        .added_columns = {{2, 4}},
        .added_indexes = {{0, 4}}},
       {.name = "archive",
        .columns = {{"room", kInt64},
                    {"id", kInt64},
                    {"mark", kInt64},  // Since 5.
                    {"body", kText}},
        .key_columns = 2,
        .indexes = {{"mark", {2}}},
        .since = 3,
        .large_rows = true,
        .added_columns = {{2, 5}},
        .added_indexes = {{0, 5}}},
       {.name = "numbers_only",
        .columns = {{"id", kInt64}, {"hits", kInt64, true}},
        .since = 1,
        .added_columns = {{1, 5}}}},
      5};
  return schema;
}

void MigratesFromEveryVersion(StoreFixture& fixture, Findings& findings,
                              uint32_t from) {
  CheckMigration(fixture, LongLivedSchema(), from, findings);
}

constexpr StoreCheck kChecks[] = {
    {"MigratesFromVersion1Of5",
     [](StoreFixture& fixture, Findings& findings) {
       MigratesFromEveryVersion(fixture, findings, 1);
     }},
    {"MigratesFromVersion2Of5",
     [](StoreFixture& fixture, Findings& findings) {
       MigratesFromEveryVersion(fixture, findings, 2);
     }},
    {"MigratesFromVersion3Of5",
     [](StoreFixture& fixture, Findings& findings) {
       MigratesFromEveryVersion(fixture, findings, 3);
     }},
    {"MigratesFromVersion4Of5",
     [](StoreFixture& fixture, Findings& findings) {
       MigratesFromEveryVersion(fixture, findings, 4);
     }},
    {"OpensTheSameVersionAgain",
     [](StoreFixture& fixture, Findings& findings) {
       MigratesFromEveryVersion(fixture, findings, 5);
     }},
};

}  // namespace

std::span<const StoreCheck> MigrationChecks() { return kChecks; }

}  // namespace conformance

void CheckMigration(StoreFixture& fixture, const Schema& schema, uint32_t from,
                    Findings& findings) {
  using namespace conformance;
  if (!fixture.durable()) return;
  const std::string mistake = Mistake(schema);
  if (!findings.Expect(mistake.empty(), mistake)) return;
  const std::string what =
      fmt::format("version {} opened as version {}", from, schema.version);
  const Schema earlier = EarlierSchema(schema, from);
  Session session(fixture, findings, earlier);
  if (!session.ok()) return;
  const auto random = NewSeededRandom(from);
  FillTables(session, earlier, *random);
  std::map<std::string_view, std::vector<Row>> rows;
  for (const TableSpec& table : earlier.tables) {
    const TableSpec& today = *schema.Find(table.name);
    for (const Row& row : session.Scan({.table = &table})) {
      rows[today.name].push_back(Grown(today, from, row));
    }
  }
  const Position position = session.store().LastPosition();
  session.Reopen(schema);
  if (!session.ok()) return;
  session.ExpectPosition(position, what);
  CompareTables(session, schema, rows, what);
  // What is new can be written, and is there after another opening.
  FillTables(session, schema, *random);
  rows.clear();
  for (const TableSpec& table : schema.tables) {
    rows[table.name] = session.Scan({.table = &table});
    findings.Expect(!rows[table.name].empty(),
                    fmt::format("{}: {} takes no rows", what, table.name));
  }
  session.Reopen(schema);
  if (session.ok()) CompareTables(session, schema, rows, what + ", again");
}

}  // namespace matrixcore
