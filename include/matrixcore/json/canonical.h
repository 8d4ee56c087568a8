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
  // Room versions 1 to 5.  The spec allows there what it does not define,
  // beyond
  // one example.  Integers of any size keep their digits.  A number with a
  // fraction or an exponent is read as a double; if that is an integer of fewer
  // than 17 digits it is written as one (1e10 becomes 10000000000, -0 becomes
  // 0,
  // as in the example), else as Python's repr() writes it (0.5, 1e-07, 1e+16),
  // since that is what most of these events were hashed with.
  kLax,
};

// Appends `value` with its keys sorted by code point, without white space. When
// a key is repeated the last one counts.  A missing value appends nothing.
// Costs little more than a copy when the text is canonical already.  Fails with
// kInvalidArgument and M_BAD_JSON for a number that `rule` forbids; `out` is
// then unchanged.
Status AppendCanonical(Value value, NumberRule rule, std::string* out);

Result<std::string> Canonical(Value value,
                              NumberRule rule = NumberRule::kStrict);
// Parses and canonicalises.
Result<std::string> Canonical(std::string_view text,
                              NumberRule rule = NumberRule::kStrict);

// Whether every number in `value` obeys NumberRule::kStrict.
bool HasOnlyStrictNumbers(Value value);

}  // namespace matrixcore::json
