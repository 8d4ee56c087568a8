// Damage in a log that a killed server left behind.
#include "sqlite/log_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

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

constexpr size_t kFrame = 4096 + 24;
constexpr size_t kHeader = 32;

class LogCheckTest : public ::testing::Test {
 protected:
  // Copies of the files of a server with commits in its log: as when it is
  // killed.
  void SetUp() override {
    const std::string live = directory_.File("live.db");
    const auto store = OpenSqliteStore(live, TestSchema());
    ASSERT_TRUE(store.ok());
    for (int64_t i = 0; i < 20; ++i) {
      ASSERT_TRUE((*store)->Commit(PutEntry(i, std::string(3000, 'b'))).ok());
    }
    database_ = ReadFile(live);
    log_ = ReadFile(live + "-wal");
    ASSERT_EQ((log_.size() - kHeader) % kFrame, 0u);
  }
  void Put(const std::string& log) {
    WriteFile(path_, database_);
    WriteFile(path_ + "-wal", log);
    WriteFile(path_ + "-lock", "process 1\n");
    fs::remove(path_ + "-shm");
  }

  const TestDirectory directory_;
  const std::string path_ = directory_.File("store.db");
  std::string database_;
  std::string log_;
};

TEST_F(LogCheckTest, AWholeLogIsGood) {
  EXPECT_EQ(sqlite::CheckLog(path_), OkStatus());
  Put(log_);
  EXPECT_EQ(sqlite::CheckLog(path_), OkStatus());
  auto store = OpenSqliteStore(path_, TestSchema());
  ASSERT_TRUE(store.ok()) << store.status().ToString();
  EXPECT_EQ(CountEntries(**store), 20u);
}

// A crash may leave any part of the last transaction.
TEST_F(LogCheckTest, ATornEndIsNoDamage) {
  for (size_t size = 0; size < log_.size(); size += 1000) {
    Put(log_.substr(0, size));
    EXPECT_EQ(sqlite::CheckLog(path_), OkStatus()) << size;
  }
  std::string torn = log_;
  torn[torn.size() - 10] ^= 1;
  Put(torn);
  EXPECT_EQ(sqlite::CheckLog(path_), OkStatus());
}

TEST_F(LogCheckTest, FlippedBitsAreNotTakenForACrash) {
  const auto random = NewSeededRandom(3);
  // Before the last two transactions, however many frames those have.
  const size_t range = log_.size() - 12 * kFrame;
  ASSERT_GT(range, 20 * kFrame);
  for (int round = 0; round < 300; ++round) {
    std::string log = log_;
    const size_t at = kHeader + random->Below(range - kHeader);
    log[at] ^= static_cast<char>(1 << random->Below(8));
    Put(log);
    const Status status = sqlite::CheckLog(path_);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << at;
    EXPECT_THAT(status.message(), AllOf(HasSubstr(path_ + "-wal"),
                                        HasSubstr("restore a backup")));
  }
}

TEST_F(LogCheckTest, FlippedBitsOfItsHeadAreFound) {
  // The numbers of checkpoints (bytes 12 to 15) and all that the sum covers.
  for (const size_t at : {4, 12, 16, 20, 24, 28}) {
    std::string log = log_;
    log[at] ^= 4;
    Put(log);
    EXPECT_EQ(sqlite::CheckLog(path_).code(), StatusCode::kDataLoss) << at;
  }
}

TEST_F(LogCheckTest, AServerDoesNotStartOnADamagedLog) {
  std::string log = log_;
  log[log.size() - 15 * kFrame + 100] ^= 1;
  Put(log);
  const Status status = OpenSqliteStore(path_, TestSchema()).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("the log is damaged"));
  EXPECT_EQ(ReadFile(path_), database_);
  EXPECT_EQ(ReadFile(path_ + "-wal"), log);
  EXPECT_EQ(OpenSqliteStoreReadOnly(path_, TestSchema()).status().code(),
            StatusCode::kDataLoss);
  EXPECT_EQ(BackUpSqlite(path_, directory_.File("copy.db")).status().code(),
            StatusCode::kDataLoss);
  // The operator's own decision.
  Shell(path_).Run("PRAGMA wal_checkpoint(TRUNCATE)");
  auto store = OpenSqliteStore(path_, TestSchema());
  ASSERT_TRUE(store.ok()) << store.status().ToString();
}

TEST_F(LogCheckTest, SurvivesAnyBytes) {
  const auto random = NewSeededRandom(9);
  for (int round = 0; round < 200; ++round) {
    std::string log = log_.substr(0, random->Below(5 * kFrame));
    for (int flips = 0; flips < 20 && !log.empty(); ++flips) {
      log[random->Below(log.size())] = static_cast<char>(random->Below(256));
    }
    Put(log);
    (void)sqlite::CheckLog(path_);
  }
}

}  // namespace
}  // namespace matrixcore
