// The backends that keep everything in this process: for tests, for tools, and
// (Cache, Coordinator and Bus) for a server that is one process.
#pragma once

#include <cstddef>
#include <memory>

#include "matrixcore/base/time.h"
#include "matrixcore/blob/blob_store.h"
#include "matrixcore/cache/cache.h"
#include "matrixcore/coord/bus.h"
#include "matrixcore/coord/coordinator.h"
#include "matrixcore/store/store.h"
#include "matrixcore/store/table.h"

namespace matrixcore {

// A Store of ordered maps; nothing survives it.  Snapshots are immutable trees:
// made in constant time, they hold up no writer and no writer holds up them.
// Every call of a store with a bad schema (see ValidateSchema) fails with that
// error.  The names in `schema` must outlive it; the schema itself is copied.
std::unique_ptr<Store> NewMemoryStore(const Schema& schema);

}  // namespace matrixcore
