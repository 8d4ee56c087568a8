// The conformance suite of BlobStore.
#pragma once

#include <memory>
#include <span>

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
};

using BlobCheck = ConformanceCheck<BlobFixture>;
std::span<const BlobCheck> BlobChecks();

}  // namespace matrixcore
