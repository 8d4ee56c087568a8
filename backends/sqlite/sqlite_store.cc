#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <utility>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/store/catalog.h"
#include "matrixcore/store/commit_queue.h"
#include "sqlite/checkpointer.h"
#include "sqlite/connection.h"
#include "sqlite/file_lock.h"
#include "sqlite/files.h"
#include "sqlite/log_check.h"
#include "sqlite/migrate.h"
#include "sqlite/options.h"
#include "sqlite/reader_pool.h"
#include "sqlite/writer.h"

namespace matrixcore {
namespace sqlite {
namespace {

// Checks the structure of a large file while it is in use.
class BackgroundCheck {
 public:
  BackgroundCheck(std::unique_ptr<Connection> connection, Logger* logger)
      : connection_(std::move(connection)), logger_(logger) {
    thread_ = std::thread([this] { Run(); });
    pthread_setname_np(thread_.native_handle(), "mc-dbcheck");
  }
  ~BackgroundCheck() { Stop(); }

  // Idempotent, but for one thread.
  void Stop() {
    if (!thread_.joinable()) return;
    closing_ = true;
    sqlite3_interrupt(connection_->handle());
    thread_.join();
    connection_ = nullptr;
  }

  // kDataLoss once damage was found.
  Status status() const {
    MutexLock lock(mutex_);
    return status_;
  }

 private:
  void Run() {
    // A flag too: an interruption before the check begins has no effect.
    sqlite3_progress_handler(
        connection_->handle(), 10'000,
        [](void* self) {
          return static_cast<BackgroundCheck*>(self)->closing_ ? 1 : 0;
        },
        this);
    Status status = QuickCheck(*connection_);
    if (closing_) return;
    if (logger_ != nullptr) {
      if (status.ok()) {
        logger_->Info("sqlite", "the file's structure is sound");
      } else {
        logger_->Error("sqlite", "the file's structure was checked",
                       {{"error", status.message()}});
      }
    }
    MutexLock lock(mutex_);
    status_ = std::move(status);
  }

  std::unique_ptr<Connection> connection_;
  Logger* const logger_;
  std::atomic<bool> closing_{false};
  mutable Mutex mutex_;
  Status status_ MC_GUARDED_BY(mutex_);
  std::thread thread_;
};

Connection::Options WriterOptions(const SqliteOptions& options) {
  return {.cache_bytes = options.writer_cache_bytes,
          .mmap_bytes = 0,
          .busy_timeout = options.busy_timeout,
          .full_sync = options.synchronous == SqliteOptions::Synchronous::kFull,
          .read_only = false,
          .untouched = false,
          .page_counts = options.page_counts};
}

class SqliteStore : public Store {
 public:
  SqliteStore(const std::string& path, const Schema& schema,
              const SqliteOptions& options)
      : path_(path),
        options_(options),
        catalog_(schema),
        readers_(path, catalog_, ReaderOptions(options), options.readers) {}
  ~SqliteStore() override { Close(); }

  Status Open() {
    MC_ASSIGN_OR_RETURN(lock_, FileLock::Acquire(path_));
    MC_ASSIGN_OR_RETURN(const bool made, CreatePrivateFile(path_));
    struct stat file {};
    if (stat(path_.c_str(), &file) == 0 && file.st_size == 0 &&
        lock_->stopped_cleanly()) {
      // SQLite would take it for a new database.
      if (made) unlink(path_.c_str());
      return {
          StatusCode::kDataLoss,
          fmt::format("{}: the file is {}, but a server has used it before; "
                      "restore it from a backup, or remove {}-lock to "
                      "begin with nothing",
                      path_, made ? "gone" : "empty", path_)};
    }
    if (options_.synchronous == SqliteOptions::Synchronous::kFull) {
      MC_RETURN_IF_ERROR(CheckLog(path_));
    }
    MC_ASSIGN_OR_RETURN(connection_,
                        Connection::Open(path_, WriterOptions(options_)));
    MC_RETURN_IF_ERROR(CheckOwner(*connection_, catalog_.schema()));
    MC_RETURN_IF_ERROR(CheckAfterCrash(made));
    if (!lock_->stopped_cleanly()) BeginLogAnew();
    MC_RETURN_IF_ERROR(lock_->MarkRunning());
    MC_RETURN_IF_ERROR(Prepare());
    MC_ASSIGN_OR_RETURN(writer_, Writer::Create(*connection_, catalog_));
    MC_ASSIGN_OR_RETURN(auto background,
                        Connection::Open(path_, WriterOptions(options_)));
    checkpointer_ =
        std::make_unique<Checkpointer>(*connection_, std::move(background),
                                       options_.wal_bytes, options_.logger);
    // Opens the first reader now, so that no first request pays for it.
    const auto snapshot = readers_.NewSnapshot();
    if (!snapshot.ok()) return snapshot.status();
    queue_.emplace(
        CommitQueue::Options{.thread_name = "mc-sqlite"},
        [this](std::span<CommitQueue::Item> group) { writer_->Apply(group); },
        [this] { checkpointer_->AfterCommit(); });
    return OkStatus();
  }

  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    return readers_.NewSnapshot();
  }

