// Counters, gauges and histograms for /metrics.
//
// A Metrics is one server's registry; parts take it by reference and ask once,
// at construction, for the series that they update.  Updating is lock-free.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace matrixcore {

class Counter {
 public:
  virtual ~Counter() = default;
  // Ignores an amount that is not positive: counters never go down.
  virtual void Add(double amount = 1) = 0;
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void Set(double value) = 0;
  virtual void Add(double amount) = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void Observe(double value) = 0;
};

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// Thread-safe.  The references stay valid as long as the registry; asking twice
// for one name and labels gives the same series.  Names follow Prometheus
// ("matrixcore_http_requests_total"); durations are in seconds.  One name is
// one type of metric: a debug build asserts that, another gives a series that
// works but is not shown.
class Metrics {
 public:
  virtual ~Metrics() = default;

  virtual Counter& GetCounter(std::string_view name, std::string_view help,
                              const MetricLabels& labels = {}) = 0;
  virtual Gauge& GetGauge(std::string_view name, std::string_view help,
                          const MetricLabels& labels = {}) = 0;
  virtual Histogram& GetHistogram(std::string_view name, std::string_view help,
                                  const std::vector<double>& bounds,
                                  const MetricLabels& labels = {}) = 0;

  // A gauge or a counter that is asked for its value when the text is made.
  // `read` must stay callable as long as the registry, and that of a counter
  // must not go down.  Replaces an earlier one of the name and labels.
  virtual void AddGaugeCallback(std::string_view name, std::string_view help,
                                const MetricLabels& labels,
                                std::function<double()> read) = 0;
  virtual void AddCounterCallback(std::string_view name, std::string_view help,
                                  const MetricLabels& labels,
                                  std::function<double()> read) = 0;

  // Everything in Prometheus' text format, version 0.0.4, sorted by name and
  // labels.
  virtual std::string Text() const = 0;
};

std::unique_ptr<Metrics> NewMetrics();

}  // namespace matrixcore
