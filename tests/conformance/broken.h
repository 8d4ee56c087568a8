// What the tests of the suites share: backends that are broken on purpose, and
// whether a suite notices.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "matrixcore/testing/conformance.h"

namespace matrixcore {

// A backend that breaks one rule, and the checks that must notice.
template <typename Fixture>
struct Breakage {
  std::string rule;  // In CamelCase: the rule that it breaks.
  std::function<std::unique_ptr<Fixture>()> make;
  std::vector<std::string> noticed_by;
};

// Some breakages show only when threads meet, so a check has some tries.
template <typename Fixture>
bool Notices(const ConformanceCheck<Fixture>& check,
             const Breakage<Fixture>& breakage) {
  constexpr int kTries = 300;
  for (int i = 0; i < kTries; ++i) {
    const std::unique_ptr<Fixture> fixture = breakage.make();
    if (!RunConformanceCheck(check, *fixture).empty()) return true;
  }
  return false;
}

template <typename Fixture>
void ExpectNoticed(std::span<const ConformanceCheck<Fixture>> checks,
                   const Breakage<Fixture>& breakage) {
  for (const std::string& name : breakage.noticed_by) {
    const auto check =
        std::find_if(checks.begin(), checks.end(),
                     [&name](const auto& c) { return c.name == name; });
    ASSERT_NE(check, checks.end()) << "there is no check " << name;
    EXPECT_TRUE(Notices(*check, breakage))
        << name << " does not notice " << breakage.rule;
  }
}

// A check that no broken backend trips proves nothing.
template <typename Fixture>
void ExpectEachCheckIsTripped(std::span<const ConformanceCheck<Fixture>> checks,
                              const std::vector<Breakage<Fixture>>& breakages) {
  std::set<std::string> tripped;
  for (const Breakage<Fixture>& breakage : breakages) {
    tripped.insert(breakage.noticed_by.begin(), breakage.noticed_by.end());
  }
  for (const ConformanceCheck<Fixture>& check : checks) {
    EXPECT_TRUE(tripped.contains(std::string(check.name)))
        << "no broken backend trips " << check.name;
  }
}

// Cases `Name.Notices/Rule`, and one that each check of the suite is tripped.
#define MC_INSTANTIATE_BREAKAGES(Name, checks, breakages)                      \
  class Name##BrokenTest                                                       \
      : public ::testing::TestWithParam<decltype(breakages())::value_type> {}; \
  TEST_P(Name##BrokenTest, Notices) { ExpectNoticed(checks, GetParam()); }     \
  INSTANTIATE_TEST_SUITE_P(                                                    \
      , Name##BrokenTest, ::testing::ValuesIn(breakages()),                    \
      [](const auto& breakage) { return breakage.param.rule; });               \
  TEST(Name##SuiteTest, HasNoCheckThatNothingTrips) {                          \
    ExpectEachCheckIsTripped(checks, breakages());                             \
  }

}  // namespace matrixcore
