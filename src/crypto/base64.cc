#include "matrixcore/crypto/base64.h"

#include <array>

namespace matrixcore {
namespace {

constexpr std::string_view kStandardDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlSafeDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// For each byte the value of that digit; 0xFF for what is none.
constexpr uint8_t kNone = 0xFF;
using ValueTable = std::array<uint8_t, 256>;

constexpr ValueTable MakeValueTable(std::string_view digits) {
  ValueTable table = {};
  for (uint8_t& value : table) value = kNone;
  for (size_t i = 0; i < digits.size(); ++i) {
    table[static_cast<uint8_t>(digits[i])] = static_cast<uint8_t>(i);
  }
  return table;
}

constexpr ValueTable kStandardValues = MakeValueTable(kStandardDigits);
constexpr ValueTable kUrlSafeValues = MakeValueTable(kUrlSafeDigits);

// Without the padding; nothing when there is padding of the wrong length.
std::optional<std::string_view> StripPadding(std::string_view text) {
  size_t padding = 0;
  while (padding < text.size() && text[text.size() - 1 - padding] == '=') {
    ++padding;
  }
  if (padding > 0 && (padding > 2 || text.size() % 4 != 0)) return std::nullopt;
  return text.substr(0, text.size() - padding);
}

}  // namespace

std::string Base64Encode(ByteView bytes, Base64Alphabet alphabet) {
  const std::string_view digits =
      alphabet == Base64Alphabet::kStandard ? kStandardDigits : kUrlSafeDigits;
  std::string text((bytes.size() * 4 + 2) / 3, '\0');
  char* out = text.data();
  size_t i = 0;
  for (; i + 3 <= bytes.size(); i += 3) {
    const uint32_t group = static_cast<uint32_t>(bytes[i]) << 16 |
                           static_cast<uint32_t>(bytes[i + 1]) << 8 |
                           bytes[i + 2];
    *out++ = digits[group >> 18];
    *out++ = digits[group >> 12 & 63];
    *out++ = digits[group >> 6 & 63];
    *out++ = digits[group & 63];
  }
  if (bytes.size() - i == 1) {
    *out++ = digits[bytes[i] >> 2];
    *out++ = digits[(bytes[i] & 3u) << 4];
  } else if (bytes.size() - i == 2) {
    const uint32_t group = static_cast<uint32_t>(bytes[i]) << 8 | bytes[i + 1];
    *out++ = digits[group >> 10];
    *out++ = digits[group >> 4 & 63];
    *out++ = digits[group << 2 & 63];
  }
  return text;
}

std::optional<std::string> Base64Decode(std::string_view text,
                                        Base64Alphabet alphabet, bool strict) {
  const std::optional<std::string_view> stripped = StripPadding(text);
  if (!stripped || stripped->size() % 4 == 1) return std::nullopt;
  const ValueTable& values =
      alphabet == Base64Alphabet::kStandard ? kStandardValues : kUrlSafeValues;
  std::string bytes(stripped->size() * 3 / 4, '\0');
  size_t at = 0;
  uint32_t pending = 0;
  int bits = 0;
  for (char c : *stripped) {
    const uint8_t value = values[static_cast<uint8_t>(c)];
    if (value == kNone) return std::nullopt;
    pending = pending << 6 | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = static_cast<char>(pending >> bits & 0xFF);
    }
  }
  if (strict && (pending & ((1u << bits) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace matrixcore
