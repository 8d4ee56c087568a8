#include "matrixcore/testing/linearizability.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace matrixcore {
namespace {

using ::testing::HasSubstr;
using Counter = TimedCall<CounterModel::Call>;
using Claim = TimedCall<ClaimModel::Call>;

Counter Read(uint64_t began, uint64_t ended, int64_t value) {
  return {{.kind = CounterModel::kRead, .answer = value}, began, ended};
}
Counter Add(uint64_t began, uint64_t ended) {
  return {{.kind = CounterModel::kAdd, .amount = 1}, began, ended};
}

TEST(LinearizabilityTest, AReadDuringAnAdditionMaySeeEither) {
  EXPECT_EQ(FindContradiction<CounterModel>({Add(1, 4), Read(2, 3, 0)}, {}),
            "");
  EXPECT_EQ(FindContradiction<CounterModel>({Add(1, 4), Read(2, 3, 1)}, {}),
            "");
}

TEST(LinearizabilityTest, AReadAfterAnAdditionMustSeeIt) {
  EXPECT_EQ(FindContradiction<CounterModel>({Add(1, 2), Read(3, 4, 0)}, {}),
            "no order explains the answers: after 1 of 2 calls nothing leads "
            "to: read = 0");
}

TEST(LinearizabilityTest, WhatOneReadSawTheNextMustSeeToo) {
  EXPECT_EQ(FindContradiction<CounterModel>(
                {Add(1, 10), Read(2, 3, 0), Read(4, 5, 1)}, {}),
            "");
  EXPECT_THAT(FindContradiction<CounterModel>(
                  {Add(1, 10), Read(2, 3, 1), Read(4, 5, 0)}, {}),
              HasSubstr("read = 0"));
}

TEST(LinearizabilityTest, ALostCallMayHaveHappenedAtAnyTimeOrNever) {
  Counter lost = Add(1, Counter::kNever);
  EXPECT_EQ(FindContradiction<CounterModel>({lost, Read(2, 3, 0)}, {}), "");
  EXPECT_EQ(FindContradiction<CounterModel>(
                {lost, Read(2, 3, 0), Read(4, 5, 1), Read(6, 7, 1)}, {}),
            "");
  EXPECT_NE(FindContradiction<CounterModel>({lost, Read(2, 3, 2)}, {}), "");
}

TEST(LinearizabilityTest, OneOfTwoSwapsWins) {
  const auto swap = [](uint64_t began, uint64_t ended, int64_t answer) {
    return Counter{{.kind = CounterModel::kSwap,
                    .amount = 1,
                    .expected = 0,
                    .answer = answer},
                   began,
                   ended};
  };
  EXPECT_EQ(FindContradiction<CounterModel>({swap(1, 4, 1), swap(2, 3, 0)}, {}),
            "");
  EXPECT_NE(FindContradiction<CounterModel>({swap(1, 4, 1), swap(2, 3, 1)}, {}),
            "");
  EXPECT_NE(FindContradiction<CounterModel>({swap(1, 4, 0), swap(2, 3, 0)}, {}),
            "");
}

TEST(LinearizabilityTest, NothingIsClaimedTwice) {
  const auto offer = [](uint64_t began, uint64_t ended, int64_t item) {
    return Claim{{ClaimModel::kOffer, item}, began, ended};
  };
  const auto claim = [](uint64_t began, uint64_t ended, int64_t item) {
    return Claim{{ClaimModel::kClaim, item}, began, ended};
  };
  EXPECT_EQ(
      FindContradiction<ClaimModel>(
          {offer(1, 2, 7), offer(3, 6, 8), claim(4, 5, 7), claim(7, 8, 8)}, {}),
      "");
  EXPECT_NE(FindContradiction<ClaimModel>(
                {offer(1, 2, 7), claim(3, 5, 7), claim(4, 6, 7)}, {}),
            "");
  // The oldest comes first, and "nothing left" is an answer like any other.
  EXPECT_NE(FindContradiction<ClaimModel>(
                {offer(1, 2, 7), offer(3, 4, 8), claim(5, 6, 8)}, {}),
            "");
  EXPECT_NE(FindContradiction<ClaimModel>({offer(1, 2, 7), claim(3, 4, 0)}, {}),
            "");
  // A claim whose answer was lost may have taken one.
  EXPECT_EQ(
      FindContradiction<ClaimModel>(
          {offer(1, 2, 7), claim(3, Claim::kNever, 0), claim(4, 5, 0)}, {}),
      "");
}

TEST(LinearizabilityTest, ALeaseHasOneHolderAndATokenThatGrows) {
  using Lease = TimedCall<LeaseModel::Call>;
  const auto one = [](LeaseModel::Kind kind, uint64_t at, uint64_t token) {
    return Lease{{kind, token}, at, at + 1};
  };
  EXPECT_EQ(FindContradiction<LeaseModel>(
                {one(LeaseModel::kTry, 1, 3), one(LeaseModel::kTry, 3, 0),
                 one(LeaseModel::kRelease, 5, 3), one(LeaseModel::kTry, 7, 4)},
                {}),
            "");
  EXPECT_NE(FindContradiction<LeaseModel>(
                {one(LeaseModel::kTry, 1, 3), one(LeaseModel::kTry, 3, 4)}, {}),
            "");
  EXPECT_NE(FindContradiction<LeaseModel>(
                {one(LeaseModel::kTry, 1, 3), one(LeaseModel::kRelease, 3, 3),
                 one(LeaseModel::kTry, 5, 3)},
                {}),
            "");
}

TEST(LinearizabilityTest, AHistoryTimesItsCalls) {
  History<CounterModel::Call> history;
  const uint64_t began = history.Begin();
  const uint64_t other = history.Begin();
  history.End(began, {.kind = CounterModel::kAdd, .amount = 1});
  history.Lost(other, {.kind = CounterModel::kAdd, .amount = 2});
  const auto calls = history.Take();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_TRUE(calls[0].answered());
  EXPECT_FALSE(calls[1].answered());
  EXPECT_LT(calls[0].began, calls[1].began);
  EXPECT_LT(calls[1].began, calls[0].ended);
  EXPECT_TRUE(history.Take().empty());
}

}  // namespace
}  // namespace matrixcore
