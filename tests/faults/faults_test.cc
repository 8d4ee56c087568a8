// A homeserver on parts that fail: nothing that it acknowledged is lost,
// nothing happens twice, every error is clear.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "faults/load.h"

namespace matrixcore {
namespace {

// What each seed runs: one thread, so that the same seed does the same again.
void RunSteps(FaultyLoad& load, uint64_t seed, int steps) {
  const auto random = NewSeededRandom(seed);
  for (int i = 0; i < steps; ++i) {
    load.Step(random->Below(FaultyLoad::kUsers));
    if (i == steps / 2) load.Restart();
  }
}

// The parameter is the seed.  To run one again:
//   faults_test --gtest_filter='*LosesNothing/7'
class FaultySeedTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(FaultySeedTest, LosesNothing) {
  Findings findings;
  FaultyLoad load(GetParam(), FaultRates::All(12), findings);
  RunSteps(load, GetParam(), 80);
  load.Check();
  for (const std::string& finding : findings.list()) {
    ADD_FAILURE() << "seed " << GetParam() << ": " << finding;
  }
  EXPECT_GT(load.acknowledged(), 40);
  RecordProperty("faults", load.faults());
}

INSTANTIATE_TEST_SUITE_P(, FaultySeedTest,
                         ::testing::Range(uint64_t{1}, uint64_t{33}),
                         [](const auto& seed) {
                           return std::to_string(seed.param);
                         });

// How often the store is read is a matter of threads too (what is known already
// needs no read), so reads do not fail here, nor does any call take longer.
TEST(FaultyLoadTest, TheSameSeedDoesTheSameAgain) {
  const FaultRates rates =
      FaultRates::All(12).Set(Fault::kReadFails, 0).Set(Fault::kDelay, 0);
  const auto run = [&rates](uint64_t seed) {
    Findings findings;
    FaultyLoad load(seed, rates, findings);
    RunSteps(load, seed, 60);
    return load.trace();
  };
  const std::string first = run(3);
  EXPECT_EQ(run(3), first);
  EXPECT_NE(run(4), first);
}

// Users at the same time: who comes first is not a matter of the seed, but the
// ledger must be right whoever does.
TEST(FaultyLoadTest, LosesNothingWhenAllWriteAtOnce) {
  for (uint64_t seed = 100; seed < 103; ++seed) {
    Findings findings;
    FaultyLoad load(seed, FaultRates::All(12), findings);
    load.NoTrace();
    for (int half = 0; half < 2; ++half) {
      std::vector<std::thread> threads;
      for (size_t user = 0; user < FaultyLoad::kUsers; ++user) {
        threads.emplace_back([&load, user] {
          for (int i = 0; i < 30; ++i) load.Step(user);
        });
      }
      for (std::thread& thread : threads) thread.join();
      load.Restart();
    }
    load.Check();
    for (const std::string& finding : findings.list()) {
      ADD_FAILURE() << "seed " << seed << ": " << finding;
    }
  }
}

}  // namespace
}  // namespace matrixcore
