// Canonical JSON, the form that is hashed and signed (spec: appendices,
// "Canonical JSON").
#pragma once

#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"

namespace matrixcore::json {

// Which numbers are accepted.
enum class NumberRule {
  // Integers in [-(2^53)+1, 2^53-1] only: room versions 6 and later, and
  // everything that is not a PDU.
  kStrict,
  // Room versions 1 to 5: -0 becomes 0, a float with an integral value becomes
  // that integer, other floats and large integers keep their value.
  kLax,
};

// Appends `value` with its keys sorted by code point, without white space.  When
// a key is repeated the last one counts.  Fails with kInvalidArgument and
// M_BAD_JSON for a number that `rule` forbids; `out` is then unchanged.
Status AppendCanonical(Value value, NumberRule rule, std::string* out);

Result<std::string> Canonical(Value value, NumberRule rule = NumberRule::kStrict);
// Parses and canonicalises.
Result<std::string> Canonical(std::string_view text,
                              NumberRule rule = NumberRule::kStrict);

// Whether every number in `value` obeys NumberRule::kStrict.
bool HasOnlyStrictNumbers(Value value);

}  // namespace matrixcore::json
