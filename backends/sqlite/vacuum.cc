#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "matrixcore/backends/sqlite.h"
#include "sqlite/connection.h"
#include "sqlite/file_info.h"
#include "sqlite/file_lock.h"
#include "sqlite/files.h"
#include "sqlite/migrate.h"

namespace matrixcore {
namespace sqlite {
namespace {

// Steps of SQLite's machine between two reports.
constexpr int kStepsPerReport = 100'000;

// Moves the log into the file and does away with it: a log that stayed behind
// would be taken for that of the new file.
Status EndLog(Connection& connection) {
  MC_RETURN_IF_ERROR(connection.Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  MC_ASSIGN_OR_RETURN(Statement journal,
                      connection.Prepare("PRAGMA journal_mode=DELETE"));
  const int code = journal.Step();
  if (code != SQLITE_ROW) return connection.Error(code);
  if (journal.Bytes(0) != "delete") return connection.Error(SQLITE_BUSY);
  return OkStatus();
}

struct Report {
  const SqliteProgress& progress;
  const std::string& name;
  const uint64_t total;
};

Status WriteAnew(Connection& connection, const std::string& name,
                 uint64_t total, const SqliteProgress& progress) {
  Report report{progress, name, total};
  if (progress) {
    sqlite3_progress_handler(
        connection.handle(), kStepsPerReport,
        [](void* argument) {
          const Report& r = *static_cast<const Report*>(argument);
          const Result<uint64_t> done = FileBytes(r.name);
          if (done.ok()) r.progress(std::min(*done, r.total), r.total);
          return 0;
        },
        &report);
  }
  MC_ASSIGN_OR_RETURN(Statement vacuum, connection.Prepare("VACUUM INTO ?"));
  const Cell target(name);  // Bound without a copy.
  vacuum.Bind(1, target);
  const int code = vacuum.Run();
  sqlite3_progress_handler(connection.handle(), 0, nullptr, nullptr);
  return code == SQLITE_DONE ? OkStatus() : connection.Error(code);
}

}  // namespace
}  // namespace sqlite

Status CheckSqliteIsFree(const std::string& path) {
  return sqlite::FileLock::Acquire(path).status();
}

Result<SqliteVacuumInfo> VacuumSqlite(const std::string& path,
                                      const SqliteProgress& progress) {
  using namespace sqlite;
  MC_RETURN_IF_ERROR(FileBytes(path).status());
  MC_ASSIGN_OR_RETURN(const auto lock, FileLock::Acquire(path));
  SqliteVacuumInfo result;
  MC_ASSIGN_OR_RETURN(auto connection,
                      Connection::Open(path, {.cache_bytes = size_t{8} << 20,
                                              .busy_timeout = seconds(5)}));
  MC_RETURN_IF_ERROR(CheckIsOurs(*connection).status());
  MC_ASSIGN_OR_RETURN(const SqliteFileInfo before, ReadFileInfo(*connection));
  result.bytes_before = before.bytes;
  const uint64_t needed = before.bytes - before.free_bytes;
  MC_RETURN_IF_ERROR(CheckRoom(path, needed));
  MC_RETURN_IF_ERROR(EndLog(*connection));
  MC_ASSIGN_OR_RETURN(Draft draft, Draft::Make(path));
  MC_RETURN_IF_ERROR(WriteAnew(*connection, draft.name(), needed, progress));
  MC_ASSIGN_OR_RETURN(const SqliteFileInfo after, InspectSqlite(draft.name()));
  if (after.position != before.position ||
      after.schema_version != before.schema_version) {
    return Status(StatusCode::kDataLoss,
                  fmt::format("{}: what was written anew is not the same; the "
                              "file is unchanged: verify it",
                              path));
  }
  result.bytes_after = after.bytes;
  // The new file has the name from now on: nothing may be read of the old one.
  connection = nullptr;
  MC_RETURN_IF_ERROR(draft.Finish());
  return result;
}

}  // namespace matrixcore
