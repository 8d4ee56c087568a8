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

RoomService::RoomDone AnswerWithRoom(ReplySender send) {
  return [send = std::move(send)](Result<std::string> room_id) mutable {
    if (!room_id.ok()) return send(std::move(room_id).status());
    send(ObjectReply([&](json::Writer& w) { w.Field("room_id", *room_id); }));
  };
}

RoomService::Done AnswerEmpty(ReplySender send) {
  return [send = std::move(send)](Status status) mutable {
    send(status.ok() ? Result<Reply>(EmptyReply())
                     : Result<Reply>(std::move(status)));
  };
}

Result<JoinRequest> JoinRequestOf(const Call& call) {
  JoinRequest join;
  join.room_id_or_alias = call.path[0];
  MC_ASSIGN_OR_RETURN(join.reason, ReasonOf(call));
  MC_ASSIGN_OR_RETURN(join.third_party_signed,
                      OptionalObject(call.root(), "third_party_signed"));
  join.body = call.root();
  return join;
}

void Join(std::unique_ptr<Call> call, ReplySender send) {
  const Result<JoinRequest> join = JoinRequestOf(*call);
  if (!join.ok()) return send(join.status());
  call->services.rooms.Join(*call->session, *join,
                            AnswerWithRoom(std::move(send)));
}

// The same for a room id only.
void JoinById(std::unique_ptr<Call> call, ReplySender send) {
  if (!IsRoomId(call->path[0])) {
    return send(InvalidParam(call->path[0] + " is not a room id."));
  }
  Join(std::move(call), std::move(send));
}

void Knock(std::unique_ptr<Call> call, ReplySender send) {
  const Result<std::optional<std::string>> reason = ReasonOf(*call);
  if (!reason.ok()) return send(reason.status());
  call->services.rooms.Knock(*call->session, call->path[0], *reason,
                             AnswerWithRoom(std::move(send)));
}

}  // namespace

Result<ThirdPartyInvitee> ReadThirdPartyInvite(json::Value invite) {
  ThirdPartyInvitee invitee;
  MC_ASSIGN_OR_RETURN(invitee.id_server, RequiredString(invite, "id_server"));
  MC_ASSIGN_OR_RETURN(invitee.id_access_token,
                      RequiredString(invite, "id_access_token"));
  MC_ASSIGN_OR_RETURN(invitee.medium, RequiredString(invite, "medium"));
  MC_ASSIGN_OR_RETURN(invitee.address, RequiredString(invite, "address"));
  return invitee;
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

Result<MembershipChange> ChangeOfOneself(const Call& call) {
  MembershipChange change;
  change.room_id = call.path[0];
  change.target = call.user_id();
  MC_ASSIGN_OR_RETURN(change.reason, ReasonOf(call));
  return change;
}

using ChangeFunction = void (RoomService::*)(const Session&,
                                             const MembershipChange&,
                                             RoomService::Done);

template <ChangeFunction Change,
          Result<MembershipChange> (*Read)(const Call&) = &ChangeOfOther>
void ChangeMembership(std::unique_ptr<Call> call, ReplySender send) {
  const Result<MembershipChange> change = Read(*call);
  if (!change.ok()) return send(change.status());
  (call->services.rooms.*Change)(*call->session, *change,
                                 AnswerEmpty(std::move(send)));
}

void Invite(std::unique_ptr<Call> call, ReplySender send) {
  const json::Value body = call->root();
  if (body["user_id"] || !(body["id_server"] || body["medium"])) {
    return ChangeMembership<&RoomService::Invite>(std::move(call),
                                                  std::move(send));
  }
  const Result<ThirdPartyInvitee> invitee = ReadThirdPartyInvite(body);
  if (!invitee.ok()) return send(invitee.status());
  call->services.rooms.InviteByThirdParty(
      *call->session, call->path[0], *invitee, AnswerEmpty(std::move(send)));
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
         Body::kOptionalObject,
         &ChangeMembership<&RoomService::Leave, &ChangeOfOneself>, "leaveRoom"),
    Post("/_matrix/client/v3/rooms/{roomId}/kick", RateLimit::kDefault,
         Body::kObject, &ChangeMembership<&RoomService::Kick>, "kick"),
    Post("/_matrix/client/v3/rooms/{roomId}/ban", RateLimit::kDefault,
         Body::kObject, &ChangeMembership<&RoomService::Ban>, "ban"),
    Post("/_matrix/client/v3/rooms/{roomId}/unban", RateLimit::kDefault,
         Body::kObject, &ChangeMembership<&RoomService::Unban>, "unban"),
    Post("/_matrix/client/v3/rooms/{roomId}/forget", RateLimit::kDefault,
         Body::kOptionalObject, &Forget, "forgetRoom"),
    Route{HttpMethod::kGet, "/_matrix/client/v3/joined_rooms", Auth::kUser,
          RateLimit::kDefault, Lane::kInteractive, Body::kNone, &GetJoinedRooms,
          "getJoinedRooms"},
};

}  // namespace

std::span<const Route> MembershipRoutes() { return kRoutes; }

}  // namespace matrixcore::api
