// Finding rooms and users that one does not know yet: the room directory, room
// summaries, spaces, the user directory, third-party networks.
#include "matrixcore/service/directory.h"

#include <array>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/service/user_directory.h"

namespace matrixcore::api {
namespace {

// --- Rooms ---

Result<Reply> GetPublicRooms(Call& call) {
  DirectoryService::PublicRoomsQuery query;
  MC_ASSIGN_OR_RETURN(query.limit, QueryInt(call, "limit"));
  query.since = OptionalQuery(call, "since").value_or("");
  query.server = OptionalQuery(call, "server").value_or("");
  MC_ASSIGN_OR_RETURN(std::string body,
                      call.services.directory.PublicRooms(query));
  return JsonReply(std::move(body));
}

Status ReadFilter(json::Value filter,
                  DirectoryService::PublicRoomsQuery& query) {
  MC_ASSIGN_OR_RETURN(const auto term,
                      OptionalString(filter, "generic_search_term"));
  query.search_term = term.value_or("");
  MC_ASSIGN_OR_RETURN(const json::Value types,
                      OptionalArray(filter, "room_types"));
  if (!types) return OkStatus();
  query.room_types.emplace();
  for (const json::Value type : types) {
    if (type.IsNull()) {
      query.room_types->emplace_back();
    } else if (const auto name = type.AsString()) {
      query.room_types->emplace_back(*name);
    } else {
      return BadJson("`room_types` holds strings and nulls.");
    }
  }
  return OkStatus();
}

Result<Reply> QueryPublicRooms(Call& call) {
  const json::Value body = call.root();
  DirectoryService::PublicRoomsQuery query;
  query.server = OptionalQuery(call, "server").value_or("");
  MC_ASSIGN_OR_RETURN(query.limit, OptionalInt(body, "limit", 0));
  MC_ASSIGN_OR_RETURN(const auto since, OptionalString(body, "since"));
  query.since = since.value_or("");
  MC_ASSIGN_OR_RETURN(const json::Value filter, OptionalObject(body, "filter"));
  MC_RETURN_IF_ERROR(ReadFilter(filter, query));
  MC_ASSIGN_OR_RETURN(const bool all_networks,
                      OptionalBool(body, "include_all_networks", false));
  MC_ASSIGN_OR_RETURN(const auto network,
                      OptionalString(body, "third_party_instance_id"));
  if (all_networks && network) {
    return InvalidParam(
        "`third_party_instance_id` goes with one network, not with all.");
  }
  query.network = network.value_or("");
  MC_ASSIGN_OR_RETURN(std::string reply,
                      call.services.directory.PublicRooms(query));
  return JsonReply(std::move(reply));
}

// The room directories of networks belong to their application services.
Result<Reply> SetNetworkVisibility(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view visibility,
                      RequiredString(call.root(), "visibility"));
  if (visibility != "public" && visibility != "private") {
    return InvalidParam("`visibility` is public or private.");
  }
  return Forbidden("Only application services may do this.");
}

Result<Reply> GetRoomSummary(Call& call) {
  const Session* session = call.session ? &*call.session : nullptr;
  MC_ASSIGN_OR_RETURN(std::string body,
                      call.services.directory.Summary(session, call.path[0]));
  return JsonReply(std::move(body));
}

Result<Reply> GetSpaceHierarchy(Call& call) {
  DirectoryService::HierarchyQuery query;
  MC_ASSIGN_OR_RETURN(query.suggested_only,
                      QueryBool(call, "suggested_only", false));
  MC_ASSIGN_OR_RETURN(query.limit, QueryInt(call, "limit"));
  MC_ASSIGN_OR_RETURN(query.max_depth, QueryInt(call, "max_depth"));
  query.from = OptionalQuery(call, "from").value_or("");
  MC_ASSIGN_OR_RETURN(
      std::string body,
      call.services.directory.Hierarchy(*call.session, call.path[0], query));
  return JsonReply(std::move(body));
}

// --- Users ---

Result<Reply> SearchUsers(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view term,
                      RequiredString(call.root(), "search_term"));
  constexpr int64_t kDefaultLimit = 10;
  MC_ASSIGN_OR_RETURN(const int64_t limit,
                      OptionalInt(call.root(), "limit", kDefaultLimit));
  if (limit < 0) return InvalidParam("`limit` is negative.");
  MC_ASSIGN_OR_RETURN(const UserDirectory::SearchResult found,
                      call.services.user_directory.Search(
                          *call.session, term, static_cast<size_t>(limit)));
  return ObjectReply([&](json::Writer& w) {
    w.Field("limited", found.limited);
    w.Key("results").BeginArray();
    for (const UserDirectory::Found& user : found.users) {
      w.BeginObject();
      if (user.avatar_url) w.Field("avatar_url", *user.avatar_url);
      if (user.display_name) w.Field("display_name", *user.display_name);
      w.Field("user_id", user.user_id);
      w.EndObject();
    }
    w.EndArray();
  });
}

