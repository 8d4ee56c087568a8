// Stores that are broken in one way each, and what the suite says about them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/backends/memory.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/testing/store_conformance.h"

namespace matrixcore {
namespace {

using ::testing::IsSupersetOf;

// Passes everything on; a broken snapshot overrides what it breaks.
class SnapshotWrapper : public Snapshot {
 public:
  explicit SnapshotWrapper(std::unique_ptr<Snapshot> base)
      : base_(std::move(base)) {}
  Position position() const override { return base().position(); }
  Result<std::optional<Row>> Get(const TableSpec& table,
                                 const Row& key) override {
    return base().Get(table, key);
  }
  Result<std::vector<std::optional<Row>>> GetMany(
      const TableSpec& table, std::span<const Row> keys) override {
    return base().GetMany(table, keys);
  }
  Result<std::vector<Row>> Scan(const ScanSpec& spec) override {
    return base().Scan(spec);
  }

 protected:
  virtual Snapshot& base() const { return *base_; }

 private:
  const std::unique_ptr<Snapshot> base_;
};

class StoreWrapper : public Store {
 public:
  explicit StoreWrapper(std::unique_ptr<Store> base) : base_(std::move(base)) {}
  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    return base_->NewSnapshot();
  }
  void CommitAsync(WriteBatch batch, Done done) override {
    base_->CommitAsync(std::move(batch), std::move(done));
  }
  Position LastPosition() const override { return base_->LastPosition(); }
  Status Check() override { return base_->Check(); }
  void Close() override { base_->Close(); }

 protected:
  Store& base() { return *base_; }

 private:
  const std::unique_ptr<Store> base_;
};

// The operations of a batch, without its preconditions.
WriteBatch WithoutPreconditions(const WriteBatch& batch) {
  WriteBatch copy;
  for (uint32_t i = 0; i < batch.positions(); ++i) copy.NewPosition();
  for (const WriteBatch::Operation& operation : batch.operations()) {
    std::visit(
        [&copy](const auto& op) {
          using T = std::decay_t<decltype(op)>;
          if constexpr (std::is_same_v<T, WriteBatch::Put>) {
            copy.PutRow(*op.table, op.row);
          } else if constexpr (std::is_same_v<T, WriteBatch::Insert>) {
            copy.InsertRow(*op.table, op.row);
          } else if constexpr (std::is_same_v<T, WriteBatch::Delete>) {
            copy.DeleteRow(*op.table, op.key);
          } else if constexpr (std::is_same_v<T, WriteBatch::DeletePrefix>) {
            copy.DeleteRows(*op.table, op.prefix);
          } else {
            copy.AddTo(*op.table, op.key, op.column, op.amount);
          }
        },
        operation);
  }
  return copy;
}

class IgnoresPreconditions : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    base().CommitAsync(WithoutPreconditions(batch), std::move(done));
  }
};

// Writes the first half of a batch even if the whole fails.
class WritesHalf : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    WriteBatch half;
    const size_t count = batch.operations().size() / 2;
    for (size_t i = 0; i < count; ++i) {
      const auto* put = std::get_if<WriteBatch::Put>(&batch.operations()[i]);
      if (put == nullptr) continue;
      const bool waits = std::any_of(
          put->row.begin(), put->row.end(), [](const BatchCell& cell) {
            return std::holds_alternative<PositionRef>(cell);
          });
      if (!waits) half.PutRow(*put->table, put->row);
    }
    base().CommitAsync(
        std::move(batch), [this, half, done = std::move(done)](
                              Result<CommitInfo> result) mutable {
          if (result.ok()) {
            done(std::move(result));
            return;
          }
          base().CommitAsync(
              half, [done = std::move(done), status = result.status()](
                        const Result<CommitInfo>&) mutable { done(status); });
        });
  }
};

// Reads the newest state again and again.
class LeakingSnapshot : public SnapshotWrapper {
 public:
  LeakingSnapshot(Store& store, std::unique_ptr<Snapshot> base)
      : SnapshotWrapper(std::move(base)),
        store_(store),
        position_(SnapshotWrapper::base().position()) {}
  Position position() const override { return position_; }

