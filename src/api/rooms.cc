// Making rooms, aliases, and a room's place in the directory.
#include "matrixcore/service/rooms.h"

#include <array>

#include "api/params.h"
#include "api/routes.h"
#include "api/third_party_invite.h"
#include "matrixcore/api/services.h"

namespace matrixcore::api {
namespace {

Result<NewRoom::Preset> PresetOf(json::Value body) {
  MC_ASSIGN_OR_RETURN(const auto name, OptionalString(body, "preset"));
  if (!name) return NewRoom::Preset::kUnset;
  if (*name == "private_chat") return NewRoom::Preset::kPrivateChat;
  if (*name == "trusted_private_chat") {
    return NewRoom::Preset::kTrustedPrivateChat;
  }
  if (*name == "public_chat") return NewRoom::Preset::kPublicChat;
  return InvalidParam(
      "`preset` is private_chat, trusted_private_chat or "
      "public_chat.");
}

// `visibility` of a room in the directory: true for "public".
Result<bool> ListedOf(json::Value body, bool fallback) {
  MC_ASSIGN_OR_RETURN(const auto name, OptionalString(body, "visibility"));
  if (!name) return fallback;
  if (*name != "public" && *name != "private") {
    return InvalidParam("`visibility` is public or private.");
  }
  return *name == "public";
}

std::optional<std::string> Owned(std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  return std::string(*text);
}

// Each costs requests to other servers.
constexpr size_t kMaxThirdPartyInvites = 50;

// Views the call's body.
Result<NewRoom> NewRoomOf(const Call& call) {
  const json::Value body = call.root();
  NewRoom room;
  MC_ASSIGN_OR_RETURN(room.preset, PresetOf(body));
  MC_ASSIGN_OR_RETURN(room.listed, ListedOf(body, false));
  MC_ASSIGN_OR_RETURN(room.is_direct, OptionalBool(body, "is_direct", false));
  MC_ASSIGN_OR_RETURN(const auto version, OptionalString(body, "room_version"));
  room.room_version = version.value_or("");
  MC_ASSIGN_OR_RETURN(const auto alias,
                      OptionalString(body, "room_alias_name"));
  room.alias_localpart = Owned(alias);
  MC_ASSIGN_OR_RETURN(const auto name, OptionalString(body, "name"));
  room.name = Owned(name);
  MC_ASSIGN_OR_RETURN(const auto topic, OptionalString(body, "topic"));
  room.topic = Owned(topic);
  MC_ASSIGN_OR_RETURN(room.invite, OptionalStrings(body, "invite"));
  MC_ASSIGN_OR_RETURN(room.creation_content,
                      OptionalObject(body, "creation_content"));
  MC_ASSIGN_OR_RETURN(room.initial_state, OptionalArray(body, "initial_state"));
  MC_ASSIGN_OR_RETURN(room.power_level_content_override,
                      OptionalObject(body, "power_level_content_override"));
  MC_ASSIGN_OR_RETURN(const json::Value third_party,
                      OptionalArray(body, "invite_3pid"));
  if (third_party.size() > kMaxThirdPartyInvites) {
    return InvalidParam("`invite_3pid` is too long.");
  }
  for (const json::Value invite : third_party) {
    MC_ASSIGN_OR_RETURN(ThirdPartyInvitee invitee,
                        ReadThirdPartyInvite(invite));
    room.invite_3pid.push_back(std::move(invitee));
  }
  room.body = body;
  return room;
}

Result<Reply> CreatedReply(const Result<std::string>& room_id) {
  if (!room_id.ok()) return room_id.status();
  return ObjectReply([&](json::Writer& w) { w.Field("room_id", *room_id); });
}

void CreateRoom(std::unique_ptr<Call> call, ReplySender send) {
  const Result<NewRoom> room = NewRoomOf(*call);
  if (!room.ok()) return send(room.status());
  RoomService& rooms = call->services.rooms;
  if (room->invite_3pid.empty()) {
    return send(CreatedReply(rooms.CreateRoom(*call->session, *room)));
  }
  const std::shared_ptr<Call> owner = std::move(call);
  rooms.CreateRoom(
      *owner->session, *room, owner,
      [send = std::move(send)](const Result<std::string>& room_id) mutable {
        send(CreatedReply(room_id));
      });
}

Result<Reply> UpgradeRoom(Call& call) {
  RoomUpgrade upgrade;
  MC_ASSIGN_OR_RETURN(upgrade.new_version,
                      RequiredString(call.root(), "new_version"));
  MC_ASSIGN_OR_RETURN(upgrade.additional_creators,
                      OptionalStrings(call.root(), "additional_creators"));
  MC_ASSIGN_OR_RETURN(
      const std::string room_id,
      call.services.rooms.Upgrade(*call.session, call.path[0], upgrade));
  return ObjectReply(
      [&](json::Writer& w) { w.Field("replacement_room", room_id); });
}

Result<Reply> GetRoomIdByAlias(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string room_id,
                      call.services.rooms.ResolveAlias(call.path[0]));
  return ObjectReply([&](json::Writer& w) {
    w.Field("room_id", room_id);
    w.Key("servers").BeginArray();
    w.String(call.services.options.server_name);
    w.EndArray();
  });
}

Result<Reply> SetRoomAlias(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view room_id,
                      RequiredString(call.root(), "room_id"));
  MC_RETURN_IF_ERROR(
      call.services.rooms.CreateAlias(*call.session, call.path[0], room_id));
  return EmptyReply();
}

