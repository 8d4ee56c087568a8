// LruCache: values by key within a CacheBudget; the least recently used go
// first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "matrixcore/base/cache_budget.h"
#include "matrixcore/base/heap_bytes.h"
#include "matrixcore/base/mutex.h"

namespace matrixcore {

// Thread-safe.  V is cheap to copy (a shared_ptr).  Each entry is charged what
// its key and value hold on the heap and what the cache itself takes for it.
template <typename K, typename V, typename Hash = std::hash<K>>
class LruCache {
 public:
  // What a value holds on the heap (not sizeof(V)).  Asked when the value is
  // put and whenever it is used, as some values grow: must be quick.
  using Weigh = std::function<size_t(const V&)>;
  // For the values that hold nothing.
  static size_t Weightless(const V&) { return 0; }

  // `name` and `share` as of CacheAccount.
  LruCache(CacheBudget& budget, std::string_view name, uint32_t share,
           Weigh weigh)
      : weigh_(std::move(weigh)),
        account_(budget, name, share,
                 [this](size_t bytes) { return Shrink(bytes); }) {}

  std::optional<V> Get(const K& key) {
    return Get(key, [](const V&) { return true; });
  }
  // Counts as a hit if `useful(value)`.
  template <typename Useful>
  std::optional<V> Get(const K& key, Useful useful) {
    std::optional<V> value;
    {
      MutexLock lock(mutex_);
      const auto it = index_.find(key);
      if (it == index_.end()) {
        account_.Miss();
        return std::nullopt;
      }
      if (useful((*it)->value)) {
        account_.Hit();
      } else {
        account_.Miss();
      }
      order_.splice(order_.begin(), order_, *it);
      Entry& entry = **it;
      const size_t bytes = BytesOf(entry);
      Charge(bytes - entry.bytes, 0);
      entry.bytes = bytes;
      value = entry.value;
    }
    account_.MakeRoom();
    return value;
  }

  void Put(const K& key, V value) {
    {
      MutexLock lock(mutex_);
      EraseLocked(key);
      order_.push_front(Entry{key, std::move(value), 0});
      Entry& entry = order_.front();
      entry.bytes = BytesOf(entry);
      if (entry.bytes > account_.max_entry()) {
        order_.pop_front();
        return;
      }
      const size_t buckets = index_.bucket_count();
      index_.insert(order_.begin());
      Charge(entry.bytes + (index_.bucket_count() - buckets) * sizeof(void*),
             1);
    }
    account_.MakeRoom();
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
      if (drop(it->key)) EraseEntry(index_.find(it));
      it = next;
    }
  }

  CacheBudget::Figures figures() const { return account_.figures(); }

 private:
  struct Entry {
    K key;
    V value;
    size_t bytes = 0;
  };
  using Place = typename std::list<Entry>::iterator;
  // Finds places by the keys that lie there.
  struct PlaceHash : Hash {
    using is_transparent = void;
    size_t operator()(const Place& place) const {
      return Hash::operator()(place->key);
    }
    size_t operator()(const K& key) const { return Hash::operator()(key); }
  };
  struct PlaceEqual {
    using is_transparent = void;
    static const K& KeyOf(const Place& place) { return place->key; }
    static const K& KeyOf(const K& key) { return key; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return KeyOf(a) == KeyOf(b);
    }
  };
  using Index = std::unordered_set<Place, PlaceHash, PlaceEqual>;

  size_t BytesOf(const Entry& entry) const {
    // A list's node has two pointers beside the entry, that of the index a
    // pointer, a hash and the place.
    return HeapBlock(sizeof(Entry) + 2 * sizeof(void*)) +
           HeapBlock(sizeof(Place) + 2 * sizeof(void*)) + HeapBytes(entry.key) +
           weigh_(entry.value);
  }

  void Charge(size_t bytes, ptrdiff_t entries) {
    account_.Add(static_cast<ptrdiff_t>(bytes), entries);
  }

  void EraseLocked(const K& key) MC_REQUIRES(mutex_) {
    const auto it = index_.find(key);
    if (it != index_.end()) EraseEntry(it);
  }

  void EraseEntry(typename Index::iterator it) MC_REQUIRES(mutex_) {
    const Place place = *it;
    Charge(-place->bytes, -1);
    index_.erase(it);
    order_.erase(place);
  }

  size_t Shrink(size_t bytes) {
    size_t freed = 0;
    MutexLock lock(mutex_);
    while (freed < bytes && !order_.empty()) {
      const Place oldest = std::prev(order_.end());
      freed += oldest->bytes;
      EraseEntry(index_.find(oldest));
    }
    return freed;
  }

  const Weigh weigh_;
  mutable Mutex mutex_;
  std::list<Entry> order_ MC_GUARDED_BY(mutex_);
  Index index_ MC_GUARDED_BY(mutex_);
  CacheAccount account_;
};

}  // namespace matrixcore
