// Filters (spec: client-server API, "Filtering").
#include "matrixcore/service/filters.h"

#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"

namespace matrixcore::api {
namespace {

Result<Reply> DefineFilter(Call& call) {
  MC_RETURN_IF_ERROR(RequirePathUser(call, 0));
  MC_ASSIGN_OR_RETURN(const std::string id, call.services.filters.Create(
                                                call.user_id(), call.root()));
  return ObjectReply([&](json::Writer& w) { w.Field("filter_id", id); });
}

Result<Reply> GetFilter(Call& call) {
  MC_RETURN_IF_ERROR(RequirePathUser(call, 0));
  MC_ASSIGN_OR_RETURN(std::string filter,
                      call.services.filters.Get(call.user_id(), call.path[1]));
  return JsonReply(std::move(filter));
}

constexpr Route kRoutes[] = {
    {HttpMethod::kPost, "/_matrix/client/v3/user/{userId}/filter", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kObject, &DefineFilter,
     "defineFilter"},
    {HttpMethod::kGet, "/_matrix/client/v3/user/{userId}/filter/{filterId}",
     Auth::kUser, RateLimit::kDefault, Lane::kInteractive, Body::kNone,
     &GetFilter, "getFilter"},
};

}  // namespace

std::span<const Route> FilterRoutes() { return kRoutes; }

}  // namespace matrixcore::api
