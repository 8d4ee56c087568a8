// Profiles (spec: client-server API, "Profiles").
#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/service/presence.h"
#include "matrixcore/service/profiles.h"

namespace matrixcore::api {
namespace {

Result<Reply> GetUserProfile(Call& call) {
  MC_ASSIGN_OR_RETURN(std::string profile,
                      call.services.profiles.Get(call.path[0]));
  return JsonReply(std::move(profile));
}

Result<Reply> GetProfileField(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string value, call.services.profiles.GetField(
                                                   call.path[0], call.path[1]));
  return ObjectReply([&](json::Writer& w) { w.RawField(call.path[1], value); });
}

// Users change their own profiles; guests only their display names.
Status CheckMayChange(const Call& call) {
  MC_RETURN_IF_ERROR(RequirePathUser(call, 0));
  if (call.session->is_guest && call.path[1] != "displayname") {
    return Status(StatusCode::kPermissionDenied, "M_GUEST_ACCESS_FORBIDDEN",
                  "Guests may only change their display name");
  }
  return OkStatus();
}

// The names are also part of what others see of a user's presence.
ProfileService::Done Answer(const Call& call, ReplySender send) {
  const bool name =
      call.path[1] == "displayname" || call.path[1] == "avatar_url";
  return [send = std::move(send), name, user = call.user_id(),
          &presence = call.services.presence](Status status) mutable {
    if (name && status.ok()) presence.NameChanged(user);
    send(status.ok() ? Result<Reply>(EmptyReply())
                     : Result<Reply>(std::move(status)));
  };
}

void SetProfileField(std::unique_ptr<Call> call, ReplySender send) {
  if (Status status = CheckMayChange(*call); !status.ok()) {
    return send(std::move(status));
  }
  const json::Value value = call->root()[call->path[1]];
  if (value.IsMissing()) return send(MissingParam(call->path[1]));
  call->services.profiles.Set(call->user_id(), call->path[1], value,
                              Answer(*call, std::move(send)));
}

void DeleteProfileField(std::unique_ptr<Call> call, ReplySender send) {
  if (Status status = CheckMayChange(*call); !status.ok()) {
    return send(std::move(status));
  }
  call->services.profiles.Delete(call->user_id(), call->path[1],
                                 Answer(*call, std::move(send)));
}

constexpr std::string_view kField =
    "/_matrix/client/v3/profile/{userId}/{keyName}";

constexpr Route kRoutes[] = {
    {HttpMethod::kGet, "/_matrix/client/v3/profile/{userId}", Auth::kNone,
     RateLimit::kDefault, Lane::kInteractive, Body::kNone, &GetUserProfile,
     "getUserProfile"},
    {HttpMethod::kGet, kField, Auth::kNone, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &GetProfileField, "getProfileField"},
    {HttpMethod::kPut, kField, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kObject, &SetProfileField, "setProfileField"},
    {HttpMethod::kDelete, kField, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &DeleteProfileField,
     "deleteProfileField"},
};

}  // namespace

std::span<const Route> ProfileRoutes() { return kRoutes; }

}  // namespace matrixcore::api
