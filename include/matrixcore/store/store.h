// Store: everything that must survive, in declared tables, with snapshots and
// atomic durable batches.  The interface that a storage backend implements; see
// docs/writing-a-backend.md and testing/store_conformance.h.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "matrixcore/base/function.h"
#include "matrixcore/base/status.h"
#include "matrixcore/store/table.h"
#include "matrixcore/store/write_batch.h"

namespace matrixcore {

// A place in the one global log of commits.  0 is before everything.
using Position = int64_t;

// Which rows a scan gives, and in which order.
//
// A scan walks the table's key, or the columns of an index followed by the key.
// Rows match when their leading columns in that order equal `prefix` (a null
// equals a null); the column after the prefix may further be bounded by `from`
// and `to`, which are not null, and a row with a null there lies outside every
// bound.
struct ScanSpec {
  const TableSpec* table = nullptr;
  // Position in table->indexes; nothing for the table's own key.
  std::optional<uint32_t> index = std::nullopt;
  Row prefix = {};
  struct Bound {
    Cell value = {};
    bool inclusive = true;
  };
  // The lower and the upper bound, whatever the direction.
  std::optional<Bound> from = std::nullopt;
  std::optional<Bound> to = std::nullopt;
  bool descending = false;
  size_t limit = SIZE_MAX;
  // The columns that the rows of the answer have, in that order; empty: all of
  // the table's.  For reading little of very many rows.
  std::vector<uint32_t> columns = {};
};

// A consistent view of the store at one position: nothing later leaks in,
// nothing earlier is missing.  Owned by one reader; not thread-safe.  Cheap to
// make, but it may hold a connection: make one per request and let it go before
// waiting for anything.  It must not outlive its Store.
class Snapshot {
 public:
  virtual ~Snapshot() = default;

  // The position of the last commit that it contains.
  virtual Position position() const = 0;

  // The row with that key.
  virtual Result<std::optional<Row>> Get(const TableSpec& table,
                                         const Row& key) = 0;
  // One answer for each key, in their order.
  virtual Result<std::vector<std::optional<Row>>> GetMany(
      const TableSpec& table, std::span<const Row> keys) = 0;
  virtual Result<std::vector<Row>> Scan(const ScanSpec& spec) = 0;
};

struct CommitInfo {
  // The batch's first position; its PositionRef{i} became first + i.  Without
  // positions: the position of the log as the batch was applied.
  Position first = 0;
  // The log's last position when the batch was applied; a snapshot that
  // contains the batch has position() >= last.
  Position last = 0;
};

// Thread-safe.  A commit that fails has written nothing: kUnavailable (closed,
// disk full, read-only), kDataLoss (damage), kAborted (a precondition or unique
// index), kFailedPrecondition (an Add that overflows), kInvalidArgument and
// kTooLarge (see store/catalog.h).  Only after kDeadlineExceeded (a connection
// broke) it may: later snapshots tell whether all of it is there or never will.
class Store {
 public:
  using Done = UniqueFunction<void(Result<CommitInfo>)>;

  virtual ~Store() = default;

  // The newest committed state: contains every batch whose commit was reported
  // before the call.  Blocks while all readers are in use, never for writers.
  virtual Result<std::unique_ptr<Snapshot>> NewSnapshot() = 0;

  // Queues the batch and calls `done` once it is durable and visible, or has
  // failed.  Batches that wait together may share one transaction; each still
  // succeeds or fails alone.  `done` runs on the store's own thread, in commit
  // order: it must be short and must not commit and wait.  When it is called, a
  // new snapshot contains the batch.
  virtual void CommitAsync(WriteBatch batch, Done done) = 0;

  // The same, waiting.  Must not be called from a Done.
  Result<CommitInfo> Commit(WriteBatch batch);

  // The position of the newest commit.
  virtual Position LastPosition() const = 0;

  // For /health: can it read and (when not read-only) write?
  virtual Status Check() = 0;

  // Completes what is queued, refuses what is new, closes.  Idempotent.
  virtual void Close() = 0;
};

}  // namespace matrixcore
