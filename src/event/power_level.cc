#include "event/power_level.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "event/canonical_reader.h"

namespace matrixcore {
namespace {

// The white space of Unicode, as UTF-8 (what Python and Rust strip).
constexpr std::array<std::string_view, 25> kSpaces = {" ",
                                                      "\t",
                                                      "\n",
                                                      "\v",
                                                      "\f",
                                                      "\r",
                                                      "\xC2\x85",
                                                      "\xC2\xA0",
                                                      "\xE1\x9A\x80",
                                                      "\xE2\x80\x80",
                                                      "\xE2\x80\x81",
                                                      "\xE2\x80\x82",
                                                      "\xE2\x80\x83",
                                                      "\xE2\x80\x84",
                                                      "\xE2\x80\x85",
                                                      "\xE2\x80\x86",
                                                      "\xE2\x80\x87",
                                                      "\xE2\x80\x88",
                                                      "\xE2\x80\x89",
                                                      "\xE2\x80\x8A",
                                                      "\xE2\x80\xA8",
                                                      "\xE2\x80\xA9",
                                                      "\xE2\x80\xAF",
                                                      "\xE2\x81\x9F",
                                                      "\xE3\x80\x80"};

std::string_view Trim(std::string_view text) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view space : kSpaces) {
      if (text.substr(0, space.size()) == space) {
        text.remove_prefix(space.size());
        again = true;
      }
      if (text.size() >= space.size() &&
          text.substr(text.size() - space.size()) == space) {
        text.remove_suffix(space.size());
        again = true;
      }
    }
  }
  return text;
}

int64_t Clamp(int64_t value) {
  return value > kMaxLevel ? kMaxLevel : value < kMinLevel ? kMinLevel : value;
}

// Digits with an optional '-', of any length.
std::optional<int64_t> ParseDigits(std::string_view digits, bool negative) {
  if (digits.empty() ||
      digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || value > static_cast<uint64_t>(kMaxLevel)) {
    value = static_cast<uint64_t>(kMaxLevel);
  }
  return negative ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
}

std::optional<int64_t> ParseText(std::string_view body) {
  std::string decoded;
  if (canonical::HasEscapes(body)) {
    canonical::AppendUnescaped(body, &decoded);
    body = decoded;
  }
  body = Trim(body);
  bool negative = false;
  if (!body.empty() && (body.front() == '-' || body.front() == '+')) {
    negative = body.front() == '-';
    body.remove_prefix(1);
  }
  return ParseDigits(body, negative);
}

std::optional<int64_t> ParseFloat(std::string_view raw) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(raw.data(), raw.data() + raw.size(), value);
  // A number outside the range of a double is malformed.
  if (error != std::errc() || end != raw.data() + raw.size() ||
      !std::isfinite(value)) {
    return std::nullopt;
  }
  if (value >= 9.2233720368547e18) return kMaxLevel;
  if (value <= -9.2233720368547e18) return kMinLevel;
  return static_cast<int64_t>(value);
}

}  // namespace

std::optional<int64_t> ParsePowerLevel(std::string_view raw,
                                       PowerLevelFormat format) {
  if (raw.empty()) return std::nullopt;
  if (const std::optional<int64_t> value = canonical::Int(raw)) {
    return Clamp(*value);
  }
  if (format == PowerLevelFormat::kIntegers) return std::nullopt;
  if (canonical::IsString(raw)) return ParseText(canonical::StringBody(raw));
  const char first = raw.front();
  if (first != '-' && (first < '0' || first > '9')) return std::nullopt;
  const bool negative = first == '-';
  if (const auto digits = ParseDigits(raw.substr(negative ? 1 : 0), negative)) {
    return digits;
  }
  if (format != PowerLevelFormat::kIntegersFloatsStrings) return std::nullopt;
  return ParseFloat(raw);
}

}  // namespace matrixcore
