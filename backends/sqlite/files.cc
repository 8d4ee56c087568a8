#include "sqlite/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace matrixcore::sqlite {
namespace {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

Status MakeDurable(const std::string& path, int flags) {
  const int fd = open(path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return FileError(path, "cannot be opened");
  Status status;
  if (fsync(fd) != 0) status = FileError(path, "cannot be made durable");
  close(fd);
  return status;
}

Status MakeNameDurable(const std::string& path) {
  return MakeDurable(DirectoryOf(path), O_RDONLY | O_DIRECTORY);
}

}  // namespace

Status FileError(const std::string& path, std::string_view what) {
  const int error = errno;
  return {
      StatusCode::kUnavailable,
      fmt::format("{}: {} ({}); check that its directory exists, has space "
                  "and is writable for the user that runs the server",
                  path, what,
                  std::error_code(error, std::generic_category()).message())};
}

Result<bool> CreatePrivateFile(const std::string& path) {
  const int fd =
      open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    if (errno == EEXIST) return false;
    return FileError(path, "cannot be made");
  }
  close(fd);
  MC_RETURN_IF_ERROR(MakeNameDurable(path));
  return true;
}

Result<uint64_t> FileBytes(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return FileError(path, "its size is not known");
  }
  return static_cast<uint64_t>(info.st_size);
}

Status CheckRoom(const std::string& path, uint64_t bytes) {
  struct statvfs disk {};
  if (statvfs(DirectoryOf(path).c_str(), &disk) != 0) {
    return FileError(DirectoryOf(path), "its free space is not known");
  }
  const uint64_t free = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (bytes <= free) return OkStatus();
  return {StatusCode::kUnavailable,
          fmt::format("{}: it needs {} bytes and the disk has {} left: free at "
                      "least {} bytes there, or use another disk",
                      path, bytes, free, bytes - free)};
}

Result<Draft> Draft::Make(const std::string& path) {
  Draft draft(path);
  draft.Remove();
  MC_ASSIGN_OR_RETURN([[maybe_unused]] const bool made,
                      CreatePrivateFile(draft.name_));
  return draft;
}

Draft::Draft(Draft&& other) noexcept
    : path_(other.path_),
      name_(other.name_),
      ours_(std::exchange(other.ours_, false)) {}

Draft::~Draft() {
  if (ours_) Remove();
}

void Draft::Remove() {
  for (const char* suffix : {"", "-journal", "-wal", "-shm", "-lock"}) {
    unlink((name_ + suffix).c_str());
  }
}

Status Draft::Finish() {
  struct stat log {};
  if (stat((name_ + "-wal").c_str(), &log) == 0 && log.st_size > 0) {
    return {StatusCode::kUnavailable,
            fmt::format("{}: its log could not be moved into it; free some "
                        "space there and try again",
                        name_)};
  }
  // Who has the file keeps it, also when root writes it anew.
  struct stat old {};
  if (stat(path_.c_str(), &old) == 0 && old.st_uid != geteuid() &&
      chown(name_.c_str(), old.st_uid, old.st_gid) != 0) {
    return FileError(name_, "cannot be given to the owner of the old file");
  }
  MC_RETURN_IF_ERROR(MakeDurable(name_, O_RDWR));
  if (std::rename(name_.c_str(), path_.c_str()) != 0) {
    return FileError(path_, "cannot be made");
  }
  ours_ = false;
  Remove();
  return MakeNameDurable(path_);
}

}  // namespace matrixcore::sqlite
