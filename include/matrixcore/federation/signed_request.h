// Requests between homeservers, signed (spec: server-server API, "Request
// Authentication").
#pragma once

#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/http/message.h"

namespace matrixcore {

struct SignedRequest {
  HttpMethod method = HttpMethod::kGet;
  std::string target = {};  // "/_matrix/...", with its query.
  std::string origin = {};  // Server names, both before delegation.
  std::string destination = {};
  std::string content = {};  // The body, a JSON object; "" for none.
};

// The value of the Authorization field, "X-Matrix origin=...".
// kInvalidArgument when `content` is not canonical JSON.
Result<std::string> AuthorizationOf(const SignedRequest& request,
                                    const SigningKey& key);

}  // namespace matrixcore
