// Stores that break one rule each, and the checks that must notice.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "conformance/broken.h"
#include "conformance/broken_stores.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/backends/sqlite.h"
#include "matrixcore/testing/store_conformance.h"
#include "matrixcore/testing/temporary_directory.h"

namespace matrixcore {
namespace {

using Wrap = std::function<std::unique_ptr<Store>(std::unique_ptr<Store>)>;

// Wrapped memory stores.
class WrappedFixture : public StoreFixture {
 public:
  explicit WrappedFixture(Wrap wrap) : wrap_(std::move(wrap)) {}
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return wrap_(NewMemoryStore(schema));
  }
  bool durable() const override { return false; }

 private:
  const Wrap wrap_;
};

// Claims to be durable and forgets, also in a crash, and opens any version.
class ForgetfulFixture : public StoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return NewMemoryStore(schema);
  }
  bool durable() const override { return true; }
  bool Crash() override { return true; }
};

// Keeps SQLite's file, not the log that goes with it.
class LosesItsLogFixture : public StoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return OpenSqliteStore(path_, schema);
  }
  bool durable() const override { return true; }
  bool Crash() override {
    const std::string copy = path_ + "-crashed";
    std::filesystem::copy_file(path_, copy);
    path_ = copy;
    return true;
  }

 private:
  const TemporaryDirectory directory_;
  std::string path_ = directory_.File("a.db");
};

// Begins anew whenever the schema is another one.
class BeginsAnewFixture : public StoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    return OpenSqliteStore(
        directory_.File("v" + std::to_string(schema.version)), schema);
  }
  bool durable() const override { return true; }

 private:
  const TemporaryDirectory directory_;
};

// A store without its unique indexes.
class NotUniqueFixture : public StoreFixture {
 public:
  Result<std::unique_ptr<Store>> Open(const Schema& schema) override {
    Schema changed = schema;
    for (TableSpec& table : changed.tables) {
      for (IndexSpec& index : table.indexes) index.unique = false;
    }
    return NewMemoryStore(changed);
  }
  bool durable() const override { return false; }
};

using StoreBreakage = Breakage<StoreFixture>;

StoreBreakage Wrapped(std::string rule, const Wrap& wrap,
                      std::vector<std::string> noticed_by) {
  return {std::move(rule),
          [wrap] { return std::make_unique<WrappedFixture>(wrap); },
          std::move(noticed_by)};
}

template <typename Broken>
StoreBreakage Breaks(std::string rule, std::vector<std::string> noticed_by) {
  return Wrapped(
      std::move(rule),
      [](std::unique_ptr<Store> base) {
        return std::make_unique<Broken>(std::move(base));
      },
      std::move(noticed_by));
}

StoreBreakage Edits(std::string rule, const EditsBatches::Edit& edit,
                    std::vector<std::string> noticed_by) {
  return Wrapped(
      std::move(rule),
      [edit](std::unique_ptr<Store> base) {
        return std::make_unique<EditsBatches>(std::move(base), edit);
      },
      std::move(noticed_by));
}

StoreBreakage BreaksSnapshots(std::string rule, const SnapshotMaker& make,
                              std::vector<std::string> noticed_by) {
  return Wrapped(
      std::move(rule),
      [make](std::unique_ptr<Store> base) {
        return std::make_unique<WithSnapshots>(std::move(base), make);
      },
      std::move(noticed_by));
}

StoreBreakage BreaksScans(std::string rule, const BrokenScans::Ask& ask,
                          const BrokenScans::Answer& answer,
                          std::vector<std::string> noticed_by) {
  return BreaksSnapshots(
      std::move(rule),
      [ask, answer](Store&, std::unique_ptr<Snapshot> snapshot) {
        return std::make_unique<BrokenScans>(std::move(snapshot), ask, answer);
      },
      std::move(noticed_by));
}

// Calls `change` for each cell that an operation writes, and keeps all of them.
template <typename Change>
EditsBatches::Edit EditCells(Change change) {
  return [change](WriteBatch::Operation& operation) {
    if (auto* put = std::get_if<WriteBatch::Put>(&operation)) {
      for (BatchCell& cell : put->row) change(cell);
    } else if (auto* insert = std::get_if<WriteBatch::Insert>(&operation)) {
      for (BatchCell& cell : insert->row) change(cell);
    }
    return true;
  };
}

// Operations of that kind are lost.
template <typename Operation>
EditsBatches::Edit Drops() {
  return [](const WriteBatch::Operation& operation) {
    return !std::holds_alternative<Operation>(operation);
  };
}

