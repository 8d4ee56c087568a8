// One SQLite connection and its statements, with errors as Status.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/store/store.h"
#include "matrixcore/store/table.h"
#include "matrixcore/store/write_batch.h"

namespace matrixcore::sqlite {

// A prepared statement.  Owned beside its connection, which must outlive it;
// one thread at a time.
class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}
  explicit operator bool() const { return handle_ != nullptr; }

  // Parameters count from 1.  Text and blobs are not copied: they must stay as
  // they are until Reset.
  void Bind(int parameter, int64_t number);
  void Bind(int parameter, const Cell& cell);
  // `first` is the position that PositionRef{0} stands for.
  void Bind(int parameter, const BatchCell& cell, Position first);

  // SQLITE_ROW, SQLITE_DONE or an error, also one of Bind.
  int Step();
  // Ends the execution, so that it can start again.
  void Reset();
  // Step until done, Reset.  SQLITE_DONE or an error.
  int Run();

  // Columns of the current row count from 0.
  int64_t Int(int column) const;
  std::string_view Bytes(int column) const;  // Until the next Step or Reset.
  bool IsNull(int column) const;
  // Whether the column equals `cell`, null equalling null.
  bool Equals(int column, const Cell& cell) const;
  // The column as a cell; false when it has not the type that it should have.
  bool Read(int column, const ColumnSpec& spec, Cell& cell) const;

  sqlite3_stmt* handle() const { return handle_.get(); }

 private:
  void BindText(int parameter, std::string_view text);
  void BindBlob(int parameter, std::string_view bytes);

  struct Finalizer {
    void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
  };
  std::unique_ptr<sqlite3_stmt, Finalizer> handle_;
  int bind_error_ = SQLITE_OK;
};

// An open connection.  One thread at a time.
class Connection {
 public:
  struct Options {
    size_t cache_bytes = 0;
    size_t mmap_bytes = 0;
    Duration busy_timeout = Duration(0);
    bool full_sync = true;
    bool read_only = false;  // Queries only.
    // No file changes: the log stays as it is also when nobody else has it
    // open, and the file may be read-only.
    bool untouched = false;
    // As in SqliteOptions.
    SqlitePageCounts* page_counts = nullptr;
  };

  // `path` names an existing file.
  static Result<std::unique_ptr<Connection>> Open(const std::string& path,
                                                  const Options& options);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { CountPages(); }

  Result<Statement> Prepare(std::string_view sql);
  // Runs SQL text that gives no rows of interest.
  Status Execute(const std::string& sql);
  // The first column of the first row; 0 when there is none.
  Result<int64_t> QueryInt(std::string_view sql);

  // What the result code of the last call means: kUnavailable, kDataLoss,
  // kAborted (a constraint) or kInternal, in a message that names the file and
  // what to do.
  Status Error(int code) const;

  // Whether a transaction is open; some errors end it by themselves.
  bool in_transaction() const {
    return sqlite3_get_autocommit(handle_.get()) == 0;
  }
  // How long calls wait for locks, instead of the time given at opening ...
  void SetBusyTimeout(Duration timeout);
  // ... and that time again.
  void RestoreBusyTimeout() { SetBusyTimeout(busy_timeout_); }
  // Ends the open transaction, if any, without a trace.
  void Rollback();
  // Tells of the pages that were asked for since the last call.
  void CountPages();

  sqlite3* handle() const { return handle_.get(); }
  const std::string& path() const { return path_; }

 private:
  struct Closer {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };

  Connection(std::string path, sqlite3* handle, const Options& options)
      : path_(std::move(path)),
        handle_(handle),
        busy_timeout_(options.busy_timeout),
        page_counts_(options.page_counts) {}
  Status Configure(const Options& options);

  const std::string path_;
  const std::unique_ptr<sqlite3, Closer> handle_;
  const Duration busy_timeout_;
  SqlitePageCounts* const page_counts_;
};

}  // namespace matrixcore::sqlite
