#include "matrixcore/testing/faults.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace matrixcore {
namespace {

std::vector<bool> Draw(FaultInjector& faults, Fault fault, int count) {
  std::vector<bool> drawn;
  for (int i = 0; i < count; ++i) drawn.push_back(faults.Strikes(fault));
  return drawn;
}

TEST(FaultInjectorTest, TheSameSeedStrikesTheSameCalls) {
  FaultInjector one(7, FaultRates::All(5));
  FaultInjector same(7, FaultRates::All(5));
  FaultInjector other(8, FaultRates::All(5));
  const auto drawn = Draw(one, Fault::kCommitFails, 200);
  // Calls of another kind in between change nothing.
  std::vector<bool> mixed;
  for (int i = 0; i < 200; ++i) {
    (void)same.Strikes(Fault::kReadFails);
    mixed.push_back(same.Strikes(Fault::kCommitFails));
  }
  EXPECT_EQ(mixed, drawn);
  EXPECT_NE(Draw(other, Fault::kCommitFails, 200), drawn);
  EXPECT_NE(Draw(one, Fault::kBlobFails, 200), drawn);
}

TEST(FaultInjectorTest, StrikesAsOftenAsItIsTold) {
  FaultInjector faults(1, FaultRates().Set(Fault::kCommitFails, 10));
  Draw(faults, Fault::kCommitFails, 10'000);
  Draw(faults, Fault::kReadFails, 100);
  EXPECT_EQ(faults.calls(Fault::kCommitFails), 10'000u);
  EXPECT_NEAR(static_cast<double>(faults.struck(Fault::kCommitFails)), 1'000,
              100);
  EXPECT_EQ(faults.struck(Fault::kReadFails), 0u);
  EXPECT_EQ(faults.struck(), faults.struck(Fault::kCommitFails));
}

TEST(FaultInjectorTest, NothingStrikesOrCountsInAPause) {
  FaultInjector faults(1, FaultRates::All(1));
  {
    const FaultInjector::Pause one(faults, Fault::kCommitFails);
    EXPECT_FALSE(faults.Strikes(Fault::kCommitFails));
    EXPECT_TRUE(faults.Strikes(Fault::kBlobFails));
    FaultInjector::Pause all(faults);
    const FaultInjector::Pause moved(std::move(all));
    EXPECT_FALSE(faults.Strikes(Fault::kBlobFails));
  }
  EXPECT_EQ(faults.calls(Fault::kCommitFails), 0u);
  EXPECT_TRUE(faults.Strikes(Fault::kCommitFails));
}

TEST(FaultInjectorTest, StrikesWhatIsPlanned) {
  FaultInjector faults(1, FaultRates());
  Draw(faults, Fault::kCommitFails, 3);
  faults.Plan(Fault::kCommitFails, 1, 2);
  EXPECT_THAT(Draw(faults, Fault::kCommitFails, 4),
              ::testing::ElementsAre(false, true, true, false));
  EXPECT_FALSE(faults.Strikes(Fault::kReadFails));
  faults.Plan(Fault::kCommitFails, 0);
  faults.Plan(Fault::kCommitFails, 1);
  EXPECT_THAT(Draw(faults, Fault::kCommitFails, 3),
              ::testing::ElementsAre(false, true, false));
}

TEST(FaultInjectorTest, TellsWhatItDid) {
  FaultInjector faults(9, FaultRates().Set(Fault::kBlobTorn, 1));
  EXPECT_EQ(faults.Summary(), "seed 9.");
  Draw(faults, Fault::kBlobTorn, 2);
  Draw(faults, Fault::kDelay, 2);
  EXPECT_EQ(faults.Summary(), "seed 9: blob-torn 2 of 2.");
}

TEST(FaultInjectorTest, ADelayTakesSomeTurns) {
  std::vector<uint32_t> delays;
  FaultInjector faults(3, FaultRates().Set(Fault::kDelay, 2),
                       [&delays](uint32_t turns) { delays.push_back(turns); });
  for (int i = 0; i < 100; ++i) faults.MaybeDelay();
  EXPECT_EQ(delays.size(), faults.struck(Fault::kDelay));
  EXPECT_THAT(delays, ::testing::Each(::testing::AllOf(::testing::Ge(1u),
                                                       ::testing::Le(8u))));
}

}  // namespace
}  // namespace matrixcore
