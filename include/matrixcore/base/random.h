// Randomness as a constructor argument: the operating system's in production,
// a seeded generator in tests.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace matrixcore {

// A source of random bytes.  Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual void Fill(std::span<uint8_t> out) = 0;

  // A number in [0, bound), without bias.  `bound` is at least 1.
  uint64_t Below(uint64_t bound);
  // `length` characters, each drawn evenly from `alphabet` (2 to 256 bytes).
  std::string String(size_t length, std::string_view alphabet);
  // `length` characters of [A-Za-z0-9]: 5.95 bits each.
  std::string AlphaNumeric(size_t length);
};

// Cryptographically secure, from the operating system.
std::unique_ptr<Random> NewSystemRandom();

// Repeatable: the same seed gives the same bytes on every platform.  For tests
// and simulations only, never for secrets.
std::unique_ptr<Random> NewSeededRandom(uint64_t seed);

}  // namespace matrixcore