Result<Reply> GetMutualRooms(Call& call) {
  const auto user_id = OptionalQuery(call, "user_id");
  if (!user_id) return InvalidParam("`user_id` is missing.");
  MC_ASSIGN_OR_RETURN(
      const UserDirectory::MutualRooms rooms,
      call.services.user_directory.FindMutualRooms(
          *call.session, *user_id, OptionalQuery(call, "from").value_or("")));
  return ObjectReply([&](json::Writer& w) {
    w.Field("count", rooms.count);
    w.Key("joined").BeginArray();
    for (const std::string& room : rooms.joined) w.String(room);
    w.EndArray();
    if (rooms.next_batch) w.Field("next_batch", *rooms.next_batch);
  });
}

// --- Third-party networks: those of application services, of which there are
// none (spec: "Third-party Lookups") ---

Result<Reply> GetProtocols(Call&) { return EmptyReply(); }

Result<Reply> NoSuchProtocol(Call&) {
  return NotFound("This protocol is unknown here.");
}

Result<Reply> QueryLocationByAlias(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view alias,
                      RequiredQuery(call, "alias"));
  if (!IsRoomAlias(alias)) return InvalidParam("`alias` is not a room alias.");
  return NotFound("The room alias leads to no third-party location.");
}

Result<Reply> QueryUserById(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view user,
                      RequiredQuery(call, "userid"));
  if (!IsUserId(user)) return InvalidParam("`userid` is not a user id.");
  return NotFound("The user is on no third-party network.");
}

constexpr Route Make(HttpMethod method, std::string_view path, Auth auth,
                     Body body, Handler handler, std::string_view operation) {
  return {method, path,    auth,     RateLimit::kDefault, Lane::kInteractive,
          body,   handler, operation};
}
constexpr Route Get(std::string_view path, Auth auth, Handler handler,
                    std::string_view operation) {
  return Make(HttpMethod::kGet, path, auth, Body::kNone, handler, operation);
}

constexpr std::string_view kPublicRooms = "/_matrix/client/v3/publicRooms";

constexpr std::array kRoutes = {
    Get(kPublicRooms, Auth::kNone, &GetPublicRooms, "getPublicRooms"),
    Make(HttpMethod::kPost, kPublicRooms, Auth::kUser, Body::kOptionalObject,
         &QueryPublicRooms, "queryPublicRooms"),
    Make(HttpMethod::kPut,
         "/_matrix/client/v3/directory/list/appservice/{networkId}/{roomId}",
         Auth::kUser, Body::kObject, &SetNetworkVisibility,
         "updateAppserviceRoomDirectoryVisibility"),
    Get("/_matrix/client/v1/room_summary/{roomIdOrAlias}", Auth::kOptional,
        &GetRoomSummary, "getRoomSummary"),
    Get("/_matrix/client/v1/rooms/{roomId}/hierarchy", Auth::kUser,
        &GetSpaceHierarchy, "getSpaceHierarchy"),
    Make(HttpMethod::kPost, "/_matrix/client/v3/user_directory/search",
         Auth::kUser, Body::kObject, &SearchUsers, "searchUserDirectory"),
    Get("/_matrix/client/v1/mutual_rooms", Auth::kUser, &GetMutualRooms,
        "getMutualRooms"),
    Get("/_matrix/client/v3/thirdparty/protocols", Auth::kUser, &GetProtocols,
        "getProtocols"),
    Get("/_matrix/client/v3/thirdparty/protocol/{protocol}", Auth::kUser,
        &NoSuchProtocol, "getProtocolMetadata"),
    Get("/_matrix/client/v3/thirdparty/location/{protocol}", Auth::kUser,
        &NoSuchProtocol, "queryLocationByProtocol"),
    Get("/_matrix/client/v3/thirdparty/user/{protocol}", Auth::kUser,
        &NoSuchProtocol, "queryUserByProtocol"),
    Get("/_matrix/client/v3/thirdparty/location", Auth::kUser,
        &QueryLocationByAlias, "queryLocationByAlias"),
    Get("/_matrix/client/v3/thirdparty/user", Auth::kUser, &QueryUserById,
        "queryUserByID"),
};

}  // namespace

std::span<const Route> DirectoryRoutes() { return kRoutes; }

}  // namespace matrixcore::api
