set(SRCS_sync delayed_events.cc ephemeral.cc ephemeral_tables.cc event_fields.cc lazy_members.cc
    notifications.cc notifier.cc presence.cc push_profiles.cc read_state_check.cc room_facts.cc sync.cc sync_account.cc sync_block.cc sync_builder.cc
    sync_devices.cc sync_rooms.cc sync_state.cc sync_timeline.cc sync_typing.cc
    sync_waiter.cc sync_writer.cc sliding_builder.cc sliding_config.cc
    sliding_connections.cc sliding_extensions.cc sliding_lists.cc
    sliding_request.cc sliding_room.cc sliding_state.cc sliding_tables.cc
    sliding_writer.cc
    thread_subscriptions.cc tokens.cc typing.cc unread_reader.cc
    unread_tables.cc unread_tracker.cc)
set(HDRS_sync delayed_events.h ephemeral.h ephemeral_tables.h notifications.h notifier.h
    presence.h push_profiles.h read_state_check.h sliding_sync.h sliding_tables.h sync.h thread_subscriptions.h tokens.h unread.h
    unread_tables.h)
set(TESTS_sync ephemeral_test.cc event_fields_test.cc lazy_members_test.cc
    notifier_test.cc read_state_check_test.cc room_facts_test.cc sliding_connections_test.cc
    sliding_extensions_test.cc sliding_lists_test.cc sliding_request_test.cc
    sliding_room_test.cc sliding_state_test.cc sliding_sync_test.cc sync_interleaving_test.cc sync_test.cc sync_wait_test.cc tokens_test.cc
    typing_test.cc unread_test.cc)
