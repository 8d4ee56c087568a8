set(SRCS_core errors.cc homeserver.cc params.cc rate_limiter.cc
    request_metrics.cc route_table.cc router.cc routes.cc)
set(TESTS_core)
