set(SRCS_sync tokens.cc)
set(HDRS_sync notifier.h tokens.h)
set(TESTS_sync tokens_test.cc)
