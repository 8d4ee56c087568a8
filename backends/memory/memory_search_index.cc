#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "matrixcore/backends/memory.h"
#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

Status Closed() {
  return Status(StatusCode::kUnavailable, "the search index is closed");
}

// Looks at every document of the groups that are asked for: plain and right.
class MemorySearchIndex final : public SearchIndex {
 public:
  Result<int64_t> Position() override {
    MutexLock lock(mutex_);
    if (closed_) return Closed();
    return position_;
  }

  Status Apply(const SearchChanges& changes) override {
    MutexLock lock(mutex_);
    if (closed_) return Closed();
    for (const int64_t group : changes.erased_groups) {
      const auto documents = groups_[group];  // A copy: Erase changes it.
      for (const int64_t id : documents) Erase(id);
    }
    for (const int64_t id : changes.erased) Erase(id);
    for (const SearchDocument& document : changes.put) {
      Erase(document.id);
      SearchDocument folded = document;
      folded.text = FoldText(document.text);
      groups_[document.group].insert(document.id);
      if (document.source != document.id) {
        sources_[document.source].insert(document.id);
      }
      documents_[document.id] = std::move(folded);
    }
    if (changes.position) position_ = *changes.position;
    return OkStatus();
  }

  Result<std::vector<int64_t>> FromSource(int64_t source) override {
    MutexLock lock(mutex_);
    if (closed_) return Closed();
    const auto it = sources_.find(source);
    if (it == sources_.end()) return std::vector<int64_t>();
    return std::vector<int64_t>(it->second.begin(), it->second.end());
  }

  Result<std::vector<SearchHit>> Search(const SearchQuery& query) override {
    MutexLock lock(mutex_);
    if (closed_) return Closed();
    std::vector<SearchHit> hits;
    for (const int64_t group : query.groups) {
      const auto of_group = groups_.find(group);
      if (of_group == groups_.end()) continue;
      for (const int64_t id : of_group->second) {
        const SearchDocument& document = documents_.find(id)->second;
        if (id >= query.before || (document.field & query.fields) == 0) {
          continue;
        }
        const auto score = query.terms.Score(document.text);
        if (score) hits.push_back({id, group, document.item, *score});
      }
    }
    std::sort(
        hits.begin(), hits.end(),
        [](const SearchHit& a, const SearchHit& b) { return a.id > b.id; });
    if (hits.size() > query.limit) hits.resize(query.limit);
    return hits;
  }

  Status Clear() override {
    MutexLock lock(mutex_);
    if (closed_) return Closed();
    documents_.clear();
    groups_.clear();
    sources_.clear();
    position_ = 0;
    return OkStatus();
  }

  void Close() override {
    MutexLock lock(mutex_);
    closed_ = true;
  }

 private:
  void Erase(int64_t id) MC_REQUIRES(mutex_) {
    const auto it = documents_.find(id);
    if (it == documents_.end()) return;
    groups_[it->second.group].erase(id);
    sources_[it->second.source].erase(id);
    documents_.erase(it);
  }

  Mutex mutex_;
  absl::flat_hash_map<int64_t, SearchDocument> documents_
      MC_GUARDED_BY(mutex_);  // With folded texts.
  absl::flat_hash_map<int64_t, std::set<int64_t>> groups_ MC_GUARDED_BY(mutex_);
  absl::flat_hash_map<int64_t, std::set<int64_t>> sources_
      MC_GUARDED_BY(mutex_);
  int64_t position_ MC_GUARDED_BY(mutex_) = 0;
  bool closed_ MC_GUARDED_BY(mutex_) = false;
};

}  // namespace

std::unique_ptr<SearchIndex> NewMemorySearchIndex() {
  return std::make_unique<MemorySearchIndex>();
}

}  // namespace matrixcore
