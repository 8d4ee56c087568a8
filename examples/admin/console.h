// Secrets from files, pipes and people.
#pragma once

#include <string>

#include "matrixcore/base/status.h"

namespace matrixcore::admin {

// The first line of a file, or of standard input for "-".
// kUnavailable when it cannot be read, kInvalidArgument when it is empty.
Result<std::string> ReadFirstLine(const std::string& path);

// Asks twice on the terminal, without showing what is typed; takes the first
// line of standard input when that is no terminal.  kInvalidArgument when it is
// empty or the two differ.
Result<std::string> AskNewPassword();

}  // namespace matrixcore::admin
