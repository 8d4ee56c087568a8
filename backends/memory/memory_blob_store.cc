#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "matrixcore/backends/memory.h"
#include "matrixcore/base/bytes.h"
#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

using SharedBytes = std::shared_ptr<const std::string>;

// Shared, so that a writer that outlives its store does no harm.
struct Blobs {
  Mutex mutex;
  StringMap<SharedBytes> by_key MC_GUARDED_BY(mutex);
};

Status BadKey() {
  return {StatusCode::kInvalidArgument, "this cannot be the key of a blob"};
}

class MemoryWriter : public BlobStore::Writer {
 public:
  MemoryWriter(std::shared_ptr<Blobs> blobs, std::string key)
      : blobs_(std::move(blobs)), key_(std::move(key)) {}

  Status Append(ByteView bytes) override {
    MC_RETURN_IF_ERROR(CheckOpen());
    bytes_ += AsText(bytes);
    return OkStatus();
  }

  Status Commit() override {
    MC_RETURN_IF_ERROR(CheckOpen());
    committed_ = true;
    MutexLock lock(blobs_->mutex);
    blobs_->by_key[key_] =
        std::make_shared<const std::string>(std::move(bytes_));
    return OkStatus();
  }

 private:
  Status CheckOpen() const {
    if (!committed_) return OkStatus();
    return {StatusCode::kFailedPrecondition, "the blob is already committed"};
  }

  const std::shared_ptr<Blobs> blobs_;
  const std::string key_;
  std::string bytes_;
  bool committed_ = false;
};

class MemoryReader : public BlobStore::Reader {
 public:
  explicit MemoryReader(SharedBytes bytes) : bytes_(std::move(bytes)) {}

  uint64_t size() const override { return bytes_->size(); }

  Result<std::string> Read(uint64_t offset, size_t max) override {
    if (offset >= bytes_->size()) return std::string();
    return bytes_->substr(static_cast<size_t>(offset), max);
  }

 private:
  const SharedBytes bytes_;
};

class MemoryBlobStore : public BlobStore {
 public:
  Result<std::unique_ptr<Writer>> Create(std::string_view key) override {
    if (!IsBlobKey(key)) return BadKey();
    return std::unique_ptr<Writer>(
        std::make_unique<MemoryWriter>(blobs_, std::string(key)));
  }

  Result<std::unique_ptr<Reader>> Open(std::string_view key) override {
    if (!IsBlobKey(key)) return BadKey();
    MutexLock lock(blobs_->mutex);
    const auto found = blobs_->by_key.find(key);
    if (found == blobs_->by_key.end()) {
      return Status(StatusCode::kNotFound, "there is no such blob");
    }
    return std::unique_ptr<Reader>(
        std::make_unique<MemoryReader>(found->second));
  }

  Status Delete(std::string_view key) override {
    if (!IsBlobKey(key)) return BadKey();
    MutexLock lock(blobs_->mutex);
    const auto found = blobs_->by_key.find(key);
    if (found != blobs_->by_key.end()) blobs_->by_key.erase(found);
    return OkStatus();
  }

 private:
  const std::shared_ptr<Blobs> blobs_ = std::make_shared<Blobs>();
};

}  // namespace

std::unique_ptr<BlobStore> NewMemoryBlobStore() {
  return std::make_unique<MemoryBlobStore>();
}

}  // namespace matrixcore
