// Reading beside a server, or behind it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "matrixcore/backends/sqlite.h"
#include "sqlite/sqlite_test_schema_test.h"
#include "sqlite/test_directory_test.h"
#include "sqlite/test_files_test.h"

namespace matrixcore {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class SqliteReadOnlyTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> MustOpen() {
    auto store = OpenSqliteStore(path_, TestSchema());
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return store.ok() ? *std::move(store) : nullptr;
  }
  std::unique_ptr<Store> MustOpenReadOnly() {
    auto store = OpenSqliteStoreReadOnly(path_, TestSchema());
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return store.ok() ? *std::move(store) : nullptr;
  }
  void ExpectRefused(StatusCode code, const std::string& what,
                     const Schema& schema = TestSchema()) {
    const Status status = OpenSqliteStoreReadOnly(path_, schema).status();
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_THAT(status.message(), AllOf(HasSubstr(path_), HasSubstr(what)));
  }
  // A database with one entry whose server was killed: the log is left behind.
  void MakeAndKill() {
    const pid_t child = fork();
    if (child == 0) {
      const auto store = OpenSqliteStore(path_, TestSchema());
      const bool ok = store.ok() && (*store)->Commit(PutEntry(1, "first")).ok();
      _exit(ok ? 0 : 1);
    }
    int result = 1;
    ASSERT_EQ(waitpid(child, &result, 0), child);
    ASSERT_EQ(result, 0);
  }
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      files[entry.path().filename()] = ReadFile(entry.path());
    }
    return files;
  }

  const TestDirectory directory_;
  const std::string path_ = directory_.File("store.db");
};

TEST_F(SqliteReadOnlyTest, SeesWhatAServerCommits) {
  const auto server = MustOpen();
  ASSERT_TRUE(server->Commit(PutEntry(1)).ok());
  const auto reader = MustOpenReadOnly();
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(CountEntries(*reader), 1u);
  EXPECT_EQ(reader->LastPosition(), 1);
  ASSERT_TRUE(server->Commit(PutEntry(2)).ok());
  EXPECT_EQ(CountEntries(*reader), 2u);
  EXPECT_EQ(reader->LastPosition(), 2);
  EXPECT_EQ(reader->Check(), OkStatus());
}

TEST_F(SqliteReadOnlyTest, RefusesCommits) {
  ASSERT_TRUE(MustOpen()->Commit(PutEntry(1)).ok());
  const auto reader = MustOpenReadOnly();
  const Status status = reader->Commit(PutEntry(2)).status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr(path_), HasSubstr("for reading only")));
  EXPECT_EQ(CountEntries(*reader), 1u);
}

TEST_F(SqliteReadOnlyTest, LetsAServerStartAndStopMeanwhile) {
  ASSERT_TRUE(MustOpen()->Commit(PutEntry(1)).ok());
  const auto reader = MustOpenReadOnly();
  EXPECT_EQ(CountEntries(*reader), 1u);
  ASSERT_TRUE(MustOpen()->Commit(PutEntry(2)).ok());
  EXPECT_EQ(CountEntries(*reader), 2u);
}

TEST_F(SqliteReadOnlyTest, LeavesADatabaseAsItFoundIt) {
  ASSERT_TRUE(MustOpen()->Commit(PutEntry(1)).ok());
  const auto before = Files();
  EXPECT_EQ(CountEntries(*MustOpenReadOnly()), 1u);
  EXPECT_EQ(Files(), before);
}

TEST_F(SqliteReadOnlyTest, LeavesTheLogOfAServerThatWasKilled) {
  MakeAndKill();
  const std::string database = ReadFile(path_);
  const std::string log = ReadFile(path_ + "-wal");
  ASSERT_FALSE(log.empty());
  EXPECT_EQ(CountEntries(*MustOpenReadOnly()), 1u);
  EXPECT_EQ(ReadFile(path_), database);
  EXPECT_EQ(ReadFile(path_ + "-wal"), log);
  // Nor does it pretend that the server stopped in order.
  EXPECT_NE(ReadFile(path_ + "-lock"), "stopped\n");
  EXPECT_EQ(CountEntries(*MustOpen()), 1u);
}

TEST_F(SqliteReadOnlyTest, NamesAFileThatIsNotThere) {
  ExpectRefused(StatusCode::kUnavailable, "No such file");
  EXPECT_TRUE(Files().empty());
}

TEST_F(SqliteReadOnlyTest, RefusesWhatIsNoDatabaseOfOurs) {
  WriteFile(path_, "");
  ExpectRefused(StatusCode::kFailedPrecondition, "nothing is in it yet");
  WriteFile(path_, std::string(5000, 'x'));
  ExpectRefused(StatusCode::kDataLoss, "no SQLite database");
  fs::remove(path_);
  Shell(path_).Run("CREATE TABLE notes (text)");
  ExpectRefused(StatusCode::kFailedPrecondition, "another program");
}

TEST_F(SqliteReadOnlyTest, RefusesOtherVersionsAndTellsTheCure) {
  ASSERT_TRUE(MustOpen()->Commit(PutEntry(1)).ok());
  Schema newer = TestSchema();
  newer.version = 2;
  ExpectRefused(StatusCode::kFailedPrecondition,
                "start this version's server on it once", newer);
  Shell(path_).Run("INSERT INTO mc_schema VALUES (2, 0)");
  ExpectRefused(StatusCode::kFailedPrecondition, "a newer program made it");
  EXPECT_EQ(CountEntries(*OpenSqliteStoreReadOnly(path_, newer).value()), 1u);
}

TEST_F(SqliteReadOnlyTest, RefusesOptionsThatCannotBe) {
  EXPECT_EQ(OpenSqliteStoreReadOnly(path_, TestSchema(), {.readers = 0})
                .status()
                .code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace matrixcore
