#include "sqlite/connection.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <type_traits>
#include <utility>

#include "sqlite/vfs.h"

namespace matrixcore::sqlite {
namespace {

constexpr size_t kDefaultCacheBytes = size_t{2} << 20;

std::string SystemError(int error) {
  return std::error_code(error, std::generic_category()).message();
}

// What an SQLITE_IOERR was about.
std::string_view IoOperation(int code) {
  switch (code) {
    case SQLITE_IOERR_READ:
    case SQLITE_IOERR_SHORT_READ:
      return "reading";
    case SQLITE_IOERR_WRITE:
      return "writing";
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC:
      return "making it durable";
    default:
      return "input or output";
  }
}

}  // namespace

void Statement::BindText(int parameter, std::string_view text) {
  const int code =
      sqlite3_bind_text(handle_.get(), parameter, text.data(),
                        static_cast<int>(text.size()), SQLITE_STATIC);
  if (code != SQLITE_OK) bind_error_ = code;
}

void Statement::BindBlob(int parameter, std::string_view bytes) {
  const int code =
      sqlite3_bind_blob(handle_.get(), parameter, bytes.data(),
                        static_cast<int>(bytes.size()), SQLITE_STATIC);
  if (code != SQLITE_OK) bind_error_ = code;
}

void Statement::Bind(int parameter, int64_t number) {
  const int code = sqlite3_bind_int64(handle_.get(), parameter, number);
  if (code != SQLITE_OK) bind_error_ = code;
}

void Statement::Bind(int parameter, const Cell& cell) {
  if (const auto* number = std::get_if<int64_t>(&cell)) {
    Bind(parameter, *number);
  } else if (const auto* text = std::get_if<std::string>(&cell)) {
    BindText(parameter, *text);
  } else if (const auto* blob = std::get_if<Blob>(&cell)) {
    BindBlob(parameter, blob->bytes);
  } else {
    sqlite3_bind_null(handle_.get(), parameter);
  }
}

void Statement::Bind(int parameter, const BatchCell& cell, Position first) {
  if (const auto* number = std::get_if<int64_t>(&cell)) {
    Bind(parameter, *number);
  } else if (const auto* text = std::get_if<std::string>(&cell)) {
    BindText(parameter, *text);
  } else if (const auto* blob = std::get_if<Blob>(&cell)) {
    BindBlob(parameter, blob->bytes);
  } else if (const auto* position = std::get_if<PositionRef>(&cell)) {
    Bind(parameter, first + position->index);
  } else {
    sqlite3_bind_null(handle_.get(), parameter);
  }
}

int Statement::Step() {
  if (bind_error_ != SQLITE_OK) return std::exchange(bind_error_, SQLITE_OK);
  return sqlite3_step(handle_.get());
}

void Statement::Reset() { sqlite3_reset(handle_.get()); }

int Statement::Run() {
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = Step();
  Reset();
  return code;
}

int64_t Statement::Int(int column) const {
  return sqlite3_column_int64(handle_.get(), column);
}

std::string_view Statement::Bytes(int column) const {
  // Of text too: column_blob gives its bytes as they are, column_text may copy
  // them to end them with a NUL.
  const void* data = sqlite3_column_blob(handle_.get(), column);
  const int size = sqlite3_column_bytes(handle_.get(), column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data), static_cast<size_t>(size)};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL;
}

bool Statement::Equals(int column, const Cell& cell) const {
  switch (sqlite3_column_type(handle_.get(), column)) {
    case SQLITE_NULL:
      return matrixcore::IsNull(cell);
    case SQLITE_INTEGER: {
      const auto* number = std::get_if<int64_t>(&cell);
      return number != nullptr && *number == Int(column);
    }
    case SQLITE_TEXT: {
      const auto* text = std::get_if<std::string>(&cell);
      return text != nullptr && *text == Bytes(column);
    }
    case SQLITE_BLOB: {
      const auto* blob = std::get_if<Blob>(&cell);
      return blob != nullptr && blob->bytes == Bytes(column);
    }
    default:
      return false;
  }
}

bool Statement::Read(int column, const ColumnSpec& spec, Cell& cell) const {
  // A value is asked in less time than a column.  It is unprotected, which does
  // no harm: one thread at a time has the connection.
  sqlite3_value* const value = sqlite3_column_value(handle_.get(), column);
  const auto bytes = [value] {
    const void* data = sqlite3_value_blob(value);  // As in Bytes.
    const int size = sqlite3_value_bytes(value);
    return data == nullptr ? std::string()
                           : std::string(static_cast<const char*>(data),
                                         static_cast<size_t>(size));
  };
  switch (sqlite3_value_type(value)) {
    case SQLITE_NULL:
      cell = std::monostate();
      return spec.nullable;
    case SQLITE_INTEGER:
      cell = int64_t{sqlite3_value_int64(value)};
      return spec.type == ColumnType::kInt64;
    case SQLITE_TEXT:
      cell = bytes();
      return spec.type == ColumnType::kText;
    case SQLITE_BLOB:
      cell = Blob{bytes()};
      return spec.type == ColumnType::kBlob;
    default:
      return false;
  }
}

