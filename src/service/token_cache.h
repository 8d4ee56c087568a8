// The sessions of access tokens that were seen lately.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/cache_budget.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/service/accounts.h"

namespace matrixcore {

// The least recently used entry goes first.  Thread-safe.
//
// No entry outlives the deletion of its token: whoever reads a token from the
// store takes the epoch first and gives it to Put, which keeps nothing if any
// token was deleted since.
class TokenCache {
 public:
  struct Entry {
    Session session;
    int64_t expires_ms = 0;            // 0: never.
    std::atomic<int64_t> noted_ms{0};  // When its activity was last noted.
  };
  using EntryPtr = std::shared_ptr<Entry>;

  explicit TokenCache(CacheBudget& budget);

  EntryPtr Get(const Sha256Digest& hash);
  uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  void Put(const Sha256Digest& hash, EntryPtr entry, uint64_t epoch);
  // Forget the tokens of a device, or of all devices of a user.  To be called
  // after the tokens are gone from the store.
  void EraseDevice(std::string_view user_id, std::string_view device_id);
  void EraseUser(std::string_view user_id);
  size_t size() const;

 private:
  struct Node {
    Sha256Digest hash;
    EntryPtr entry;
    size_t bytes = 0;
  };
  using List = std::list<Node>;
  template <typename Predicate>
  void EraseIf(std::string_view user_id, Predicate drop);
  void Remove(List::iterator node) MC_REQUIRES(mutex_);
  size_t Shrink(size_t bytes);
  // Tells the account what the indexes take by now.
  void ChargeIndexes() MC_REQUIRES(mutex_);

  std::atomic<uint64_t> epoch_{0};
  mutable Mutex mutex_;
  List order_ MC_GUARDED_BY(mutex_);
  absl::flat_hash_map<Sha256Digest, List::iterator> by_hash_
      MC_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::vector<Sha256Digest>, StringHash,
                      StringEq>
      by_user_ MC_GUARDED_BY(mutex_);
  size_t index_bytes_ MC_GUARDED_BY(mutex_) = 0;
  CacheAccount account_;
};

}  // namespace matrixcore
