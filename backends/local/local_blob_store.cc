#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "matrixcore/backends/local.h"
#include "matrixcore/base/bytes.h"

namespace matrixcore {
namespace {

constexpr std::string_view kUnfinished = "unfinished";

Status Failed(const std::string& path, std::string_view what) {
  const int error = errno;
  return {
      StatusCode::kUnavailable,
      fmt::format("{}: {} ({}); check that there is space and that the "
                  "user that runs the server may write there",
                  path, what,
                  std::error_code(error, std::generic_category()).message())};
}

Status BadKey() {
  return {StatusCode::kInvalidArgument, "this cannot be the key of a blob"};
}

// A file descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  bool ok() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

Status SyncDirectory(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok() || fsync(fd.get()) != 0) {
    return Failed(path, "cannot be made durable");
  }
  return OkStatus();
}

// True when it was made, false when it was there.
Result<bool> MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) == 0) return true;
  const int error = errno;
  struct stat info {};
  if (error == EEXIST && stat(path.c_str(), &info) == 0 &&
      S_ISDIR(info.st_mode)) {
    return false;
  }
  errno = error;
  return Failed(path, "cannot be made a directory");
}

// Where a blob lies: two levels of directories with few entries each, then the
// key as a name.
struct Place {
  std::string first;   // "3f"
  std::string second;  // "3f/a2"
  std::string file;    // "3f/a2/local+abc"
};

Place PlaceOf(std::string_view key) {
  // FNV-1a: the same for ever, spread well enough.
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : key) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  Place place;
  place.first = fmt::format("{:02x}", hash >> 56);
  place.second = fmt::format("{}/{:02x}", place.first, hash >> 48 & 0xff);
  // "+" is in no key, so different keys have different names.
  std::string name(key);
  std::replace(name.begin(), name.end(), '/', '+');
  place.file = place.second + "/" + name;
  return place;
}

class LocalWriter : public BlobStore::Writer {
 public:
  // `path` is the open file's name, below `root`, until Commit.
  LocalWriter(std::string root, std::string path, Fd fd, Place place)
      : root_(std::move(root)),
        path_(std::move(path)),
        fd_(std::move(fd)),
        place_(std::move(place)) {}

  ~LocalWriter() override {
    if (!renamed_) unlink(path_.c_str());
  }

  Status Append(ByteView bytes) override {
    MC_RETURN_IF_ERROR(CheckOpen());
    while (!bytes.empty()) {
      const ssize_t written = write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0) {
        if (errno == EINTR) continue;
        return failure_ = Failed(path_, "cannot be written");
      }
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
    return OkStatus();
  }

  Status Commit() override {
    MC_RETURN_IF_ERROR(CheckOpen());
    Status status = Publish();
    failure_ = status.ok() ? Status(StatusCode::kFailedPrecondition,
                                    "the blob is already committed")
                           : status;
    return status;
  }

 private:
  Status CheckOpen() const { return failure_; }

  Status Publish() {
    if (fsync(fd_.get()) != 0) return Failed(path_, "cannot be made durable");
    const std::string first = root_ + "/" + place_.first;
    const std::string second = root_ + "/" + place_.second;
    MC_ASSIGN_OR_RETURN(const bool new_first, MakeDirectory(first));
    if (new_first) MC_RETURN_IF_ERROR(SyncDirectory(root_));
    MC_ASSIGN_OR_RETURN(const bool new_second, MakeDirectory(second));
    if (new_second) MC_RETURN_IF_ERROR(SyncDirectory(first));
    const std::string file = root_ + "/" + place_.file;
    if (rename(path_.c_str(), file.c_str()) != 0) {
      return Failed(file, "cannot be put in place");
    }
    renamed_ = true;
    return SyncDirectory(second);
  }

  const std::string root_;
  const std::string path_;
  const Fd fd_;
  const Place place_;
  bool renamed_ = false;
  Status failure_;  // What every further call answers.
};

class LocalReader : public BlobStore::Reader {
 public:
  LocalReader(std::string path, Fd fd, uint64_t size)
      : path_(std::move(path)), fd_(std::move(fd)), size_(size) {}

  uint64_t size() const override { return size_; }

