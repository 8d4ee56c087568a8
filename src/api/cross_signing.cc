// Cross-signing (spec: client-server API, "Cross-signing").
#include "matrixcore/service/cross_signing.h"

#include "api/params.h"
#include "api/routes.h"
#include "api/uia_call.h"
#include "matrixcore/api/services.h"

namespace matrixcore::api {
namespace {

// Spec: no authentication for the first keys, and for keys that are there.
Result<Reply> UploadCrossSigningKeys(Call& call) {
  using Outcome = CrossSigningService::Outcome;
  CrossSigningService& keys = call.services.cross_signing;
  MC_ASSIGN_OR_RETURN(const Outcome outcome,
                      keys.UploadKeys(call.user_id(), call.root(), false));
  if (outcome == Outcome::kDone) return EmptyReply();
  return WithPassword(call, "uploadCrossSigningKeys", [&]() -> Result<Reply> {
    MC_RETURN_IF_ERROR(
        keys.UploadKeys(call.user_id(), call.root(), true).status());
    return EmptyReply();
  });
}

Result<Reply> UploadSignatures(Call& call) {
  using Failure = CrossSigningService::Failure;
  MC_ASSIGN_OR_RETURN(const std::vector<Failure> failures,
                      call.services.cross_signing.UploadSignatures(
                          call.user_id(), call.root()));
  return ObjectReply([&](json::Writer& w) {
    w.Key("failures").BeginObject();
    std::string_view open;
    for (const Failure& failure : failures) {
      if (failure.user_id != open) {
        if (!open.empty()) w.EndObject();
        open = failure.user_id;
        w.Key(open).BeginObject();
      }
      w.RawField(failure.key, ErrorReply(failure.status).body);
    }
    if (!open.empty()) w.EndObject();
    w.EndObject();
  });
}

constexpr Route kRoutes[] = {
    {HttpMethod::kPost, "/_matrix/client/v3/keys/device_signing/upload",
     Auth::kUser, RateLimit::kDefault, Lane::kBackground, Body::kObject,
     &UploadCrossSigningKeys, "uploadCrossSigningKeys"},
    {HttpMethod::kPost, "/_matrix/client/v3/keys/signatures/upload",
     Auth::kUser, RateLimit::kDefault, Lane::kInteractive, Body::kObject,
     &UploadSignatures, "uploadCrossSigningSignatures"},
};

}  // namespace

std::span<const Route> CrossSigningRoutes() { return kRoutes; }

}  // namespace matrixcore::api
