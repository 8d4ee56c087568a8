set(SRCS_accounts account_data.cc account_tables.cc account_changes.cc accounts.cc cross_signing.cc
    cross_signing_upload.cc dehydrated_devices.cc devices.cc e2ee_tables.cc key_backup.cc
    filters.cc key_claims.cc key_query.cc key_signatures.cc key_upload.cc keys.cc profiles.cc push_rules.cc registration.cc
    consistency.cc restored.cc to_device.cc token_cache.cc uia.cc unfinished.cc)
set(HDRS_accounts account_data.h account_tables.h accounts.h cross_signing.h
    dehydrated_devices.h devices.h e2ee_tables.h key_backup.h filters.h
    keys.h outcomes.h profiles.h push_rules.h registration.h restored.h consistency.h to_device.h uia.h unfinished.h)
set(TESTS_accounts accounts_test.cc key_claims_test.cc to_device_test.cc token_cache_test.cc uia_test.cc unfinished_test.cc)
