// The conformance suite of Cache.
#pragma once

#include <cstddef>
#include <span>

#include "matrixcore/base/time.h"
#include "matrixcore/cache/cache.h"
#include "matrixcore/testing/conformance.h"

namespace matrixcore {

// Gives a cache that is empty at first and keeps, while a check runs, what is
// put: a few kilobytes.
class CacheFixture {
 public:
  virtual ~CacheFixture() = default;

  virtual Cache& cache() = 0;
  // Lets time pass for the cache: moves a simulated clock, or sleeps.
  virtual void Advance(Duration duration) = 0;
  // A value of so many bytes does not fit; 0 when any does.
  virtual size_t too_large_bytes() const = 0;
};

using CacheCheck = ConformanceCheck<CacheFixture>;
std::span<const CacheCheck> CacheChecks();

}  // namespace matrixcore
