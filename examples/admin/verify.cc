#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backup_files.h"
#include "backup_reader.h"
#include "commands.h"
#include "data_dir.h"
#include "database.h"
#include "matrixcore/api/homeserver.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/service/consistency.h"
#include "matrixcore/store/catalog.h"
#include "progress.h"

namespace matrixcore::admin {
namespace {

constexpr size_t kMostKeyBytes = 4096;

struct Options {
  ServerOptions server = {};
  std::string folder = {};
};

// Says what it looks at and what is wrong with it.
class Verifier {
 public:
  // What is damaged is a problem; what cannot be looked at is an error.
  Status Judge(Status status) {
    if (status.code() != StatusCode::kDataLoss &&
        status.code() != StatusCode::kNotFound) {
      return status;
    }
    Problem(status.message());
    return OkStatus();
  }
  void Problem(const std::string& text) {
    fmt::print("WRONG  {}\n", text);
    ++problems_;
  }
  // After a check: whether nothing was found since the one before.
  void Done(const std::string& what) {
    if (problems_ == reported_) fmt::print("good   {}\n", what);
    reported_ = problems_;
  }

  Status VerifyDatabase(const std::string& path);
  Status VerifyTables(const std::string& path, const Schema& schema);
  Status VerifyKey(const std::string& path);
  Status VerifyBackup(const BackupReader& backup);
  Status VerifyMedia(const BackupReader& backup);
  Status VerifyDataDir(const server::Config& config);

  Result<int> Finish(const std::string& what, std::string_view cure) const {
    if (problems_ == 0) {
      fmt::print("{}: nothing is wrong\n", what);
      return kDone;
    }
    fmt::print("{}: {} problems; {}\n", what, problems_, cure);
    return kWrong;
  }

