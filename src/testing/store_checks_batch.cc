// Batches: all or nothing, preconditions, positions.
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "testing/store_checks.h"

namespace matrixcore::conformance {
namespace {

using Batch = WriteBatch;

Row Number(int64_t id, int64_t amount, Cell label = {}, Cell weight = {}) {
  return {id, amount, std::move(label), std::move(weight)};
}

Batch PutNumber(int64_t id, int64_t amount) {
  Batch batch;
  batch.PutRow(kNumbers, {id, amount, {}, {}});
  return batch;
}

void InsertFailsOnAnExistingKey(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  Batch first;
  first.InsertRow(kNumbers, {int64_t{1}, int64_t{1}, {}, {}});
  first.InsertRow(kLinks, {Blob{"s"}, "t"});
  first.InsertRow(kDocuments, {int64_t{1}, "a", "b", {}, {}});
  session.Commit(std::move(first), "insert");
  Batch number;
  number.InsertRow(kNumbers, {int64_t{1}, int64_t{2}, {}, {}});
  session.Refuse(std::move(number), StatusCode::kAborted, "insert again");
  Batch link;
  link.InsertRow(kLinks, {Blob{"s"}, "t"});
  session.Refuse(std::move(link), StatusCode::kAborted, "insert again");
  Batch document;
  document.InsertRow(kDocuments, {int64_t{1}, "a", "c", {}, {}});
  session.Refuse(std::move(document), StatusCode::kAborted, "insert again");
  Batch twice;
  twice.InsertRow(kNumbers, {int64_t{2}, int64_t{1}, {}, {}});
  twice.InsertRow(kNumbers, {int64_t{2}, int64_t{2}, {}, {}});
  session.Refuse(std::move(twice), StatusCode::kAborted,
                 "insert twice in one batch");
  session.ExpectRows({.table = &kNumbers}, {Number(1, 1)}, "insert");
  session.ExpectRows({.table = &kDocuments}, {{int64_t{1}, "a", "b", {}, {}}},
                     "insert");
}

// Every way to fail, as the last operation of a batch that would change much.
void AFailedBatchChangesNothing(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  Batch fill;
  fill.PutRow(kNumbers, {int64_t{1}, INT64_MAX, "l", int64_t{7}});
  fill.PutRow(kNumbers, {int64_t{2}, int64_t{2}, "l", int64_t{8}});
  fill.PutRow(kPairs, {"o", int64_t{1}, "v", Blob{"d"}, int64_t{1}});
  fill.PutRow(kDocuments, {int64_t{1}, "a", "b", int64_t{1}, Blob{"t"}});
  fill.NewPosition();
  session.Commit(std::move(fill), "atomic");
  const auto contents = [&session] {
    std::vector<Row> all;
    for (const TableSpec& table : ConformanceSchema().tables) {
      for (Row& row : session.Scan({.table = &table})) {
        all.push_back(std::move(row));
      }
      for (uint32_t i = 0; i < table.indexes.size(); ++i) {
        for (Row& row : session.Scan({.table = &table, .index = i})) {
          all.push_back(std::move(row));
        }
      }
    }
    return all;
  };
  const std::vector<Row> before = contents();
  const auto fails = [&](auto end, StatusCode code, std::string_view what) {
    Batch batch;
    batch.PutRow(kNumbers, {int64_t{3}, batch.NewPosition(), "new", {}});
    batch.PutRow(kNumbers, {int64_t{2}, int64_t{99}, {}, int64_t{88}});
    batch.PutRow(kDocuments, {int64_t{1}, "a", "changed", {}, {}});
    batch.PutRow(kLinks, {Blob{"s"}, "t"});
    batch.DeleteRows(kPairs, {});
    batch.AddTo(kNumbers, {int64_t{2}}, Numbers::kAmount, 1);
    end(batch);
    session.Refuse(std::move(batch), code, what);
    ExpectEqual(contents(), before, what, findings);
    session.ExpectPosition(1, what);
  };
  fails(
      [](Batch& b) {
        b.InsertRow(kNumbers, {int64_t{1}, int64_t{0}, {}, {}});
      },
      StatusCode::kAborted, "an insert of a row that exists");
  fails(
      [](Batch& b) {
        b.PutRow(kNumbers, {int64_t{4}, int64_t{0}, {}, int64_t{7}});
      },
      StatusCode::kAborted, "a unique index");
  fails([](Batch& b) { b.AddTo(kNumbers, {int64_t{1}}, Numbers::kAmount, 1); },
        StatusCode::kFailedPrecondition, "an addition that overflows");
  fails(
      [](Batch& b) {
        b.Require(Batch::RowAbsent{&kNumbers, {int64_t{1}}});
      },
      StatusCode::kAborted, "a precondition");
  fails([](Batch& b) { b.PutRow(kNumbers, {int64_t{4}}); },
        StatusCode::kInvalidArgument, "a row that does not fit");
}

// The same when batches share a transaction with others that succeed.
void BatchesOfOneGroupFailAlone(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  session.Commit(PutNumber(0, 0), "group");
  constexpr int64_t kBatches = 60;
  std::vector<std::future<StatusCode>> answers;
  for (int64_t i = 1; i <= kBatches; ++i) {
    Batch batch;
    batch.PutRow(kNumbers, {i, i, {}, {}});
    batch.AddTo(kNumbers, {int64_t{0}}, Numbers::kAmount, 1);
    batch.NewPosition();
    // Every third fails at its end, every fifth at its precondition.
    if (i % 3 == 0) batch.InsertRow(kNumbers, {int64_t{0}, int64_t{0}, {}, {}});
    if (i % 5 == 0) batch.Require(Batch::RowAbsent{&kNumbers, {int64_t{0}}});
    auto promise = std::make_shared<std::promise<StatusCode>>();
    answers.push_back(promise->get_future());
    session.store().CommitAsync(std::move(batch),
                                [promise](const Result<CommitInfo>& result) {
                                  promise->set_value(result.status().code());
                                });
  }
  int64_t succeeded = 0;
  for (int64_t i = 1; i <= kBatches; ++i) {
    const bool fails = i % 3 == 0 || i % 5 == 0;
    const StatusCode code = answers[static_cast<size_t>(i - 1)].get();
    findings.Expect(
        code == (fails ? StatusCode::kAborted : StatusCode::kOk),
        fmt::format("batch {} of a group: {}", i, StatusCodeName(code)));
    if (fails) {
      session.ExpectRow(kNumbers, {i}, std::nullopt, "a failed batch");
    } else {
      ++succeeded;
      session.ExpectRow(kNumbers, {i}, Number(i, i), "a batch of a group");
    }
  }
  session.ExpectRow(kNumbers, {int64_t{0}}, Number(0, succeeded),
                    "additions of a group");
  session.ExpectPosition(succeeded, "positions of a group");
}

void UniqueIndexesHold(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  const auto put = [](const TableSpec& table, BatchRow row) {
    Batch batch;
    batch.PutRow(table, std::move(row));
    return batch;
  };
  session.Commit(put(kNumbers, {int64_t{1}, int64_t{0}, {}, int64_t{7}}), "u");
  session.Refuse(put(kNumbers, {int64_t{2}, int64_t{0}, {}, int64_t{7}}),
                 StatusCode::kAborted, "a put with a number that another has");
  session.Commit(put(kNumbers, {int64_t{1}, int64_t{5}, {}, int64_t{7}}),
                 "a put of the same row");
  session.Commit(put(kNumbers, {int64_t{2}, int64_t{0}, {}, {}}), "a null");
  session.Commit(put(kNumbers, {int64_t{3}, int64_t{0}, {}, {}}),
                 "a second null");
  session.Refuse(put(kNumbers, {int64_t{2}, int64_t{0}, {}, int64_t{7}}),
                 StatusCode::kAborted, "a change to a number that another has");
  session.ExpectRows({.table = &kNumbers, .index = Numbers::kByWeight},
                     {Number(2, 0), Number(3, 0), Number(1, 5, {}, int64_t{7})},
                     "unique index");
  // Of two columns, one of them nullable.
  session.Commit(put(kPairs, {"a", int64_t{1}, {}, Blob{"d"}, {}}), "u");
  session.Commit(put(kPairs, {"b", int64_t{1}, {}, Blob{"d"}, {}}),
                 "the same data of another owner");
  session.Refuse(put(kPairs, {"a", int64_t{2}, {}, Blob{"d"}, {}}),
                 StatusCode::kAborted, "the same data of the same owner");
  session.Commit(put(kPairs, {"a", int64_t{2}, {}, {}, {}}), "a null");
  session.Commit(put(kPairs, {"a", int64_t{3}, {}, {}, {}}), "a second null");
  // Of large rows.
  session.Commit(put(kDocuments, {int64_t{1}, "a", "b", {}, Blob{"t"}}), "u");
  session.Refuse(put(kDocuments, {int64_t{1}, "b", "b", {}, Blob{"t"}}),
                 StatusCode::kAborted, "a tag that another has");
  // Freed in the batch that takes it again.
  Batch move;
  move.DeleteRow(kNumbers, {int64_t{1}});
  move.PutRow(kNumbers, {int64_t{2}, int64_t{9}, {}, int64_t{7}});
  session.Commit(std::move(move), "a number that moves");
  Batch too_early;
  too_early.PutRow(kNumbers, {int64_t{3}, int64_t{9}, {}, int64_t{7}});
  too_early.DeleteRow(kNumbers, {int64_t{2}});
  session.Refuse(std::move(too_early), StatusCode::kAborted,
                 "a number that is taken before it is free");
}

void PreconditionsDecide(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  Batch fill;
  fill.PutRow(kNumbers, {int64_t{1}, int64_t{5}, {}, int64_t{7}});
  fill.PutRow(kDocuments, {int64_t{1}, "a", "b", {}, Blob{"t"}});
  session.Commit(std::move(fill), "preconditions");
  int64_t next = 100;
  const auto requiring = [&next](Batch::Precondition precondition) {
    Batch batch = PutNumber(next++, 0);
    batch.Require(std::move(precondition));
    return batch;
  };
  const auto holds = [&](Batch::Precondition p, std::string_view what) {
    session.Commit(requiring(std::move(p)), what);
  };
  const auto fails = [&](Batch::Precondition p, std::string_view what) {
    session.Refuse(requiring(std::move(p)), StatusCode::kAborted, what);
    session.ExpectRow(kNumbers, {next - 1}, std::nullopt, what);
  };
  const Row one{int64_t{1}};
  const Row nine{int64_t{9}};
  holds(Batch::RowPresent{&kNumbers, one}, "present");
  fails(Batch::RowPresent{&kNumbers, nine}, "present");
  holds(Batch::RowAbsent{&kNumbers, nine}, "absent");
  fails(Batch::RowAbsent{&kNumbers, one}, "absent");
  holds(Batch::ColumnEquals{&kNumbers, one, Numbers::kAmount, int64_t{5}}, "=");
  fails(Batch::ColumnEquals{&kNumbers, one, Numbers::kAmount, int64_t{6}}, "=");
  fails(Batch::ColumnEquals{&kNumbers, one, Numbers::kAmount, {}}, "= null");
  holds(Batch::ColumnEquals{&kNumbers, one, Numbers::kLabel, {}},
        "null = null");
  fails(Batch::ColumnEquals{&kNumbers, one, Numbers::kLabel, ""}, "null = ''");
  fails(Batch::ColumnEquals{&kNumbers, nine, Numbers::kLabel, {}},
        "a column of a row that is not there");
  const Row document{int64_t{1}, "a"};
  holds(Batch::ColumnEquals{&kDocuments, document, Documents::kTag, Blob{"t"}},
        "= blob");
  fails(Batch::ColumnEquals{&kDocuments, document, Documents::kTag, Blob{"T"}},
        "= blob");
  holds(Batch::ColumnEquals{&kDocuments, document, Documents::kBody, "b"},
        "= text");
  fails(Batch::ColumnEquals{&kDocuments, document, Documents::kBody, "b "},
        "= text");
  // Against the state before the batch, whatever the order of the calls.
  Batch before;
  before.InsertRow(kNumbers, {int64_t{9}, int64_t{0}, {}, {}});
  before.Require(Batch::RowAbsent{&kNumbers, nine});
  session.Commit(std::move(before), "a precondition after the operation");
  Batch removes;
  removes.DeleteRow(kNumbers, {int64_t{9}});
  removes.Require(Batch::RowAbsent{&kNumbers, nine});
  session.Refuse(std::move(removes), StatusCode::kAborted,
                 "a precondition that only the batch would make true");
  Batch both;
  both.Require(Batch::RowPresent{&kNumbers, one});
  both.Require(Batch::RowAbsent{&kNumbers, one});
  session.Refuse(std::move(both), StatusCode::kAborted,
                 "the second of two preconditions");
}

void OperationsApplyInOrder(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  Batch batch;
  batch.PutRow(kNumbers, {int64_t{1}, int64_t{1}, "a", {}});
  batch.AddTo(kNumbers, {int64_t{1}}, Numbers::kAmount, 10);
  batch.PutRow(kNumbers, {int64_t{2}, int64_t{1}, "a", {}});
  batch.DeleteRow(kNumbers, {int64_t{2}});
  batch.InsertRow(kNumbers, {int64_t{2}, int64_t{5}, "b", {}});
  batch.PutRow(kNumbers, {int64_t{3}, int64_t{1}, "a", {}});
  batch.DeleteRows(kNumbers, {int64_t{3}});
  batch.AddTo(kNumbers, {int64_t{3}}, Numbers::kAmount, 1);
  batch.PutRow(kPairs, {"o", int64_t{1}, "v", {}, {}});
  batch.DeleteRows(kPairs, {"o"});
  batch.PutRow(kPairs, {"o", int64_t{2}, "v", {}, {}});
  session.Commit(std::move(batch), "order");
  session.ExpectRows({.table = &kNumbers},
                     {Number(1, 11, "a"), Number(2, 5, "b")}, "order");
  session.ExpectRows({.table = &kPairs}, {{"o", int64_t{2}, "v", {}, {}}},
                     "order");
}

void RefusesWhatDoesNotFit(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  session.Commit(PutNumber(1, 1), "valid");
  TableSpec foreign = kNumbers;
  foreign.name = "strangers";
  const auto refused = [&session](auto fill, std::string_view what) {
    Batch batch = PutNumber(2, 2);
    fill(batch);
    session.Refuse(std::move(batch), StatusCode::kInvalidArgument, what);
  };
  refused([&](Batch& b) { b.DeleteRows(foreign, {}); }, "an unknown table");
  refused(
      [](Batch& b) {
        b.PutRow(kNumbers, {int64_t{1}, {}, {}, {}});
      },
      "a null where none may be");
  refused(
      [](Batch& b) {
        b.PutRow(kNumbers, {int64_t{1}, "1", {}, {}});
      },
      "a text in a column of numbers");
  refused(
      [](Batch& b) {
        b.PutRow(kNumbers, {int64_t{1}, PositionRef{0}, {}, {}});
      },
      "a position that was not asked for");
  refused([](Batch& b) { b.DeleteRow(kPairs, {"o"}); }, "half a key");
  refused([](Batch& b) { b.AddTo(kNumbers, {int64_t{1}}, 0, 1); },
          "an addition to the key");
  session.ExpectRows({.table = &kNumbers}, {Number(1, 1)}, "refused batches");
  const auto snapshot = session.TakeSnapshot();
  if (snapshot == nullptr) return;
  const auto invalid = [&findings](const Status& status,
                                   std::string_view what) {
    findings.Expect(status.code() == StatusCode::kInvalidArgument,
                    fmt::format("{}: {}", what, status.ToString()));
  };
  invalid(snapshot->Get(kPairs, {"o"}).status(), "get by half a key");
  invalid(snapshot->Get(foreign, {int64_t{1}}).status(), "get from nowhere");
  invalid(snapshot->GetMany(kPairs, std::vector<Row>{{"o"}}).status(),
          "get by half a key");
  invalid(snapshot->Scan({.table = &kNumbers, .index = 9}).status(),
          "scan of no index");
  invalid(snapshot->Scan({.table = &kNumbers, .prefix = {"text"}}).status(),
          "scan by a text in a column of numbers");
  invalid(snapshot
              ->Scan({.table = &kNumbers,
                      .index = Numbers::kByLabel,
                      .to = {{Cell()}}})
              .status(),
          "scan to a null");
}

void PositionsAreConsecutive(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  Batch three;
  const PositionRef a = three.NewPosition();
  const PositionRef b = three.NewPosition();
  const PositionRef c = three.NewPosition();
  three.PutRow(kNumbers, {c, a, {}, b});
  three.PutRow(kPairs, {"o", b, {}, {}, c});
  CommitInfo info = session.Commit(std::move(three), "positions");
  ExpectEqual(info.first, Position{1}, "first of 3 positions", findings);
  ExpectEqual(info.last, Position{3}, "last of 3 positions", findings);
  session.ExpectRows({.table = &kNumbers}, {Number(3, 1, {}, int64_t{2})},
                     "positions in a row");
  session.ExpectRows({.table = &kPairs},
                     {{"o", int64_t{2}, {}, {}, int64_t{3}}},
                     "positions in a row");
  info = session.Commit(PutNumber(50, 1), "no position");
  ExpectEqual(info.first, Position{3}, "a batch without positions", findings);
  ExpectEqual(info.last, Position{3}, "a batch without positions", findings);
  info = session.Commit({}, "an empty batch");
  ExpectEqual(info.last, Position{3}, "an empty batch", findings);
  Batch fails;
  fails.PutRow(kNumbers, {int64_t{60}, fails.NewPosition(), {}, {}});
  fails.Require(Batch::RowAbsent{&kNumbers, {int64_t{50}}});
  session.Refuse(std::move(fails), StatusCode::kAborted, "positions");
  Batch only;
  only.NewPosition();
  info = session.Commit(std::move(only), "positions alone");
  ExpectEqual(info.first, Position{4}, "no gap after a failed batch", findings);
  session.ExpectPosition(4, "positions");
  // In keys of every operation.
  Batch keys;
  const PositionRef five = keys.NewPosition();
  keys.InsertRow(kNumbers, {five, int64_t{1}, {}, {}});
  keys.AddTo(kNumbers, {five}, Numbers::kAmount, 1);
  keys.PutRow(kDocuments, {five, "a", "b", {}, {}});
  keys.PutRow(kDocuments, {five, "b", "b", {}, {}});
  keys.DeleteRow(kDocuments, {five, "b"});
  keys.PutRow(kDocuments, {int64_t{7}, "c", "b", {}, {}});
  session.Commit(std::move(keys), "positions in keys");
  session.ExpectRow(kNumbers, {int64_t{5}}, Number(5, 2), "positions in keys");
  session.ExpectRows(
      {.table = &kDocuments},
      {{int64_t{5}, "a", "b", {}, {}}, {int64_t{7}, "c", "b", {}, {}}},
      "positions in keys");
  Batch prefix;
  prefix.NewPosition();
  const PositionRef seven = prefix.NewPosition();
  prefix.DeleteRows(kDocuments, {seven});
  session.Commit(std::move(prefix), "a position in a prefix");
  session.ExpectRows({.table = &kDocuments}, {{int64_t{5}, "a", "b", {}, {}}},
                     "a position in a prefix");
}

void SnapshotsStandStill(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  Batch fill;
  fill.NewPosition();
  for (int64_t i = 0; i < 10; ++i) {
    fill.PutRow(kNumbers, {i, i, "old", int64_t{100} + i});
    fill.PutRow(kDocuments, {i, "d", "old", i, {}});
  }
  session.Commit(std::move(fill), "snapshots");
  const auto snapshot = session.TakeSnapshot();
  if (snapshot == nullptr) return;
  const ScanSpec scans[] = {
      {.table = &kNumbers},
      {.table = &kNumbers, .index = Numbers::kByLabel, .prefix = {"old"}},
      {.table = &kNumbers, .index = Numbers::kByWeight, .descending = true},
      {.table = &kDocuments},
      {.table = &kDocuments, .index = Documents::kByMark}};
  std::vector<std::vector<Row>> before;
  // Half of them have been read before the changes, half not.
  for (const ScanSpec& scan : std::span(scans).first(2)) {
    before.push_back(ScanOn(*snapshot, scan, findings));
  }
  const auto reference = session.TakeSnapshot();
  if (reference == nullptr) return;
  for (const ScanSpec& scan : std::span(scans).subspan(2)) {
    before.push_back(ScanOn(*reference, scan, findings));
  }
  Batch change;
  change.NewPosition();
  change.DeleteRow(kNumbers, {int64_t{0}});
  change.PutRow(kNumbers, {int64_t{5}, int64_t{55}, "new", {}});
  change.PutRow(kNumbers, {int64_t{77}, int64_t{77}, "old", {}});
  change.DeleteRows(kDocuments, {});
  session.Commit(std::move(change), "snapshots");
  for (size_t i = 0; i < std::size(scans); ++i) {
    ExpectEqual(ScanOn(*snapshot, scans[i], findings), before[i],
                "a later commit in a snapshot: " + Describe(scans[i]),
                findings);
  }
  ExpectEqual(snapshot->position(), Position{1}, "position of an old snapshot",
              findings);
  ExpectEqual(GetOn(*snapshot, kNumbers, {int64_t{5}}, findings),
              std::optional<Row>(Number(5, 5, "old", int64_t{105})),
              "a later commit in a snapshot", findings);
  ExpectEqual(GetOn(*snapshot, kNumbers, {int64_t{77}}, findings),
              std::optional<Row>(), "a later row in a snapshot", findings);
  session.ExpectRow(kNumbers, {int64_t{5}}, Number(5, 55, "new"),
                    "a new snapshot");
  session.ExpectPosition(2, "a new snapshot");
}

constexpr StoreCheck kChecks[] = {
    {"InsertFailsOnAnExistingKey", InsertFailsOnAnExistingKey},
    {"AFailedBatchChangesNothing", AFailedBatchChangesNothing},
    {"BatchesOfOneGroupFailAlone", BatchesOfOneGroupFailAlone},
    {"UniqueIndexesHold", UniqueIndexesHold},
    {"PreconditionsDecide", PreconditionsDecide},
    {"OperationsApplyInOrder", OperationsApplyInOrder},
    {"RefusesWhatDoesNotFit", RefusesWhatDoesNotFit},
    {"PositionsAreConsecutive", PositionsAreConsecutive},
    {"SnapshotsStandStill", SnapshotsStandStill},
};

}  // namespace

std::span<const StoreCheck> BatchChecks() { return kChecks; }

}  // namespace matrixcore::conformance
