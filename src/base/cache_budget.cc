#include "matrixcore/base/cache_budget.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "matrixcore/base/mutex.h"

namespace matrixcore {

struct CacheAccount::Counts {
  std::atomic<uint64_t> hits{0};
  std::atomic<uint64_t> misses{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> entries{0};
};

namespace {

// Room is made for more than the one entry that did not fit.
constexpr size_t kSlack = 128;  // A part of the limit.
constexpr size_t kLargestEntry = 4;

double Read(const std::atomic<uint64_t>& count) {
  return static_cast<double>(count.load(std::memory_order_relaxed));
}

}  // namespace

// --- The budget ---

struct CacheBudget::Core {
  explicit Core(size_t limit_bytes) : limit(limit_bytes) {}

  void Join(CacheAccount* account);
  void Leave(CacheAccount* account);
  void MakeRoom();
  size_t ShareOf(const CacheAccount& account) const MC_REQUIRES(mutex);
  // What an account has above its share.
  ptrdiff_t ExcessOf(const CacheAccount& account) const MC_REQUIRES(mutex);

  const size_t limit;
  std::atomic<size_t> used{0};
  mutable Mutex mutex;
  std::vector<CacheAccount*> accounts MC_GUARDED_BY(mutex);
  uint32_t shares MC_GUARDED_BY(mutex) = 0;
};

void CacheBudget::Core::Join(CacheAccount* account) {
  MutexLock lock(mutex);
  accounts.push_back(account);
  shares += account->share_;
}

void CacheBudget::Core::Leave(CacheAccount* account) {
  MutexLock lock(mutex);
  std::erase(accounts, account);
  shares -= account->share_;
  used.fetch_sub(account->counts_->bytes.exchange(0));
  account->counts_->entries = 0;
}

size_t CacheBudget::Core::ShareOf(const CacheAccount& account) const {
  if (shares == 0) return 0;
  size_t shared = limit;
  for (const CacheAccount* other : accounts) {
    if (other->share_ > 0) continue;
    shared -= std::min<size_t>(shared, other->counts_->bytes.load());
  }
  return shared / shares * account.share_;
}

ptrdiff_t CacheBudget::Core::ExcessOf(const CacheAccount& account) const {
  return static_cast<ptrdiff_t>(account.counts_->bytes.load()) -
         static_cast<ptrdiff_t>(ShareOf(account));
}

// By one thread at a time; the others wait, so that they do not add more
// meanwhile.
void CacheBudget::Core::MakeRoom() {
  MutexLock lock(mutex);
  std::vector<CacheAccount*> candidates = accounts;
  while (used.load() > limit && !candidates.empty()) {
    auto largest = candidates.begin();
    ptrdiff_t excess = ExcessOf(**largest);
    for (auto it = candidates.begin() + 1; it != candidates.end(); ++it) {
      const ptrdiff_t other = ExcessOf(**it);
      if (other <= excess) continue;
      largest = it;
      excess = other;
    }
    // What must go, and some more as long as it is above the share.
    const size_t now = used.load();
    const size_t needed = now > limit ? now - limit : 0;
    const size_t above = excess > 0 ? static_cast<size_t>(excess) : 0;
    const size_t wanted =
        std::max(needed, std::min(needed + limit / kSlack, above));
    if ((*largest)->shrink_(wanted) == 0) candidates.erase(largest);
  }
}

CacheBudget::CacheBudget(size_t limit_bytes)
    : core_(std::make_shared<Core>(limit_bytes)) {}
CacheBudget::~CacheBudget() = default;

size_t CacheBudget::limit() const { return core_->limit; }

size_t CacheBudget::used() const {
  return core_->used.load(std::memory_order_relaxed);
}

std::vector<CacheBudget::Figures> CacheBudget::figures() const {
  MutexLock lock(core_->mutex);
  std::vector<Figures> all;
  for (const CacheAccount* account : core_->accounts) {
    all.push_back(account->figures());
    all.back().share_bytes = core_->ShareOf(*account);
  }
  std::sort(all.begin(), all.end(),
            [](const Figures& a, const Figures& b) { return a.name < b.name; });
  return all;
}

void CacheBudget::ShowIn(Metrics& metrics) const {
  metrics
      .GetGauge("matrixcore_cache_budget_bytes",
                "Memory that all caches together may take")
      .Set(static_cast<double>(limit()));
  MutexLock lock(core_->mutex);
  for (const CacheAccount* account : core_->accounts) {
    const MetricLabels labels = {{"cache", account->name_}};
    const std::shared_ptr<const CacheAccount::Counts> counts = account->counts_;
    metrics.AddCounterCallback("matrixcore_cache_hits_total",
                               "Look-ups that a cache answered", labels,
                               [counts] { return Read(counts->hits); });
    metrics.AddCounterCallback("matrixcore_cache_misses_total",
                               "Look-ups that a cache could not answer", labels,
                               [counts] { return Read(counts->misses); });
    metrics.AddGaugeCallback("matrixcore_cache_bytes",
                             "Memory of a cache's entries", labels,
                             [counts] { return Read(counts->bytes); });
    metrics.AddGaugeCallback("matrixcore_cache_entries", "Entries of a cache",
                             labels,
                             [counts] { return Read(counts->entries); });
  }
}

// --- One account ---

CacheAccount::CacheAccount(CacheBudget& budget, std::string_view name,
                           uint32_t share, Shrink shrink)
    : core_(budget.core_),
      name_(name),
      share_(share),
      shrink_(std::move(shrink)),
      counts_(std::make_shared<Counts>()) {
  core_->Join(this);
}

CacheAccount::~CacheAccount() { core_->Leave(this); }

size_t CacheAccount::max_entry() const { return core_->limit / kLargestEntry; }

void CacheAccount::Add(ptrdiff_t bytes, ptrdiff_t entries) {
  counts_->bytes.fetch_add(static_cast<uint64_t>(bytes),
                           std::memory_order_relaxed);
  counts_->entries.fetch_add(static_cast<uint64_t>(entries),
                             std::memory_order_relaxed);
  core_->used.fetch_add(static_cast<size_t>(bytes), std::memory_order_relaxed);
}

void CacheAccount::MakeRoom() {
  if (core_->used.load(std::memory_order_relaxed) > core_->limit) {
    core_->MakeRoom();
  }
}

void CacheAccount::Hit() {
  counts_->hits.fetch_add(1, std::memory_order_relaxed);
}

void CacheAccount::Miss() {
  counts_->misses.fetch_add(1, std::memory_order_relaxed);
}

CacheBudget::Figures CacheAccount::figures() const {
  return {.name = name_,
          .hits = counts_->hits.load(),
          .misses = counts_->misses.load(),
          .bytes = counts_->bytes.load(),
          .entries = counts_->entries.load()};
}

}  // namespace matrixcore
