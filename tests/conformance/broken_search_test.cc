// Search indexes that break one rule each, and the checks that must notice.
#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "conformance/broken.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/testing/search_conformance.h"

namespace matrixcore {
namespace {

using Hits = std::vector<SearchHit>;

// Passes everything on; a broken index overrides what it breaks.
class SearchWrapper : public SearchIndex {
 public:
  Result<int64_t> Position() override { return sound_->Position(); }
  Status Apply(const SearchChanges& changes) override {
    return sound_->Apply(changes);
  }
  Result<std::vector<int64_t>> FromSource(int64_t source) override {
    return sound_->FromSource(source);
  }
  Result<Hits> Search(const SearchQuery& query) override {
    return sound_->Search(query);
  }
  Status Clear() override { return sound_->Clear(); }
  void Close() override { sound_->Close(); }

 protected:
  SearchIndex& sound() { return *sound_; }

 private:
  const std::unique_ptr<SearchIndex> sound_ = NewMemorySearchIndex();
};

class OldestFirst : public SearchWrapper {
 public:
  Result<Hits> Search(const SearchQuery& query) override {
    auto hits = sound().Search(query);
    if (hits.ok()) std::reverse(hits->begin(), hits->end());
    return hits;
  }
};

class LongWordsOnly : public SearchWrapper {
 public:
  Result<Hits> Search(const SearchQuery& query) override {
    for (const SearchTerms::Word& word : query.terms.words()) {
      if (!word.is_long) return Hits();
    }
    return sound().Search(query);
  }
};

class ReadsQueryLanguages : public SearchWrapper {
 public:
  Result<Hits> Search(const SearchQuery& query) override {
    for (const SearchTerms::Word& word : query.terms.words()) {
      if (word.text == "near") return Status(StatusCode::kInternal, "syntax");
    }
    return sound().Search(query);
  }
};

class KeepsWhatIsErased : public SearchWrapper {
 public:
  Status Apply(const SearchChanges& changes) override {
    SearchChanges changed = changes;
    changed.erased.clear();
    return sound().Apply(changed);
  }
};

class KeepsGroups : public SearchWrapper {
 public:
  Status Apply(const SearchChanges& changes) override {
    SearchChanges changed = changes;
    changed.erased_groups.clear();
    return sound().Apply(changed);
  }
};

class HasNoScores : public SearchWrapper {
 public:
  Result<Hits> Search(const SearchQuery& query) override {
    auto hits = sound().Search(query);
    if (hits.ok()) {
      for (SearchHit& hit : *hits) hit.score = 1;
    }
    return hits;
  }
};

class IgnoresBounds : public SearchWrapper {
 public:
  Result<Hits> Search(const SearchQuery& query) override {
    SearchQuery changed = query;
    changed.before = INT64_MAX;
    return sound().Search(changed);
  }
};

class ListsTheSourceItself : public SearchWrapper {
 public:
  Result<std::vector<int64_t>> FromSource(int64_t source) override {
    auto found = sound().FromSource(source);
    if (found.ok()) found->push_back(source);
    return found;
  }
};

class ForgetsItsPosition : public SearchWrapper {
 public:
  Status Apply(const SearchChanges& changes) override {
    SearchChanges changed = changes;
    changed.position = changes.position.value_or(0);
    return sound().Apply(changed);
  }
};

class MissesTheOldest : public SearchWrapper {
 public:
  Result<Hits> Search(const SearchQuery& query) override {
    auto hits = sound().Search(query);
    if (hits.ok() && hits->size() > 3) hits->pop_back();
    return hits;
  }
};

class AppliesByHalves : public SearchWrapper {
 public:
  Status Apply(const SearchChanges& changes) override {
    SearchChanges first;
    first.put = changes.put;
    SearchChanges second = changes;
    second.put.clear();
    MC_RETURN_IF_ERROR(sound().Apply(first));
    std::this_thread::yield();
    return sound().Apply(second);
  }
};

class StaysOpen : public SearchWrapper {
 public:
  void Close() override {}
};

template <typename Broken>
class BrokenFixture : public SearchFixture {
 public:
  SearchIndex& index() override { return index_; }
  bool Reopen() override { return false; }

 private:
  Broken index_;
};

// After a crash it has its position and nothing else.
class RemembersOnlyItsPosition : public SearchFixture {
 public:
  SearchIndex& index() override { return *index_; }
  bool Reopen() override { return false; }
  bool Crash() override {
    SearchChanges changes;
    changes.position = index_->Position().value();
    index_ = NewMemorySearchIndex();
    return index_->Apply(changes).ok();
  }

 private:
  std::unique_ptr<SearchIndex> index_ = NewMemorySearchIndex();
};

template <typename Broken>
Breakage<SearchFixture> Breaks(std::string rule,
                               std::vector<std::string> noticed_by) {
  return {std::move(rule),
          [] { return std::make_unique<BrokenFixture<Broken>>(); },
          std::move(noticed_by)};
}

std::vector<Breakage<SearchFixture>> SearchBreakages() {
  return {
      Breaks<OldestFirst>("TheNewestComeFirst",
                          {"FindsWordsNewestFirst", "SearchesWhileItChanges"}),
      Breaks<LongWordsOnly>("ShortWordsAreFound",
                            {"FindsShortWordsAndScriptsWithoutSpaces"}),
      Breaks<ReadsQueryLanguages>("QueriesAreWords", {"TakesAnythingAsAQuery"}),
      Breaks<KeepsWhatIsErased>("ErasedIsGone", {"ReplacesAndErases"}),
      Breaks<KeepsGroups>("GroupsAreErased", {"ErasesGroups"}),
      Breaks<HasNoScores>("HitsHaveScores", {"HitsCarryWhatWasPut"}),
      Breaks<IgnoresBounds>("BoundsHold", {"BoundsWhatItGives"}),
      Breaks<ListsTheSourceItself>("SourcesAreKnown", {"KnowsSources"}),
      Breaks<ForgetsItsPosition>("ThePositionStays", {"RemembersItsPosition"}),
      Breaks<MissesTheOldest>("AllAreFound", {"FindsWhatMatchesAndNothingElse",
                                              "SearchesWhileItChanges"}),
      Breaks<AppliesByHalves>("ChangesAreAtomic", {"ChangesHappenTogether"}),
      {"ThePositionIsTrue",
       [] { return std::make_unique<RemembersOnlyItsPosition>(); },
       {"IsWhatItSaysAfterACrash"}},
      Breaks<StaysOpen>("CloseCloses", {"RefusesAfterClose"}),
  };
}

MC_INSTANTIATE_BREAKAGES(Search, SearchChecks(), SearchBreakages)

}  // namespace
}  // namespace matrixcore
