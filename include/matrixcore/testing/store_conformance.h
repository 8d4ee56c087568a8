// The conformance suite of Store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/store/catalog.h"
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

  // Sets aside what the storage holds at this moment, as the sudden death of
  // the store's process would leave it (kill -9; not what a clean close makes
  // of it).  The next Open() opens that.  The store is in use meanwhile, by
  // other threads too: copy its files while nothing can write them, or kill the
  // server that keeps them.  False where it cannot be done: the checks of
  // crashes then pass at once.
  virtual bool Crash() { return false; }
};

using StoreCheck = ConformanceCheck<StoreFixture>;

// The suite.
std::span<const StoreCheck> StoreChecks();

// The tables that the suite uses: every kind of key, column and index.
const Schema& ConformanceSchema();

// Fills a store of EarlierSchema(schema, from) with rows, opens it as `schema`,
// and compares every table and index with what must be there.  For every schema
// that has more than one version; nothing is checked when the fixture is not
// durable.
void CheckMigration(StoreFixture& fixture, const Schema& schema, uint32_t from,
                    Findings& findings);

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
