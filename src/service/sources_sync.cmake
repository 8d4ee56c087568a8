set(SRCS_sync ephemeral.cc ephemeral_tables.cc notifier.cc tokens.cc typing.cc)
set(HDRS_sync ephemeral.h ephemeral_tables.h notifier.h tokens.h)
set(TESTS_sync notifier_test.cc tokens_test.cc typing_test.cc)
