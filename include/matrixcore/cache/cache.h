// Cache: bytes with a time to live.  It may forget anything at any time; no
// answer may depend on it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"

namespace matrixcore {

// Thread-safe.  Implementations must pass testing/cache_conformance.h.
class Cache {
 public:
  virtual ~Cache() = default;

  // The value, unless it expired, was evicted or cannot be reached.
  virtual std::optional<std::string> Get(std::string_view key) = 0;
  // Keeps the value for at most `ttl` (> 0).  A value that is too large for the
  // cache is dropped, and so is the old value of the key.
  virtual void Put(std::string_view key, std::string value, Duration ttl) = 0;
  virtual void Erase(std::string_view key) = 0;
  // Adds to a counter, starting from 0 with life `ttl`, and returns the sum;
  // the first Add of a life sets its end.  For rate limits.  Get gives a
  // counter as decimal text; a value that is no such text is replaced by a new
  // counter. Sums stop at the ends of int64.  kUnavailable when the cache
  // cannot be reached.
  virtual Result<int64_t> Add(std::string_view key, int64_t amount,
                              Duration ttl) = 0;
};

}  // namespace matrixcore
