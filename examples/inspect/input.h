// What the commands read: files of JSON, JSON Lines, or PDUs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"

namespace matrixcore::inspect {

// A text, and what messages call it.
struct Input {
  std::string name;
  std::string text;
};

// kInvalidArgument: what is wrong, and with what.
Status Wrong(std::string_view where, std::string_view what);

// The bytes of a file; of standard input for "-" or "".  kNotFound.
Result<Input> ReadInput(const std::string& path);

// A value of an input and where it stands ("pdus.jsonl, line 3").
struct PlacedValue {
  std::string where;
  json::Document document;
};

// The values of a text: one JSON value, or one on each line.  kInvalidArgument
// with the number of the line.
Result<std::vector<PlacedValue>> ParseValues(const Input& input);

// The JSON text of an object and where it stands.
struct PlacedObject {
  std::string where;
  std::string json;
};

// The same, with an array taken apart into its elements: the forms in which
// PDUs come.
Result<std::vector<PlacedObject>> ParseObjects(const Input& input);

}  // namespace matrixcore::inspect