// Rows and cells.
std::vector<StoreBreakage> CellBreakages() {
  return {
      Breaks<HasLeftovers>("ANewStoreIsEmpty", {"StartsEmpty"}),
      BreaksScans(
          "ANullStaysANull", nullptr,
          [](const ScanSpec&, std::vector<Row>& rows) {
            for (Row& row : rows) {
              for (Cell& cell : row) {
                if (IsNull(cell)) cell = int64_t{0};
              }
            }
          },
          {"KeepsEveryTypeOfCell", "ScansNumbers", "AgreesWithTheModel"}),
      Edits("TextMayHaveNul", EditCells([](BatchCell& cell) {
              if (auto* text = std::get_if<std::string>(&cell)) {
                *text = std::string(text->c_str());
              }
            }),
            {"KeepsHostileText", "KeepsLargeValues"}),
      Edits("BlobsAreAnyBytes", EditCells([](BatchCell& cell) {
              auto* blob = std::get_if<Blob>(&cell);
              if (blob == nullptr || blob->bytes.empty()) return;
              if (blob->bytes[0] == '\xff') blob->bytes[0] = '?';
            }),
            {"KeepsAnyBytesInBlobs"}),
      Edits("LargeValuesAreWhole", EditCells([](BatchCell& cell) {
              auto* text = std::get_if<std::string>(&cell);
              if (text != nullptr && text->size() > 1'000'000) {
                text->resize(1'000'000);
              }
            }),
            {"KeepsLargeValues"}),
      Edits("TooLargeValuesAreRefused", EditCells([](BatchCell& cell) {
              auto* text = std::get_if<std::string>(&cell);
              if (text != nullptr && text->size() > 10'000'000) text->clear();
            }),
            {"RefusesTooLargeValues"}),
      Breaks<CutsLargeBatches>("LargeBatchesAreWhole", {"KeepsLargeBatches"}),
      Breaks<MergesRows>("PutReplacesTheRow", {"PutReplacesTheWholeRow"}),
      BreaksSnapshots("GetManyKeepsTheOrder",
                      [](Store&, std::unique_ptr<Snapshot> snapshot) {
                        return std::make_unique<SortsGetMany>(
                            std::move(snapshot));
                      },
                      {"GetManyAnswersInOrder"}),
      Edits("DeleteRowsDeletes", Drops<WriteBatch::DeletePrefix>(),
            {"DeletesRowsAndPrefixes", "KeepsLargeBatches",
             "OperationsApplyInOrder"}),
      Edits("DeleteRowDeletes", Drops<WriteBatch::Delete>(),
            {"DeletesRowsAndPrefixes"}),
      Edits("AddAdds", Drops<WriteBatch::Add>(),
            {"AddsToColumns", "CountersAreLinearizable"}),
  };
}

// Batches, positions and answers.
std::vector<StoreBreakage> BatchBreakages() {
  return {
      Breaks<IgnoresPreconditions>(
          "PreconditionsHold",
          {"PreconditionsDecide", "PreconditionsHoldUnderContention",
           "OneInsertWins", "AgreesWithTheModel", "CountersAreLinearizable",
           "ClaimsAreLinearizable"}),
      Breaks<WritesHalf>("BatchesAreAtomic",
                         {"AFailedBatchChangesNothing", "AgreesWithTheModel"}),
      Breaks<SplitsBatches>("BatchesAppearAtOnce",
                            {"SnapshotsAreConsistentUnderLoad"}),
      Breaks<FailsTheNext>("BatchesOfAGroupFailAlone",
                           {"BatchesOfOneGroupFailAlone"}),
      {"UniqueIndexesHold",
       [] { return std::make_unique<NotUniqueFixture>(); },
       {"UniqueIndexesHold", "UniqueIndexesHoldUnderContention"}},
      Breaks<DeletesFirst>("OperationsKeepTheirOrder",
                           {"OperationsApplyInOrder"}),
      Breaks<TakesNonsense>("BadBatchesAreRefused", {"RefusesWhatDoesNotFit"}),
      Breaks<OverwritesOnInsert>(
          "InsertIsForNewKeys",
          {"InsertFailsOnAnExistingKey", "OneInsertWins"}),
      Breaks<SkipsPositions>(
          "PositionsHaveNoGaps",
          {"PositionsAreConsecutive", "AFailedBatchChangesNothing",
           "FailedBatchesLeaveNoGaps"}),
      Breaks<TellsWrongPositions>("PositionsAreTold",
                                  {"PositionsAreConsecutive", "ADoneMayCommit",
                                   "PositionsAppearInOrder"}),
      Breaks<AnswersTooEarly>("AnswersComeAfterTheCommit",
                              {"AFailedBatchChangesNothing"}),
      Breaks<AnswersOutOfOrder>("AnswersComeInOrder",
                                {"DoneIsCalledInCommitOrder"}),
      Breaks<AnswersTwice>("AnswersComeOnce",
                           {"EveryBatchIsAnsweredWhenClosing"}),
      Breaks<StaysOpen>("CloseCloses", {"CloseCompletesWhatIsQueued"}),
  };
}

