#include "matrixcore/service/tokens.h"

#include <fmt/format.h>

#include <charconv>

namespace matrixcore {
namespace {

// A number as ToString writes it: digits, no sign, no leading zero.
std::optional<int64_t> ParseNumber(std::string_view text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') {
    return std::nullopt;
  }
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

std::string StreamToken::ToString() const {
  if (ephemeral == 0) return fmt::format("s{}", position);
  return fmt::format("s{}_{}", position, ephemeral);
}

std::optional<StreamToken> StreamToken::Parse(std::string_view text) {
  if (text.empty() || text.front() != 's') return std::nullopt;
  text.remove_prefix(1);
  std::string_view ephemeral_text = "0";
  if (const size_t separator = text.find('_');
      separator != std::string_view::npos) {
    ephemeral_text = text.substr(separator + 1);
    text = text.substr(0, separator);
  }
  const std::optional<int64_t> position = ParseNumber(text);
  const std::optional<int64_t> ephemeral = ParseNumber(ephemeral_text);
  if (!position || !ephemeral) return std::nullopt;
  return StreamToken{*position, *ephemeral};
}

}  // namespace matrixcore
