// Presence (spec: client-server API, "Presence").
#include "matrixcore/service/presence.h"

#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/id/identifiers.h"

namespace matrixcore::api {
namespace {

Result<Reply> GetPresence(Call& call) {
  if (!IsUserId(call.path[0])) return InvalidParam("Malformed user id");
  MC_ASSIGN_OR_RETURN(const Presence presence,
                      call.services.presence.Get(*call.session, call.path[0]));
  return ObjectReply([&](json::Writer& w) {
    PresenceService::WriteMembers(w, presence, call.services.deps.clock.Now());
  });
}

Result<Reply> SetPresence(Call& call) {
  MC_RETURN_IF_ERROR(RequirePathUser(call, 0));
  MC_ASSIGN_OR_RETURN(const std::string_view name,
                      RequiredString(call.root(), "presence"));
  const std::optional<PresenceState> state = ParsePresence(name);
  if (!state) return InvalidParam("'presence' is not a presence state");
  MC_ASSIGN_OR_RETURN(const auto message,
                      OptionalString(call.root(), "status_msg"));
  std::optional<std::string> status_msg;
  if (message) status_msg = std::string(*message);
  MC_RETURN_IF_ERROR(
      call.services.presence.Set(*call.session, *state, std::move(status_msg)));
  return EmptyReply();
}

constexpr std::string_view kStatus =
    "/_matrix/client/v3/presence/{userId}/status";

constexpr Route kRoutes[] = {
    {HttpMethod::kGet, kStatus, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &GetPresence, "getPresence"},
    {HttpMethod::kPut, kStatus, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kObject, &SetPresence, "setPresence"},
};

}  // namespace

std::span<const Route> PresenceRoutes() { return kRoutes; }

}  // namespace matrixcore::api
