// Time of the load generator: one monotonic clock for everything it measures.
#pragma once

#include <chrono>
#include <cstdint>

namespace matrixcore::load {

// Nanoseconds since an arbitrary moment.
inline int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace matrixcore::load
