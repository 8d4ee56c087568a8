// What the commands read: files of JSON, JSON Lines, or PDUs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"

namespace matrixcore::inspect {

// The bytes of a file; of standard input for "-" or "".  kNotFound.
Result<std::string> ReadInput(const std::string& path);

// The values of a text: one JSON value, or one on each line.  kInvalidArgument
// with the number of the line.
Result<std::vector<json::Document>> ParseValues(std::string text);

// The same, with an array taken apart into its elements: the forms in which
// PDUs come.
Result<std::vector<std::string>> ParseObjects(std::string text);

}  // namespace matrixcore::inspect
