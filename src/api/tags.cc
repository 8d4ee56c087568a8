// Tags of rooms (spec: client-server API, "Room Tagging").
#include <array>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/account_data.h"

namespace matrixcore::api {
namespace {

Result<Reply> GetTags(Call& call) {
  MC_RETURN_IF_ERROR(RequirePathUser(call, 0));
  if (call.path[1].empty()) return InvalidParam("Malformed room id");
  Result<std::string> data =
      call.services.account_data.Get(call.user_id(), call.path[1], kTagType);
  if (data.ok()) return JsonReply(std::move(*data));
  if (data.status().code() != StatusCode::kNotFound) return data.status();
  return JsonReply(R"({"tags":{}})");
}

Result<Reply> SetTag(Call& call) {
  MC_RETURN_IF_ERROR(RequirePathUser(call, 0));
  if (call.path[1].empty()) return InvalidParam("Malformed room id");
  MC_RETURN_IF_ERROR(call.services.account_data.SetTag(
      call.user_id(), call.path[1], call.path[2], call.root().raw()));
  return EmptyReply();
}

Result<Reply> DeleteTag(Call& call) {
  MC_RETURN_IF_ERROR(RequirePathUser(call, 0));
  if (call.path[1].empty()) return InvalidParam("Malformed room id");
  MC_RETURN_IF_ERROR(call.services.account_data.SetTag(
      call.user_id(), call.path[1], call.path[2], ""));
  return EmptyReply();
}

constexpr std::string_view kTags =
    "/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags";
constexpr std::string_view kTag =
    "/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}";

constexpr std::array kRoutes = {
    Route{HttpMethod::kGet, kTags, Auth::kUser, RateLimit::kDefault,
          Lane::kInteractive, Body::kNone, &GetTags, "getRoomTags"},
    Route{HttpMethod::kPut, kTag, Auth::kUser, RateLimit::kDefault,
          Lane::kInteractive, Body::kOptionalObject, &SetTag, "setRoomTag"},
    Route{HttpMethod::kDelete, kTag, Auth::kUser, RateLimit::kDefault,
          Lane::kInteractive, Body::kNone, &DeleteTag, "deleteRoomTag"},
};

}  // namespace

std::span<const Route> TagRoutes() { return kRoutes; }

}  // namespace matrixcore::api
