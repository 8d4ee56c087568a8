// What came before /sync: initial syncs and /events.
#include "matrixcore/service/legacy_sync.h"

#include <algorithm>
#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"

namespace matrixcore::api {
namespace {

constexpr int64_t kDefaultLimit = 10;

Result<Reply> InitialSync(Call& call) {
  MC_ASSIGN_OR_RETURN(const auto limit, QueryInt(call, "limit"));
  MC_ASSIGN_OR_RETURN(const bool archived, QueryBool(call, "archived", false));
  MC_ASSIGN_OR_RETURN(
      std::string body,
      call.services.legacy_sync.InitialSync(
          *call.session, static_cast<size_t>(limit.value_or(kDefaultLimit)),
          archived));
  return JsonReply(std::move(body));
}

Result<Reply> RoomInitialSync(Call& call) {
  MC_ASSIGN_OR_RETURN(const auto limit, QueryInt(call, "limit"));
  MC_ASSIGN_OR_RETURN(std::string body,
                      call.services.legacy_sync.RoomInitialSync(
                          *call.session, call.path[0],
                          static_cast<size_t>(limit.value_or(kDefaultLimit))));
  return JsonReply(std::move(body));
}

Result<LegacySyncService::EventsQuery> ParseEventsQuery(const Call& call) {
  LegacySyncService::EventsQuery query;
  MC_ASSIGN_OR_RETURN(query.from, QueryToken(call, "from"));
  MC_ASSIGN_OR_RETURN(const auto timeout, QueryInt(call, "timeout"));
  // Not in the specification any more; old clients name one.
  MC_RETURN_IF_ERROR(QueryInt(call, "limit").status());
  // The service has a maximum far below a day, which cannot overflow.
  constexpr int64_t kDayMs = 86'400'000;
  query.timeout = milliseconds(std::min(timeout.value_or(0), kDayMs));
  if (const auto room_id = OptionalQuery(call, "room_id")) {
    query.room_id = *room_id;
  }
  return query;
}

// Of the user's rooms, or of one that the user peeks into.
void GetEvents(std::unique_ptr<Call> call, ReplySender send) {
  Result<LegacySyncService::EventsQuery> query = ParseEventsQuery(*call);
  if (!query.ok()) return send(std::move(query).status());
  const Session session = *call->session;
  LegacySyncService& legacy_sync = call->services.legacy_sync;
  call.reset();  // A request that waits keeps nothing that it does not need.
  legacy_sync.Events(
      session, std::move(*query),
      [send = std::move(send)](Result<std::string> body) mutable {
        if (!body.ok()) return send(std::move(body).status());
        send(JsonReply(std::move(*body)));
      });
}

constexpr Route kRoutes[] = {
    {HttpMethod::kGet, "/_matrix/client/v3/initialSync", Auth::kUser,
     RateLimit::kDefault, Lane::kBackground, Body::kNone, &InitialSync,
     "initialSync"},
    {HttpMethod::kGet, "/_matrix/client/v3/rooms/{roomId}/initialSync",
     Auth::kUser, RateLimit::kDefault, Lane::kBackground, Body::kNone,
     &RoomInitialSync, "roomInitialSync"},
    {HttpMethod::kGet, "/_matrix/client/v3/events", Auth::kUser,
     RateLimit::kNone, Lane::kInteractive, Body::kNone, &GetEvents,
     "getEvents"},
};

}  // namespace

std::span<const Route> LegacySyncRoutes() { return kRoutes; }

}  // namespace matrixcore::api
