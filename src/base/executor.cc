#include "matrixcore/base/executor.h"

#include <absl/container/flat_hash_map.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

void NameThisThread(const std::string& name) {
  // The system refuses names of more than 15 bytes.
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

// Linux counts a thread as a process here.
void MakeThisThreadNice(int niceness) {
  if (niceness <= 0) return;
  // Of no consequence where it is not allowed.
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness);
}

class ThreadPool final : public Executor {
 public:
  ThreadPool(std::string name, size_t threads, size_t max_queued, int niceness)
      : name_(std::move(name)), max_queued_(max_queued), niceness_(niceness) {
    const size_t count = std::max<size_t>(threads, 1);
    threads_.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      threads_.emplace_back([this] { Work(); });
    }
  }
  ~ThreadPool() override { Shutdown(); }

  bool Post(Task task) override {
    {
      MutexLock lock(mutex_);
      if (stopping_ || queue_.size() >= max_queued_) return false;
      queue_.push_back(std::move(task));
    }
    wake_.NotifyOne();
    return true;
  }

  bool PostAdmitted(Task task) override {
    {
      MutexLock lock(mutex_);
      if (stopping_ && Idle()) return false;
      queue_.push_back(std::move(task));
    }
    wake_.NotifyOne();
    return true;
  }

  void Shutdown() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    wake_.NotifyAll();
    MutexLock lock(join_mutex_);
    for (std::thread& thread : threads_) {
      assert(thread.get_id() != std::this_thread::get_id());
      thread.join();
    }
    threads_.clear();
  }

 private:
  bool Idle() const MC_REQUIRES(mutex_) {
    return queue_.empty() && running_ == 0;
  }

  void Work() {
    NameThisThread(name_);
    MakeThisThreadNice(niceness_);
    mutex_.Lock();
    for (;;) {
      // When stopping, a task that still runs may queue more.
      while (queue_.empty() && !(stopping_ && running_ == 0)) {
        wake_.Wait(mutex_);
      }
      if (queue_.empty()) break;
      Task task = std::move(queue_.front());
      queue_.pop_front();
      ++running_;
      mutex_.Unlock();
      std::move(task)();
      task = nullptr;  // What it owned goes while it counts as running.
      mutex_.Lock();
      --running_;
      if (stopping_ && Idle()) wake_.NotifyAll();
    }
    mutex_.Unlock();
  }

  const std::string name_;
  const size_t max_queued_;
  const int niceness_;
  Mutex mutex_;
  CondVar wake_;
  std::deque<Task> queue_ MC_GUARDED_BY(mutex_);
  size_t running_ MC_GUARDED_BY(mutex_) = 0;
  bool stopping_ MC_GUARDED_BY(mutex_) = false;
  Mutex join_mutex_;  // Held while waiting for the threads to end.
  std::vector<std::thread> threads_;
};

class ThreadTimers final : public Timers {
 public:
  explicit ThreadTimers(const Clock& clock)
      : clock_(clock), thread_([this] { Work(); }) {}

  ~ThreadTimers() override {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    wake_.NotifyAll();
    assert(thread_.get_id() != std::this_thread::get_id());
    thread_.join();
  }

  Id At(MonotonicTime when, Task task) override {
    Id id = 0;
    bool first = false;
    {
      MutexLock lock(mutex_);
      id = ++last_id_;
      tasks_.emplace(id, std::move(task));
      heap_.push_back({when, id});
      std::push_heap(heap_.begin(), heap_.end(), Later);
      first = heap_.front().id == id;
    }
    if (first) wake_.NotifyOne();
    return id;
  }

  bool Cancel(Id id) override {
    Task task;  // Destroyed after the lock is released.
    MutexLock lock(mutex_);
    const auto it = tasks_.find(id);
    if (it == tasks_.end()) return false;
    task = std::move(it->second);
    tasks_.erase(it);
    DropCancelled();
    return true;
  }

 private:
  struct Due {
    MonotonicTime when;
    Id id = 0;
  };

  static bool Later(const Due& a, const Due& b) {
    return a.when != b.when ? a.when > b.when : a.id > b.id;
  }

  // Cancelled entries stay in the heap until they are due or outnumber the
  // others, so that cancelling costs constant time on average.
  void DropCancelled() MC_REQUIRES(mutex_) {
    if (heap_.size() < 64 || heap_.size() < 2 * tasks_.size()) return;
    std::erase_if(heap_, [this](const Due& due) MC_NO_THREAD_SAFETY {
      return !tasks_.contains(due.id);
    });
    std::make_heap(heap_.begin(), heap_.end(), Later);
  }

  void Work() {
    NameThisThread("timers");
    mutex_.Lock();
    while (!stopping_) {
      if (heap_.empty()) {
        wake_.Wait(mutex_);
        continue;
      }
      const Due due = heap_.front();
      const auto it = tasks_.find(due.id);
      const MonotonicTime now = clock_.Monotonic();
      if (it != tasks_.end() && due.when > now) {
        // Waiting in steps keeps "never" from overflowing.
        wake_.WaitFor(mutex_, std::min<Duration>(Remaining(due.when, now),
                                                 std::chrono::hours(1)));
        continue;
      }
      std::pop_heap(heap_.begin(), heap_.end(), Later);
      heap_.pop_back();
      if (it == tasks_.end()) continue;
      Task task = std::move(it->second);
      tasks_.erase(it);
      mutex_.Unlock();
      std::move(task)();
      task = nullptr;
      mutex_.Lock();
    }
    mutex_.Unlock();
  }

  static Duration Remaining(MonotonicTime when, MonotonicTime now) {
    if (now.ns < 0 && when.ns > INT64_MAX + now.ns) return Duration::max();
    return when - now;
  }

  const Clock& clock_;
  Mutex mutex_;
  CondVar wake_;
  absl::flat_hash_map<Id, Task> tasks_ MC_GUARDED_BY(mutex_);
  std::vector<Due> heap_ MC_GUARDED_BY(mutex_);  // The earliest is in front.
  Id last_id_ MC_GUARDED_BY(mutex_) = 0;
  bool stopping_ MC_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace

std::unique_ptr<Executor> NewThreadPool(std::string name, size_t threads,
                                        size_t max_queued, int niceness) {
  return std::make_unique<ThreadPool>(std::move(name), threads, max_queued,
                                      niceness);
}

std::unique_ptr<Timers> NewThreadTimers(const Clock& clock) {
  return std::make_unique<ThreadTimers>(clock);
}

}  // namespace matrixcore
