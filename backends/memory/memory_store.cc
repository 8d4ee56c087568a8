#include <atomic>
#include <memory>
#include <utility>

#include "matrixcore/backends/memory.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/store/catalog.h"
#include "matrixcore/store/commit_queue.h"
#include "memory/row_tree.h"
#include "memory/tables.h"

namespace matrixcore {
namespace memory {
namespace {

class MemorySnapshot : public Snapshot {
 public:
  MemorySnapshot(const Catalog& catalog, const Layout& layout,
                 std::shared_ptr<const Tables> tables)
      : catalog_(catalog), layout_(layout), tables_(std::move(tables)) {}

  Position position() const override { return tables_->position; }

  Result<std::optional<Row>> Get(const TableSpec& table,
                                 const Row& key) override {
    MC_RETURN_IF_ERROR(catalog_.CheckKey(table, key));
    return Find(*catalog_.Find(&table), key);
  }

  Result<std::vector<std::optional<Row>>> GetMany(
      const TableSpec& table, std::span<const Row> keys) override {
    std::vector<std::optional<Row>> rows;
    rows.reserve(keys.size());
    for (const Row& key : keys) {
      MC_RETURN_IF_ERROR(catalog_.CheckKey(table, key));
      rows.push_back(Find(*catalog_.Find(&table), key));
    }
    return rows;
  }

  Result<std::vector<Row>> Scan(const ScanSpec& spec) override {
    MC_RETURN_IF_ERROR(catalog_.CheckScan(spec));
    std::vector<Row> rows;
    if (spec.limit == 0) return rows;
    const Catalog::Table& table = *catalog_.Find(spec.table);
    const size_t order = spec.index.has_value() ? *spec.index + 1 : 0;
    const RowTree& tree = tables_->trees[layout_.first(table) + order];
    const Range range(table.orders[order], spec);
    const auto take = [&](const RowRef& row) {
      rows.push_back(Project(*row, spec));
      return rows.size() < spec.limit;
    };
    if (spec.descending) {
      tree.Descend(range, take);
    } else {
      tree.Ascend(range, take);
    }
    return rows;
  }

 private:
  std::optional<Row> Find(const Catalog::Table& table, const Row& key) const {
    const RowRef* row =
        tables_->trees[layout_.first(table)].First(Range(table.orders[0], key));
    if (row == nullptr) return std::nullopt;
    return **row;
  }

  const Catalog& catalog_;
  const Layout& layout_;
  const std::shared_ptr<const Tables> tables_;
};

class MemoryStore : public Store {
 public:
  explicit MemoryStore(const Schema& schema)
      : schema_status_(ValidateSchema(schema)),
        catalog_(schema_status_.ok() ? schema : Schema{}),
        layout_(catalog_),
        queue_({.thread_name = "mc-memstore"},
               [this](std::span<CommitQueue::Item> group) { Apply(group); }) {
    next_.trees.resize(layout_.trees());
    Publish();
  }

  ~MemoryStore() override { Close(); }

  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    MC_RETURN_IF_ERROR(Check());
    MutexLock lock(mutex_);
    return std::unique_ptr<Snapshot>(
        std::make_unique<MemorySnapshot>(catalog_, layout_, published_));
  }

  void CommitAsync(WriteBatch batch, Done done) override {
    Status refused =
        schema_status_.ok() ? catalog_.CheckBatch(batch) : schema_status_;
    queue_.Push(std::move(batch), std::move(done), std::move(refused));
  }

  Position LastPosition() const override { return last_; }

  Status Check() override {
    if (closed_) return {StatusCode::kUnavailable, "the store is closed"};
    return schema_status_;
  }

  void Close() override {
    closed_ = true;
    queue_.Close();
  }

 private:
  // On the queue's thread, as everything that touches next_ after the start.
  void Apply(std::span<CommitQueue::Item> group) {
    Writer writer(catalog_, layout_, next_);
    for (CommitQueue::Item& item : group) {
      if (!item.status.ok()) continue;
      Result<CommitInfo> result = writer.Apply(item.batch);
      if (result.ok()) {
        item.info = *result;
      } else {
        item.status = std::move(result).status();
      }
    }
    Publish();
  }

  void Publish() {
    auto tables = std::make_shared<const Tables>(next_);
    {
      MutexLock lock(mutex_);
      published_.swap(tables);
    }
    // The old tables go here, outside the lock.
    last_ = next_.position;
  }

  const Status schema_status_;
  const Catalog catalog_;
  const Layout layout_;
  Tables next_;
  Mutex mutex_;
  std::shared_ptr<const Tables> published_ MC_GUARDED_BY(mutex_);
  std::atomic<Position> last_{0};
  std::atomic<bool> closed_{false};
  CommitQueue queue_;  // Last: its thread uses all of the above.
};

}  // namespace
}  // namespace memory

std::unique_ptr<Store> NewMemoryStore(const Schema& schema) {
  return std::make_unique<memory::MemoryStore>(schema);
}

}  // namespace matrixcore
