set(SRCS_rooms client_events.cc event_filter.cc history.cc messages.cc
               room_creation.cc rooms.cc)
set(HDRS_rooms client_events.h event_filter.h history.h messages.h rooms.h)
set(TESTS_rooms event_filter_test.cc)
