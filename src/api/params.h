// Parameters of endpoint functions: reading them with the specification's
// errors, and writing replies.
//
//   Result<Reply> PutTyping(Call& call) {
//     MC_RETURN_IF_ERROR(RequirePathUser(call, 1));
//     MC_ASSIGN_OR_RETURN(const bool typing,
//                         RequiredBool(call.root(), "typing"));
//     MC_ASSIGN_OR_RETURN(const int64_t timeout,
//                         OptionalInt(call.root(), "timeout", 30'000));
//     ...
//     return EmptyReply();
//   }
//
// Errors of body fields: M_MISSING_PARAM when a required one is absent,
// M_BAD_JSON when the type is wrong.  A null counts as absent.  Errors of query
// parameters: M_MISSING_PARAM, M_INVALID_PARAM.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/api/router.h"
#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/tokens.h"

namespace matrixcore::api {

// --- Failures with an errcode ---
Status MissingParam(std::string_view name);
Status InvalidParam(std::string message);
Status BadJson(std::string message);
Status Forbidden(std::string message);
Status NotFound(std::string message);

// --- Fields of a JSON object ---
// The views live as long as the document.
Result<std::string_view> RequiredString(json::Value object,
                                        std::string_view key);
Result<std::optional<std::string_view>> OptionalString(json::Value object,
                                                       std::string_view key);
Result<int64_t> RequiredInt(json::Value object, std::string_view key);
Result<int64_t> OptionalInt(json::Value object, std::string_view key,
                            int64_t fallback);
Result<bool> RequiredBool(json::Value object, std::string_view key);
Result<bool> OptionalBool(json::Value object, std::string_view key,
                          bool fallback);
// Optional objects and arrays: a missing Value when absent.
Result<json::Value> RequiredObject(json::Value object, std::string_view key);
Result<json::Value> OptionalObject(json::Value object, std::string_view key);
Result<json::Value> RequiredArray(json::Value object, std::string_view key);
Result<json::Value> OptionalArray(json::Value object, std::string_view key);
// An array of strings; empty when absent.
Result<std::vector<std::string>> OptionalStrings(json::Value object,
                                                 std::string_view key);

// --- Query parameters ---
Result<std::string_view> RequiredQuery(const Call& call, std::string_view name);
// The first value, or nothing.
std::optional<std::string_view> OptionalQuery(const Call& call,
                                              std::string_view name);
// A decimal number of at least `min`, at most 2^53-1.
Result<std::optional<int64_t>> QueryInt(const Call& call, std::string_view name,
                                        int64_t min = 0);
// "true" or "false".
Result<bool> QueryBool(const Call& call, std::string_view name, bool fallback);
// One of `values`.
Result<std::optional<std::string_view>> QueryEnum(
    const Call& call, std::string_view name,
    std::initializer_list<std::string_view> values);
// A token of ours, nothing also for "".
Result<std::optional<StreamToken>> QueryToken(const Call& call,
                                              std::string_view name);
// `dir`: true for "b", false for "f".
Result<bool> RequiredBackwards(const Call& call);
// All values of a repeated parameter, such as `via`.
std::vector<std::string> QueryStrings(const Call& call, std::string_view name);

// --- Path ---
// M_FORBIDDEN unless the path's `index`-th placeholder is the asking user.
Status RequirePathUser(const Call& call, size_t index);

// --- Replies ---
inline Reply EmptyReply() { return Reply(); }
inline Reply JsonReply(std::string body) {
  Reply reply;
  reply.body = std::move(body);
  return reply;
}
// A reply of one JSON object: `write` gets the Writer between its braces.
//   return ObjectReply([&](json::Writer& w) { w.Field("room_id", room_id); });
template <typename Write>
Reply ObjectReply(Write&& write) {
  std::string body;
  json::Writer writer(&body);
  writer.BeginObject();
  std::forward<Write>(write)(writer);
  writer.EndObject();
  return JsonReply(std::move(body));
}
// The same where writing can fail: `write` returns a Status.
template <typename Write>
Result<Reply> TryObjectReply(Write&& write) {
  std::string body;
  json::Writer writer(&body);
  writer.BeginObject();
  MC_RETURN_IF_ERROR(std::forward<Write>(write)(writer));
  writer.EndObject();
  return JsonReply(std::move(body));
}

}  // namespace matrixcore::api
