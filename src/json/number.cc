#include "json/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <system_error>

namespace matrixcore::json {
namespace {

// A number as digits * 10^exponent, with neither leading nor trailing zeros in
// its digits; zero has none and is not negative.
struct Decimal {
  bool negative = false;
  std::string digits;
  int64_t exponent = 0;

  friend bool operator==(const Decimal&, const Decimal&) = default;
};

Decimal ParseDecimal(std::string_view number) {
  Decimal result;
  size_t i = 0;
  if (number[0] == '-') {
    result.negative = true;
    ++i;
  }
  bool fraction = false;
  for (; i < number.size() && number[i] != 'e' && number[i] != 'E'; ++i) {
    if (number[i] == '.') {
      fraction = true;
      continue;
    }
    result.digits.push_back(number[i]);
    if (fraction) --result.exponent;
  }
  if (i < number.size()) {
    ++i;
    if (number[i] == '+') ++i;
    int64_t exponent = 0;
    const auto parsed = std::from_chars(
        number.data() + i, number.data() + number.size(), exponent);
    constexpr int64_t kHuge = int64_t{1} << 40;
    if (parsed.ec != std::errc()) exponent = number[i] == '-' ? -kHuge : kHuge;
    result.exponent += std::clamp(exponent, -kHuge, kHuge);
  }
  result.digits.erase(0, result.digits.find_first_not_of('0'));
  const size_t last = result.digits.find_last_not_of('0');
  if (last == std::string::npos) return Decimal();
  result.exponent += static_cast<int64_t>(result.digits.size() - (last + 1));
  result.digits.resize(last + 1);
  return result;
}

}  // namespace

std::optional<double> ParseDouble(std::string_view number) {
  double result = 0;
  const auto parsed =
      std::from_chars(number.data(), number.data() + number.size(), result);
  if (parsed.ec == std::errc()) return result;
  // Out of range: too large, or so small that it rounds to zero.
  const Decimal decimal = ParseDecimal(number);
  const int64_t magnitude =
      decimal.exponent + static_cast<int64_t>(decimal.digits.size());
  if (magnitude > 0) return std::nullopt;
  return number[0] == '-' ? -0.0 : 0.0;
}

bool NumbersEqual(std::string_view a, std::string_view b) {
  return a == b || ParseDecimal(a) == ParseDecimal(b);
}

bool IsSafeInteger(std::string_view integer) {
  constexpr size_t kAlwaysSafe = 15;  // Characters, a sign among them.
  if (integer.size() <= kAlwaysSafe) return true;
  int64_t value = 0;
  const auto parsed =
      std::from_chars(integer.data(), integer.data() + integer.size(), value);
  constexpr int64_t kLimit = (int64_t{1} << 53) - 1;
  return parsed.ec == std::errc() && value >= -kLimit && value <= kLimit;
}

void AppendFloat(std::string* out, double number) {
  std::array<char, 32> text;
  char* const begin = text.data();
  char* const end = begin + text.size();
  std::to_chars_result result = {};
  const double size = std::fabs(number);
  if (size < 1e16 && number == std::trunc(number)) {
    result = std::to_chars(begin, end, static_cast<int64_t>(number));
  } else if (size < 1e-4 || size >= 1e16) {
    result = std::to_chars(begin, end, number, std::chars_format::scientific);
  } else {
    result = std::to_chars(begin, end, number, std::chars_format::fixed);
  }
  out->append(begin, result.ptr);
}

}  // namespace matrixcore::json
