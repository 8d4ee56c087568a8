#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "matrixcore/backends/sqlite.h"
#include "sqlite/connection.h"
#include "sqlite/file_info.h"
#include "sqlite/file_lock.h"
#include "sqlite/files.h"

namespace matrixcore {
namespace sqlite {
namespace {

// Copied between two reports.
constexpr uint64_t kStepBytes = uint64_t{1} << 20;

struct BackupFinisher {
  void operator()(sqlite3_backup* backup) const {
    sqlite3_backup_finish(backup);
  }
};

// `from` has a read transaction: others may write meanwhile, and the copy is
// that of one moment all the same, without beginning again.
Status CopyPages(Connection& from, Connection& to, uint64_t bytes,
                 const SqliteProgress& progress) {
  std::unique_ptr<sqlite3_backup, BackupFinisher> backup(
      sqlite3_backup_init(to.handle(), "main", from.handle(), "main"));
  if (backup == nullptr) return to.Error(sqlite3_extended_errcode(to.handle()));
  MC_ASSIGN_OR_RETURN(const int64_t page, from.QueryInt("PRAGMA page_size"));
  const auto page_bytes = static_cast<uint64_t>(page);
  const int pages =
      static_cast<int>(std::max<uint64_t>(kStepBytes / page_bytes, 1));
  int code = SQLITE_OK;
  while (code == SQLITE_OK) {
    code = sqlite3_backup_step(backup.get(), pages);
    const auto left =
        static_cast<uint64_t>(sqlite3_backup_remaining(backup.get()));
    if (progress) progress(bytes - std::min(bytes, left * page_bytes), bytes);
  }
  if (code == SQLITE_DONE) return OkStatus();
  // What failed is on one of the two sides: reading names the source.
  const bool reading =
      code == SQLITE_IOERR_READ || code == SQLITE_IOERR_SHORT_READ ||
      (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
  return reading ? from.Error(code) : to.Error(code);
}

Status RefuseToOverwrite(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return OkStatus();
  return {StatusCode::kAlreadyExists,
          fmt::format("{}: it exists; name another file, or remove it", path)};
}

// Makes the draft of a copy: one file without a log, not yet durable.
Result<SqliteFileInfo> CopyTo(const std::string& from, const Draft& draft,
                              const SqliteProgress& progress) {
  MC_ASSIGN_OR_RETURN(const auto source, OpenUntouched(from));
  MC_RETURN_IF_ERROR(source->Execute("BEGIN"));
  MC_ASSIGN_OR_RETURN(const SqliteFileInfo info, ReadFileInfo(*source));
  MC_RETURN_IF_ERROR(CheckRoom(draft.name(), info.bytes));
  MC_ASSIGN_OR_RETURN(const auto target,
                      Connection::Open(draft.name(), {.full_sync = false}));
  MC_RETURN_IF_ERROR(
      target->Execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF"));
  MC_RETURN_IF_ERROR(CopyPages(*source, *target, info.bytes, progress));
  // Its head says that it has a log, as the source's does.  Without one it can
  // be read from where nothing can be written.
  MC_RETURN_IF_ERROR(target->Execute("PRAGMA journal_mode=DELETE"));
  return info;
}

// The log goes on above `position`.
Status SkipTo(const std::string& path, Position position) {
  MC_ASSIGN_OR_RETURN(const auto connection,
                      Connection::Open(path, {.busy_timeout = seconds(5)}));
  return connection->Execute(fmt::format(
      "UPDATE mc_log SET position={0} WHERE position<{0}", position));
}

Status MakeRestored(const std::string& from, const std::string& to,
                    const Schema& schema, const SqliteRestoreOptions& options) {
  MC_ASSIGN_OR_RETURN(Draft draft, Draft::Make(to));
  MC_RETURN_IF_ERROR(CopyTo(from, draft, options.progress).status());
  MC_RETURN_IF_ERROR(SkipTo(draft.name(), options.skip_to));
  MC_ASSIGN_OR_RETURN(const auto store, OpenSqliteStore(draft.name(), schema));
  if (options.prepare) MC_RETURN_IF_ERROR(options.prepare(*store));
  store->Close();
  return draft.Finish();
}

}  // namespace
}  // namespace sqlite

Result<SqliteFileInfo> BackUpSqlite(const std::string& from,
                                    const std::string& to,
                                    const SqliteProgress& progress) {
  using namespace sqlite;
  MC_RETURN_IF_ERROR(RefuseToOverwrite(to));
  // Nothing is made for what cannot be read.
  MC_RETURN_IF_ERROR(InspectSqlite(from).status());
  MC_ASSIGN_OR_RETURN(Draft draft, Draft::Make(to));
  MC_ASSIGN_OR_RETURN(const SqliteFileInfo info, CopyTo(from, draft, progress));
  MC_RETURN_IF_ERROR(draft.Finish());
  return info;
}

Result<SqliteFileInfo> RestoreSqlite(const std::string& from,
                                     const std::string& to,
                                     const Schema& schema,
                                     const SqliteRestoreOptions& options) {
  using namespace sqlite;
  MC_RETURN_IF_ERROR(RefuseToOverwrite(to));
  MC_ASSIGN_OR_RETURN(const SqliteFileInfo info, InspectSqlite(from));
  if (info.schema_version > schema.version) {
    return Status(StatusCode::kFailedPrecondition,
                  fmt::format("{}: a newer program made it (schema version {}, "
                              "this program knows {}); use that program",
                              from, info.schema_version, schema.version));
  }
  std::error_code ignored;
  const bool had_lock = std::filesystem::exists(to + "-lock", ignored);
  MC_ASSIGN_OR_RETURN(const auto lock, FileLock::Acquire(to));
  // If this process dies, a server finds that the database is missing, instead
  // of beginning with an empty one.
  Status status = lock->MarkStopped();
  if (status.ok()) status = MakeRestored(from, to, schema, options);
  if (status.ok()) return info;
  if (!had_lock) std::filesystem::remove(to + "-lock", ignored);
  return status;
}

}  // namespace matrixcore
