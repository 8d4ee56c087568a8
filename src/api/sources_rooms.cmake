set(SRCS_rooms directory.cc history.cc legacy_sync.cc membership.cc messages.cc
    moderation.cc relations.cc rooms.cc search.cc tags.cc)
set(TESTS_rooms)
