// Histogram: durations, kept to better than 1 % each, in a fixed 60 KB.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace matrixcore::load {

// Not thread-safe.
class Histogram {
 public:
  // Negative durations count as 0.
  void Add(int64_t ns) {
    const uint64_t value = ns > 0 ? static_cast<uint64_t>(ns) : 0;
    ++buckets_[BucketOf(value)];
    ++count_;
    max_ = std::max(max_, value);
    sum_ += static_cast<double>(value);
  }

  uint64_t count() const { return count_; }
  double max_ms() const { return static_cast<double>(max_) / 1e6; }
  double mean_ms() const {
    return count_ == 0 ? 0 : sum_ / static_cast<double>(count_) / 1e6;
  }

  // The smallest recorded duration that at least `share` (0 to 1) of all do not
  // exceed, in milliseconds; 0 when nothing was recorded.
  double QuantileMs(double share) const {
    if (count_ == 0) return 0;
    const auto wanted = static_cast<uint64_t>(
        std::max(1.0, std::ceil(share * static_cast<double>(count_))));
    uint64_t passed = 0;
    for (size_t i = 0; i < buckets_.size(); ++i) {
      passed += buckets_[i];
      if (passed >= wanted) {
        return static_cast<double>(std::min(TopOf(i), max_)) / 1e6;
      }
    }
    return max_ms();
  }

 private:
  // A value is kept with its leading bit and the kDetail bits after it.
  static constexpr unsigned kDetail = 7;
  static constexpr uint64_t kSteps = uint64_t{1} << kDetail;

  static size_t BucketOf(uint64_t value) {
    if (value < 2 * kSteps) return static_cast<size_t>(value);
    const unsigned shift =
        static_cast<unsigned>(std::bit_width(value)) - (kDetail + 1);
    return static_cast<size_t>(shift * kSteps + (value >> shift));
  }
  // The largest value of a bucket.
  static uint64_t TopOf(size_t bucket) {
    if (bucket < 2 * kSteps) return bucket;
    const uint64_t shift = bucket / kSteps - 1;
    const uint64_t lead = bucket - shift * kSteps;
    return ((lead + 1) << shift) - 1;
  }

  std::vector<uint64_t> buckets_ =
      std::vector<uint64_t>((64 - kDetail) * kSteps + kSteps, 0);
  uint64_t count_ = 0;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace matrixcore::load
