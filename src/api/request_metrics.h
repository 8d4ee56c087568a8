// What /metrics tells of requests.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "matrixcore/api/router.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/time.h"

namespace matrixcore::api {

// Counts requests by operation and status, and their durations by operation.
// Series appear with their first request.  Thread-safe.
class RequestMetrics {
 public:
  RequestMetrics(Metrics& metrics, const std::vector<const Route*>& routes);

  void Begin() { in_flight_.Add(1); }
  // `route` is null for a request that no route took.
  void End(const Route* route, int status, Duration took);

 private:
  static constexpr size_t kStatuses = 16;
  struct Series {
    std::string operation;
    std::atomic<Histogram*> duration{nullptr};
    std::array<std::atomic<Counter*>, kStatuses> by_status{};
  };
  Counter& CounterOf(Series& series, int status);

  Metrics& metrics_;
  Gauge& in_flight_;
  std::unordered_map<const Route*, Series> series_;
};

}  // namespace matrixcore::api
