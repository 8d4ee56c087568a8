#include "backup_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/hasher.h"
#include "progress.h"

namespace matrixcore::admin {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPiece = size_t{256} << 10;

Status Failed(const std::string& path, std::string_view what, int error) {
  std::string_view cure = "check the path and who may use it";
  if (error == ENOSPC || error == EDQUOT) {
    cure = "free some space there, or name another place";
  } else if (error == EROFS || error == EACCES || error == EPERM) {
    cure = "make it writable for you, or name another place";
  }
  return {StatusCode::kUnavailable,
          fmt::format("{}: {}: {}; {}", path, what,
                      std::generic_category().message(error), cure)};
}

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  const int fd_;
};

// Calls `take` with each piece of the file.
Status ReadPieces(const std::string& path,
                  const std::function<Status(std::string_view)>& take) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) return Failed(path, "cannot be opened", errno);
  std::string piece(kPiece, '\0');
  for (;;) {
    const ssize_t n = read(file.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed(path, "cannot be read", errno);
    if (n == 0) return OkStatus();
    MC_RETURN_IF_ERROR(
        take(std::string_view(piece.data(), static_cast<size_t>(n))));
  }
}

Status WriteAll(int fd, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Failed(path, "cannot be written", errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return OkStatus();
}

// The names in a folder, in order; none when there is no such folder.
Result<std::vector<std::string>> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return Failed(folder, "cannot be listed", error.value());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Result<FileEntry> HashFile(const std::string& path, const OnBytes& on_bytes) {
  Sha256Hasher hasher;
  FileEntry entry;
  MC_RETURN_IF_ERROR(ReadPieces(path, [&](std::string_view piece) {
    hasher.Update(AsBytes(piece));
    entry.bytes += piece.size();
    if (on_bytes) on_bytes(piece.size());
    return OkStatus();
  }));
  entry.sha256 = HexEncode(hasher.Finish());
  return entry;
}

Result<FileEntry> CopyFile(const std::string& from, const std::string& to,
                           const OnBytes& on_bytes) {
  const Fd file(
      open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.ok()) return Failed(to, "cannot be made", errno);
  Sha256Hasher hasher;
  FileEntry entry;
  Status status = ReadPieces(from, [&](std::string_view piece) -> Status {
    MC_RETURN_IF_ERROR(WriteAll(file.get(), to, piece));
    hasher.Update(AsBytes(piece));
    entry.bytes += piece.size();
    if (on_bytes) on_bytes(piece.size());
    return OkStatus();
  });
  if (status.ok() && fsync(file.get()) != 0) {
    status = Failed(to, "cannot be made durable", errno);
  }
  if (!status.ok()) {
    unlink(to.c_str());
    return status;
  }
  entry.sha256 = HexEncode(hasher.Finish());
  return entry;
}

Result<std::string> ReadWholeFile(const std::string& path, size_t most) {
  std::error_code error;
  if (!fs::exists(path, error) && !error) {
    return Status(StatusCode::kNotFound,
                  fmt::format("{}: there is no such file", path));
  }
  std::string text;
  MC_RETURN_IF_ERROR(ReadPieces(path, [&](std::string_view piece) -> Status {
    text.append(piece);
    if (text.size() <= most) return OkStatus();
    return {StatusCode::kTooLarge,
            fmt::format("{}: it is larger than {} bytes", path, most)};
  }));
  return text;
}

Status MakePrivateFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0) return OkStatus();
  if (errno == EEXIST) {
    return {StatusCode::kAlreadyExists, fmt::format("{}: it exists", path)};
  }
  return Failed(path, "cannot be made", errno);
}

Status MakeDurable(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok() || fsync(file.get()) != 0) {
    return Failed(path, "cannot be made durable", errno);
  }
  return OkStatus();
}

Status MakeTreeDurable(const std::string& folder) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end;
       !error && it != end; it.increment(error)) {
    if (!it->is_directory(error)) continue;
    MC_RETURN_IF_ERROR(MakeDurable(it->path().string()));
  }
  if (error) return Failed(folder, "cannot be listed", error.value());
  return MakeDurable(folder);
}

Status CheckSpace(const std::string& folder, uint64_t bytes) {
  struct statvfs disk {};
  if (statvfs(folder.c_str(), &disk) != 0) {
    return Failed(folder, "its free space is not known", errno);
  }
  const uint64_t free = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (bytes <= free) return OkStatus();
  return {StatusCode::kUnavailable,
          fmt::format("{}: {} are needed and {} are free there; free some "
                      "space, or name another place",
                      folder, BytesText(bytes), BytesText(free))};
}

Status ForEachMedium(const std::string& root,
                     const std::function<Status(const std::string& path,
                                                uint64_t bytes)>& visit) {
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> outer, NamesIn(root));
  for (const std::string& first : outer) {
    // What is being written lies in a folder with a longer name.
    if (first.size() != 2) continue;
    MC_ASSIGN_OR_RETURN(const std::vector<std::string> inner,
                        NamesIn(root + "/" + first));
    for (const std::string& second : inner) {
      const std::string folder = first + "/" + second;
      MC_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                          NamesIn(root + "/" + folder));
      for (const std::string& name : names) {
        const std::string path = folder + "/" + name;
        if (!IsMediaPath(path)) continue;
        struct stat info {};
        // Deleted meanwhile.
        if (stat((root + "/" + path).c_str(), &info) != 0) continue;
        MC_RETURN_IF_ERROR(visit(path, static_cast<uint64_t>(info.st_size)));
      }
    }
  }
  return OkStatus();
}

MediaListReader::MediaListReader(std::string path)
    : path_(std::move(path)), file_(std::make_unique<std::ifstream>(path_)) {}

Result<MediaListReader> MediaListReader::Open(const std::string& path) {
  MediaListReader reader(path);
  if (!*reader.file_) return Failed(path, "cannot be opened", errno);
  return reader;
}

Result<std::optional<MediaLine>> MediaListReader::Next() {
  std::string text;
  if (!std::getline(*file_, text)) {
    if (file_->bad()) return Failed(path_, "cannot be read", EIO);
    return std::optional<MediaLine>();
  }
  Result<MediaLine> line = ParseMediaLine(text);
  if (line.ok()) return std::optional<MediaLine>(*std::move(line));
  return Status(line.status().code(),
                fmt::format("{}: {}", path_, line.status().message()));
}

}  // namespace matrixcore::admin
