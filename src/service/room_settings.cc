#include "service/room_settings.h"

#include <algorithm>
#include <array>
#include <optional>

#include "matrixcore/json/object.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/account_data.h"
#include "matrixcore/service/account_tables.h"

namespace matrixcore {
namespace {

constexpr std::string_view kDirectType = "m.direct";
// The kinds of push rules that are about one room.
constexpr std::array<std::string_view, 3> kRuleKinds = {"override", "room",
                                                        "underride"};

using OptionalJson = std::optional<std::string>;

// The list of rooms with the new one beside the old one; nothing if that
// changes nothing.
OptionalJson WithNewRoom(json::Value rooms, std::string_view old_room,
                         std::string_view new_room) {
  bool has_old = false;
  std::string list;
  json::Writer writer(&list);
  writer.BeginArray();
  for (const json::Value room : rooms) {
    if (room.StringOr("") == new_room) return std::nullopt;
    has_old = has_old || room.StringOr("") == old_room;
    writer.Raw(room.raw());
  }
  writer.String(new_room).EndArray();
  if (!has_old) return std::nullopt;
  return list;
}

OptionalJson DirectChats(json::Value content, std::string_view old_room,
                         std::string_view new_room) {
  json::Object chats = json::Object::From(content);
  bool changed = false;
  for (const auto [user, rooms] : content.members()) {
    if (auto list = WithNewRoom(rooms, old_room, new_room)) {
      chats.SetRaw(user, std::move(*list));
      changed = true;
    }
  }
  if (!changed) return std::nullopt;
  return chats.ToJson();
}

// The conditions of a rule about the new room.
std::string Conditions(json::Value conditions, std::string_view old_room,
                       std::string_view new_room) {
  std::string json;
  json::Writer writer(&json);
  writer.BeginArray();
  for (const json::Value condition : conditions) {
    json::Object copy = json::Object::From(condition);
    if (condition["key"].StringOr("") == "room_id" &&
        condition["pattern"].StringOr("") == old_room) {
      copy.SetString("pattern", new_room);
    }
    writer.Raw(copy.ToJson());
  }
  writer.EndArray();
  return json;
}

// The rules of one kind with a copy of that for the old room.
OptionalJson CopiedRule(json::Value rules, std::string_view old_room,
                        std::string_view new_room) {
  std::string list;
  json::Writer writer(&list);
  writer.BeginArray();
  bool copied = false;
  for (const json::Value rule : rules) {
    const std::string_view id = rule["rule_id"].StringOr("");
    if (id == new_room) return std::nullopt;
    writer.Raw(rule.raw());
    if (id != old_room) continue;
    json::Object copy = json::Object::From(rule);
    copy.SetString("rule_id", new_room);
    if (rule["conditions"].IsArray()) {
      copy.SetRaw("conditions",
                  Conditions(rule["conditions"], old_room, new_room));
    }
    writer.Raw(copy.ToJson());
    copied = true;
  }
  writer.EndArray();
  if (!copied) return std::nullopt;
  return list;
}

OptionalJson PushRules(json::Value content, std::string_view old_room,
                       std::string_view new_room) {
  json::Object global = json::Object::From(content["global"]);
  bool changed = false;
  for (const std::string_view kind : kRuleKinds) {
    if (auto rules = CopiedRule(content["global"][kind], old_room, new_room)) {
      global.SetRaw(kind, std::move(*rules));
      changed = true;
    }
  }
  if (!changed) return std::nullopt;
  json::Object rules = json::Object::From(content);
  rules.SetRaw("global", global.ToJson());
  return rules.ToJson();
}

}  // namespace

Result<std::vector<RoomSetting>> SettingsForReplacement(
    Snapshot& snapshot, const std::string& user_id, const std::string& old_room,
    const std::string& new_room) {
  const auto key = [&user_id](const std::string& room, std::string_view type) {
    return Row{Cell(user_id), Cell(room), Cell(std::string(type))};
  };
  const std::array<Row, 4> keys = {
      key(old_room, kTagType), key(new_room, kTagType), key("", kDirectType),
      key("", kPushRulesType)};
  MC_ASSIGN_OR_RETURN(const auto rows,
                      snapshot.GetMany(tables::kAccountData, keys));
  const auto text = [](const std::optional<Row>& row) {
    return CellText((*row)[tables::AccountData::kJson]);
  };
  std::vector<RoomSetting> settings;
  if (rows[0] && !rows[1]) {
    settings.push_back(
        {new_room, std::string(kTagType), std::string(text(rows[0]))});
  }
  const auto global = [&](const std::optional<Row>& row, std::string_view type,
                          auto change) -> Status {
    if (!row) return OkStatus();
    MC_ASSIGN_OR_RETURN(const json::Document content,
                        json::Document::ParseView(text(row)));
    if (OptionalJson json = change(content.root(), old_room, new_room)) {
      settings.push_back({"", std::string(type), std::move(*json)});
    }
    return OkStatus();
  };
  MC_RETURN_IF_ERROR(global(rows[2], kDirectType, DirectChats));
  MC_RETURN_IF_ERROR(global(rows[3], kPushRulesType, PushRules));
  return settings;
}

void AddSettings(WriteBatch& batch, const std::string& user_id,
                 const std::vector<RoomSetting>& settings) {
  for (const RoomSetting& setting : settings) {
    AccountDataService::AddRow(batch, user_id, setting.room_id, setting.type,
                               setting.content);
  }
}

}  // namespace matrixcore
