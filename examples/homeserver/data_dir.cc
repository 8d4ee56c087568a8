#include "data_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace matrixcore::server {
namespace {

constexpr size_t kLargestFile = 4096;
// 43 of [A-Za-z0-9] are 256 bits.
constexpr size_t kSecretLength = 43;

Status Cannot(std::string_view what, const std::string& path, int error) {
  return {StatusCode::kUnavailable,
          fmt::format("cannot {} {}: {}", what, path, std::strerror(error))};
}

class File {
 public:
  File(const std::string& path, int flags, mode_t mode = 0)
      : fd_(open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// kNotFound when there is no such file.
Result<std::string> ReadSmallFile(const std::string& path) {
  const File file(path, O_RDONLY);
  if (file.fd() < 0) {
    if (errno == ENOENT) return Status(StatusCode::kNotFound, path);
    return Cannot("read", path, errno);
  }
  std::string text(kLargestFile, '\0');
  const ssize_t n = read(file.fd(), text.data(), text.size());
  if (n < 0) return Cannot("read", path, errno);
  text.resize(static_cast<size_t>(n));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
    text.pop_back();
  }
  return text;
}

}  // namespace

std::string PathBelow(const std::string& directory, const std::string& path) {
  return (std::filesystem::path(directory) / path).string();
}

Status WritePrivateFile(const std::string& path, std::string_view text) {
  const std::string draft = path + ".new";
  {
    const File file(draft, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (file.fd() < 0) return Cannot("make", draft, errno);
    if (fchmod(file.fd(), 0600) != 0 || !WriteAll(file.fd(), text) ||
        fsync(file.fd()) != 0) {
      return Cannot("write", draft, errno);
    }
  }
  if (rename(draft.c_str(), path.c_str()) != 0) {
    return Cannot("make", path, errno);
  }
  const File folder(std::filesystem::path(path).parent_path().string(),
                    O_RDONLY | O_DIRECTORY);
  if (folder.fd() < 0 || fsync(folder.fd()) != 0) {
    return Cannot("make", path, errno);
  }
  return OkStatus();
}

Status PrepareDataDir(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    const std::filesystem::path parent =
        std::filesystem::absolute(path, error).lexically_normal().parent_path();
    std::filesystem::create_directories(parent, error);
    if (error) {
      return Cannot("make the folder", parent.string(), error.value());
    }
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
      return Cannot("make the folder", path, errno);
    }
  }
  if (!std::filesystem::is_directory(path, error)) {
    return {StatusCode::kUnavailable,
            fmt::format("data_dir {} is not a folder", path)};
  }
  if (access(path.c_str(), R_OK | W_OK | X_OK) != 0) {
    return {StatusCode::kUnavailable,
            fmt::format("data_dir {} cannot be used: {}; it must belong to the "
                        "user that runs the server",
                        path, std::strerror(errno))};
  }
  return OkStatus();
}

Result<SigningKey> LoadOrMakeSigningKey(const std::string& path,
                                        Random& random) {
  Result<std::string> text = ReadSmallFile(path);
  if (text.status().code() == StatusCode::kNotFound) {
    const SigningKey key =
        SigningKey::Generate(random, "a_" + random.AlphaNumeric(4));
    MC_RETURN_IF_ERROR(WritePrivateFile(path, key.ToFileText() + "\n"));
    return key;
  }
  if (!text.ok()) return std::move(text).status();
  Result<SigningKey> key = SigningKey::Parse(*text);
  if (!key.ok()) {
    return Status(
        StatusCode::kDataLoss,
        fmt::format("{} is not a signing key; restore it from a backup (other "
                    "servers know this server by it)",
                    path));
  }
  return key;
}

Result<std::string> LoadSecret(const std::string& path) {
  MC_ASSIGN_OR_RETURN(std::string secret, ReadSmallFile(path));
  if (secret.empty() || secret.size() >= kLargestFile ||
      secret.find_first_of("\r\n") != std::string::npos) {
    return Status(StatusCode::kDataLoss,
                  fmt::format("{} does not hold one line with a secret", path));
  }
  return secret;
}

Result<std::string> LoadOrMakeSecret(const std::string& path, Random& random) {
  Result<std::string> secret = LoadSecret(path);
  if (secret.status().code() != StatusCode::kNotFound) return secret;
  std::string made = random.AlphaNumeric(kSecretLength);
  MC_RETURN_IF_ERROR(WritePrivateFile(path, made + "\n"));
  return made;
}

bool ReadableByOthers(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 &&
         (info.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

}  // namespace matrixcore::server
