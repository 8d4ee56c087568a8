// Syncing.
#include "matrixcore/service/sync.h"

#include <algorithm>
#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/presence.h"

namespace matrixcore::api {
namespace {

Result<SyncRequest> ParseSyncRequest(const Call& call) {
  SyncRequest request;
  request.session = *call.session;
  if (const auto since = OptionalQuery(call, "since")) {
    request.since = StreamToken::Parse(*since);
    if (!request.since) return InvalidParam("'since' is not a sync token");
  }
  request.filter = OptionalQuery(call, "filter").value_or("");
  MC_ASSIGN_OR_RETURN(request.full_state, QueryBool(call, "full_state", false));
  MC_ASSIGN_OR_RETURN(request.use_state_after,
                      QueryBool(call, "use_state_after", false));
  MC_ASSIGN_OR_RETURN(const auto timeout, QueryInt(call, "timeout"));
  // The service has a maximum far below a day, which cannot overflow.
  constexpr int64_t kDayMs = 86'400'000;
  request.timeout = milliseconds(std::min(timeout.value_or(0), kDayMs));
  return request;
}

Result<PresenceState> ParseSetPresence(const Call& call) {
  MC_ASSIGN_OR_RETURN(
      const auto name,
      QueryEnum(call, "set_presence", {"offline", "online", "unavailable"}));
  return name ? *ParsePresence(*name) : PresenceState::kOnline;
}

void Sync(std::unique_ptr<Call> call, ReplySender send) {
  Result<SyncRequest> request = ParseSyncRequest(*call);
  if (!request.ok()) return send(std::move(request).status());
  const Result<PresenceState> set_presence = ParseSetPresence(*call);
  if (!set_presence.ok()) return send(set_presence.status());
  std::shared_ptr<void> present =
      call->services.presence.Syncing(*call->session, *set_presence);
  SyncService& sync = call->services.sync;
  const std::shared_ptr<HttpPeer> peer = call->request.peer;
  call.reset();  // A request that waits keeps nothing that it does not need.
  const std::shared_ptr<SyncService::Ticket> ticket =
      sync.Sync(std::move(*request),
                [send = std::move(send), peer, present = std::move(present)](
                    Result<std::string> body) mutable {
                  present.reset();
                  if (!body.ok()) return send(std::move(body).status());
                  send(JsonReply(std::move(*body)));
                });
  if (peer == nullptr || ticket == nullptr) return;
  peer->OnGone([weak = std::weak_ptr(ticket)] {
    if (const auto waiting = weak.lock()) waiting->Cancel();
  });
}

constexpr Route kRoutes[] = {
    {HttpMethod::kGet, "/_matrix/client/v3/sync", Auth::kUser, RateLimit::kNone,
     Lane::kInteractive, Body::kNone, &Sync, "sync"},
};

}  // namespace

std::span<const Route> SyncRoutes() { return kRoutes; }

}  // namespace matrixcore::api
