// The backends that keep everything in this process: for tests, for tools, and
// (Cache, Coordinator and Bus) for a server that is one process.
#pragma once

#include <cstddef>
#include <memory>

#include "matrixcore/base/cache_budget.h"
#include "matrixcore/base/time.h"
#include "matrixcore/blob/blob_store.h"
#include "matrixcore/cache/cache.h"
#include "matrixcore/coord/bus.h"
#include "matrixcore/coord/coordinator.h"
#include "matrixcore/search/search_index.h"
#include "matrixcore/store/store.h"
#include "matrixcore/store/table.h"

namespace matrixcore {

// A Store of ordered maps; nothing survives it.  Snapshots are immutable trees:
// made in constant time, they hold up no writer and no writer holds up them.
// Every call of a store with a bad schema (see ValidateSchema) fails with that
// error.  The names in `schema` must outlive it; the schema itself is copied.
std::unique_ptr<Store> NewMemoryStore(const Schema& schema);

// A Cache within a budget; what was used least recently goes first.  `clock`
// and `budget` must outlive it.
std::unique_ptr<Cache> NewMemoryCache(const Clock& clock, CacheBudget& budget);

std::unique_ptr<BlobStore> NewMemoryBlobStore();

// Leases for the threads of this process.  Deadlines are those of `clock`,
// which must outlive it; while someone waits for a lease with a deadline, it is
// looked at every few milliseconds of real time, so a simulated clock serves
// too.
std::unique_ptr<Coordinator> NewMemoryCoordinator(const Clock& clock);

// A Bus for the threads of this process.  Publish delivers before it returns,
// on the publisher's thread; only a message for a subscription whose callback
// runs just then is left to the thread that runs it.  So do not publish while
// holding a lock that a listener takes.
std::unique_ptr<Bus> NewMemoryBus();

// A SearchIndex that looks at every text of the rooms it is asked for.
std::unique_ptr<SearchIndex> NewMemorySearchIndex();

}  // namespace matrixcore
