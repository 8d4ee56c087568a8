set(SRCS_core account.cc account_data.cc admin.cc cross_signing.cc
    dehydrated_devices.cc devices.cc errors.cc filters.cc
    homeserver.cc key_backup.cc keys.cc login.cc params.cc profile.cc push_rules.cc
    rate_limiter.cc request_metrics.cc route_table.cc router.cc routes.cc
    server.cc to_device.cc uia_call.cc versions.cc)
set(TESTS_core account_data_test.cc account_test.cc coverage_test.cc
    cross_signing_test.cc dehydrated_devices_test.cc devices_test.cc
    key_backup_test.cc key_changes_test.cc
    errors_test.cc keys_test.cc login_test.cc params_test.cc profile_test.cc
    push_rules_test.cc
    rate_limiter_test.cc route_table_test.cc router_test.cc
    server_test.cc to_device_test.cc)
