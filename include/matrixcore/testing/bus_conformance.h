// The conformance suite of Bus.
#pragma once

#include <span>

#include "matrixcore/coord/bus.h"
#include "matrixcore/testing/conformance.h"

namespace matrixcore {

// Gives two connections to one bus; they may be one and the same.  It loses no
// message while a check runs.
class BusFixture {
 public:
  virtual ~BusFixture() = default;

  virtual Bus& first() = 0;
  virtual Bus& second() = 0;
};

using BusCheck = ConformanceCheck<BusFixture>;
std::span<const BusCheck> BusChecks();

}  // namespace matrixcore
