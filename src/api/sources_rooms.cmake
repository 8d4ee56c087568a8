set(SRCS_rooms history.cc membership.cc messages.cc rooms.cc)
set(TESTS_rooms)
