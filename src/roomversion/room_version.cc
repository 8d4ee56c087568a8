#include "matrixcore/roomversion/room_version.h"

#include <array>

namespace matrixcore {
namespace {

// Each version is its predecessor with the differences that its page of the
// specification names.
using Change = void (*)(RoomVersionRules&);

constexpr RoomVersionRules Derive(RoomVersionRules rules, std::string_view id,
                                  Change change) {
  rules.id = id;
  change(rules);
  return rules;
}

constexpr int64_t kMaxInt = INT64_MAX;
constexpr int64_t kMaxCanonicalInt = (int64_t{1} << 53) - 1;

constexpr RoomVersionRules kV1 =
    Derive({}, "1", [](RoomVersionRules& r) { r.max_depth = kMaxInt; });

constexpr RoomVersionRules kV2 = Derive(kV1, "2", [](RoomVersionRules& r) {
  r.state_resolution = StateResolution::kV2;
});

constexpr RoomVersionRules kV3 = Derive(kV2, "3", [](RoomVersionRules& r) {
  r.event_id_format = EventIdFormat::kBase64;
  r.plain_event_references = true;
  r.redaction_event_rule = false;
});

constexpr RoomVersionRules kV4 = Derive(kV3, "4", [](RoomVersionRules& r) {
  r.event_id_format = EventIdFormat::kUrlSafeBase64;
});

constexpr RoomVersionRules kV5 = Derive(
    kV4, "5", [](RoomVersionRules& r) { r.enforce_key_validity = true; });

constexpr RoomVersionRules kV6 = Derive(kV5, "6", [](RoomVersionRules& r) {
  r.strict_canonical_json = true;
  r.max_depth = kMaxCanonicalInt;
  r.redaction_keeps_aliases = false;
  r.aliases_special_case = false;
  r.notifications_in_power_levels = true;
  r.power_level_format = PowerLevelFormat::kIntegersStrings;
});

constexpr RoomVersionRules kV7 =
    Derive(kV6, "7", [](RoomVersionRules& r) { r.knock = true; });

constexpr RoomVersionRules kV8 = Derive(kV7, "8", [](RoomVersionRules& r) {
  r.restricted_joins = true;
  r.redaction_keeps_join_rule_allow = true;
});

constexpr RoomVersionRules kV9 = Derive(kV8, "9", [](RoomVersionRules& r) {
  r.redaction_keeps_member_authorised = true;
});

constexpr RoomVersionRules kV10 = Derive(kV9, "10", [](RoomVersionRules& r) {
  r.knock_restricted = true;
  r.power_level_format = PowerLevelFormat::kIntegers;
});

constexpr RoomVersionRules kV11 = Derive(kV10, "11", [](RoomVersionRules& r) {
  r.redacts_in_content = true;
  r.redaction_v11 = true;
  r.creator_is_sender = true;
  r.byte_length_limits = true;
});

constexpr RoomVersionRules kV12 = Derive(kV11, "12", [](RoomVersionRules& r) {
  r.room_id_is_create_hash = true;
  r.creators_above_all = true;
  r.create_in_auth_events = false;
  r.state_resolution = StateResolution::kV2_1;
});

constexpr std::array<const RoomVersionRules*, 12> kAll = {
    &kV1, &kV2, &kV3, &kV4, &kV5, &kV6, &kV7, &kV8, &kV9, &kV10, &kV11, &kV12};

}  // namespace

const RoomVersionRules* FindRoomVersion(std::string_view id) {
  for (const RoomVersionRules* rules : kAll) {
    if (rules->id == id) return rules;
  }
  return nullptr;
}

std::span<const RoomVersionRules* const> AllRoomVersions() { return kAll; }

}  // namespace matrixcore
