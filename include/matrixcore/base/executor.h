// Who runs what, and when: executors (bounded thread lanes) and timers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "matrixcore/base/function.h"
#include "matrixcore/base/time.h"

namespace matrixcore {

using Task = UniqueFunction<void()>;

// Runs tasks.  Thread-safe.  Tasks must not throw.
class Executor {
 public:
  virtual ~Executor() = default;

  // Queues `task` to run once, on some thread, soon; never inside this call.
  // False when the queue is full or the executor is shutting down; the task is
  // then destroyed without running.
  virtual bool Post(Task task) = 0;

  // As Post, but never refused for a full queue: for work that continues what
  // was already admitted (answering, draining a room's queue).  False only
  // after Shutdown: while that waits for the last task, what tasks still queue
  // is run too.
  virtual bool PostAdmitted(Task task) = 0;

  // Runs what is queued, refuses what is new (Post), returns when no task runs.
  // Idempotent.  Must not be called from a task.
  virtual void Shutdown() = 0;
};

// A lane: `threads` threads and a queue of at most `max_queued` tasks.  Threads
// carry `name` (at most 15 bytes) in the operating system's lists.  When there
// is not enough processor time for all, threads with a `niceness` (up to 19)
// get less of it than others.
std::unique_ptr<Executor> NewThreadPool(std::string name, size_t threads,
                                        size_t max_queued, int niceness = 0);

// Calls back at a time.  Thread-safe.
class Timers {
 public:
  using Id = uint64_t;

  virtual ~Timers() = default;

  // Runs `task` once when the monotonic clock reaches `when`, on a thread of
  // the timer's own: a task must be short and must not block.  Returns a number
  // that is never 0.
  virtual Id At(MonotonicTime when, Task task) = 0;

  // True when the task was removed before it started.  False when it ran, is
  // running, or never was.
  virtual bool Cancel(Id id) = 0;
};

// Real time, one thread, idle when nothing is due.  Tasks that have not started
// when it is destroyed never run.  `clock` must outlive it.
std::unique_ptr<Timers> NewThreadTimers(const Clock& clock);

}  // namespace matrixcore
