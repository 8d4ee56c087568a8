#include "input.h"

#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <utility>

namespace matrixcore::inspect {
namespace {

constexpr json::ParseOptions kOptions{};

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

Result<std::string> ReadInput(const std::string& path) {
  if (path.empty() || path == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), {});
  }
  std::ifstream file(path, std::ios::binary);
  if (!file.good()) {
    return Status(StatusCode::kNotFound, fmt::format("cannot read {}", path));
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<std::vector<json::Document>> ParseValues(std::string text) {
  std::vector<json::Document> values;
  Result<json::Document> whole = json::Document::Parse(text, kOptions);
  if (whole.ok()) {
    values.push_back(std::move(*whole));
    return values;
  }
  std::istringstream lines(text);
  size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (IsBlank(line)) continue;
    Result<json::Document> value = json::Document::Parse(line, kOptions);
    if (!value.ok()) {
      // A text of one line, or whose first line is not JSON: not JSON Lines.
      const bool lines_at_all = !values.empty();
      return Status(StatusCode::kInvalidArgument,
                    lines_at_all ? fmt::format("line {}: {}", number,
                                               value.status().message())
                                 : whole.status().message());
    }
    values.push_back(std::move(*value));
  }
  if (values.empty()) {
    return Status(StatusCode::kInvalidArgument, "the input is empty");
  }
  return values;
}

Result<std::vector<std::string>> ParseObjects(std::string text) {
  MC_ASSIGN_OR_RETURN(const std::vector<json::Document> values,
                      ParseValues(std::move(text)));
  std::vector<std::string> objects;
  for (const json::Document& value : values) {
    const json::Value root = value.root();
    if (root.IsArray()) {
      for (const json::Value element : root)
        objects.emplace_back(element.raw());
    } else {
      objects.emplace_back(root.raw());
    }
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    if (objects[i].empty() || objects[i].front() != '{') {
      return Status(StatusCode::kInvalidArgument,
                    fmt::format("value {} is not an object", i + 1));
    }
  }
  return objects;
}

}  // namespace matrixcore::inspect
