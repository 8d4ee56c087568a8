#include "sqlite/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <type_traits>
#include <utility>

namespace matrixcore::sqlite {
namespace {

// How often a group begins again without the batch that failed.  From then on
// each batch gets a savepoint, which costs a copy of every page that it
// changes.
constexpr int kMaxRestarts = 2;

// Failures of one batch, which leave the transaction as it was.
bool IsOfOneBatch(const Status& status) {
  return status.code() == StatusCode::kAborted ||
         status.code() == StatusCode::kFailedPrecondition ||
         status.code() == StatusCode::kTooLarge;
}

Status Aborted(const TableSpec& table, std::string_view what) {
  return {StatusCode::kAborted, fmt::format("table {}: {}", table.name, what)};
}

}  // namespace

Result<std::unique_ptr<Writer>> Writer::Create(Connection& connection,
                                               const Catalog& catalog) {
  std::unique_ptr<Writer> writer(new Writer(connection, catalog));
  const std::pair<Statement*, std::string_view> statements[] = {
      {&writer->sql_.begin, "BEGIN IMMEDIATE"},
      {&writer->sql_.commit, "COMMIT"},
      {&writer->sql_.rollback, "ROLLBACK"},
      {&writer->sql_.savepoint, "SAVEPOINT batch"},
      {&writer->sql_.undo, "ROLLBACK TO batch"},
      {&writer->sql_.release, "RELEASE batch"},
      {&writer->sql_.advance, "UPDATE mc_log SET position=? WHERE id=1"},
      {&writer->sql_.probe, "UPDATE mc_log SET probes=probes+1 WHERE id=1"},
  };
  for (const auto& [statement, sql] : statements) {
    MC_ASSIGN_OR_RETURN(*statement, connection.Prepare(sql));
  }
  MC_ASSIGN_OR_RETURN(const Position position,
                      connection.QueryInt("SELECT position FROM mc_log"));
  writer->committed_ = position;
  return writer;
}

void Writer::Close() {
  sql_ = Control();
  statements_.Clear();
}

Status Writer::last_failure() const {
  MutexLock lock(failure_mutex_);
  return last_failure_;
}

void Writer::Apply(std::span<CommitQueue::Item> group) {
  std::vector<CommitQueue::Item*> accepted;
  for (CommitQueue::Item& item : group) {
    if (item.status.ok()) accepted.push_back(&item);
  }
  if (accepted.empty()) return;
  Status status = Transact(group);
  if (!status.ok() && accepted.size() > 1 && poisoned_.ok()) {
    // One of them may be to blame: too large for the disk, or touching a
    // damaged page.
    for (CommitQueue::Item* item : accepted) {
      item->status = OkStatus();
      Status alone = Transact({item, 1});
      if (!alone.ok()) item->status = std::move(alone);
    }
    return;
  }
  if (status.ok()) return;
  for (CommitQueue::Item* item : accepted) item->status = status;
}

Status Writer::Transact(std::span<CommitQueue::Item> group) {
  Status status = poisoned_;
  if (status.ok()) status = RunGroup(group);
  if (!status.ok()) connection_.Rollback();
  if (status.ok()) committed_ = position_;
  connection_.CountPages();
  MutexLock lock(failure_mutex_);
  last_failure_ = status;
  return status;
}

Status Writer::RunGroup(std::span<CommitQueue::Item> group) {
  for (int restarts = 0;; ++restarts) {
    use_savepoints_ = restarts >= kMaxRestarts;
    MC_RETURN_IF_ERROR(ApplyGroup(group));
    if (!torn_) return Finish();
    MC_RETURN_IF_ERROR(Run(sql_.rollback));
  }
}

Status Writer::ApplyGroup(std::span<CommitQueue::Item> group) {
  position_ = committed_;
  changed_ = false;
  torn_ = false;
  MC_RETURN_IF_ERROR(Run(sql_.begin));
  for (CommitQueue::Item& item : group) {
    if (!item.status.ok()) continue;
    Result<CommitInfo> result = ApplyBatch(item.batch);
    if (result.ok()) {
      item.info = *result;
      continue;
    }
    item.status = std::move(result).status();
    if (!IsOfOneBatch(item.status)) return item.status;
    if (torn_) break;
  }
  return OkStatus();
}

Status Writer::Finish() {
  if (position_ != committed_) {
    sql_.advance.Bind(1, position_);
    MC_RETURN_IF_ERROR(Run(sql_.advance));
    changed_ = true;
  }
  if (!changed_ && !last_failure().ok()) {
    // After a failure even an empty batch writes something, to find out whether
    // that works again.
    MC_RETURN_IF_ERROR(Run(sql_.probe));
    changed_ = true;
  }
  if (!changed_) return Run(sql_.rollback);
  const int code = sql_.commit.Run();
  if (code == SQLITE_DONE) return OkStatus();
  Status status = connection_.Error(code);
  if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC) {
    poisoned_ = Status(
        StatusCode::kUnavailable,
        fmt::format("{}: a commit could not be made durable, and nobody knows "
                    "what the disk holds: nothing more is written; check the "
                    "disk, then start the server again",
                    connection_.path()));
    return poisoned_;
  }
  return status;
}

