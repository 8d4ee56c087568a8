// What survives a store: data, positions, and the way from older schemas.
#include <string>
#include <utility>
#include <vector>

#include "testing/store_checks.h"

namespace matrixcore::conformance {
namespace {

using enum ColumnType;

// Reopens often, with rows of every table; positions go on where they were.
void KeepsDataWhenReopened(StoreFixture& fixture, Findings& findings) {
  if (!fixture.durable()) return;
  Session session(fixture, findings);
  std::vector<Row> expected;
  for (int64_t round = 1; round <= 4 && session.ok(); ++round) {
    WriteBatch batch;
    const PositionRef position = batch.NewPosition();
    batch.NewPosition();
    batch.PutRow(kNumbers, {round, position, "l", round});
    batch.DeleteRow(kPairs, {"o", round - 1});
    batch.PutRow(kPairs, {"o", round, std::string("a\0b", 3), Blob{"d"}, {}});
    batch.PutRow(kDocuments, {round, "n", std::string(50'000, 'x'), {}, {}});
    session.Commit(std::move(batch), "reopen");
    expected.push_back({round, 2 * round - 1, "l", round});
    session.Reopen();
    if (!session.ok()) return;
    session.ExpectPosition(2 * round, "reopened");
    session.ExpectRows({.table = &kNumbers}, expected, "reopened");
    session.ExpectRows({.table = &kNumbers, .index = Numbers::kByWeight},
                       expected, "reopened, by index");
    session.ExpectRows({.table = &kPairs},
                       {{"o", round, std::string("a\0b", 3), Blob{"d"}, {}}},
                       "reopened");
    session.ExpectRow(kDocuments, {round, "n"},
                      Row{round, "n", std::string(50'000, 'x'), {}, {}},
                      "reopened");
  }
}

// A schema that grew: a table with columns and indexes of three versions, and
// tables of the second and third.  `version` is 1, 2 or 3.
Schema GrowingSchema(uint32_t version) {
  TableSpec users{.name = "users",
                  .columns = {{"user_id", kText}, {"age", kInt64}},
                  .key_columns = 1,
                  .indexes = {{"age", {1}}}};
  if (version >= 2) {
    users.columns.push_back({"city", kText, true});
    users.columns.push_back({"visits", kInt64});
    users.indexes.push_back({"city", {2, 1}});
    users.added_columns = {{2, 2}, {3, 2}};
    users.added_indexes = {{1, 2}};
  }
  if (version >= 3) {
    users.columns.push_back({"avatar", kBlob});
    users.columns.push_back({"badge", kInt64, true});
    users.indexes.push_back({"badge", {5}, true});
    users.added_columns.push_back({4, 3});
    users.added_columns.push_back({5, 3});
    users.added_indexes.push_back({2, 3});
  }
  Schema schema{{users}, version};
  if (version >= 2) {
    TableSpec visits{.name = "visits",
                     .columns = {{"user_id", kText}, {"at", kInt64}},
                     .key_columns = 2,
                     .since = 2};
    if (version >= 3) {
      visits.columns.push_back({"note", kText});
      visits.added_columns = {{2, 3}};
      visits.indexes = {{"note", {2}}};
      visits.added_indexes = {{0, 3}};
    }
    schema.tables.push_back(visits);
  }
  if (version >= 3) {
    schema.tables.push_back(
        {.name = "archive",
         .columns = {{"room", kInt64}, {"id", kInt64}, {"body", kText}},
         .key_columns = 2,
         .since = 3,
         .large_rows = true});
  }
  return schema;
}

// Rows as a program of `version` writes them.
void FillGrowing(Session& session, const Schema& schema) {
  const TableSpec& users = *schema.Find("users");
  WriteBatch batch;
  for (int64_t i = 0; i < 30; ++i) {
    BatchRow row{fmt::format("@{:02}", i), i % 5};
    if (schema.version >= 2) {
      row.emplace_back(std::string("Oslo"));
      row.emplace_back(i);
    }
    batch.PutRow(users, std::move(row));
  }
  batch.NewPosition();
  session.Commit(std::move(batch), "old program");
}

void CheckGrown(Session& session, uint32_t from) {
  const Schema schema = GrowingSchema(3);
  const TableSpec& users = *schema.Find("users");
  const TableSpec& visits = *schema.Find("visits");
  const TableSpec& archive = *schema.Find("archive");
  const std::string what = fmt::format("migrated from version {}", from);
  const bool had_city = from >= 2;
  session.ExpectRow(users, {"@07"},
                    Row{"@07",
                        int64_t{2},
                        had_city ? Cell("Oslo") : Cell(),
                        int64_t{had_city ? 7 : 0},
                        Blob{""},
                        {}},
                    what);
  ExpectEqual(
      session.Scan({.table = &users, .index = 0, .prefix = {int64_t{2}}})
          .size(),
      size_t{6}, what + ": an index from before", session.findings());
  ExpectEqual(session
                  .Scan({.table = &users,
                         .index = 1,
                         .prefix = {had_city ? Cell("Oslo") : Cell()}})
                  .size(),
              size_t{30}, what + ": an index over rows from before",
              session.findings());
  session.ExpectPosition(1, what);
  // All that is new can be used.
  WriteBatch batch;
  batch.PutRow(
      users, {"@00", int64_t{1}, "Rome", int64_t{1}, Blob{"png"}, int64_t{5}});
  batch.PutRow(visits, {"@00", batch.NewPosition(), "hello"});
  batch.PutRow(archive, {int64_t{1}, int64_t{1}, "text"});
  session.Commit(std::move(batch), what);
  WriteBatch same_badge;
  same_badge.PutRow(users,
                    {"@01", int64_t{1}, {}, int64_t{1}, Blob{""}, int64_t{5}});
  session.Refuse(std::move(same_badge), StatusCode::kAborted,
                 what + ": a unique index that is new");
  session.ExpectRows({.table = &visits, .index = 0, .prefix = {"hello"}},
                     {{"@00", int64_t{2}, "hello"}}, what);
  session.ExpectRows({.table = &archive}, {{int64_t{1}, int64_t{1}, "text"}},
                     what);
}

void Migrates(StoreFixture& fixture, Findings& findings,
              const std::vector<uint32_t>& way) {
  if (!fixture.durable()) return;
  Session session(fixture, findings, GrowingSchema(way.front()));
  if (!session.ok()) return;
  FillGrowing(session, GrowingSchema(way.front()));
  for (const uint32_t version : std::span(way).subspan(1)) {
    session.Reopen(GrowingSchema(version));
    if (!session.ok()) return;
  }
  CheckGrown(session, way.front());
  session.Reopen(GrowingSchema(way.back()));
  if (session.ok()) session.ExpectPosition(2, "reopened after a migration");
}

void MigratesFromVersion1(StoreFixture& fixture, Findings& findings) {
  Migrates(fixture, findings, {1, 3});
}
void MigratesFromVersion2(StoreFixture& fixture, Findings& findings) {
  Migrates(fixture, findings, {2, 3});
}
void MigratesStepByStep(StoreFixture& fixture, Findings& findings) {
  Migrates(fixture, findings, {1, 2, 3});
}

void RefusesANewerDatabase(StoreFixture& fixture, Findings& findings) {
  if (!fixture.durable()) return;
  {
    Session session(fixture, findings, GrowingSchema(3));
    if (!session.ok()) return;
  }
  const auto older = fixture.Open(GrowingSchema(2));
  findings.Expect(
      !older.ok() && older.status().code() == StatusCode::kFailedPrecondition,
      fmt::format("opening a newer database: {}", older.status().ToString()));
  Session session(fixture, findings, GrowingSchema(3));
  if (session.ok()) session.ExpectPosition(0, "after a refused opening");
}

constexpr StoreCheck kChecks[] = {
    {"KeepsDataWhenReopened", KeepsDataWhenReopened},
    {"MigratesFromVersion1", MigratesFromVersion1},
    {"MigratesFromVersion2", MigratesFromVersion2},
    {"MigratesStepByStep", MigratesStepByStep},
    {"RefusesANewerDatabase", RefusesANewerDatabase},
};

}  // namespace

std::span<const StoreCheck> DurabilityChecks() { return kChecks; }

}  // namespace matrixcore::conformance
