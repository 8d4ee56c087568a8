// The format of a PDU, by room version (spec: server-server API definitions
// pdu_v1 .. pdu_v12; client-server API "Size limits").
#include <fmt/format.h>

#include "event/canonical_reader.h"
#include "event/event_factory.h"
#include "matrixcore/event/types.h"
#include "matrixcore/id/identifiers.h"

namespace matrixcore {
namespace {

Status Bad(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_BAD_JSON", std::move(message));
}

size_t CodePoints(std::string_view text) {
  size_t count = 0;
  for (const char c : text) {
    if ((static_cast<uint8_t>(c) & 0xC0) != 0x80) ++count;
  }
  return count;
}

// Reads the string `raw` into *out and checks its length.  Until version 10 an
// event whose identifiers have at most 255 code points is an event; that they
// have more bytes makes the authorisation rules reject it.
Status ReadText(const char* name, std::string_view raw,
                const RoomVersionRules& rules, std::string* out) {
  if (!canonical::IsString(raw))
    return Bad(fmt::format("{} is not a string", name));
  out->clear();
  canonical::AppendUnescaped(canonical::StringBody(raw), out);
  const size_t length =
      rules.byte_length_limits ? out->size() : CodePoints(*out);
  if (length > kMaxIdentifierBytes) {
    return Status(StatusCode::kTooLarge, "M_TOO_LARGE",
                  fmt::format("{} is longer than 255", name));
  }
  return OkStatus();
}

// The identifier without the bytes beyond the limit of IsUserId and its like,
// which the length check above has judged.
bool IsLongUserId(std::string_view id) {
  if (id.size() <= kMaxIdentifierBytes) return IsUserId(id);
  return id.front() == '@' && IsServerName(DomainOf(id));
}

bool IsLongRoomId(std::string_view id) {
  if (id.size() <= kMaxIdentifierBytes) return IsRoomId(id);
  return id.front() == '!';
}

Status CheckReferences(const char* name, std::string_view raw, size_t limit,
                       const RoomVersionRules& rules) {
  if (!canonical::IsArray(raw))
    return Bad(fmt::format("{} is not an array", name));
  size_t count = 0;
  std::string id;
  for (canonical::ArrayReader reader(raw); reader.Next();) {
    if (++count > limit) {
      return Bad(fmt::format("{} has more than {} entries", name, limit));
    }
    std::string_view value = reader.value();
    if (!rules.plain_event_references) {
      canonical::ArrayReader pair(value);
      if (!pair.Next())
        return Bad(fmt::format("{} has an entry that is no pair", name));
      value = pair.value();
      if (!pair.Next() || pair.Next()) {
        return Bad(fmt::format("{} has an entry that is no pair", name));
      }
    }
    MC_RETURN_IF_ERROR(ReadText(name, value, rules, &id));
    if (id.empty() || id.front() != '$') {
      return Bad(fmt::format("{} has an entry that is no event id", name));
    }
  }
  return OkStatus();
}

Status CheckNumbers(const EventFields& fields, const RoomVersionRules& rules) {
  const std::optional<int64_t> depth = canonical::Int(fields.depth);
  if (!depth.has_value() || *depth < 0 || *depth > rules.max_depth) {
    return Bad("depth is not an integer in the range of the room version");
  }
  if (!canonical::Int(fields.origin_server_ts).has_value()) {
    return Bad("origin_server_ts is not an integer");
  }
  return OkStatus();
}

Status CheckRoomId(const EventFields& fields, const RoomVersionRules& rules) {
  if (fields.room_id.empty() && rules.room_id_is_create_hash &&
      canonical::StringEquals(fields.type, kTypeCreate) &&
      canonical::StringEquals(fields.state_key, "")) {
    return OkStatus();
  }
  std::string room_id;
  MC_RETURN_IF_ERROR(ReadText("room_id", fields.room_id, rules, &room_id));
  if (!IsLongRoomId(room_id)) return Bad("room_id is not a room id");
  return OkStatus();
}

}  // namespace

Status CheckEventFormat(std::string_view canonical, const EventFields& fields,
                        const RoomVersionRules& rules) {
  if (canonical.size() > kMaxEventBytes) {
    return Status(StatusCode::kTooLarge, "M_TOO_LARGE",
                  fmt::format("the event has {} bytes, more than {}",
                              canonical.size(), kMaxEventBytes));
  }
  std::string text;
  MC_RETURN_IF_ERROR(ReadText("type", fields.type, rules, &text));
  MC_RETURN_IF_ERROR(ReadText("sender", fields.sender, rules, &text));
  if (!IsLongUserId(text)) return Bad("sender is not a user id");
  if (!fields.state_key.empty()) {
    MC_RETURN_IF_ERROR(ReadText("state_key", fields.state_key, rules, &text));
  }
  MC_RETURN_IF_ERROR(CheckRoomId(fields, rules));
  if (HasEventIdField(rules)) {
    MC_RETURN_IF_ERROR(ReadText("event_id", fields.event_id, rules, &text));
    if (text.size() < 2 || text.front() != '$') {
      return Bad("event_id is not an event id");
    }
  }
  if (!canonical::IsObject(fields.content))
    return Bad("content is not an object");
  if (!canonical::IsString(canonical::Member(fields.hashes, "sha256"))) {
    return Bad("hashes has no sha256");
  }
  if (!canonical::IsObject(fields.signatures)) {
    return Bad("signatures is not an object");
  }
  MC_RETURN_IF_ERROR(CheckNumbers(fields, rules));
  MC_RETURN_IF_ERROR(CheckReferences("prev_events", fields.prev_events,
                                     kMaxPrevEvents, rules));
  return CheckReferences("auth_events", fields.auth_events, kMaxAuthEvents,
                         rules);
}

}  // namespace matrixcore
