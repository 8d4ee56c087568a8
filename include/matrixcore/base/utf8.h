// UTF-8: is it valid, and how long is it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace matrixcore {

// Whether `text` is well-formed UTF-8 (Unicode 15, table 3-7): no overlong
// forms, no surrogates, nothing above U+10FFFF.  NUL is a character like any
// other.  ASCII is checked 8 bytes at a time.
bool IsValidUtf8(std::string_view text);

// The number of bytes before the first that is not part of a well-formed
// sequence; the size of `text` when it is valid.
size_t ValidUtf8Prefix(std::string_view text);

// The number of code points of a valid text.
size_t CountCodePoints(std::string_view text);

// The longest prefix of at most `max_bytes` bytes that does not cut a code
// point of a valid text in two.
std::string_view TruncateUtf8(std::string_view text, size_t max_bytes);

// Appends `text`, with U+FFFD in place of each byte that is not part of a
// well-formed sequence.
void AppendValidUtf8(std::string* out, std::string_view text);

}  // namespace matrixcore
