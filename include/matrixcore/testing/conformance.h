// Conformance suites: what every implementation of Store, Cache, BlobStore,
// Coordinator and Bus must do, as checks that anyone can run on their own.
//
// A check is a function that notes what it found wrong; it depends on no test
// framework.  testing/conformance_gtest.h makes GoogleTest cases of a suite in
// one line:
//
//   MC_INSTANTIATE_CONFORMANCE(MyStore, StoreChecks(), MakeMyFixture);
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "matrixcore/base/mutex.h"

namespace matrixcore {

// What a check found wrong.  Thread-safe.
class Findings {
 public:
  void Add(std::string finding);
  // Adds `finding` unless `good`; returns `good`.
  bool Expect(bool good, std::string_view finding);

  bool empty() const;
  std::vector<std::string> list() const;

 private:
  // Enough to understand; a broken backend may break a check a million times.
  static constexpr size_t kMost = 20;

  mutable Mutex mutex_;
  std::vector<std::string> list_ MC_GUARDED_BY(mutex_);
};

// One check of the suite for backends that are made by a Fixture.
template <typename Fixture>
struct ConformanceCheck {
  std::string_view name;  // In CamelCase, unique in the suite.
  void (*run)(Fixture& fixture, Findings& findings) = nullptr;
};

// Runs one check on a new fixture: what it found, nothing if all is well.
template <typename Fixture>
std::vector<std::string> RunConformanceCheck(
    const ConformanceCheck<Fixture>& check,
    std::type_identity_t<Fixture>& fixture) {
  Findings findings;
  check.run(fixture, findings);
  return findings.list();
}

// Runs a whole suite, each check on a fixture of its own: lines of
// "Check: finding".
template <typename Fixture>
std::vector<std::string> RunConformance(
    std::span<const ConformanceCheck<Fixture>> checks,
    const std::function<std::unique_ptr<Fixture>()>& make_fixture) {
  std::vector<std::string> lines;
  for (const ConformanceCheck<Fixture>& check : checks) {
    const std::unique_ptr<Fixture> fixture = make_fixture();
    for (std::string& finding : RunConformanceCheck(check, *fixture)) {
      lines.push_back(std::string(check.name) + ": " + std::move(finding));
    }
  }
  return lines;
}

}  // namespace matrixcore
