#include "api/request_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace matrixcore::api {
namespace {

// The last one stands for all others.
constexpr int kStatusCodes[] = {200, 302, 400, 401, 403, 404, 405, 409,
                                413, 429, 500, 502, 503, 504, 204, 0};

const std::vector<double>& Bounds() {
  static const std::vector<double> bounds = {0.0005, 0.001, 0.0025, 0.005, 0.01,
                                             0.025,  0.05,  0.1,    0.25,  0.5,
                                             1,      2.5,   10,     30};
  return bounds;
}

}  // namespace

RequestMetrics::RequestMetrics(Metrics& metrics,
                               const std::vector<const Route*>& routes)
    : metrics_(metrics),
      in_flight_(metrics.GetGauge("matrixcore_http_requests_in_flight",
                                  "Requests that are not answered yet.")) {
  static_assert(std::size(kStatusCodes) == kStatuses);
  series_[nullptr].operation = "none";
  for (const Route* route : routes) {
    series_[route].operation =
        route->operation.empty() ? route->path : route->operation;
  }
}

Counter& RequestMetrics::CounterOf(Series& series, int status) {
  const auto* const end = std::end(kStatusCodes) - 1;
  const auto* const found = std::find(std::begin(kStatusCodes), end, status);
  std::atomic<Counter*>& slot =
      series.by_status[static_cast<size_t>(found - std::begin(kStatusCodes))];
  Counter* counter = slot.load(std::memory_order_acquire);
  if (counter == nullptr) {
    counter = &metrics_.GetCounter(
        "matrixcore_http_requests_total", "Requests answered.",
        {{"operation", series.operation},
         {"status", found == end ? "other" : fmt::to_string(status)}});
    slot.store(counter, std::memory_order_release);
  }
  return *counter;
}

void RequestMetrics::End(const Route* route, int status, Duration took) {
  in_flight_.Add(-1);
  Series& series = series_.find(route)->second;
  CounterOf(series, status).Add();
  Histogram* duration = series.duration.load(std::memory_order_acquire);
  if (duration == nullptr) {
    duration = &metrics_.GetHistogram(
        "matrixcore_http_request_seconds",
        "From a request's arrival to its answer, waiting included.", Bounds(),
        {{"operation", series.operation}});
    series.duration.store(duration, std::memory_order_release);
  }
  duration->Observe(std::chrono::duration<double>(took).count());
}

}  // namespace matrixcore::api
