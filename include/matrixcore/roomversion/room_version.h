// Room versions as data: every difference between versions 1 to 12 is a named
// member of RoomVersionRules.  No other code compares version strings.
//
// Spec: content/rooms/v1.md .. v12.md.  To add a version see
// docs/adding-a-room-version.md.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace matrixcore {

enum class EventIdFormat : uint8_t {
  kServerGiven,    // v1-2: "$opaque:domain", in the event's event_id.
  kBase64,         // v3: "$" + standard base64 of the reference hash.
  kUrlSafeBase64,  // v4+: the same, URL-safe.
};
enum class StateResolution : uint8_t { kV1, kV2, kV2_1 };
enum class PowerLevelFormat : uint8_t {
  kIntegersFloatsStrings,  // v1-5
  kIntegersStrings,        // v6-9
  kIntegers,               // v10+
};

struct RoomVersionRules {
  std::string_view id;
  bool stable = true;

  // Events.
  EventIdFormat event_id_format = EventIdFormat::kServerGiven;
  bool strict_canonical_json = false;   // v6+
  bool plain_event_references = false;  // v3+: ids, not [id, hashes] pairs
  bool redacts_in_content = false;      // v11+
  bool room_id_is_create_hash = false;  // v12+: create has no room_id
  bool enforce_key_validity = false;    // v5+
  bool byte_length_limits = false;      // v11+: 255 counts bytes everywhere
  int64_t max_depth = 0;

  // Redaction: what survives.
  bool redaction_keeps_aliases = true;             // v1-5
  bool redaction_keeps_join_rule_allow = false;    // v8+
  bool redaction_keeps_member_authorised = false;  // v9+
  bool redaction_v11 = false;                      // v11+

  // Auth rules.
  bool aliases_special_case = true;            // v1-5: m.room.aliases
  bool redaction_event_rule = true;            // v1-2: m.room.redaction
  bool notifications_in_power_levels = false;  // v6+
  bool knock = false;                          // v7+
  bool restricted_joins = false;               // v8+
  bool knock_restricted = false;               // v10+
  PowerLevelFormat power_level_format =
      PowerLevelFormat::kIntegersFloatsStrings;
  bool creator_is_sender = false;     // v11+: content.creator is not needed
  bool creators_above_all = false;    // v12+: infinite level, MSC4289
  bool create_in_auth_events = true;  // v1-11

  StateResolution state_resolution = StateResolution::kV1;
};

// The rules of a version, or nullptr: an unknown version is refused by
// everyone. The result lives as long as the program.
const RoomVersionRules* FindRoomVersion(std::string_view id);

// Every version that is known, oldest first.
std::span<const RoomVersionRules* const> AllRoomVersions();

// The specification's default for new rooms.
inline constexpr std::string_view kDefaultRoomVersion = "12";

}  // namespace matrixcore
