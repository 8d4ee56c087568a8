#include "matrixcore/federation/signed_request.h"

#include <fmt/format.h>

#include "matrixcore/event/signing.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/value.h"

namespace matrixcore {

Result<std::string> AuthorizationOf(const SignedRequest& request,
                                    const SigningKey& key) {
  json::Object object;
  object.SetString("method", HttpMethodName(request.method));
  object.SetString("uri", request.target);
  object.SetString("origin", request.origin);
  object.SetString("destination", request.destination);
  if (!request.content.empty()) object.SetRaw("content", request.content);
  MC_RETURN_IF_ERROR(SignJson(&object, request.origin, key));
  MC_ASSIGN_OR_RETURN(
      const json::Document signatures,
      json::Document::Parse(std::string(object.Get("signatures"))));
  return fmt::format(
      R"(X-Matrix origin="{}",destination="{}",key="{}",sig="{}")",
      request.origin, request.destination, key.key_id(),
      signatures.root()[request.origin][key.key_id()].StringOr(""));
}

}  // namespace matrixcore
