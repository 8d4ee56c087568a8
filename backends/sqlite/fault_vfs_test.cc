#include "sqlite/fault_vfs_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/base/random.h"
#include "sqlite/sqlite_test_schema_test.h"
#include "sqlite/test_directory_test.h"

namespace matrixcore {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// When a kind of call fails.
struct Trigger {
  std::atomic<int> code{0};
  std::atomic<int> after{0};
};

// SQLite takes functions without context, so what they consult is global; there
// is one FaultVfs at a time.
struct Faults {
  Trigger writes;
  Trigger syncs;
  Mutex instant;  // Held by each call that changes a file.
  std::atomic<int> failures{0};
  std::atomic<int> all_writes{0};
  std::atomic<int> all_syncs{0};

  int Consult(Trigger& trigger) {
    const int code = trigger.code;
    if (code == 0 || trigger.after-- > 0) return SQLITE_OK;
    ++failures;
    return code;
  }
};
Faults& TheFaults() {
  static Faults faults;
  return faults;
}

// A file of ours: SQLite's object followed by the real file's.
struct File {
  sqlite3_file base;
  sqlite3_file* real;
};

sqlite3_file* Real(sqlite3_file* file) {
  return reinterpret_cast<File*>(file)->real;
}

int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 at) {
  ++TheFaults().all_writes;
  const int fault = TheFaults().Consult(TheFaults().writes);
  if (fault != SQLITE_OK) return fault;
  MutexLock lock(TheFaults().instant);
  return Real(file)->pMethods->xWrite(Real(file), data, size, at);
}
int Sync(sqlite3_file* file, int flags) {
  ++TheFaults().all_syncs;
  const int fault = TheFaults().Consult(TheFaults().syncs);
  if (fault != SQLITE_OK) return fault;
  return Real(file)->pMethods->xSync(Real(file), flags);
}

const sqlite3_io_methods kMethods = {
    .iVersion = 3,
    .xClose =
        [](sqlite3_file* f) { return Real(f)->pMethods->xClose(Real(f)); },
    .xRead =
        [](sqlite3_file* f, void* data, int size, sqlite3_int64 at) {
          return Real(f)->pMethods->xRead(Real(f), data, size, at);
        },
    .xWrite = Write,
    .xTruncate =
        [](sqlite3_file* f, sqlite3_int64 size) {
          MutexLock lock(TheFaults().instant);
          return Real(f)->pMethods->xTruncate(Real(f), size);
        },
    .xSync = Sync,
    .xFileSize =
        [](sqlite3_file* f, sqlite3_int64* size) {
          return Real(f)->pMethods->xFileSize(Real(f), size);
        },
    .xLock = [](sqlite3_file* f,
                int lock) { return Real(f)->pMethods->xLock(Real(f), lock); },
    .xUnlock =
        [](sqlite3_file* f, int lock) {
          return Real(f)->pMethods->xUnlock(Real(f), lock);
        },
    .xCheckReservedLock =
        [](sqlite3_file* f, int* out) {
          return Real(f)->pMethods->xCheckReservedLock(Real(f), out);
        },
    .xFileControl =
        [](sqlite3_file* f, int op, void* arg) {
          return Real(f)->pMethods->xFileControl(Real(f), op, arg);
        },
    .xSectorSize =
        [](sqlite3_file* f) { return Real(f)->pMethods->xSectorSize(Real(f)); },
    .xDeviceCharacteristics =
        [](sqlite3_file* f) {
          return Real(f)->pMethods->xDeviceCharacteristics(Real(f));
        },
    .xShmMap =
        [](sqlite3_file* f, int region, int size, int extend,
           void volatile** out) {
          return Real(f)->pMethods->xShmMap(Real(f), region, size, extend, out);
        },
    .xShmLock =
        [](sqlite3_file* f, int offset, int n, int flags) {
          return Real(f)->pMethods->xShmLock(Real(f), offset, n, flags);
        },
    .xShmBarrier =
        [](sqlite3_file* f) { Real(f)->pMethods->xShmBarrier(Real(f)); },
    .xShmUnmap =
        [](sqlite3_file* f, int remove) {
          return Real(f)->pMethods->xShmUnmap(Real(f), remove);
        },
    .xFetch =
        [](sqlite3_file* f, sqlite3_int64 at, int size, void** out) {
          return Real(f)->pMethods->xFetch(Real(f), at, size, out);
        },
    .xUnfetch =
        [](sqlite3_file* f, sqlite3_int64 at, void* page) {
          return Real(f)->pMethods->xUnfetch(Real(f), at, page);
        },
};

