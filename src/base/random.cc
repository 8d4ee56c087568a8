#include "matrixcore/base/random.h"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

constexpr std::string_view kAlphaNumeric =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

// Fills `out` from the kernel's generator.  Without randomness nothing that
// matters can go on, so a kernel that refuses ends the process.
void ReadKernelRandom(uint8_t* out, size_t size) {
  while (size > 0) {
    const ssize_t got = getrandom(out, size, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      std::fprintf(stderr, "matrixcore: getrandom: %s\n", std::strerror(errno));
      std::abort();
    }
    out += got;
    size -= static_cast<size_t>(got);
  }
}

// Reads ahead, since a system call costs more than the few bytes that an id
// needs.  Bytes are wiped once given out, and a forked child starts afresh.
class SystemRandom final : public Random {
 public:
  ~SystemRandom() override { explicit_bzero(buffer_.data(), buffer_.size()); }

  void Fill(std::span<uint8_t> out) override {
    if (out.size() > kLargest) {
      ReadKernelRandom(out.data(), out.size());
      return;
    }
    MutexLock lock(mutex_);
    const pid_t pid = getpid();
    if (left_ < out.size() || pid != pid_) {
      ReadKernelRandom(buffer_.data(), buffer_.size());
      left_ = buffer_.size();
      pid_ = pid;
    }
    uint8_t* from = buffer_.data() + (buffer_.size() - left_);
    std::copy_n(from, out.size(), out.data());
    explicit_bzero(from, out.size());
    left_ -= out.size();
  }

 private:
  static constexpr size_t kLargest = 512;  // Larger requests go to the kernel.

  Mutex mutex_;
  std::array<uint8_t, 4096> buffer_ MC_GUARDED_BY(mutex_) = {};
  size_t left_ MC_GUARDED_BY(mutex_) = 0;  // Unused bytes, at the buffer's end.
  pid_t pid_ MC_GUARDED_BY(mutex_) = 0;
};

// xoshiro256** 1.0 (Blackman, Vigna), its state drawn from the seed by
// splitmix64.  Each Fill starts at a new 64-bit word and stores words with the
// low byte first.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9E3779B97F4A7C15u;
      uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
      z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
      word = z ^ (z >> 31);
    }
  }

  void Fill(std::span<uint8_t> out) override {
    MutexLock lock(mutex_);
    for (size_t i = 0; i < out.size();) {
      uint64_t word = Next();
      for (int byte = 0; byte < 8 && i < out.size(); ++byte, ++i) {
        out[i] = static_cast<uint8_t>(word);
        word >>= 8;
      }
    }
  }

 private:
  uint64_t Next() MC_REQUIRES(mutex_) {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  Mutex mutex_;
  std::array<uint64_t, 4> state_ MC_GUARDED_BY(mutex_) = {};
};

}  // namespace

uint64_t Random::Below(uint64_t bound) {
  if (bound <= 1) return 0;
  // The numbers below `excess` would make some results likelier than others.
  const uint64_t excess = (0 - bound) % bound;
  for (;;) {
    std::array<uint8_t, 8> bytes;
    Fill(bytes);
    uint64_t number = 0;
    for (size_t i = bytes.size(); i-- > 0;) number = number << 8 | bytes[i];
    if (number >= excess) return number % bound;
  }
}

std::string Random::String(size_t length, std::string_view alphabet) {
  std::string text;
  if (alphabet.empty()) return text;
  text.reserve(length);
  const size_t letters = std::min<size_t>(alphabet.size(), 256);
  const size_t usable = 256 - 256 % letters;  // Larger bytes would bias.
  std::array<uint8_t, 64> bytes;
  while (text.size() < length) {
    const size_t wanted = std::min(bytes.size(), length - text.size());
    Fill(std::span(bytes).first(wanted));
    for (size_t i = 0; i < wanted; ++i) {
      if (bytes[i] < usable) text.push_back(alphabet[bytes[i] % letters]);
    }
  }
  explicit_bzero(bytes.data(), bytes.size());
  return text;
}

std::string Random::AlphaNumeric(size_t length) {
  return String(length, kAlphaNumeric);
}

std::unique_ptr<Random> NewSystemRandom() {
  return std::make_unique<SystemRandom>();
}

std::unique_ptr<Random> NewSeededRandom(uint64_t seed) {
  return std::make_unique<SeededRandom>(seed);
}

}  // namespace matrixcore
