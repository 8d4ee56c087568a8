// Conformance suites as GoogleTest cases, one for each check.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "matrixcore/testing/conformance.h"

// `checks` is a suite, such as StoreChecks(); `make_fixture()` gives a new
// std::unique_ptr of its fixture.
#define MC_INSTANTIATE_CONFORMANCE(Name, checks, make_fixture)            \
  class Name##Conformance                                                 \
      : public ::testing::TestWithParam<decltype(checks)::value_type> {}; \
  TEST_P(Name##Conformance, Check) {                                      \
    const auto fixture = make_fixture();                                  \
    for (const std::string& finding :                                     \
         ::matrixcore::RunConformanceCheck(GetParam(), *fixture)) {       \
      ADD_FAILURE() << finding;                                           \
    }                                                                     \
  }                                                                       \
  INSTANTIATE_TEST_SUITE_P(                                               \
      , Name##Conformance,                                                \
      ::testing::ValuesIn((checks).begin(), (checks).end()),              \
      [](const auto& check) { return std::string(check.param.name); })
