// Time and threads that a test of the service floor moves by hand.
#pragma once

#include <deque>
#include <map>
#include <utility>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/base/time.h"

namespace matrixcore {

// Stands still until told.  Thread-safe.
class ManualClock : public Clock {
 public:
  Timestamp Now() const override {
    MutexLock lock(mutex_);
    return now_;
  }
  MonotonicTime Monotonic() const override {
    MutexLock lock(mutex_);
    return monotonic_;
  }
  void Advance(Duration by) {
    MutexLock lock(mutex_);
    now_.ms += by.count() / 1'000'000;
    monotonic_ = monotonic_ + by;
  }

 private:
  mutable Mutex mutex_;
  Timestamp now_ MC_GUARDED_BY(mutex_){1'700'000'000'000};
  MonotonicTime monotonic_ MC_GUARDED_BY(mutex_){1'000'000'000};
};

// Runs what is due when told.  Thread-safe.
class ManualTimers : public Timers {
 public:
  explicit ManualTimers(ManualClock& clock) : clock_(clock) {}

  Id At(MonotonicTime when, Task task) override {
    MutexLock lock(mutex_);
    tasks_.emplace(std::pair(when, ++last_id_), std::move(task));
    return last_id_;
  }
  bool Cancel(Id id) override {
    MutexLock lock(mutex_);
    for (auto it = tasks_.begin(); it != tasks_.end(); ++it) {
      if (it->first.second != id) continue;
      tasks_.erase(it);
      return true;
    }
    return false;
  }
  size_t pending() const {
    MutexLock lock(mutex_);
    return tasks_.size();
  }

  // Moves the clock on, stopping at each task that falls due.
  void Advance(Duration by) {
    const MonotonicTime end = clock_.Monotonic() + by;
    for (;;) {
      Task task;
      {
        MutexLock lock(mutex_);
        if (tasks_.empty() || tasks_.begin()->first.first > end) break;
        const MonotonicTime when = tasks_.begin()->first.first;
        if (when > clock_.Monotonic())
          clock_.Advance(when - clock_.Monotonic());
        task = std::move(tasks_.begin()->second);
        tasks_.erase(tasks_.begin());
      }
      task();
    }
    clock_.Advance(end - clock_.Monotonic());
  }

 private:
  ManualClock& clock_;
  mutable Mutex mutex_;
  std::map<std::pair<MonotonicTime, Id>, Task> tasks_ MC_GUARDED_BY(mutex_);
  Id last_id_ MC_GUARDED_BY(mutex_) = 0;
};

// Queues until told to run.  Thread-safe.
class ManualExecutor : public Executor {
 public:
  bool Post(Task task) override { return PostAdmitted(std::move(task)); }
  bool PostAdmitted(Task task) override {
    MutexLock lock(mutex_);
    if (shut_down_) return false;
    tasks_.push_back(std::move(task));
    return true;
  }
  void Shutdown() override {
    RunAll();
    MutexLock lock(mutex_);
    shut_down_ = true;
  }
  size_t queued() const {
    MutexLock lock(mutex_);
    return tasks_.size();
  }
  // Runs until nothing is queued; the number of tasks that ran.
  size_t RunAll() {
    size_t ran = 0;
    for (;; ++ran) {
      Task task;
      {
        MutexLock lock(mutex_);
        if (tasks_.empty()) return ran;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

 private:
  mutable Mutex mutex_;
  std::deque<Task> tasks_ MC_GUARDED_BY(mutex_);
  bool shut_down_ MC_GUARDED_BY(mutex_) = false;
};

}  // namespace matrixcore
