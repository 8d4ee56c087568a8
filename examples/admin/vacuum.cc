#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "commands.h"
#include "database.h"
#include "matrixcore/api/homeserver.h"
#include "matrixcore/backends/sqlite.h"
#include "progress.h"

namespace matrixcore::admin {
namespace {

// Writing anew would hide what is wrong with an index.
Status RefuseDamage(const std::string& path) {
  Progress progress("checking the database", Unit::kBytes);
  MC_ASSIGN_OR_RETURN(
      const std::vector<std::string> problems,
      VerifySqlite(path, MatrixSchema(), [&](uint64_t done, uint64_t total) {
        progress.Update(done, total);
      }));
  if (problems.empty()) return OkStatus();
  return {StatusCode::kDataLoss,
          fmt::format("{}: the database is damaged and was left as it is ({}); "
                      "restore a backup",
                      path, problems.front())};
}

Result<int> Run(const ServerOptions& options) {
  MC_ASSIGN_OR_RETURN(const server::Config config, ReadConfig(options));
  MC_RETURN_IF_ERROR(CheckThatDatabaseExists(config));
  const std::string path = DatabasePath(config);
  MC_RETURN_IF_ERROR(CheckSqliteIsFree(path));
  MC_ASSIGN_OR_RETURN(const SqliteFileInfo info, InspectSqlite(path));
  fmt::print("{}: {}, of which {} are free; needs room for another {}\n", path,
             BytesText(info.bytes), BytesText(info.free_bytes),
             BytesText(info.bytes - info.free_bytes));
  MC_RETURN_IF_ERROR(RefuseDamage(path));
  SqliteVacuumInfo vacuumed;
  {
    Progress progress("writing the database anew", Unit::kBytes);
    MC_ASSIGN_OR_RETURN(vacuumed,
                        VacuumSqlite(path, [&](uint64_t done, uint64_t total) {
                          progress.Update(done, total);
                        }));
  }
  const uint64_t freed = vacuumed.bytes_before > vacuumed.bytes_after
                             ? vacuumed.bytes_before - vacuumed.bytes_after
                             : 0;
  fmt::print("{}: {} now, {} were freed\n", path,
             BytesText(vacuumed.bytes_after), BytesText(freed));
  return kDone;
}

}  // namespace

void AddVacuum(Program& program) {
  const auto options = std::make_shared<ServerOptions>();
  CLI::App& command = program.Add(
      "vacuum",
      "Write the database anew, so that the disk gets back the room of what "
      "was deleted; the server must be stopped",
      [options] { return Run(*options); });
  AddServerOptions(command, *options);
}

}  // namespace matrixcore::admin
