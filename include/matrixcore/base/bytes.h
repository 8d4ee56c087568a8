// Views of raw bytes, and the two text forms of bytes that the floors share.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace matrixcore {

using ByteView = std::span<const uint8_t>;

inline ByteView AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Lower-case hexadecimal, two characters a byte.
std::string HexEncode(ByteView bytes);
// The bytes of hexadecimal text in either case; nothing if it is not that.
std::optional<std::string> HexDecode(std::string_view text);

// Hash and equality for containers keyed by std::string that are looked up by
// std::string_view without a copy: absl::flat_hash_map<std::string, V,
// StringHash, StringEq>.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
struct StringEq {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const {
    return a == b;
  }
};

// An ordered map with std::string keys and std::string_view look-up.
template <typename V>
using StringMap = std::map<std::string, V, std::less<>>;

}  // namespace matrixcore
