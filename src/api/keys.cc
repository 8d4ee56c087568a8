// Keys of devices (spec: client-server API, "Key management API").
#include "matrixcore/service/keys.h"

#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/sync.h"

namespace matrixcore::api {
namespace {

Result<Reply> UploadKeys(Call& call) {
  MC_ASSIGN_OR_RETURN(const KeyService::Counts counts,
                      call.services.keys.Upload(*call.session, call.root()));
  return ObjectReply([&](json::Writer& w) {
    w.Key("one_time_key_counts").BeginObject();
    for (const auto& [algorithm, count] : counts) w.Field(algorithm, count);
    w.EndObject();
  });
}

Result<Reply> QueryKeys(Call& call) {
  MC_ASSIGN_OR_RETURN(std::string answer,
                      call.services.keys.Query(call.user_id(), call.root()));
  return JsonReply(std::move(answer));
}

Result<Reply> ClaimKeys(Call& call) {
  MC_ASSIGN_OR_RETURN(std::string answer,
                      call.services.keys.Claim(call.root()));
  return JsonReply(std::move(answer));
}

Result<Reply> GetKeyChanges(Call& call) {
  MC_RETURN_IF_ERROR(RequiredQuery(call, "from").status());
  MC_RETURN_IF_ERROR(RequiredQuery(call, "to").status());
  MC_ASSIGN_OR_RETURN(const auto from, QueryToken(call, "from"));
  MC_ASSIGN_OR_RETURN(const auto to, QueryToken(call, "to"));
  if (!from || !to) return InvalidParam("'from' and 'to' must be sync tokens");
  MC_ASSIGN_OR_RETURN(std::string changes,
                      call.services.sync.KeyChanges(*call.session, *from));
  return JsonReply(std::move(changes));
}

constexpr Route kRoutes[] = {
    {HttpMethod::kPost, "/_matrix/client/v3/keys/upload", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kObject, &UploadKeys,
     "uploadKeys"},
    {HttpMethod::kPost, "/_matrix/client/v3/keys/query", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kObject, &QueryKeys,
     "queryKeys"},
    {HttpMethod::kPost, "/_matrix/client/v3/keys/claim", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kObject, &ClaimKeys,
     "claimKeys"},
    {HttpMethod::kGet, "/_matrix/client/v3/keys/changes", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kNone, &GetKeyChanges,
     "getKeysChanges"},
};

}  // namespace

std::span<const Route> KeyRoutes() { return kRoutes; }

}  // namespace matrixcore::api
