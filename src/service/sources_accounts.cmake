set(SRCS_accounts account_data.cc account_tables.cc accounts.cc devices.cc
    filters.cc key_upload.cc keys.cc profiles.cc push_rules.cc registration.cc
    token_cache.cc uia.cc)
set(HDRS_accounts account_data.h account_tables.h accounts.h devices.h filters.h
    keys.h profiles.h push_rules.h registration.h uia.h)
set(TESTS_accounts accounts_test.cc token_cache_test.cc uia_test.cc)
