// CacheBudget: one limit for the memory of all caches of a server.
//
// Every cache has an account in the budget and tells it what its entries take,
// in bytes as the allocator counts them (base/heap_bytes.h).  A cache may grow
// as long as there is room.  When there is none, the cache that lies furthest
// above its share lets go of what it has not used for longest; so a cache that
// keeps to its share is never made smaller for others, and what one does not
// need serves the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/metrics.h"

namespace matrixcore {

// Thread-safe.  Accounts may live longer; they share what is behind it.
class CacheBudget {
 public:
  // What is known of one cache.
  struct Figures {
    std::string name;
    uint64_t hits = 0;
    uint64_t misses = 0;
    uint64_t bytes = 0;
    uint64_t entries = 0;
    uint64_t share_bytes = 0;
  };

  explicit CacheBudget(size_t limit_bytes);
  ~CacheBudget();
  CacheBudget(const CacheBudget&) = delete;
  CacheBudget& operator=(const CacheBudget&) = delete;

  size_t limit() const;
  // All accounts together; above the limit for no longer than it takes to make
  // room, and if what cannot be let go of is larger.
  size_t used() const;
  // By name.
  std::vector<Figures> figures() const;

  // Shows the accounts that there are now, and the budget itself, in /metrics:
  // matrixcore_cache_{hits,misses}_total, _bytes and _entries by `cache`,
  // matrixcore_cache_budget_bytes.
  void ShowIn(Metrics& metrics) const;

 private:
  friend class CacheAccount;
  struct Core;
  const std::shared_ptr<Core> core_;
};

// One cache's account.  Belongs to the cache, as the last of its members, so
// that nobody asks the cache to shrink while its other members go. Thread-safe.
class CacheAccount {
 public:
  // Lets go of the least recently used until so many bytes are free, or as many
  // as possible; gives what was freed.  Called without locks of the cache held;
  // must not use the budget except through Add().
  using Shrink = std::function<size_t(size_t bytes)>;

  // `share`: of the budget, in relation to the shares of the other accounts; 0
  // for memory that is taken first, before the rest is shared.
  CacheAccount(CacheBudget& budget, std::string_view name, uint32_t share,
               Shrink shrink);
  ~CacheAccount();
  CacheAccount(const CacheAccount&) = delete;
  CacheAccount& operator=(const CacheAccount&) = delete;

  // An entry larger than this should not be kept: it would drive out too much.
  size_t max_entry() const;

  // Entries came or went, or changed in size.  May be called under the cache's
  // locks.
  void Add(ptrdiff_t bytes, ptrdiff_t entries);
  // To be called after entries came, with none of the cache's locks held.
  void MakeRoom();
  void Hit();
  void Miss();

  CacheBudget::Figures figures() const;

 private:
  friend class CacheBudget;
  struct Counts;
  const std::shared_ptr<CacheBudget::Core> core_;
  const std::string name_;
  const uint32_t share_;
  const Shrink shrink_;
  // Shared with the callbacks of metrics, which may live longer.
  const std::shared_ptr<Counts> counts_;
};

}  // namespace matrixcore
