// The conformance suite of SearchIndex.
#pragma once

#include <span>

#include "matrixcore/search/search_index.h"
#include "matrixcore/testing/conformance.h"

namespace matrixcore {

// Gives an index that is empty at first.
class SearchFixture {
 public:
  virtual ~SearchFixture() = default;

  virtual SearchIndex& index() = 0;
  // Closes the index in order and opens it again; false where that would only
  // make an empty one.
  virtual bool Reopen() = 0;
  // Goes on with an index over what the sudden death of the process would have
  // left at this moment; false where that would only make an empty one.
  virtual bool Crash() { return false; }
};

using SearchCheck = ConformanceCheck<SearchFixture>;
std::span<const SearchCheck> SearchChecks();

}  // namespace matrixcore
