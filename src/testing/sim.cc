#include "matrixcore/testing/sim.h"

namespace matrixcore {

Timestamp SimTime::Now() const {
  MutexLock lock(mutex_);
  return now_;
}

MonotonicTime SimTime::Monotonic() const {
  MutexLock lock(mutex_);
  return monotonic_;
}

Timers::Id SimTime::At(MonotonicTime when, Task task) {
  MutexLock lock(mutex_);
  const Id id = ++last_id_;
  tasks_.emplace(std::pair(when, id), std::move(task));
  return id;
}

bool SimTime::Cancel(Id id) {
  Task cancelled;  // Destroyed after the lock is released.
  MutexLock lock(mutex_);
  for (auto it = tasks_.begin(); it != tasks_.end(); ++it) {
    if (it->first.second != id) continue;
    cancelled = std::move(it->second);
    tasks_.erase(it);
    return true;
  }
  return false;
}

void SimTime::MoveTo(MonotonicTime when) {
  if (when <= monotonic_) return;
  rest_ns_ += when.ns - monotonic_.ns;
  now_.ms += rest_ns_ / 1'000'000;
  rest_ns_ %= 1'000'000;
  monotonic_ = when;
}

bool SimTime::Step(MonotonicTime end) {
  Task task;
  {
    MutexLock lock(mutex_);
    if (tasks_.empty() || tasks_.begin()->first.first > end) {
      MoveTo(end);
      return false;
    }
    MoveTo(tasks_.begin()->first.first);
    task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
  }
  task();
  return true;
}

void SimTime::Advance(Duration by) {
  const MonotonicTime end = Monotonic() + by;
  while (Step(end)) {
  }
}

size_t SimTime::pending() const {
  MutexLock lock(mutex_);
  return tasks_.size();
}

bool SimExecutor::Post(Task task) {
  MutexLock lock(mutex_);
  if (shut_down_ || tasks_.size() >= max_queued_) return false;
  tasks_.push_back(std::move(task));
  return true;
}

bool SimExecutor::PostAdmitted(Task task) {
  MutexLock lock(mutex_);
  if (shut_down_) return false;
  tasks_.push_back(std::move(task));
  return true;
}

void SimExecutor::Shutdown() {
  {
    MutexLock lock(mutex_);
    shut_down_ = true;
  }
  RunAll();
}

size_t SimExecutor::RunAll() {
  for (size_t ran = 0;; ++ran) {
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

void SimExecutor::Drop() {
  std::deque<Task> dropped;  // Destroyed after the lock is released.
  MutexLock lock(mutex_);
  dropped.swap(tasks_);
}

size_t SimExecutor::queued() const {
  MutexLock lock(mutex_);
  return tasks_.size();
}

}  // namespace matrixcore
