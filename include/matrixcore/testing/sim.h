// Simulated time and threads: a test owns both.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <utility>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/base/time.h"

namespace matrixcore {

// A Clock that stands still and Timers that run nothing until told.
// Thread-safe; one thread at a time moves it.
class SimTime final : public Clock, public Timers {
 public:
  // 2023-11-14 22:13:20 UTC unless told otherwise.
  explicit SimTime(Timestamp start = {1'700'000'000'000}) : now_(start) {}

  Timestamp Now() const override;
  MonotonicTime Monotonic() const override;
  Id At(MonotonicTime when, Task task) override;
  bool Cancel(Id id) override;

  // Moves on by `by`, stopping at each task that falls due and running it on
  // the calling thread.
  void Advance(Duration by);
  // One step of Advance: moves to the next task that is due at or before `end`
  // and runs it.  When there is none, moves to `end` and returns false.
  bool Step(MonotonicTime end);
  // Tasks that have not run.
  size_t pending() const;

 private:
  void MoveTo(MonotonicTime when) MC_REQUIRES(mutex_);

  mutable Mutex mutex_;
  Timestamp now_ MC_GUARDED_BY(mutex_);
  MonotonicTime monotonic_ MC_GUARDED_BY(mutex_){1'000'000'000};
  // Nanoseconds that have not made a full millisecond of now_ yet.
  int64_t rest_ns_ MC_GUARDED_BY(mutex_) = 0;
  std::map<std::pair<MonotonicTime, Id>, Task> tasks_ MC_GUARDED_BY(mutex_);
  Id last_id_ MC_GUARDED_BY(mutex_) = 0;
};

// An Executor without threads: tasks wait until RunAll.  Thread-safe.
class SimExecutor final : public Executor {
 public:
  // Post refuses when `max_queued` tasks wait.
  explicit SimExecutor(size_t max_queued = SIZE_MAX)
      : max_queued_(max_queued) {}

  bool Post(Task task) override;
  bool PostAdmitted(Task task) override;
  void Shutdown() override;

  // Runs until nothing waits; the number of tasks that ran.
  size_t RunAll();
  size_t queued() const;
  // Destroys what waits without running it.
  void Drop();

 private:
  const size_t max_queued_;
  mutable Mutex mutex_;
  std::deque<Task> tasks_ MC_GUARDED_BY(mutex_);
  bool shut_down_ MC_GUARDED_BY(mutex_) = false;
};

}  // namespace matrixcore
