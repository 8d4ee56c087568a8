// The conformance suite of Store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/store/store.h"
#include "matrixcore/store/table.h"
#include "matrixcore/testing/conformance.h"

namespace matrixcore {

// Gives stores over one storage that is empty at first: a directory, a
// database. Removes it when destroyed.  A check has at most one store open at a
// time.
class StoreFixture {
 public:
  virtual ~StoreFixture() = default;

  // Opens a store; the one before was destroyed.  When the backend is durable,
  // it holds what that one held, brought up to `schema`.
  virtual Result<std::unique_ptr<Store>> Open(const Schema& schema) = 0;

  // Whether data outlives a store: else the checks of reopening and of
  // migration pass at once.
  virtual bool durable() const = 0;
};

using StoreCheck = ConformanceCheck<StoreFixture>;

// The suite.
std::span<const StoreCheck> StoreChecks();

// The tables that the suite uses: every kind of key, column and index.
const Schema& ConformanceSchema();

// Does the same `steps` random commits and reads to both stores, which are
// empty and have ConformanceSchema, and notes where their answers differ.  The
// seed is part of what is noted: the same seed does the same again.
void CompareStores(Store& left, Store& right, uint64_t seed, size_t steps,
                   Findings& findings);

// The same, with choices drawn from `random`: for fuzzers.
void CompareStores(Store& left, Store& right, Random& random, size_t steps,
                   Findings& findings);

// The plainest possible Store, for comparing: sorted maps, every read a walk
// over all rows, every commit done at once.  Not thread-safe.
std::unique_ptr<Store> NewModelStore(const Schema& schema);

}  // namespace matrixcore
