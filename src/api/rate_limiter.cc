#include "api/rate_limiter.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <vector>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/mutex.h"

namespace matrixcore::api {
namespace {

// The groups between the colons of a part of an IPv6 address.
std::vector<std::string_view> Groups(std::string_view part) {
  std::vector<std::string_view> groups;
  while (!part.empty()) {
    const size_t colon = part.find(':');
    groups.push_back(part.substr(0, colon));
    if (colon == std::string_view::npos) break;
    part.remove_prefix(colon + 1);
  }
  return groups;
}

}  // namespace

std::string LimitedAddress(std::string_view address) {
  constexpr size_t kGroups = 8;
  constexpr size_t kNetworkGroups = 4;
  if (address.find(':') == std::string_view::npos ||
      address.find('.') != std::string_view::npos) {
    return std::string(address);  // IPv4, also in its mapped form.
  }
  const size_t gap = address.find("::");
  std::vector<std::string_view> groups = Groups(address.substr(0, gap));
  if (gap != std::string_view::npos) {
    const auto tail = Groups(address.substr(gap + 2));
    while (groups.size() + tail.size() < kGroups) groups.emplace_back("0");
    groups.insert(groups.end(), tail.begin(), tail.end());
  }
  std::string network;
  for (size_t i = 0; i < std::min(groups.size(), kNetworkGroups); ++i) {
    network.append(groups[i]).push_back(':');
  }
  return network;
}

// A bucket is kept as one number (the generic cell rate algorithm): the time at
// which it will be full again.  Each request moves that time by one interval.
struct RateLimiter::Shard {
  mutable Mutex mutex;
  absl::flat_hash_map<std::string, int64_t, StringHash, StringEq> full_at
      MC_GUARDED_BY(mutex);

  // Makes room for one more of at most `max` buckets.
  void Shrink(int64_t now, size_t max) MC_REQUIRES(mutex) {
    if (full_at.size() < max) return;
    absl::erase_if(full_at, [now](const auto& b) { return b.second <= now; });
    if (full_at.size() < max) return;
    std::vector<int64_t> times;
    times.reserve(full_at.size());
    for (const auto& [key, time] : full_at) times.push_back(time);
    const auto cut =
        times.begin() + static_cast<std::ptrdiff_t>(times.size() / 8);
    std::nth_element(times.begin(), cut, times.end());
    absl::erase_if(full_at,
                   [limit = *cut](const auto& b) { return b.second <= limit; });
  }
};

RateLimiter::RateLimiter(const HomeserverOptions::RateLimits& limits,
                         const Clock& clock, size_t max_buckets)
    : limits_(limits),
      clock_(clock),
      max_per_shard_(std::max<size_t>(1, max_buckets / kShards)),
      shards_(std::make_unique<std::array<Shard, kShards>>()) {}

RateLimiter::~RateLimiter() = default;

const RateLimitRule* RateLimiter::RuleOf(RateLimit kind) const {
  switch (kind) {
    case RateLimit::kNone:
      return nullptr;
    case RateLimit::kLogin:
      return &limits_.login;
    case RateLimit::kRegistration:
      return &limits_.registration;
    case RateLimit::kMessage:
      return &limits_.message;
    case RateLimit::kJoin:
      return &limits_.join;
    case RateLimit::kReport:
      return &limits_.report;
    case RateLimit::kDefault:
      return &limits_.other;
  }
  return nullptr;
}

RateLimiter::Verdict RateLimiter::Take(RateLimit kind, std::string_view who) {
  const RateLimitRule* const rule = RuleOf(kind);
  if (!limits_.enabled || rule == nullptr || rule->per_second <= 0) return {};
  const auto interval =
      static_cast<int64_t>(std::clamp(1e9 / rule->per_second, 1.0, 1e15));
  const int64_t burst = std::clamp<int64_t>(rule->burst, 1, 1'000'000'000);
  // At most this much of the future may be spent.
  const int64_t depth =
      interval > INT64_MAX / 4 / burst ? INT64_MAX / 4 : interval * burst;

  std::string key(1, static_cast<char>('a' + static_cast<int>(kind)));
  key.append(who);
  Shard& shard = (*shards_)[StringHash{}(key) % kShards];
  const int64_t now = clock_.Monotonic().ns;

  MutexLock lock(shard.mutex);
  auto it = shard.full_at.find(key);
  if (it == shard.full_at.end()) {
    shard.Shrink(now, max_per_shard_);
    it = shard.full_at.emplace(std::move(key), now).first;
  }
  const int64_t spent = std::max<int64_t>(it->second - now, 0);
  Verdict verdict{.limited = true, .limit = burst};
  verdict.allowed = spent + interval <= depth;
  const int64_t after = verdict.allowed ? spent + interval : spent;
  it->second = now + after;
  verdict.remaining = (depth - after) / interval;
  verdict.reset_after = Duration(after);
  if (!verdict.allowed)
    verdict.retry_after = Duration(after + interval - depth);
  return verdict;
}

size_t RateLimiter::size() const {
  size_t total = 0;
  for (const Shard& shard : *shards_) {
    MutexLock lock(shard.mutex);
    total += shard.full_at.size();
  }
  return total;
}

}  // namespace matrixcore::api
