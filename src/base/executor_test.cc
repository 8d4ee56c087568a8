#include "matrixcore/base/executor.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>

#include <atomic>
#include <future>
#include <latch>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

TEST(ThreadPool, RunsEveryTaskOnce) {
  std::atomic<int> sum = 0;
  const auto pool = NewThreadPool("test", 4, 1000);
  for (int i = 1; i <= 1000; ++i) {
    ASSERT_TRUE(pool->PostAdmitted([&sum, i] { sum += i; }));
  }
  pool->Shutdown();
  EXPECT_EQ(sum, 500500);
}

TEST(ThreadPool, RunsTasksOnItsOwnNamedThreads) {
  const auto pool = NewThreadPool("a name of more than 15 bytes", 1, 10);
  std::promise<std::pair<std::thread::id, std::string>> seen;
  ASSERT_TRUE(pool->Post([&seen] {
    char name[16] = {};
    pthread_getname_np(pthread_self(), name, sizeof(name));
    seen.set_value({std::this_thread::get_id(), name});
  }));
  const auto [id, name] = seen.get_future().get();
  EXPECT_NE(id, std::this_thread::get_id());
  EXPECT_EQ(name, "a name of more ");
}

TEST(ThreadPool, ItsThreadsCanBeNiceToOthers) {
  const int own = getpriority(PRIO_PROCESS, 0);
  const auto pool = NewThreadPool("nice", 1, 10, 19);
  std::promise<int> seen;
  ASSERT_TRUE(
      pool->Post([&seen] { seen.set_value(getpriority(PRIO_PROCESS, 0)); }));
  EXPECT_EQ(seen.get_future().get(), 19);
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), own);
}

TEST(ThreadPool, RunsTasksAtTheSameTime) {
  const auto pool = NewThreadPool("test", 3, 10);
  std::latch all_running(3);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(pool->Post([&all_running] { all_running.arrive_and_wait(); }));
  }
  pool->Shutdown();  // Would hang if they ran one after the other.
}

TEST(ThreadPool, RefusesWhenFullButNotWhatWasAdmitted) {
  const auto pool = NewThreadPool("test", 1, 2);
  std::latch running(1);
  std::latch release(1);
  std::atomic<int> ran = 0;
  ASSERT_TRUE(pool->Post([&] {
    running.count_down();
    release.wait();
  }));
  running.wait();  // The thread is busy and the queue empty.
  EXPECT_TRUE(pool->Post([&ran] { ++ran; }));
  EXPECT_TRUE(pool->Post([&ran] { ++ran; }));
  auto owned = std::make_shared<int>();
  EXPECT_FALSE(pool->Post([owned, &ran] { ++ran; }));
  EXPECT_EQ(owned.use_count(), 1);  // The refused task was destroyed.
  EXPECT_TRUE(pool->PostAdmitted([&ran] { ++ran; }));
  release.count_down();
  pool->Shutdown();
  EXPECT_EQ(ran, 3);
}

TEST(ThreadPool, ShutdownRunsWhatIsQueuedAndRefusesWhatIsNew) {
  const auto pool = NewThreadPool("test", 1, size_t{1} << 30);
  std::latch running(1);
  std::latch release(1);
  std::atomic<bool> continued = false;
  Executor* executor = pool.get();
  ASSERT_TRUE(pool->Post([&] {
    running.count_down();
    release.wait();
    // By now Shutdown has begun; a continuation is still welcome.
    EXPECT_FALSE(executor->Post([] { FAIL(); }));
    EXPECT_TRUE(executor->PostAdmitted([&continued] { continued = true; }));
  }));
  running.wait();
  std::thread stopper([executor] { executor->Shutdown(); });
  // Shutdown has begun once Post is refused.
  while (executor->Post([] {})) std::this_thread::yield();
  release.count_down();
  stopper.join();
  EXPECT_TRUE(continued);
  EXPECT_FALSE(pool->Post([] { FAIL(); }));
  EXPECT_FALSE(pool->PostAdmitted([] { FAIL(); }));
  pool->Shutdown();  // Again, for nothing.
}