  Result<std::string> Read(uint64_t offset, size_t max) override {
    if (offset >= size_) return std::string();
    const auto wanted =
        static_cast<size_t>(std::min<uint64_t>(max, size_ - offset));
    std::string bytes(wanted, '\0');
    size_t done = 0;
    while (done < wanted) {
      const ssize_t count = pread(fd_.get(), bytes.data() + done, wanted - done,
                                  static_cast<off_t>(offset + done));
      if (count < 0) {
        if (errno == EINTR) continue;
        return Failed(path_, "cannot be read");
      }
      if (count == 0) {
        return Status(StatusCode::kDataLoss,
                      fmt::format("{}: the file was cut short; restore it from "
                                  "a backup",
                                  path_));
      }
      done += static_cast<size_t>(count);
    }
    return bytes;
  }

 private:
  const std::string path_;
  const Fd fd_;
  const uint64_t size_;
};

class LocalBlobStore : public BlobStore {
 public:
  explicit LocalBlobStore(std::string root) : root_(std::move(root)) {}

  Status Prepare() {
    MC_ASSIGN_OR_RETURN(const bool made, MakeDirectory(root_));
    if (made) {
      const size_t slash = root_.rfind('/');
      MC_RETURN_IF_ERROR(SyncDirectory(
          slash == std::string::npos ? "." : root_.substr(0, slash + 1)));
    }
    MC_RETURN_IF_ERROR(MakeDirectory(UnfinishedPath()).status());
    return RemoveUnfinished();
  }

  Result<std::unique_ptr<Writer>> Create(std::string_view key) override {
    if (!IsBlobKey(key)) return BadKey();
    for (;;) {
      std::string path =
          fmt::format("{}/{}-{}", UnfinishedPath(), getpid(), ++counter_);
      Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
      if (!fd.ok()) {
        if (errno == EEXIST) continue;  // Of a process that had our number.
        return Failed(path, "cannot be made");
      }
      // Tells others that open this directory that the file is in use.
      if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) continue;  // One of them takes it away.
        return Failed(path, "cannot be locked");
      }
      return std::unique_ptr<Writer>(std::make_unique<LocalWriter>(
          root_, std::move(path), std::move(fd), PlaceOf(key)));
    }
  }

  Result<std::unique_ptr<Reader>> Open(std::string_view key) override {
    if (!IsBlobKey(key)) return BadKey();
    std::string path = root_ + "/" + PlaceOf(key).file;
    Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.ok()) {
      if (errno == ENOENT) {
        return Status(StatusCode::kNotFound, "there is no such blob");
      }
      return Failed(path, "cannot be opened");
    }
    struct stat info {};
    if (fstat(fd.get(), &info) != 0) return Failed(path, "cannot be read");
    return std::unique_ptr<Reader>(std::make_unique<LocalReader>(
        std::move(path), std::move(fd), static_cast<uint64_t>(info.st_size)));
  }

  Status Delete(std::string_view key) override {
    if (!IsBlobKey(key)) return BadKey();
    const Place place = PlaceOf(key);
    const std::string path = root_ + "/" + place.file;
    if (unlink(path.c_str()) != 0) {
      if (errno == ENOENT) return OkStatus();
      return Failed(path, "cannot be deleted");
    }
    return SyncDirectory(root_ + "/" + place.second);
  }

 private:
  std::string UnfinishedPath() const {
    return fmt::format("{}/{}", root_, kUnfinished);
  }

  // What a crash left: files that nobody holds.
  Status RemoveUnfinished() {
    const std::string path = UnfinishedPath();
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()),
                                                        &closedir);
    if (directory == nullptr) return Failed(path, "cannot be read");
    while (const dirent* entry = readdir(directory.get())) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      const std::string file = path + "/" + name;
      const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
      if (fd.ok() && flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
        unlink(file.c_str());
      }
    }
    return OkStatus();
  }

  const std::string root_;
  std::atomic<uint64_t> counter_{0};
};

}  // namespace

Result<std::unique_ptr<BlobStore>> OpenLocalBlobStore(
    const std::string& directory) {
  std::string root = directory;
  while (root.size() > 1 && root.back() == '/') root.pop_back();
  if (root.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "the directory of the media has no name");
  }
  auto store = std::make_unique<LocalBlobStore>(std::move(root));
  MC_RETURN_IF_ERROR(store->Prepare());
  return std::unique_ptr<BlobStore>(std::move(store));
}

}  // namespace matrixcore
