set(SRCS_rooms history.cc membership.cc messages.cc rooms.cc tags.cc)
set(TESTS_rooms)
