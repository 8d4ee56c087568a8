// SearchIndex: finds texts by their words.  The interface that a full-text
// backend implements.
//
// It knows nothing of Matrix: documents are texts with numbers.  All that it
// holds can be made again from what it was made from, so it need not survive a
// power cut; but what it says about how far it has come must be true.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/search/search_text.h"

namespace matrixcore {

// One text.
struct SearchDocument {
  int64_t id = 0;      // Above 0; a greater one is newer.
  int64_t group = 0;   // Where it belongs: a room.
  int64_t item = 0;    // Given back with a hit.
  uint32_t field = 1;  // One bit: what kind of text it is.
  // What the text was taken from: the document itself, or another id.
  int64_t source = 0;
  std::string text;  // As people wrote it.
  friend bool operator==(const SearchDocument&,
                         const SearchDocument&) = default;
};

// Changes that happen together or not at all.
struct SearchChanges {
  // First these go; what is not there is no error.
  std::vector<int64_t> erased_groups;
  std::vector<int64_t> erased;
  // Then these come, replacing documents with the same id.
  std::vector<SearchDocument> put;
  // How far the index has come now.
  std::optional<int64_t> position;
};

struct SearchQuery {
  SearchTerms terms;
  std::vector<int64_t> groups;   // Sorted; only documents of these.
  uint32_t fields = UINT32_MAX;  // Only documents of these.
  int64_t before = INT64_MAX;    // Only ids below it.
  size_t limit = 100;            // The newest so many.
};

struct SearchHit {
  int64_t id = 0;
  int64_t group = 0;
  int64_t item = 0;
  double score = 0;  // SearchTerms::Score.
  friend bool operator==(const SearchHit&, const SearchHit&) = default;
};

// Thread-safe.  Failures: kUnavailable, kDataLoss.  Implementations must pass
// testing/search_conformance.h.
class SearchIndex {
 public:
  virtual ~SearchIndex() = default;

  // The position of the last Apply that had one; 0 for an empty index.
  virtual Result<int64_t> Position() = 0;
  virtual Status Apply(const SearchChanges& changes) = 0;
  // The documents whose text was taken from `source`, other than itself.
  virtual Result<std::vector<int64_t>> FromSource(int64_t source) = 0;
  // Those that match, the newest first.  An implementation may look at a
  // bounded number of candidates, and miss old documents of a query that
  // matches a great many elsewhere.
  virtual Result<std::vector<SearchHit>> Search(const SearchQuery& query) = 0;
  // Makes it an empty index.
  virtual Status Clear() = 0;
  // Refuses what is new with kUnavailable.  Idempotent.
  virtual void Close() = 0;
};

}  // namespace matrixcore
