// The backend of local files.
#pragma once

#include <memory>
#include <string>

#include "matrixcore/base/status.h"
#include "matrixcore/blob/blob_store.h"

namespace matrixcore {

// Blobs as files of mode 0600 below `directory`, which is made (with mode 0700)
// unless it exists; its parent must exist.  A blob "local/abc" is the file
// "3f/a2/local+abc": copying the directory is a backup.  Files are written
// beside, made durable and renamed, so that a crash leaves the old blob or the
// new one; what it leaves of unfinished ones goes at the next opening.
//
// kUnavailable, with the path and the reason, when the directory cannot be
// used.
Result<std::unique_ptr<BlobStore>> OpenLocalBlobStore(
    const std::string& directory);

}  // namespace matrixcore
