// Reading rooms: timelines, single events, state, members.
#include "matrixcore/service/history.h"

#include <array>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"

namespace matrixcore::api {
namespace {

Result<RoomEventFilter> FilterParam(const Call& call) {
  const auto text = OptionalQuery(call, "filter");
  if (!text || text->empty()) return RoomEventFilter();
  Result<json::Document> document = json::Document::ParseView(*text);
  if (!document.ok()) return InvalidParam("`filter` is not JSON.");
  Result<RoomEventFilter> filter = ParseRoomEventFilter(document->root());
  if (!filter.ok()) return InvalidParam(filter.status().message());
  return filter;
}

Result<std::optional<Membership>> MembershipParam(const Call& call,
                                                  std::string_view name) {
  MC_ASSIGN_OR_RETURN(
      const auto text,
      QueryEnum(call, name, {"join", "invite", "leave", "ban", "knock"}));
  if (!text) return std::optional<Membership>();
  return std::optional<Membership>(ParseMembership(*text));
}

Result<Reply> GetMessages(Call& call) {
  HistoryService::MessagesQuery query;
  MC_ASSIGN_OR_RETURN(query.backwards, RequiredBackwards(call));
  MC_ASSIGN_OR_RETURN(query.from, QueryToken(call, "from"));
  MC_ASSIGN_OR_RETURN(query.to, QueryToken(call, "to"));
  MC_ASSIGN_OR_RETURN(query.filter, FilterParam(call));
  MC_ASSIGN_OR_RETURN(const auto limit, QueryInt(call, "limit"));
  query.limit = limit ? static_cast<size_t>(*limit)
                      : query.filter.limit.value_or(query.limit);
  MC_ASSIGN_OR_RETURN(
      std::string body,
      call.services.history.Messages(*call.session, call.path[0], query));
  return JsonReply(std::move(body));
}

Result<Reply> GetContext(Call& call) {
  MC_ASSIGN_OR_RETURN(const RoomEventFilter filter, FilterParam(call));
  MC_ASSIGN_OR_RETURN(const auto limit, QueryInt(call, "limit"));
  MC_ASSIGN_OR_RETURN(std::string body,
                      call.services.history.Context(
                          *call.session, call.path[0], call.path[1],
                          static_cast<size_t>(limit.value_or(10)), filter));
  return JsonReply(std::move(body));
}

Result<Reply> GetEvent(Call& call) {
  MC_ASSIGN_OR_RETURN(
      std::string body,
      call.services.history.Event(*call.session, call.path[0], call.path[1]));
  return JsonReply(std::move(body));
}

// Deprecated: without the room.
Result<Reply> GetAnyEvent(Call& call) {
  MC_ASSIGN_OR_RETURN(std::string body, call.services.history.Event(
                                            *call.session, "", call.path[0]));
  return JsonReply(std::move(body));
}

Result<Reply> GetEventByTimestamp(Call& call) {
  MC_ASSIGN_OR_RETURN(const auto ts, QueryInt(call, "ts"));
  if (!ts) return MissingParam("ts");
  MC_ASSIGN_OR_RETURN(const bool backwards, RequiredBackwards(call));
  MC_ASSIGN_OR_RETURN(std::string body,
                      call.services.history.EventByTimestamp(
                          *call.session, call.path[0], *ts, backwards));
  return JsonReply(std::move(body));
}

Result<Reply> GetState(Call& call) {
  MC_ASSIGN_OR_RETURN(std::string body,
                      call.services.history.State(*call.session, call.path[0]));
  return JsonReply(std::move(body));
}

// With and without a state key in the path.
Result<Reply> GetStateEvent(Call& call) {
  MC_ASSIGN_OR_RETURN(const auto format,
                      QueryEnum(call, "format", {"content", "event"}));
  MC_ASSIGN_OR_RETURN(
      std::string body,
      call.services.history.StateEvent(
          *call.session, call.path[0], call.path[1],
          call.path.size() > 2 ? std::string_view(call.path[2]) : "",
          format == "event"));
  return JsonReply(std::move(body));
}

Result<Reply> GetMembers(Call& call) {
  HistoryService::MembersQuery query;
  MC_ASSIGN_OR_RETURN(query.at, QueryToken(call, "at"));
  MC_ASSIGN_OR_RETURN(query.membership, MembershipParam(call, "membership"));
  MC_ASSIGN_OR_RETURN(query.not_membership,
                      MembershipParam(call, "not_membership"));
  MC_ASSIGN_OR_RETURN(
      std::string body,
      call.services.history.Members(*call.session, call.path[0], query));
  return JsonReply(std::move(body));
}

Result<Reply> GetJoinedMembers(Call& call) {
  MC_ASSIGN_OR_RETURN(std::string body, call.services.history.JoinedMembers(
                                            *call.session, call.path[0]));
  return JsonReply(std::move(body));
}

constexpr Route Get(std::string_view path, Handler handler,
                    std::string_view operation) {
  return {HttpMethod::kGet,   path,        Auth::kUser, RateLimit::kDefault,
          Lane::kInteractive, Body::kNone, handler,     operation};
}

constexpr std::array kRoutes = {
    Get("/_matrix/client/v3/rooms/{roomId}/messages", &GetMessages,
        "getRoomEvents"),
    Get("/_matrix/client/v3/rooms/{roomId}/context/{eventId}", &GetContext,
        "getEventContext"),
    Get("/_matrix/client/v3/rooms/{roomId}/event/{eventId}", &GetEvent,
        "getOneRoomEvent"),
    Get("/_matrix/client/v3/events/{eventId}", &GetAnyEvent, "getOneEvent"),
    Get("/_matrix/client/v1/rooms/{roomId}/timestamp_to_event",
        &GetEventByTimestamp, "getEventByTimestamp"),
    Get("/_matrix/client/v3/rooms/{roomId}/state", &GetState, "getRoomState"),
    Get("/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}",
        &GetStateEvent, "getRoomStateWithKey"),
    Get("/_matrix/client/v3/rooms/{roomId}/members", &GetMembers,
        "getMembersByRoom"),
    Get("/_matrix/client/v3/rooms/{roomId}/joined_members", &GetJoinedMembers,
        "getJoinedMembersByRoom"),
};

}  // namespace

std::span<const Route> HistoryRoutes() { return kRoutes; }

}  // namespace matrixcore::api
