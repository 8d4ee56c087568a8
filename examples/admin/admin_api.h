// What matrixcore-admin asks of a homeserver, over its operators' endpoints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/http/message.h"
#include "matrixcore/json/value.h"

namespace matrixcore::admin {

struct NewUser {
  std::string username = {};
  std::string password = {};
  bool admin = false;
  std::string user_type = {};    // "" for an ordinary user.
  std::string displayname = {};  // "" for none.
};

struct RegisteredUser {
  std::string user_id = {};
  std::string access_token = {};
  std::string device_id = {};
};

struct TokenSpec {
  std::string token = {};  // "": the server makes one.
  std::optional<int64_t> uses_allowed = {};
  std::optional<int64_t> expiry_time_ms = {};
};

struct TokenInfo {
  std::string token = {};
  std::optional<int64_t> uses_allowed = {};
  int64_t pending = 0;
  int64_t completed = 0;
  std::optional<int64_t> expiry_time_ms = {};
};

// Blocks until each answer is there.  A failure's message is for the operator:
// what the server said, or why it could not be reached.  Not thread-safe.
class AdminApi {
 public:
  // `client` outlives it; `base_url` as in "http://localhost:8008".
  AdminApi(HttpClient& client, std::string base_url);

  // With the server's shared secret (registration.shared_secret).
  Result<RegisteredUser> Register(const NewUser& user, std::string_view secret);

  // With an administrator's access token.
  Result<TokenInfo> NewToken(const TokenSpec& spec,
                             std::string_view access_token);
  Result<std::vector<TokenInfo>> ListTokens(std::string_view access_token);
  Status DeleteToken(std::string_view token, std::string_view access_token);

 private:
  Result<json::Document> Call(HttpMethod method, std::string_view path,
                              std::string body, std::string_view access_token);

  HttpClient& client_;
  const std::string base_url_;
};

// The proof that who registers a user knows the shared secret: HMAC-SHA1 in
// hexadecimal over the parts, separated by NUL.
std::string RegistrationMac(std::string_view secret, std::string_view nonce,
                            const NewUser& user);

}  // namespace matrixcore::admin
