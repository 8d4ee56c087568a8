#include "matrixcore/http/url.h"

#include <utility>

#include "matrixcore/base/utf8.h"

namespace matrixcore {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// RFC 3986, section 2.3.
bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

std::optional<std::string> Decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded.push_back(' ');
    } else if (text[i] != '%') {
      decoded.push_back(text[i]);
    } else {
      if (text.size() - i < 3) return std::nullopt;
      const int high = HexValue(text[i + 1]);
      const int low = HexValue(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      decoded.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  if (!IsValidUtf8(decoded)) return std::nullopt;
  return decoded;
}

// The text up to `separator`, which is removed with it.
std::string_view TakeUntil(std::string_view* text, char separator) {
  const size_t end = text->find(separator);
  const std::string_view taken = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return taken;
}

// What cannot be part of a request target.
bool HasForbiddenCharacter(std::string_view target) {
  for (char c : target) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7F || c == '#') return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> PercentDecode(std::string_view text) {
  return Decode(text, false);
}

std::string PercentEncode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (char c : text) {
    if (IsUnreserved(c)) {
      encoded.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded.push_back('%');
      encoded.push_back(kHex[byte >> 4]);
      encoded.push_back(kHex[byte & 15]);
    }
  }
  return encoded;
}

std::optional<UrlTarget> UrlTarget::Parse(std::string_view target) {
  if (target.empty() || target.front() != '/' ||
      HasForbiddenCharacter(target)) {
    return std::nullopt;
  }
  UrlTarget result;
  std::string_view query = target;
  result.path_ = TakeUntil(&query, '?');
  for (std::string_view path = result.path_; !path.empty();) {
    path.remove_prefix(1);  // The '/'.
    const size_t end = path.find('/');
    std::optional<std::string> segment = PercentDecode(path.substr(0, end));
    if (!segment) return std::nullopt;
    result.segments_.push_back(std::move(*segment));
    path.remove_prefix(end == std::string_view::npos ? path.size() : end);
  }
  while (!query.empty()) {
    std::string_view value = TakeUntil(&query, '&');
    if (value.empty()) continue;
    std::optional<std::string> name = Decode(TakeUntil(&value, '='), true);
    std::optional<std::string> decoded = Decode(value, true);
    if (!name || !decoded) return std::nullopt;
    result.params_.emplace_back(std::move(*name), std::move(*decoded));
  }
  return result;
}

std::optional<std::string_view> UrlTarget::Param(std::string_view name) const {
  for (const auto& [key, value] : params_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> UrlTarget::Params(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : params_) {
    if (key == name) values.push_back(value);
  }
  return values;
}

}  // namespace matrixcore