// Snapshots and scans.
std::vector<StoreBreakage> ReadBreakages() {
  const std::vector<std::string> scans = {"ScansNumbers", "ScansPairs",
                                          "ScansDocuments", "ScansLinks"};
  std::vector<std::string> scans_and_pages = scans;
  scans_and_pages.emplace_back("ScansManyRowsInPages");
  return {
      BreaksSnapshots("NothingLaterLeaksIn",
                      [](Store& store, std::unique_ptr<Snapshot> snapshot) {
                        return std::make_unique<LeakingSnapshot>(
                            store, std::move(snapshot));
                      },
                      {"SnapshotsStandStill", "AgreesWithTheModel"}),
      Breaks<StaleSnapshots>(
          "NothingEarlierIsMissing",
          {"PutReplacesTheWholeRow", "PositionsAppearInOrder",
           "CountersAreLinearizable"}),
      BreaksScans(
          "ScansGoBackToo", [](ScanSpec& spec) { spec.descending = false; },
          nullptr, scans_and_pages),
      BreaksScans(
          "IndexesListTheKey", nullptr,
          [](const ScanSpec& spec, std::vector<Row>& rows) {
            // Equal in the index, wrong in the key.
            if (!spec.index.has_value() || rows.size() < 2 ||
                !spec.columns.empty()) {
              return;
            }
            const uint32_t column = spec.table->indexes[*spec.index].columns[0];
            if (rows[0][column] == rows[1][column]) std::swap(rows[0], rows[1]);
          },
          scans),
      BreaksScans(
          "BoundsMayBeExclusive",
          [](ScanSpec& spec) {
            if (spec.from.has_value()) spec.from->inclusive = true;
          },
          nullptr, scans),
      BreaksScans(
          "BoundsLeaveNullsOut",
          [](ScanSpec& spec) {
            // "Up to" without "from" begins at the nulls.
            if (spec.to.has_value() && !spec.from.has_value()) {
              spec.to = std::nullopt;
            }
          },
          nullptr, scans),
      BreaksScans("LimitsHold", [](ScanSpec& spec) { spec.limit = SIZE_MAX; },
                  nullptr, {"ScansNumbers", "ScansPairs"}),
      BreaksScans("ColumnsComeAsAskedFor",
                  [](ScanSpec& spec) {
                    std::sort(spec.columns.begin(), spec.columns.end());
                  },
                  nullptr, {"ScansGivenColumns"}),
      BreaksScans("ColumnsMustExist",
                  [](ScanSpec& spec) {
                    const size_t count = spec.table->columns.size();
                    std::erase_if(spec.columns, [count](uint32_t column) {
                      return column >= count;
                    });
                  },
                  nullptr, {"ScansGivenColumns"}),
      BreaksScans("ScansAreComplete", nullptr,
                  [](const ScanSpec& spec, std::vector<Row>& rows) {
                    if (spec.index.has_value() && !rows.empty())
                      rows.pop_back();
                  },
                  {"ScansNumbers", "PutReplacesTheWholeRow"}),
  };
}

// What outlives a store.
std::vector<StoreBreakage> DurabilityBreakages() {
  return {
      {"DataSurvives",
       [] { return std::make_unique<ForgetfulFixture>(); },
       {"KeepsDataWhenReopened", "KeepsWhatWasAcknowledgedWhenItCrashes",
        "OpensAfterACrashAtRest", "MigratesFromVersion1",
        "MigratesFromVersion2", "MigratesStepByStep", "RefusesANewerDatabase",
        "MigratesFromVersion1Of5", "MigratesFromVersion2Of5",
        "MigratesFromVersion3Of5", "MigratesFromVersion4Of5",
        "OpensTheSameVersionAgain"}},
      {"TheNewestSurvivesACrash",
       [] { return std::make_unique<LosesItsLogFixture>(); },
       {"KeepsWhatWasAcknowledgedWhenItCrashes", "OpensAfterACrashAtRest"}},
      {"MigrationsKeepRows",
       [] { return std::make_unique<BeginsAnewFixture>(); },
       {"MigratesFromVersion1", "MigratesFromVersion2", "MigratesStepByStep",
        "RefusesANewerDatabase", "MigratesFromVersion1Of5",
        "MigratesFromVersion2Of5", "MigratesFromVersion3Of5",
        "MigratesFromVersion4Of5"}},
  };
}

std::vector<StoreBreakage> StoreBreakages() {
  std::vector<StoreBreakage> all;
  for (std::vector<StoreBreakage>& part :
       std::vector<std::vector<StoreBreakage>>{
           CellBreakages(), BatchBreakages(), ReadBreakages(),
           DurabilityBreakages()}) {
    std::move(part.begin(), part.end(), std::back_inserter(all));
  }
  return all;
}

MC_INSTANTIATE_BREAKAGES(Store, StoreChecks(), StoreBreakages)

TEST(StoreSuiteTest, HasNothingToSayAboutASoundStore) {
  const auto findings = RunConformance<StoreFixture>(StoreChecks(), [] {
    return std::make_unique<WrappedFixture>([](std::unique_ptr<Store> base) {
      return std::make_unique<StoreWrapper>(std::move(base));
    });
  });
  EXPECT_THAT(findings, ::testing::IsEmpty());
}

}  // namespace
}  // namespace matrixcore
