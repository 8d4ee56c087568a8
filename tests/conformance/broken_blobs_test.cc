// Blob stores that break one rule each, and the checks that must notice.
#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "conformance/broken.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/testing/blob_conformance.h"

namespace matrixcore {
namespace {

using WriterPtr = std::unique_ptr<BlobStore::Writer>;
using ReaderPtr = std::unique_ptr<BlobStore::Reader>;

Status WriteBlob(BlobStore& store, std::string_view key,
                 std::string_view bytes) {
  MC_ASSIGN_OR_RETURN(const WriterPtr writer, store.Create(key));
  MC_RETURN_IF_ERROR(writer->Append(AsBytes(bytes)));
  return writer->Commit();
}

std::string ReadBlob(BlobStore& store, std::string_view key) {
  const auto reader = store.Open(key);
  if (!reader.ok()) return "";
  return (*reader)->Read(0, SIZE_MAX).value();
}

// Passes everything on; a broken store overrides what it breaks.
class BlobWrapper : public BlobStore {
 public:
  Result<WriterPtr> Create(std::string_view key) override {
    return sound_->Create(key);
  }
  Result<ReaderPtr> Open(std::string_view key) override {
    return sound_->Open(key);
  }
  Status Delete(std::string_view key) override { return sound_->Delete(key); }

 protected:
  BlobStore& sound() { return *sound_; }

 private:
  const std::unique_ptr<BlobStore> sound_ = NewMemoryBlobStore();
};

// A writer that gathers its bytes for `commit` to store.
class GatheringWriter : public BlobStore::Writer {
 public:
  using Store = std::function<Status(std::string bytes)>;
  explicit GatheringWriter(Store commit, Store append = nullptr)
      : commit_(std::move(commit)), append_(std::move(append)) {}
  Status Append(ByteView bytes) override {
    if (done_) return Done();
    bytes_ += std::string(AsText(bytes));
    return append_ ? append_(bytes_) : OkStatus();
  }
  Status Commit() override {
    if (std::exchange(done_, true)) return Done();
    return commit_(bytes_);
  }

 private:
  static Status Done() { return {StatusCode::kFailedPrecondition, "done"}; }
  const Store commit_;
  const Store append_;
  std::string bytes_;
  bool done_ = false;
};

class WritesOnce : public BlobWrapper {
 public:
  Result<WriterPtr> Create(std::string_view key) override {
    return WriterPtr(std::make_unique<GatheringWriter>(
        [this, key = std::string(key)](const std::string& bytes) {
          if (sound().Open(key).ok()) return OkStatus();
          return WriteBlob(sound(), key, bytes);
        }));
  }
};

class CutsLargeBlobs : public BlobWrapper {
 public:
  Result<WriterPtr> Create(std::string_view key) override {
    return WriterPtr(std::make_unique<GatheringWriter>(
        [this, key = std::string(key)](std::string bytes) {
          bytes.resize(std::min<size_t>(bytes.size(), 1'000'000));
          return WriteBlob(sound(), key, bytes);
        }));
  }
};

class WritesInPlace : public BlobWrapper {
 public:
  Result<WriterPtr> Create(std::string_view key) override {
    const auto store = [this,
                        key = std::string(key)](const std::string& bytes) {
      return WriteBlob(sound(), key, bytes);
    };
    return WriterPtr(std::make_unique<GatheringWriter>(store, store));
  }
};

// What is written after the commit is taken and forgotten.
class WriterThatNeverEnds : public BlobStore::Writer {
 public:
  explicit WriterThatNeverEnds(WriterPtr sound) : sound_(std::move(sound)) {}
  Status Append(ByteView bytes) override {
    (void)sound_->Append(bytes);
    return OkStatus();
  }
  Status Commit() override {
    (void)sound_->Commit();
    return OkStatus();
  }

 private:
  const WriterPtr sound_;
};
class NeverEnds : public BlobWrapper {
 public:
  Result<WriterPtr> Create(std::string_view key) override {
    MC_ASSIGN_OR_RETURN(WriterPtr writer, sound().Create(key));
    return WriterPtr(std::make_unique<WriterThatNeverEnds>(std::move(writer)));
  }
};

// Reads what is stored now.
class ReaderByKey : public BlobStore::Reader {
 public:
  ReaderByKey(BlobStore& store, std::string key, uint64_t size)
      : store_(store), key_(std::move(key)), size_(size) {}
  uint64_t size() const override { return size_; }
  Result<std::string> Read(uint64_t offset, size_t max) override {
    MC_ASSIGN_OR_RETURN(const ReaderPtr reader, store_.Open(key_));
    return reader->Read(offset, max);
  }

