// The conformance suite of Coordinator.
#pragma once

#include <span>
#include <string_view>

#include "matrixcore/base/time.h"
#include "matrixcore/coord/coordinator.h"
#include "matrixcore/testing/conformance.h"

namespace matrixcore {

// Gives two coordinators, as two processes would have them, that know of each
// other's leases; they may be one and the same.
class CoordinatorFixture {
 public:
  virtual ~CoordinatorFixture() = default;

  virtual Coordinator& first() = 0;
  virtual Coordinator& second() = 0;
  // The clock of their deadlines.
  virtual const Clock& clock() const = 0;
  // Makes the backend take a key away from its holder: cuts its connection, or
  // lets its time run out.  False where a lease cannot be lost.
  virtual bool Lose(std::string_view key) {
    (void)key;
    return false;
  }
};

using CoordinatorCheck = ConformanceCheck<CoordinatorFixture>;
std::span<const CoordinatorCheck> CoordinatorChecks();

}  // namespace matrixcore
