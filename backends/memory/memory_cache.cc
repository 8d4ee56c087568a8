#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <charconv>
#include <list>
#include <string>
#include <system_error>
#include <utility>

#include "matrixcore/backends/memory.h"
#include "matrixcore/base/heap_bytes.h"
#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

// Of the budget of all caches.
constexpr uint32_t kShare = 4;

class MemoryCache : public Cache {
 public:
  MemoryCache(const Clock& clock, CacheBudget& budget)
      : clock_(clock),
        account_(budget, "general", kShare,
                 [this](size_t bytes) { return Shrink(bytes); }) {}

  std::optional<std::string> Get(std::string_view key) override {
    MutexLock lock(mutex_);
    const Entry* entry = Find(key);
    if (entry == nullptr) {
      account_.Miss();
      return std::nullopt;
    }
    account_.Hit();
    return entry->value;
  }

  void Put(std::string_view key, std::string value, Duration ttl) override {
    {
      MutexLock lock(mutex_);
      Store(key, std::move(value), clock_.Monotonic() + ttl);
    }
    account_.MakeRoom();
  }

  void Erase(std::string_view key) override {
    MutexLock lock(mutex_);
    Remove(key);
  }

  Result<int64_t> Add(std::string_view key, int64_t amount,
                      Duration ttl) override {
    int64_t sum = 0;
    {
      MutexLock lock(mutex_);
      sum = AddLocked(key, amount, ttl);
    }
    account_.MakeRoom();
    return sum;
  }

 private:
  int64_t AddLocked(std::string_view key, int64_t amount, Duration ttl)
      MC_REQUIRES(mutex_) {
    int64_t sum = 0;
    MonotonicTime end = clock_.Monotonic() + ttl;
    if (const Entry* entry = Find(key);
        entry != nullptr && ParseNumber(entry->value, sum)) {
      end = entry->end;
    }
    if (__builtin_add_overflow(sum, amount, &sum)) {
      sum = amount > 0 ? INT64_MAX : INT64_MIN;
    }
    Store(key, fmt::format("{}", sum), end);
    return sum;
  }

  struct Entry {
    std::string key;
    std::string value;
    MonotonicTime end;
  };
  using Entries = std::list<Entry>;

  // With the list's node; its index is charged apart.
  static size_t BytesOf(const Entry& entry) {
    return HeapBlock(sizeof(Entry) + 2 * sizeof(void*)) + HeapBytes(entry.key) +
           HeapBytes(entry.value);
  }

  static bool ParseNumber(const std::string& text, int64_t& number) {
    const char* const end = text.data() + text.size();
    int64_t parsed = 0;
    const auto result = std::from_chars(text.data(), end, parsed);
    if (result.ec != std::errc() || result.ptr != end) return false;
    number = parsed;
    return true;
  }

  // The entry, now the one used last; null when there is none or its time is
  // over.
  const Entry* Find(std::string_view key) MC_REQUIRES(mutex_) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    if (found->second->end <= clock_.Monotonic()) {
      Remove(key);
      return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return &*found->second;
  }

  void Store(std::string_view key, std::string value, MonotonicTime end)
      MC_REQUIRES(mutex_) {
    Entry entry{std::string(key), std::move(value), end};
    Remove(key);
    const size_t bytes = BytesOf(entry);
    if (bytes > account_.max_entry()) return;
    entries_.push_front(std::move(entry));
    index_.emplace(entries_.front().key, entries_.begin());
    const size_t index_bytes = FlatTableBytes(index_);
    account_.Add(static_cast<ptrdiff_t>(bytes + index_bytes - index_bytes_), 1);
    index_bytes_ = index_bytes;
  }

  size_t Shrink(size_t bytes) {
    size_t freed = 0;
    MutexLock lock(mutex_);
    while (freed < bytes && !entries_.empty()) {
      freed += BytesOf(entries_.back());
      Remove(entries_.back().key);
    }
    return freed;
  }

  void Remove(std::string_view key) MC_REQUIRES(mutex_) {
    const auto found = index_.find(key);
    if (found == index_.end()) return;
    const Entries::iterator entry = found->second;
    account_.Add(-static_cast<ptrdiff_t>(BytesOf(*entry)), -1);
    // The index refers to the entry's key, and so may `key`.
    index_.erase(found);
    entries_.erase(entry);
  }

  const Clock& clock_;
  Mutex mutex_;
  Entries entries_ MC_GUARDED_BY(mutex_);  // The one used last comes first.
  absl::flat_hash_map<std::string_view, Entries::iterator> index_
      MC_GUARDED_BY(mutex_);
  size_t index_bytes_ MC_GUARDED_BY(mutex_) = 0;
  CacheAccount account_;
};

}  // namespace

std::unique_ptr<Cache> NewMemoryCache(const Clock& clock, CacheBudget& budget) {
  return std::make_unique<MemoryCache>(clock, budget);
}

}  // namespace matrixcore
