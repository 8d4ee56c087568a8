#include "service/token_cache.h"

#include <algorithm>
#include <utility>

namespace matrixcore {

TokenCache::EntryPtr TokenCache::Get(const Sha256Digest& hash) {
  MutexLock lock(mutex_);
  const auto it = by_hash_.find(hash);
  if (it == by_hash_.end()) return nullptr;
  order_.splice(order_.begin(), order_, it->second);
  return it->second->entry;
}

void TokenCache::Put(const Sha256Digest& hash, EntryPtr entry, uint64_t epoch) {
  MutexLock lock(mutex_);
  if (epoch != epoch_.load(std::memory_order_relaxed)) return;
  if (by_hash_.contains(hash)) return;
  while (order_.size() >= max_entries_) Remove(std::prev(order_.end()));
  by_user_[entry->session.user_id].push_back(hash);
  order_.push_front(Node{hash, std::move(entry)});
  by_hash_.emplace(hash, order_.begin());
}

void TokenCache::Remove(List::iterator node) {
  const auto user = by_user_.find(node->entry->session.user_id);
  std::vector<Sha256Digest>& hashes = user->second;
  hashes.erase(std::remove(hashes.begin(), hashes.end(), node->hash),
               hashes.end());
  if (hashes.empty()) by_user_.erase(user);
  by_hash_.erase(node->hash);
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
