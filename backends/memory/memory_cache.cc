#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include <charconv>
#include <list>
#include <string>
#include <system_error>
#include <utility>

#include "matrixcore/backends/memory.h"
#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

class MemoryCache : public Cache {
 public:
  MemoryCache(const Clock& clock, size_t max_bytes)
      : clock_(clock), max_bytes_(max_bytes) {}

  std::optional<std::string> Get(std::string_view key) override {
    MutexLock lock(mutex_);
    const Entry* entry = Find(key);
    if (entry == nullptr) return std::nullopt;
    return entry->value;
  }

  void Put(std::string_view key, std::string value, Duration ttl) override {
    MutexLock lock(mutex_);
    Store(key, std::move(value), clock_.Monotonic() + ttl);
  }

  void Erase(std::string_view key) override {
    MutexLock lock(mutex_);
    Remove(key);
  }

  Result<int64_t> Add(std::string_view key, int64_t amount,
                      Duration ttl) override {
    MutexLock lock(mutex_);
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

 private:
  struct Entry {
    std::string key;
    std::string value;
    MonotonicTime end;
  };
  using Entries = std::list<Entry>;

  // List node, slot of the index, headers of the allocator.
  static constexpr size_t kOverhead = sizeof(Entry) + 64;

  static size_t BytesOf(const Entry& entry) {
    return entry.key.size() + entry.value.size() + kOverhead;
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
    if (BytesOf(entry) > max_bytes_) return;
    bytes_ += BytesOf(entry);
    entries_.push_front(std::move(entry));
    index_.emplace(entries_.front().key, entries_.begin());
    while (bytes_ > max_bytes_) Remove(entries_.back().key);
  }

  void Remove(std::string_view key) MC_REQUIRES(mutex_) {
    const auto found = index_.find(key);
    if (found == index_.end()) return;
    const Entries::iterator entry = found->second;
    bytes_ -= BytesOf(*entry);
    // The index refers to the entry's key, and so may `key`.
    index_.erase(found);
    entries_.erase(entry);
  }

  const Clock& clock_;
  const size_t max_bytes_;
  Mutex mutex_;
  size_t bytes_ MC_GUARDED_BY(mutex_) = 0;
  Entries entries_ MC_GUARDED_BY(mutex_);  // The one used last comes first.
  absl::flat_hash_map<std::string_view, Entries::iterator> index_
      MC_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Cache> NewMemoryCache(const Clock& clock, size_t max_bytes) {
  return std::make_unique<MemoryCache>(clock, max_bytes);
}

}  // namespace matrixcore
