// Relations between events, and threads.
#include "matrixcore/service/relations.h"

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"

namespace matrixcore::api {
namespace {

// With and without a relation type and an event type in the path.
Result<Reply> GetRelations(Call& call) {
  RelationService::Query query;
  query.room_id = call.path[0];
  query.event_id = call.path[1];
  if (call.path.size() > 2) query.rel_type = call.path[2];
  if (call.path.size() > 3) query.event_type = call.path[3];
  MC_ASSIGN_OR_RETURN(query.from, QueryToken(call, "from"));
  MC_ASSIGN_OR_RETURN(query.to, QueryToken(call, "to"));
  MC_ASSIGN_OR_RETURN(const auto limit, QueryInt(call, "limit", 1));
  if (limit) query.limit = static_cast<size_t>(*limit);
  MC_ASSIGN_OR_RETURN(const auto dir, QueryEnum(call, "dir", {"b", "f"}));
  query.backwards = dir != "f";
  if (OptionalQuery(call, "recurse")) {
    MC_ASSIGN_OR_RETURN(query.recurse, QueryBool(call, "recurse", false));
  }
  MC_ASSIGN_OR_RETURN(std::string body,
                      call.services.relations.Relations(*call.session, query));
  return JsonReply(std::move(body));
}

Result<Reply> GetThreads(Call& call) {
  RelationService::ThreadsQuery query;
  MC_ASSIGN_OR_RETURN(const auto include,
                      QueryEnum(call, "include", {"all", "participated"}));
  query.only_participated = include == "participated";
  MC_ASSIGN_OR_RETURN(query.from, QueryToken(call, "from"));
  MC_ASSIGN_OR_RETURN(const auto limit, QueryInt(call, "limit", 1));
  if (limit) query.limit = static_cast<size_t>(*limit);
  MC_ASSIGN_OR_RETURN(
      std::string body,
      call.services.relations.Threads(*call.session, call.path[0], query));
  return JsonReply(std::move(body));
}

constexpr Route Get(std::string_view path, RateLimit limit, Handler handler,
                    std::string_view operation) {
  return {HttpMethod::kGet,   path,        Auth::kUser, limit,
          Lane::kInteractive, Body::kNone, handler,     operation};
}

constexpr Route kRoutes[] = {
    Get("/_matrix/client/v1/rooms/{roomId}/relations/{eventId}",
        RateLimit::kNone, &GetRelations, "getRelatingEvents"),
    Get("/_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}",
        RateLimit::kNone, &GetRelations, "getRelatingEventsWithRelType"),
    Get("/_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}/"
        "{eventType}",
        RateLimit::kNone, &GetRelations,
        "getRelatingEventsWithRelTypeAndEventType"),
    Get("/_matrix/client/v1/rooms/{roomId}/threads", RateLimit::kDefault,
        &GetThreads, "getThreadRoots"),
};

}  // namespace

std::span<const Route> RelationRoutes() { return kRoutes; }

}  // namespace matrixcore::api
