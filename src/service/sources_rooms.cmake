set(SRCS_rooms client_events.cc event_filter.cc)
set(HDRS_rooms client_events.h event_filter.h)
set(TESTS_rooms event_filter_test.cc)
