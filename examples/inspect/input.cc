#include "input.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <sstream>
#include <system_error>
#include <utility>

namespace matrixcore::inspect {
namespace {

constexpr std::string_view kWanted =
    "; the text must be complete JSON or JSON Lines (a value on each line), in "
    "UTF-8, nested at most 128 deep";

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

Status NotJson(std::string_view where, const Status& status) {
  return Wrong(where, status.message() + std::string(kWanted));
}

Status CannotRead(const std::string& path, int error) {
  return Status(StatusCode::kNotFound,
                fmt::format("{}: cannot be read: {}; name a file, or - for "
                            "standard input",
                            path, std::generic_category().message(error)));
}

struct Close {
  void operator()(std::FILE* file) const {
    if (file != stdin) std::fclose(file);
  }
};

}  // namespace

Status Wrong(std::string_view where, std::string_view what) {
  return Status(StatusCode::kInvalidArgument,
                fmt::format("{}: {}", where, what));
}

Result<Input> ReadInput(const std::string& path) {
  const bool standard = path.empty() || path == "-";
  Input input{standard ? "standard input" : path, ""};
  if (standard && std::feof(stdin) != 0) {
    return Wrong(input.name, "was read already; name it for one input only");
  }
  const std::unique_ptr<std::FILE, Close> file(
      standard ? stdin : std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return CannotRead(path, errno);
  std::string buffer(size_t{1} << 16, '\0');
  while (const size_t size =
             std::fread(buffer.data(), 1, buffer.size(), file.get())) {
    input.text.append(buffer, 0, size);
  }
  if (std::ferror(file.get()) != 0) return CannotRead(input.name, errno);
  return input;
}

Result<std::vector<PlacedValue>> ParseValues(const Input& input) {
  std::vector<PlacedValue> values;
  if (IsBlank(input.text)) {
    return Wrong(input.name,
                 "is empty; give JSON, or JSON Lines (a value on each line)");
  }
  Result<json::Document> whole = json::Document::Parse(input.text);
  if (whole.ok()) {
    values.push_back({input.name, std::move(*whole)});
    return values;
  }
  std::istringstream lines(input.text);
  size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (IsBlank(line)) continue;
    const std::string where = fmt::format("{}, line {}", input.name, number);
    Result<json::Document> value = json::Document::Parse(line);
    if (!value.ok()) {
      // A text of one line, or whose first line is not JSON: not JSON Lines.
      return values.empty() ? NotJson(input.name, whole.status())
                            : NotJson(where, value.status());
    }
    values.push_back({where, std::move(*value)});
  }
  return values;
}

Result<std::vector<PlacedObject>> ParseObjects(const Input& input) {
  MC_ASSIGN_OR_RETURN(const std::vector<PlacedValue> values,
                      ParseValues(input));
  std::vector<PlacedObject> objects;
  for (const PlacedValue& value : values) {
    const json::Value root = value.document.root();
    if (!root.IsArray()) {
      objects.push_back({value.where, std::string(root.raw())});
      continue;
    }
    size_t number = 0;
    for (const json::Value element : root) {
      objects.push_back(
          {fmt::format("{}, element {} of the array", value.where, ++number),
           std::string(element.raw())});
    }
  }
  for (const PlacedObject& object : objects) {
    if (object.json.empty() || object.json.front() != '{') {
      return Wrong(object.where, "is not an object; give a JSON object here");
    }
  }
  return objects;
}

}  // namespace matrixcore::inspect
