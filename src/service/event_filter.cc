#include "matrixcore/service/event_filter.h"

#include <fmt/format.h>

#include <algorithm>

#include "matrixcore/base/heap_bytes.h"

namespace matrixcore {
namespace {

// Numbers past this say no more than "many".
constexpr int64_t kMaxLimit = 1'000'000;

bool Contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool AnyMatches(const std::vector<std::string>& patterns,
                std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [text](const std::string& pattern) {
                       return WildcardMatch(pattern, text);
                     });
}

bool RoomAllowed(const std::optional<std::vector<std::string>>& rooms,
                 const std::vector<std::string>& not_rooms,
                 std::string_view room_id) {
  return !Contains(not_rooms, room_id) && (!rooms || Contains(*rooms, room_id));
}

Status Wrong(std::string_view field, std::string_view expected) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON",
                fmt::format("filter: {} must be {}", field, expected));
}

Status ReadStrings(json::Value object, std::string_view field,
                   std::optional<std::vector<std::string>>& out) {
  const json::Value list = object[field];
  if (list.IsMissing() || list.IsNull()) return OkStatus();
  if (!list.IsArray()) return Wrong(field, "an array of strings");
  out.emplace();
  for (const json::Value item : list) {
    const auto text = item.AsString();
    if (!text) return Wrong(field, "an array of strings");
    out->emplace_back(*text);
  }
  return OkStatus();
}

Status ReadStrings(json::Value object, std::string_view field,
                   std::vector<std::string>& out) {
  std::optional<std::vector<std::string>> list;
  MC_RETURN_IF_ERROR(ReadStrings(object, field, list));
  if (list) out = std::move(*list);
  return OkStatus();
}

Status ReadBool(json::Value object, std::string_view field, bool& out) {
  const json::Value value = object[field];
  if (value.IsMissing() || value.IsNull()) return OkStatus();
  const auto flag = value.AsBool();
  if (!flag) return Wrong(field, "a boolean");
  out = *flag;
  return OkStatus();
}

Status ReadEventFilter(json::Value value, EventFilter& filter) {
  if (!value.IsObject()) return Wrong("a filter", "an object");
  const json::Value limit = value["limit"];
  if (limit && !limit.IsNull()) {
    const auto number = limit.AsInt();
    if (!number || *number < 0) return Wrong("limit", "a number from 0");
    filter.limit = static_cast<size_t>(std::min(*number, kMaxLimit));
  }
  MC_RETURN_IF_ERROR(ReadStrings(value, "types", filter.types));
  MC_RETURN_IF_ERROR(ReadStrings(value, "not_types", filter.not_types));
  MC_RETURN_IF_ERROR(ReadStrings(value, "senders", filter.senders));
  return ReadStrings(value, "not_senders", filter.not_senders);
}

Status ReadOptional(json::Value object, std::string_view field,
                    RoomEventFilter& out) {
  const json::Value value = object[field];
  if (value.IsMissing() || value.IsNull()) return OkStatus();
  MC_ASSIGN_OR_RETURN(out, ParseRoomEventFilter(value));
  return OkStatus();
}

Status ReadOptional(json::Value object, std::string_view field,
                    EventFilter& out) {
  const json::Value value = object[field];
  if (value.IsMissing() || value.IsNull()) return OkStatus();
  MC_ASSIGN_OR_RETURN(out, ParseEventFilter(value));
  return OkStatus();
}

Status ReadRoomFilter(json::Value value, SyncFilter::Room& room) {
  if (value.IsMissing() || value.IsNull()) return OkStatus();
  if (!value.IsObject()) return Wrong("room", "an object");
  MC_RETURN_IF_ERROR(ReadStrings(value, "rooms", room.rooms));
  MC_RETURN_IF_ERROR(ReadStrings(value, "not_rooms", room.not_rooms));
  MC_RETURN_IF_ERROR(ReadBool(value, "include_leave", room.include_leave));
  MC_RETURN_IF_ERROR(ReadOptional(value, "state", room.state));
  MC_RETURN_IF_ERROR(ReadOptional(value, "timeline", room.timeline));
  MC_RETURN_IF_ERROR(ReadOptional(value, "ephemeral", room.ephemeral));
  return ReadOptional(value, "account_data", room.account_data);
}

}  // namespace

