#include "matrixcore/store/store.h"

#include <optional>
#include <string_view>
#include <utility>

#include "matrixcore/base/mutex.h"

namespace matrixcore {

const TableSpec* Schema::Find(std::string_view name) const {
  for (const TableSpec& table : tables) {
    if (table.name == name) return &table;
  }
  return nullptr;
}

Result<CommitInfo> Store::Commit(WriteBatch batch) {
  Mutex mutex;
  CondVar answered;
  std::optional<Result<CommitInfo>> answer;
  CommitAsync(std::move(batch), [&](Result<CommitInfo> result) {
    // Notified under the lock: once it is released, the waiter may be gone.
    MutexLock lock(mutex);
    answer = std::move(result);
    answered.NotifyOne();
  });
  MutexLock lock(mutex);
  while (!answer.has_value()) answered.Wait(mutex);
  return *std::move(answer);
}

}  // namespace matrixcore
