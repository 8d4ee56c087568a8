set(SRCS_sync ephemeral.cc notifications.cc sync.cc thread_subscriptions.cc)
set(TESTS_sync thread_subscriptions_test.cc)