Result<CommitInfo> Writer::ApplyBatch(const WriteBatch& batch) {
  for (const WriteBatch::Precondition& part : batch.preconditions()) {
    MC_RETURN_IF_ERROR(CheckPrecondition(part));
  }
  batch_changed_ = false;
  // Without changes of others in the transaction, the whole of it can be rolled
  // back instead; and a single operation takes itself back.
  const auto can_fail = [this](const WriteBatch::Operation& operation) {
    if (std::holds_alternative<WriteBatch::Put>(operation)) {
      return catalog_.Find(std::get<WriteBatch::Put>(operation).table)
          ->has_unique_index;
    }
    return std::holds_alternative<WriteBatch::Insert>(operation) ||
           std::holds_alternative<WriteBatch::Add>(operation);
  };
  const bool savepoint = use_savepoints_ && changed_ &&
                         batch.operations().size() > 1 &&
                         std::any_of(batch.operations().begin() + 1,
                                     batch.operations().end(), can_fail);
  if (savepoint) MC_RETURN_IF_ERROR(Run(sql_.savepoint));
  const Status status = ApplyOperations(batch);
  if (!status.ok()) {
    if (IsOfOneBatch(status)) MC_RETURN_IF_ERROR(Undo(savepoint));
    return status;
  }
  if (savepoint) MC_RETURN_IF_ERROR(Run(sql_.release));
  changed_ |= batch_changed_;
  CommitInfo info{position_ + 1, position_ + batch.positions()};
  if (batch.positions() == 0) info.first = position_;
  position_ = info.last;
  return info;
}

Status Writer::ApplyOperations(const WriteBatch& batch) {
  for (const WriteBatch::Operation& part : batch.operations()) {
    MC_RETURN_IF_ERROR(ApplyOperation(part));
    batch_changed_ = true;
  }
  return OkStatus();
}

Status Writer::Undo(bool savepoint) {
  if (savepoint) {
    MC_RETURN_IF_ERROR(Run(sql_.undo));
    return Run(sql_.release);
  }
  if (!batch_changed_) return OkStatus();
  if (changed_) {
    torn_ = true;
    return OkStatus();
  }
  MC_RETURN_IF_ERROR(Run(sql_.rollback));
  return Run(sql_.begin);
}

Status Writer::CheckPrecondition(const WriteBatch::Precondition& precondition) {
  return std::visit(
      [this](const auto& p) -> Status {
        using T = std::decay_t<decltype(p)>;
        constexpr bool kComparesColumn =
            std::is_same_v<T, WriteBatch::ColumnEquals>;
        const Catalog::Table& table = *catalog_.Find(p.table);
        Statement* statement = nullptr;
        if constexpr (kComparesColumn) {
          MC_ASSIGN_OR_RETURN(
              statement,
              statements_.Find(Statements::Kind::kGetColumn, table, p.column));
        } else {
          MC_ASSIGN_OR_RETURN(
              statement, statements_.Find(Statements::Kind::kExists, table));
        }
        int parameter = 0;
        for (const Cell& cell : p.key) statement->Bind(++parameter, cell);
        const int code = statement->Step();
        Status status;
        if (code != SQLITE_ROW && code != SQLITE_DONE) {
          status = connection_.Error(code);
        } else if constexpr (std::is_same_v<T, WriteBatch::RowAbsent>) {
          if (code == SQLITE_ROW) {
            status = Aborted(*table.spec, "the row exists");
          }
        } else if (code == SQLITE_DONE) {
          status = Aborted(*table.spec, "there is no row");
        } else if constexpr (kComparesColumn) {
          if (!statement->Equals(0, p.value)) {
            status = Aborted(*table.spec, "a column has another value");
          }
        }
        statement->Reset();
        return status;
      },
      precondition);
}

Status Writer::ApplyOperation(const WriteBatch::Operation& operation) {
  return std::visit(
      [this](const auto& op) -> Status {
        using T = std::decay_t<decltype(op)>;
        using Kind = Statements::Kind;
        const Catalog::Table& table = *catalog_.Find(op.table);
        Statement* statement = nullptr;
        const BatchRow* cells = nullptr;
        int parameter = 0;
        if constexpr (std::is_same_v<T, WriteBatch::Put>) {
          MC_ASSIGN_OR_RETURN(statement, statements_.Find(Kind::kPut, table));
          cells = &op.row;
        } else if constexpr (std::is_same_v<T, WriteBatch::Insert>) {
          MC_ASSIGN_OR_RETURN(statement,
                              statements_.Find(Kind::kInsert, table));
          cells = &op.row;
        } else if constexpr (std::is_same_v<T, WriteBatch::Delete>) {
          MC_ASSIGN_OR_RETURN(
              statement,
              statements_.Find(Kind::kDelete, table, table.spec->key_columns));
          cells = &op.key;
        } else if constexpr (std::is_same_v<T, WriteBatch::DeletePrefix>) {
          const auto columns = static_cast<uint32_t>(op.prefix.size());
          MC_ASSIGN_OR_RETURN(statement,
                              statements_.Find(Kind::kDelete, table, columns));
          cells = &op.prefix;
        } else {
          MC_ASSIGN_OR_RETURN(statement,
                              statements_.Find(Kind::kAdd, table, op.column));
          statement->Bind(++parameter, op.amount);
          cells = &op.key;
        }
        for (const BatchCell& cell : *cells) {
          statement->Bind(++parameter, cell, position_ + 1);
        }
        return Run(*statement);
      },
      operation);
}

Status Writer::Run(Statement& statement) {
  const int code = statement.Run();
  if (code == SQLITE_DONE) return OkStatus();
  Status status = connection_.Error(code);
  // Columns are typed strictly: the sum of an Add that is no int64 any more is
  // no number of that column.
  if (code == SQLITE_CONSTRAINT_DATATYPE) {
    return {StatusCode::kFailedPrecondition,
            fmt::format("an addition would overflow: {}", status.message())};
  }
  return status;
}

}  // namespace matrixcore::sqlite