TEST(ThreadPool, DestroysATaskBeforeItCountsAsDone) {
  auto owned = std::make_shared<int>();
  const auto pool = NewThreadPool("test", 2, 10);
  ASSERT_TRUE(pool->Post([owned] {}));
  pool->Shutdown();
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(ThreadPool, ZeroThreadsMeansOne) {
  const auto pool = NewThreadPool("test", 0, 10);
  std::promise<void> ran;
  ASSERT_TRUE(pool->Post([&ran] { ran.set_value(); }));
  ran.get_future().get();
}

class ThreadTimersTest : public testing::Test {
 protected:
  // Waits until a task that is queued behind everything due by now has run.
  void Settle() {
    std::promise<void> reached;
    timers_->At(clock_->Monotonic(), [&reached] { reached.set_value(); });
    reached.get_future().get();
  }

  std::unique_ptr<Clock> clock_ = NewSystemClock();
  std::unique_ptr<Timers> timers_ = NewThreadTimers(*clock_);
};

TEST_F(ThreadTimersTest, RunsATaskNotBeforeItsTime) {
  const MonotonicTime due = clock_->Monotonic() + milliseconds(20);
  std::promise<MonotonicTime> ran_at;
  EXPECT_NE(timers_->At(due, [&] { ran_at.set_value(clock_->Monotonic()); }),
            0u);
  EXPECT_GE(ran_at.get_future().get(), due);
}

TEST_F(ThreadTimersTest, RunsInTheOrderOfTimeNotOfCalls) {
  const MonotonicTime now = clock_->Monotonic();
  std::vector<int> order;
  std::promise<void> done;
  timers_->At(now + milliseconds(30), [&] {
    order.push_back(3);
    done.set_value();
  });
  timers_->At(now + milliseconds(20), [&order] { order.push_back(2); });
  timers_->At(now + milliseconds(10), [&order] { order.push_back(1); });
  done.get_future().get();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST_F(ThreadTimersTest, EqualTimesRunInTheOrderOfCalls) {
  const MonotonicTime due = clock_->Monotonic() + milliseconds(10);
  std::vector<int> order;
  std::promise<void> done;
  for (int i = 0; i < 50; ++i) {
    timers_->At(due, [&order, i] { order.push_back(i); });
  }
  timers_->At(due, [&done] { done.set_value(); });
  done.get_future().get();
  ASSERT_EQ(order.size(), 50u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_F(ThreadTimersTest, ACancelledTaskDoesNotRun) {
  auto owned = std::make_shared<int>();
  const Timers::Id id =
      timers_->At(MonotonicTime::Never(), [owned] { FAIL(); });
  EXPECT_EQ(owned.use_count(), 2);
  EXPECT_TRUE(timers_->Cancel(id));
  EXPECT_EQ(owned.use_count(), 1);
  EXPECT_FALSE(timers_->Cancel(id));
}

TEST_F(ThreadTimersTest, CancelIsFalseForWhatRanOrNeverWas) {
  const Timers::Id id = timers_->At(clock_->Monotonic(), [] {});
  Settle();
  EXPECT_FALSE(timers_->Cancel(id));
  EXPECT_FALSE(timers_->Cancel(0));
  EXPECT_FALSE(timers_->Cancel(1'000'000));
}

TEST_F(ThreadTimersTest, ATaskMayUseTheTimers) {
  std::promise<void> done;
  const Timers::Id other = timers_->At(MonotonicTime::Never(), [] {});
  timers_->At(clock_->Monotonic(), [&] {
    EXPECT_TRUE(timers_->Cancel(other));
    timers_->At(clock_->Monotonic(), [&done] { done.set_value(); });
  });
  done.get_future().get();
}

TEST_F(ThreadTimersTest, SurvivesManyCancellations) {
  std::vector<Timers::Id> ids;
  for (int i = 0; i < 10'000; ++i) {
    ids.push_back(timers_->At(MonotonicTime::Never(), [] { FAIL(); }));
  }
  for (size_t i = 0; i < ids.size(); i += 2)
    EXPECT_TRUE(timers_->Cancel(ids[i]));
  for (size_t i = 1; i < ids.size(); i += 2)
    EXPECT_TRUE(timers_->Cancel(ids[i]));
  Settle();
}

TEST_F(ThreadTimersTest, DestructionDropsWhatIsNotDue) {
  auto owned = std::make_shared<int>();
  timers_->At(MonotonicTime::Never(), [owned] { FAIL(); });
  timers_.reset();
  EXPECT_EQ(owned.use_count(), 1);
}

TEST(CondVar, WaitForReportsThatTheTimePassed) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(mutex);
  EXPECT_FALSE(never.WaitFor(mutex, milliseconds(1)));
}

}  // namespace
}  // namespace matrixcore
