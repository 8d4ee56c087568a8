// The file as a whole: copying, checking, measuring and rewriting it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/random.h"
#include "sqlite/sqlite_test_schema_test.h"
#include "sqlite/test_directory_test.h"
#include "sqlite/test_files_test.h"

namespace matrixcore {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
namespace fs = std::filesystem;

class SqliteToolsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> MustOpen(const std::string& path) {
    auto store = OpenSqliteStore(path, TestSchema());
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return store.ok() ? *std::move(store) : nullptr;
  }
  // A database of entries 0 to count - 1.
  void Make(int64_t count) {
    const auto store = MustOpen(path_);
    ASSERT_NE(store, nullptr);
    for (int64_t i = 0; i < count; ++i) {
      ASSERT_TRUE(store->Commit(PutEntry(i, std::string(500, 'b'))).ok());
    }
  }
  void DeleteEntries() {
    WriteBatch batch;
    batch.DeleteRows(Entries(), {});
    ASSERT_TRUE(MustOpen(path_)->Commit(std::move(batch)).ok());
  }
  std::vector<std::string> Problems() {
    const auto problems = VerifySqlite(path_, TestSchema());
    if (problems.ok()) return *problems;
    return {problems.status().ToString()};
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  const TestDirectory directory_;
  const std::string path_ = directory_.File("store.db");
  const std::string copy_ = directory_.File("copy.db");
};

// --- Backup ---

TEST_F(SqliteToolsTest, ACopyIsOneFileForOneUser) {
  Make(200);
  const auto info = BackUpSqlite(path_, copy_);
  ASSERT_TRUE(info.ok()) << info.status().ToString();
  EXPECT_EQ(info->position, 200);
  EXPECT_EQ(info->schema_version, 1u);
  EXPECT_EQ(info->bytes, fs::file_size(copy_));
  EXPECT_THAT(Names(), ElementsAre("copy.db", "store.db", "store.db-lock"));
  struct stat file {};
  ASSERT_EQ(stat(copy_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  // Readable where nothing can be written beside it: it has no log.
  EXPECT_EQ(Shell(copy_).Ask("PRAGMA journal_mode"), "delete");
  EXPECT_EQ(CountEntries(*MustOpen(copy_)), 200u);
}

TEST_F(SqliteToolsTest, CopiesOneMomentWhileAServerWrites) {
  Make(500);
  const auto server = MustOpen(path_);
  std::atomic<bool> stop{false};
  std::atomic<int64_t> written{0};
  std::thread writer([&] {
    // Two rows of one batch, that must be there together.
    for (int64_t i = 0; !stop; ++i) {
      WriteBatch batch;
      batch.NewPosition();
      batch.PutRow(Entries(), {1'000'000 + i, int64_t{1}, std::string("x")});
      batch.PutRow(Counters(), {int64_t{1}, i + 1});
      if (server->Commit(std::move(batch)).ok()) written = i + 1;
    }
  });
  while (written < 10) std::this_thread::yield();
  int64_t during = 0;
  const auto info = BackUpSqlite(path_, copy_, [&](uint64_t, uint64_t) {
    // The writer goes on in the middle of the copy.
    const int64_t before = written;
    while (written < before + 5) std::this_thread::yield();
    ++during;
  });
  stop = true;
  writer.join();
  ASSERT_TRUE(info.ok()) << info.status().ToString();
  EXPECT_GT(during, 0);
  const auto copy = MustOpen(copy_);
  ASSERT_NE(copy, nullptr);
  auto snapshot = copy->NewSnapshot();
  ASSERT_TRUE(snapshot.ok());
  const int64_t counted =
      CellInt((*(*snapshot)->Get(Counters(), {int64_t{1}}))->at(1));
  EXPECT_EQ(CountEntries(*copy), 500u + static_cast<size_t>(counted));
  EXPECT_EQ((*snapshot)->position(), info->position);
  EXPECT_LT(info->position, server->LastPosition());
}

TEST_F(SqliteToolsTest, ReportsHowFarACopyIs) {
  Make(10'000);
  std::vector<uint64_t> done;
  uint64_t whole = 0;
  ASSERT_TRUE(BackUpSqlite(path_, copy_, [&](uint64_t d, uint64_t t) {
                done.push_back(d);
                whole = t;
              }).ok());
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_GT(done.size(), 3u);
  EXPECT_EQ(done.back(), whole);
  EXPECT_EQ(whole, fs::file_size(copy_));
}

TEST_F(SqliteToolsTest, NeverOverwrites) {
  Make(1);
  WriteFile(copy_, "precious");
  const Status status = BackUpSqlite(path_, copy_).status();
  EXPECT_EQ(status.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(status.message(), HasSubstr(copy_));
  EXPECT_EQ(ReadFile(copy_), "precious");
}

TEST_F(SqliteToolsTest, ReplacesWhatABrokenOffCopyLeft) {
  Make(5);
  WriteFile(copy_ + "-draft", std::string(100'000, 'x'));
  WriteFile(copy_ + "-draft-wal", "y");
  ASSERT_TRUE(BackUpSqlite(path_, copy_).ok());
  EXPECT_THAT(Names(), ElementsAre("copy.db", "store.db", "store.db-lock"));
  EXPECT_EQ(CountEntries(*MustOpen(copy_)), 5u);
}

TEST_F(SqliteToolsTest, LeavesNothingWhenItCannotCopy) {
  EXPECT_EQ(BackUpSqlite(path_, copy_).status().code(),
            StatusCode::kUnavailable);
  Make(1);
  const Status status =
      BackUpSqlite(path_, directory_.File("no/copy.db")).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("no/"));
  EXPECT_THAT(Names(), ElementsAre("store.db", "store.db-lock"));
}

TEST_F(SqliteToolsTest, DoesNotCopyWhatIsNotOurs) {
  Shell(path_).Run("CREATE TABLE notes (text)");
  EXPECT_EQ(BackUpSqlite(path_, copy_).status().code(),
            StatusCode::kFailedPrecondition);
  WriteFile(path_, std::string(9000, 'x'));
  EXPECT_EQ(BackUpSqlite(path_, copy_).status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(Names(), ElementsAre("store.db"));
}

// --- Restore ---

TEST_F(SqliteToolsTest, RestoresWithALogThatGoesOnLater) {
  Make(3);
  ASSERT_TRUE(BackUpSqlite(path_, copy_).ok());
  const std::string before = ReadFile(copy_);
  const std::string again = directory_.File("again.db");
  const auto info =
      RestoreSqlite(copy_, again, TestSchema(),
                    {.skip_to = 1000, .prepare = [](Store& store) {
                       EXPECT_EQ(store.LastPosition(), 1000);
                       return store.Commit(PutEntry(77, "prepared")).status();
                     }});
  ASSERT_TRUE(info.ok()) << info.status().ToString();
  EXPECT_EQ(info->position, 3);
  EXPECT_EQ(ReadFile(copy_), before);
  EXPECT_THAT(Names(), ElementsAre("again.db", "again.db-lock", "copy.db",
                                   "store.db", "store.db-lock"));
  const auto store = MustOpen(again);
  EXPECT_EQ(CountEntries(*store), 4u);
  EXPECT_EQ(store->LastPosition(), 1001);
}

TEST_F(SqliteToolsTest, NoServerOpensHalfOfWhatIsRestored) {
  Make(3);
  ASSERT_TRUE(BackUpSqlite(path_, copy_).ok());
  const std::string again = directory_.File("again.db");
  const auto open = [&] {
    return OpenSqliteStore(again, TestSchema()).status();
  };
  // Not meanwhile, and not when the restoring process dies.
  const pid_t child = fork();
  if (child == 0) {
    const auto die = [&](Store&) {
      _exit(open().code() == StatusCode::kUnavailable ? 0 : 1);
      return OkStatus();
    };
    (void)RestoreSqlite(copy_, again, TestSchema(), {.prepare = die});
    _exit(2);
  }
  int result = 1;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_EQ(result, 0);
  EXPECT_EQ(open().code(), StatusCode::kDataLoss);
  EXPECT_THAT(open().message(), HasSubstr("the file is gone, but"));
  EXPECT_FALSE(fs::exists(again));
  ASSERT_TRUE(RestoreSqlite(copy_, again, TestSchema(), {}).ok());
  EXPECT_EQ(open(), OkStatus());
}

TEST_F(SqliteToolsTest, LeavesNothingWhenItCannotRestore) {
  Make(3);
  ASSERT_TRUE(BackUpSqlite(path_, copy_).ok());
  const Status failed =
      RestoreSqlite(copy_, directory_.File("again.db"), TestSchema(),
                    {.prepare =
                         [](Store&) {
                           return Status(StatusCode::kUnavailable,
                                         "broken off");
                         }})
          .status();
  EXPECT_EQ(failed.message(), "broken off");
  EXPECT_THAT(Names(), ElementsAre("copy.db", "store.db", "store.db-lock"));
}

TEST_F(SqliteToolsTest, DoesNotRestoreOverADatabaseNorFromANewerProgram) {
  Make(3);
  ASSERT_TRUE(BackUpSqlite(path_, copy_).ok());
  EXPECT_EQ(RestoreSqlite(copy_, path_, TestSchema(), {}).status().code(),
            StatusCode::kAlreadyExists);
  Shell(copy_).Run("INSERT INTO mc_schema VALUES (2, 0)");
  const std::string again = directory_.File("again.db");
  const Status status = RestoreSqlite(copy_, again, TestSchema(), {}).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("use that program"));
  EXPECT_THAT(Names(), ElementsAre("copy.db", "store.db", "store.db-lock"));
}

// --- Verify ---

TEST_F(SqliteToolsTest, FindsNothingWrongBesideAServer) {
  Make(100);
  const auto server = MustOpen(path_);
  ASSERT_TRUE(server->Commit(PutEntry(1000)).ok());
  uint64_t last = 0;
  uint64_t whole = 0;
  const auto problems =
      VerifySqlite(path_, TestSchema(), [&](uint64_t done, uint64_t total) {
        EXPECT_GE(done, last);
        last = done;
        whole = total;
      });
  ASSERT_TRUE(problems.ok());
  EXPECT_THAT(*problems, IsEmpty());
  EXPECT_GT(whole, 0u);
  EXPECT_EQ(last, whole);
}

TEST_F(SqliteToolsTest, FindsAnIndexThatDoesNotFitItsTable) {
  Make(100);
  {
    Shell shell(path_);
    // Entries vanish from the index only.
    shell.Run("PRAGMA writable_schema=ON");
    shell.Run(
        "UPDATE sqlite_schema SET sql=replace(sql, '(\"writer\")', "
        "'(\"writer\") WHERE 0') WHERE name='entries.writer'");
  }
  {
    Shell shell(path_);
    shell.Run("REINDEX \"entries.writer\"");
    shell.Run("PRAGMA writable_schema=ON");
    shell.Run(
        "UPDATE sqlite_schema SET sql=replace(sql, ' WHERE 0', '') "
        "WHERE name='entries.writer'");
  }
  EXPECT_THAT(Problems(), Contains(HasSubstr("missing from index")));
}

// Whatever page is damaged, it is found out.
TEST_F(SqliteToolsTest, FindsDamagedPages) {
  Make(60);
  const std::string whole = ReadFile(path_);
  const size_t pages = whole.size() / 4096;
  const auto random = NewSeededRandom(5);
  for (size_t page = 0; page < pages; ++page) {
    std::string bytes = whole;
    const size_t at = page * 4096 + (page == 0 ? 100 : 0);
    // The head of the page and its list of cells.
    for (size_t i = 0; i < 12; ++i) {
      bytes[at + i] = static_cast<char>(random->Below(256));
    }
    WriteFile(path_, bytes);
    EXPECT_THAT(Problems(), Not(IsEmpty())) << "page " << page;
  }
  for (const size_t size : {whole.size() - 4096, whole.size() / 2}) {
    WriteFile(path_, whole.substr(0, size));
    EXPECT_THAT(Problems(), Not(IsEmpty())) << size;
  }
  WriteFile(path_, whole);
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(SqliteToolsTest, RefusesToVerifyOtherVersions) {
  Make(1);
  Shell(path_).Run("INSERT INTO mc_schema VALUES (2, 0)");
  EXPECT_EQ(VerifySqlite(path_, TestSchema()).status().code(),
            StatusCode::kFailedPrecondition);
}

// --- Vacuum ---

TEST_F(SqliteToolsTest, GivesRoomBack) {
  Make(2000);
  DeleteEntries();
  const uint64_t before = fs::file_size(path_);
  const auto info = InspectSqlite(path_);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->bytes, before);
  EXPECT_GT(info->free_bytes, before / 2);
  uint64_t whole = 0;
  const auto vacuumed =
      VacuumSqlite(path_, [&](uint64_t, uint64_t total) { whole = total; });
  ASSERT_TRUE(vacuumed.ok()) << vacuumed.status().ToString();
  EXPECT_EQ(vacuumed->bytes_before, before);
  EXPECT_EQ(vacuumed->bytes_after, fs::file_size(path_));
  EXPECT_LT(vacuumed->bytes_after, before / 10);
  EXPECT_THAT(Names(), ElementsAre("store.db", "store.db-lock"));
  struct stat file {};
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  const auto store = MustOpen(path_);
  EXPECT_EQ(store->LastPosition(), 2000);
  EXPECT_EQ(store->Commit(PutEntry(1)).value().first, 2001);
}

TEST_F(SqliteToolsTest, KeepsWhatAKilledServerLeftInTheLog) {
  Make(10);
  {
    const auto server = MustOpen(path_);
    ASSERT_TRUE(server->Commit(PutEntry(10)).ok());
    fs::create_directory(directory_.File("killed"));
    for (const char* suffix : {"", "-wal", "-lock"}) {
      fs::copy_file(path_ + suffix,
                    directory_.File(std::string("killed/store.db") + suffix));
    }
  }
  const std::string killed = directory_.File("killed/store.db");
  ASSERT_TRUE(VacuumSqlite(killed).ok());
  EXPECT_FALSE(fs::exists(killed + "-wal"));
  EXPECT_EQ(CountEntries(*MustOpen(killed)), 11u);
}

TEST_F(SqliteToolsTest, DoesNotVacuumUnderAServer) {
  Make(10);
  const auto server = MustOpen(path_);
  const Status status = VacuumSqlite(path_).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr(path_), HasSubstr("stop it first")));
  EXPECT_TRUE(server->Commit(PutEntry(11)).ok());
}

TEST_F(SqliteToolsTest, DoesNotVacuumUnderAReader) {
  Make(10);
  const auto reader = OpenSqliteStoreReadOnly(path_, TestSchema());
  ASSERT_TRUE(reader.ok());
  auto snapshot = (*reader)->NewSnapshot();
  ASSERT_TRUE(snapshot.ok());
  const Status status = VacuumSqlite(path_).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("another program holds its lock"));
  snapshot = Status(StatusCode::kUnavailable, "let go");
  EXPECT_EQ(CountEntries(**reader), 10u);
}

TEST_F(SqliteToolsTest, DoesNotVacuumDamage) {
  Make(200);
  std::string bytes = ReadFile(path_);
  const std::string page = Shell(path_).Ask(
      "SELECT rootpage FROM sqlite_schema WHERE name='entries'");
  bytes.replace((std::stoul(page) - 1) * 4096 + 8, 40, std::string(40, '\xff'));
  WriteFile(path_, bytes);
  EXPECT_EQ(VacuumSqlite(path_).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(ReadFile(path_).substr(4096), bytes.substr(4096));
}

// --- Measure ---

TEST_F(SqliteToolsTest, MeasuresTablesAndIndexes) {
  Make(300);
  const auto trees = MeasureSqlite(path_);
  if (trees.status().code() == StatusCode::kUnsupported) GTEST_SKIP();
  ASSERT_TRUE(trees.ok()) << trees.status().ToString();
  uint64_t bytes = 0;
  bool index = false;
  for (const SqliteTreeInfo& tree : *trees) {
    bytes += tree.bytes;
    if (tree.table == "entries") {
      EXPECT_EQ(tree.entries, 300u) << tree.index;
    }
    index |= tree.table == "entries" && tree.index == "writer";
  }
  EXPECT_TRUE(index);
  EXPECT_EQ(bytes, fs::file_size(path_));
  EXPECT_EQ(trees->front().table, "entries");
  EXPECT_EQ(trees->front().index, "");
  EXPECT_GT(trees->front().bytes, 300u * 500);
}

TEST_F(SqliteToolsTest, FindsTheLargestGroups) {
  const TableSpec table{.name = "notes",
                        .columns = {{"room", ColumnType::kInt64},
                                    {"number", ColumnType::kInt64},
                                    {"body", ColumnType::kText, true}},
                        .key_columns = 2};
  {
    auto store = OpenSqliteStore(path_, {{table}, 1});
    ASSERT_TRUE(store.ok());
    WriteBatch batch;
    // Room r has r rows; room 2 has the most bytes.
    for (int64_t room = 1; room <= 5; ++room) {
      for (int64_t i = 0; i < room; ++i) {
        batch.PutRow(table, {room, i, std::string(room == 2 ? 1000 : 10, 'x')});
      }
    }
    batch.PutRow(table, {int64_t{5}, int64_t{9}, {}});
    ASSERT_TRUE((*store)->Commit(std::move(batch)).ok());
  }
  uint64_t rows = 0;
  const auto groups = LargestSqliteGroups(
      path_, table, 2, [&](uint64_t done, uint64_t) { rows = done; });
  ASSERT_TRUE(groups.ok()) << groups.status().ToString();
  EXPECT_EQ(rows, 16u);
  ASSERT_EQ(groups->size(), 3u);
  EXPECT_EQ((*groups)[0].key, Cell(int64_t{2}));
  EXPECT_EQ((*groups)[0].bytes, 2000u);
  EXPECT_EQ((*groups)[1].key, Cell(int64_t{5}));
  EXPECT_EQ((*groups)[1].rows, 6u);
  EXPECT_EQ((*groups)[1].bytes, 50u);
  EXPECT_EQ((*groups)[2].key, Cell(int64_t{4}));
}

}  // namespace
}  // namespace matrixcore
