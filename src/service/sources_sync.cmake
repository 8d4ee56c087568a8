set(SRCS_sync notifier.cc tokens.cc)
set(HDRS_sync notifier.h tokens.h)
set(TESTS_sync notifier_test.cc tokens_test.cc)
