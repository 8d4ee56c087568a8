#include "service/room_preview_json.h"

namespace matrixcore {
namespace {

void WriteText(json::Writer& out, std::string_view key, std::string_view text) {
  if (!text.empty()) out.Field(key, text);
}

}  // namespace

void WritePublishedRoom(json::Writer& out, const RoomHead& room,
                        const RoomPreview& preview) {
  WriteText(out, "avatar_url", preview.avatar_url);
  WriteText(out, "canonical_alias", preview.canonical_alias);
  out.Field("guest_can_join", preview.guest_can_join);
  out.Field("join_rule", preview.join_rule);
  WriteText(out, "name", preview.name);
  out.Field("num_joined_members", room.joined);
  out.Field("room_id", room.room_id);
  WriteText(out, "room_type", preview.type);
  WriteText(out, "topic", preview.topic);
  out.Field("world_readable", preview.world_readable);
}

void WriteRoomSummary(json::Writer& out, const RoomHead& room,
                      const RoomPreview& preview) {
  WritePublishedRoom(out, room, preview);
  if (!preview.allowed_room_ids.empty()) {
    out.Key("allowed_room_ids").BeginArray();
    for (const std::string& id : preview.allowed_room_ids) out.String(id);
    out.EndArray();
  }
  WriteText(out, "encryption", preview.encryption);
  out.Field("room_version", room.rules->id);
}

Result<bool> JoinedToAny(RoomReader& reader, std::string_view user_id,
                         const std::vector<std::string>& room_ids) {
  for (const std::string& room_id : room_ids) {
    MC_ASSIGN_OR_RETURN(const auto head, reader.Head(room_id));
    if (!head) continue;
    MC_ASSIGN_OR_RETURN(const auto row,
                        reader.MembershipOf(user_id, head->nid));
    if (row && row->membership == Membership::kJoin) return true;
  }
  return false;
}

Result<bool> MayFindRoom(RoomReader& reader, const RoomHead& room,
                         const RoomPreview& preview, std::string_view user_id,
                         Membership membership) {
  if (preview.world_readable || membership == Membership::kJoin ||
      membership == Membership::kInvite) {
    return true;
  }
  if (membership == Membership::kBan) return false;
  const RoomVersionRules& rules = *room.rules;
  if (preview.join_rule == "public") return true;
  if (preview.join_rule == "knock") return rules.knock;
  if (preview.join_rule == "knock_restricted") {
    return rules.knock_restricted;
  }
  if (preview.join_rule != "restricted" || !rules.restricted_joins ||
      user_id.empty()) {
    return false;
  }
  return JoinedToAny(reader, user_id, preview.allowed_room_ids);
}

}  // namespace matrixcore
