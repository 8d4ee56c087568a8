#include "matrixcore/store/commit_queue.h"

#include <gtest/gtest.h>

#include <future>
#include <numeric>

namespace matrixcore {
namespace {

// Gives out positions without writing anything; notes the size of each group.
struct Recorder {
  Position last = 0;
  std::vector<size_t> groups;

  CommitQueue::Apply Apply() {
    return [this](std::span<CommitQueue::Item> group) {
      groups.push_back(group.size());
      for (CommitQueue::Item& item : group) {
        if (!item.status.ok()) continue;
        item.info.first = last + 1;
        last += item.batch.positions();
        item.info.last = last;
      }
    };
  }
};

WriteBatch OnePosition() {
  WriteBatch batch;
  batch.NewPosition();
  return batch;
}

TEST(CommitQueueTest, CallsDoneInOrder) {
  Recorder recorder;
  std::vector<Position> seen;
  {
    CommitQueue queue({}, recorder.Apply());
    for (int i = 0; i < 100; ++i) {
      queue.Push(OnePosition(), [&seen](Result<CommitInfo> result) {
        seen.push_back(result.value().first);
      });
    }
  }
  std::vector<Position> expected(100);
  std::iota(expected.begin(), expected.end(), 1);
  EXPECT_EQ(seen, expected);
}

TEST(CommitQueueTest, GroupsWhatWaitsAndRespectsItsLimits) {
  Recorder recorder;
  std::promise<void> started;
  std::promise<void> go_on;
  {
    CommitQueue::Options options;
    options.max_batches = 4;
    CommitQueue queue(options, recorder.Apply());
    queue.Push(OnePosition(), [&](const Result<CommitInfo>&) {
      started.set_value();
      go_on.get_future().wait();
    });
    started.get_future().wait();
    for (int i = 0; i < 9; ++i) {
      queue.Push(OnePosition(), [](const Result<CommitInfo>&) {});
    }
    go_on.set_value();
  }
  EXPECT_EQ(recorder.groups, (std::vector<size_t>{1, 4, 4, 1}));
}

TEST(CommitQueueTest, EndsAGroupThatIsLargeEnough) {
  Recorder recorder;
  std::promise<void> started;
  std::promise<void> go_on;
  {
    CommitQueue::Options options;
    options.max_bytes = 1;
    CommitQueue queue(options, recorder.Apply());
    queue.Push(OnePosition(), [&](const Result<CommitInfo>&) {
      started.set_value();
      go_on.get_future().wait();
    });
    started.get_future().wait();
    queue.Push(OnePosition(), [](const Result<CommitInfo>&) {});
    queue.Push(OnePosition(), [](const Result<CommitInfo>&) {});
    go_on.set_value();
  }
  EXPECT_EQ(recorder.groups, (std::vector<size_t>{1, 1, 1}));
}

TEST(CommitQueueTest, ARefusedBatchFailsInItsTurn) {
  Recorder recorder;
  std::vector<StatusCode> seen;
  const auto note = [&seen](Result<CommitInfo> result) {
    seen.push_back(std::move(result).status().code());
  };
  {
    CommitQueue queue({}, recorder.Apply());
    queue.Push(OnePosition(), note);
    queue.Push(OnePosition(), note, Status(StatusCode::kInvalidArgument, "no"));
    queue.Push(OnePosition(), note);
  }
  EXPECT_EQ(seen, (std::vector<StatusCode>{StatusCode::kOk,
                                           StatusCode::kInvalidArgument,
                                           StatusCode::kOk}));
  EXPECT_EQ(recorder.last, 2);
}

TEST(CommitQueueTest, RefusesBatchesAfterClose) {
  Recorder recorder;
  CommitQueue queue({}, recorder.Apply());
  queue.Close();
  queue.Close();
  StatusCode code = StatusCode::kOk;
  queue.Push(OnePosition(), [&code](Result<CommitInfo> result) {
    code = std::move(result).status().code();
  });
  EXPECT_EQ(code, StatusCode::kUnavailable);
}

TEST(CommitQueueTest, RunsHouseKeepingAfterEachGroup) {
  Recorder recorder;
  int runs = 0;
  {
    CommitQueue queue({}, recorder.Apply(), [&runs] { ++runs; });
    queue.Push(OnePosition(),
               [&runs](const Result<CommitInfo>&) { EXPECT_EQ(runs, 0); });
  }
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace matrixcore