 private:
  BlobStore& store_;
  const std::string key_;
  const uint64_t size_;
};
class ReadsByKey : public BlobWrapper {
 public:
  Result<ReaderPtr> Open(std::string_view key) override {
    MC_ASSIGN_OR_RETURN(const ReaderPtr reader, sound().Open(key));
    return ReaderPtr(std::make_unique<ReaderByKey>(sound(), std::string(key),
                                                   reader->size()));
  }
};

class FoldsKeys : public BlobWrapper {
 public:
  Result<WriterPtr> Create(std::string_view key) override {
    return sound().Create(Fold(key));
  }
  Result<ReaderPtr> Open(std::string_view key) override {
    return sound().Open(Fold(key));
  }

 private:
  static std::string Fold(std::string_view key) {
    std::string folded(key);
    std::transform(
        folded.begin(), folded.end(), folded.begin(),
        [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return folded;
  }
};

class TakesAnyKey : public BlobWrapper {
 public:
  Result<WriterPtr> Create(std::string_view key) override {
    return sound().Create(IsBlobKey(key) ? key : "other");
  }
};

// The second half of a blob stays that of the one before.
class MixesBlobs : public BlobWrapper {
 public:
  Result<WriterPtr> Create(std::string_view key) override {
    return WriterPtr(std::make_unique<GatheringWriter>(
        [this, key = std::string(key)](std::string bytes) {
          const std::string old = ReadBlob(sound(), key);
          if (old.size() == bytes.size()) {
            const size_t half = bytes.size() / 2;
            bytes.replace(half, bytes.size(), old.substr(half));
          }
          return WriteBlob(sound(), key, bytes);
        }));
  }
};

// Opens the blob that was there when it was opened last.
class OpensTheLast : public BlobWrapper {
 public:
  Result<ReaderPtr> Open(std::string_view key) override {
    MC_ASSIGN_OR_RETURN(ReaderPtr reader, sound().Open(key));
    MutexLock lock(mutex_);
    ReaderPtr& last = last_[std::string(key)];
    if (last == nullptr) {
      MC_ASSIGN_OR_RETURN(last, sound().Open(key));
      return reader;
    }
    reader.swap(last);
    return reader;
  }

 private:
  Mutex mutex_;
  std::map<std::string, ReaderPtr> last_ MC_GUARDED_BY(mutex_);
};

// Claims to be durable and forgets; says that it tore a blob and did not.
template <typename Broken>
class BrokenFixture : public BlobFixture {
 public:
  explicit BrokenFixture(bool durable) : durable_(durable) {}
  Result<std::unique_ptr<BlobStore>> Open() override {
    return std::unique_ptr<BlobStore>(std::make_unique<Broken>());
  }
  bool durable() const override { return durable_; }
  bool Crash() override { return true; }
  bool Tear(std::string_view) override { return durable_; }

 private:
  const bool durable_;
};

template <typename Broken>
Breakage<BlobFixture> Breaks(std::string rule,
                             std::vector<std::string> noticed_by,
                             bool durable = false) {
  return {
      std::move(rule),
      [durable] { return std::make_unique<BrokenFixture<Broken>>(durable); },
      std::move(noticed_by)};
}

std::vector<Breakage<BlobFixture>> BlobBreakages() {
  return {
      Breaks<WritesOnce>("CommitReplaces", {"KeepsWhatIsWritten"}),
      Breaks<CutsLargeBlobs>("LargeBlobsAreWhole", {"StreamsLargeBlobs"}),
      Breaks<WritesInPlace>("NothingIsSeenBeforeTheCommit",
                            {"ShowsBlobsOnlyOnceCommitted"}),
      Breaks<NeverEnds>("TheCommitEndsAWriter", {"AWriterEndsWithCommit"}),
      Breaks<ReadsByKey>("ReadersKeepTheirBlob", {"ReadersKeepTheirBlob"}),
      Breaks<FoldsKeys>("CaseMatters", {"TellsKeysApart"}),
      Breaks<TakesAnyKey>("BadKeysAreRefused", {"RefusesOtherKeys"}),
      Breaks<MixesBlobs>("BlobsAreNotMixed", {"OneOfManyWritersWins"}),
      Breaks<OpensTheLast>("TheNewestIsRead", {"BlobsAreLinearizable"}),
      Breaks<BlobWrapper>(
          "BlobsSurvive",
          {"KeepsBlobsWhenReopened", "KeepsWhatWasCommittedWhenItCrashes",
           "SaysWhenBytesAreMissing"},
          true),
  };
}

MC_INSTANTIATE_BREAKAGES(Blob, BlobChecks(), BlobBreakages)

TEST(BlobSuiteTest, HasNothingToSayAboutASoundStore) {
  EXPECT_THAT(
      RunConformance<BlobFixture>(
          BlobChecks(),
          [] { return std::make_unique<BrokenFixture<BlobWrapper>>(false); }),
      ::testing::IsEmpty());
}

}  // namespace
}  // namespace matrixcore
