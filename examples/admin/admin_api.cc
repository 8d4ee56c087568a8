#include "admin_api.h"

#include <fmt/format.h>

#include <future>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/http/url.h"
#include "matrixcore/json/writer.h"

namespace matrixcore::admin {
namespace {

constexpr std::string_view kRegister = "/_synapse/admin/v1/register";
constexpr std::string_view kTokens = "/_synapse/admin/v1/registration_tokens";

Status Unexpected(std::string_view path) {
  return {StatusCode::kUnavailable,
          fmt::format("the server's answer to {} is not understood", path)};
}

TokenInfo ReadToken(json::Value value) {
  TokenInfo info;
  info.token = value["token"].StringOr("");
  info.uses_allowed = value["uses_allowed"].AsInt();
  info.pending = value["pending"].AsInt().value_or(0);
  info.completed = value["completed"].AsInt().value_or(0);
  info.expiry_time_ms = value["expiry_time"].AsInt();
  return info;
}

}  // namespace

std::string RegistrationMac(std::string_view secret, std::string_view nonce,
                            const NewUser& user) {
  std::string message(nonce);
  message.append(1, '\0').append(user.username);
  message.append(1, '\0').append(user.password);
  message.append(1, '\0').append(user.admin ? "admin" : "notadmin");
  if (!user.user_type.empty()) message.append(1, '\0').append(user.user_type);
  return HexEncode(HmacSha1(AsBytes(secret), AsBytes(message)));
}

AdminApi::AdminApi(HttpClient& client, std::string base_url)
    : client_(client), base_url_(std::move(base_url)) {}

Result<json::Document> AdminApi::Call(HttpMethod method, std::string_view path,
                                      std::string body,
                                      std::string_view access_token) {
  HttpClient::Outgoing request{.method = method,
                               .url = base_url_ + std::string(path),
                               .body = std::move(body)};
  request.headers.Add("Content-Type", "application/json");
  if (!access_token.empty()) {
    request.headers.Add("Authorization", "Bearer " + std::string(access_token));
  }
  std::promise<Result<HttpResponse>> promise;
  client_.Send(std::move(request), [&](Result<HttpResponse> result) {
    promise.set_value(std::move(result));
  });
  Result<HttpResponse> response = promise.get_future().get();
  if (!response.ok()) {
    return Status(response.status().code(),
                  fmt::format("cannot reach {}: {}", base_url_,
                              response.status().message()));
  }
  const int status = response->status;
  Result<json::Document> document =
      json::Document::Parse(std::move(response->body));
  if (status == 200) {
    if (!document.ok()) return Unexpected(path);
    return document;
  }
  const std::string_view error =
      document.ok() ? document->root()["error"].StringOr("") : "";
  if (!error.empty()) {
    return Status(StatusCode::kPermissionDenied, std::string(error));
  }
  return Status(StatusCode::kUnavailable,
                fmt::format("the server answered {} to {}", status, path));
}

Result<RegisteredUser> AdminApi::Register(const NewUser& user,
                                          std::string_view secret) {
  MC_ASSIGN_OR_RETURN(const json::Document answer,
                      Call(HttpMethod::kGet, kRegister, "", ""));
  const auto nonce = answer.root()["nonce"].AsString();
  if (!nonce) return Unexpected(kRegister);

  std::string body;
  json::Writer w(&body);
  w.BeginObject();
  w.Field("nonce", *nonce);
  w.Field("username", user.username);
  w.Field("password", user.password);
  w.Field("admin", user.admin);
  if (!user.user_type.empty()) w.Field("user_type", user.user_type);
  if (!user.displayname.empty()) w.Field("displayname", user.displayname);
  w.Field("mac", RegistrationMac(secret, *nonce, user));
  w.EndObject();
  MC_ASSIGN_OR_RETURN(const json::Document made,
                      Call(HttpMethod::kPost, kRegister, std::move(body), ""));
  RegisteredUser registered;
  registered.user_id = made.root()["user_id"].StringOr("");
  registered.access_token = made.root()["access_token"].StringOr("");
  registered.device_id = made.root()["device_id"].StringOr("");
  if (registered.user_id.empty()) return Unexpected(kRegister);
  return registered;
}

Result<TokenInfo> AdminApi::NewToken(const TokenSpec& spec,
                                     std::string_view access_token) {
  std::string body;
  json::Writer w(&body);
  w.BeginObject();
  if (!spec.token.empty()) w.Field("token", spec.token);
  if (spec.uses_allowed) w.Field("uses_allowed", *spec.uses_allowed);
  if (spec.expiry_time_ms) w.Field("expiry_time", *spec.expiry_time_ms);
  w.EndObject();
  MC_ASSIGN_OR_RETURN(const json::Document made,
                      Call(HttpMethod::kPost, std::string(kTokens) + "/new",
                           std::move(body), access_token));
  return ReadToken(made.root());
}

Result<std::vector<TokenInfo>> AdminApi::ListTokens(
    std::string_view access_token) {
  MC_ASSIGN_OR_RETURN(const json::Document answer,
                      Call(HttpMethod::kGet, kTokens, "", access_token));
  const json::Value list = answer.root()["registration_tokens"];
  if (!list.IsArray()) return Unexpected(kTokens);
  std::vector<TokenInfo> tokens;
  for (const json::Value entry : list) tokens.push_back(ReadToken(entry));
  return tokens;
}

Status AdminApi::DeleteToken(std::string_view token,
                             std::string_view access_token) {
  return Call(HttpMethod::kDelete,
              std::string(kTokens) + "/" + PercentEncode(token), "",
              access_token)
      .status();
}

}  // namespace matrixcore::admin
