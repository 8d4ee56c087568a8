// Stores in front of a sound one, each broken in one way.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/store/store.h"
#include "matrixcore/testing/store_conformance.h"

namespace matrixcore {

// Passes everything on; a broken snapshot overrides what it breaks.
class SnapshotWrapper : public Snapshot {
 public:
  explicit SnapshotWrapper(std::unique_ptr<Snapshot> base)
      : base_(std::move(base)) {}
  Position position() const override { return base().position(); }
  Result<std::optional<Row>> Get(const TableSpec& table,
                                 const Row& key) override {
    return base().Get(table, key);
  }
  Result<std::vector<std::optional<Row>>> GetMany(
      const TableSpec& table, std::span<const Row> keys) override {
    return base().GetMany(table, keys);
  }
  Result<std::vector<Row>> Scan(const ScanSpec& spec) override {
    return base().Scan(spec);
  }

 protected:
  virtual Snapshot& base() const { return *base_; }

 private:
  const std::unique_ptr<Snapshot> base_;
};

class StoreWrapper : public Store {
 public:
  explicit StoreWrapper(std::unique_ptr<Store> base) : base_(std::move(base)) {}
  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    return base_->NewSnapshot();
  }
  void CommitAsync(WriteBatch batch, Done done) override {
    base_->CommitAsync(std::move(batch), std::move(done));
  }
  Position LastPosition() const override { return base_->LastPosition(); }
  Status Check() override { return base_->Check(); }
  void Close() override { base_->Close(); }

 protected:
  Store& base() { return *base_; }

 private:
  const std::unique_ptr<Store> base_;
};

// --- Batches that are not what they were ---

// Adds an operation to a batch.
inline void AddOperation(WriteBatch& batch,
                         const WriteBatch::Operation& operation) {
  std::visit(
      [&batch](const auto& op) {
        using T = std::decay_t<decltype(op)>;
        if constexpr (std::is_same_v<T, WriteBatch::Put>) {
          batch.PutRow(*op.table, op.row);
        } else if constexpr (std::is_same_v<T, WriteBatch::Insert>) {
          batch.InsertRow(*op.table, op.row);
        } else if constexpr (std::is_same_v<T, WriteBatch::Delete>) {
          batch.DeleteRow(*op.table, op.key);
        } else if constexpr (std::is_same_v<T, WriteBatch::DeletePrefix>) {
          batch.DeleteRows(*op.table, op.prefix);
        } else {
          batch.AddTo(*op.table, op.key, op.column, op.amount);
        }
      },
      operation);
}

// The batch with these operations in place of its own.
inline WriteBatch WithOperations(
    const WriteBatch& batch, std::span<const WriteBatch::Operation> operations,
    bool preconditions = true) {
  WriteBatch copy;
  for (uint32_t i = 0; i < batch.positions(); ++i) copy.NewPosition();
  if (preconditions) {
    for (const auto& precondition : batch.preconditions()) {
      copy.Require(precondition);
    }
  }
  for (const auto& operation : operations) AddOperation(copy, operation);
  return copy;
}

// Changes each operation, or drops it.
class EditsBatches : public StoreWrapper {
 public:
  using Edit = std::function<bool(WriteBatch::Operation&)>;  // Keep it?
  EditsBatches(std::unique_ptr<Store> base, Edit edit)
      : StoreWrapper(std::move(base)), edit_(std::move(edit)) {}
  void CommitAsync(WriteBatch batch, Done done) override {
    std::vector<WriteBatch::Operation> edited;
    for (WriteBatch::Operation operation : batch.operations()) {
      if (edit_(operation)) edited.push_back(std::move(operation));
    }
    base().CommitAsync(WithOperations(batch, edited), std::move(done));
  }

 private:
  const Edit edit_;
};

class IgnoresPreconditions : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    base().CommitAsync(WithOperations(batch, batch.operations(), false),
                       std::move(done));
  }
};

// Keeps the beginning of a large batch.
class CutsLargeBatches : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    const std::span<const WriteBatch::Operation> all = batch.operations();
    base().CommitAsync(
        WithOperations(batch, all.first(std::min<size_t>(all.size(), 1'000))),
        std::move(done));
  }
};

class DeletesFirst : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    std::vector<WriteBatch::Operation> sorted = batch.operations();
    std::stable_partition(sorted.begin(), sorted.end(), [](const auto& op) {
      return std::holds_alternative<WriteBatch::Delete>(op) ||
             std::holds_alternative<WriteBatch::DeletePrefix>(op);
    });
    base().CommitAsync(WithOperations(batch, sorted), std::move(done));
  }
};

class OverwritesOnInsert : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    std::vector<WriteBatch::Operation> changed;
    for (const auto& operation : batch.operations()) {
      const auto* insert = std::get_if<WriteBatch::Insert>(&operation);
      changed.push_back(insert == nullptr
                            ? operation
                            : WriteBatch::Put{insert->table, insert->row});
    }
    base().CommitAsync(WithOperations(batch, changed), std::move(done));
  }
};

