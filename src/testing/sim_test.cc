#include "matrixcore/testing/sim.h"

#include <gtest/gtest.h>

#include <vector>

namespace matrixcore {
namespace {

TEST(SimTimeTest, TasksRunInOrderAtTheirTime) {
  SimTime time;
  const MonotonicTime start = time.Monotonic();
  std::vector<int64_t> ran;
  const auto note = [&] { ran.push_back((time.Monotonic() - start).count()); };
  time.At(start + Duration(30), note);
  time.At(start + Duration(10), note);
  time.At(start + Duration(10), [&] {
    note();
    time.At(time.Monotonic() + Duration(5), note);
  });
  time.Advance(Duration(20));
  EXPECT_EQ(ran, (std::vector<int64_t>{10, 10, 15}));
  EXPECT_EQ(time.pending(), 1U);
  EXPECT_EQ((time.Monotonic() - start).count(), 20);
}

TEST(SimTimeTest, WallClockFollowsWithoutLosingFractions) {
  SimTime time({5000});
  for (int i = 0; i < 10; ++i) time.Advance(std::chrono::microseconds(300));
  EXPECT_EQ(time.Now().ms, 5003);
}

TEST(SimTimeTest, ACancelledTaskNeverRuns) {
  SimTime time;
  bool ran = false;
  const Timers::Id id = time.At(time.Monotonic(), [&] { ran = true; });
  EXPECT_TRUE(time.Cancel(id));
  EXPECT_FALSE(time.Cancel(id));
  time.Advance(seconds(1));
  EXPECT_FALSE(ran);
}

TEST(SimExecutorTest, RunsWhenToldAndRefusesWhenFull) {
  SimExecutor executor(1);
  int ran = 0;
  EXPECT_TRUE(executor.Post([&] { ++ran; }));
  EXPECT_FALSE(executor.Post([&] { ++ran; }));
  EXPECT_TRUE(executor.PostAdmitted([&] { ++ran; }));
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(executor.RunAll(), 2U);
  EXPECT_EQ(ran, 2);
  executor.Shutdown();
  EXPECT_FALSE(executor.PostAdmitted([&] { ++ran; }));
}

}  // namespace
}  // namespace matrixcore
