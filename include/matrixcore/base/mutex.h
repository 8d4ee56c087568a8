// Mutex, MutexLock and CondVar: std::mutex with clang's thread-safety
// annotations, so that -Wthread-safety proves who holds what.
#pragma once

#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define MC_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define MC_THREAD_ATTRIBUTE(x)
#endif
#define MC_CAPABILITY(x) MC_THREAD_ATTRIBUTE(capability(x))
#define MC_SCOPED_CAPABILITY MC_THREAD_ATTRIBUTE(scoped_lockable)
#define MC_GUARDED_BY(x) MC_THREAD_ATTRIBUTE(guarded_by(x))
#define MC_PT_GUARDED_BY(x) MC_THREAD_ATTRIBUTE(pt_guarded_by(x))
#define MC_REQUIRES(...) MC_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define MC_EXCLUDES(...) MC_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define MC_ACQUIRE(...) MC_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define MC_RELEASE(...) MC_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define MC_NO_THREAD_SAFETY MC_THREAD_ATTRIBUTE(no_thread_safety_analysis)

namespace matrixcore {

class MC_CAPABILITY("mutex") Mutex {
 public:
  void Lock() MC_ACQUIRE() { mutex_.lock(); }
  void Unlock() MC_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class MC_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) MC_ACQUIRE(mutex) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() MC_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

class CondVar {
 public:
  // Releases `mutex`, waits to be notified, and holds it again.  May wake for
  // no reason: call in a loop.
  void Wait(Mutex& mutex) MC_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // As Wait, but at most about `timeout` of real time.  False when it passed.
  template <typename Rep, typename Period>
  bool WaitFor(Mutex& mutex, std::chrono::duration<Rep, Period> timeout)
      MC_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool notified =
        condition_.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return notified;
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace matrixcore
