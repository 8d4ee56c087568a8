// The conformance suite of Bus.
#pragma once

#include <span>

#include "matrixcore/base/time.h"
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
  // Makes second() lose its connection, so that messages may be missed, and
  // find it again.  False where none can be lost.
  virtual bool Reconnect() { return false; }
  // How long a message may take, in real time, before it counts as lost.
  virtual Duration patience() const { return seconds(10); }
};

using BusCheck = ConformanceCheck<BusFixture>;
std::span<const BusCheck> BusChecks();

}  // namespace matrixcore
