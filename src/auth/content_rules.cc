#include "auth/content_rules.h"

#include <algorithm>
#include <string>
#include <vector>

#include "auth/auth_keys.h"
#include "auth/rule_engine.h"
#include "event/canonical_reader.h"
#include "event/power_level.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/views.h"
#include "matrixcore/id/identifiers.h"

namespace matrixcore::auth_rules {
namespace {

using canonical::ArrayReader;
using canonical::Member;
using canonical::ObjectReader;

bool HasBadAdditionalCreators(std::string_view content) {
  const std::string_view raw = Member(content, "additional_creators");
  if (raw.empty()) return false;
  ArrayReader reader(raw);
  while (reader.Next()) {
    const Text user(reader.value());
    if (!user.is_string() || !IsUserId(user.view())) return true;
  }
  return !reader.complete();
}

bool HasUnknownVersion(std::string_view content) {
  const std::string_view raw = Member(content, "room_version");
  if (raw.empty()) return false;
  const Text version(raw);
  return !version.is_string() || FindRoomVersion(version.view()) == nullptr;
}

// An object whose values are all levels.
bool IsLevelMap(std::string_view raw, PowerLevelFormat format) {
  ObjectReader reader(raw);
  while (reader.Next()) {
    if (!ParsePowerLevel(reader.value(), format).has_value()) return false;
  }
  return reader.complete();
}

bool IsUserLevelMap(std::string_view raw, PowerLevelFormat format) {
  if (!IsLevelMap(raw, format)) return false;
  std::string decoded;
  for (ObjectReader reader(raw); reader.Next();) {
    std::string_view user = reader.key();
    if (canonical::HasEscapes(user)) {
      decoded.clear();
      canonical::AppendUnescaped(user, &decoded);
      user = decoded;
    }
    if (!IsUserId(user)) return false;
  }
  return true;
}

bool NamesCreator(std::string_view users, const Event& create) {
  if (canonical::MemberNamed(users, create.sender()) != "") return true;
  ArrayReader more(Member(create.content_json(), "additional_creators"));
  while (more.Next()) {
    const Text user(more.value());
    if (canonical::MemberNamed(users, user.view()) != "") return true;
  }
  return false;
}

// Calls visit(key, old value, new value) for each key of two objects; "" where
// there is none.  Both are sorted, so one walk is enough.  Stops at false.
template <typename Visit>
bool ForEachPair(std::string_view old_object, std::string_view new_object,
                 Visit visit) {
  ObjectReader a(old_object);
  ObjectReader b(new_object);
  bool has_a = a.Next();
  bool has_b = b.Next();
  while (has_a || has_b) {
    const int order = !has_a   ? 1
                      : !has_b ? -1
                               : canonical::CompareBodies(a.key(), b.key());
    const std::string_view none;
    if (!visit(order <= 0 ? a.key() : b.key(), order <= 0 ? a.value() : none,
               order >= 0 ? b.value() : none)) {
      return false;
    }
    if (order <= 0) has_a = a.Next();
    if (order >= 0) has_b = b.Next();
  }
  return true;
}

// Whether a signature by one of the invite's public keys is in `signed_json`.
bool HasSignatureOfInviter(std::string_view signed_json,
                           std::string_view inviter_content) {
  std::vector<Ed25519PublicKey> keys;
  const auto add = [&keys](std::string_view raw) {
    if (const auto key = ParseEd25519PublicKey(canonical::StringBody(raw))) {
      keys.push_back(*key);
    }
  };
  add(Member(inviter_content, "public_key"));
  ArrayReader list(Member(inviter_content, "public_keys"));
  while (list.Next()) add(Member(list.value(), "public_key"));

  std::string message = "{";
  for (ObjectReader reader(signed_json); reader.Next();) {
    if (reader.key() == "signatures" || reader.key() == "unsigned") continue;
    if (message.size() > 1) message += ',';
    message += '"';
    message += reader.key();
    message += "\":";
    message += reader.value();
  }
  message += '}';

  ObjectReader servers(Member(signed_json, "signatures"));
  while (servers.Next()) {
    for (ObjectReader entry(servers.value()); entry.Next();) {
      if (entry.key().substr(0, 8) != "ed25519:") continue;
      const auto signature =
          ParseEd25519Signature(canonical::StringBody(entry.value()));
      if (!signature.has_value()) continue;
      for (const Ed25519PublicKey& key : keys) {
        if (Ed25519Verify(key, AsBytes(message), *signature)) return true;
      }
    }
  }
  return false;
}

}  // namespace

Rule CheckCreate(const Event& create) {
  const RoomVersionRules& rules = create.rules();
  const std::string_view content = create.content_json();
  if (!create.prev_events().empty()) return Rule::kCreateHasPrevEvents;
  if (rules.room_id_is_create_hash) {
    if (!Member(create.json(), "room_id").empty()) {
      return Rule::kCreateHasRoomId;
    }
  } else if (DomainOf(create.room_id()) != DomainOf(create.sender())) {
    return Rule::kCreateRoomIdMismatch;
  }
  if (HasUnknownVersion(content)) return Rule::kCreateUnknownVersion;
  if (!rules.creator_is_sender && Member(content, "creator").empty()) {
    return Rule::kCreateNoCreator;
  }
  if (rules.creators_above_all && HasBadAdditionalCreators(content)) {
    return Rule::kCreateBadAdditionalCreators;
  }
  return Rule::kAllowed;
}

JoinRule JoinRuleIn(std::string_view content) {
  const std::string_view raw = Member(content, "join_rule");
  if (raw.empty()) return JoinRule::kInvite;
  return canonical::IsString(raw) ? ParseJoinRule(canonical::StringBody(raw))
                                  : JoinRule::kOther;
}

Rule CheckPowerLevelsFormat(std::string_view content, const Event* create,
                            const RoomVersionRules& rules) {
  const PowerLevelFormat format = rules.power_level_format;
  if (format == PowerLevelFormat::kIntegers) {
    for (const std::string_view name : kScalarNames) {
      const std::string_view raw = Member(content, name);
      if (!raw.empty() && !ParsePowerLevel(raw, format).has_value()) {
        return Rule::kPowerLevelsMalformed;
      }
    }
    for (const std::string_view name : {"events", "notifications"}) {
      const std::string_view raw = Member(content, name);
      if (!raw.empty() && !IsLevelMap(raw, format)) {
        return Rule::kPowerLevelsMalformed;
      }
    }
  }
  const std::string_view users = Member(content, "users");
  if (users.empty()) return Rule::kAllowed;
  if (!IsUserLevelMap(users, format)) return Rule::kPowerLevelsMalformed;
  if (rules.creators_above_all && create != nullptr &&
      NamesCreator(users, *create)) {
    return Rule::kPowerLevelsNamesCreator;
  }
  return Rule::kAllowed;
}

Rule CheckPowerLevelsChange(std::string_view old_content,
                            std::string_view new_content,
                            std::string_view sender, int64_t sender_level,
                            const RoomVersionRules& rules) {
  const PowerLevelFormat format = rules.power_level_format;
  for (const std::string_view name : kScalarNames) {
    if (!MayChange(ParsePowerLevel(Member(old_content, name), format),
                   ParsePowerLevel(Member(new_content, name), format),
                   sender_level)) {
      return Rule::kPowerLevelsChange;
    }
  }
  for (const std::string_view name : {"events", "notifications"}) {
    if (name == "notifications" && !rules.notifications_in_power_levels)
      continue;
    const bool fine = ForEachPair(
        Member(old_content, name), Member(new_content, name),
        [&](std::string_view, std::string_view a, std::string_view b) {
          return MayChange(ParsePowerLevel(a, format),
                           ParsePowerLevel(b, format), sender_level);
        });
    if (!fine) return Rule::kPowerLevelsChange;
  }
  const bool fine = ForEachPair(
      Member(old_content, "users"), Member(new_content, "users"),
      [&](std::string_view user, std::string_view a, std::string_view b) {
        return MayChangeUser(ParsePowerLevel(a, format),
                             ParsePowerLevel(b, format), sender_level,
                             canonical::BodyEquals(user, sender));
      });
  return fine ? Rule::kAllowed : Rule::kPowerLevelsUserChange;
}

bool IsThirdPartyInviteValid(std::string_view signed_json,
                             std::string_view target,
                             std::string_view token_content) {
  const Text mxid(Member(signed_json, "mxid"));
  const Text token(Member(signed_json, "token"));
  return mxid.is_string() && token.is_string() && mxid.view() == target &&
         HasSignatureOfInviter(signed_json, token_content);
}

}  // namespace matrixcore::auth_rules