  void CommitAsync(WriteBatch batch, Done done) override {
    Status refused = catalog_.CheckBatch(batch);
    queue_->Push(std::move(batch), std::move(done), std::move(refused));
  }

  Position LastPosition() const override { return writer_->position(); }

  Status Check() override {
    MC_ASSIGN_OR_RETURN(const auto snapshot, NewSnapshot());
    if (background_check_ != nullptr) {
      MC_RETURN_IF_ERROR(background_check_->status());
    }
    if (writer_->last_failure().ok()) return OkStatus();
    // Finds out whether writing works again.
    return Commit(WriteBatch()).status();
  }

  void Close() override {
    MutexLock lock(close_mutex_);
    if (closed_) return;
    closed_ = true;
    const bool opened = queue_.has_value();
    if (opened) queue_->Close();
    if (background_check_ != nullptr) background_check_->Stop();
    checkpointer_ = nullptr;
    readers_.Close();
    if (opened && writer_->last_failure().ok()) {
      // Only statistics for operators' queries: failure does not matter.
      (void)connection_->Execute("PRAGMA analysis_limit=200; PRAGMA optimize;");
      // The statements go with the writer; the last connection that closes
      // empties the log into the file.
      CloseConnection();
      (void)lock_->MarkStopped();
    } else {
      CloseConnection();
    }
    lock_ = nullptr;
  }

 private:
  Status CheckAfterCrash(bool made) {
    if (made || lock_->stopped_cleanly()) return OkStatus();
    struct stat info {};
    const bool large =
        stat(path_.c_str(), &info) == 0 &&
        static_cast<uint64_t>(info.st_size) > options_.check_at_open_bytes;
    if (options_.logger != nullptr) {
      options_.logger->Info("sqlite",
                            "the database was not closed in order; checking it",
                            {{"file", path_}, {"in_background", large}});
    }
    if (!large) return QuickCheck(*connection_);
    MC_ASSIGN_OR_RETURN(auto connection,
                        Connection::Open(path_, ReaderOptions(options_)));
    background_check_ = std::make_unique<BackgroundCheck>(std::move(connection),
                                                          options_.logger);
    return OkStatus();
  }

  // Moves what a crash left in the log into the file.  Failure does not matter:
  // the log is then gone on with.
  void BeginLogAnew() {
    connection_->SetBusyTimeout(Duration(0));
    sqlite3_wal_checkpoint_v2(connection_->handle(), nullptr,
                              SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    connection_->RestoreBusyTimeout();
  }

  Status Prepare() {
    MC_RETURN_IF_ERROR(connection_->Execute(
        fmt::format("PRAGMA page_size={}", options_.page_bytes)));
    MC_ASSIGN_OR_RETURN(Statement journal,
                        connection_->Prepare("PRAGMA journal_mode=WAL"));
    const int code = journal.Step();
    if (code != SQLITE_ROW) return connection_->Error(code);
    if (journal.Bytes(0) != "wal") {
      return {StatusCode::kUnavailable,
              fmt::format("{}: its file system cannot hold a database with a "
                          "write-ahead log; use a local file system",
                          path_)};
    }
    journal.Reset();
    MC_RETURN_IF_ERROR(connection_->Execute(
        fmt::format("PRAGMA journal_size_limit={}", 4 * options_.wal_bytes)));
    MC_ASSIGN_OR_RETURN(const Migration migration,
                        Migrate(*connection_, catalog_.schema()));
    if (options_.logger != nullptr && migration.from != migration.to) {
      options_.logger->Info("sqlite", "brought the tables up to date",
                            {{"file", path_},
                             {"from_version", migration.from},
                             {"to_version", migration.to}});
    }
    return OkStatus();
  }

  void CloseConnection() {
    // Keeps the object for LastPosition, without what belongs to the
    // connection.
    if (writer_ != nullptr) writer_->Close();
    connection_ = nullptr;
  }

  const std::string path_;
  const SqliteOptions options_;
  const Catalog catalog_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<Connection> connection_;
  ReaderPool readers_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<BackgroundCheck> background_check_;
  Mutex close_mutex_;
  bool closed_ MC_GUARDED_BY(close_mutex_) = false;
  std::optional<CommitQueue> queue_;
};

}  // namespace
}  // namespace sqlite

Result<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path,
                                               const Schema& schema,
                                               const SqliteOptions& options) {
  MC_RETURN_IF_ERROR(sqlite::CheckOptions(path, options));
  MC_RETURN_IF_ERROR(ValidateSchema(schema));
  auto store = std::make_unique<sqlite::SqliteStore>(path, schema, options);
  MC_RETURN_IF_ERROR(store->Open());
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace matrixcore
