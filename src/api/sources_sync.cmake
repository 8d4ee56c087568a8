set(SRCS_sync ephemeral.cc sync.cc)
set(TESTS_sync)
