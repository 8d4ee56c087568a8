// Opening, closing, refusing: what the suite of all stores cannot know.
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
#include <utility>
#include <vector>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/random.h"
#include "sqlite/sqlite_test_schema_test.h"
#include "sqlite/test_directory_test.h"
#include "sqlite/test_files_test.h"

namespace matrixcore {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class SqliteStoreTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Store>> Open(const SqliteOptions& options = {},
                                      const Schema& schema = TestSchema()) {
    return OpenSqliteStore(path_, schema, options);
  }
  std::unique_ptr<Store> MustOpen(const SqliteOptions& options = {}) {
    auto store = Open(options);
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return store.ok() ? *std::move(store) : nullptr;
  }
  // A database of `count` entries, closed in order.
  void Make(int64_t count) {
    const auto store = MustOpen();
    ASSERT_NE(store, nullptr);
    for (int64_t i = 0; i < count; ++i) {
      ASSERT_TRUE(store->Commit(PutEntry(i, std::string(500, 'b'))).ok());
    }
  }
  void ExpectRefused(StatusCode code, const std::string& what,
                     const SqliteOptions& options = {}) {
    const Status status = Open(options).status();
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_THAT(status.message(), AllOf(HasSubstr(path_), HasSubstr(what)));
  }

  const TestDirectory directory_;
  const std::string path_ = directory_.File("store.db");
};

TEST_F(SqliteStoreTest, CountsThePagesThatItsCachesHadAndHadNot) {
  Make(2000);
  SqlitePageCounts pages;
  const auto store = MustOpen({.page_counts = &pages});
  const auto read = [&] {
    pages.hits = pages.misses = 0;
    const auto snapshot = store->NewSnapshot().value();
    for (int64_t i = 0; i < 200; ++i) {
      EXPECT_TRUE(snapshot->Get(Entries(), {Cell(i)}).value().has_value());
    }
  };
  read();
  EXPECT_GE(pages.misses, 20u);  // 4 KiB a page, 500 bytes an entry.
  read();
  EXPECT_EQ(pages.misses, 0u);
  EXPECT_GE(pages.hits, 200u);
  pages.hits = pages.misses = 0;
  ASSERT_TRUE(store->Commit(PutEntry(1, "new")).ok());
  EXPECT_GT(pages.hits + pages.misses, 0u);
}

TEST_F(SqliteStoreTest, KeepsItsFilesFromOtherUsers) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Commit(PutEntry(1)).ok());
  for (const char* suffix : {"", "-wal", "-shm", "-lock"}) {
    struct stat info {};
    ASSERT_EQ(stat((path_ + suffix).c_str(), &info), 0) << suffix;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << suffix;
  }
}

