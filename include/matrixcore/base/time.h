// Time as the rest of matrixcore sees it: two value types and a Clock that is
// always a constructor argument, so that a test owns time.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>

namespace matrixcore {

using Duration = std::chrono::nanoseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Wall-clock time in milliseconds since 1970-01-01 UTC: the unit of
// `origin_server_ts` and of every timestamp in the Matrix API.
struct Timestamp {
  int64_t ms = 0;
  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

// Time that never goes back, for deadlines.  Only differences have a meaning.
struct MonotonicTime {
  int64_t ns = 0;
  friend auto operator<=>(const MonotonicTime&, const MonotonicTime&) = default;
  friend MonotonicTime operator+(MonotonicTime t, Duration d) {
    return {t.ns + d.count()};
  }
  friend Duration operator-(MonotonicTime a, MonotonicTime b) {
    return Duration(a.ns - b.ns);
  }
  // Later than every real time: "no deadline".
  static constexpr MonotonicTime Never() { return {INT64_MAX}; }
};

// Tells the time.  Implemented by the system clock and by the test kit's
// simulated clock.  Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp Now() const = 0;
  virtual MonotonicTime Monotonic() const = 0;
};

std::unique_ptr<Clock> NewSystemClock();

}  // namespace matrixcore
