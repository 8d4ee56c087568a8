#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "backup_files.h"
#include "commands.h"
#include "data_dir.h"
#include "database.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/time.h"
#include "progress.h"

namespace matrixcore::admin {
namespace {

namespace fs = std::filesystem;

struct Options {
  ServerOptions server = {};
  std::string folder = {};
  std::string previous = {};
};

// Makes one backup in a folder that has another name until it is whole.
class Backup {
 public:
  Backup(const server::Config& config, std::string folder, std::string previous)
      : config_(config),
        folder_(std::move(folder)),
        draft_(folder_ + ".partial"),
        previous_(std::move(previous)) {}

  // What was made is removed when it fails.
  Result<Manifest> Make();

 private:
  Status CheckPlaces();
  Status Fill();
  Status AddDatabase();
  Status AddSecrets();
  Status AddMedia();
  Result<FileEntry> AddMedium(const std::string& root, const std::string& path,
                              uint64_t bytes);
  Status MakeFoldersOf(const std::string& path);
  // Whether the earlier backup has the same medium: media never change.
  Result<std::optional<std::string>> HashInPrevious(const std::string& path,
                                                    uint64_t bytes);
  Status WriteManifest();
  std::string DraftPath(std::string_view name) const {
    return fmt::format("{}/{}", draft_, name);
  }