 protected:
  Snapshot& base() const override {
    auto newest = store_.NewSnapshot();
    if (!newest.ok()) return SnapshotWrapper::base();
    newest_ = *std::move(newest);
    return *newest_;
  }

 private:
  Store& store_;
  const Position position_;
  mutable std::unique_ptr<Snapshot> newest_;
};

// Gives the state of a moment ago.
class StaleSnapshots : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    auto newest = base().NewSnapshot();
    if (!newest.ok()) return newest;
    MutexLock lock(mutex_);
    if (older_ == nullptr) return newest;
    older_.swap(*newest);
    return newest;
  }
  void CommitAsync(WriteBatch batch, Done done) override {
    {
      auto snapshot = base().NewSnapshot();
      MutexLock lock(mutex_);
      if (snapshot.ok() && older_ == nullptr) older_ = *std::move(snapshot);
    }
    base().CommitAsync(std::move(batch), std::move(done));
  }
  void Close() override {
    MutexLock lock(mutex_);
    older_ = nullptr;
    base().Close();
  }

 private:
  Mutex mutex_;
  std::unique_ptr<Snapshot> older_ MC_GUARDED_BY(mutex_);
};

using SnapshotMaker =
    std::function<std::unique_ptr<Snapshot>(Store&, std::unique_ptr<Snapshot>)>;

// A store whose snapshots are broken.
class WithSnapshots : public StoreWrapper {
 public:
  WithSnapshots(std::unique_ptr<Store> base, SnapshotMaker make)
      : StoreWrapper(std::move(base)), make_(std::move(make)) {}
  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    auto snapshot = base().NewSnapshot();
    if (!snapshot.ok()) return snapshot;
    return make_(base(), *std::move(snapshot));
  }

 private:
  const SnapshotMaker make_;
};

// Changes what a scan is asked, or its answer.
class BrokenScans : public SnapshotWrapper {
 public:
  using Ask = std::function<void(ScanSpec&)>;
  using Answer = std::function<void(const ScanSpec&, std::vector<Row>&)>;
  BrokenScans(std::unique_ptr<Snapshot> base, Ask ask, Answer answer)
      : SnapshotWrapper(std::move(base)),
        ask_(std::move(ask)),
        answer_(std::move(answer)) {}
  Result<std::vector<Row>> Scan(const ScanSpec& spec) override {
    ScanSpec asked = spec;
    if (ask_) ask_(asked);
    auto rows = base().Scan(asked);
    if (rows.ok() && answer_) answer_(spec, *rows);
    return rows;
  }

 private:
  const Ask ask_;
  const Answer answer_;
};

// Keeps every text only up to its first NUL.
class CutsTextAtNul : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    WriteBatch cut;
    for (uint32_t i = 0; i < batch.positions(); ++i) cut.NewPosition();
    for (const auto& operation : batch.operations()) {
      const auto* put = std::get_if<WriteBatch::Put>(&operation);
      if (put == nullptr) {
        base().CommitAsync(std::move(batch), std::move(done));
        return;
      }
      BatchRow row = put->row;
      for (BatchCell& cell : row) {
        if (auto* text = std::get_if<std::string>(&cell)) {
          *text = std::string(text->c_str());
        }
      }
      cut.PutRow(*put->table, std::move(row));
    }
    for (const auto& precondition : batch.preconditions()) {
      cut.Require(precondition);
    }
    base().CommitAsync(std::move(cut), std::move(done));
  }
};

// Uses up positions for batches that fail.
class SkipsPositions : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    const uint32_t positions = batch.positions();
    base().CommitAsync(
        std::move(batch), [this, positions, done = std::move(done)](
                              Result<CommitInfo> result) mutable {
          if (result.ok() || positions == 0 ||
              result.status().code() == StatusCode::kUnavailable) {
            done(std::move(result));
            return;
          }
          WriteBatch skip;
          for (uint32_t i = 0; i < positions; ++i) skip.NewPosition();
          base().CommitAsync(
              std::move(skip),
              [done = std::move(done), status = result.status()](
                  const Result<CommitInfo>&) mutable { done(status); });
        });
  }
};

