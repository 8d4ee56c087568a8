#include "sqlite/file_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "sqlite/files.h"

namespace matrixcore::sqlite {
namespace {

constexpr std::string_view kStopped = "stopped";

std::string ReadSmallFile(int fd) {
  char buffer[64];
  const ssize_t size = pread(fd, buffer, sizeof(buffer), 0);
  std::string text(buffer, size > 0 ? static_cast<size_t>(size) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

Result<std::unique_ptr<FileLock>> FileLock::Acquire(
    const std::string& database) {
  const std::string path = database + "-lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return FileError(path, "cannot open the lock file");
  std::unique_ptr<FileLock> lock(new FileLock(path, fd));
  const std::string text = ReadSmallFile(fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FileError(path, "cannot lock");
    return Status(
        StatusCode::kUnavailable,
        fmt::format("{}: a server is running on it ({}); stop it first",
                    database, text.empty() ? "just started" : text));
  }
  lock->stopped_cleanly_ = text == kStopped;
  return lock;
}

FileLock::~FileLock() { close(fd_); }

Status FileLock::MarkRunning() {
  return Write(fmt::format("process {}\n", getpid()));
}

Status FileLock::MarkStopped() { return Write(fmt::format("{}\n", kStopped)); }

Status FileLock::Write(const std::string& text) {
  if (ftruncate(fd_, 0) != 0 ||
      pwrite(fd_, text.data(), text.size(), 0) !=
          static_cast<ssize_t>(text.size()) ||
      fsync(fd_) != 0) {
    return FileError(path_, "cannot write");
  }
  return OkStatus();
}

}  // namespace matrixcore::sqlite