sqlite3_vfs* RealVfs(sqlite3_vfs* vfs) {
  return static_cast<sqlite3_vfs*>(vfs->pAppData);
}

int OpenFile(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags,
             int* out_flags) {
  auto* own = reinterpret_cast<File*>(file);
  own->real = reinterpret_cast<sqlite3_file*>(own + 1);
  own->base.pMethods = nullptr;
  const int code =
      RealVfs(vfs)->xOpen(RealVfs(vfs), name, own->real, flags, out_flags);
  if (code == SQLITE_OK) own->base.pMethods = &kMethods;
  return code;
}

sqlite3_vfs& TheVfs() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs* const real = sqlite3_vfs_find(nullptr);
    sqlite3_vfs made = *real;
    made.pNext = nullptr;
    made.zName = "mc-faults";
    made.pAppData = real;
    made.szOsFile = real->szOsFile + static_cast<int>(sizeof(File));
    made.xOpen = OpenFile;
    return made;
  }();
  return vfs;
}

}  // namespace

FaultVfs::FaultVfs() {
  TheFaults().failures = 0;
  sqlite3_vfs_register(&TheVfs(), 1);
}

FaultVfs::~FaultVfs() {
  FailWrites(0);
  FailSyncs(0);
  sqlite3_vfs_unregister(&TheVfs());
}

void FaultVfs::FailWrites(int code, int after) {
  TheFaults().writes.after = after;
  TheFaults().writes.code = code;
}

void FaultVfs::FailSyncs(int code, int after) {
  TheFaults().syncs.after = after;
  TheFaults().syncs.code = code;
}

void FaultVfs::CopyAsCrashed(const std::string& from, const std::string& to) {
  MutexLock lock(TheFaults().instant);
  for (const char* const end : {"", "-wal"}) {
    std::filesystem::remove(to + end);
    if (std::filesystem::exists(from + end)) {
      std::filesystem::copy_file(from + end, to + end);
    }
  }
  std::filesystem::remove(to + "-shm");
}

int FaultVfs::failures() const { return TheFaults().failures; }

int FaultVfs::writes() const { return TheFaults().all_writes; }

int FaultVfs::syncs() const { return TheFaults().all_syncs; }

namespace {

class SqliteFaultTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> Open(const SqliteOptions& options = {}) {
    auto store = OpenSqliteStore(path_, TestSchema(), options);
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return store.ok() ? *std::move(store) : nullptr;
  }

  FaultVfs vfs_;
  const TestDirectory directory_;
  const std::string path_ = directory_.File("store.db");
};

