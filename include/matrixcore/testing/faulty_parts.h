// The wrappers of testing/faults.h, one for each interface of storage.  Each
// is as thread-safe as its interface; what it wraps and the injector outlive
// it. Without faults each passes the conformance suite of its interface.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/blob/blob_store.h"
#include "matrixcore/cache/cache.h"
#include "matrixcore/coord/bus.h"
#include "matrixcore/coord/coordinator.h"
#include "matrixcore/search/search_index.h"
#include "matrixcore/store/store.h"
#include "matrixcore/testing/faults.h"

namespace matrixcore {

// kSnapshotFails, kReadFails, kCommitFails, kCommitAnswerLost, kDelay.  A
// struck commit is answered in its turn, on the store's thread, like any other.
class FaultyStore final : public Store {
 public:
  FaultyStore(Store& store, FaultInjector& faults)
      : store_(store), faults_(faults) {}

  Result<std::unique_ptr<Snapshot>> NewSnapshot() override;
  void CommitAsync(WriteBatch batch, Done done) override;
  Position LastPosition() const override { return store_.LastPosition(); }
  Status Check() override { return store_.Check(); }
  void Close() override { store_.Close(); }

 private:
  Store& store_;
  FaultInjector& faults_;
};

// kCacheForgets, kCacheFails, kDelay.
class FaultyCache final : public Cache {
 public:
  FaultyCache(Cache& cache, FaultInjector& faults)
      : cache_(cache), faults_(faults) {}

  std::optional<std::string> Get(std::string_view key) override;
  void Put(std::string_view key, std::string value, Duration ttl) override;
  void Erase(std::string_view key) override;
  Result<int64_t> Add(std::string_view key, int64_t amount,
                      Duration ttl) override;

 private:
  Cache& cache_;
  FaultInjector& faults_;
};

// kBlobFails, kBlobAnswerLost, kBlobTorn, kDelay.  Holds a blob in memory while
// it is written.
class FaultyBlobStore final : public BlobStore {
 public:
  FaultyBlobStore(BlobStore& blobs, FaultInjector& faults)
      : blobs_(blobs), faults_(faults) {}

  Result<std::unique_ptr<Writer>> Create(std::string_view key) override;
  Result<std::unique_ptr<Reader>> Open(std::string_view key) override;
  Status Delete(std::string_view key) override;

 private:
  class FaultyWriter;
  class FaultyReader;
  bool IsTorn(std::string_view key);
  void SetTorn(std::string_view key, bool torn);

  BlobStore& blobs_;
  FaultInjector& faults_;
  Mutex mutex_;
  std::set<std::string, std::less<>> torn_ MC_GUARDED_BY(mutex_);
};

// kSearchFails, kDelay.
class FaultySearchIndex final : public SearchIndex {
 public:
  FaultySearchIndex(SearchIndex& index, FaultInjector& faults)
      : index_(index), faults_(faults) {}

  Result<int64_t> Position() override;
  Status Apply(const SearchChanges& changes) override;
  Result<std::vector<int64_t>> FromSource(int64_t source) override;
  Result<std::vector<SearchHit>> Search(const SearchQuery& query) override;
  Status Clear() override;
  void Close() override { index_.Close(); }

 private:
  Status MaybeFail();

  SearchIndex& index_;
  FaultInjector& faults_;
};

// kLeaseFails, kLeaseLost, kDelay.
class FaultyCoordinator final : public Coordinator {
 public:
  FaultyCoordinator(Coordinator& coordinator, FaultInjector& faults)
      : coordinator_(coordinator), faults_(faults) {}

  Result<std::unique_ptr<Lease>> Acquire(std::string_view key,
                                         MonotonicTime deadline) override;
  Result<std::unique_ptr<Lease>> TryAcquire(std::string_view key) override;

  // Takes the key away from whoever holds it; false when nobody does.
  bool Lose(std::string_view key);

 private:
  class FaultyLease;
  struct Held;
  std::unique_ptr<Lease> Wrap(std::string_view key,
                              std::unique_ptr<Lease> lease);

  Coordinator& coordinator_;
  FaultInjector& faults_;
  Mutex mutex_;
  std::map<std::string, std::weak_ptr<Held>, std::less<>> held_
      MC_GUARDED_BY(mutex_);
};

// kPublishFails, kWakeupLost, kDelay.
class FaultyBus final : public Bus {
 public:
  FaultyBus(Bus& bus, FaultInjector& faults) : bus_(bus), faults_(faults) {}

  Result<std::unique_ptr<Subscription>> Subscribe(std::string_view topic,
                                                  Listener listener) override;
  Status Publish(std::string_view topic, std::string_view message) override;

 private:
  Bus& bus_;
  FaultInjector& faults_;
};

}  // namespace matrixcore