// A null that is put leaves what was there.
class MergesRows : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    std::vector<WriteBatch::Operation> merged = batch.operations();
    for (auto& operation : merged) {
      if (auto* put = std::get_if<WriteBatch::Put>(&operation)) Merge(*put);
    }
    base().CommitAsync(WithOperations(batch, merged), std::move(done));
  }

 private:
  void Merge(WriteBatch::Put& put) {
    Row key;
    for (uint32_t i = 0; i < put.table->key_columns; ++i) {
      std::visit(
          [&key](const auto& value) {
            if constexpr (!std::is_same_v<std::decay_t<decltype(value)>,
                                          PositionRef>) {
              key.emplace_back(value);
            }
          },
          put.row[i]);
    }
    const auto snapshot = base().NewSnapshot();
    if (!snapshot.ok()) return;
    const auto old = (*snapshot)->Get(*put.table, key);
    if (!old.ok() || !old->has_value()) return;
    for (size_t i = 0; i < put.row.size(); ++i) {
      if (!std::holds_alternative<std::monostate>(put.row[i])) continue;
      std::visit([&](const auto& value) { put.row[i] = value; }, (**old)[i]);
    }
  }
};

// --- Answers that are not what happened ---

// Writes the first half of a batch even if the whole fails.
class WritesHalf : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    WriteBatch half;
    const size_t count = batch.operations().size() / 2;
    for (size_t i = 0; i < count; ++i) {
      const auto* put = std::get_if<WriteBatch::Put>(&batch.operations()[i]);
      if (put == nullptr) continue;
      const bool waits = std::any_of(
          put->row.begin(), put->row.end(), [](const BatchCell& cell) {
            return std::holds_alternative<PositionRef>(cell);
          });
      if (!waits) half.PutRow(*put->table, put->row);
    }
    base().CommitAsync(
        std::move(batch), [this, half, done = std::move(done)](
                              Result<CommitInfo> result) mutable {
          if (result.ok()) {
            done(std::move(result));
            return;
          }
          base().CommitAsync(
              half, [done = std::move(done), status = result.status()](
                        const Result<CommitInfo>&) mutable { done(status); });
        });
  }
};

// What follows the first operation of a batch is a commit of its own.
class SplitsBatches : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    const std::span<const WriteBatch::Operation> all = batch.operations();
    const size_t first = std::min<size_t>(all.size(), 1);
    WriteBatch rest;
    for (const auto& operation : all.subspan(first)) {
      AddOperation(rest, operation);
    }
    base().CommitAsync(
        WithOperations(batch, all.first(first)),
        [this, rest = std::move(rest),
         done = std::move(done)](Result<CommitInfo> info) mutable {
          base().CommitAsync(std::move(rest),
                             [info = std::move(info), done = std::move(done)](
                                 const Result<CommitInfo>&) mutable {
                               done(std::move(info));
                             });
        });
  }
};

// When one batch fails, the next one fails with it.
class FailsTheNext : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    base().CommitAsync(
        std::move(batch),
        [this, done = std::move(done)](Result<CommitInfo> result) mutable {
          if (failed_ && result.ok()) {
            failed_ = false;
            result = Status(StatusCode::kAborted, "with it");
          } else {
            failed_ = !result.ok();
          }
          done(std::move(result));
        });
  }

 private:
  bool failed_ = false;  // On the store's thread only.
};

// Uses up positions for batches that fail.
class SkipsPositions : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    const uint32_t positions = batch.positions();
    base().CommitAsync(
        std::move(batch), [this, positions, done = std::move(done)](
                              Result<CommitInfo> result) mutable {
          if (result.ok() || positions == 0 ||
              result.status().code() == StatusCode::kUnavailable) {
            done(std::move(result));
            return;
          }
          WriteBatch skip;
          for (uint32_t i = 0; i < positions; ++i) skip.NewPosition();
          base().CommitAsync(
              std::move(skip),
              [done = std::move(done), status = result.status()](
                  const Result<CommitInfo>&) mutable { done(status); });
        });
  }
};

class TellsWrongPositions : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    base().CommitAsync(std::move(batch), [done = std::move(done)](
                                             Result<CommitInfo> info) mutable {
      if (info.ok()) ++info->first;
      done(std::move(info));
    });
  }
};

class TakesNonsense : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    base().CommitAsync(std::move(batch), [done = std::move(done)](
                                             Result<CommitInfo> info) mutable {
      const bool nonsense =
          !info.ok() && info.status().code() == StatusCode::kInvalidArgument;
      done(nonsense ? CommitInfo() : std::move(info));
    });
  }
};

