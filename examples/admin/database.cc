#include "database.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <system_error>

#include "data_dir.h"
#include "matrixcore/api/homeserver.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/service/account_tables.h"

namespace matrixcore::admin {

std::string DatabasePath(const server::Config& config) {
  return server::PathBelow(config.data_dir, config.database_path);
}

Status CheckThatDatabaseExists(const server::Config& config) {
  const std::string path = DatabasePath(config);
  std::error_code error;
  if (std::filesystem::exists(path, error)) return OkStatus();
  if (error) {
    return {StatusCode::kUnavailable,
            fmt::format("{}: {}", path, error.message())};
  }
  return {StatusCode::kNotFound,
          fmt::format("there is no database {}; give the server's --config or "
                      "--data-dir",
                      path)};
}

Result<std::string> ServerNameIn(const std::string& path,
                                 uint32_t schema_version) {
  using tables::kServerInfo;
  MC_ASSIGN_OR_RETURN(
      const auto store,
      OpenSqliteStoreReadOnly(path, {{kServerInfo}, schema_version}));
  MC_ASSIGN_OR_RETURN(const auto snapshot, store->NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot->Get(kServerInfo, {std::string("server_name")}));
  if (row) return std::string(CellText((*row)[tables::ServerInfo::kValue]));
  return Status(StatusCode::kFailedPrecondition,
                fmt::format("{}: no server has used it yet; start one on it "
                            "first",
                            path));
}

Result<std::unique_ptr<Store>> OpenToRead(const server::Config& config) {
  MC_RETURN_IF_ERROR(CheckThatDatabaseExists(config));
  return OpenSqliteStoreReadOnly(DatabasePath(config), MatrixSchema(),
                                 config.sqlite);
}

Result<std::unique_ptr<Store>> OpenToChange(const server::Config& config) {
  MC_RETURN_IF_ERROR(CheckThatDatabaseExists(config));
  return OpenSqliteStore(DatabasePath(config), MatrixSchema(), config.sqlite);
}

}  // namespace matrixcore::admin