// Treats Insert as Put.
class OverwritesOnInsert : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    WriteBatch changed;
    for (uint32_t i = 0; i < batch.positions(); ++i) changed.NewPosition();
    for (const auto& precondition : batch.preconditions()) {
      changed.Require(precondition);
    }
    for (const auto& operation : batch.operations()) {
      if (const auto* insert = std::get_if<WriteBatch::Insert>(&operation)) {
        changed.PutRow(*insert->table, insert->row);
      } else if (const auto* put = std::get_if<WriteBatch::Put>(&operation)) {
        changed.PutRow(*put->table, put->row);
      } else {
        base().CommitAsync(std::move(batch), std::move(done));
        return;
      }
    }
    base().CommitAsync(std::move(changed), std::move(done));
  }
};

// Says done before it is.
class AnswersTooEarly : public StoreWrapper {
 public:
  using StoreWrapper::StoreWrapper;
  void CommitAsync(WriteBatch batch, Done done) override {
    if (batch.positions() == 0) {
      base().CommitAsync(std::move(batch), std::move(done));
      return;
    }
    const Position first = base().LastPosition() + 1;
    done(CommitInfo{first, first + batch.positions() - 1});
    base().CommitAsync(std::move(batch), [](const Result<CommitInfo>&) {});
  }
};

// Claims to be durable and forgets, or opens any version.
class ForgetfulFixture : public StoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return NewMemoryStore(schema);
  }
  bool durable() const override { return true; }
};

class WrappedFixture : public StoreFixture {
 public:
  using Wrap = std::function<std::unique_ptr<Store>(std::unique_ptr<Store>)>;
  explicit WrappedFixture(Wrap wrap) : wrap_(std::move(wrap)) {}
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return wrap_(NewMemoryStore(schema));
  }
  bool durable() const override { return false; }

 private:
  const Wrap wrap_;
};

// The names of the checks that complain.
std::set<std::string> Complaints(
    const std::function<std::unique_ptr<StoreFixture>()>& make) {
  std::set<std::string> names;
  for (const std::string& line :
       RunConformance<StoreFixture>(StoreChecks(), make)) {
    names.insert(line.substr(0, line.find(':')));
  }
  return names;
}

std::set<std::string> ComplaintsAbout(const WrappedFixture::Wrap& wrap) {
  return Complaints([&wrap] { return std::make_unique<WrappedFixture>(wrap); });
}

template <typename Broken>
std::set<std::string> ComplaintsAbout() {
  return ComplaintsAbout([](std::unique_ptr<Store> base) {
    return std::make_unique<Broken>(std::move(base));
  });
}

std::set<std::string> ComplaintsAboutScans(const BrokenScans::Ask& ask,
                                           const BrokenScans::Answer& answer) {
  return ComplaintsAbout([&](std::unique_ptr<Store> base) {
    return std::make_unique<WithSnapshots>(
        std::move(base), [&](Store&, std::unique_ptr<Snapshot> snapshot) {
          return std::make_unique<BrokenScans>(std::move(snapshot), ask,
                                               answer);
        });
  });
}

using Names = std::vector<std::string>;

TEST(StoreSuiteTest, HasNothingToSayAboutASoundStore) {
  EXPECT_THAT(ComplaintsAbout<StoreWrapper>(), ::testing::IsEmpty());
}

TEST(StoreSuiteTest, NoticesIgnoredPreconditions) {
  EXPECT_THAT(ComplaintsAbout<IgnoresPreconditions>(),
              IsSupersetOf(Names{"PreconditionsDecide",
                                 "PreconditionsHoldUnderContention",
                                 "OneInsertWins", "AgreesWithTheModel"}));
}

TEST(StoreSuiteTest, NoticesBatchesThatAreNotAtomic) {
  EXPECT_THAT(
      ComplaintsAbout<WritesHalf>(),
      IsSupersetOf(Names{"AFailedBatchChangesNothing", "AgreesWithTheModel"}));
}

TEST(StoreSuiteTest, NoticesSnapshotsThatLeak) {
  EXPECT_THAT(ComplaintsAbout([](std::unique_ptr<Store> base) {
                return std::make_unique<WithSnapshots>(
                    std::move(base),
                    [](Store& store, std::unique_ptr<Snapshot> snapshot) {
                      return std::make_unique<LeakingSnapshot>(
                          store, std::move(snapshot));
                    });
              }),
              IsSupersetOf(Names{"SnapshotsStandStill", "AgreesWithTheModel"}));
}

