// The one connection that changes the database.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/base/status.h"
#include "matrixcore/store/catalog.h"
#include "matrixcore/store/commit_queue.h"
#include "sqlite/connection.h"
#include "sqlite/statements.h"

namespace matrixcore::sqlite {

// Commits groups of batches, each group in one transaction and each batch
// wholly or not at all.  One thread at a time, except where said.
class Writer {
 public:
  static Result<std::unique_ptr<Writer>> Create(Connection& connection,
                                                const Catalog& catalog);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Fills in the outcome of each batch; those that the catalog refused are left
  // alone.
  void Apply(std::span<CommitQueue::Item> group);

  // Lets go of the connection: the end of Apply.
  void Close();

  // The log's position after the newest commit.  Thread-safe.
  Position position() const { return committed_; }

  // Why the newest attempt to write failed; ok once one succeeded.
  // Thread-safe.
  Status last_failure() const;

 private:
  Writer(Connection& connection, const Catalog& catalog)
      : connection_(connection),
        statements_(connection, catalog),
        catalog_(catalog) {}

  // One transaction for all.  On error nothing of it was written.
  Status Transact(std::span<CommitQueue::Item> group);
  Status RunGroup(std::span<CommitQueue::Item> group);
  // Begins a transaction and applies the batches; stops when it is torn.
  Status ApplyGroup(std::span<CommitQueue::Item> group);
  Status Finish();

  // An error other than those of one batch (see writer.cc) ends the
  // transaction.
  Result<CommitInfo> ApplyBatch(const WriteBatch& batch);
  Status ApplyOperations(const WriteBatch& batch);
  // Takes back what the batch has changed so far, or marks the transaction as
  // torn.
  Status Undo(bool savepoint);

  Status CheckPrecondition(const WriteBatch::Precondition& precondition);
  Status ApplyOperation(const WriteBatch::Operation& operation);
  Status Run(Statement& statement);

  Connection& connection_;
  Statements statements_;
  const Catalog& catalog_;
  struct Control {
    Statement begin;
    Statement commit;
    Statement rollback;
    Statement savepoint;
    Statement undo;
    Statement release;
    Statement advance;
    Statement probe;
  };
  Control sql_;

  Position position_ = 0;       // In the open transaction.
  bool changed_ = false;        // The open transaction has changed something.
  bool batch_changed_ = false;  // So has the current batch.
  // It holds changes of a batch that failed: to be begun again.
  bool torn_ = false;
  bool use_savepoints_ = false;
  // Not ok once a commit may or may not have reached the disk: the end of
  // writing.
  Status poisoned_;

  std::atomic<Position> committed_{0};
  mutable Mutex failure_mutex_;
  Status last_failure_ MC_GUARDED_BY(failure_mutex_);
};

}  // namespace matrixcore::sqlite
