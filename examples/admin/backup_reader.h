// A backup that is there: for restoring and verifying it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "backup_files.h"
#include "manifest.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/base/status.h"

namespace matrixcore::admin {

// Reads only.  Errors name the file: kDataLoss when it is not what the manifest
// says.
class BackupReader {
 public:
  // Reads the manifest.  kNotFound when the folder has none and so is no
  // backup; kFailedPrecondition for one of a newer program.
  static Result<BackupReader> Open(const std::string& folder);

  const Manifest& manifest() const { return manifest_; }
  std::string Path(std::string_view name) const;

  // kFailedPrecondition for the database of a newer program.
  Status CheckSchema() const;

  // Whether a file has the hash and the size that it should have.
  Status CheckFile(std::string_view name, const FileEntry& expected,
                   const OnBytes& on_bytes) const;
  // The database's, with progress.
  Status CheckDatabase(const SqliteProgress& progress) const;

  // All media, after the list's own hash was checked.  Stops at an error.
  Status ForEachMedium(
      const std::function<Status(const MediaLine& line)>& visit) const;

  // Copies a file and removes the copy again if its hash is another.
  Status CopyChecked(const std::string& name, const std::string& to,
                     const std::string& sha256, const OnBytes& on_bytes) const;

 private:
  BackupReader(std::string folder, Manifest manifest);
  Status WrongHash(std::string_view name) const;

  std::string folder_;
  Manifest manifest_;
};

}  // namespace matrixcore::admin
