// SHA-256 by libsodium and SHA-1 written out, for builds without OpenSSL.

#include <sodium.h>

#include <algorithm>
#include <bit>

#include "matrixcore/crypto/hash.h"

namespace matrixcore {
namespace {

constexpr size_t kSha1Block = 64;

using Sha1State = std::array<uint32_t, 5>;

// FIPS 180-4, section 6.1.2.
void Sha1Compress(Sha1State& state, const uint8_t* block) {
  std::array<uint32_t, 80> w;
  for (size_t t = 0; t < 16; ++t) {
    w[t] = static_cast<uint32_t>(block[4 * t]) << 24 |
           static_cast<uint32_t>(block[4 * t + 1]) << 16 |
           static_cast<uint32_t>(block[4 * t + 2]) << 8 | block[4 * t + 3];
  }
  for (size_t t = 16; t < 80; ++t) {
    w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
  }
  auto [a, b, c, d, e] = state;
  for (size_t t = 0; t < 80; ++t) {
    uint32_t mixed;
    if (t < 20) {
      mixed = ((b & c) | (~b & d)) + 0x5A827999;
    } else if (t < 40) {
      mixed = (b ^ c ^ d) + 0x6ED9EBA1;
    } else if (t < 60) {
      mixed = ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
    } else {
      mixed = (b ^ c ^ d) + 0xCA62C1D6;
    }
    const uint32_t next = std::rotl(a, 5) + mixed + e + w[t];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

}  // namespace

Sha256Digest Sha256(ByteView bytes) {
  Sha256Digest digest;
  crypto_hash_sha256(digest.data(), bytes.data(), bytes.size());
  return digest;
}

std::array<uint8_t, 20> Sha1(ByteView bytes) {
  Sha1State state = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476,
                     0xC3D2E1F0};
  ByteView rest = bytes;
  for (; rest.size() >= kSha1Block; rest = rest.subspan(kSha1Block)) {
    Sha1Compress(state, rest.data());
  }
  // A 1 bit, zeros, and the number of bits.
  std::array<uint8_t, 2 * kSha1Block> tail = {};
  std::copy(rest.begin(), rest.end(), tail.begin());
  tail[rest.size()] = 0x80;
  const size_t tail_size =
      rest.size() + 9 <= kSha1Block ? kSha1Block : 2 * kSha1Block;
  uint64_t bits = uint64_t{bytes.size()} * 8;
  for (size_t i = 1; i <= 8; ++i) {
    tail[tail_size - i] = static_cast<uint8_t>(bits);
    bits >>= 8;
  }
  for (size_t at = 0; at < tail_size; at += kSha1Block) {
    Sha1Compress(state, tail.data() + at);
  }
  std::array<uint8_t, 20> digest;
  for (size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

}  // namespace matrixcore
