// Reading one power level; internal to the event, auth and stateres floors.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "matrixcore/roomversion/room_version.h"

namespace matrixcore {

// Levels from events stay between these, whatever the text says: older versions
// allow numbers without bound, and INT64_MAX is a version 12 creator's.
inline constexpr int64_t kMaxLevel = INT64_MAX - 1;
inline constexpr int64_t kMinLevel = INT64_MIN + 2;

// The level that a raw JSON value stands for in rooms of that format: an
// integer; before version 10 also a string that holds one, with white space and
// leading zeros; before version 6 also a float, truncated.  Nothing for all
// else.
std::optional<int64_t> ParsePowerLevel(std::string_view raw,
                                       PowerLevelFormat format);

}  // namespace matrixcore
