// Names of the event types that the protocol itself reads.
#pragma once

#include <string_view>

namespace matrixcore {

inline constexpr std::string_view kTypeCreate = "m.room.create";
inline constexpr std::string_view kTypeMember = "m.room.member";
inline constexpr std::string_view kTypePowerLevels = "m.room.power_levels";
inline constexpr std::string_view kTypeJoinRules = "m.room.join_rules";
inline constexpr std::string_view kTypeHistoryVisibility =
    "m.room.history_visibility";
inline constexpr std::string_view kTypeThirdPartyInvite =
    "m.room.third_party_invite";
inline constexpr std::string_view kTypeRedaction = "m.room.redaction";
inline constexpr std::string_view kTypeCanonicalAlias =
    "m.room.canonical_alias";
inline constexpr std::string_view kTypeAliases = "m.room.aliases";
inline constexpr std::string_view kTypeName = "m.room.name";
inline constexpr std::string_view kTypeTopic = "m.room.topic";
inline constexpr std::string_view kTypeAvatar = "m.room.avatar";
inline constexpr std::string_view kTypeGuestAccess = "m.room.guest_access";
inline constexpr std::string_view kTypeEncryption = "m.room.encryption";
inline constexpr std::string_view kTypeEncrypted = "m.room.encrypted";
inline constexpr std::string_view kTypeTombstone = "m.room.tombstone";
inline constexpr std::string_view kTypeServerAcl = "m.room.server_acl";
inline constexpr std::string_view kTypePolicy = "m.room.policy";
inline constexpr std::string_view kTypeMessage = "m.room.message";

}  // namespace matrixcore
