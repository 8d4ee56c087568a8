#include "matrixcore/base/time.h"

namespace matrixcore {
namespace {

class SystemClock final : public Clock {
 public:
  Timestamp Now() const override {
    const auto since_epoch =
        std::chrono::system_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<milliseconds>(since_epoch).count()};
  }
  MonotonicTime Monotonic() const override {
    const auto since_start =
        std::chrono::steady_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<Duration>(since_start).count()};
  }
};

}  // namespace

std::unique_ptr<Clock> NewSystemClock() {
  return std::make_unique<SystemClock>();
}

}  // namespace matrixcore
