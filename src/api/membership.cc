// Joining, leaving, inviting, kicking, banning, knocking, forgetting.
#include <array>

#include "api/params.h"
#include "api/routes.h"
#include "api/third_party_invite.h"
#include "matrixcore/api/services.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/service/rooms.h"

namespace matrixcore::api {
namespace {

Result<std::optional<std::string>> ReasonOf(const Call& call) {
  MC_ASSIGN_OR_RETURN(const auto reason, OptionalString(call.root(), "reason"));
  if (!reason) return std::optional<std::string>();
  return std::optional<std::string>(std::string(*reason));
}

Reply RoomReply(std::string_view room_id) {
  return ObjectReply([&](json::Writer& w) { w.Field("room_id", room_id); });
}

Result<Reply> Join(Call& call) {
  JoinRequest join;
  join.room_id_or_alias = call.path[0];
  MC_ASSIGN_OR_RETURN(join.reason, ReasonOf(call));
  MC_ASSIGN_OR_RETURN(join.third_party_signed,
                      OptionalObject(call.root(), "third_party_signed"));
  MC_ASSIGN_OR_RETURN(const std::string room_id,
                      call.services.rooms.Join(*call.session, join));
  return RoomReply(room_id);
}

// The same for a room id only.
Result<Reply> JoinById(Call& call) {
  if (!IsRoomId(call.path[0])) {
    return InvalidParam(call.path[0] + " is not a room id.");
  }
  return Join(call);
}

Result<Reply> Knock(Call& call) {
  MC_ASSIGN_OR_RETURN(auto reason, ReasonOf(call));
  MC_ASSIGN_OR_RETURN(const std::string room_id,
                      call.services.rooms.Knock(*call.session, call.path[0],
                                                std::move(reason)));
  return RoomReply(room_id);
}

}  // namespace

Status ThirdPartyInvite(json::Value invite) {
  for (const std::string_view field :
       {"id_server", "id_access_token", "medium", "address"}) {
    MC_RETURN_IF_ERROR(RequiredString(invite, field).status());
  }
  return Status(
      StatusCode::kPermissionDenied, "M_THREEPID_DENIED",
      "Invites by e-mail or phone need an identity server, and none is "
      "configured.");
}

namespace {

// A change of another user's membership: {"user_id", "reason"}.
Result<MembershipChange> ChangeOfOther(const Call& call) {
  MembershipChange change;
  change.room_id = call.path[0];
  MC_ASSIGN_OR_RETURN(change.target, RequiredString(call.root(), "user_id"));
  MC_ASSIGN_OR_RETURN(change.reason, ReasonOf(call));
  return change;
}

Result<Reply> Invite(Call& call) {
  const json::Value body = call.root();
  if (!body["user_id"] && (body["id_server"] || body["medium"])) {
    return ThirdPartyInvite(body);
  }
  MC_ASSIGN_OR_RETURN(const MembershipChange change, ChangeOfOther(call));
  MC_RETURN_IF_ERROR(call.services.rooms.Invite(*call.session, change));
  return EmptyReply();
}

Result<Reply> Kick(Call& call) {
  MC_ASSIGN_OR_RETURN(const MembershipChange change, ChangeOfOther(call));
  MC_RETURN_IF_ERROR(call.services.rooms.Kick(*call.session, change));
  return EmptyReply();
}

Result<Reply> Ban(Call& call) {
  MC_ASSIGN_OR_RETURN(const MembershipChange change, ChangeOfOther(call));
  MC_RETURN_IF_ERROR(call.services.rooms.Ban(*call.session, change));
  return EmptyReply();
}

Result<Reply> Unban(Call& call) {
  MC_ASSIGN_OR_RETURN(const MembershipChange change, ChangeOfOther(call));
  MC_RETURN_IF_ERROR(call.services.rooms.Unban(*call.session, change));
  return EmptyReply();
}

Result<Reply> Leave(Call& call) {
  MembershipChange change;
  change.room_id = call.path[0];
  change.target = call.user_id();
  MC_ASSIGN_OR_RETURN(change.reason, ReasonOf(call));
  MC_RETURN_IF_ERROR(call.services.rooms.Leave(*call.session, change));
  return EmptyReply();
}

Result<Reply> Forget(Call& call) {
  MC_RETURN_IF_ERROR(call.services.rooms.Forget(*call.session, call.path[0]));
  return EmptyReply();
}

Result<Reply> GetJoinedRooms(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> rooms,
                      call.services.rooms.JoinedRooms(*call.session));
  return ObjectReply([&](json::Writer& w) {
    w.Key("joined_rooms").BeginArray();
    for (const std::string& room : rooms) w.String(room);
    w.EndArray();
  });
}

constexpr Route Post(std::string_view path, RateLimit limit, Body body,
                     Handler handler, std::string_view operation) {
  return {HttpMethod::kPost,  path, Auth::kUser, limit,
          Lane::kInteractive, body, handler,     operation};
}

constexpr std::array kRoutes = {
    Post("/_matrix/client/v3/join/{roomIdOrAlias}", RateLimit::kJoin,
         Body::kOptionalObject, &Join, "joinRoom"),
    Post("/_matrix/client/v3/rooms/{roomId}/join", RateLimit::kJoin,
         Body::kOptionalObject, &JoinById, "joinRoomById"),
    Post("/_matrix/client/v3/knock/{roomIdOrAlias}", RateLimit::kJoin,
         Body::kOptionalObject, &Knock, "knockRoom"),
    Post("/_matrix/client/v3/rooms/{roomId}/invite", RateLimit::kJoin,
         Body::kObject, &Invite, "inviteUser"),
    Post("/_matrix/client/v3/rooms/{roomId}/leave", RateLimit::kDefault,
         Body::kOptionalObject, &Leave, "leaveRoom"),
    Post("/_matrix/client/v3/rooms/{roomId}/kick", RateLimit::kDefault,
         Body::kObject, &Kick, "kick"),
    Post("/_matrix/client/v3/rooms/{roomId}/ban", RateLimit::kDefault,
         Body::kObject, &Ban, "ban"),
    Post("/_matrix/client/v3/rooms/{roomId}/unban", RateLimit::kDefault,
         Body::kObject, &Unban, "unban"),
    Post("/_matrix/client/v3/rooms/{roomId}/forget", RateLimit::kDefault,
         Body::kOptionalObject, &Forget, "forgetRoom"),
    Route{HttpMethod::kGet, "/_matrix/client/v3/joined_rooms", Auth::kUser,
          RateLimit::kDefault, Lane::kInteractive, Body::kNone, &GetJoinedRooms,
          "getJoinedRooms"},
};

}  // namespace

std::span<const Route> MembershipRoutes() { return kRoutes; }

}  // namespace matrixcore::api
