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
  if (to_device != 0) {
    return fmt::format("s{}_{}_{}", position, ephemeral, to_device);
  }
  if (ephemeral == 0) return fmt::format("s{}", position);
  return fmt::format("s{}_{}", position, ephemeral);
}

std::optional<StreamToken> StreamToken::Parse(std::string_view text) {
  if (text.find('~') != std::string_view::npos) {
    const std::optional<SlidingToken> sliding = SlidingToken::Parse(text);
    return sliding ? std::optional(sliding->stream) : std::nullopt;
  }
  if (text.empty() || text.front() != 's') return std::nullopt;
  text.remove_prefix(1);
  std::string_view ephemeral_text = "0";
  std::string_view to_device_text = "0";
  if (const size_t separator = text.find('_');
      separator != std::string_view::npos) {
    ephemeral_text = text.substr(separator + 1);
    text = text.substr(0, separator);
    if (const size_t second = ephemeral_text.find('_');
        second != std::string_view::npos) {
      to_device_text = ephemeral_text.substr(second + 1);
      ephemeral_text = ephemeral_text.substr(0, second);
    }
  }
  const std::optional<int64_t> position = ParseNumber(text);
  const std::optional<int64_t> ephemeral = ParseNumber(ephemeral_text);
  const std::optional<int64_t> to_device = ParseNumber(to_device_text);
  if (!position || !ephemeral || !to_device) return std::nullopt;
  if (*to_device > *position) return std::nullopt;
  return StreamToken{*position, *ephemeral, *to_device};
}

std::string SlidingToken::ToString() const {
  return fmt::format("{}~{}.{}.{}", stream.ToString(), epoch, version, serial);
}

std::optional<SlidingToken> SlidingToken::Parse(std::string_view text) {
  const size_t tilde = text.find('~');
  if (tilde == std::string_view::npos) return std::nullopt;
  const std::optional<StreamToken> stream =
      StreamToken::Parse(text.substr(0, tilde));
  text.remove_prefix(tilde + 1);
  const size_t first = text.find('.');
  const size_t second = text.find('.', first + 1);
  if (!stream || first == std::string_view::npos ||
      second == std::string_view::npos) {
    return std::nullopt;
  }
  const auto epoch = ParseNumber(text.substr(0, first));
  const auto version = ParseNumber(text.substr(first + 1, second - first - 1));
  const auto serial = ParseNumber(text.substr(second + 1));
  if (!epoch || !version || !serial) return std::nullopt;
  return SlidingToken{*stream, *epoch, *version, *serial};
}

}  // namespace matrixcore
