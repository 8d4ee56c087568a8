// Token buckets in memory, a bounded number of them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "matrixcore/api/homeserver.h"
#include "matrixcore/api/router.h"
#include "matrixcore/base/time.h"

namespace matrixcore::api {

// Who counts as one when nobody is logged in: an IPv4 address, or the first 64
// bits of an IPv6 address, which one customer usually has to themselves.
std::string LimitedAddress(std::string_view address);

// Counts requests by class and by who asks (a user id or an address).
//
// A bucket starts full with `burst` tokens, gains `per_second`, and each
// request takes one.  Full buckets are forgotten; when too many are in use, the
// one that is nearest to full is forgotten first, so memory stays bounded and a
// flood of names cannot clear the account of an offender.  Thread-safe.
class RateLimiter {
 public:
  // `max_buckets` in all classes together.
  RateLimiter(const HomeserverOptions::RateLimits& limits, const Clock& clock,
              size_t max_buckets = 50'000);
  ~RateLimiter();

  struct Verdict {
    bool allowed = true;
    bool limited = false;    // The class has a limit: the numbers below count.
    int64_t limit = 0;       // The burst.
    int64_t remaining = 0;   // Whole tokens left.
    Duration retry_after{};  // Until the next request is allowed.
    Duration reset_after{};  // Until the bucket is full again.
  };
  Verdict Take(RateLimit kind, std::string_view who);

  // Buckets in memory now.
  size_t size() const;

 private:
  struct Shard;
  const RateLimitRule* RuleOf(RateLimit kind) const;

  static constexpr size_t kShards = 8;
  const HomeserverOptions::RateLimits limits_;
  const Clock& clock_;
  const size_t max_per_shard_;
  const std::unique_ptr<std::array<Shard, kShards>> shards_;
};

}  // namespace matrixcore::api
