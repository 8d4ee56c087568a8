#include "manifest.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/blob/blob_store.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"

namespace matrixcore::admin {
namespace {

constexpr std::string_view kFormat = "matrixcore-backup";
constexpr int64_t kVersion = 1;
constexpr size_t kHashDigits = 64;

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool IsHash(std::string_view text) {
  return text.size() == kHashDigits &&
         std::all_of(text.begin(), text.end(), IsHexDigit);
}

Status Bad(std::string_view field, std::string_view expected) {
  return {StatusCode::kDataLoss,
          fmt::format("\"{}\" is not {}: the manifest is damaged, take another "
                      "backup",
                      field, expected)};
}

void WriteEntry(json::Writer& w, std::string_view key, const FileEntry& entry) {
  w.Key(key).BeginObject();
  w.Field("bytes", static_cast<int64_t>(entry.bytes));
  w.Field("sha256", entry.sha256);
  w.EndObject();
}

Result<int64_t> ReadNumber(json::Value object, std::string_view field,
                           int64_t most = INT64_MAX) {
  const std::optional<int64_t> number = object[field].AsInt();
  if (number && *number >= 0 && *number <= most) return *number;
  return Bad(field, "a number that can be");
}

Result<uint64_t> ReadSize(json::Value object, std::string_view field) {
  MC_ASSIGN_OR_RETURN(const int64_t number, ReadNumber(object, field));
  return static_cast<uint64_t>(number);
}

Result<FileEntry> ReadEntry(json::Value root, std::string_view field) {
  const json::Value object = root[field];
  FileEntry entry;
  if (!object.IsObject()) return Bad(field, "there");
  MC_ASSIGN_OR_RETURN(entry.bytes, ReadSize(object, "bytes"));
  entry.sha256 = object["sha256"].StringOr("");
  if (!IsHash(entry.sha256)) return Bad(field, "with a hash");
  return entry;
}

// What stands at the end, after the text that it is the hash of.
std::string Ending(std::string_view text) {
  return fmt::format(R"(,"manifest_sha256":"{}"}})", HexEncode(Sha256(text))) +
         "\n";
}

Status CheckHash(std::string_view text) {
  const size_t ending = Ending("").size();
  if (text.size() > ending) {
    const std::string_view before = text.substr(0, text.size() - ending);
    if (text.substr(before.size()) == Ending(before)) return OkStatus();
  }
  return Bad("manifest_sha256", "the hash of the manifest");
}

Status CheckFormat(json::Value root) {
  if (root["format"].StringOr("") != kFormat) {
    return Bad("format", fmt::format("\"{}\"", kFormat));
  }
  MC_ASSIGN_OR_RETURN(const int64_t version, ReadNumber(root, "version"));
  if (version == kVersion) return OkStatus();
  if (version == 0) return Bad("version", "a number that can be");
  return {StatusCode::kFailedPrecondition,
          fmt::format("a newer program made the backup (format {}, this "
                      "program knows {}); use that program",
                      version, kVersion)};
}

Status ReadFiles(json::Value root, Manifest& manifest) {
  MC_ASSIGN_OR_RETURN(manifest.database, ReadEntry(root, "database"));
  MC_ASSIGN_OR_RETURN(manifest.signing_key, ReadEntry(root, "signing_key"));
  if (root["registration_secret"]) {
    MC_ASSIGN_OR_RETURN(manifest.registration_secret,
                        ReadEntry(root, "registration_secret"));
  }
  MC_ASSIGN_OR_RETURN(manifest.media_list, ReadEntry(root, "media_list"));
  MC_ASSIGN_OR_RETURN(manifest.media_files, ReadSize(root, "media_files"));
  MC_ASSIGN_OR_RETURN(manifest.media_bytes, ReadSize(root, "media_bytes"));
  return OkStatus();
}

}  // namespace

std::string ManifestText(const Manifest& manifest) {
  std::string text;
  json::Writer w(&text);
  w.BeginObject();
  w.Field("format", kFormat);
  w.Field("version", kVersion);
  w.Field("server_name", manifest.server_name);
  w.Field("program", manifest.program);
  w.Field("created_ts", manifest.created_ts);
  w.Field("created", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                                 fmt::gmtime(static_cast<std::time_t>(
                                     manifest.created_ts / 1000))));
  w.Field("schema_version", static_cast<int64_t>(manifest.schema_version));
  w.Field("log_position", manifest.position);
  WriteEntry(w, "database", manifest.database);
  WriteEntry(w, "signing_key", manifest.signing_key);
  if (manifest.registration_secret) {
    WriteEntry(w, "registration_secret", *manifest.registration_secret);
  }
  WriteEntry(w, "media_list", manifest.media_list);
  w.Field("media_files", static_cast<int64_t>(manifest.media_files));
  w.Field("media_bytes", static_cast<int64_t>(manifest.media_bytes));
  return text + Ending(text);
}

Result<Manifest> ParseManifest(std::string_view text) {
  Result<json::Document> document = json::Document::ParseView(
      text, {.max_depth = 4, .refuse_duplicate_keys = true});
  if (!document.ok()) {
    return Status(StatusCode::kDataLoss,
                  fmt::format("the manifest is damaged ({}); take another "
                              "backup",
                              document.status().message()));
  }
  const json::Value root = document->root();
  MC_RETURN_IF_ERROR(CheckFormat(root));
  MC_RETURN_IF_ERROR(CheckHash(text));
  Manifest manifest;
  manifest.server_name = root["server_name"].StringOr("");
  if (!IsServerName(manifest.server_name)) {
    return Bad("server_name", "a server's name");
  }
  manifest.program = root["program"].StringOr("");
  constexpr int64_t kLastYear9999 = 253'402'300'799'999;
  MC_ASSIGN_OR_RETURN(manifest.created_ts,
                      ReadNumber(root, "created_ts", kLastYear9999));
  MC_ASSIGN_OR_RETURN(const int64_t schema,
                      ReadNumber(root, "schema_version", UINT32_MAX));
  manifest.schema_version = static_cast<uint32_t>(schema);
  MC_ASSIGN_OR_RETURN(manifest.position, ReadNumber(root, "log_position"));
  MC_RETURN_IF_ERROR(ReadFiles(root, manifest));
  return manifest;
}

std::string MediaLineText(const MediaLine& line) {
  return fmt::format("{}  {}\n", line.sha256, line.path);
}

Result<MediaLine> ParseMediaLine(std::string_view text) {
  const std::string prefix = fmt::format("  {}/", kMediaFolder);
  if (text.size() > kHashDigits && IsHash(text.substr(0, kHashDigits)) &&
      text.substr(kHashDigits).starts_with(prefix) &&
      IsMediaPath(text.substr(kHashDigits + prefix.size()))) {
    return MediaLine{std::string(text.substr(0, kHashDigits)),
                     std::string(text.substr(kHashDigits + 2))};
  }
  return Status(StatusCode::kDataLoss,
                "it holds a line that is no hash with the path of a file: it "
                "is damaged, take another backup");
}

// The local blob store makes such paths.
bool IsMediaPath(std::string_view path) {
  constexpr size_t kNameAt = 6;
  if (path.size() <= kNameAt || path[2] != '/' || path[5] != '/') return false;
  for (const size_t at : {0, 1, 3, 4}) {
    if (!IsHexDigit(path[at])) return false;
  }
  std::string key(path.substr(kNameAt));
  if (key.find('/') != std::string::npos) return false;
  std::replace(key.begin(), key.end(), '+', '/');
  return IsBlobKey(key);
}

}  // namespace matrixcore::admin
