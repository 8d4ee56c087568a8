// Unpadded base64 (spec: appendices, "Unpadded Base64").
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/bytes.h"

namespace matrixcore {

enum class Base64Alphabet {
  kStandard,  // + and /
  kUrlSafe,   // - and _ (RFC 4648 section 5)
};

// Without padding.
std::string Base64Encode(ByteView bytes,
                         Base64Alphabet alphabet = Base64Alphabet::kStandard);

// Accepts missing or correct padding.  Nothing for any other character, a
// length that cannot be, or set bits after the last byte when `strict`.
std::optional<std::string> Base64Decode(
    std::string_view text, Base64Alphabet alphabet = Base64Alphabet::kStandard,
    bool strict = false);

}  // namespace matrixcore
