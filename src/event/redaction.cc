#include "matrixcore/event/redaction.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "event/canonical_reader.h"
#include "event/redact_canonical.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/event/types.h"

namespace matrixcore {
namespace {

using Keys = std::span<const std::string_view>;

constexpr std::array<std::string_view, 12> kTopLevel = {
    "auth_events", "content",          "depth",       "event_id",
    "hashes",      "origin_server_ts", "prev_events", "room_id",
    "sender",      "signatures",       "state_key",   "type"};
// Protected until version 11.
constexpr std::array<std::string_view, 3> kTopLevelOld = {
    "membership", "origin", "prev_state"};

constexpr std::array<std::string_view, 8> kPowerLevelKeys = {
    "ban",    "events",        "events_default", "kick",
    "redact", "state_default", "users",          "users_default"};

bool Contains(Keys keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool KeepsTopLevel(std::string_view key, const RoomVersionRules& rules) {
  return Contains(kTopLevel, key) ||
         (!rules.redaction_v11 && Contains(kTopLevelOld, key));
}

// Whether the content key of an event of that type survives.
bool KeepsContentKey(std::string_view type, std::string_view key,
                     const RoomVersionRules& rules) {
  if (type == kTypeMember) {
    return key == "membership" || (key == "join_authorised_via_users_server" &&
                                   rules.redaction_keeps_member_authorised);
  }
  if (type == kTypeCreate) return rules.redaction_v11 || key == "creator";
  if (type == kTypeJoinRules) {
    return key == "join_rule" ||
           (key == "allow" && rules.redaction_keeps_join_rule_allow);
  }
  if (type == kTypePowerLevels) {
    return Contains(kPowerLevelKeys, key) ||
           (key == "invite" && rules.redaction_v11);
  }
  if (type == kTypeAliases) {
    return key == "aliases" && rules.redaction_keeps_aliases;
  }
  if (type == kTypeHistoryVisibility) return key == "history_visibility";
  if (type == kTypeRedaction) return key == "redacts" && rules.redaction_v11;
  return false;
}

void AppendMember(std::string_view key, std::string_view value, size_t begin,
                  std::string* out) {
  if (out->size() > begin + 1) *out += ',';
  *out += '"';
  *out += key;
  *out += "\":";
  *out += value;
}

}  // namespace

void AppendRedactedContent(std::string_view type, std::string_view content,
                           const RoomVersionRules& rules, std::string* out) {
  const std::string_view name = canonical::StringBody(type);
  if (rules.redaction_v11 && name == kTypeCreate) {
    *out += content;
    return;
  }
  const size_t begin = out->size();
  *out += '{';
  for (canonical::ObjectReader reader(content); reader.Next();) {
    const std::string_view key = reader.key();
    if (KeepsContentKey(name, key, rules)) {
      AppendMember(key, reader.value(), begin, out);
    } else if (rules.redaction_v11 && name == kTypeMember &&
               key == "third_party_invite" &&
               canonical::IsObject(reader.value())) {
      const std::string_view kept = canonical::Member(reader.value(), "signed");
      AppendMember(key, "{", begin, out);
      if (!kept.empty()) {
        *out += "\"signed\":";
        *out += kept;
      }
      *out += '}';
    }
  }
  *out += '}';
}

std::string RedactCanonical(std::string_view canonical, std::string_view type,
                            const RoomVersionRules& rules, RedactedForm form) {
  const bool has_event_id = HasEventIdField(rules);
  std::string out;
  out.reserve(canonical.size());
  out += '{';
  for (canonical::ObjectReader reader(canonical); reader.Next();) {
    const std::string_view key = reader.key();
    if (!KeepsTopLevel(key, rules)) continue;
    if (form == RedactedForm::kSigned &&
        (key == "signatures" || (key == "event_id" && !has_event_id))) {
      continue;
    }
    if (key == "content" && canonical::IsObject(reader.value())) {
      AppendMember(key, "", 0, &out);
      AppendRedactedContent(type, reader.value(), rules, &out);
    } else {
      AppendMember(key, reader.value(), 0, &out);
    }
  }
  out += '}';
  return out;
}

std::string EventIdFromHash(const Sha256Digest& hash,
                            const RoomVersionRules& rules) {
  return "$" +
         Base64Encode(hash, rules.event_id_format == EventIdFormat::kBase64
                                ? Base64Alphabet::kStandard
                                : Base64Alphabet::kUrlSafe);
}

std::string EventIdOf(std::string_view canonical, const EventFields& fields,
                      const RoomVersionRules& rules) {
  if (HasEventIdField(rules)) {
    std::string id;
    canonical::AppendUnescaped(canonical::StringBody(fields.event_id), &id);
    return id;
  }
  return EventIdFromHash(Sha256(RedactCanonical(canonical, fields.type, rules,
                                                RedactedForm::kSigned)),
                         rules);
}

Result<std::string> RedactJson(json::Value event,
                               const RoomVersionRules& rules) {
  // An event_id survives in every version, whether or not it belongs there.
  MC_ASSIGN_OR_RETURN(
      const std::string canonical,
      CanonicalEvent(event, /*keep_event_id=*/true, json::NumberRule::kLax));
  EventFields fields;
  fields.Read(canonical);
  return RedactCanonical(canonical, fields.type, rules,
                         RedactedForm::kComplete);
}

Result<EventPtr> RedactEvent(const Event& event) {
  EventFields fields;
  fields.Read(event.json());
  return Event::FromStored(
      RedactCanonical(event.json(), fields.type, event.rules(),
                      RedactedForm::kComplete),
      event.event_id(), event.rules());
}

}  // namespace matrixcore
