// Numbers as JSON writes them.  Internal to src/json.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace matrixcore::json {

// The arguments are valid JSON numbers.

// The nearest double; nothing when that is infinite.
std::optional<double> ParseDouble(std::string_view number);

// Whether both are the same number, however large or small.
bool NumbersEqual(std::string_view a, std::string_view b);

// Whether a number without fraction and exponent, not -0, is in the range
// [-(2^53)+1, 2^53-1].
bool IsSafeInteger(std::string_view integer);

// Appends the shortest text that reads back as `number`, which is finite, in
// the form of Python's repr(): 0.5, 1e-07, 1.5e+16; but integral values below
// 10^16 without ".0".
void AppendFloat(std::string* out, double number);

}  // namespace matrixcore::json
