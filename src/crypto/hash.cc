#include "matrixcore/crypto/hash.h"

#include <sodium.h>

#include <algorithm>
#include <string>

namespace matrixcore {

// RFC 2104.
std::array<uint8_t, 20> HmacSha1(ByteView key, ByteView message) {
  constexpr size_t kBlock = 64;
  std::array<uint8_t, kBlock> padded = {};
  if (key.size() > kBlock) {
    const std::array<uint8_t, 20> digest = Sha1(key);
    std::copy(digest.begin(), digest.end(), padded.begin());
  } else {
    std::copy(key.begin(), key.end(), padded.begin());
  }
  std::string inner;
  inner.reserve(kBlock + message.size());
  for (uint8_t byte : padded) inner.push_back(static_cast<char>(byte ^ 0x36));
  inner.append(AsText(message));
  const std::array<uint8_t, 20> inner_digest = Sha1(AsBytes(inner));

  std::array<uint8_t, kBlock + 20> outer;
  for (size_t i = 0; i < kBlock; ++i) {
    outer[i] = static_cast<uint8_t>(padded[i] ^ 0x5C);
  }
  std::copy(inner_digest.begin(), inner_digest.end(), outer.begin() + kBlock);
  const std::array<uint8_t, 20> result = Sha1(outer);
  sodium_memzero(padded.data(), padded.size());
  sodium_memzero(outer.data(), outer.size());
  sodium_memzero(inner.data(), inner.size());
  return result;
}

bool ConstantTimeEqual(ByteView a, ByteView b) {
  return a.size() == b.size() &&
         sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace matrixcore
