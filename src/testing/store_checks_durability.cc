// What survives a store: data, positions, crashes, and the way from older
// schemas.
#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "matrixcore/base/mutex.h"
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

// What threads write until the store dies: each batch has a row whose key is
// its position and another beside it, and counts itself.
class CrashWriters {
 public:
  explicit CrashWriters(Findings& findings) : findings_(findings) {}

  // What was acknowledged, by position.
  const std::map<Position, int64_t>& acknowledged() const {
    return acknowledged_;
  }

  // Writes with three threads, "crashes" in the middle, and ends when all have
  // been answered; false when the fixture cannot crash.
  bool WriteAndCrash(StoreFixture& fixture, Store& store, size_t enough) {
    std::atomic<size_t> answered{0};
    std::atomic<bool> stop{false};
    bool crashed = false;
    std::thread crasher([&] {
      while (answered < enough && findings_.empty()) std::this_thread::yield();
      {
        MutexLock lock(mutex_);
        before_ = told_;
      }
      crashed = fixture.Crash();
      stop = true;
    });
    RunThreads(3, [&](size_t writer) {
      while (!stop) {
        const auto info = Write(store, static_cast<int64_t>(writer));
        if (!findings_.Expect(info.ok(), "a commit fails before a crash: " +
                                             info.status().ToString())) {
          return;
        }
        MutexLock lock(mutex_);
        told_[info->first] = static_cast<int64_t>(writer);
        ++answered;
      }
    });
    crasher.join();
    MutexLock lock(mutex_);
    acknowledged_.insert(before_.begin(), before_.end());
    told_.clear();
    return crashed;
  }

 private:
  static Result<CommitInfo> Write(Store& store, int64_t writer) {
    WriteBatch batch;
    const PositionRef position = batch.NewPosition();
    batch.InsertRow(kNumbers, {position, writer, "row", {}});
    batch.InsertRow(kDocuments,
                    {position, "d", std::string(2'000, 'x'), writer, {}});
    batch.AddTo(kPairs, {"writer", writer}, Pairs::kCount, 1);
    return store.Commit(std::move(batch));
  }

  Findings& findings_;
  Mutex mutex_;
  std::map<Position, int64_t> told_ MC_GUARDED_BY(mutex_);
  std::map<Position, int64_t> before_ MC_GUARDED_BY(mutex_);
  std::map<Position, int64_t> acknowledged_;
};

// All of what was acknowledged, nothing by halves, no position twice or left
// out.
void CheckAfterCrash(Session& session,
                     const std::map<Position, int64_t>& acknowledged) {
  Findings& findings = session.findings();
  const auto rows = session.Scan({.table = &kNumbers});
  std::map<int64_t, int64_t> counts;
  std::map<Position, int64_t> found;
  for (const Row& row : rows) {
    found[CellInt(row[0])] = CellInt(row[1]);
    ++counts[CellInt(row[1])];
  }
  for (const auto& [position, writer] : acknowledged) {
    const auto row = found.find(position);
    findings.Expect(
        row != found.end() && row->second == writer,
        fmt::format("position {} was acknowledged before a crash and is {}",
                    position, row == found.end() ? "gone" : "another's"));
  }
  session.ExpectPosition(static_cast<Position>(rows.size()), "after a crash");
  ExpectEqual(session
                  .Scan({.table = &kNumbers,
                         .index = Numbers::kByLabel,
                         .prefix = {"row"}})
                  .size(),
              rows.size(), "an index after a crash", findings);
  ExpectEqual(session.Scan({.table = &kDocuments}).size(), rows.size(),
              "the other row of each batch after a crash", findings);
  for (int64_t writer = 0; writer < 3; ++writer) {
    session.ExpectRow(kPairs, {"writer", writer},
                      Row{"writer", writer, {}, {}, counts[writer]},
                      "what a writer's batches counted, after a crash");
  }
}

void KeepsWhatWasAcknowledgedWhenItCrashes(StoreFixture& fixture,
                                           Findings& findings) {
  if (!fixture.durable()) return;
  Session session(fixture, findings);
  if (!session.ok()) return;
  WriteBatch fill;
  for (int64_t writer = 0; writer < 3; ++writer) {
    fill.PutRow(kPairs, {"writer", writer, {}, {}, int64_t{0}});
  }
  session.Commit(std::move(fill), "crash");
  CrashWriters writers(findings);
  for (const size_t enough : {size_t{1}, size_t{20}, size_t{60}, size_t{7}}) {
    if (!writers.WriteAndCrash(fixture, session.store(), enough)) return;
    session.Reopen();
    if (!session.ok()) return;
    CheckAfterCrash(session, writers.acknowledged());
    if (!findings.empty()) return;
  }
}

// A crash before anything was written, and one while nothing is written.
void OpensAfterACrashAtRest(StoreFixture& fixture, Findings& findings) {
  if (!fixture.durable()) return;
  Session session(fixture, findings);
  if (!session.ok() || !fixture.Crash()) return;
  session.Reopen();
  if (!session.ok()) return;
  session.ExpectPosition(0, "a new store after a crash");
  WriteBatch batch;
  batch.NewPosition();
  batch.PutRow(kNumbers, {int64_t{1}, int64_t{1}, {}, {}});
  session.Commit(std::move(batch), "after a crash");
  findings.Expect(fixture.Crash(), "Crash() works only once");
  session.Reopen();
  if (!session.ok()) return;
  session.ExpectPosition(1, "after a crash at rest");
  session.ExpectRows({.table = &kNumbers}, {{int64_t{1}, int64_t{1}, {}, {}}},
                     "after a crash at rest");
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
    {"KeepsWhatWasAcknowledgedWhenItCrashes",
     KeepsWhatWasAcknowledgedWhenItCrashes},
    {"OpensAfterACrashAtRest", OpensAfterACrashAtRest},
    {"MigratesFromVersion1", MigratesFromVersion1},
    {"MigratesFromVersion2", MigratesFromVersion2},
    {"MigratesStepByStep", MigratesStepByStep},
    {"RefusesANewerDatabase", RefusesANewerDatabase},
};

}  // namespace

std::span<const StoreCheck> DurabilityChecks() { return kChecks; }

}  // namespace matrixcore::conformance
