// Kills the process that writes, at any moment, and looks at what is left.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/random.h"
#include "sqlite/sqlite_test_schema_test.h"
#include "sqlite/test_directory_test.h"

namespace matrixcore {
namespace {

constexpr int kWriters = 3;

// What the child tells of each batch that was acknowledged.
struct Acknowledged {
  int64_t number = 0;  // Of the entry, which is also its position.
  int64_t writer = 0;
};

std::string BodyOf(int64_t number) {
  return std::string(static_cast<size_t>(20 + number % 900),
                     static_cast<char>('a' + number % 26));
}

// One entry whose number is its position, a second one beside it, and the
// writer's count of its batches.
WriteBatch EntryBatch(int64_t writer) {
  WriteBatch batch;
  const PositionRef first = batch.NewPosition();
  const PositionRef second = batch.NewPosition();
  batch.InsertRow(Entries(), {first, writer, BodyOf(writer)});
  batch.InsertRow(Entries(), {second, writer, BodyOf(writer)});
  batch.AddTo(Counters(), {writer}, 1, 1);
  return batch;
}

// The child: writes for ever, telling what was acknowledged.
[[noreturn]] void WriteUntilKilled(const std::string& path, int pipe,
                                   const SqliteOptions& options) {
  auto opened = OpenSqliteStore(path, TestSchema(), options);
  if (!opened.ok()) {
    (void)!write(STDERR_FILENO, opened.status().message().data(),
                 opened.status().message().size());
    _exit(3);
  }
  Store& store = **opened;
  for (int64_t writer = 0; writer < kWriters; ++writer) {
    WriteBatch counter;
    counter.Require(WriteBatch::RowAbsent{&Counters(), {writer}});
    counter.PutRow(Counters(), {writer, int64_t{0}});
    (void)store.Commit(std::move(counter));
  }
  std::vector<std::thread> writers;
  for (int64_t writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&store, pipe, writer] {
      for (;;) {
        const auto info = store.Commit(EntryBatch(writer));
        if (!info.ok()) _exit(4);
        const Acknowledged told{info->first, writer};
        if (::write(pipe, &told, sizeof(told)) != sizeof(told)) _exit(5);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  _exit(6);
}

// Reads what the child tells until it has told `enough`, kills it, reads the
// rest.
std::vector<Acknowledged> RunAndKill(const std::string& path, size_t enough,
                                     const SqliteOptions& options) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    WriteUntilKilled(path, ends[1], options);
  }
  close(ends[1]);
  std::vector<Acknowledged> told;
  bool killed = false;
  for (;;) {
    if (!killed && told.size() >= enough) {
      kill(child, SIGKILL);
      killed = true;
    }
    Acknowledged next;
    const ssize_t size = read(ends[0], &next, sizeof(next));
    if (size != sizeof(next)) break;
    told.push_back(next);
  }
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
  return told;
}

// Everything that was acknowledged is there; nothing is there by halves.
void Verify(Store& store, const std::map<int64_t, int64_t>& acknowledged) {
  const auto snapshot = store.NewSnapshot();
  ASSERT_TRUE(snapshot.ok()) << snapshot.status().ToString();
  const auto entries = (*snapshot)->Scan({.table = &Entries()});
  const auto by_writer = (*snapshot)->Scan({.table = &Entries(), .index = 0});
  const auto counters = (*snapshot)->Scan({.table = &Counters()});
  ASSERT_TRUE(entries.ok() && by_writer.ok() && counters.ok());
  EXPECT_EQ(by_writer->size(), entries->size());
  // Positions without gaps, in pairs of one writer.
  ASSERT_EQ(static_cast<Position>(entries->size()), store.LastPosition());
  std::map<int64_t, int64_t> found;
  std::map<int64_t, int64_t> batches;
  for (size_t i = 0; i < entries->size(); ++i) {
    const Row& entry = (*entries)[i];
    const int64_t number = CellInt(entry[0]);
    const int64_t writer = CellInt(entry[1]);
    ASSERT_EQ(number, static_cast<int64_t>(i) + 1);
    ASSERT_EQ(CellText(entry[2]), BodyOf(writer));
    if (number % 2 == 0) {
      ASSERT_EQ(writer, CellInt((*entries)[i - 1][1])) << "half a batch";
      ++batches[writer];
    }
    found[number] = writer;
  }
  for (const Row& counter : *counters) {
    ASSERT_EQ(CellInt(counter[1]), batches[CellInt(counter[0])])
        << "the counter of writer " << CellInt(counter[0]);
  }
  for (const auto& [number, writer] : acknowledged) {
    ASSERT_EQ(found.count(number), 1u) << number << " was acknowledged";
    ASSERT_EQ(found[number], writer);
  }
}

TEST(SqliteCrashTest, KeepsWhatWasAcknowledged) {
  constexpr uint64_t kSeed = 5;
  const auto random = NewSeededRandom(kSeed);
  const TestDirectory directory;
  const std::string path = directory.File("store.db");
  std::map<int64_t, int64_t> acknowledged;
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + " round " +
                 std::to_string(round));
    SqliteOptions options;
    options.wal_bytes = 64 << 10;  // So that kills hit checkpoints too.
    if (round % 2 == 1) {
      options.synchronous = SqliteOptions::Synchronous::kNormal;
    }
    for (const Acknowledged& told :
         RunAndKill(path, random->Below(200), options)) {
      acknowledged[told.number] = told.writer;
    }
    if (round % 4 != 3) continue;  // The next child recovers just as well.
    const auto store = OpenSqliteStore(path, TestSchema(), options);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    Verify(**store, acknowledged);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(acknowledged.size(), 1'000u);
}

// Killed while it makes the database, again and again: the next one either
// finds nothing or finds it made.
TEST(SqliteCrashTest, CanBeKilledWhileTheDatabaseIsMade) {
  for (int round = 0; round < 30; ++round) {
    const TestDirectory directory;
    const std::string path = directory.File("store.db");
    const pid_t child = fork();
    if (child == 0) {
      kill(getppid(), 0);
      const auto opened = OpenSqliteStore(path, TestSchema());
      _exit(opened.ok() ? 0 : 1);
    }
    for (int spin = 0; spin < round * 20; ++spin) std::this_thread::yield();
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    const auto store = OpenSqliteStore(path, TestSchema());
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    EXPECT_TRUE((*store)->Commit(PutEntry(1)).ok());
  }
}

// Killed while a new version changes the tables: the next one finds all of the
// old version or all of the new one, and the same rows.
TEST(SqliteCrashTest, CanBeKilledWhileTablesAreChanged) {
  constexpr int64_t kEntries = 8'000;
  Schema newer = TestSchema();
  newer.version = 2;
  newer.tables[0].columns.push_back({"size", ColumnType::kInt64, true});
  newer.tables[0].added_columns = {{.column = 3, .since = 2}};
  newer.tables[0].indexes.push_back({"body", {2}});
  newer.tables[0].added_indexes = {{.index = 1, .since = 2}};
  newer.tables.push_back(
      {.name = "notes",
       .columns = {{"number", ColumnType::kInt64}, {"text", ColumnType::kText}},
       .since = 2});
  const TestDirectory directory;
  const std::string made = directory.File("made.db");
  {
    const auto store = OpenSqliteStore(made, TestSchema());
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    WriteBatch batch;
    for (int64_t number = 1; number <= kEntries; ++number) {
      batch.NewPosition();
      batch.InsertRow(Entries(), {number, int64_t{1}, BodyOf(number)});
    }
    ASSERT_TRUE((*store)->Commit(std::move(batch)).ok());
    (*store)->Close();
  }
  int finished = 0;
  for (int round = 0; round < 30; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const std::string path = directory.File("store.db");
    for (const char* suffix : {"", "-wal", "-shm", "-lock"}) {
      unlink((path + suffix).c_str());
    }
    std::filesystem::copy_file(made, path);
    const pid_t child = fork();
    if (child == 0) {
      const auto opened = OpenSqliteStore(path, newer);
      _exit(opened.ok() ? 0 : 1);
    }
    for (int spin = 0; spin < round * 4'000; ++spin) std::this_thread::yield();
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) {
      ASSERT_EQ(WEXITSTATUS(status), 0);
      ++finished;
    }
    const auto store = OpenSqliteStore(path, newer);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    const auto snapshot = (*store)->NewSnapshot();
    ASSERT_TRUE(snapshot.ok());
    const auto entries =
        (*snapshot)->Scan({.table = &newer.tables[0], .limit = 100'000});
    const auto by_body = (*snapshot)->Scan(
        {.table = &newer.tables[0], .index = 1, .limit = 100'000});
    ASSERT_TRUE(entries.ok() && by_body.ok());
    ASSERT_EQ(entries->size(), static_cast<size_t>(kEntries));
    ASSERT_EQ(by_body->size(), static_cast<size_t>(kEntries));
    EXPECT_EQ(CellText((*entries)[77][2]), BodyOf(78));
    EXPECT_TRUE(IsNull((*entries)[77][3]));
  }
  EXPECT_LT(finished, 30) << "no kill came in time";
}

}  // namespace
}  // namespace matrixcore