void DeleteRoomAlias(std::unique_ptr<Call> call, ReplySender send) {
  call->services.rooms.DeleteAlias(
      *call->session, call->path[0],
      [send = std::move(send)](Status status) mutable {
        send(status.ok() ? Result<Reply>(EmptyReply())
                         : Result<Reply>(std::move(status)));
      });
}

Result<Reply> GetLocalAliases(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> aliases,
                      call.services.rooms.Aliases(*call.session, call.path[0]));
  return ObjectReply([&](json::Writer& w) {
    w.Key("aliases").BeginArray();
    for (const std::string& alias : aliases) w.String(alias);
    w.EndArray();
  });
}

Result<Reply> GetVisibility(Call& call) {
  MC_ASSIGN_OR_RETURN(const bool listed,
                      call.services.rooms.IsListed(call.path[0]));
  return ObjectReply([&](json::Writer& w) {
    w.Field("visibility", listed ? "public" : "private");
  });
}

Result<Reply> SetVisibility(Call& call) {
  MC_ASSIGN_OR_RETURN(const bool listed, ListedOf(call.root(), true));
  MC_RETURN_IF_ERROR(
      call.services.rooms.SetListed(*call.session, call.path[0], listed));
  return EmptyReply();
}

constexpr auto kUser = Auth::kUser;
constexpr auto kLane = Lane::kInteractive;

constexpr std::array kRoutes = {
    Route{HttpMethod::kPost, "/_matrix/client/v3/createRoom", kUser,
          RateLimit::kJoin, kLane, Body::kObject, &CreateRoom, "createRoom"},
    Route{HttpMethod::kPost, "/_matrix/client/v3/rooms/{roomId}/upgrade", kUser,
          RateLimit::kJoin, kLane, Body::kObject, &UpgradeRoom, "upgradeRoom"},
    Route{HttpMethod::kGet, "/_matrix/client/v3/directory/room/{roomAlias}",
          Auth::kNone, RateLimit::kDefault, kLane, Body::kNone,
          &GetRoomIdByAlias, "getRoomIdByAlias"},
    Route{HttpMethod::kPut, "/_matrix/client/v3/directory/room/{roomAlias}",
          kUser, RateLimit::kDefault, kLane, Body::kObject, &SetRoomAlias,
          "setRoomAlias"},
    Route{HttpMethod::kDelete, "/_matrix/client/v3/directory/room/{roomAlias}",
          kUser, RateLimit::kDefault, kLane, Body::kNone, &DeleteRoomAlias,
          "deleteRoomAlias"},
    Route{HttpMethod::kGet, "/_matrix/client/v3/rooms/{roomId}/aliases", kUser,
          RateLimit::kDefault, kLane, Body::kNone, &GetLocalAliases,
          "getLocalAliases"},
    Route{HttpMethod::kGet, "/_matrix/client/v3/directory/list/room/{roomId}",
          Auth::kNone, RateLimit::kDefault, kLane, Body::kNone, &GetVisibility,
          "getRoomVisibilityOnDirectory"},
    Route{HttpMethod::kPut, "/_matrix/client/v3/directory/list/room/{roomId}",
          kUser, RateLimit::kDefault, kLane, Body::kOptionalObject,
          &SetVisibility, "setRoomVisibilityOnDirectory"},
};

}  // namespace

std::span<const Route> RoomRoutes() { return kRoutes; }

}  // namespace matrixcore::api
