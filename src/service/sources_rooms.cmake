set(SRCS_rooms client_events.cc client_relations.cc event_filter.cc history.cc
               legacy_sync.cc messages.cc relations.cc room_creation.cc room_window.cc
               rooms.cc search.cc search_follower.cc)
set(HDRS_rooms client_events.h event_filter.h history.h legacy_sync.h messages.h
               relations.h rooms.h search.h search_follower.h)
set(TESTS_rooms event_filter_test.cc)
