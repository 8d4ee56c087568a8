// What tests of endpoints share: the fake homeserver and short ways to look at
// its answers.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "matrixcore/json/canonical.h"
#include "matrixcore/json/value.h"
#include "matrixcore/testing/fake_homeserver.h"

namespace matrixcore::api {

using User = FakeHomeserver::User;

// An answer's body, parsed; "null" if it is not JSON.
inline json::Document BodyOf(const HttpResponse& response) {
  Result<json::Document> body = json::Document::Parse(response.body);
  if (body.ok()) return std::move(body).value();
  return *json::Document::Parse("null");
}

// The member at a path of names separated by '/', as JSON; "" if missing.
inline std::string At(const HttpResponse& response, std::string_view path) {
  const json::Document body = BodyOf(response);
  json::Value value = body.root();
  while (!path.empty()) {
    const size_t slash = path.find('/');
    value = value[path.substr(0, slash)];
    path = slash == std::string_view::npos ? "" : path.substr(slash + 1);
  }
  return std::string(value.raw());
}

// The same for a string, unescaped.
inline std::string TextAt(const HttpResponse& response, std::string_view path) {
  const Result<json::Document> value =
      json::Document::Parse(At(response, path));
  return value.ok() ? std::string(value->root().StringOr("")) : "";
}

// The canonical form of a JSON text, to compare with.
inline std::string Canonical(std::string_view json) {
  const Result<std::string> canonical = json::Canonical(json);
  return canonical.ok() ? *canonical
                        : "not canonical JSON: " + std::string(json);
}

inline std::string HeaderOf(const HttpResponse& response,
                            std::string_view name) {
  return std::string(response.headers.Get(name).value_or("(none)"));
}

// EXPECT_THAT(response, IsError(403, "M_FORBIDDEN"));
MATCHER_P2(IsError, status, errcode, "") {
  *result_listener << arg.status << " " << arg.body;
  return arg.status == status && TextAt(arg, "errcode") == errcode &&
         !TextAt(arg, "error").empty();
}

// EXPECT_THAT(response, IsJson(R"({"a": 1})"));  status 200, equal as JSON.
MATCHER_P(IsJson, json, "") {
  *result_listener << arg.status << " " << arg.body;
  return arg.status == 200 && Canonical(arg.body) == Canonical(json);
}

}  // namespace matrixcore::api
