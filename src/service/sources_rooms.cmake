set(SRCS_rooms canonical_alias.cc client_events.cc client_relations.cc directory.cc event_filter.cc
               history.cc identity.cc invite_permission.cc joining.cc legacy_news.cc legacy_sync.cc
               messages.cc notice_purge.cc openid.cc relations.cc reports.cc room_creation.cc
               room_preview_json.cc room_settings.cc room_tables.cc room_upgrade.cc
               room_window.cc rooms.cc search.cc search_follower.cc spaces.cc
               state_rules.cc third_party_invites.cc third_party_proof.cc
               user_directory.cc)
set(HDRS_rooms client_events.h directory.h event_filter.h history.h identity.h legacy_sync.h
               messages.h notice_purge.h openid.h relations.h reports.h room_tables.h rooms.h search.h
               search_follower.h user_directory.h)
set(TESTS_rooms event_filter_test.cc identity_test.cc room_settings_test.cc
                search_follower_test.cc user_directory_test.cc)
