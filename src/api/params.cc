#include "api/params.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace matrixcore::api {
namespace {

constexpr int64_t kMaxInteger = (int64_t{1} << 53) - 1;

bool Absent(json::Value value) { return value.IsMissing() || value.IsNull(); }

Status WrongType(std::string_view key, std::string_view wanted) {
  return BadJson(fmt::format("'{}' must be {}", key, wanted));
}

}  // namespace

Status MissingParam(std::string_view name) {
  return Status(StatusCode::kInvalidArgument, "M_MISSING_PARAM",
                fmt::format("'{}' is required", name));
}

Status InvalidParam(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_INVALID_PARAM",
                std::move(message));
}

Status BadJson(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON", std::move(message));
}

Status Forbidden(std::string message) {
  return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                std::move(message));
}

Status NotFound(std::string message) {
  return Status(StatusCode::kNotFound, "M_NOT_FOUND", std::move(message));
}

Result<std::string_view> RequiredString(json::Value object,
                                        std::string_view key) {
  const json::Value value = object[key];
  if (Absent(value)) return MissingParam(key);
  if (!value.IsString()) return WrongType(key, "a string");
  return *value.AsString();
}

Result<std::optional<std::string_view>> OptionalString(json::Value object,
                                                       std::string_view key) {
  const json::Value value = object[key];
  if (Absent(value)) return std::optional<std::string_view>();
  if (!value.IsString()) return WrongType(key, "a string");
  return value.AsString();
}

Result<int64_t> RequiredInt(json::Value object, std::string_view key) {
  const json::Value value = object[key];
  if (Absent(value)) return MissingParam(key);
  const std::optional<int64_t> number = value.AsInt();
  if (!number || *number > kMaxInteger || *number < -kMaxInteger) {
    return WrongType(key, "an integer");
  }
  return *number;
}

Result<int64_t> OptionalInt(json::Value object, std::string_view key,
                            int64_t fallback) {
  if (Absent(object[key])) return fallback;
  return RequiredInt(object, key);
}

Result<bool> RequiredBool(json::Value object, std::string_view key) {
  const json::Value value = object[key];
  if (Absent(value)) return MissingParam(key);
  if (!value.IsBool()) return WrongType(key, "a boolean");
  return *value.AsBool();
}

Result<bool> OptionalBool(json::Value object, std::string_view key,
                          bool fallback) {
  if (Absent(object[key])) return fallback;
  return RequiredBool(object, key);
}

Result<json::Value> RequiredObject(json::Value object, std::string_view key) {
  const json::Value value = object[key];
  if (Absent(value)) return MissingParam(key);
  if (!value.IsObject()) return WrongType(key, "an object");
  return value;
}

Result<json::Value> OptionalObject(json::Value object, std::string_view key) {
  if (Absent(object[key])) return json::Value();
  return RequiredObject(object, key);
}

Result<json::Value> RequiredArray(json::Value object, std::string_view key) {
  const json::Value value = object[key];
  if (Absent(value)) return MissingParam(key);
  if (!value.IsArray()) return WrongType(key, "an array");
  return value;
}

Result<json::Value> OptionalArray(json::Value object, std::string_view key) {
  if (Absent(object[key])) return json::Value();
  return RequiredArray(object, key);
}

Result<std::vector<std::string>> OptionalStrings(json::Value object,
                                                 std::string_view key) {
  MC_ASSIGN_OR_RETURN(const json::Value array, OptionalArray(object, key));
  std::vector<std::string> strings;
  strings.reserve(array.size());
  for (const json::Value item : array) {
    if (!item.IsString()) return WrongType(key, "an array of strings");
    strings.emplace_back(*item.AsString());
  }
  return strings;
}

Result<std::string_view> RequiredQuery(const Call& call,
                                       std::string_view name) {
  const std::optional<std::string_view> value = call.target.Param(name);
  if (!value) return MissingParam(name);
  return *value;
}

std::optional<std::string_view> OptionalQuery(const Call& call,
                                              std::string_view name) {
  return call.target.Param(name);
}

Result<std::optional<int64_t>> QueryInt(const Call& call, std::string_view name,
                                        int64_t min) {
  const std::optional<std::string_view> text = call.target.Param(name);
  if (!text) return std::optional<int64_t>();
  int64_t number = 0;
  const char* const end = text->data() + text->size();
  const auto [rest, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || rest != end) {
    return InvalidParam(fmt::format("'{}' must be an integer", name));
  }
  if (number < min || number > kMaxInteger) {
    return InvalidParam(fmt::format("'{}' is out of range", name));
  }
  return std::optional<int64_t>(number);
}

Result<bool> QueryBool(const Call& call, std::string_view name, bool fallback) {
  const std::optional<std::string_view> text = call.target.Param(name);
  if (!text) return fallback;
  if (*text == "true") return true;
  if (*text == "false") return false;
  return InvalidParam(fmt::format("'{}' must be 'true' or 'false'", name));
}

Result<std::optional<std::string_view>> QueryEnum(
    const Call& call, std::string_view name,
    std::initializer_list<std::string_view> values) {
  const std::optional<std::string_view> text = call.target.Param(name);
  if (!text) return text;
  if (std::find(values.begin(), values.end(), *text) == values.end()) {
    return InvalidParam(
        fmt::format("'{}' must be one of: {}", name, fmt::join(values, ", ")));
  }
  return text;
}

Result<std::optional<StreamToken>> QueryToken(const Call& call,
                                              std::string_view name) {
  const std::optional<std::string_view> text = call.target.Param(name);
  if (!text || text->empty()) return std::optional<StreamToken>();
  const std::optional<StreamToken> token = StreamToken::Parse(*text);
  if (!token) return InvalidParam(fmt::format("'{}' is not a token", name));
  return token;
}

Result<bool> RequiredBackwards(const Call& call) {
  MC_ASSIGN_OR_RETURN(const std::optional<std::string_view> dir,
                      QueryEnum(call, "dir", {"b", "f"}));
  if (!dir) return MissingParam("dir");
  return *dir == "b";
}

std::vector<std::string> QueryStrings(const Call& call, std::string_view name) {
  std::vector<std::string> values;
  for (const std::string_view value : call.target.Params(name)) {
    values.emplace_back(value);
  }
  return values;
}

Status RequirePathUser(const Call& call, size_t index) {
  if (call.path[index] == call.user_id()) return OkStatus();
  return Forbidden("This belongs to another user");
}

}  // namespace matrixcore::api