 private:
  size_t problems_ = 0;
  size_t reported_ = 0;
};

// That of an older program is verified as what it is: the next start of a
// server, or restoring it, brings it up to date.
Status Verifier::VerifyDatabase(const std::string& path) {
  const Result<SqliteFileInfo> info = InspectSqlite(path);
  if (!info.ok()) return Judge(info.status());
  Schema schema = MatrixSchema();
  if (info->schema_version < schema.version) {
    fmt::print(
        "{}: an older program made it (schema version {}, this program has "
        "{}); it is checked as one of that version\n",
        path, info->schema_version, schema.version);
    schema = EarlierSchema(schema, info->schema_version);
  }
  Result<std::vector<std::string>> problems = std::vector<std::string>();
  {
    Progress progress("checking the database", Unit::kBytes);
    problems = VerifySqlite(path, schema, [&](uint64_t done, uint64_t total) {
      progress.Update(done, total);
    });
  }
  if (!problems.ok()) return Judge(problems.status());
  for (const std::string& problem : *problems) {
    Problem(fmt::format("{}: {}", path, problem));
  }
  Done(fmt::format("{}: every page, row and index", path));
  // What is damaged need not fit together.
  return problems->empty() ? VerifyTables(path, schema) : OkStatus();
}

Status Verifier::VerifyTables(const std::string& path, const Schema& schema) {
  MC_ASSIGN_OR_RETURN(const auto store, OpenSqliteStoreReadOnly(path, schema));
  MC_ASSIGN_OR_RETURN(const auto snapshot, store->NewSnapshot());
  Result<std::vector<std::string>> problems = std::vector<std::string>();
  {
    Progress progress("checking that the tables fit together", Unit::kItems);
    problems = FindInconsistencies(
        *snapshot, schema.version,
        [&](size_t done, size_t total) { progress.Update(done, total); });
  }
  if (!problems.ok()) return Judge(problems.status());
  for (const std::string& problem : *problems) {
    Problem(fmt::format("{}: {}", path, problem));
  }
  Done(fmt::format("{}: its tables fit together", path));
  return OkStatus();
}

Status Verifier::VerifyKey(const std::string& path) {
  Result<std::string> text = ReadWholeFile(path, kMostKeyBytes);
  if (!text.ok()) return Judge(text.status());
  text->erase(text->find_last_not_of("\r\n") + 1);
  if (!SigningKey::Parse(*text).ok()) {
    Problem(fmt::format("{}: it is no signing key", path));
  }
  if (server::ReadableByOthers(path)) {
    Problem(fmt::format("{}: others may read it: chmod 600", path));
  }
  Done(path);
  return OkStatus();
}

Status Verifier::VerifyMedia(const BackupReader& backup) {
  const Manifest& manifest = backup.manifest();
  uint64_t files = 0;
  uint64_t done = 0;
  Status status;
  {
    Progress progress("hashing media", Unit::kBytes);
    status = backup.ForEachMedium([&](const MediaLine& line) -> Status {
      ++files;
      const Result<FileEntry> entry =
          HashFile(backup.Path(line.path), [&](uint64_t bytes) {
            progress.Update(done += bytes, manifest.media_bytes);
          });
      if (!entry.ok()) {
        Problem(entry.status().message());
      } else if (entry->sha256 != line.sha256) {
        Problem(fmt::format("{}: its SHA-256 is not that of the list",
                            backup.Path(line.path)));
      }
      return OkStatus();
    });
  }
  MC_RETURN_IF_ERROR(Judge(status));
  if (status.ok() && files != manifest.media_files) {
    Problem(fmt::format("{}: it lists {} files instead of {}",
                        backup.Path(kMediaListName), files,
                        manifest.media_files));
  }
  Done(fmt::format("{}: {} media", backup.Path(kMediaListName), files));
  return OkStatus();
}

Status Verifier::VerifyBackup(const BackupReader& backup) {
  const Manifest& manifest = backup.manifest();
  fmt::print("a backup of {}, made {} by {}\n", manifest.server_name,
             TimeText(manifest.created_ts), manifest.program);
  MC_RETURN_IF_ERROR(backup.CheckSchema());
  {
    Progress progress("hashing the database", Unit::kBytes);
    MC_RETURN_IF_ERROR(Judge(backup.CheckDatabase(
        [&](uint64_t done, uint64_t total) { progress.Update(done, total); })));
  }
  const std::string database = backup.Path(kDatabaseName);
  Done(fmt::format("{}: its SHA-256", database));
  MC_RETURN_IF_ERROR(VerifyDatabase(database));
  const Result<SqliteFileInfo> info = InspectSqlite(database);
  if (info.ok() && (info->position != manifest.position ||
                    info->schema_version != manifest.schema_version)) {
    Problem(
        fmt::format("{}: it is not the database of the manifest", database));
  }
  MC_RETURN_IF_ERROR(
      Judge(backup.CheckFile(kSigningKeyName, manifest.signing_key, nullptr)));
  MC_RETURN_IF_ERROR(VerifyKey(backup.Path(kSigningKeyName)));
  if (manifest.registration_secret) {
    MC_RETURN_IF_ERROR(Judge(
        backup.CheckFile(kSecretName, *manifest.registration_secret, nullptr)));
    Done(backup.Path(kSecretName));
  }
  return VerifyMedia(backup);
}

Status Verifier::VerifyDataDir(const server::Config& config) {
  MC_RETURN_IF_ERROR(CheckThatDatabaseExists(config));
  MC_RETURN_IF_ERROR(VerifyDatabase(DatabasePath(config)));
  return VerifyKey(server::PathBelow(config.data_dir, "signing.key"));
}

Result<int> Run(const Options& options) {
  Verifier verifier;
  if (!options.folder.empty()) {
    MC_ASSIGN_OR_RETURN(const BackupReader backup,
                        BackupReader::Open(options.folder));
    MC_RETURN_IF_ERROR(verifier.VerifyBackup(backup));
    return verifier.Finish(options.folder,
                           "do not use it: take another backup");
  }
  MC_ASSIGN_OR_RETURN(const server::Config config, ReadConfig(options.server));
  MC_RETURN_IF_ERROR(verifier.VerifyDataDir(config));
  return verifier.Finish(config.data_dir,
                         "stop the server and restore a backup");
}

}  // namespace

void AddVerify(Program& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = program.Add(
      "verify",
      "Check a backup, or the data of a server, running or not, for damage",
      [options] { return Run(*options); });
  AddServerOptions(command, options->server);
  command.add_option("folder", options->folder,
                     "The backup; without it the data folder is checked");
}

}  // namespace matrixcore::admin
