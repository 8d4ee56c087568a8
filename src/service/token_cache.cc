#include "service/token_cache.h"

#include <algorithm>
#include <utility>

#include "matrixcore/base/heap_bytes.h"

namespace matrixcore {
namespace {

// Of the budget of all caches.
constexpr uint32_t kShare = 6;

size_t BytesOf(const TokenCache::Entry& entry) {
  const Session& session = entry.session;
  return SharedBlock<TokenCache::Entry>() + HeapBytes(session.user_id) +
         HeapBytes(session.device_id) +
         // The node of the list, and the user's list of hashes.
         HeapBlock(2 * sizeof(void*) + sizeof(Sha256Digest) +
                   sizeof(TokenCache::EntryPtr) + sizeof(size_t)) +
         HeapBlock(sizeof(Sha256Digest)) + HeapBytes(session.user_id);
}

}  // namespace

TokenCache::TokenCache(CacheBudget& budget)
    : account_(budget, "tokens", kShare,
               [this](size_t bytes) { return Shrink(bytes); }) {}

TokenCache::EntryPtr TokenCache::Get(const Sha256Digest& hash) {
  MutexLock lock(mutex_);
  const auto it = by_hash_.find(hash);
  if (it == by_hash_.end()) {
    account_.Miss();
    return nullptr;
  }
  account_.Hit();
  order_.splice(order_.begin(), order_, it->second);
  return it->second->entry;
}

void TokenCache::Put(const Sha256Digest& hash, EntryPtr entry, uint64_t epoch) {
  {
    MutexLock lock(mutex_);
    if (epoch != epoch_.load(std::memory_order_relaxed)) return;
    if (by_hash_.contains(hash)) return;
    by_user_[entry->session.user_id].push_back(hash);
    const size_t bytes = BytesOf(*entry);
    order_.push_front(Node{hash, std::move(entry), bytes});
    by_hash_.emplace(hash, order_.begin());
    account_.Add(static_cast<ptrdiff_t>(bytes), 1);
    ChargeIndexes();
  }
  account_.MakeRoom();
}

void TokenCache::ChargeIndexes() {
  const size_t bytes = FlatTableBytes(by_hash_) + FlatTableBytes(by_user_);
  account_.Add(static_cast<ptrdiff_t>(bytes - index_bytes_), 0);
  index_bytes_ = bytes;
}

size_t TokenCache::Shrink(size_t bytes) {
  size_t freed = 0;
  MutexLock lock(mutex_);
  while (freed < bytes && !order_.empty()) {
    freed += order_.back().bytes;
    Remove(std::prev(order_.end()));
  }
  return freed;
}

void TokenCache::Remove(List::iterator node) {
  const auto user = by_user_.find(node->entry->session.user_id);
  std::vector<Sha256Digest>& hashes = user->second;
  hashes.erase(std::remove(hashes.begin(), hashes.end(), node->hash),
               hashes.end());
  if (hashes.empty()) by_user_.erase(user);
  by_hash_.erase(node->hash);
  account_.Add(-static_cast<ptrdiff_t>(node->bytes), -1);
  order_.erase(node);
}

template <typename Predicate>
void TokenCache::EraseIf(std::string_view user_id, Predicate drop) {
  MutexLock lock(mutex_);
  epoch_.fetch_add(1, std::memory_order_release);
  const auto user = by_user_.find(user_id);
  if (user == by_user_.end()) return;
  for (const Sha256Digest& hash : std::vector<Sha256Digest>(user->second)) {
    const auto node = by_hash_.find(hash)->second;
    if (drop(*node->entry)) Remove(node);
  }
}

void TokenCache::EraseDevice(std::string_view user_id,
                             std::string_view device_id) {
  EraseIf(user_id, [device_id](const Entry& entry) {
    return entry.session.device_id == device_id;
  });
}

void TokenCache::EraseUser(std::string_view user_id) {
  EraseIf(user_id, [](const Entry&) { return true; });
}

size_t TokenCache::size() const {
  MutexLock lock(mutex_);
  return order_.size();
}

}  // namespace matrixcore
