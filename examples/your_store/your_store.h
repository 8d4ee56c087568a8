// A Store in one file that only grows: the smallest backend that keeps every
// promise of store/store.h, to begin your own from.
//
// All rows are in memory; each group of commits is one record at the end of the
// file, made durable before anybody is answered.  Opening reads the records
// again.  A record that a crash cut short, or whose checksum is wrong, ends the
// file.  It is slow when tables are large (a commit copies the tables that it
// changes, a scan of an index sorts), and the file is never shortened.
#pragma once

#include <memory>
#include <string>

#include "matrixcore/base/status.h"
#include "matrixcore/store/store.h"
#include "matrixcore/store/table.h"

namespace your {

// Opens or makes (with mode 0600) the file.  The names in `schema` must outlive
// the store.  Each error names the file and what to do: kUnavailable (in use,
// not allowed, no space), kFailedPrecondition (made by a newer program),
// kDataLoss (not such a file).
matrixcore::Result<std::unique_ptr<matrixcore::Store>> OpenYourStore(
    const std::string& path, const matrixcore::Schema& schema);

}  // namespace your
