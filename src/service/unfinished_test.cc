#include "matrixcore/service/unfinished.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "matrixcore/backends/memory.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/service/account_tables.h"
#include "service/manual_world.h"

namespace matrixcore {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Status kAway(StatusCode::kUnavailable, "away");

class UnfinishedTest : public testing::Test {
 protected:
  UnfinishedTest() {
    Schema schema;
    schema.version = tables::kSchemaVersion;
    schema.tables = tables::AccountTables();
    store_ = NewMemoryStore(schema);
    Restart();
  }
  ~UnfinishedTest() override { store_->Close(); }

  // As a new process would.
  void Restart() {
    work_.reset();
    work_ = std::make_unique<UnfinishedWork>(
        UnfinishedWork::Deps{*store_, clock_, timers_, executor_, *log_});
    work_->Handle("paint",
                  [this](const std::shared_ptr<UnfinishedWork::Try>& work) {
                    tries_.push_back(work->item().key);
                    if (answer_early_) work->Answer(OkStatus());
                    if (!drop_) work->End(outcome_);
                  });
    work_->Start();
  }
  UnfinishedWork::Item Commit(const std::string& key) {
    WriteBatch batch;
    const PositionRef pos = UnfinishedWork::Add(batch, "paint", "@a:x", key);
    const auto done = store_->Commit(std::move(batch));
    EXPECT_TRUE(done.ok());
    return {.kind = "paint",
            .user_id = "@a:x",
            .key = key,
            .pos = done->first + pos.index};
  }
  void Begin(const std::string& key) {
    work_->Begin(Commit(key),
                 [this](Status status) { answers_.push_back(status.code()); });
    executor_.RunAll();
  }
  void Wait(Duration by) {
    timers_.Advance(by);
    executor_.RunAll();
  }
  size_t Rows() {
    // Behind whatever is being committed.
    EXPECT_TRUE(store_->Commit(WriteBatch()).ok());
    return (*store_->NewSnapshot())
        ->Scan({.table = &tables::kUnfinished})
        ->size();
  }

  ManualClock clock_;
  ManualTimers timers_{clock_};
  ManualExecutor executor_;
  std::unique_ptr<Logger> log_ = NewNullLogger();
  std::unique_ptr<Store> store_;
  Status outcome_;
  bool answer_early_ = false;
  bool drop_ = false;
  std::vector<std::string> tries_;
  std::vector<StatusCode> answers_;
  std::unique_ptr<UnfinishedWork> work_;
};

TEST_F(UnfinishedTest, WorkThatIsDoneLeavesNothing) {
  Begin("wall");
  EXPECT_THAT(tries_, ElementsAre("wall"));
  EXPECT_THAT(answers_, ElementsAre(StatusCode::kOk));
  EXPECT_EQ(Rows(), 0);
  EXPECT_EQ(timers_.pending(), 0);
}

TEST_F(UnfinishedTest, IsTriedAgainAtOnceThenAfterGrowingPauses) {
  outcome_ = kAway;
  Begin("wall");
  EXPECT_EQ(tries_.size(), 5);
  EXPECT_THAT(answers_, ElementsAre(StatusCode::kUnavailable));
  Wait(milliseconds(999));
  EXPECT_EQ(tries_.size(), 5);
  Wait(milliseconds(1));
  EXPECT_EQ(tries_.size(), 10);
  Wait(seconds(1));
  EXPECT_EQ(tries_.size(), 10);
  outcome_ = OkStatus();
  Wait(seconds(1));
  EXPECT_EQ(tries_.size(), 11);
  EXPECT_EQ(Rows(), 0);
  EXPECT_EQ(answers_.size(), 1);  // Once.
}

TEST_F(UnfinishedTest, WhatCanNeverBeDoneIsGivenUp) {
  outcome_ = Status(StatusCode::kPermissionDenied, "never");
  Begin("wall");
  EXPECT_EQ(tries_.size(), 1);
  EXPECT_THAT(answers_, ElementsAre(StatusCode::kPermissionDenied));
  EXPECT_EQ(Rows(), 0);
}

TEST_F(UnfinishedTest, TheNextProcessGoesOn) {
  Commit("wall");
  Commit("roof");
  Restart();
  EXPECT_THAT(tries_, IsEmpty());
  Wait(seconds(1));
  EXPECT_THAT(tries_, ElementsAre("roof", "wall"));
  EXPECT_EQ(Rows(), 0);
}

TEST_F(UnfinishedTest, FindsWorkWhoseCommitNobodyWasSureOf) {
  Commit("wall");
  work_->LookLater();
  Wait(seconds(1));
  EXPECT_THAT(tries_, ElementsAre("wall"));
  EXPECT_EQ(Rows(), 0);
}

TEST_F(UnfinishedTest, MayBeAnsweredBeforeItIsDone) {
  answer_early_ = true;
  outcome_ = kAway;
  Begin("wall");
  EXPECT_THAT(answers_, ElementsAre(StatusCode::kOk));
  EXPECT_EQ(Rows(), 1);
}

TEST_F(UnfinishedTest, AWorkerThatForgetsItsWorkOnlyPutsItOff) {
  drop_ = true;
  Begin("wall");
  EXPECT_THAT(answers_, ElementsAre(StatusCode::kUnavailable));
  drop_ = false;
  Wait(seconds(1));
  EXPECT_EQ(Rows(), 0);
}

TEST_F(UnfinishedTest, WorkThatBecameNecessaryOnceMoreIsNotForgotten) {
  const UnfinishedWork::Item first = Commit("wall");
  Commit("wall");
  work_->Begin(first, nullptr);
  EXPECT_EQ(tries_.size(), 1);
  EXPECT_EQ(Rows(), 1);  // The second one's.
}

TEST_F(UnfinishedTest, NothingBeginsAfterTheStop) {
  Commit("wall");
  Restart();
  work_->Stop();
  Wait(seconds(10));
  EXPECT_THAT(tries_, IsEmpty());
  EXPECT_EQ(Rows(), 1);
}

}  // namespace
}  // namespace matrixcore
