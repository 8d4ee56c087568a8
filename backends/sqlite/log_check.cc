#include "sqlite/log_check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "sqlite/files.h"

namespace matrixcore::sqlite {
namespace {

// SQLite, "The WAL File Format".
constexpr size_t kHeaderBytes = 32;
constexpr size_t kFrameHeaderBytes = 24;
constexpr uint32_t kMagic = 0x377f0682;  // Its lowest bit: big-endian sums.

uint32_t BigEndian(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 |
         uint32_t{bytes[2]} << 8 | bytes[3];
}

uint32_t LittleEndian(const uint8_t* bytes) {
  return uint32_t{bytes[3]} << 24 | uint32_t{bytes[2]} << 16 |
         uint32_t{bytes[1]} << 8 | bytes[0];
}

// The sum that runs through a log.
struct Checksum {
  bool big_endian = false;
  uint32_t first = 0;
  uint32_t second = 0;

  // `size` is a multiple of 8.
  void Add(const uint8_t* bytes, size_t size) {
    const auto word = big_endian ? &BigEndian : &LittleEndian;
    for (size_t at = 0; at < size; at += 8) {
      first += word(bytes + at) + second;
      second += word(bytes + at + 4) + first;
    }
  }
  bool Equals(const uint8_t* stored) const {
    return first == BigEndian(stored) && second == BigEndian(stored + 4);
  }
};

class LogReader {
 public:
  explicit LogReader(std::string path)
      : path_(std::move(path)),
        fd_(open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~LogReader() {
    if (fd_ >= 0) close(fd_);
  }
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  Status Check() {
    if (fd_ < 0) {
      return errno == ENOENT ? OkStatus()
                             : FileError(path_, "cannot be opened");
    }
    MC_ASSIGN_OR_RETURN(const bool has_header,
                        Read(header_.data(), header_.size(), 0));
    if (!has_header) return OkStatus();
    const uint32_t page = BigEndian(&header_[8]);
    if (page < 512 || page > 65536 || (page & (page - 1)) != 0) {
      // As SQLite does, which then uses nothing of it: the size of the frames
      // is not known either.
      return BigEndian(&header_[0]) >> 1 == kMagic >> 1 ? Damaged()
                                                        : OkStatus();
    }
    frame_.resize(kFrameHeaderBytes + page);
    return CheckFrames();
  }

 private:
  // False when the file ends before.
  Result<bool> Read(uint8_t* out, size_t size, uint64_t at) {
    size_t done = 0;
    while (done < size) {
      const ssize_t n =
          pread(fd_, out + done, size - done, static_cast<off_t>(at + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return FileError(path_, "cannot be read");
      if (n == 0) return false;
      done += static_cast<size_t>(n);
    }
    return true;
  }

  bool SameSalt(const uint8_t* frame) const {
    return std::memcmp(frame + 8, &header_[16], 8) == 0;
  }
  // With one of the two numbers right, it is no frame of an older log, which
  // has both of them other.
  bool NearlySameSalt(const uint8_t* frame) const {
    return std::memcmp(frame + 8, &header_[16], 4) == 0 ||
           std::memcmp(frame + 12, &header_[20], 4) == 0;
  }

  Status CheckFrames() {
    Checksum sum{.big_endian = (header_[3] & 1) != 0};
    sum.Add(header_.data(), 24);
    bool good = sum.Equals(&header_[24]);
    int ends_after_damage = 0;
    for (uint64_t at = kHeaderBytes;; at += frame_.size()) {
      MC_ASSIGN_OR_RETURN(const bool complete,
                          Read(frame_.data(), frame_.size(), at));
      if (!complete) return OkStatus();
      if (good) {
        Checksum next = sum;
        next.Add(frame_.data(), 8);
        next.Add(frame_.data() + kFrameHeaderBytes,
                 frame_.size() - kFrameHeaderBytes);
        good = SameSalt(frame_.data()) && next.Equals(&frame_[16]);
        if (good) {
          sum = next;
          continue;
        }
      }
      // The first frame with two other numbers is of an older log.
      if (!NearlySameSalt(frame_.data())) return OkStatus();
      const bool ends = BigEndian(&frame_[4]) != 0;
      if (ends && ++ends_after_damage == 2) return Damaged();
    }
  }

  Status Damaged() const {
    return {StatusCode::kDataLoss,
            fmt::format("{}: the log is damaged, and commits that were "
                        "acknowledged are lost with it; restore a backup, or "
                        "go on with what lies before the damage: sqlite3 {} "
                        "'PRAGMA wal_checkpoint(TRUNCATE)'",
                        path_, path_.substr(0, path_.size() - 4))};
  }

  const std::string path_;
  const int fd_;
  std::array<uint8_t, kHeaderBytes> header_ = {};
  std::vector<uint8_t> frame_;
};

}  // namespace

Status CheckLog(const std::string& database) {
  return LogReader(database + "-wal").Check();
}

Status CheckLogInUse(const std::string& database) {
  constexpr int kLooks = 3;
  Status status = CheckLog(database);
  for (int look = 1; look < kLooks && !status.ok(); ++look) {
    status = CheckLog(database);
  }
  return status;
}

}  // namespace matrixcore::sqlite
