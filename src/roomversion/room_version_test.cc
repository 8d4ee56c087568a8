#include "matrixcore/roomversion/room_version.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace matrixcore {
namespace {

// The versions for which `flag` holds, as "6 7 8 9 10 11 12".
template <typename Flag>
std::string Where(Flag flag) {
  std::string out;
  for (const RoomVersionRules* rules : AllRoomVersions()) {
    if (!flag(*rules)) continue;
    if (!out.empty()) out += ' ';
    out += rules->id;
  }
  return out;
}

TEST(RoomVersionTest, KnowsVersionsOneToTwelveInOrder) {
  EXPECT_EQ(Where([](const RoomVersionRules&) { return true; }),
            "1 2 3 4 5 6 7 8 9 10 11 12");
  EXPECT_EQ(kDefaultRoomVersion, "12");
  ASSERT_NE(FindRoomVersion(kDefaultRoomVersion), nullptr);
}

TEST(RoomVersionTest, FindsByIdAndRefusesEverythingElse) {
  for (const RoomVersionRules* rules : AllRoomVersions()) {
    EXPECT_EQ(FindRoomVersion(rules->id), rules);
  }
  for (std::string_view id :
       {"", "0", "13", "01", "1 ", "org.matrix.msc3787"}) {
    EXPECT_EQ(FindRoomVersion(id), nullptr) << id;
  }
}

TEST(RoomVersionTest, EventFormat) {
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.event_id_format == EventIdFormat::kServerGiven;
            }),
            "1 2");
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.event_id_format == EventIdFormat::kBase64;
            }),
            "3");
  EXPECT_EQ(
      Where([](const RoomVersionRules& r) { return r.plain_event_references; }),
      "3 4 5 6 7 8 9 10 11 12");
  EXPECT_EQ(
      Where([](const RoomVersionRules& r) { return r.strict_canonical_json; }),
      "6 7 8 9 10 11 12");
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.max_depth == 9007199254740991;
            }),
            "6 7 8 9 10 11 12");
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.max_depth == 9223372036854775807;
            }),
            "1 2 3 4 5");
  EXPECT_EQ(
      Where([](const RoomVersionRules& r) { return r.redacts_in_content; }),
      "11 12");
  EXPECT_EQ(
      Where([](const RoomVersionRules& r) { return r.byte_length_limits; }),
      "11 12");
  EXPECT_EQ(
      Where([](const RoomVersionRules& r) { return r.room_id_is_create_hash; }),
      "12");
  EXPECT_EQ(
      Where([](const RoomVersionRules& r) { return r.enforce_key_validity; }),
      "5 6 7 8 9 10 11 12");
}

TEST(RoomVersionTest, Redaction) {
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.redaction_keeps_aliases;
            }),
            "1 2 3 4 5");
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.redaction_keeps_join_rule_allow;
            }),
            "8 9 10 11 12");
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.redaction_keeps_member_authorised;
            }),
            "9 10 11 12");
  EXPECT_EQ(Where([](const RoomVersionRules& r) { return r.redaction_v11; }),
            "11 12");
}

TEST(RoomVersionTest, AuthRules) {
  EXPECT_EQ(
      Where([](const RoomVersionRules& r) { return r.aliases_special_case; }),
      "1 2 3 4 5");
  EXPECT_EQ(
      Where([](const RoomVersionRules& r) { return r.redaction_event_rule; }),
      "1 2");
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.notifications_in_power_levels;
            }),
            "6 7 8 9 10 11 12");
  EXPECT_EQ(Where([](const RoomVersionRules& r) { return r.knock; }),
            "7 8 9 10 11 12");
  EXPECT_EQ(Where([](const RoomVersionRules& r) { return r.restricted_joins; }),
            "8 9 10 11 12");
  EXPECT_EQ(Where([](const RoomVersionRules& r) { return r.knock_restricted; }),
            "10 11 12");
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.power_level_format ==
                     PowerLevelFormat::kIntegersFloatsStrings;
            }),
            "1 2 3 4 5");
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.power_level_format == PowerLevelFormat::kIntegersStrings;
            }),
            "6 7 8 9");
  EXPECT_EQ(
      Where([](const RoomVersionRules& r) { return r.creator_is_sender; }),
      "11 12");
  EXPECT_EQ(
      Where([](const RoomVersionRules& r) { return r.creators_above_all; }),
      "12");
  EXPECT_EQ(
      Where([](const RoomVersionRules& r) { return r.create_in_auth_events; }),
      "1 2 3 4 5 6 7 8 9 10 11");
}

TEST(RoomVersionTest, StateResolution) {
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.state_resolution == StateResolution::kV1;
            }),
            "1");
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.state_resolution == StateResolution::kV2;
            }),
            "2 3 4 5 6 7 8 9 10 11");
  EXPECT_EQ(Where([](const RoomVersionRules& r) {
              return r.state_resolution == StateResolution::kV2_1;
            }),
            "12");
}

}  // namespace
}  // namespace matrixcore
