set(SRCS_sync delayed_events.cc ephemeral.cc ephemeral_tables.cc event_fields.cc lazy_members.cc
    notifications.cc notifier.cc presence.cc push_profiles.cc sync.cc sync_account.cc sync_block.cc sync_builder.cc
    sync_devices.cc sync_rooms.cc sync_state.cc sync_timeline.cc sync_typing.cc sync_writer.cc
    thread_subscriptions.cc tokens.cc typing.cc unread_reader.cc
    unread_tables.cc unread_tracker.cc)
set(HDRS_sync delayed_events.h ephemeral.h ephemeral_tables.h notifications.h notifier.h
    presence.h push_profiles.h sync.h thread_subscriptions.h tokens.h unread.h
    unread_tables.h)
set(TESTS_sync ephemeral_test.cc event_fields_test.cc lazy_members_test.cc
    notifier_test.cc sync_test.cc sync_wait_test.cc tokens_test.cc
    typing_test.cc unread_test.cc)