// Says done before it is.
class AnswersTooEarly : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    if (batch.positions() == 0) {
      base().CommitAsync(std::move(batch), std::move(done));
      return;
    }
    const Position first = base().LastPosition() + 1;
    done(CommitInfo{first, first + batch.positions() - 1});
    base().CommitAsync(std::move(batch), [](const Result<CommitInfo>&) {});
  }
};

// Answers the second of two batches before the first.
class AnswersOutOfOrder : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    base().CommitAsync(
        std::move(batch),
        [this, done = std::move(done)](Result<CommitInfo> result) mutable {
          if (!held_.has_value()) {
            held_.emplace(std::move(done), std::move(result));
            return;
          }
          auto first = *std::exchange(held_, std::nullopt);
          done(std::move(result));
          first.first(std::move(first.second));
        });
  }

 private:
  // On the store's thread only.
  std::optional<std::pair<Done, Result<CommitInfo>>> held_;
};

class AnswersTwice : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    base().CommitAsync(std::move(batch), [done = std::move(done)](
                                             Result<CommitInfo> info) mutable {
      done(info);
      done(std::move(info));
    });
  }
};

class StaysOpen : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void Close() override {}
};

class HasLeftovers : public StoreWrapper {
 public:
  explicit HasLeftovers(std::unique_ptr<Store> base)
      : StoreWrapper(std::move(base)) {
    WriteBatch batch;
    batch.PutRow(ConformanceSchema().tables[0],
                 {int64_t{1}, int64_t{1}, {}, {}});
    (void)Commit(std::move(batch));
  }
};

// --- Snapshots ---

using SnapshotMaker =
    std::function<std::unique_ptr<Snapshot>(Store&, std::unique_ptr<Snapshot>)>;

// A store whose snapshots are broken.
class WithSnapshots : public StoreWrapper {
 public:
  WithSnapshots(std::unique_ptr<Store> base, SnapshotMaker make)
      : StoreWrapper(std::move(base)), make_(std::move(make)) {}
  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    auto snapshot = base().NewSnapshot();
    if (!snapshot.ok()) return snapshot;
    return make_(base(), *std::move(snapshot));
  }

 private:
  const SnapshotMaker make_;
};

// Reads the newest state again and again.
class LeakingSnapshot : public SnapshotWrapper {
 public:
  LeakingSnapshot(Store& store, std::unique_ptr<Snapshot> base)
      : SnapshotWrapper(std::move(base)),
        store_(store),
        position_(SnapshotWrapper::base().position()) {}
  Position position() const override { return position_; }

 protected:
  Snapshot& base() const override {
    auto newest = store_.NewSnapshot();
    if (!newest.ok()) return SnapshotWrapper::base();
    newest_ = *std::move(newest);
    return *newest_;
  }

 private:
  Store& store_;
  const Position position_;
  mutable std::unique_ptr<Snapshot> newest_;
};

// Gives the state of a moment ago.
class StaleSnapshots : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  ~StaleSnapshots() override { Close(); }
  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    auto newest = base().NewSnapshot();
    if (!newest.ok()) return newest;
    MutexLock lock(mutex_);
    if (older_ == nullptr) return newest;
    older_.swap(*newest);
    return newest;
  }
  void CommitAsync(WriteBatch batch, Done done) override {
    {
      auto snapshot = base().NewSnapshot();
      MutexLock lock(mutex_);
      if (snapshot.ok() && older_ == nullptr) older_ = *std::move(snapshot);
    }
    base().CommitAsync(std::move(batch), std::move(done));
  }
  void Close() override {
    {
      MutexLock lock(mutex_);
      older_ = nullptr;
    }
    base().Close();
  }

 private:
  Mutex mutex_;
  std::unique_ptr<Snapshot> older_ MC_GUARDED_BY(mutex_);
};

// Changes what a scan is asked, or its answer.
class BrokenScans : public SnapshotWrapper {
 public:
  using Ask = std::function<void(ScanSpec&)>;
  using Answer = std::function<void(const ScanSpec&, std::vector<Row>&)>;
  BrokenScans(std::unique_ptr<Snapshot> base, Ask ask, Answer answer)
      : SnapshotWrapper(std::move(base)),
        ask_(std::move(ask)),
        answer_(std::move(answer)) {}
  Result<std::vector<Row>> Scan(const ScanSpec& spec) override {
    ScanSpec asked = spec;
    if (ask_) ask_(asked);
    auto rows = base().Scan(asked);
    if (rows.ok() && answer_) answer_(spec, *rows);
    return rows;
  }

 private:
  const Ask ask_;
  const Answer answer_;
};

// Answers in the order of the keys.
class SortsGetMany : public SnapshotWrapper {
 public:
  using SnapshotWrapper::SnapshotWrapper;
  Result<std::vector<std::optional<Row>>> GetMany(
      const TableSpec& table, std::span<const Row> keys) override {
    std::vector<Row> sorted(keys.begin(), keys.end());
    std::sort(sorted.begin(), sorted.end());
    return base().GetMany(table, sorted);
  }
};

}  // namespace matrixcore
