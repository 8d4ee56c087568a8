// The conformance suite of BlobStore.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/blob/blob_store.h"
#include "matrixcore/testing/conformance.h"

namespace matrixcore {

// Gives stores over one storage that is empty at first, and removes it when
// destroyed.
class BlobFixture {
 public:
  virtual ~BlobFixture() = default;

  // Opens a store; when the backend is durable, over what earlier ones hold.
  virtual Result<std::unique_ptr<BlobStore>> Open() = 0;
  // Whether blobs outlive their store.
  virtual bool durable() const = 0;

  // Sets aside what the storage holds at this moment, as the sudden death of
  // the process would leave it; the next Open() opens that.  Stores, readers
  // and writers are there meanwhile, but no call to them is under way.  False
  // where it cannot be done: the check of crashes then passes at once.
  virtual bool Crash() { return false; }
  // Takes the second half of a stored blob away, as a broken disk would.  False
  // where it cannot be done.
  virtual bool Tear(std::string_view key) {
    (void)key;
    return false;
  }
};

using BlobCheck = ConformanceCheck<BlobFixture>;
std::span<const BlobCheck> BlobChecks();

}  // namespace matrixcore