Result<std::unique_ptr<Connection>> Connection::Open(const std::string& path,
                                                     const Options& options) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &handle,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      VfsName());
  if (handle == nullptr) {
    return Status(StatusCode::kUnavailable,
                  fmt::format("{}: no memory to open it", path));
  }
  std::unique_ptr<Connection> connection(new Connection(path, handle, options));
  if (code != SQLITE_OK) return connection->Error(code);
  if (!options.untouched && sqlite3_db_readonly(handle, "main") == 1) {
    return connection->Error(SQLITE_READONLY);
  }
  MC_RETURN_IF_ERROR(connection->Configure(options));
  return connection;
}

Status Connection::Configure(const Options& options) {
  sqlite3* const handle = handle_.get();
  RestoreBusyTimeout();
  struct stat log {};
  if (options.untouched && stat((path_ + "-wal").c_str(), &log) == 0 &&
      log.st_size > 0) {
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  // Names in double quotes are names, never texts.
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  MC_RETURN_IF_ERROR(Execute(fmt::format(
      "PRAGMA cache_size=-{}; PRAGMA mmap_size={}; PRAGMA synchronous={};"
      // Deleted messages are overwritten where that costs no extra writes.
      "PRAGMA secure_delete=FAST; PRAGMA cell_size_check=ON;"
      "PRAGMA foreign_keys=OFF; PRAGMA wal_autocheckpoint=0;"
      "PRAGMA temp_store=MEMORY;"
      "PRAGMA query_only={};",
      (options.cache_bytes == 0 ? kDefaultCacheBytes : options.cache_bytes) /
          1024,
      options.mmap_bytes, options.full_sync ? "FULL" : "NORMAL",
      options.read_only ? 1 : 0)));
  return OkStatus();
}

Result<Statement> Connection::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(
      handle_.get(), sql.data(), static_cast<int>(sql.size()),
      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return Error(code);
  return Statement(statement);
}

Status Connection::Execute(const std::string& sql) {
  const int code =
      sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? OkStatus() : Error(code);
}

Result<int64_t> Connection::QueryInt(std::string_view sql) {
  MC_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  const int code = statement.Step();
  if (code == SQLITE_ROW) return statement.Int(0);
  if (code == SQLITE_DONE) return int64_t{0};
  return Error(code);
}

void Connection::SetBusyTimeout(Duration timeout) {
  const auto ms = std::chrono::duration_cast<milliseconds>(timeout).count();
  sqlite3_busy_timeout(handle_.get(), static_cast<int>(ms));
}

void Connection::Rollback() {
  if (!in_transaction()) return;
  sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Connection::CountPages() {
  if (page_counts_ == nullptr) return;
  const auto take = [this](int what) {
    int count = 0;
    int most = 0;
    sqlite3_db_status(handle_.get(), what, &count, &most, 1);
    return static_cast<uint64_t>(count);
  };
  page_counts_->hits += take(SQLITE_DBSTATUS_CACHE_HIT);
  page_counts_->misses += take(SQLITE_DBSTATUS_CACHE_MISS);
}

Status Connection::Error(int code) const {
  const int system_error = sqlite3_system_errno(handle_.get());
  const std::string text = sqlite3_errmsg(handle_.get());
  const auto unavailable = [this](std::string_view what) {
    return Status(StatusCode::kUnavailable, fmt::format("{}: {}", path_, what));
  };
  switch (code & 0xff) {
    case SQLITE_FULL:
      return unavailable(
          "nothing was written, because the disk or the quota is full; free "
          "some space there");
    case SQLITE_READONLY:
      return unavailable(
          "it cannot be written: the file, its directory or its file system is "
          "read-only; make it writable for the user that runs the server");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return unavailable(
          "another program holds its lock; close that program (an sqlite3 "
          "shell, a backup) or end its transaction");
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return unavailable(fmt::format(
          "it or a file beside it cannot be opened ({}); check path and "
          "permissions",
          system_error != 0 ? SystemError(system_error) : text));
    case SQLITE_IOERR:
      return unavailable(fmt::format(
          "{} failed{}; check the disk, its quota and the limit of the "
          "server's user for the size of files",
          IoOperation(code),
          system_error != 0 ? " (" + SystemError(system_error) + ")" : ""));
    case SQLITE_NOMEM:
      return unavailable("not enough memory");
    case SQLITE_INTERRUPT:
      return unavailable("it is being closed");
    case SQLITE_CORRUPT:
      return {StatusCode::kDataLoss,
              fmt::format("{}: the file is damaged ({}); restore it from a "
                          "backup, or save what is left with the .recover "
                          "command of the sqlite3 program",
                          path_, text)};
    case SQLITE_NOTADB:
      return {StatusCode::kDataLoss,
              fmt::format("{}: this is no SQLite database, or its beginning is "
                          "damaged; check the path, or restore it from a "
                          "backup",
                          path_)};
    case SQLITE_CONSTRAINT:
      return {StatusCode::kAborted, text};
    case SQLITE_TOOBIG:
      return {StatusCode::kTooLarge, fmt::format("{}: {}", path_, text)};
    default:
      return {StatusCode::kInternal,
              fmt::format("{}: {} (SQLite error {})", path_, text, code)};
  }
}

}  // namespace matrixcore::sqlite