TEST_F(SqliteFaultTest, AFullDiskFailsCommitsUntilThereIsSpace) {
  const auto store = Open();
  ASSERT_TRUE(store->Commit(PutEntry(1)).ok());
  vfs_.FailWrites(SQLITE_FULL);
  const auto full = store->Commit(PutEntry(2));
  EXPECT_EQ(full.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(full.status().message(),
              AllOf(HasSubstr(path_), HasSubstr("free some space")));
  EXPECT_EQ(store->Check().code(), StatusCode::kUnavailable);
  EXPECT_EQ(CountEntries(*store), 1u);
  EXPECT_EQ(store->LastPosition(), 1);
  vfs_.FailWrites(0);
  EXPECT_EQ(store->Check(), OkStatus());
  EXPECT_EQ(store->Commit(PutEntry(2)).value().first, 2);
  EXPECT_EQ(CountEntries(*store), 2u);
}

TEST_F(SqliteFaultTest, AfterAFailedSyncNothingMoreIsWritten) {
  {
    const auto store = Open();
    ASSERT_TRUE(store->Commit(PutEntry(1)).ok());
    vfs_.FailSyncs(SQLITE_IOERR_FSYNC);
    const auto failed = store->Commit(PutEntry(2));
    EXPECT_EQ(failed.status().code(), StatusCode::kUnavailable);
    EXPECT_THAT(failed.status().message(), HasSubstr("made durable"));
    vfs_.FailSyncs(0);
    // The kernel may have dropped what it could not write, and says so once.
    EXPECT_EQ(store->Commit(PutEntry(3)).status().code(),
              StatusCode::kUnavailable);
    EXPECT_EQ(store->Check().code(), StatusCode::kUnavailable);
    EXPECT_EQ(CountEntries(*store), 1u);
  }
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  EXPECT_GE(CountEntries(*store), 1u);
  EXPECT_TRUE(store->Commit(PutEntry(4)).ok());
}

TEST_F(SqliteFaultTest, ALogThatCannotBeMovedKeepsWhatItHas) {
  const auto store = Open({.synchronous = SqliteOptions::Synchronous::kNormal,
                           .wal_bytes = 64 << 10});
  // With NORMAL only moving the log makes anything durable.
  vfs_.FailSyncs(SQLITE_IOERR_FSYNC);
  for (int64_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(store->Commit(PutEntry(i, std::string(1000, 'b'))).ok());
  }
  vfs_.FailSyncs(0);
  for (int64_t i = 200; i < 400; ++i) {
    ASSERT_TRUE(store->Commit(PutEntry(i, std::string(1000, 'b'))).ok());
  }
  EXPECT_EQ(CountEntries(*store), 400u);
}

// Rows of one commit all over the table, more than fit into one write.
WriteBatch Scattered(int64_t first) {
  WriteBatch batch;
  batch.NewPosition();
  for (int64_t i = 0; i < 100; ++i) {
    batch.PutRow(Entries(),
                 {first + 1000 * i, int64_t{0}, std::string(3000, 'b')});
  }
  return batch;
}

TEST_F(SqliteFaultTest, ACommitGoesToTheLogInFewWrites) {
  const auto store = Open();
  ASSERT_TRUE(store->Commit(Scattered(0)).ok());
  const int before = vfs_.writes();
  ASSERT_TRUE(store->Commit(Scattered(1)).ok());
  // About 80 pages of 4 KiB, each of which SQLite writes with two calls.
  EXPECT_LE(vfs_.writes() - before, 16);
  EXPECT_EQ(CountEntries(*store), 200u);
}

TEST_F(SqliteFaultTest, MovingTheLogMakesDurablePieceByPiece) {
  // Nothing is moved before the store is closed.
  auto store = Open({.synchronous = SqliteOptions::Synchronous::kNormal,
                     .wal_bytes = 64 << 20});
  for (int64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(store->Commit(PutEntry(i, std::string(500'000, 'b'))).ok());
  }
  const int before = vfs_.syncs();
  store = nullptr;
  // Of 5 MB, every 512 KiB.
  EXPECT_GE(vfs_.syncs() - before, 9);
}

// Whoever reads the log beside us finds a commit there once it is reported,
// also where nothing is made durable in between; and what did not commit is
// nowhere.
TEST_F(SqliteFaultTest, OtherProgramsSeeWhatWasCommitted) {
  using enum SqliteOptions::Synchronous;
  for (const auto synchronous : {kFull, kNormal}) {
    const auto store = Open({.synchronous = synchronous});
    sqlite3* other = nullptr;
    ASSERT_EQ(
        sqlite3_open_v2(path_.c_str(), &other, SQLITE_OPEN_READONLY, "unix"),
        SQLITE_OK);
    const auto count = [other] {
      sqlite3_stmt* query = nullptr;
      sqlite3_prepare_v2(other, "SELECT count(body) FROM entries", -1, &query,
                         nullptr);
      const int64_t n = sqlite3_step(query) == SQLITE_ROW
                            ? sqlite3_column_int64(query, 0)
                            : -1;
      sqlite3_finalize(query);
      return n;
    };
    const int64_t start = count();
    for (int64_t i = 1; i <= 20; ++i) {
      ASSERT_TRUE(store->Commit(Scattered(start / 10 + i)).ok());
      EXPECT_EQ(count(), start + 100 * i);
      vfs_.FailWrites(SQLITE_FULL, 1);
      EXPECT_FALSE(store->Commit(Scattered(500 + i)).ok());
      vfs_.FailWrites(0);
      EXPECT_EQ(count(), start + 100 * i);
    }
    sqlite3_close(other);
  }
}

// Fails at every write in turn, until a run of commits needs no more writes
// than may succeed.  Acknowledged means there, also after opening again.
TEST_F(SqliteFaultTest, AnyWriteMayFail) {
  const std::vector<int> codes = {SQLITE_FULL, SQLITE_IOERR_WRITE};
  int64_t next = 1;
  std::vector<int64_t> acknowledged;
  std::unique_ptr<Store> store = Open();
  for (int after = 0; after < 60; ++after) {
    // Eight writes at least: a large commit takes several.
    vfs_.FailWrites(codes[static_cast<size_t>(after) % codes.size()],
                    after % 8);
    for (int i = 0; i < 6; ++i, ++next) {
      const size_t size = i == 2 ? 300'000 : 3000;
      WriteBatch batch = PutEntry(next, std::string(size, 'b'));
      batch.PutRow(Counters(), {next, next});
      const auto result = store->Commit(std::move(batch));
      if (result.ok()) acknowledged.push_back(next);
    }
    vfs_.FailWrites(0);
    if (after % 10 == 9) {
      store = nullptr;
      store = Open();
      ASSERT_NE(store, nullptr);
    }
    const auto snapshot = store->NewSnapshot();
    ASSERT_TRUE(snapshot.ok());
    const auto entries = (*snapshot)->Scan({.table = &Entries()});
    const auto counters = (*snapshot)->Scan({.table = &Counters()});
    ASSERT_TRUE(entries.ok() && counters.ok());
    ASSERT_EQ(entries->size(), acknowledged.size()) << after;
    ASSERT_EQ(counters->size(), acknowledged.size()) << after;
    for (size_t i = 0; i < acknowledged.size(); ++i) {
      ASSERT_EQ(CellInt((*entries)[i][0]), acknowledged[i]);
    }
  }
  EXPECT_GT(vfs_.failures(), 60);
  EXPECT_GT(acknowledged.size(), 60u);
}

// Whatever write of a copy fails, there is no file that could be taken for one,
// and the message says where space is needed.
TEST_F(SqliteFaultTest, ADiskMayFillAnywhereInABackup) {
  {
    const std::unique_ptr<Store> store = Open();
    for (int64_t i = 0; i < 40; ++i) {
      ASSERT_TRUE(store->Commit(PutEntry(i, std::string(3000, 'b'))).ok());
    }
  }
  const std::string copy = directory_.File("copy.db");
  int after = 0;
  for (bool done = false; !done; ++after) {
    ASSERT_LT(after, 500);
    vfs_.FailWrites(SQLITE_FULL, after);
    const Status status = BackUpSqlite(path_, copy).status();
    vfs_.FailWrites(0);
    done = status.ok();
    if (done) break;
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr(copy), HasSubstr("free some space there")));
    for (const auto& entry :
         std::filesystem::directory_iterator(directory_.path())) {
      EXPECT_FALSE(entry.path().filename().string().starts_with("copy"))
          << entry.path();
    }
  }
  EXPECT_GT(after, 30);
  EXPECT_TRUE(VerifySqlite(copy, TestSchema()).value().empty());
}

TEST_F(SqliteFaultTest, ADiskMayFillAnywhereInARestoration) {
  const std::string copy = directory_.File("copy.db");
  {
    const std::unique_ptr<Store> store = Open();
    for (int64_t i = 0; i < 40; ++i) {
      ASSERT_TRUE(store->Commit(PutEntry(i, std::string(3000, 'b'))).ok());
    }
    ASSERT_TRUE(BackUpSqlite(path_, copy).ok());
  }
  const std::string again = directory_.File("again.db");
  int after = 0;
  for (bool done = false; !done; ++after) {
    ASSERT_LT(after, 500);
    vfs_.FailWrites(SQLITE_FULL, after);
    const Status status =
        RestoreSqlite(copy, again, TestSchema(),
                      {.skip_to = 1000,
                       .prepare =
                           [](Store& store) {
                             return store
                                 .Commit(PutEntry(77, std::string(9000, 'p')))
                                 .status();
                           }})
            .status();
    vfs_.FailWrites(0);
    done = status.ok();
    if (done) break;
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_THAT(status.message(),
                AllOf(HasSubstr(again), HasSubstr("free some space there")));
    for (const auto& entry :
         std::filesystem::directory_iterator(directory_.path())) {
      EXPECT_FALSE(entry.path().filename().string().starts_with("again"))
          << entry.path();
    }
  }
  EXPECT_GT(after, 30);
  EXPECT_TRUE(VerifySqlite(again, TestSchema()).value().empty());
  const auto store = OpenSqliteStore(again, TestSchema());
  ASSERT_TRUE(store.ok());
  EXPECT_EQ(CountEntries(**store), 41u);
}

// The database is made, or there is nothing; and the message names the file.
TEST_F(SqliteFaultTest, MakingADatabaseMayFailAnywhere) {
  for (int after = 0; after < 40; ++after) {
    const std::string path =
        directory_.File("new" + std::to_string(after) + ".db");
    vfs_.FailWrites(SQLITE_FULL, after);
    auto failed = OpenSqliteStore(path, TestSchema());
    if (!failed.ok()) {
      EXPECT_EQ(failed.status().code(), StatusCode::kUnavailable);
      EXPECT_THAT(failed.status().message(), HasSubstr(path));
    }
    vfs_.FailWrites(0);
    failed = Status(StatusCode::kUnavailable, "closed");
    const auto store = OpenSqliteStore(path, TestSchema());
    ASSERT_TRUE(store.ok()) << after << ": " << store.status().ToString();
    EXPECT_TRUE((*store)->Commit(PutEntry(1)).ok());
  }
}

}  // namespace
}  // namespace matrixcore
