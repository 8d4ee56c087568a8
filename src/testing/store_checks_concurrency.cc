// Many threads: snapshots, preconditions, positions and order under load; and
// random commits against a model.
#include <atomic>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "testing/store_checks.h"

namespace matrixcore::conformance {

void RunThreads(size_t count, const std::function<void(size_t)>& run) {
  std::atomic<size_t> started{0};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      // All at once, or the first is done before the last has begun.
      ++started;
      while (started < count) std::this_thread::yield();
      run(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

namespace {

// Accounts whose sum never changes: a snapshot that mixes two states shows
// another sum, by the key, by an index or by single rows.
void SnapshotsAreConsistentUnderLoad(StoreFixture& fixture,
                                     Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  constexpr int64_t kAccounts = 20;
  constexpr int64_t kEach = 1000;
  WriteBatch fill;
  for (int64_t i = 0; i < kAccounts; ++i) {
    fill.PutRow(kPairs, {fmt::format("{:02}", i), i, "account", {}, kEach});
  }
  session.Commit(std::move(fill), "accounts");
  std::atomic<bool> stop{false};
  std::atomic<int> transfers{0};
  const auto write = [&](size_t writer) {
    for (int64_t i = 0; i < 200; ++i) {
      const int64_t from = (static_cast<int64_t>(writer) * 7 + i) % kAccounts;
      const int64_t to = (from + 1 + i % (kAccounts - 1)) % kAccounts;
      WriteBatch batch;
      batch.NewPosition();
      batch.AddTo(kPairs, {fmt::format("{:02}", from), from}, Pairs::kCount,
                  -i);
      batch.AddTo(kPairs, {fmt::format("{:02}", to), to}, Pairs::kCount, i);
      if (session.store().Commit(std::move(batch)).ok()) ++transfers;
    }
  };
  const auto read = [&] {
    Position last = 0;
    while (!stop) {
      const auto snapshot = session.TakeSnapshot();
      if (snapshot == nullptr) return;
      findings.Expect(snapshot->position() >= last, "a snapshot goes back");
      last = snapshot->position();
      const auto sum = [](const std::vector<Row>& rows) {
        int64_t total = 0;
        for (const Row& row : rows) total += CellInt(row[Pairs::kCount]);
        return total;
      };
      const ScanSpec by_key{.table = &kPairs};
      const ScanSpec by_value{
          .table = &kPairs, .index = Pairs::kByValue, .prefix = {"account"}};
      ExpectEqual(sum(ScanOn(*snapshot, by_key, findings)), kAccounts * kEach,
                  "the sum of all accounts", findings);
      int64_t total = 0;
      for (int64_t i = 0; i < kAccounts; ++i) {
        const auto row =
            GetOn(*snapshot, kPairs, {fmt::format("{:02}", i), i}, findings);
        if (row.has_value()) total += CellInt((*row)[Pairs::kCount]);
      }
      ExpectEqual(total, kAccounts * kEach, "the sum row by row", findings);
      ExpectEqual(sum(ScanOn(*snapshot, by_value, findings)), kAccounts * kEach,
                  "the sum by an index", findings);
    }
  };
  std::thread readers[2] = {std::thread(read), std::thread(read)};
  RunThreads(3, write);
  stop = true;
  for (std::thread& reader : readers) reader.join();
  ExpectEqual(transfers.load(), 600, "transfers", findings);
  session.ExpectPosition(600, "transfers");
}

// Every snapshot holds exactly the rows up to its position.
void PositionsAppearInOrder(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  constexpr size_t kWriters = 4;
  constexpr int64_t kBatches = 100;
  std::atomic<bool> stop{false};
  const auto write = [&](size_t writer) {
    for (int64_t i = 0; i < kBatches; ++i) {
      WriteBatch batch;
      const int64_t count = 1 + i % 3;
      for (int64_t k = 0; k < count; ++k) {
        batch.InsertRow(
            kNumbers,
            {batch.NewPosition(), static_cast<int64_t>(writer), {}, {}});
      }
      const auto info = session.store().Commit(std::move(batch));
      if (!findings.Expect(info.ok(), "a commit fails")) return;
      ExpectEqual(info->last - info->first + 1, count, "positions of one batch",
                  findings);
      const auto snapshot = session.TakeSnapshot();
      if (snapshot == nullptr) return;
      findings.Expect(snapshot->position() >= info->last,
                      "a snapshot lacks a commit that was reported before");
      const auto row = GetOn(*snapshot, kNumbers, {info->last}, findings);
      findings.Expect(
          row.has_value() && CellInt((*row)[1]) == static_cast<int64_t>(writer),
          "a reported row is not there, or another's");
    }
  };
  std::thread reader([&] {
    while (!stop) {
      const auto snapshot = session.TakeSnapshot();
      if (snapshot == nullptr) return;
      const auto rows = ScanOn(*snapshot, {.table = &kNumbers}, findings);
      ExpectEqual(static_cast<Position>(rows.size()), snapshot->position(),
                  "rows of a snapshot against its position", findings);
      if (!rows.empty()) {
        ExpectEqual(CellInt(rows.back()[0]), snapshot->position(),
                    "the newest row of a snapshot", findings);
      }
    }
  });
  RunThreads(kWriters, write);
  stop = true;
  reader.join();
  session.ExpectPosition(4 * (34 * 1 + 33 * 2 + 33 * 3), "positions");
}

void DoneIsCalledInCommitOrder(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  constexpr size_t kWriters = 3;
  constexpr int kBatches = 200;
  Position last = 0;  // Only ever touched by a Done.
  std::atomic<int> calls{0};
  std::promise<void> all;
  RunThreads(kWriters, [&](size_t) {
    for (int i = 0; i < kBatches; ++i) {
      WriteBatch batch;
      batch.NewPosition();
      session.store().CommitAsync(
          std::move(batch), [&](const Result<CommitInfo>& info) {
            if (findings.Expect(info.ok(), "a commit fails")) {
              ExpectEqual(info->first, last + 1, "the next position reported",
                          findings);
              last = info->last;
              findings.Expect(session.store().LastPosition() >= last,
                              "LastPosition() is behind what was reported");
            }
            if (++calls == static_cast<int>(kWriters) * kBatches) {
              all.set_value();
            }
          });
    }
  });
  all.get_future().wait();
}

// A counter that each thread reads, then writes under the precondition that
// nobody else did: no increment may be lost.
void PreconditionsHoldUnderContention(StoreFixture& fixture,
                                      Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  WriteBatch fill;
  fill.PutRow(kNumbers, {int64_t{1}, int64_t{0}, {}, {}});
  session.Commit(std::move(fill), "counter");
  constexpr int64_t kThreads = 4;
  constexpr int64_t kIncrements = 50;
  RunThreads(kThreads, [&](size_t) {
    for (int64_t done = 0; done < kIncrements;) {
      const auto row = session.Get(kNumbers, {int64_t{1}});
      if (!findings.Expect(row.has_value(), "the counter is gone")) return;
      const int64_t value = CellInt((*row)[Numbers::kAmount]);
      WriteBatch batch;
      batch.Require(WriteBatch::ColumnEquals{
          &kNumbers, {int64_t{1}}, Numbers::kAmount, value});
      batch.PutRow(kNumbers, {int64_t{1}, value + 1, {}, {}});
      const auto result = session.store().Commit(std::move(batch));
      if (result.ok()) {
        ++done;
      } else if (result.status().code() != StatusCode::kAborted) {
        findings.Add(result.status().ToString());
        return;
      }
    }
  });
  session.ExpectRow(kNumbers, {int64_t{1}},
                    Row{int64_t{1}, kThreads * kIncrements, {}, {}},
                    "increments under a precondition");
}

void OneInsertWins(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  std::atomic<int> winners{0};
  constexpr int64_t kKeys = 50;
  RunThreads(4, [&](size_t thread) {
    for (int64_t i = 0; i < kKeys; ++i) {
      WriteBatch batch;
      const auto owner = static_cast<int64_t>(thread);
      if (thread % 2 == 0) {
        batch.InsertRow(kNumbers, {i, owner, {}, {}});
      } else {
        batch.Require(WriteBatch::RowAbsent{&kNumbers, {i}});
        batch.PutRow(kNumbers, {i, owner, {}, {}});
      }
      if (session.store().Commit(std::move(batch)).ok()) ++winners;
    }
  });
  ExpectEqual(winners.load(), static_cast<int>(kKeys),
              "winners of 4 threads for 50 keys", findings);
}

// The same for what a unique index allows once: in a group commit the second of
// two batches must see what the first one took.
void UniqueIndexesHoldUnderContention(StoreFixture& fixture,
                                      Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  constexpr size_t kThreads = 4;
  constexpr int64_t kWeights = 50;
  std::atomic<int> winners{0};
  RunThreads(kThreads, [&](size_t thread) {
    const auto own = static_cast<int64_t>(thread) * kWeights;
    for (int64_t weight = 0; weight < kWeights; ++weight) {
      WriteBatch batch;
      batch.PutRow(kNumbers, {own + weight, int64_t{0}, {}, weight});
      batch.PutRow(
          kDocuments,
          {own + weight, "d", "b", {}, Blob{fmt::format("{}", weight / 2)}});
      const auto result = session.store().Commit(std::move(batch));
      if (result.ok()) {
        ++winners;
      } else {
        findings.Expect(result.status().code() == StatusCode::kAborted,
                        "a unique index: " + result.status().ToString());
      }
    }
  });
  // Tags allow only every second weight.
  ExpectEqual(winners.load(), 25, "winners of 25 tags", findings);
  ExpectEqual(
      session.Scan({.table = &kNumbers, .index = Numbers::kByWeight}).size(),
      size_t{25}, "rows in a unique index", findings);
  ExpectEqual(
      session.Scan({.table = &kDocuments, .index = Documents::kByTag}).size(),
      size_t{25}, "rows in a unique index", findings);
}

// Half of the batches fail while others succeed: positions still have no gaps.
void FailedBatchesLeaveNoGaps(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  constexpr size_t kThreads = 4;
  constexpr int64_t kBatches = 60;
  WriteBatch fill;
  fill.PutRow(kLinks, {Blob{"s"}, "there"});
  session.Commit(std::move(fill), "gaps");
  RunThreads(kThreads, [&](size_t) {
    for (int64_t i = 0; i < kBatches; ++i) {
      WriteBatch batch;
      batch.InsertRow(kNumbers, {batch.NewPosition(), i, {}, {}});
      if (i % 2 == 0) batch.InsertRow(kLinks, {Blob{"s"}, "there"});
      const auto result = session.store().Commit(std::move(batch));
      findings.Expect(result.ok() == (i % 2 != 0), "a batch ended otherwise");
    }
  });
  constexpr Position kLast = kThreads * kBatches / 2;
  session.ExpectPosition(kLast, "after failed batches");
  const auto rows = session.Scan({.table = &kNumbers});
  ExpectEqual(rows.size(), static_cast<size_t>(kLast), "rows", findings);
  if (!rows.empty()) {
    ExpectEqual(CellInt(rows.back()[Numbers::kId]), kLast, "the newest row",
                findings);
  }
}

// A chain: each Done commits the next batch and does not wait for it.
void ADoneMayCommit(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  constexpr int64_t kLinksOfTheChain = 50;
  std::promise<void> end;
  std::function<void(int64_t)> go = [&](int64_t i) {
    if (i > kLinksOfTheChain) return end.set_value();
    WriteBatch batch;
    batch.InsertRow(kNumbers, {batch.NewPosition(), i, {}, {}});
    session.store().CommitAsync(
        std::move(batch), [&, i](const Result<CommitInfo>& info) {
          findings.Expect(info.ok() && info->first == i,
                          "a commit made by a Done has not the next position");
          go(i + 1);
        });
  };
  go(1);
  end.get_future().wait();
  session.ExpectPosition(kLinksOfTheChain, "a chain of commits");
}

// Whatever the moment at which the store is closed: each batch is answered
// once, and what was acknowledged is there when it is opened again.
void EveryBatchIsAnsweredWhenClosing(StoreFixture& fixture,
                                     Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  constexpr size_t kThreads = 3;
  constexpr int64_t kBatches = 100;
  std::vector<std::atomic<int>> answers(kThreads * kBatches);
  std::vector<std::atomic<bool>> done(kThreads * kBatches);
  std::atomic<int> sent{0};
  std::thread closer([&] {
    while (sent < 40) std::this_thread::yield();
    session.store().Close();
  });
  RunThreads(kThreads, [&](size_t thread) {
    for (int64_t i = 0; i < kBatches; ++i) {
      const auto id = static_cast<int64_t>(thread) * kBatches + i;
      WriteBatch batch;
      batch.PutRow(kNumbers, {id, id, {}, {}});
      session.store().CommitAsync(
          std::move(batch), [&, id](const Result<CommitInfo>& result) {
            ++answers[static_cast<size_t>(id)];
            done[static_cast<size_t>(id)] = result.ok();
            findings.Expect(
                result.ok() ||
                    result.status().code() == StatusCode::kUnavailable,
                "a commit while closing: " + result.status().ToString());
          });
      ++sent;
    }
  });
  closer.join();
  for (const auto& count : answers) {
    ExpectEqual(count.load(), 1, "answers to one batch", findings);
  }
  if (!fixture.durable()) return;
  session.Reopen();
  if (!session.ok()) return;
  for (size_t id = 0; id < done.size(); ++id) {
    const auto row = session.Get(kNumbers, {static_cast<int64_t>(id)});
    ExpectEqual(row.has_value() ? 1 : 0, done[id] ? 1 : 0,
                "rows of a batch answered while closing", findings);
  }
}

void CloseCompletesWhatIsQueued(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  constexpr int kBatches = 100;
  std::atomic<int> answered{0};
  for (int64_t i = 0; i < kBatches; ++i) {
    WriteBatch batch;
    batch.PutRow(kNumbers, {i, i, {}, {}});
    session.store().CommitAsync(std::move(batch),
                                [&](const Result<CommitInfo>& result) {
                                  if (result.ok()) ++answered;
                                });
  }
  session.store().Close();
  ExpectEqual(answered.load(), kBatches, "batches that Close() completed",
              findings);
  session.Refuse({}, StatusCode::kUnavailable, "a commit after Close()");
  findings.Expect(
      session.store().NewSnapshot().status().code() == StatusCode::kUnavailable,
      "a snapshot after Close()");
  findings.Expect(session.store().Check().code() == StatusCode::kUnavailable,
                  "Check() after Close()");
  session.store().Close();
}

void AgreesWithTheModel(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  const auto model = NewModelStore(ConformanceSchema());
  CompareStores(session.store(), *model, 1, 1500, findings);
}

constexpr StoreCheck kChecks[] = {
    {"SnapshotsAreConsistentUnderLoad", SnapshotsAreConsistentUnderLoad},
    {"PositionsAppearInOrder", PositionsAppearInOrder},
    {"DoneIsCalledInCommitOrder", DoneIsCalledInCommitOrder},
    {"PreconditionsHoldUnderContention", PreconditionsHoldUnderContention},
    {"OneInsertWins", OneInsertWins},
    {"UniqueIndexesHoldUnderContention", UniqueIndexesHoldUnderContention},
    {"FailedBatchesLeaveNoGaps", FailedBatchesLeaveNoGaps},
    {"ADoneMayCommit", ADoneMayCommit},
    {"EveryBatchIsAnsweredWhenClosing", EveryBatchIsAnsweredWhenClosing},
    {"CloseCompletesWhatIsQueued", CloseCompletesWhatIsQueued},
    {"AgreesWithTheModel", AgreesWithTheModel},
};

}  // namespace

std::span<const StoreCheck> ConcurrencyChecks() { return kChecks; }

}  // namespace matrixcore::conformance
