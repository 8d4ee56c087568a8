// CommitQueue: the queue in front of a store's one writer.  For authors of
// backends: it gives group commit and the promises of Store::CommitAsync about
// threads and order.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "matrixcore/base/function.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/base/status.h"
#include "matrixcore/store/store.h"
#include "matrixcore/store/write_batch.h"

namespace matrixcore {

// A thread that takes whatever batches have queued and gives them to `apply` as
// one group, then calls their `done` in order.  Thread-safe.
class CommitQueue {
 public:
  struct Item {
    WriteBatch batch;
    Store::Done done;
    // The outcome, for `apply` to fill in.  When the status is an error before,
    // the batch was refused at the door: leave it alone.
    Status status;
    CommitInfo info;
  };

  struct Options {
    std::string thread_name = "mc-store";  // At most 15 bytes.
    // A group ends when it holds so much; it has always at least one batch.
    size_t max_batches = 512;
    size_t max_bytes = size_t{8} << 20;
  };

  // On the queue's thread: makes the group durable and visible and fills in
  // every status and info.
  using Apply = UniqueFunction<void(std::span<Item>)>;
  // On the queue's thread, after the group's `done`s: house-keeping.  May be
  // null.
  using After = UniqueFunction<void()>;

  CommitQueue(Options options, Apply apply, After after = nullptr);
  ~CommitQueue();  // As Close.
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // Queues a batch.  With `refused`, its `done` gets that error in its turn.
  // After Close, `done` is called at once, on this thread, with kUnavailable.
  void Push(WriteBatch batch, Store::Done done, Status refused = OkStatus());

  // Completes what is queued, refuses what is new, ends the thread. Idempotent.
  // Must not be called from a `done`.
  void Close();

 private:
  void Run();
  // Waits until there is a batch; false when closed and empty.
  bool WaitForOne();
  // Moves the next group to `group`; false when closed and empty.
  bool Take(std::vector<Item>& group);

  const Options options_;
  Apply apply_;
  After after_;
  Mutex mutex_;
  CondVar wake_;
  std::vector<Item> queue_ MC_GUARDED_BY(mutex_);
  bool idle_ MC_GUARDED_BY(mutex_) = false;
  bool closed_ MC_GUARDED_BY(mutex_) = false;
  Mutex join_mutex_;
  std::thread thread_;
};

}  // namespace matrixcore
