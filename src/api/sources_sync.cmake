set(SRCS_sync delayed_events.cc ephemeral.cc notifications.cc presence.cc sliding_sync.cc sync.cc thread_subscriptions.cc)
set(TESTS_sync delayed_events_test.cc presence_test.cc thread_subscriptions_test.cc)
