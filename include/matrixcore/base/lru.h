// LruCache: values by key within a byte budget; the least recently used go first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

#include "matrixcore/base/mutex.h"

namespace matrixcore {

// Thread-safe.  V is cheap to copy (a shared_ptr).  Each entry is charged what its
// inserter says plus a fixed overhead; an entry larger than the whole budget is
// not kept.
template <typename K, typename V, typename Hash = std::hash<K>>
class LruCache {
 public:
  struct Stats {
    uint64_t hits = 0;
    uint64_t misses = 0;
    uint64_t bytes = 0;
    uint64_t entries = 0;
  };

  explicit LruCache(size_t budget_bytes) : budget_(budget_bytes) {}

  std::optional<V> Get(const K& key) {
    MutexLock lock(mutex_);
    const auto it = index_.find(key);
    if (it == index_.end()) {
      ++misses_;
      return std::nullopt;
    }
    ++hits_;
    order_.splice(order_.begin(), order_, it->second);
    return it->second->value;
  }

  void Put(const K& key, V value, size_t bytes) {
    bytes += kOverhead;
    MutexLock lock(mutex_);
    EraseLocked(key);
    if (bytes > budget_) return;
    order_.push_front(Entry{key, std::move(value), bytes});
    index_.emplace(key, order_.begin());
    bytes_ += bytes;
    while (bytes_ > budget_) EraseLocked(K(order_.back().key));
  }

  void Erase(const K& key) {
    MutexLock lock(mutex_);
    EraseLocked(key);
  }

  // Removes every entry whose key satisfies `drop`.
  template <typename Predicate>
  void EraseIf(Predicate drop) {
    MutexLock lock(mutex_);
    for (auto it = order_.begin(); it != order_.end();) {
      const auto next = std::next(it);
      if (drop(it->key)) EraseLocked(K(it->key));
      it = next;
    }
  }

  Stats stats() const {
    MutexLock lock(mutex_);
    return {hits_, misses_, bytes_, index_.size()};
  }

 private:
  static constexpr size_t kOverhead = 112;  // List node, hash node, pointers.
  struct Entry {
    K key;
    V value;
    size_t bytes = 0;
  };

  void EraseLocked(const K& key) MC_REQUIRES(mutex_) {
    const auto it = index_.find(key);
    if (it == index_.end()) return;
    bytes_ -= it->second->bytes;
    order_.erase(it->second);
    index_.erase(it);
  }

  const size_t budget_;
  mutable Mutex mutex_;
  std::list<Entry> order_ MC_GUARDED_BY(mutex_);
  std::unordered_map<K, typename std::list<Entry>::iterator, Hash> index_
      MC_GUARDED_BY(mutex_);
  size_t bytes_ MC_GUARDED_BY(mutex_) = 0;
  uint64_t hits_ MC_GUARDED_BY(mutex_) = 0;
  uint64_t misses_ MC_GUARDED_BY(mutex_) = 0;
};

}  // namespace matrixcore
