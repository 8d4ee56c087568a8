#include "matrixcore/service/e2ee_tables.h"

namespace matrixcore::tables {

using enum ColumnType;

const TableSpec kCrossSigningKeys{
    .name = "cross_signing_keys",
    .columns = {{"user_id", kText},
                {"usage", kText},
                {"public_key", kText},
                {"json", kText}},
    .key_columns = 2,
};

const TableSpec kKeySignatures{
    .name = "key_signatures",
    .columns = {{"user_id", kText},
                {"key_id", kText},
                {"signer", kText},
                {"signer_key", kText},
                {"signature", kText}},
    .key_columns = 4,
};

const TableSpec kOwnSignatureChanges{
    .name = "own_signature_changes",
    .columns = {{"signer", kText}, {"user_id", kText}, {"pos", kInt64}},
    .key_columns = 2,
    .indexes = {{"pos",
                 {OwnSignatureChanges::kSigner, OwnSignatureChanges::kPos}}},
};

const TableSpec kKeyBackups{
    .name = "key_backups",
    .columns = {{"user_id", kText},
                {"version", kInt64},
                {"algorithm", kText},
                {"auth_data", kText},
                {"count", kInt64},
                {"etag", kInt64},
                {"deleted", kInt64}},
    .key_columns = 2,
};

const TableSpec kBackedUpKeys{
    .name = "backed_up_keys",
    .columns = {{"user_id", kText},
                {"version", kInt64},
                {"room_id", kText},
                {"session_id", kText},
                {"first_index", kInt64},
                {"forwarded", kInt64},
                {"verified", kInt64},
                {"json", kText}},
    .key_columns = 4,
    .large_rows = true,
};

const TableSpec kDehydratedDevices{
    .name = "dehydrated_devices",
    .columns = {{"user_id", kText}, {"device_id", kText}, {"data", kText}},
    .key_columns = 2,
};

std::vector<TableSpec> E2eeTables() {
  return {kCrossSigningKeys, kKeySignatures, kOwnSignatureChanges,
          kKeyBackups,       kBackedUpKeys,  kDehydratedDevices};
}

}  // namespace matrixcore::tables
