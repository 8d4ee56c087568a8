#include "matrixcore/base/utf8.h"

#include <cstdint>
#include <cstring>

namespace matrixcore {
namespace {

constexpr uint64_t kHighBits = 0x8080808080808080u;

uint64_t Load64(const char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

uint8_t ByteAt(const char* p) { return static_cast<uint8_t>(*p); }

bool IsContinuation(const char* p) { return (ByteAt(p) & 0xC0) == 0x80; }

// The length of the well-formed sequence of two to four bytes that starts at
// `p`, a byte that is not ASCII; 0 if there is none.
size_t SequenceLength(const char* p, const char* end) {
  const uint8_t lead = ByteAt(p);
  const size_t left = static_cast<size_t>(end - p);
  if (lead < 0xC2 || lead > 0xF4) return 0;
  if (lead < 0xE0) return left >= 2 && IsContinuation(p + 1) ? 2 : 0;
  if (left < 3 || !IsContinuation(p + 1) || !IsContinuation(p + 2)) return 0;
  const uint8_t second = ByteAt(p + 1);
  if (lead < 0xF0) {
    if (lead == 0xE0 && second < 0xA0) return 0;  // Overlong.
    if (lead == 0xED && second > 0x9F) return 0;  // A surrogate.
    return 3;
  }
  if (left < 4 || !IsContinuation(p + 3)) return 0;
  if (lead == 0xF0 && second < 0x90) return 0;  // Overlong.
  if (lead == 0xF4 && second > 0x8F) return 0;  // Above U+10FFFF.
  return 4;
}

// The first byte from `p` on that is not ASCII, or `end`.
const char* SkipAscii(const char* p, const char* end) {
  while (end - p >= 16) {
    if (((Load64(p) | Load64(p + 8)) & kHighBits) != 0) break;
    p += 16;
  }
  while (p != end && ByteAt(p) < 0x80) ++p;
  return p;
}

}  // namespace

size_t ValidUtf8Prefix(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  for (;;) {
    p = SkipAscii(p, end);
    // Characters that are not ASCII come in runs.
    while (p != end && ByteAt(p) >= 0x80) {
      const size_t length = SequenceLength(p, end);
      if (length == 0) return static_cast<size_t>(p - text.data());
      p += length;
    }
    if (p == end) return text.size();
  }
}

bool IsValidUtf8(std::string_view text) {
  return ValidUtf8Prefix(text) == text.size();
}

size_t CountCodePoints(std::string_view text) {
  size_t count = 0;
  for (const char& c : text) count += IsContinuation(&c) ? 0 : 1;
  return count;
}

std::string_view TruncateUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t length = max_bytes;
  while (length > 0 && IsContinuation(text.data() + length)) --length;
  return text.substr(0, length);
}

void AppendValidUtf8(std::string* out, std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p != end) {
    const char* ascii_end = SkipAscii(p, end);
    out->append(p, ascii_end);
    p = ascii_end;
    if (p == end) return;
    const size_t length = SequenceLength(p, end);
    if (length == 0) {
      out->append("\xEF\xBF\xBD");
      ++p;
    } else {
      out->append(p, length);
      p += length;
    }
  }
}

}  // namespace matrixcore