  const server::Config& config_;
  const std::string folder_;
  const std::string draft_;
  const std::string previous_;
  Manifest manifest_;
  // Of the earlier backup's list of media, which has the same order.
  std::optional<MediaListReader> previous_list_;
  std::optional<MediaLine> previous_line_;
  std::string media_folder_;  // The newest that was made.
};

Result<Manifest> Backup::Make() {
  MC_RETURN_IF_ERROR(CheckPlaces());
  MC_RETURN_IF_ERROR(MakePrivateFolder(draft_));
  Status status = Fill();
  std::error_code error;
  if (status.ok()) {
    fs::rename(draft_, folder_, error);
    if (error) {
      status = Status(StatusCode::kUnavailable,
                      fmt::format("{}: cannot be made of {}: {}", folder_,
                                  draft_, error.message()));
    }
  }
  if (!status.ok()) {
    fs::remove_all(draft_, error);
    return status;
  }
  const fs::path parent = fs::absolute(folder_, error).parent_path();
  MC_RETURN_IF_ERROR(MakeDurable(parent.string()));
  return manifest_;
}

Status Backup::CheckPlaces() {
  std::error_code error;
  if (fs::exists(folder_, error)) {
    return {StatusCode::kAlreadyExists,
            fmt::format("{}: it exists; name a folder that does not", folder_)};
  }
  if (fs::exists(draft_, error)) {
    return {StatusCode::kAlreadyExists,
            fmt::format("{}: a backup is being made there, or was broken off; "
                        "if none is being made, remove it",
                        draft_)};
  }
  if (previous_.empty()) return OkStatus();
  MC_ASSIGN_OR_RETURN(previous_list_, MediaListReader::Open(fmt::format(
                                          "{}/{}", previous_, kMediaListName)));
  MC_ASSIGN_OR_RETURN(previous_line_, previous_list_->Next());
  return OkStatus();
}

Status Backup::Fill() {
  MC_RETURN_IF_ERROR(AddDatabase());
  MC_RETURN_IF_ERROR(AddSecrets());
  // After the database, so that every medium that it knows of is there.
  MC_RETURN_IF_ERROR(AddMedia());
  return WriteManifest();
}

Status Backup::AddDatabase() {
  const std::string copy = DraftPath(kDatabaseName);
  {
    Progress progress("copying the database", Unit::kBytes);
    MC_ASSIGN_OR_RETURN(const SqliteFileInfo info,
                        BackUpSqlite(DatabasePath(config_), copy,
                                     [&](uint64_t done, uint64_t total) {
                                       progress.Update(done, total);
                                     }));
    manifest_.schema_version = info.schema_version;
    manifest_.position = info.position;
  }
  MC_ASSIGN_OR_RETURN(manifest_.server_name,
                      ServerNameIn(copy, manifest_.schema_version));
  std::error_code error;
  const uint64_t total = fs::file_size(copy, error);
  Progress progress("hashing the database", Unit::kBytes);
  uint64_t done = 0;
  MC_ASSIGN_OR_RETURN(manifest_.database, HashFile(copy, [&](uint64_t bytes) {
                        progress.Update(done += bytes, total);
                      }));
  return OkStatus();
}

Status Backup::AddSecrets() {
  MC_ASSIGN_OR_RETURN(
      manifest_.signing_key,
      CopyFile(server::PathBelow(config_.data_dir, "signing.key"),
               DraftPath(kSigningKeyName), nullptr));
  const std::string secret =
      server::PathBelow(config_.data_dir, config_.shared_secret_file);
  std::error_code error;
  if (!fs::exists(secret, error)) return OkStatus();
  MC_ASSIGN_OR_RETURN(manifest_.registration_secret,
                      CopyFile(secret, DraftPath(kSecretName), nullptr));
  return OkStatus();
}

Status Backup::AddMedia() {
  const std::string root = server::PathBelow(config_.data_dir, "media");
  uint64_t total = 0;
  MC_RETURN_IF_ERROR(
      ForEachMedium(root, [&](const std::string&, uint64_t bytes) {
        total += bytes;
        return OkStatus();
      }));
  if (previous_.empty()) MC_RETURN_IF_ERROR(CheckSpace(draft_, total));
  MC_RETURN_IF_ERROR(MakePrivateFolder(DraftPath(kMediaFolder)));
  const std::string list = DraftPath(kMediaListName);
  MC_RETURN_IF_ERROR(server::WritePrivateFile(list, ""));
  std::ofstream out(list, std::ios::binary | std::ios::app);
  Progress progress("copying media", Unit::kBytes);
  const auto add = [&](const std::string& path, uint64_t bytes) -> Status {
    MC_ASSIGN_OR_RETURN(const FileEntry entry, AddMedium(root, path, bytes));
    out << MediaLineText(
        {entry.sha256, fmt::format("{}/{}", kMediaFolder, path)});
    ++manifest_.media_files;
    manifest_.media_bytes += entry.bytes;
    progress.Update(manifest_.media_bytes, total);
    return OkStatus();
  };
  MC_RETURN_IF_ERROR(ForEachMedium(root, add));
  out.close();
  if (!out) {
    return {StatusCode::kUnavailable,
            fmt::format("{}: cannot be written; free some space there", list)};
  }
  MC_RETURN_IF_ERROR(MakeDurable(list));
  MC_ASSIGN_OR_RETURN(manifest_.media_list, HashFile(list, nullptr));
  return OkStatus();
}

// Shares it with the earlier backup, or copies it.
Result<FileEntry> Backup::AddMedium(const std::string& root,
                                    const std::string& path, uint64_t bytes) {
  MC_RETURN_IF_ERROR(MakeFoldersOf(path));
  const std::string copy = fmt::format("{}/{}", DraftPath(kMediaFolder), path);
  MC_ASSIGN_OR_RETURN(const std::optional<std::string> hash,
                      HashInPrevious(path, bytes));
  if (hash) {
    std::error_code error;
    fs::create_hard_link(fmt::format("{}/{}/{}", previous_, kMediaFolder, path),
                         copy, error);
    if (!error) return FileEntry{bytes, *hash};
  }
  return CopyFile(root + "/" + path, copy, nullptr);
}

// Those before are complete: paths come in order.
Status Backup::MakeFoldersOf(const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/'));
  if (folder == media_folder_) return OkStatus();
  const std::string first = folder.substr(0, folder.find('/'));
  if (first != media_folder_.substr(0, media_folder_.find('/'))) {
    MC_RETURN_IF_ERROR(MakePrivateFolder(
        fmt::format("{}/{}", DraftPath(kMediaFolder), first)));
  }
  MC_RETURN_IF_ERROR(
      MakePrivateFolder(fmt::format("{}/{}", DraftPath(kMediaFolder), folder)));
  media_folder_ = folder;
  return OkStatus();
}

Result<std::optional<std::string>> Backup::HashInPrevious(
    const std::string& path, uint64_t bytes) {
  if (!previous_list_) return std::optional<std::string>();
  const std::string wanted = fmt::format("{}/{}", kMediaFolder, path);
  while (previous_line_ && previous_line_->path < wanted) {
    MC_ASSIGN_OR_RETURN(previous_line_, previous_list_->Next());
  }
  if (!previous_line_ || previous_line_->path != wanted) {
    return std::optional<std::string>();
  }
  std::error_code error;
  const uint64_t size = fs::file_size(previous_ + "/" + wanted, error);
  if (error || size != bytes) return std::optional<std::string>();
  return std::optional<std::string>(previous_line_->sha256);
}

// The end of it: what has no manifest is no backup.
Status Backup::WriteManifest() {
  manifest_.program = "matrixcore-admin " MATRIXCORE_VERSION;
  manifest_.created_ts = NewSystemClock()->Now().ms;
  MC_RETURN_IF_ERROR(MakeTreeDurable(DraftPath(kMediaFolder)));
  MC_RETURN_IF_ERROR(MakeDurable(draft_));
  return server::WritePrivateFile(DraftPath(kManifestName),
                                  ManifestText(manifest_));
}

Result<int> Run(const Options& options) {
  MC_ASSIGN_OR_RETURN(const server::Config config, ReadConfig(options.server));
  MC_RETURN_IF_ERROR(CheckThatDatabaseExists(config));
  std::string folder = options.folder;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  Backup backup(config, folder, options.previous);
  MC_ASSIGN_OR_RETURN(const Manifest manifest, backup.Make());
  fmt::print(
      "{}: the backup of {} is complete: database {}, {} media with {}\n",
      folder, manifest.server_name, BytesText(manifest.database.bytes),
      manifest.media_files, BytesText(manifest.media_bytes));
  return kDone;
}

}  // namespace

void AddBackup(Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = program.Add(
      "backup",
      "Copy the database, keys and media to a new folder, beside the running "
      "server or without it",
      [options] { return Run(*options); });
  AddServerOptions(command, options->server);
  command
      .add_option("folder", options->folder,
                  "The folder to make; keep it where nobody else can read it")
      ->required();
  command
      .add_option("--previous", options->previous,
                  "An earlier backup on the same disk: media that it has are "
                  "shared with it instead of copied")
      ->type_name("FOLDER");
}

}  // namespace matrixcore::admin
