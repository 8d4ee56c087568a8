// The connections that snapshots read through.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/base/status.h"
#include "matrixcore/store/catalog.h"
#include "matrixcore/store/store.h"
#include "sqlite/connection.h"
#include "sqlite/statements.h"

namespace matrixcore::sqlite {

// At most so many readers, opened when needed, used last first.  Thread-safe.
// All snapshots must be gone before it is destroyed.
class ReaderPool {
 public:
  ReaderPool(std::string path, const Catalog& catalog,
             Connection::Options options, size_t most);
  ~ReaderPool();
  ReaderPool(const ReaderPool&) = delete;
  ReaderPool& operator=(const ReaderPool&) = delete;

  // Waits for a free reader and begins a read transaction on it.
  Result<std::unique_ptr<Snapshot>> NewSnapshot();

  // Refuses new snapshots and closes the readers: those that are in use when
  // their snapshots go.
  void Close();

 private:
  class Reader;
  class PooledSnapshot;

  Result<std::unique_ptr<Reader>> Take();
  void Return(std::unique_ptr<Reader> reader);

  const std::string path_;
  const Catalog& catalog_;
  const Connection::Options options_;
  const size_t most_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::unique_ptr<Reader>> free_ MC_GUARDED_BY(mutex_);
  size_t in_use_ MC_GUARDED_BY(mutex_) = 0;
  bool closed_ MC_GUARDED_BY(mutex_) = false;
};

}  // namespace matrixcore::sqlite
