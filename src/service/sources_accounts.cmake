set(SRCS_accounts account_tables.cc accounts.cc token_cache.cc)
set(HDRS_accounts account_tables.h accounts.h)
set(TESTS_accounts accounts_test.cc)
