#include "matrixcore/service/account_tables.h"

#include "matrixcore/service/e2ee_tables.h"

namespace matrixcore::tables {

using enum ColumnType;

const TableSpec kServerInfo{
    .name = "server_info",
    .columns = {{"name", kText}, {"value", kText}},
    .key_columns = 1,
};

const TableSpec kUsers{
    .name = "users",
    .columns = {{"user_id", kText},
                {"password_hash", kText, true},
                {"created_ts", kInt64},
                {"guest", kInt64},
                {"admin", kInt64},
                {"deactivated_ts", kInt64, true},
                {"erased", kInt64},
                {"locked", kInt64},
                {"suspended", kInt64}},
    .key_columns = 1,
};

const TableSpec kUnfinished{
    .name = "unfinished",
    .columns = {{"kind", kText},
                {"user_id", kText},
                {"key", kText},
                {"pos", kInt64}},
    .key_columns = 3,
    .since = 3,
};

const TableSpec kDevices{
    .name = "devices",
    .columns = {{"user_id", kText},
                {"device_id", kText},
                {"display_name", kText, true},
                {"created_ts", kInt64}},
    .key_columns = 2,
};

const TableSpec kDeviceActivity{
    .name = "device_activity",
    .columns = {{"user_id", kText},
                {"device_id", kText},
                {"address", kText},
                {"ts", kInt64}},
    .key_columns = 2,
};

const TableSpec kAccessTokens{
    .name = "access_tokens",
    .columns = {{"user_id", kText},
                {"device_id", kText},
                {"hash", kBlob},
                {"expires_ts", kInt64, true},
                {"replaces", kBlob, true}},
    .key_columns = 3,
    .indexes = {{"hash", {AccessTokens::kHash}, true}},
};

const TableSpec kRefreshTokens{
    .name = "refresh_tokens",
    .columns = {{"user_id", kText},
                {"device_id", kText},
                {"hash", kBlob},
                {"access", kBlob},
                {"next_access", kBlob, true},
                {"next_refresh", kBlob, true},
                {"replaces", kBlob, true}},
    .key_columns = 3,
    .indexes = {{"hash", {RefreshTokens::kHash}, true}},
};

const TableSpec kRegistrationTokens{
    .name = "registration_tokens",
    .columns = {{"token", kText},
                {"uses_allowed", kInt64, true},
                {"completed", kInt64},
                {"expires_ts", kInt64, true}},
    .key_columns = 1,
};

const TableSpec kProfiles{
    .name = "profiles",
    .columns = {{"user_id", kText}, {"field", kText}, {"json", kText}},
    .key_columns = 2,
};

const TableSpec kAccountData{
    .name = "account_data",
    .columns = {{"user_id", kText},
                {"room_id", kText},
                {"type", kText},
                {"json", kText},
                {"pos", kInt64}},
    .key_columns = 3,
    .indexes = {{"pos", {AccountData::kUser, AccountData::kPos}}},
};

const TableSpec kFilters{
    .name = "filters",
    .columns = {{"user_id", kText},
                {"id", kInt64},
                {"hash", kBlob},
                {"json", kText}},
    .key_columns = 2,
    .indexes = {{"hash", {Filters::kUser, Filters::kHash}, true}},
};

const TableSpec kDeviceKeys{
    .name = "device_keys",
    .columns = {{"user_id", kText}, {"device_id", kText}, {"json", kText}},
    .key_columns = 2,
};

const TableSpec kOneTimeKeys{
    .name = "one_time_keys",
    .columns = {{"user_id", kText},
                {"device_id", kText},
                {"algorithm", kText},
                {"pos", kInt64},
                {"idx", kInt64},
                {"key_id", kText},
                {"json", kText}},
    .key_columns = 5,
};

const TableSpec kOneTimeKeyCounts{
    .name = "one_time_key_counts",
    .columns = {{"user_id", kText},
                {"device_id", kText},
                {"algorithm", kText},
                {"count", kInt64},
                {"uploaded", kInt64}},
    .key_columns = 3,
};

const TableSpec kKeyCountChanges{
    .name = "key_count_changes",
    .columns = {{"user_id", kText}, {"device_id", kText}, {"pos", kInt64}},
    .key_columns = 2,
};

const TableSpec kClaimedKeys{
    .name = "claimed_keys",
    .columns = {{"user_id", kText},
                {"device_id", kText},
                {"key_id", kText},
                {"key", kText},
                {"ts", kInt64}},
    .key_columns = 3,
};

const TableSpec kFallbackKeys{
    .name = "fallback_keys",
    .columns = {{"user_id", kText},
                {"device_id", kText},
                {"algorithm", kText},
                {"key_id", kText},
                {"json", kText},
                {"used", kInt64}},
    .key_columns = 3,
};

const TableSpec kDeviceListChanges{
    .name = "device_list_changes",
    .columns = {{"user_id", kText}, {"pos", kInt64}},
    .key_columns = 1,
    .indexes = {{"pos", {DeviceListChanges::kPos}}},
};

const TableSpec kUserWords{
    .name = "user_words",
    .columns = {{"user_id", kText}, {"word", kText}},
    .key_columns = 2,
    .indexes = {{"word", {UserWords::kWord}}},
};

const TableSpec kOpenIdTokens{
    .name = "openid_tokens",
    .columns = {{"hash", kBlob}, {"user_id", kText}, {"expires_ts", kInt64}},
    .key_columns = 1,
    .indexes = {{"expires", {OpenIdTokens::kExpires}}},
};

const TableSpec kReports{
    .name = "reports",
    .columns = {{"id", kInt64},
                {"ts", kInt64},
                {"reporter", kText},
                {"room_id", kText, true},
                {"event_id", kText, true},
                {"user_id", kText, true},
                {"reason", kText, true}},
    .key_columns = 1,
};

const TableSpec kToDevice{
    .name = "to_device",
    .columns = {{"user_id", kText},
                {"device_id", kText},
                {"pos", kInt64},
                {"json", kText}},
    .key_columns = 3,
    .large_rows = true,
};

const TableSpec kToDeviceSizes{
    .name = "to_device_sizes",
    .columns = {{"user_id", kText}, {"device_id", kText}, {"bytes", kInt64}},
    .key_columns = 2,
};

std::vector<TableSpec> AccountTables() {
  std::vector<TableSpec> tables = {kServerInfo,      kUsers,
                                   kUnfinished,      kDevices,
                                   kDeviceActivity,  kAccessTokens,
                                   kRefreshTokens,   kRegistrationTokens,
                                   kProfiles,        kAccountData,
                                   kFilters,         kDeviceKeys,
                                   kOneTimeKeys,     kOneTimeKeyCounts,
                                   kKeyCountChanges, kClaimedKeys,
                                   kFallbackKeys,    kDeviceListChanges,
                                   kUserWords,       kOpenIdTokens,
                                   kReports,         kToDevice,
                                   kToDeviceSizes};
  for (const TableSpec& table : E2eeTables()) tables.push_back(table);
  return tables;
}

}  // namespace matrixcore::tables
