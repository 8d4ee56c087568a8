#include "sqlite/file_info.h"

#include <fmt/format.h>

#include "sqlite/log_check.h"
#include "sqlite/migrate.h"

namespace matrixcore {
namespace sqlite {

Result<std::unique_ptr<Connection>> OpenUntouched(const std::string& path) {
  MC_RETURN_IF_ERROR(CheckLogInUse(path));
  MC_ASSIGN_OR_RETURN(auto connection,
                      Connection::Open(path, {.cache_bytes = size_t{8} << 20,
                                              .busy_timeout = seconds(5),
                                              .read_only = true,
                                              .untouched = true}));
  MC_ASSIGN_OR_RETURN(const int64_t version, CheckIsOurs(*connection));
  if (version > 0) return connection;
  return Status(StatusCode::kFailedPrecondition,
                fmt::format("{}: nothing is in it yet; check the path", path));
}

Result<SqliteFileInfo> ReadFileInfo(Connection& connection) {
  MC_ASSIGN_OR_RETURN(
      const int64_t version,
      connection.QueryInt("SELECT max(version) FROM mc_schema"));
  MC_ASSIGN_OR_RETURN(const int64_t position,
                      connection.QueryInt("SELECT position FROM mc_log"));
  MC_ASSIGN_OR_RETURN(const int64_t page,
                      connection.QueryInt("PRAGMA page_size"));
  MC_ASSIGN_OR_RETURN(const int64_t pages,
                      connection.QueryInt("PRAGMA page_count"));
  MC_ASSIGN_OR_RETURN(const int64_t free,
                      connection.QueryInt("PRAGMA freelist_count"));
  return SqliteFileInfo{.schema_version = static_cast<uint32_t>(version),
                        .position = position,
                        .bytes = static_cast<uint64_t>(pages * page),
                        .free_bytes = static_cast<uint64_t>(free * page)};
}

}  // namespace sqlite

Result<SqliteFileInfo> InspectSqlite(const std::string& path) {
  MC_ASSIGN_OR_RETURN(const auto connection, sqlite::OpenUntouched(path));
  return sqlite::ReadFileInfo(*connection);
}

}  // namespace matrixcore
