// Whether the tables of a store fit together: for who verifies a database or a
// backup.  What is in a room (hashes, signatures, state) is another matter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Looks for rows that refer to what is not there (a room, a user, a device, a
// room's newest event or state) and for positions beyond the end of the log.
// Returns what it finds, in words, at most 100 problems; nothing when all is
// well.  Reads every room and user, and each of their tables where it begins,
// but not every row.  `schema_version` is the store's: tables that came later
// are not looked at.  `progress` hears how many of so many steps are done; null
// to hear nothing.
Result<std::vector<std::string>> FindInconsistencies(
    Snapshot& snapshot, uint32_t schema_version,
    const std::function<void(size_t done, size_t total)>& progress);

}  // namespace matrixcore
