// Executors and a store that tell when they have nothing to do, and fail on
// request.
#pragma once

#include <memory>
#include <utility>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/base/status.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Counts what is under way.  Thread-safe.
class Activity {
 public:
  void Begin() {
    MutexLock lock(mutex_);
    ++running_;
  }
  void End() {
    MutexLock lock(mutex_);
    if (--running_ == 0) idle_.NotifyAll();
  }
  // Returns when nothing is under way.  What is under way begins what follows
  // from it before it ends, so that a chain of work is never missed.
  void WaitIdle() {
    MutexLock lock(mutex_);
    while (running_ != 0) idle_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar idle_;
  size_t running_ MC_GUARDED_BY(mutex_) = 0;
};

// One thing under way, until it is destroyed.
class ActivityScope {
 public:
  explicit ActivityScope(Activity& activity) : activity_(&activity) {
    activity_->Begin();
  }
  ActivityScope(ActivityScope&& other) noexcept
      : activity_(std::exchange(other.activity_, nullptr)) {}
  ActivityScope& operator=(ActivityScope&&) = delete;
  ~ActivityScope() {
    if (activity_ != nullptr) activity_->End();
  }

 private:
  Activity* activity_;
};

// Thread-safe.
class WatchedExecutor final : public Executor {
 public:
  WatchedExecutor(std::unique_ptr<Executor> executor, Activity& activity)
      : executor_(std::move(executor)), activity_(activity) {}

  bool Post(Task task) override {
    return executor_->Post(Watch(std::move(task)));
  }
  bool PostAdmitted(Task task) override {
    return executor_->PostAdmitted(Watch(std::move(task)));
  }
  void Shutdown() override { executor_->Shutdown(); }

 private:
  Task Watch(Task task) {
    // The task is destroyed before the scope ends: what it holds may answer.
    return
        [scope = ActivityScope(activity_), task = std::move(task)]() mutable {
          Task running = std::move(task);
          running();
        };
  }

  const std::unique_ptr<Executor> executor_;
  Activity& activity_;
};

// Thread-safe.
class WatchedStore final : public Store {
 public:
  WatchedStore(Store& store, Activity& activity)
      : store_(store), activity_(activity) {}

  void FailCommits(Status failure) {
    MutexLock lock(mutex_);
    commit_failure_ = std::move(failure);
  }
  void FailReads(Status failure) {
    MutexLock lock(mutex_);
    read_failure_ = std::move(failure);
  }

  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    {
      MutexLock lock(mutex_);
      if (!read_failure_.ok()) return read_failure_;
    }
    return store_.NewSnapshot();
  }
  void CommitAsync(WriteBatch batch, Done done) override {
    Status failure;
    {
      MutexLock lock(mutex_);
      failure = commit_failure_;
    }
    if (!failure.ok()) return done(std::move(failure));
    store_.CommitAsync(std::move(batch), [scope = ActivityScope(activity_),
                                          done = std::move(done)](
                                             Result<CommitInfo> info) mutable {
      Done running = std::move(done);
      running(std::move(info));
    });
  }
  Position LastPosition() const override { return store_.LastPosition(); }
  Status Check() override { return store_.Check(); }
  void Close() override { store_.Close(); }

 private:
  Store& store_;
  Activity& activity_;
  Mutex mutex_;
  Status commit_failure_ MC_GUARDED_BY(mutex_);
  Status read_failure_ MC_GUARDED_BY(mutex_);
};

}  // namespace matrixcore
