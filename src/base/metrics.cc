#include "matrixcore/base/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <limits>
#include <map>
#include <sstream>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// One line or, of a histogram, one group of lines.
class Series {
 public:
  virtual ~Series() = default;
  // Writes the value without the labels.
  virtual void Collect(ClientMetric* out) const = 0;
};

class CounterSeries final : public Series, public Counter {
 public:
  void Add(double amount) override {
    if (amount > 0) value_.fetch_add(amount, std::memory_order_relaxed);
  }
  void Collect(ClientMetric* out) const override {
    out->counter.value = value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<double> value_{0};
};

class GaugeSeries final : public Series, public Gauge {
 public:
  void Set(double value) override {
    value_.store(value, std::memory_order_relaxed);
  }
  void Add(double amount) override {
    value_.fetch_add(amount, std::memory_order_relaxed);
  }
  void Collect(ClientMetric* out) const override {
    out->gauge.value = value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<double> value_{0};
};

class HistogramSeries final : public Series, public Histogram {
 public:
  explicit HistogramSeries(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {
    assert(std::is_sorted(bounds_.begin(), bounds_.end()));
  }
  void Observe(double value) override {
    // Bounds are inclusive ("le").
    const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value);
    const auto bucket = static_cast<size_t>(at - bounds_.begin());
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }
  void Collect(ClientMetric* out) const override {
    uint64_t total = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      total += counts_[i].load(std::memory_order_relaxed);
      const double bound = i < bounds_.size()
                               ? bounds_[i]
                               : std::numeric_limits<double>::infinity();
      out->histogram.bucket.push_back({total, bound});
    }
    out->histogram.sample_count = total;
    out->histogram.sample_sum = sum_.load(std::memory_order_relaxed);
  }

 private:
  const std::vector<double> bounds_;
  std::vector<std::atomic<uint64_t>> counts_;
  std::atomic<double> sum_{0};
};

// All series of one name, in the order of their labels.
struct Family {
  std::string help;
  MetricType type = MetricType::Untyped;
  std::map<MetricLabels, std::unique_ptr<Series>> series;
};

class Registry final : public Metrics {
 public:
  Counter& GetCounter(std::string_view name, std::string_view help,
                      const MetricLabels& labels) override {
    return Get<CounterSeries>(name, help, MetricType::Counter, labels,
                              [] { return std::make_unique<CounterSeries>(); });
  }
  Gauge& GetGauge(std::string_view name, std::string_view help,
                  const MetricLabels& labels) override {
    return Get<GaugeSeries>(name, help, MetricType::Gauge, labels,
                            [] { return std::make_unique<GaugeSeries>(); });
  }
  Histogram& GetHistogram(std::string_view name, std::string_view help,
                          const std::vector<double>& bounds,
                          const MetricLabels& labels) override {
    return Get<HistogramSeries>(
        name, help, MetricType::Histogram, labels,
        [&bounds] { return std::make_unique<HistogramSeries>(bounds); });
  }

  void AddGaugeCallback(std::string_view name, std::string_view help,
                        const MetricLabels& labels,
                        std::function<double()> read) override {
    AddCallback(name, help, MetricType::Gauge, labels, std::move(read));
  }
  void AddCounterCallback(std::string_view name, std::string_view help,
                          const MetricLabels& labels,
                          std::function<double()> read) override {
    AddCallback(name, help, MetricType::Counter, labels, std::move(read));
  }

  std::string Text() const override;

 private:
  // All callbacks of one name.
  struct Callbacks {
    std::string help;
    MetricType type = MetricType::Gauge;
    std::map<MetricLabels, std::function<double()>> reads;
  };

  void AddCallback(std::string_view name, std::string_view help,
                   MetricType type, MetricLabels labels,
                   std::function<double()> read) {
    std::sort(labels.begin(), labels.end());
    MutexLock lock(mutex_);
    Callbacks& callbacks = callbacks_[std::string(name)];
    callbacks.help = help;
    callbacks.type = type;
    callbacks.reads.insert_or_assign(std::move(labels), std::move(read));
  }

  template <typename S, typename Make>
  S& Get(std::string_view name, std::string_view help, MetricType type,
         MetricLabels labels, const Make& make) {
    std::sort(labels.begin(), labels.end());
    MutexLock lock(mutex_);
    auto it = families_.find(name);
    if (it == families_.end()) {
      it = families_.try_emplace(std::string(name)).first;
      it->second.help = help;
      it->second.type = type;
    }
    assert(it->second.type == type && "one name, two types of metric");
    if (it->second.type != type) {
      // Works, but is not shown: the text format allows one type a name.
      auto hidden = make();
      S& result = *hidden;
      hidden_.push_back(std::move(hidden));
      return result;
    }
    std::unique_ptr<Series>& series = it->second.series[std::move(labels)];
    if (series == nullptr) series = make();
    return static_cast<S&>(*series);
  }

  mutable Mutex mutex_;
  StringMap<Family> families_ MC_GUARDED_BY(mutex_);
  StringMap<Callbacks> callbacks_ MC_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Series>> hidden_ MC_GUARDED_BY(mutex_);
};

ClientMetric WithLabels(const MetricLabels& labels) {
  ClientMetric metric;
  for (const auto& [key, value] : labels) metric.label.push_back({key, value});
  return metric;
}

std::string Registry::Text() const {
  StringMap<MetricFamily> output;
  StringMap<Callbacks> callbacks;
  {
    MutexLock lock(mutex_);
    callbacks = callbacks_;
    for (const auto& [name, family] : families_) {
      MetricFamily shown{name, family.help, family.type, {}};
      for (const auto& [labels, series] : family.series) {
        ClientMetric metric = WithLabels(labels);
        series->Collect(&metric);
        shown.metric.push_back(std::move(metric));
      }
      output.emplace(name, std::move(shown));
    }
  }
  // Without the lock: a callback may take locks of its own.
  for (const auto& [name, family] : callbacks) {
    MetricFamily shown{name, family.help, family.type, {}};
    for (const auto& [labels, read] : family.reads) {
      ClientMetric metric = WithLabels(labels);
      (family.type == MetricType::Gauge ? metric.gauge.value
                                        : metric.counter.value) = read();
      shown.metric.push_back(std::move(metric));
    }
    output.insert_or_assign(name, std::move(shown));
  }
  std::vector<MetricFamily> sorted;
  sorted.reserve(output.size());
  for (auto& [name, family] : output) sorted.push_back(std::move(family));
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, sorted);
  return std::move(text).str();
}

}  // namespace

std::unique_ptr<Metrics> NewMetrics() { return std::make_unique<Registry>(); }

}  // namespace matrixcore
