// Copying and hashing the files of a backup.  Errors name the file and what to
// do: kUnavailable when it cannot be read or written.
#pragma once

#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "manifest.h"
#include "matrixcore/base/status.h"

namespace matrixcore::admin {

// Told of every piece that was read, in bytes.  May be null.
using OnBytes = std::function<void(uint64_t bytes)>;

// What is in a file.
Result<FileEntry> HashFile(const std::string& path, const OnBytes& on_bytes);

// Makes `to` (mode 0600, durable), which must not exist, from `from`.  Removes
// what it has made when it fails.
Result<FileEntry> CopyFile(const std::string& from, const std::string& to,
                           const OnBytes& on_bytes);

// The whole of a small file; kTooLarge beyond `most` bytes, kNotFound if there
// is none.
Result<std::string> ReadWholeFile(const std::string& path, size_t most);

// Makes a folder of mode 0700 in one that exists; kAlreadyExists if it is
// there.
Status MakePrivateFolder(const std::string& path);

// What was written to the file, or made in the folder, survives a power cut.
Status MakeDurable(const std::string& path);
// The same of a folder and all folders below it.
Status MakeTreeDurable(const std::string& folder);

// kUnavailable, with the sizes, unless `bytes` more fit where the folder lies.
Status CheckSpace(const std::string& folder, uint64_t bytes);

// Calls `visit` for every medium below `root`, with its path below it, in the
// order of the paths; nothing when there is no `root`.  Stops at an error.
Status ForEachMedium(const std::string& root,
                     const std::function<Status(const std::string& path,
                                                uint64_t bytes)>& visit);

// Reads a list of media line by line.
class MediaListReader {
 public:
  static Result<MediaListReader> Open(const std::string& path);
  // Nothing at the end; kDataLoss for a line that is none.
  Result<std::optional<MediaLine>> Next();

 private:
  explicit MediaListReader(std::string path);
  std::string path_;
  std::unique_ptr<std::ifstream> file_;
};

}  // namespace matrixcore::admin
