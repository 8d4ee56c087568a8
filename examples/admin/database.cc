#include "database.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "data_dir.h"
#include "matrixcore/api/homeserver.h"
#include "matrixcore/backends/sqlite.h"

namespace matrixcore::admin {
namespace {

Status CheckThatItExists(const std::string& path) {
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

}  // namespace

std::string DatabasePath(const server::Config& config) {
  return server::PathBelow(config.data_dir, config.database_path);
}

Result<std::unique_ptr<Store>> OpenToRead(const server::Config& config) {
  const std::string path = DatabasePath(config);
  MC_RETURN_IF_ERROR(CheckThatItExists(path));
  return OpenSqliteStoreReadOnly(path, MatrixSchema(), config.sqlite);
}

Result<std::unique_ptr<Store>> OpenToChange(const server::Config& config) {
  const std::string path = DatabasePath(config);
  MC_RETURN_IF_ERROR(CheckThatItExists(path));
  return OpenSqliteStore(path, MatrixSchema(), config.sqlite);
}

}  // namespace matrixcore::admin
