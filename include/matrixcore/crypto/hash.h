// Hashes.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "matrixcore/base/bytes.h"

namespace matrixcore {

using Sha256Digest = std::array<uint8_t, 32>;

Sha256Digest Sha256(ByteView bytes);
inline Sha256Digest Sha256(std::string_view text) {
  return Sha256(AsBytes(text));
}

// HMAC as the shared-secret registration of operators' tools uses it.
std::array<uint8_t, 20> HmacSha1(ByteView key, ByteView message);
// SHA-1, needed only by state resolution v1 to break ties.
std::array<uint8_t, 20> Sha1(ByteView bytes);

// Compares without telling by its run time where the first difference is.
bool ConstantTimeEqual(ByteView a, ByteView b);

}  // namespace matrixcore
