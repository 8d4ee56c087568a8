// Stores of each kind, for tests of what must be the same over all of them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "matrixcore/backends/memory.h"
#include "matrixcore/backends/sqlite.h"

namespace matrixcore {

enum class StoreKind { kMemory, kSqlite };

inline std::string StoreKindName(
    const ::testing::TestParamInfo<StoreKind>& info) {
  return info.param == StoreKind::kMemory ? "Memory" : "Sqlite";
}

// An empty store; its file goes with it.
class TestStore {
 public:
  TestStore(StoreKind kind, const Schema& schema) {
    if (kind == StoreKind::kMemory) {
      store_ = NewMemoryStore(schema);
      return;
    }
    std::string name =
        (std::filesystem::temp_directory_path() / "mc-room-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    auto opened = OpenSqliteStore(directory_ + "/store.db", schema);
    EXPECT_TRUE(opened.ok()) << opened.status().ToString();
    store_ = std::move(*opened);
  }
  ~TestStore() {
    store_->Close();
    store_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  TestStore(const TestStore&) = delete;
  TestStore& operator=(const TestStore&) = delete;

  Store& operator*() { return *store_; }
  Store* operator->() { return store_.get(); }

 private:
  std::unique_ptr<Store> store_;
  std::string directory_;
};

}  // namespace matrixcore
