#include "matrixcore/testing/search_conformance.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace matrixcore {
namespace {

using Ids = std::vector<int64_t>;

SearchDocument Document(int64_t id, int64_t group, std::string text) {
  SearchDocument document;
  document.id = id;
  document.group = group;
  document.item = id * 10;
  document.source = id;
  document.text = std::move(text);
  return document;
}

bool Apply(SearchIndex& index, const SearchChanges& changes,
           Findings& findings) {
  const Status status = index.Apply(changes);
  if (status.ok()) return true;
  findings.Add("Apply: " + status.ToString());
  return false;
}

bool Put(SearchIndex& index, std::vector<SearchDocument> documents,
         Findings& findings) {
  SearchChanges changes;
  changes.put = std::move(documents);
  return Apply(index, changes, findings);
}

SearchQuery Query(std::string_view text, Ids groups = {1}) {
  SearchQuery query;
  query.terms = SearchTerms::Parse(text);
  query.groups = std::move(groups);
  return query;
}

Ids Found(SearchIndex& index, const SearchQuery& query, Findings& findings) {
  const Result<std::vector<SearchHit>> hits = index.Search(query);
  Ids ids;
  if (!hits.ok()) {
    findings.Add("Search: " + hits.status().ToString());
    return ids;
  }
  for (const SearchHit& hit : *hits) ids.push_back(hit.id);
  return ids;
}

void ExpectFound(SearchIndex& index, const SearchQuery& query, const Ids& ids,
                 std::string_view what, Findings& findings) {
  const Ids found = Found(index, query, findings);
  if (found == ids) return;
  findings.Add(fmt::format("{}: found [{}] instead of [{}]", what,
                           fmt::join(found, " "), fmt::join(ids, " ")));
}

void FindsWordsNewestFirst(SearchFixture& fixture, Findings& findings) {
  SearchIndex& index = fixture.index();
  ExpectFound(index, Query("hello"), {}, "an empty index", findings);
  if (!Put(index,
           {Document(3, 1, "Hello world"), Document(1, 1, "hello there"),
            Document(2, 1, "goodbye world"), Document(7, 2, "hello elsewhere")},
           findings)) {
    return;
  }
  ExpectFound(index, Query("hello"), {3, 1}, "one word", findings);
  ExpectFound(index, Query("world hello"), {3}, "two words", findings);
  ExpectFound(index, Query("ell"), {3, 1}, "a part of a word", findings);
  ExpectFound(index, Query("HELLO!!"), {3, 1}, "case and punctuation",
              findings);
  ExpectFound(index, Query("nowhere"), {}, "no such word", findings);
  ExpectFound(index, Query("hello", {1, 2}), {7, 3, 1}, "two groups", findings);
  ExpectFound(index, Query("hello", {}), {}, "no group", findings);
  ExpectFound(index, Query("?"), {}, "no word", findings);
}

void FindsShortWordsAndScriptsWithoutSpaces(SearchFixture& fixture,
                                            Findings& findings) {
  SearchIndex& index = fixture.index();
  if (!Put(index,
           {Document(1, 1, "Go to it, no?"), Document(2, 1, "nothing, really"),
            Document(3, 1, "私は東京に住んでいます"),
            Document(4, 1, "京都は東にある"), Document(5, 1, "no 東京 trip")},
           findings)) {
    return;
  }
  ExpectFound(index, Query("no"), {5, 1}, "a word of two letters", findings);
  ExpectFound(index, Query("it go"), {1}, "two of them", findings);
  ExpectFound(index, Query("東京"), {5, 3}, "two characters", findings);
  ExpectFound(index, Query("東"), {5, 4, 3}, "one character", findings);
  ExpectFound(index, Query("東京に"), {3}, "three characters", findings);
  ExpectFound(index, Query("no trip"), {5}, "a short and a long word",
              findings);
}

void TakesAnythingAsAQuery(SearchFixture& fixture, Findings& findings) {
  SearchIndex& index = fixture.index();
  if (!Put(index, {Document(1, 1, "alpha \"beta\" (gamma) -- NEAR col:x ' %")},
           findings)) {
    return;
  }
  for (const std::string_view query :
       {"alpha AND beta", "\"alpha", "alpha*", "NEAR(alpha beta)", "alpha -",
        "col:x", "'; DROP TABLE documents; --", "^alpha", "{alpha beta}", "%_%",
        "\\", "alpha OR", "(", "\"\"\"", "+alpha"}) {
    (void)Found(index, Query(query), findings);
  }
  ExpectFound(index, Query("\"alpha"), {1}, "an open quote", findings);
  ExpectFound(index, Query("(gamma)"), {1}, "brackets", findings);
  ExpectFound(index, Query("near col"), {1}, "words of query languages",
              findings);
}

void ReplacesAndErases(SearchFixture& fixture, Findings& findings) {
  SearchIndex& index = fixture.index();
  if (!Put(index, {Document(1, 1, "first text"), Document(2, 1, "other text")},
           findings) ||
      !Put(index, {Document(1, 1, "second words")}, findings)) {
    return;
  }
  ExpectFound(index, Query("first"), {}, "a replaced text", findings);
  ExpectFound(index, Query("second"), {1}, "its replacement", findings);
  SearchChanges changes;
  changes.erased = {1, 99};
  if (!Apply(index, changes, findings)) return;
  ExpectFound(index, Query("second"), {}, "an erased text", findings);
  ExpectFound(index, Query("text"), {2}, "another text", findings);
  SearchChanges both;
  both.erased = {2};
  both.put = {Document(2, 1, "newer text")};
  if (!Apply(index, both, findings)) return;
  ExpectFound(index, Query("newer"), {2}, "erased, then put", findings);
  ExpectFound(index, Query("other"), {}, "what was erased", findings);
}

void ErasesGroups(SearchFixture& fixture, Findings& findings) {
  SearchIndex& index = fixture.index();
  if (!Put(index,
           {Document(1, 1, "text"), Document(2, 2, "text"),
            Document(3, 1, "text")},
           findings)) {
    return;
  }
  SearchChanges changes;
  changes.erased_groups = {1, 9};
  changes.put = {Document(4, 1, "text")};
  if (!Apply(index, changes, findings)) return;
  ExpectFound(index, Query("text", {1, 2}), {4, 2}, "after a group went",
              findings);
}

void HitsCarryWhatWasPut(SearchFixture& fixture, Findings& findings) {
  SearchIndex& index = fixture.index();
  if (!Put(index, {Document(5, 3, "cat cat"), Document(6, 3, "one cat only")},
           findings)) {
    return;
  }
  const auto hits = index.Search(Query("cat", {3}));
  if (!hits.ok() || hits->size() != 2) {
    findings.Add("two hits were expected");
    return;
  }
  const SearchTerms terms = SearchTerms::Parse("cat");
  const SearchHit first{6, 3, 60, *terms.Score(FoldText("one cat only"))};
  const SearchHit second{5, 3, 50, *terms.Score(FoldText("cat cat"))};
  findings.Expect((*hits)[0] == first, "the newer hit is not as expected");
  findings.Expect((*hits)[1] == second, "the older hit is not as expected");
}

void BoundsWhatItGives(SearchFixture& fixture, Findings& findings) {
  SearchIndex& index = fixture.index();
  SearchDocument name = Document(4, 1, "text");
  name.field = 2;
  if (!Put(index,
           {Document(1, 1, "text"), Document(2, 1, "text"),
            Document(3, 1, "text"), name},
           findings)) {
    return;
  }
  SearchQuery query = Query("text");
  query.limit = 2;
  ExpectFound(index, query, {4, 3}, "a limit", findings);
  query.before = 3;
  ExpectFound(index, query, {2, 1}, "a bound", findings);
  query = Query("text");
  query.fields = 2;
  ExpectFound(index, query, {4}, "a field", findings);
  query.fields = 3;
  ExpectFound(index, query, {4, 3, 2, 1}, "two fields", findings);
}

void KnowsSources(SearchFixture& fixture, Findings& findings) {
  SearchIndex& index = fixture.index();
  SearchDocument edited = Document(1, 1, "edited text");
  edited.source = 9;
  if (!Put(index, {edited, Document(2, 1, "text")}, findings)) return;
  const auto expect = [&](int64_t source, const Ids& ids) {
    const auto found = index.FromSource(source);
    findings.Expect(found.ok() && *found == ids,
                    fmt::format("the documents from source {}", source));
  };
  expect(9, {1});
  expect(2, {});
  expect(7, {});
  if (!Put(index, {Document(1, 1, "text")}, findings)) return;
  expect(9, {});
}

void RemembersItsPosition(SearchFixture& fixture, Findings& findings) {
  const auto expect = [&](int64_t position, std::string_view when) {
    const auto found = fixture.index().Position();
    findings.Expect(found.ok() && *found == position,
                    fmt::format("the position {}", when));
  };
  expect(0, "of an empty index");
  SearchChanges changes;
  changes.put = {Document(1, 1, "text")};
  changes.position = 17;
  if (!Apply(fixture.index(), changes, findings)) return;
  expect(17, "after a change");
  if (!Put(fixture.index(), {Document(2, 1, "text")}, findings)) return;
  expect(17, "after a change without one");
  if (fixture.Reopen()) {
    expect(17, "after opening again");
    ExpectFound(fixture.index(), Query("text"), {2, 1}, "after opening again",
                findings);
  }
  findings.Expect(fixture.index().Clear().ok(), "Clear failed");
  expect(0, "of a cleared index");
  ExpectFound(fixture.index(), Query("text"), {}, "a cleared index", findings);
  if (!Put(fixture.index(), {Document(1, 1, "new text")}, findings)) return;
  ExpectFound(fixture.index(), Query("text"), {1}, "after clearing", findings);
}

// Against the definition itself, over random texts of a small alphabet.
void FindsWhatMatchesAndNothingElse(SearchFixture& fixture,
                                    Findings& findings) {
  SearchIndex& index = fixture.index();
  std::minstd_rand random(7);
  const std::vector<std::string> pieces = {"a",  "b", "no", "cat", "É",  "東",
                                           "京", " ", "-",  "'",   "x9", "👍"};
  const auto text = [&](size_t length) {
    std::string made;
    for (size_t i = 0; i < length; ++i)
      made += pieces[random() % pieces.size()];
    return made;
  };
  std::vector<SearchDocument> documents;
  for (int64_t id = 1; id <= 200; ++id) {
    documents.push_back(Document(id, 1 + id % 3, text(1 + random() % 12)));
  }
  if (!Put(index, documents, findings)) return;
  // Half of them get another text.
  for (size_t i = 0; i < documents.size(); i += 2) {
    documents[i].text = text(1 + random() % 12);
    if (!Put(index, {documents[i]}, findings)) return;
  }
  for (int i = 0; i < 300; ++i) {
    const std::string words = text(1 + random() % 4);
    SearchQuery query = Query(words, {1, 3});
    query.limit = 1000;
    Ids expected;
    for (auto it = documents.rbegin(); it != documents.rend(); ++it) {
      if (it->group != 2 && query.terms.Score(FoldText(it->text))) {
        expected.push_back(it->id);
      }
    }
    ExpectFound(index, query, expected, "\"" + words + "\"", findings);
  }
}

void SearchesWhileItChanges(SearchFixture& fixture, Findings& findings) {
  SearchIndex& index = fixture.index();
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    for (int64_t id = 1; id <= 100; ++id) {
      Put(index, {Document(id, 1, fmt::format("text number {}", id))},
          findings);
    }
  });
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        int64_t last = INT64_MAX;
        for (const int64_t id : Found(index, Query("number"), findings)) {
          findings.Expect(id < last, "hits out of order");
          last = id;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  findings.Expect(Found(index, Query("number"), findings).size() == 100,
                  "not everything was found in the end");
}

