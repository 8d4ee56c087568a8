#include "backup_reader.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "matrixcore/api/homeserver.h"

namespace matrixcore::admin {
namespace {

constexpr size_t kMostManifestBytes = size_t{64} << 10;

}  // namespace

BackupReader::BackupReader(std::string folder, Manifest manifest)
    : folder_(std::move(folder)), manifest_(std::move(manifest)) {}

Result<BackupReader> BackupReader::Open(const std::string& folder) {
  const std::string path = fmt::format("{}/{}", folder, kManifestName);
  Result<std::string> text = ReadWholeFile(path, kMostManifestBytes);
  if (text.status().code() == StatusCode::kNotFound) {
    return Status(StatusCode::kNotFound,
                  fmt::format("{}: it has no {}, so it is no backup, or one "
                              "that was broken off; name another",
                              folder, kManifestName));
  }
  if (!text.ok()) return std::move(text).status();
  Result<Manifest> manifest = ParseManifest(*text);
  if (!manifest.ok()) {
    return Status(manifest.status().code(),
                  fmt::format("{}: {}", path, manifest.status().message()));
  }
  return BackupReader(folder, *std::move(manifest));
}

std::string BackupReader::Path(std::string_view name) const {
  return fmt::format("{}/{}", folder_, name);
}

Status BackupReader::CheckSchema() const {
  const uint32_t known = MatrixSchema().version;
  if (manifest_.schema_version <= known) return OkStatus();
  return {StatusCode::kFailedPrecondition,
          fmt::format("{}: a newer program made it (schema version {}, this "
                      "program knows {}); use that program",
                      folder_, manifest_.schema_version, known)};
}

Status BackupReader::WrongHash(std::string_view name) const {
  return {StatusCode::kDataLoss,
          fmt::format("{}: the file is not the one that was backed up: its "
                      "SHA-256 is another; take another backup",
                      Path(name))};
}

Status BackupReader::CheckFile(std::string_view name, const FileEntry& expected,
                               const OnBytes& on_bytes) const {
  std::error_code error;
  const uint64_t bytes = std::filesystem::file_size(Path(name), error);
  if (!error && bytes != expected.bytes) {
    return {StatusCode::kDataLoss,
            fmt::format("{}: the file has {} bytes instead of {}; take another "
                        "backup",
                        Path(name), bytes, expected.bytes)};
  }
  MC_ASSIGN_OR_RETURN(const FileEntry entry, HashFile(Path(name), on_bytes));
  return entry == expected ? OkStatus() : WrongHash(name);
}

Status BackupReader::CheckDatabase(const SqliteProgress& progress) const {
  uint64_t done = 0;
  return CheckFile(kDatabaseName, manifest_.database, [&](uint64_t bytes) {
    progress(done += bytes, manifest_.database.bytes);
  });
}

Status BackupReader::ForEachMedium(
    const std::function<Status(const MediaLine& line)>& visit) const {
  MC_RETURN_IF_ERROR(CheckFile(kMediaListName, manifest_.media_list, nullptr));
  MC_ASSIGN_OR_RETURN(MediaListReader reader,
                      MediaListReader::Open(Path(kMediaListName)));
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::optional<MediaLine> line, reader.Next());
    if (!line) return OkStatus();
    MC_RETURN_IF_ERROR(visit(*line));
  }
}

Status BackupReader::CopyChecked(const std::string& name, const std::string& to,
                                 const std::string& sha256,
                                 const OnBytes& on_bytes) const {
  MC_ASSIGN_OR_RETURN(const FileEntry entry,
                      CopyFile(Path(name), to, on_bytes));
  if (entry.sha256 == sha256) return OkStatus();
  std::error_code ignored;
  std::filesystem::remove(to, ignored);
  return WrongHash(name);
}

}  // namespace matrixcore::admin
