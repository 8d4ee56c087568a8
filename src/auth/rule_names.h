// Rules as people read them; internal to auth.
#pragma once

#include <string_view>

#include "matrixcore/auth/auth.h"

namespace matrixcore::auth_rules {

// "the sender is not joined".
std::string_view RuleText(Rule rule);

}  // namespace matrixcore::auth_rules
