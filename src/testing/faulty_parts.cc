#include "matrixcore/testing/faulty_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace matrixcore {
namespace {

Status Injected(Fault fault) {
  return {StatusCode::kUnavailable,
          fmt::format("injected: {}", FaultName(fault))};
}
Status AnswerLost(Fault fault) {
  return {StatusCode::kDeadlineExceeded,
          fmt::format("injected: {}", FaultName(fault))};
}

// --- Store ---

class FaultySnapshot final : public Snapshot {
 public:
  FaultySnapshot(std::unique_ptr<Snapshot> snapshot, FaultInjector& faults)
      : snapshot_(std::move(snapshot)), faults_(faults) {}

  Position position() const override { return snapshot_->position(); }
  Result<std::optional<Row>> Get(const TableSpec& table,
                                 const Row& key) override {
    MC_RETURN_IF_ERROR(MaybeFail());
    return snapshot_->Get(table, key);
  }
  Result<std::vector<std::optional<Row>>> GetMany(
      const TableSpec& table, std::span<const Row> keys) override {
    MC_RETURN_IF_ERROR(MaybeFail());
    return snapshot_->GetMany(table, keys);
  }
  Result<std::vector<Row>> Scan(const ScanSpec& spec) override {
    MC_RETURN_IF_ERROR(MaybeFail());
    return snapshot_->Scan(spec);
  }

 private:
  Status MaybeFail() {
    faults_.MaybeDelay();
    if (!faults_.Strikes(Fault::kReadFails)) return OkStatus();
    return Injected(Fault::kReadFails);
  }

  const std::unique_ptr<Snapshot> snapshot_;
  FaultInjector& faults_;
};

}  // namespace

Result<std::unique_ptr<Snapshot>> FaultyStore::NewSnapshot() {
  faults_.MaybeDelay();
  if (faults_.Strikes(Fault::kSnapshotFails)) {
    return Injected(Fault::kSnapshotFails);
  }
  MC_ASSIGN_OR_RETURN(std::unique_ptr<Snapshot> snapshot, store_.NewSnapshot());
  return std::unique_ptr<Snapshot>(
      std::make_unique<FaultySnapshot>(std::move(snapshot), faults_));
}

void FaultyStore::CommitAsync(WriteBatch batch, Done done) {
  faults_.MaybeDelay();
  // Both are drawn for each commit, so that one does not shift the other.
  const bool fails = faults_.Strikes(Fault::kCommitFails);
  const bool lost = faults_.Strikes(Fault::kCommitAnswerLost);
  if (!fails && !lost) {
    return store_.CommitAsync(std::move(batch), std::move(done));
  }
  // An empty batch has its turn and writes nothing.
  if (fails) batch = WriteBatch();
  store_.CommitAsync(std::move(batch), [fails, done = std::move(done)](
                                           Result<CommitInfo> result) mutable {
    if (result.ok()) {
      result = fails ? Injected(Fault::kCommitFails)
                     : AnswerLost(Fault::kCommitAnswerLost);
    }
    done(std::move(result));
  });
}

// --- Cache ---

std::optional<std::string> FaultyCache::Get(std::string_view key) {
  faults_.MaybeDelay();
  if (faults_.Strikes(Fault::kCacheForgets)) cache_.Erase(key);
  return cache_.Get(key);
}

void FaultyCache::Put(std::string_view key, std::string value, Duration ttl) {
  faults_.MaybeDelay();
  if (faults_.Strikes(Fault::kCacheForgets)) return cache_.Erase(key);
  cache_.Put(key, std::move(value), ttl);
}

void FaultyCache::Erase(std::string_view key) {
  faults_.MaybeDelay();
  cache_.Erase(key);
}

Result<int64_t> FaultyCache::Add(std::string_view key, int64_t amount,
                                 Duration ttl) {
  faults_.MaybeDelay();
  if (faults_.Strikes(Fault::kCacheFails)) return Injected(Fault::kCacheFails);
  if (faults_.Strikes(Fault::kCacheForgets)) cache_.Erase(key);
  return cache_.Add(key, amount, ttl);
}

// --- BlobStore ---

// Gathers the bytes and writes all of them, or half, at the end.
class FaultyBlobStore::FaultyWriter final : public Writer {
 public:
  FaultyWriter(FaultyBlobStore& owner, std::string key)
      : owner_(owner), key_(std::move(key)) {}

