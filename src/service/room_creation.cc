// RoomService::CreateRoom (spec: client-server API, "Creation").
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "matrixcore/event/server_acl.h"
#include "matrixcore/event/types.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/rooms.h"
#include "service/canonical_alias.h"
#include "service/room_access.h"

namespace matrixcore {
namespace {

constexpr size_t kRoomIdLength = 18;
constexpr int64_t kFullPower = 100;
constexpr int64_t kStateDefault = 50;
constexpr int64_t kTombstonePower =
    150;  // Above state_default, from version 12.

// Types that only those with full power may change by default.
constexpr std::array<std::string_view, 5> kFullPowerTypes = {
    kTypePowerLevels, kTypeHistoryVisibility, kTypeServerAcl, kTypeEncryption,
    kTypeTombstone};

using Preset = NewRoom::Preset;

Preset PresetOf(const NewRoom& room) {
  if (room.preset != Preset::kUnset) return room.preset;
  return room.listed ? Preset::kPublicChat : Preset::kPrivateChat;
}

std::string OneField(std::string_view key, std::string_view value) {
  json::Object object;
  object.SetString(key, value);
  return object.ToJson();
}

EventDraft StateDraft(const Session& session, std::string_view type,
                      std::string_view state_key, std::string content) {
  EventDraft draft;
  draft.type = type;
  draft.sender = session.user_id;
  draft.state_key = std::string(state_key);
  draft.content = std::move(content);
  return draft;
}

std::string StringArray(const std::vector<std::string>& items) {
  std::string json;
  json::Writer writer(&json);
  writer.BeginArray();
  for (const std::string& item : items) writer.String(item);
  writer.EndArray();
  return json;
}

Result<std::string> CreateContent(const Session& session, const NewRoom& room,
                                  const RoomVersionRules& rules) {
  json::Object content = json::Object::From(room.creation_content);
  content.SetString("room_version", rules.id);
  if (rules.creator_is_sender) {
    content.Erase("creator");
  } else {
    content.SetString("creator", session.user_id);
  }
  if (rules.creators_above_all &&
      PresetOf(room) == Preset::kTrustedPrivateChat && !room.invite.empty()) {
    std::vector<std::string> creators;
    const auto add = [&creators, &session](std::string_view user) {
      if (user != session.user_id &&
          std::find(creators.begin(), creators.end(), user) == creators.end()) {
        creators.emplace_back(user);
      }
    };
    const json::Value given = room.creation_content["additional_creators"];
    if (given && !given.IsArray()) {
      return BadJsonError(
          "creation_content.additional_creators must be an array");
    }
    for (const json::Value user : given) {
      if (!user.IsString()) {
        return BadJsonError(
            "creation_content.additional_creators must hold user ids");
      }
      add(*user.AsString());
    }
    for (const std::string& user : room.invite) add(user);
    content.SetRaw("additional_creators", StringArray(creators));
  }
  return content.ToJson();
}

// From version 12 the level of tombstones is above `state_default` (spec: POST
// /createRoom), also where an override knows nothing of them.
void KeepTombstoneAbove(json::Value override, json::Object& content) {
  const json::Value events = override["events"];
  if (events[kTypeTombstone]) return;
  const int64_t state_default =
      override["state_default"].AsInt().value_or(kStateDefault);
  if ((events && !events.IsObject()) ||
      (!events && state_default < kTombstonePower)) {
    return;
  }
  const Result<json::Document> present =
      json::Document::Parse(std::string(content.Get("events")));
  if (!present.ok()) return;
  json::Object levels = json::Object::From(present->root());
  levels.SetInt(kTypeTombstone, std::max(kTombstonePower, state_default + 1));
  content.SetRaw("events", levels.ToJson());
}

std::string PowerLevelContent(const Session& session, const NewRoom& room,
                              const RoomVersionRules& rules) {
  const bool above_all = rules.creators_above_all;
  json::Object users;
  if (!above_all) {
    users.SetInt(session.user_id, kFullPower);
    if (PresetOf(room) == Preset::kTrustedPrivateChat) {
      for (const std::string& user : room.invite)
        users.SetInt(user, kFullPower);
    }
  }
  json::Object events;
  for (const std::string_view type : kFullPowerTypes) {
    events.SetInt(type, kFullPower);
  }
  if (above_all) events.SetInt(kTypeTombstone, kTombstonePower);
  for (const std::string_view type :
       {kTypeName, kTypeAvatar, kTypeCanonicalAlias}) {
    events.SetInt(type, 50);
  }
  json::Object notifications;
  notifications.SetInt("room", 50);

  json::Object content;
  content.SetInt("ban", 50);
  content.SetRaw("events", events.ToJson());
  content.SetInt("events_default", 0);
  content.SetInt("invite", PresetOf(room) == Preset::kPublicChat ? 50 : 0);
  content.SetInt("kick", 50);
  content.SetRaw("notifications", notifications.ToJson());
  content.SetInt("redact", 50);
  content.SetInt("state_default", kStateDefault);
  content.SetRaw("users", users.ToJson());
  content.SetInt("users_default", 0);
  for (const auto [key, value] : room.power_level_content_override.members()) {
    content.SetRaw(key, std::string(value.raw()));
  }
  if (above_all) KeepTombstoneAbove(room.power_level_content_override, content);
  return content.ToJson();
}

std::string TopicContent(std::string_view topic) {
  std::string json;
  json::Writer w(&json);
  w.BeginObject();
  w.Key("m.topic").BeginObject().Key("m.text").BeginArray().BeginObject();
  w.Field("body", topic);
  w.EndObject().EndArray().EndObject();
  w.Field("topic", topic);
  w.EndObject();
  return json;
}

// The events of initial_state, checked.
Result<std::vector<EventDraft>> InitialState(const Session& session,
                                             const NewRoom& room) {
  std::vector<EventDraft> drafts;
  for (const json::Value event : room.initial_state) {
    const auto type = event["type"].AsString();
    const json::Value state_key = event["state_key"];
    const json::Value content = event["content"];
    if (!type || !content.IsObject() || (state_key && !state_key.IsString())) {
      return BadJsonError(
          "initial_state needs objects with type, content and state_key");
    }
    if (*type == kTypeServerAcl && state_key.StringOr("").empty() &&
        !ServerAcl::FromContent(content).Allows(DomainOf(session.user_id))) {
      return InvalidParamError("This would shut this server out of the room.");
    }
    drafts.push_back(StateDraft(session, *type, state_key.StringOr(""),
                                std::string(content.raw())));
  }
  return drafts;
}

bool Has(const std::vector<EventDraft>& drafts, std::string_view type) {
  return std::any_of(drafts.begin(), drafts.end(), [type](const EventDraft& d) {
    return d.type == type && d.state_key->empty();
  });
}

void AddPreset(const Session& session, Preset preset,
               const std::vector<EventDraft>& initial,
               std::vector<EventDraft>& drafts) {
  const bool is_public = preset == Preset::kPublicChat;
  const std::array<std::array<std::string_view, 3>, 3> events = {{
      {kTypeJoinRules, "join_rule", is_public ? "public" : "invite"},
      {kTypeHistoryVisibility, "history_visibility", "shared"},
      {kTypeGuestAccess, "guest_access", is_public ? "forbidden" : "can_join"},
  }};
  for (const auto& [type, key, value] : events) {
    // initial_state takes precedence.
    if (Has(initial, type)) continue;
    drafts.push_back(StateDraft(session, type, "", OneField(key, value)));
  }
}

}  // namespace

// What the rules of state events say of initial_state: nobody is invited who
// cannot be, and the only alias that leads to the new room is its own.
Status RoomService::CheckInitialState(const NewRoom& room,
                                      std::string_view own_alias) const {
  for (const json::Value event : room.initial_state) {
    const std::string_view type = event["type"].StringOr("");
    const std::string_view state_key = event["state_key"].StringOr("");
    const json::Value content = event["content"];
    if (type == kTypeMember && content["membership"].StringOr("") == "invite") {
      MC_RETURN_IF_ERROR(CheckInvitee(state_key));
    }
    if (type != kTypeCanonicalAlias || !state_key.empty()) continue;
    MC_ASSIGN_OR_RETURN(const std::vector<std::string> aliases,
                        ReadAliases(content));
    for (const std::string& alias : aliases) {
      if (alias == own_alias) continue;
      return BadAliasError(
          fmt::format("The alias {} does not lead to the new room.", alias));
    }
  }
  return OkStatus();
}

Result<std::vector<EventDraft>> RoomService::CreationDrafts(
    const Session& session, const NewRoom& room, const RoomVersionRules& rules,
    const std::string& alias) {
  MC_RETURN_IF_ERROR(CheckInitialState(room, alias));
  MC_ASSIGN_OR_RETURN(const std::vector<EventDraft> initial,
                      InitialState(session, room));
  std::vector<EventDraft> drafts;
  MC_ASSIGN_OR_RETURN(std::string create, CreateContent(session, room, rules));
  drafts.push_back(StateDraft(session, kTypeCreate, "", std::move(create)));
  MC_ASSIGN_OR_RETURN(std::string join,
                      MemberContent("join", session.user_id, std::nullopt));
  drafts.push_back(
      StateDraft(session, kTypeMember, session.user_id, std::move(join)));
  drafts.push_back(StateDraft(session, kTypePowerLevels, "",
                              PowerLevelContent(session, room, rules)));
  if (!alias.empty()) {
    drafts.push_back(
        StateDraft(session, kTypeCanonicalAlias, "", OneField("alias", alias)));
  }
  AddPreset(session, PresetOf(room), initial, drafts);
  for (const EventDraft& draft : initial) {
    const bool replaced =
        draft.state_key->empty() && ((room.name && draft.type == kTypeName) ||
                                     (room.topic && draft.type == kTypeTopic));
    if (!replaced) drafts.push_back(draft);
  }
  if (room.name) {
    drafts.push_back(
        StateDraft(session, kTypeName, "", OneField("name", *room.name)));
  }
  if (room.topic) {
    drafts.push_back(
        StateDraft(session, kTypeTopic, "", TopicContent(*room.topic)));
  }
  for (const std::string& user : room.invite) {
    std::vector<std::pair<std::string, std::string>> more;
    if (room.is_direct) more.emplace_back("is_direct", "true");
    MC_ASSIGN_OR_RETURN(std::string content,
                        MemberContent("invite", user, std::nullopt, more));
    drafts.push_back(
        StateDraft(session, kTypeMember, user, std::move(content)));
  }
  return drafts;
}

Result<std::string> RoomService::CreateRoom(const Session& session,
                                            const NewRoom& room) {
  return CreateRoom(session, room, CreationRows());
}

Result<std::string> RoomService::CreateRoom(const Session& session,
                                            const NewRoom& given,
                                            const CreationRows& also) {
  NewRoom room = given;
  const std::string_view version = room.room_version.empty()
                                       ? options_.default_room_version
                                       : room.room_version;
  const RoomVersionRules* rules = FindRoomVersion(version);
  if (rules == nullptr) {
    return Status(StatusCode::kInvalidArgument, "M_UNSUPPORTED_ROOM_VERSION",
                  fmt::format("Room version {} is unknown here.", version));
  }
  // One invite each, and none for oneself.
  std::sort(room.invite.begin(), room.invite.end());
  room.invite.erase(std::unique(room.invite.begin(), room.invite.end()),
                    room.invite.end());
  std::erase(room.invite, session.user_id);
  for (const std::string& user : room.invite) {
    MC_RETURN_IF_ERROR(CheckInvitee(user));
  }
  std::string alias;
  if (room.alias_localpart) {
    alias = fmt::format("#{}:{}", *room.alias_localpart, options_.server_name);
    MC_RETURN_IF_ERROR(CheckLocalAlias(alias));
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps_.store.NewSnapshot());
    MC_ASSIGN_OR_RETURN(const auto taken,
                        RoomReader(*snapshot, deps_.caches).AliasRoom(alias));
    if (taken) {
      return Status(StatusCode::kAlreadyExists, "M_ROOM_IN_USE",
                    fmt::format("The alias {} is taken.", alias));
    }
  }
  CreateRoomRequest request;
  request.rules = rules;
  request.creator = session.user_id;
  request.listed = room.listed;
  if (!rules->room_id_is_create_hash) {
    request.room_id =
        fmt::format("!{}:{}", deps_.random.AlphaNumeric(kRoomIdLength),
                    options_.server_name);
  }
  MC_ASSIGN_OR_RETURN(request.drafts,
                      CreationDrafts(session, room, *rules, alias));
  request.also = [&](WriteBatch& batch, PositionRef nid,
                     const std::string& room_id) {
    if (!alias.empty()) {
      batch.InsertRow(tables::kAliases, {alias, nid, session.user_id});
    }
    if (also) also(batch, room_id);
  };
  Result<RoomWriter::Created> made =
      deps_.writer.CreateAndWait(std::move(request));
  if (made.ok()) return std::move(made->room_id);
  const Status& status = made.status();
  if (status.code() == StatusCode::kAborted && !alias.empty()) {
    return Status(StatusCode::kAlreadyExists, "M_ROOM_IN_USE",
                  fmt::format("The alias {} is taken.", alias));
  }
  if (status.code() == StatusCode::kPermissionDenied) {
    return Status(StatusCode::kInvalidArgument, "M_INVALID_ROOM_STATE",
                  fmt::format("The room's initial state is not allowed: {}",
                              status.message()));
  }
  return status;
}

}  // namespace matrixcore
