// Admission: counts connections, of all clients and of each address.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/net/ip_range.h"

namespace matrixcore::net {

// Thread-safe.
class Admission {
 public:
  enum class Verdict { kAdmitted, kTooMany, kTooManyFromAddress };

  Admission(size_t max_total, size_t max_per_address)
      : max_total_(max_total), max_per_address_(max_per_address) {}

  // Admits a connection or says why not.  `exempt`: the address is not counted
  // (a proxy speaks for many clients).  Each admitted one must Leave, with the
  // same arguments.
  Verdict Enter(const IpAddress& address, bool exempt);
  void Leave(const IpAddress& address, bool exempt);

 private:
  using Key = uint64_t;
  // IPv4: the address; IPv6: its /64, since one client has that many.
  static Key KeyOf(const IpAddress& address);

  const size_t max_total_;
  const size_t max_per_address_;
  Mutex mutex_;
  size_t total_ MC_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<Key, size_t> by_address_ MC_GUARDED_BY(mutex_);
};

}  // namespace matrixcore::net