  Status Append(ByteView bytes) override {
    MC_RETURN_IF_ERROR(CheckOpen());
    owner_.faults_.MaybeDelay();
    if (owner_.faults_.Strikes(Fault::kBlobFails)) return Fail();
    bytes_ += AsText(bytes);
    return OkStatus();
  }

  Status Commit() override {
    MC_RETURN_IF_ERROR(CheckOpen());
    owner_.faults_.MaybeDelay();
    done_ = true;
    FaultInjector& faults = owner_.faults_;
    if (faults.Strikes(Fault::kBlobFails)) return Fail();
    if (faults.Strikes(Fault::kBlobTorn)) {
      MC_RETURN_IF_ERROR(Write(bytes_.size() / 2));
      owner_.SetTorn(key_, true);
      return Injected(Fault::kBlobTorn);
    }
    MC_RETURN_IF_ERROR(Write(bytes_.size()));
    owner_.SetTorn(key_, false);
    if (!faults.Strikes(Fault::kBlobAnswerLost)) return OkStatus();
    return AnswerLost(Fault::kBlobAnswerLost);
  }

 private:
  Status CheckOpen() const {
    if (!done_) return OkStatus();
    return {StatusCode::kFailedPrecondition, "the writer has ended"};
  }

  // The blob is lost.
  Status Fail() {
    done_ = true;
    return Injected(Fault::kBlobFails);
  }

  Status Write(size_t size) {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Writer> writer,
                        owner_.blobs_.Create(key_));
    MC_RETURN_IF_ERROR(
        writer->Append(AsBytes(std::string_view(bytes_).substr(0, size))));
    return writer->Commit();
  }

  FaultyBlobStore& owner_;
  const std::string key_;
  std::string bytes_;
  bool done_ = false;
};

class FaultyBlobStore::FaultyReader final : public Reader {
 public:
  FaultyReader(std::unique_ptr<Reader> reader, bool torn, FaultInjector& faults)
      : reader_(std::move(reader)), torn_(torn), faults_(faults) {}

  uint64_t size() const override { return reader_->size(); }
  Result<std::string> Read(uint64_t offset, size_t max) override {
    faults_.MaybeDelay();
    if (faults_.Strikes(Fault::kBlobFails)) return Injected(Fault::kBlobFails);
    MC_ASSIGN_OR_RETURN(std::string bytes, reader_->Read(offset, max));
    if (torn_ && bytes.size() < max) {
      return Status(StatusCode::kDataLoss, "injected: blob-torn");
    }
    return bytes;
  }

 private:
  const std::unique_ptr<Reader> reader_;
  const bool torn_;
  FaultInjector& faults_;
};

bool FaultyBlobStore::IsTorn(std::string_view key) {
  MutexLock lock(mutex_);
  return torn_.contains(key);
}

void FaultyBlobStore::SetTorn(std::string_view key, bool torn) {
  MutexLock lock(mutex_);
  if (torn) {
    torn_.emplace(key);
  } else {
    torn_.erase(std::string(key));
  }
}

Result<std::unique_ptr<BlobStore::Writer>> FaultyBlobStore::Create(
    std::string_view key) {
  faults_.MaybeDelay();
  if (!IsBlobKey(key)) {
    return Status(StatusCode::kInvalidArgument, "not a blob key");
  }
  if (faults_.Strikes(Fault::kBlobFails)) return Injected(Fault::kBlobFails);
  return std::unique_ptr<Writer>(
      std::make_unique<FaultyWriter>(*this, std::string(key)));
}

Result<std::unique_ptr<BlobStore::Reader>> FaultyBlobStore::Open(
    std::string_view key) {
  faults_.MaybeDelay();
  if (faults_.Strikes(Fault::kBlobFails)) return Injected(Fault::kBlobFails);
  MC_ASSIGN_OR_RETURN(std::unique_ptr<Reader> reader, blobs_.Open(key));
  return std::unique_ptr<Reader>(
      std::make_unique<FaultyReader>(std::move(reader), IsTorn(key), faults_));
}

Status FaultyBlobStore::Delete(std::string_view key) {
  faults_.MaybeDelay();
  if (faults_.Strikes(Fault::kBlobFails)) return Injected(Fault::kBlobFails);
  MC_RETURN_IF_ERROR(blobs_.Delete(key));
  SetTorn(key, false);
  return OkStatus();
}

// --- SearchIndex ---

Status FaultySearchIndex::MaybeFail() {
  faults_.MaybeDelay();
  if (!faults_.Strikes(Fault::kSearchFails)) return OkStatus();
  return Injected(Fault::kSearchFails);
}

