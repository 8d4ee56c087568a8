// BlobStore: the bytes of media files, written once and streamed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/status.h"

namespace matrixcore {

// Whether `key` can name a blob: one or more parts of [A-Za-z0-9_-]{1,128}
// joined by "/", at most 240 bytes in all.
bool IsBlobKey(std::string_view key);

// Thread-safe; one thread at a time uses a Writer or Reader.  Keys are those of
// IsBlobKey: a caller's choice, never a user's text; any other key is
// kInvalidArgument.  Implementations must pass testing/blob_conformance.h.
class BlobStore {
 public:
  // A blob being written.  Destroying it before Commit leaves no trace.
  class Writer {
   public:
    virtual ~Writer() = default;
    // kUnavailable when the medium is full or gone; the blob is then lost.
    virtual Status Append(ByteView bytes) = 0;
    // Ends the writer: later calls are kFailedPrecondition.  When ok the blob
    // is there, durable; else old, new or torn: write it again or delete it.
    virtual Status Commit() = 0;
  };
  // A blob being read; sees the blob as it was when opened.
  class Reader {
   public:
    virtual ~Reader() = default;
    virtual uint64_t size() const = 0;
    // Up to `max` bytes from `offset`; fewer only at the end; "" past it.
    // kDataLoss when stored bytes are missing.
    virtual Result<std::string> Read(uint64_t offset, size_t max) = 0;
  };

  virtual ~BlobStore() = default;
  virtual Result<std::unique_ptr<Writer>> Create(std::string_view key) = 0;
  // kNotFound when there is none.
  virtual Result<std::unique_ptr<Reader>> Open(std::string_view key) = 0;
  // Ok also when there was none.
  virtual Status Delete(std::string_view key) = 0;
};

}  // namespace matrixcore