// One document is replaced by the next, again and again: a search finds exactly
// one, whenever it comes.
void ChangesHappenTogether(SearchFixture& fixture, Findings& findings) {
  SearchIndex& index = fixture.index();
  constexpr int kSearches = 60;
  if (!Put(index, {Document(1, 1, "text of one")}, findings)) return;
  std::atomic<bool> stop{false};
  std::atomic<int> searches{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        const size_t found = Found(index, Query("text"), findings).size();
        ++searches;
        findings.Expect(found == 1,
                        fmt::format("half of a change is seen: {} documents "
                                    "instead of 1",
                                    found));
      }
    });
  }
  for (int64_t id = 2; id <= 60 || searches < kSearches; ++id) {
    SearchChanges changes;
    changes.erased = {id - 1};
    changes.put = {Document(id, 1, "text of one")};
    if (!Apply(index, changes, findings)) break;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

// What it holds goes with the position that it tells.
void IsWhatItSaysAfterACrash(SearchFixture& fixture, Findings& findings) {
  for (int64_t id = 1; id <= 20; ++id) {
    SearchChanges changes;
    changes.put = {Document(id, 1, "text")};
    changes.position = id;
    if (!Apply(fixture.index(), changes, findings)) return;
  }
  if (!fixture.Crash()) return;
  const auto position = fixture.index().Position();
  if (!findings.Expect(position.ok() && *position >= 0 && *position <= 20,
                       "the position after a crash")) {
    return;
  }
  Ids expected;
  for (int64_t id = *position; id > 0; --id) expected.push_back(id);
  ExpectFound(fixture.index(), Query("text"), expected,
              fmt::format("an index that has come to {} at a crash", *position),
              findings);
}

void RefusesAfterClose(SearchFixture& fixture, Findings& findings) {
  SearchIndex& index = fixture.index();
  index.Close();
  index.Close();
  findings.Expect(
      index.Search(Query("text")).status().code() == StatusCode::kUnavailable,
      "Search of a closed index");
  findings.Expect(index.Apply({}).code() == StatusCode::kUnavailable,
                  "Apply to a closed index");
  findings.Expect(index.Position().status().code() == StatusCode::kUnavailable,
                  "Position of a closed index");
}

constexpr SearchCheck kChecks[] = {
    {"FindsWordsNewestFirst", FindsWordsNewestFirst},
    {"FindsShortWordsAndScriptsWithoutSpaces",
     FindsShortWordsAndScriptsWithoutSpaces},
    {"TakesAnythingAsAQuery", TakesAnythingAsAQuery},
    {"ReplacesAndErases", ReplacesAndErases},
    {"ErasesGroups", ErasesGroups},
    {"HitsCarryWhatWasPut", HitsCarryWhatWasPut},
    {"BoundsWhatItGives", BoundsWhatItGives},
    {"KnowsSources", KnowsSources},
    {"RemembersItsPosition", RemembersItsPosition},
    {"FindsWhatMatchesAndNothingElse", FindsWhatMatchesAndNothingElse},
    {"SearchesWhileItChanges", SearchesWhileItChanges},
    {"ChangesHappenTogether", ChangesHappenTogether},
    {"IsWhatItSaysAfterACrash", IsWhatItSaysAfterACrash},
    {"RefusesAfterClose", RefusesAfterClose},
};

}  // namespace

std::span<const SearchCheck> SearchChecks() { return kChecks; }

}  // namespace matrixcore