TEST(StoreSuiteTest, NoticesSnapshotsThatLackTheNewest) {
  EXPECT_THAT(
      ComplaintsAbout<StaleSnapshots>(),
      IsSupersetOf(Names{"PutReplacesTheWholeRow", "PositionsAppearInOrder"}));
}

TEST(StoreSuiteTest, NoticesTheWrongDirection) {
  EXPECT_THAT(ComplaintsAboutScans(
                  [](ScanSpec& spec) { spec.descending = false; }, nullptr),
              IsSupersetOf(Names{"ScansNumbers", "ScansPairs", "ScansDocuments",
                                 "ScansLinks", "ScansManyRowsInPages"}));
}

TEST(StoreSuiteTest, NoticesTheOrderOfTheKeyInsideAnIndex) {
  EXPECT_THAT(
      ComplaintsAboutScans(nullptr,
                           [](const ScanSpec& spec, std::vector<Row>& rows) {
                             // Equal in the index, wrong in the key.
                             if (!spec.index.has_value() || rows.size() < 2)
                               return;
                             const uint32_t column =
                                 spec.table->indexes[*spec.index].columns[0];
                             if (rows[0][column] == rows[1][column]) {
                               std::swap(rows[0], rows[1]);
                             }
                           }),
      IsSupersetOf(
          Names{"ScansNumbers", "ScansPairs", "ScansDocuments", "ScansLinks"}));
}

TEST(StoreSuiteTest, NoticesBoundsThatAreTakenAsInclusive) {
  EXPECT_THAT(ComplaintsAboutScans(
                  [](ScanSpec& spec) {
                    if (spec.from.has_value()) spec.from->inclusive = true;
                  },
                  nullptr),
              IsSupersetOf(Names{"ScansNumbers", "ScansPairs", "ScansDocuments",
                                 "ScansLinks"}));
}

TEST(StoreSuiteTest, NoticesAForgottenLimit) {
  EXPECT_THAT(ComplaintsAboutScans(
                  [](ScanSpec& spec) { spec.limit = SIZE_MAX; }, nullptr),
              IsSupersetOf(Names{"ScansNumbers", "ScansPairs"}));
}

TEST(StoreSuiteTest, NoticesALostRow) {
  EXPECT_THAT(
      ComplaintsAboutScans(nullptr,
                           [](const ScanSpec& spec, std::vector<Row>& rows) {
                             if (spec.index.has_value() && !rows.empty()) {
                               rows.pop_back();
                             }
                           }),
      IsSupersetOf(Names{"ScansNumbers", "PutReplacesTheWholeRow"}));
}

TEST(StoreSuiteTest, NoticesTextThatIsCut) {
  EXPECT_THAT(ComplaintsAbout<CutsTextAtNul>(),
              IsSupersetOf(Names{"KeepsHostileText", "KeepsLargeValues"}));
}

TEST(StoreSuiteTest, NoticesGapsInThePositions) {
  EXPECT_THAT(ComplaintsAbout<SkipsPositions>(),
              IsSupersetOf(Names{"PositionsAreConsecutive",
                                 "AFailedBatchChangesNothing"}));
}

TEST(StoreSuiteTest, NoticesInsertsThatOverwrite) {
  EXPECT_THAT(
      ComplaintsAbout<OverwritesOnInsert>(),
      IsSupersetOf(Names{"InsertFailsOnAnExistingKey", "OneInsertWins"}));
}

TEST(StoreSuiteTest, NoticesAnswersBeforeTheCommit) {
  EXPECT_THAT(ComplaintsAbout<AnswersTooEarly>(),
              IsSupersetOf(Names{"AFailedBatchChangesNothing"}));
}

TEST(StoreSuiteTest, NoticesForgettingAndVersionsThatAreNotChecked) {
  EXPECT_THAT(
      Complaints([] { return std::make_unique<ForgetfulFixture>(); }),
      IsSupersetOf(Names{"KeepsDataWhenReopened", "MigratesFromVersion1",
                         "MigratesFromVersion2", "MigratesStepByStep",
                         "RefusesANewerDatabase"}));
}

}  // namespace
}  // namespace matrixcore
