set(SRCS_core params.cc)
set(TESTS_core)
