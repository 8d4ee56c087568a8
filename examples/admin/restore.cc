#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "backup_files.h"
#include "backup_reader.h"
#include "commands.h"
#include "data_dir.h"
#include "database.h"
#include "matrixcore/api/homeserver.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/time.h"
#include "matrixcore/service/restored.h"
#include "progress.h"

namespace matrixcore::admin {
namespace {

namespace fs = std::filesystem;

struct Options {
  ServerOptions server = {};
  std::string folder = {};
};

// Only into what is empty: nothing is overwritten, and nothing that is there is
// taken for a part of the backup.
Status CheckTarget(const server::Config& config) {
  MC_RETURN_IF_ERROR(server::PrepareDataDir(config.data_dir));
  std::error_code error;
  for (fs::directory_iterator it(config.data_dir, error), end;
       !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name == "lost+found") continue;
    return {StatusCode::kFailedPrecondition,
            fmt::format("{}: the data folder is not empty, it holds {}; move "
                        "what is in it away (also what a restoration that was "
                        "killed has left), or name another --data-dir",
                        config.data_dir, name)};
  }
  if (error) {
    return {StatusCode::kUnavailable,
            fmt::format("{}: {}", config.data_dir, error.message())};
  }
  return OkStatus();
}

// A server refuses a database of another name; better to know it now.
Status CheckServerName(const server::Config& config, const Manifest& manifest) {
  const std::string& name = config.homeserver.server_name;
  if (config.file.empty() || name == manifest.server_name) return OkStatus();
  return {
      StatusCode::kFailedPrecondition,
      fmt::format("the backup is of the server {}, but server_name in {} is "
                  "{}; use the configuration of that server",
                  manifest.server_name, config.file, name)};
}

// Everything but the database itself.  What it has made goes away again unless
// the restoration succeeds.
class OtherFiles {
 public:
  OtherFiles(const BackupReader& backup, const server::Config& config)
      : backup_(backup), config_(config) {}
  ~OtherFiles() {
    std::error_code ignored;
    for (const std::string& path : made_) fs::remove_all(path, ignored);
  }
  OtherFiles(const OtherFiles&) = delete;
  OtherFiles& operator=(const OtherFiles&) = delete;

  Status Copy() {
    const Manifest& manifest = backup_.manifest();
    MC_RETURN_IF_ERROR(
        CopySecret(kSigningKeyName, "signing.key", manifest.signing_key));
    if (manifest.registration_secret) {
      MC_RETURN_IF_ERROR(CopySecret(kSecretName, config_.shared_secret_file,
                                    *manifest.registration_secret));
    }
    MC_RETURN_IF_ERROR(CopyMedia());
    return MakeTreeDurable(config_.data_dir);
  }
  void Keep() { made_.clear(); }

 private:
  Status CopySecret(std::string_view name, const std::string& file,
                    const FileEntry& entry) {
    const std::string to = server::PathBelow(config_.data_dir, file);
    MC_RETURN_IF_ERROR(
        backup_.CopyChecked(std::string(name), to, entry.sha256, nullptr));
    made_.push_back(to);
    return OkStatus();
  }

  Status CopyMedia() {
    const std::string folder = server::PathBelow(config_.data_dir, "media");
    MC_RETURN_IF_ERROR(MakePrivateFolder(folder));
    made_.push_back(folder);
    Progress progress("copying media", Unit::kBytes);
    const uint64_t total = backup_.manifest().media_bytes;
    uint64_t done = 0;
    return backup_.ForEachMedium([&](const MediaLine& line) -> Status {
      const fs::path to = server::PathBelow(config_.data_dir, line.path);
      const fs::path second = to.parent_path();
      std::error_code error;
      for (const fs::path& part : {second.parent_path(), second}) {
        if (fs::exists(part, error)) continue;
        MC_RETURN_IF_ERROR(MakePrivateFolder(part.string()));
      }
      return backup_.CopyChecked(
          line.path, to.string(), line.sha256,
          [&](uint64_t bytes) { progress.Update(done += bytes, total); });
    });
  }

  const BackupReader& backup_;
  const server::Config& config_;
  std::vector<std::string> made_;
};

// The database appears last, and no server can start before.
Result<RestoredReport> RestoreAll(const BackupReader& backup,
                                  const server::Config& config) {
  Progress progress("restoring the database", Unit::kBytes);
  OtherFiles others(backup, config);
  const Timestamp now = NewSystemClock()->Now();
  const Position position = backup.manifest().position;
  RestoredReport report;
  const SqliteRestoreOptions options{
      .skip_to = PositionAfterRestoring(position, now),
      .prepare = [&](Store& store) -> Status {
        progress.Finish();
        MC_RETURN_IF_ERROR(others.Copy());
        MC_ASSIGN_OR_RETURN(report, MarkRestored(store, position, now));
        return OkStatus();
      },
      .progress = [&](uint64_t done,
                      uint64_t total) { progress.Update(done, total); }};
  MC_RETURN_IF_ERROR(RestoreSqlite(backup.Path(kDatabaseName),
                                   DatabasePath(config), MatrixSchema(),
                                   options)
                         .status());
  others.Keep();
  return report;
}

Result<int> Run(const Options& options) {
  MC_ASSIGN_OR_RETURN(const server::Config config, ReadConfig(options.server));
  MC_ASSIGN_OR_RETURN(const BackupReader backup,
                      BackupReader::Open(options.folder));
  const Manifest& manifest = backup.manifest();
  MC_RETURN_IF_ERROR(CheckServerName(config, manifest));
  MC_RETURN_IF_ERROR(backup.CheckSchema());
  MC_RETURN_IF_ERROR(CheckTarget(config));
  MC_RETURN_IF_ERROR(CheckSpace(
      config.data_dir, manifest.database.bytes + manifest.media_bytes));
  {
    Progress progress("checking the database", Unit::kBytes);
    MC_RETURN_IF_ERROR(backup.CheckDatabase(
        [&](uint64_t done, uint64_t total) { progress.Update(done, total); }));
  }
  MC_ASSIGN_OR_RETURN(const RestoredReport report, RestoreAll(backup, config));
  fmt::print("{}: restored the backup of {} of {}\n", config.data_dir,
             manifest.server_name, TimeText(manifest.created_ts));
  fmt::print(
      "dropped {} one-time keys of {} devices, announced the devices of {} "
      "users; clients upload new keys by themselves\n",
      report.one_time_keys, report.devices, report.users);
  if (config.homeserver.server_name != manifest.server_name) {
    fmt::print("start the server with server_name = \"{}\"\n",
               manifest.server_name);
  }
  return kDone;
}

}  // namespace

void AddRestore(Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = program.Add(
      "restore",
      "Make the data folder from a backup; it must be empty.  Run it as the "
      "user that runs the server",
      [options] { return Run(*options); });
  AddServerOptions(command, options->server);
  command
      .add_option("folder", options->folder,
                  "The backup, made by matrixcore-admin backup")
      ->required();
}

}  // namespace matrixcore::admin