TEST_F(SqliteStoreTest, LeavesOneFileWithEverythingWhenClosed) {
  Make(10);
  EXPECT_FALSE(fs::exists(path_ + "-wal"));
  EXPECT_FALSE(fs::exists(path_ + "-shm"));
  Shell shell(path_);
  EXPECT_EQ(shell.Ask("SELECT count(*) FROM entries"), "10");
  EXPECT_EQ(shell.Ask("SELECT position FROM mc_log"), "10");
  EXPECT_EQ(shell.Ask("SELECT version FROM mc_schema"), "1");
  EXPECT_EQ(shell.Ask("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteStoreTest, CanBeReadByOthersWhileInUse) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Commit(PutEntry(1, "hello")).ok());
  Shell shell(path_);
  EXPECT_EQ(shell.Ask("SELECT body FROM entries"), "hello");
  ASSERT_TRUE(store->Commit(PutEntry(2, "world")).ok());
  EXPECT_EQ(shell.Ask("SELECT count(*) FROM entries"), "2");
}

TEST_F(SqliteStoreTest, IsOpenOnce) {
  auto store = MustOpen();
  ExpectRefused(
      StatusCode::kUnavailable,
      "a server is running on it (process " + std::to_string(getpid()));
  // In another process too.
  const pid_t child = fork();
  if (child == 0) {
    const Status status = Open().status();
    _exit(status.code() == StatusCode::kUnavailable ? 0 : 1);
  }
  int result = 1;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  EXPECT_EQ(result, 0);
  EXPECT_TRUE(store->Commit(PutEntry(1)).ok());
  store->Close();
  EXPECT_NE(MustOpen(), nullptr);
}

TEST_F(SqliteStoreTest, WaitsForAnotherProgramAndThenSaysSo) {
  const auto store = MustOpen({.busy_timeout = milliseconds(20)});
  Shell shell(path_);
  shell.Run("BEGIN IMMEDIATE");
  const auto refused = store->Commit(PutEntry(1));
  EXPECT_EQ(refused.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(refused.status().message(),
              AllOf(HasSubstr(path_), HasSubstr("another program holds")));
  EXPECT_EQ(store->Check().code(), StatusCode::kUnavailable);
  shell.Run("COMMIT");
  EXPECT_EQ(store->Check(), OkStatus());
  EXPECT_EQ(store->Commit(PutEntry(1)).value().first, 1);
}

TEST_F(SqliteStoreTest, RefusesOptionsThatCannotBe) {
  EXPECT_EQ(OpenSqliteStore("", TestSchema()).status().code(),
            StatusCode::kInvalidArgument);
  ExpectRefused(StatusCode::kInvalidArgument, "readers", {.readers = 0});
  ExpectRefused(StatusCode::kInvalidArgument, "page_bytes",
                {.page_bytes = 1000});
  Schema schema = TestSchema();
  schema.tables[0].key_columns = 0;
  EXPECT_EQ(Open({}, schema).status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(SqliteStoreTest, NamesADirectoryThatIsNotThere) {
  const auto store =
      OpenSqliteStore(directory_.File("no/store.db"), TestSchema());
  EXPECT_EQ(store.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(store.status().message(),
              AllOf(HasSubstr("no/store.db"), HasSubstr("directory exists")));
}

TEST_F(SqliteStoreTest, RefusesAFileThatIsNoDatabase) {
  const std::string text(5000, 'x');
  WriteFile(path_, text);
  ExpectRefused(StatusCode::kDataLoss, "no SQLite database");
  EXPECT_EQ(ReadFile(path_), text);
}

TEST_F(SqliteStoreTest, RefusesTheDatabaseOfAnotherProgram) {
  {
    Shell shell(path_);
    shell.Run("CREATE TABLE notes (text)");
  }
  const std::string before = ReadFile(path_);
  ExpectRefused(StatusCode::kFailedPrecondition, "another program");
  EXPECT_EQ(ReadFile(path_), before);
}

TEST_F(SqliteStoreTest, RefusesWhatANewerProgramMade) {
  Make(1);
  {
    Shell shell(path_);
    shell.Run("PRAGMA user_version=2");
  }
  const std::string before = ReadFile(path_);
  ExpectRefused(StatusCode::kFailedPrecondition, "a newer program made it");
  EXPECT_EQ(ReadFile(path_), before);
  {
    Shell shell(path_);
    shell.Run("PRAGMA user_version=1; INSERT INTO mc_schema VALUES (2, 0)");
  }
  ExpectRefused(StatusCode::kFailedPrecondition,
                "schema version 2, this program knows 1");
}

TEST_F(SqliteStoreTest, NoticesTablesThatAreNotThoseOfTheVersion) {
  Make(1);
  Schema schema = TestSchema();
  schema.tables[0].columns.push_back({"extra", ColumnType::kText, true});
  Status status = Open({}, schema).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(),
              HasSubstr("column entries.extra is missing instead of TEXT"));
  schema = TestSchema();
  schema.tables[0].indexes[0].unique = true;
  status = Open({}, schema).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("index entries.writer is CREATE"));
}

TEST_F(SqliteStoreTest, LeavesAloneWhatAnOperatorAdded) {
  Make(1);
  {
    Shell shell(path_);
    shell.Run("CREATE INDEX my_index ON entries (body)");
    shell.Run("CREATE TABLE my_notes (text)");
  }
  ASSERT_NE(MustOpen(), nullptr);
  Shell shell(path_);
  EXPECT_EQ(shell.Ask("SELECT count(*) FROM my_notes"), "0");
}

TEST_F(SqliteStoreTest, AMigrationThatFailsChangesNothing) {
  {
    const auto store = MustOpen();
    for (const int64_t i : {1, 2}) {
      ASSERT_TRUE(store->Commit(PutEntry(i)).ok());
    }
  }
  // Both entries have the same body.
  Schema schema = TestSchema();
  schema.version = 2;
  schema.tables[0].columns.push_back({"note", ColumnType::kText, true});
  schema.tables[0].added_columns = {{3, 2}};
  schema.tables[0].indexes.push_back({"body", {2}, true});
  schema.tables[0].added_indexes = {{1, 2}};
  const Status status = Open({}, schema).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("from version 1 to 2"));
  const auto store = MustOpen();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(CountEntries(*store), 2u);
}

TEST_F(SqliteStoreTest, TellsOfATruncatedFile) {
  Make(200);
  const std::string whole = ReadFile(path_);
  for (const size_t size : {whole.size() / 2, size_t{4096}, size_t{100}}) {
    WriteFile(path_, whole.substr(0, size));
    const Status status = Open().status();
    EXPECT_EQ(status.code(), StatusCode::kDataLoss)
        << size << ": " << status.ToString();
    EXPECT_THAT(status.message(), AllOf(HasSubstr(path_), HasSubstr("backup")));
  }
  WriteFile(path_, "");
  ExpectRefused(StatusCode::kDataLoss, "the file is empty, but");
  fs::remove(path_);
  ExpectRefused(StatusCode::kDataLoss, "the file is gone, but");
  EXPECT_FALSE(fs::exists(path_));
  // An intact file works again.
  WriteFile(path_, whole);
  const auto store = MustOpen();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(CountEntries(*store), 200u);
}

TEST_F(SqliteStoreTest, ChecksTheFileAfterAnUncleanStop) {
  Make(200);
  // Damage that opening alone does not meet: in a page of the entries' index.
  std::string bytes = ReadFile(path_);
  std::string page_number;
  {
    Shell shell(path_);
    page_number = shell.Ask(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'entries.writer'");
  }
  const size_t page = (std::stoul(page_number) - 1) * 4096;
  bytes.replace(page + 8, 40, std::string(40, '\xff'));
  WriteFile(path_, bytes);
  {
    const auto after_clean_stop = Open();
    EXPECT_TRUE(after_clean_stop.ok());
  }
  WriteFile(path_ + "-lock", "process 1\n");
  ExpectRefused(StatusCode::kDataLoss, "the file is damaged");
  // A large file is in use while it is checked.
  const auto store = MustOpen({.check_at_open_bytes = 1000});
  ASSERT_NE(store, nullptr);
  Status status;
  while ((status = store->Check()).ok()) {
  }
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
}

// Whatever bit is wrong, the store works or says what is wrong.
TEST_F(SqliteStoreTest, SurvivesFlippedBits) {
  Make(60);
  const std::string whole = ReadFile(path_);
  const auto random = NewSeededRandom(11);
  int noticed = 0;
  for (int round = 0; round < 60; ++round) {
    std::string bytes = whole;
    // Half of them in the first page, where the schema is.
    const uint64_t range = round % 2 == 0 ? 4096 : bytes.size();
    for (int flips = 0; flips < 4; ++flips) {
      bytes[random->Below(range)] ^= static_cast<char>(1 << random->Below(8));
    }
    WriteFile(path_, bytes);
    WriteFile(path_ + "-lock", round % 3 == 0 ? "process 1\n" : "stopped\n");
    fs::remove(path_ + "-wal");
    fs::remove(path_ + "-shm");
    auto store = Open();
    if (!store.ok()) {
      ++noticed;
      EXPECT_THAT(store.status().message(), HasSubstr(path_));
      EXPECT_NE(store.status().code(), StatusCode::kInvalidArgument);
      continue;
    }
    const auto snapshot = (*store)->NewSnapshot();
    if (!snapshot.ok()) continue;
    for (const bool descending : {false, true}) {
      const auto rows =
          (*snapshot)->Scan({.table = &Entries(), .descending = descending});
      if (!rows.ok()) {
        EXPECT_THAT(rows.status().message(), HasSubstr(path_));
      }
    }
    (void)(*store)->Commit(PutEntry(1'000 + round));
  }
  EXPECT_GT(noticed, 10);
}

TEST_F(SqliteStoreTest, TheLogStaysShort) {
  const auto store =
      MustOpen({.synchronous = SqliteOptions::Synchronous::kNormal,
                .wal_bytes = 256 << 10});
  uintmax_t longest = 0;
  const auto write = [&](int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      ASSERT_TRUE(
          store->Commit(PutEntry(i % 500, std::string(2000, 'x'))).ok());
      longest = std::max(longest, fs::file_size(path_ + "-wal"));
    }
  };
  write(3000);
  EXPECT_LT(longest, 8u * (256 << 10));
  // A reader holds on to the log; afterwards it gets short again.
  auto snapshot = store->NewSnapshot();
  write(300);
  snapshot = Status(StatusCode::kUnavailable, "let go");
  write(500);
  longest = 0;
  write(1500);
  EXPECT_LT(longest, 8u * (256 << 10));
}

TEST_F(SqliteStoreTest, ASnapshotOutlivesClose) {
  const auto store = MustOpen();
  ASSERT_TRUE(store->Commit(PutEntry(1)).ok());
  auto snapshot = store->NewSnapshot();
  ASSERT_TRUE(snapshot.ok());
  store->Close();
  EXPECT_TRUE((*(*snapshot)->Get(Entries(), {int64_t{1}})).has_value());
}

TEST_F(SqliteStoreTest, MoreSnapshotsThanReadersWait) {
  const auto store = MustOpen({.readers = 2});
  auto first = store->NewSnapshot();
  auto second = store->NewSnapshot();
  ASSERT_TRUE(first.ok() && second.ok());
  std::atomic<bool> got{false};
  std::thread third([&] {
    const auto snapshot = store->NewSnapshot();
    got = snapshot.ok();
  });
  // Writers do not wait for readers.
  EXPECT_TRUE(store->Commit(PutEntry(1)).ok());
  EXPECT_FALSE(got);
  second = Status(StatusCode::kUnavailable, "let go");
  third.join();
  EXPECT_TRUE(got);
}

}  // namespace
}  // namespace matrixcore
