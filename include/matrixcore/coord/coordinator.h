// Coordinator hands out exclusive, named leases.
//
// matrixcore holds the lease "room:<room id>" while it adds events to a room.
// A lease avoids wasted work; the precondition of each WriteBatch keeps data
// correct.  A lease that a remote backend loses costs a retry, not a room.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"

namespace matrixcore {

// Thread-safety: any thread may call a Coordinator; one thread at a time uses
// a Lease.  Implementations must pass testing/coordinator_conformance.h.
class Coordinator {
 public:
  // A held key.  Destroying the lease releases it; never blocks.  A lease may
  // be released on another thread than the one that got it.
  class Lease {
   public:
    virtual ~Lease() = default;
    // Grows with each holder of the key.
    virtual uint64_t token() const = 0;
    // False once the backend knows that the lease was lost.
    virtual bool held() const = 0;
  };

  virtual ~Coordinator() = default;

  // Waits until no one holds `key`, then holds it.  Not reentrant; waiters are
  // served in order.  kDeadlineExceeded at `deadline`, kUnavailable when the
  // backend cannot be reached.  On error the key is not held.
  virtual Result<std::unique_ptr<Lease>> Acquire(std::string_view key,
                                                 MonotonicTime deadline) = 0;
  // The same without waiting: null when someone holds it.
  virtual Result<std::unique_ptr<Lease>> TryAcquire(std::string_view key) = 0;
};

}  // namespace matrixcore
