// The suite of the test kit, on SQLite.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "matrixcore/backends/memory.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/testing/conformance_gtest.h"
#include "matrixcore/testing/store_conformance.h"
#include "sqlite/fault_vfs_test.h"
#include "sqlite/test_directory_test.h"

namespace matrixcore {
namespace {

class SqliteStoreFixture : public StoreFixture {
 public:
  explicit SqliteStoreFixture(SqliteOptions options) : options_(options) {}
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return OpenSqliteStore(path_, schema, options_);
  }
  bool durable() const override { return true; }
  bool Crash() override {
    const std::string copy =
        directory_.File("crashed" + std::to_string(++crashes_) + ".db");
    vfs_.CopyAsCrashed(path_, copy);
    path_ = copy;
    return true;
  }

 private:
  FaultVfs vfs_;
  const TestDirectory directory_;
  std::string path_ = directory_.File("store.db");
  int crashes_ = 0;
  const SqliteOptions options_;
};

std::unique_ptr<StoreFixture> MakeStore() {
  return std::make_unique<SqliteStoreFixture>(SqliteOptions{});
}

// As small as can be, so that everything that grows has to: pages, the log,
// caches.
std::unique_ptr<StoreFixture> MakeTinyStore() {
  return std::make_unique<SqliteStoreFixture>(
      SqliteOptions{.synchronous = SqliteOptions::Synchronous::kNormal,
                    .readers = 8,
                    .writer_cache_bytes = 16 << 10,
                    .reader_cache_bytes = 16 << 10,
                    .mmap_bytes = 1 << 20,
                    .page_bytes = 1024,
                    .wal_bytes = 32 << 10});
}

MC_INSTANTIATE_CONFORMANCE(SqliteStore, StoreChecks(), MakeStore);
MC_INSTANTIATE_CONFORMANCE(TinySqliteStore, StoreChecks(), MakeTinyStore);

TEST(SqliteAgainstMemoryTest, AgreesWithTheMemoryStoreForManySeeds) {
  for (uint64_t seed = 200; seed < 210; ++seed) {
    const TestDirectory directory;
    const auto store =
        OpenSqliteStore(directory.File("store.db"), ConformanceSchema());
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    const auto memory = NewMemoryStore(ConformanceSchema());
    Findings findings;
    CompareStores(**store, *memory, seed, 500, findings);
    for (const std::string& finding : findings.list()) ADD_FAILURE() << finding;
  }
}

}  // namespace
}  // namespace matrixcore
