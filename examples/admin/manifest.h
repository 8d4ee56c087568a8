// What a backup consists of: the file manifest.json in its folder.
//
// It ends with the hash of its own text before that, and is written last, so a
// folder without one is no backup.  The files that it
// names always have the same names; media are too many for it, and are listed
// in a file of their own, one line a file, in the format of sha256sum:
//
//   HASH  media/3f/a2/local+abc
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/store/store.h"

namespace matrixcore::admin {

constexpr std::string_view kManifestName = "manifest.json";
constexpr std::string_view kDatabaseName = "homeserver.db";
constexpr std::string_view kSigningKeyName = "signing.key";
constexpr std::string_view kSecretName = "registration_secret";
constexpr std::string_view kMediaListName = "media.sha256";
constexpr std::string_view kMediaFolder = "media";

struct FileEntry {
  uint64_t bytes = 0;
  std::string sha256 = {};  // Lower-case hexadecimal.
  friend bool operator==(const FileEntry&, const FileEntry&) = default;
};

struct Manifest {
  std::string server_name = {};
  std::string program = {};  // Which one made it, for people.
  int64_t created_ts = 0;    // Milliseconds since 1970.
  uint32_t schema_version = 0;
  Position position = 0;  // Of the newest commit in the database.
  FileEntry database = {};
  FileEntry signing_key = {};
  // Nothing when the server has its secret from its configuration, or none.
  std::optional<FileEntry> registration_secret = {};
  FileEntry media_list = {};
  uint64_t media_files = 0;
  uint64_t media_bytes = 0;
  friend bool operator==(const Manifest&, const Manifest&) = default;
};

std::string ManifestText(const Manifest& manifest);

// Errors say what is wrong: kDataLoss for what no backup has written, and
// kFailedPrecondition for a format of a newer program.
Result<Manifest> ParseManifest(std::string_view text);

// A line of the list of media, without its end.
struct MediaLine {
  std::string sha256 = {};
  std::string path = {};  // Below the backup's folder: "media/3f/a2/name".
};
std::string MediaLineText(const MediaLine& line);
// kDataLoss for anything that is not in the form above; in particular no path
// leads out of the folder.
Result<MediaLine> ParseMediaLine(std::string_view text);

// "3f/a2/name" with what names of media consist of.
bool IsMediaPath(std::string_view path);

}  // namespace matrixcore::admin