bool WildcardMatch(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool EventFilter::AllowsType(std::string_view type) const {
  return !AnyMatches(not_types, type) && (!types || AnyMatches(*types, type));
}

bool EventFilter::AllowsSender(std::string_view sender) const {
  return !Contains(not_senders, sender) &&
         (!senders || Contains(*senders, sender));
}

bool RoomEventFilter::AllowsRoom(std::string_view room_id) const {
  return RoomAllowed(rooms, not_rooms, room_id);
}

bool RoomEventFilter::Allows(const Event& event) const {
  if (!AllowsType(event.type()) || !AllowsSender(event.sender())) return false;
  return !contains_url || event.content()["url"].IsString() == *contains_url;
}

bool RoomEventFilter::AllowsEverything() const {
  return !types && not_types.empty() && !senders && not_senders.empty() &&
         !rooms && not_rooms.empty() && !contains_url && !AsksForRelations();
}

bool SyncFilter::Room::AllowsRoom(std::string_view room_id) const {
  return RoomAllowed(rooms, not_rooms, room_id);
}

Result<EventFilter> ParseEventFilter(json::Value value) {
  EventFilter filter;
  MC_RETURN_IF_ERROR(ReadEventFilter(value, filter));
  return filter;
}

Result<RoomEventFilter> ParseRoomEventFilter(json::Value value) {
  RoomEventFilter filter;
  MC_RETURN_IF_ERROR(ReadEventFilter(value, filter));
  MC_RETURN_IF_ERROR(ReadStrings(value, "rooms", filter.rooms));
  MC_RETURN_IF_ERROR(ReadStrings(value, "not_rooms", filter.not_rooms));
  if (const json::Value url = value["contains_url"]; url && !url.IsNull()) {
    bool wanted = false;
    MC_RETURN_IF_ERROR(ReadBool(value, "contains_url", wanted));
    filter.contains_url = wanted;
  }
  MC_RETURN_IF_ERROR(
      ReadStrings(value, "related_by_senders", filter.related_by_senders));
  MC_RETURN_IF_ERROR(
      ReadStrings(value, "related_by_rel_types", filter.related_by_rel_types));
  MC_RETURN_IF_ERROR(
      ReadBool(value, "lazy_load_members", filter.lazy_load_members));
  MC_RETURN_IF_ERROR(ReadBool(value, "include_redundant_members",
                              filter.include_redundant_members));
  MC_RETURN_IF_ERROR(ReadBool(value, "unread_thread_notifications",
                              filter.unread_thread_notifications));
  return filter;
}

Result<SyncFilter> ParseSyncFilter(json::Value value) {
  if (!value.IsObject()) return Wrong("the filter", "an object");
  SyncFilter filter;
  MC_RETURN_IF_ERROR(ReadStrings(value, "event_fields", filter.event_fields));
  if (const json::Value format = value["event_format"];
      format && !format.IsNull()) {
    const std::string_view name = format.StringOr("");
    if (name != "client" && name != "federation") {
      return Wrong("event_format", "\"client\" or \"federation\"");
    }
    filter.federation_format = name == "federation";
  }
  MC_RETURN_IF_ERROR(ReadOptional(value, "presence", filter.presence));
  MC_RETURN_IF_ERROR(ReadOptional(value, "account_data", filter.account_data));
  MC_RETURN_IF_ERROR(ReadRoomFilter(value["room"], filter.room));
  return filter;
}

namespace {

size_t BytesOf(const EventFilter& filter) {
  return HeapBytes(filter.types) + HeapBytes(filter.not_types) +
         HeapBytes(filter.senders) + HeapBytes(filter.not_senders);
}

size_t BytesOf(const RoomEventFilter& filter) {
  return BytesOf(static_cast<const EventFilter&>(filter)) +
         HeapBytes(filter.rooms) + HeapBytes(filter.not_rooms) +
         HeapBytes(filter.related_by_senders) +
         HeapBytes(filter.related_by_rel_types);
}

}  // namespace

size_t HeapBytes(const SyncFilter& filter) {
  const SyncFilter::Room& room = filter.room;
  return HeapBytes(filter.event_fields) + BytesOf(filter.presence) +
         BytesOf(filter.account_data) + HeapBytes(room.rooms) +
         HeapBytes(room.not_rooms) + BytesOf(room.state) +
         BytesOf(room.timeline) + BytesOf(room.ephemeral) +
         BytesOf(room.account_data);
}

}  // namespace matrixcore