Result<int64_t> FaultySearchIndex::Position() {
  MC_RETURN_IF_ERROR(MaybeFail());
  return index_.Position();
}
Status FaultySearchIndex::Apply(const SearchChanges& changes) {
  MC_RETURN_IF_ERROR(MaybeFail());
  return index_.Apply(changes);
}
Result<std::vector<int64_t>> FaultySearchIndex::FromSource(int64_t source) {
  MC_RETURN_IF_ERROR(MaybeFail());
  return index_.FromSource(source);
}
Result<std::vector<SearchHit>> FaultySearchIndex::Search(
    const SearchQuery& query) {
  MC_RETURN_IF_ERROR(MaybeFail());
  return index_.Search(query);
}
Status FaultySearchIndex::Clear() {
  MC_RETURN_IF_ERROR(MaybeFail());
  return index_.Clear();
}

// --- Coordinator ---

// A lease of the sound coordinator, until it is lost.
struct FaultyCoordinator::Held {
  Mutex mutex;
  std::unique_ptr<Lease> lease MC_GUARDED_BY(mutex);
};

class FaultyCoordinator::FaultyLease final : public Lease {
 public:
  FaultyLease(std::shared_ptr<Held> held, uint64_t token)
      : held_(std::move(held)), token_(token) {}
  uint64_t token() const override { return token_; }
  bool held() const override {
    MutexLock lock(held_->mutex);
    return held_->lease != nullptr && held_->lease->held();
  }

 private:
  const std::shared_ptr<Held> held_;
  const uint64_t token_;
};

std::unique_ptr<Coordinator::Lease> FaultyCoordinator::Wrap(
    std::string_view key, std::unique_ptr<Lease> lease) {
  const uint64_t token = lease->token();
  auto held = std::make_shared<Held>();
  if (!faults_.Strikes(Fault::kLeaseLost)) {
    {
      MutexLock lock(held->mutex);
      held->lease = std::move(lease);
    }
    MutexLock lock(mutex_);
    std::erase_if(held_, [](const auto& one) { return one.second.expired(); });
    held_[std::string(key)] = held;
  }
  return std::make_unique<FaultyLease>(std::move(held), token);
}

Result<std::unique_ptr<Coordinator::Lease>> FaultyCoordinator::Acquire(
    std::string_view key, MonotonicTime deadline) {
  faults_.MaybeDelay();
  if (faults_.Strikes(Fault::kLeaseFails)) return Injected(Fault::kLeaseFails);
  MC_ASSIGN_OR_RETURN(std::unique_ptr<Lease> lease,
                      coordinator_.Acquire(key, deadline));
  return Wrap(key, std::move(lease));
}

Result<std::unique_ptr<Coordinator::Lease>> FaultyCoordinator::TryAcquire(
    std::string_view key) {
  faults_.MaybeDelay();
  if (faults_.Strikes(Fault::kLeaseFails)) return Injected(Fault::kLeaseFails);
  MC_ASSIGN_OR_RETURN(std::unique_ptr<Lease> lease,
                      coordinator_.TryAcquire(key));
  if (lease == nullptr) return lease;
  return Wrap(key, std::move(lease));
}

bool FaultyCoordinator::Lose(std::string_view key) {
  std::shared_ptr<Held> held;
  {
    MutexLock lock(mutex_);
    const auto found = held_.find(key);
    if (found != held_.end()) held = found->second.lock();
  }
  if (held == nullptr) return false;
  MutexLock lock(held->mutex);
  return std::exchange(held->lease, nullptr) != nullptr;
}

// --- Bus ---

Result<std::unique_ptr<Bus::Subscription>> FaultyBus::Subscribe(
    std::string_view topic, Listener listener) {
  faults_.MaybeDelay();
  auto message = [&faults = faults_, listener](std::string_view text) {
    faults.MaybeDelay();
    if (!faults.Strikes(Fault::kWakeupLost)) return listener.message(text);
    if (listener.resync) listener.resync();
  };
  return bus_.Subscribe(
      topic, {.message = std::move(message), .resync = listener.resync});
}

Status FaultyBus::Publish(std::string_view topic, std::string_view message) {
  faults_.MaybeDelay();
  if (faults_.Strikes(Fault::kPublishFails)) {
    return Injected(Fault::kPublishFails);
  }
  return bus_.Publish(topic, message);
}

}  // namespace matrixcore
