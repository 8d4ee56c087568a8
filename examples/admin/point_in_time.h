// Points in time as people write them on the command line.
#pragma once

#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"

namespace matrixcore::admin {

// A day or a moment in UTC, "2026-01-31" or "2026-01-31T12:00:00Z", or an age:
// a number of minutes, hours, days or weeks before `now`, "30m", "12h", "90d",
// "8w".  kInvalidArgument says which forms there are.
Result<Timestamp> ParsePointInTime(std::string_view text, Timestamp now);

}  // namespace matrixcore::admin
