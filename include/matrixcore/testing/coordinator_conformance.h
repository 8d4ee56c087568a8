// The conformance suite of Coordinator.
#pragma once

#include <span>

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
};

using CoordinatorCheck = ConformanceCheck<CoordinatorFixture>;
std::span<const CoordinatorCheck> CoordinatorChecks();

}  // namespace matrixcore
