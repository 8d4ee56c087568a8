// How the memory budget of a server is divided between SQLite's page caches and
// everything else that may be forgotten.
#pragma once

#include <cstddef>

#include "config.h"
#include "matrixcore/base/status.h"

namespace matrixcore::server {

struct MemoryPlan {
  size_t writer_pages = 0;  // Bytes: of the database's writer ...
  size_t reader_pages = 0;  // ... and of each of its readers,
  size_t search_pages = 0;  // of each of the search index's two connections.
  size_t all_pages = 0;     // All of them together.
};

// Settings of 0 are filled in.  kInvalidArgument, naming the settings, when the
// page caches leave less than a quarter of the budget for the rest.
Result<MemoryPlan> PlanMemory(const Config& config, size_t readers);

}  // namespace matrixcore::server
