#include "matrixcore/room/room_preview.h"

#include <algorithm>
#include <array>

#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/tables.h"

namespace matrixcore {
namespace {

using tables::RoomPreviews;

constexpr std::array<std::string_view, 9> kPreviewTypes = {
    kTypeCreate,     kTypeName,        kTypeTopic,
    kTypeAvatar,     kTypeJoinRules,   kTypeCanonicalAlias,
    kTypeEncryption, kTypeGuestAccess, kTypeHistoryVisibility};

json::Value ContentOf(const StateSource& state, std::string_view type) {
  const Event* event = state.Find(type, "");
  return event == nullptr ? json::Value() : event->content();
}

std::string TextOf(const StateSource& state, std::string_view type,
                   std::string_view field) {
  return std::string(ContentOf(state, type)[field].StringOr(""));
}

// The plain text of a topic (spec: m.room.topic): the first representation that
// is text/plain, or the old field of a topic that has none at all.  An empty
// old field says that there is no topic.
std::string TopicOf(json::Value content) {
  const std::string_view topic = content["topic"].StringOr("");
  const json::Value texts = content["m.topic"]["m.text"];
  if (!texts.IsArray() || topic.empty()) return std::string(topic);
  for (const json::Value text : texts) {
    if (text["mimetype"].StringOr("text/plain") == "text/plain" &&
        text["body"].IsString()) {
      return std::string(*text["body"].AsString());
    }
  }
  return {};
}

std::vector<std::string> AllowedRooms(json::Value content) {
  std::vector<std::string> rooms;
  for (const json::Value allow : content["allow"]) {
    const std::string_view room = allow["room_id"].StringOr("");
    if (allow["type"].StringOr("") != "m.room_membership" || room.empty() ||
        std::find(rooms.begin(), rooms.end(), room) != rooms.end()) {
      continue;
    }
    rooms.emplace_back(room);
  }
  return rooms;
}

std::string Text(const Cell& cell) { return std::string(CellText(cell)); }

}  // namespace

bool IsPreviewKey(std::string_view type, std::string_view state_key) {
  return state_key.empty() &&
         std::find(kPreviewTypes.begin(), kPreviewTypes.end(), type) !=
             kPreviewTypes.end();
}

RoomPreview RoomPreviewOf(const StateSource& state) {
  RoomPreview preview;
  preview.name = TextOf(state, kTypeName, "name");
  preview.topic = TopicOf(ContentOf(state, kTypeTopic));
  preview.canonical_alias = TextOf(state, kTypeCanonicalAlias, "alias");
  preview.avatar_url = TextOf(state, kTypeAvatar, "url");
  preview.join_rule = JoinRuleOf(state.Find(kTypeJoinRules, ""));
  preview.world_readable =
      HistoryVisibilityOf(state.Find(kTypeHistoryVisibility, "")) ==
      HistoryVisibility::kWorldReadable;
  preview.guest_can_join =
      TextOf(state, kTypeGuestAccess, "guest_access") == "can_join";
  preview.type = TextOf(state, kTypeCreate, "type");
  preview.encryption = TextOf(state, kTypeEncryption, "algorithm");
  if (preview.join_rule == "restricted" ||
      preview.join_rule == "knock_restricted") {
    preview.allowed_room_ids = AllowedRooms(ContentOf(state, kTypeJoinRules));
  }
  return preview;
}

BatchRow RowFromRoomPreview(const RoomPreview& preview, const BatchCell& room) {
  std::string allowed;
  json::Writer writer(&allowed);
  writer.BeginArray();
  for (const std::string& id : preview.allowed_room_ids) writer.String(id);
  writer.EndArray();
  return {room,
          preview.name,
          preview.topic,
          preview.canonical_alias,
          preview.avatar_url,
          preview.join_rule,
          int64_t{preview.world_readable},
          int64_t{preview.guest_can_join},
          preview.type,
          preview.encryption,
          std::move(allowed)};
}

RoomPreview RoomPreviewFromRow(const Row& row) {
  RoomPreview preview;
  preview.name = Text(row[RoomPreviews::kName]);
  preview.topic = Text(row[RoomPreviews::kTopic]);
  preview.canonical_alias = Text(row[RoomPreviews::kCanonicalAlias]);
  preview.avatar_url = Text(row[RoomPreviews::kAvatarUrl]);
  preview.join_rule = Text(row[RoomPreviews::kJoinRule]);
  preview.world_readable = CellInt(row[RoomPreviews::kWorldReadable]) != 0;
  preview.guest_can_join = CellInt(row[RoomPreviews::kGuestCanJoin]) != 0;
  preview.type = Text(row[RoomPreviews::kType]);
  preview.encryption = Text(row[RoomPreviews::kEncryption]);
  const std::string_view allowed = CellText(row[RoomPreviews::kAllowed]);
  if (allowed.size() > 2) {
    const auto document = json::Document::ParseView(allowed);
    if (document.ok()) {
      for (const json::Value id : document->root()) {
        preview.allowed_room_ids.emplace_back(id.StringOr(""));
      }
    }
  }
  return preview;
}

}  // namespace matrixcore
