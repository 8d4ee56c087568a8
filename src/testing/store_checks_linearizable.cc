// Counters and claims by many threads, each recorded, and an order sought that
// explains all answers.
#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "matrixcore/base/random.h"
#include "matrixcore/testing/linearizability.h"
#include "testing/store_checks.h"

namespace matrixcore::conformance {
namespace {

using CounterCall = CounterModel::Call;
using ClaimCall = ClaimModel::Call;

constexpr size_t kThreads = 4;

// Notes a commit that ended so; false when the check should end.
template <typename Call>
bool NoteCommit(const Result<CommitInfo>& result, uint64_t began, Call call,
                History<Call>& history, Findings& findings) {
  if (!findings.Expect(result.ok(),
                       "a commit fails: " + result.status().ToString())) {
    return false;
  }
  history.End(began, std::move(call));
  return true;
}

// One step of a thread on the row `id` of numbers: reads it, adds to it, or
// swaps what it read last.
class CounterUser {
 public:
  CounterUser(Session& session, int64_t id, uint64_t seed,
              History<CounterCall>& history)
      : session_(session),
        id_(id),
        random_(NewSeededRandom(seed)),
        history_(history) {}

  bool Step() {
    switch (random_->Below(3)) {
      case 0:
        return Read();
      case 1:
        return Add();
      default:
        return Swap();
    }
  }

 private:
  bool Read() {
    const uint64_t began = history_.Begin();
    const auto row = session_.Get(kNumbers, {id_});
    if (!session_.findings().Expect(row.has_value(), "the counter is gone")) {
      return false;
    }
    seen_ = CellInt((*row)[Numbers::kAmount]);
    history_.End(began, {.kind = CounterModel::kRead, .answer = seen_});
    return true;
  }

  bool Add() {
    const auto amount = static_cast<int64_t>(random_->Below(5)) - 2;
    WriteBatch batch;
    batch.AddTo(kNumbers, {id_}, Numbers::kAmount, amount);
    const uint64_t began = history_.Begin();
    return NoteCommit(session_.store().Commit(std::move(batch)), began,
                      CounterCall{.kind = CounterModel::kAdd, .amount = amount},
                      history_, session_.findings());
  }

  bool Swap() {
    WriteBatch batch;
    const int64_t next = seen_ + 10;
    batch.Require(
        WriteBatch::ColumnEquals{&kNumbers, {id_}, Numbers::kAmount, seen_});
    batch.PutRow(kNumbers, {id_, next, {}, {}});
    CounterCall call{
        .kind = CounterModel::kSwap, .amount = next, .expected = seen_};
    const uint64_t began = history_.Begin();
    const auto result = session_.store().Commit(std::move(batch));
    call.answer = result.ok() ? 1 : 0;
    if (!result.ok() && result.status().code() == StatusCode::kAborted) {
      history_.End(began, call);
      return true;
    }
    return NoteCommit(result, began, call, history_, session_.findings());
  }

  Session& session_;
  const int64_t id_;
  std::unique_ptr<Random> random_;
  History<CounterCall>& history_;
  int64_t seen_ = 0;
};

void CountersAreLinearizable(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  constexpr int64_t kCounters = 2;
  constexpr int kSteps = 40;
  WriteBatch fill;
  for (int64_t id = 0; id < kCounters; ++id) {
    fill.PutRow(kNumbers, {id, int64_t{0}, {}, {}});
  }
  session.Commit(std::move(fill), "counters");
  History<CounterCall> histories[kCounters];
  RunThreads(kThreads, [&](size_t thread) {
    std::vector<CounterUser> users;
    for (int64_t id = 0; id < kCounters; ++id) {
      users.emplace_back(session, id, 10 * thread + static_cast<uint64_t>(id),
                         histories[id]);
    }
    for (int i = 0; i < kSteps; ++i) {
      if (!users[static_cast<size_t>(i % kCounters)].Step()) return;
    }
  });
  if (!findings.empty()) return;
  for (auto& history : histories) {
    const std::string wrong = FindContradiction(history.Take(), CounterModel());
    findings.Expect(wrong.empty(), "a counter: " + wrong);
  }
}

// Takes the first row of numbers, however often others are faster; the number
// of the row, 0 when there was none, nothing when the check should end.
std::optional<int64_t> ClaimFirst(Session& session) {
  for (;;) {
    const auto rows = session.Scan({.table = &kNumbers, .limit = 1});
    if (rows.empty()) return 0;
    const int64_t id = CellInt(rows[0][Numbers::kId]);
    std::this_thread::yield();  // So that others have read the same row.
    WriteBatch batch;
    batch.Require(WriteBatch::RowPresent{&kNumbers, {id}});
    batch.DeleteRow(kNumbers, {id});
    const auto result = session.store().Commit(std::move(batch));
    if (result.ok()) return id;
    if (result.status().code() == StatusCode::kAborted) continue;
    session.findings().Add("a claim fails: " + result.status().ToString());
    return std::nullopt;
  }
}

// As one-time keys are: some threads offer, some claim.
void ClaimsAreLinearizable(StoreFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  constexpr int64_t kItems = 60;
  History<ClaimCall> history;
  RunThreads(kThreads, [&](size_t thread) {
    if (thread == 0) {
      for (int64_t item = 1; item <= kItems; ++item) {
        WriteBatch batch;
        batch.InsertRow(kNumbers, {item, int64_t{0}, {}, {}});
        const uint64_t began = history.Begin();
        if (!NoteCommit(session.store().Commit(std::move(batch)), began,
                        ClaimCall{ClaimModel::kOffer, item}, history,
                        findings)) {
          return;
        }
      }
      return;
    }
    for (int64_t i = 0; i < kItems / 2; ++i) {
      const uint64_t began = history.Begin();
      const auto item = ClaimFirst(session);
      if (!item.has_value()) return;
      history.End(began, {ClaimModel::kClaim, *item});
    }
  });
  if (!findings.empty()) return;
  const std::string wrong = FindContradiction(history.Take(), ClaimModel());
  findings.Expect(wrong.empty(), "claims: " + wrong);
}

constexpr StoreCheck kChecks[] = {
    {"CountersAreLinearizable", CountersAreLinearizable},
    {"ClaimsAreLinearizable", ClaimsAreLinearizable},
};

}  // namespace

std::span<const StoreCheck> LinearizabilityChecks() { return kChecks; }

}  // namespace matrixcore::conformance
