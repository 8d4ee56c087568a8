set(SRCS_rooms history.cc legacy_sync.cc membership.cc messages.cc relations.cc
    rooms.cc search.cc tags.cc)
set(TESTS_rooms)
