#include "matrixcore/base/cache_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "matrixcore/base/lru.h"

namespace matrixcore {
namespace {

using Cache = LruCache<int, int>;
size_t OwnValue(const int& value) { return static_cast<size_t>(value); }

// Puts `count` values of 1000 bytes.
void Fill(Cache& cache, int count) {
  for (int i = 0; i < count; ++i) cache.Put(i, 1000);
}

TEST(CacheBudget, OneCacheMayUseAllOfIt) {
  CacheBudget budget(100'000);
  Cache busy(budget, "busy", 1, OwnValue);
  const Cache idle(budget, "idle", 9, OwnValue);
  Fill(busy, 500);
  EXPECT_GT(budget.used(), 90'000u);
  EXPECT_LE(budget.used(), 100'000u);
}

TEST(CacheBudget, ACacheThatKeepsToItsShareIsNotMadeSmaller) {
  CacheBudget budget(100'000);
  Cache small(budget, "small", 1, OwnValue);
  Cache greedy(budget, "greedy", 1, OwnValue);
  Fill(small, 40);
  Fill(greedy, 500);
  EXPECT_EQ(small.figures().entries, 40u);
  EXPECT_GT(greedy.figures().entries, 30u);
  EXPECT_LE(budget.used(), 100'000u);
}

TEST(CacheBudget, WhoTookMoreThanItsShareGivesItBack) {
  CacheBudget budget(100'000);
  Cache first(budget, "first", 1, OwnValue);
  Cache second(budget, "second", 3, OwnValue);
  Fill(first, 500);
  Fill(second, 500);
  // At its share, but for the slack and one entry.
  EXPECT_NEAR(static_cast<double>(first.figures().bytes), 25'000, 2'500);
  EXPECT_NEAR(static_cast<double>(second.figures().bytes), 75'000, 4'500);
}

TEST(CacheBudget, WhatCannotBeLetGoOfLeavesLessForTheOthers) {
  CacheBudget budget(100'000);
  CacheAccount fixed(budget, "fixed", 0, [](size_t) { return size_t{0}; });
  fixed.Add(70'000, 7);
  Cache cache(budget, "cache", 9, OwnValue);
  Fill(cache, 500);
  EXPECT_LE(budget.used(), 100'000u);
  EXPECT_LE(cache.figures().bytes, 30'000u);
  EXPECT_EQ(budget.figures()[0].share_bytes, 29'997u);
}

TEST(CacheBudget, AnAccountThatLeavesFreesItsRoom) {
  CacheBudget budget(100'000);
  {
    Cache cache(budget, "cache", 1, OwnValue);
    Fill(cache, 50);
    EXPECT_GT(budget.used(), 50'000u);
  }
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_TRUE(budget.figures().empty());
}

TEST(CacheBudget, TellsSharesInBytesByName) {
  CacheBudget budget(100'000);
  const Cache b(budget, "b", 3, OwnValue);
  const Cache a(budget, "a", 1, OwnValue);
  const std::vector<CacheBudget::Figures> figures = budget.figures();
  ASSERT_EQ(figures.size(), 2u);
  EXPECT_EQ(figures[0].name, "a");
  EXPECT_EQ(figures[0].share_bytes, 25'000u);
  EXPECT_EQ(figures[1].share_bytes, 75'000u);
}

TEST(CacheBudget, ShowsEveryCacheInTheMetrics) {
  const auto metrics = NewMetrics();
  CacheBudget budget(100'000);
  Cache cache(budget, "events", 1, OwnValue);
  budget.ShowIn(*metrics);
  cache.Put(1, 1000);
  cache.Get(1);
  cache.Get(1);
  cache.Get(2);
  const std::string text = metrics->Text();
  using testing::HasSubstr;
  EXPECT_THAT(text, HasSubstr("matrixcore_cache_budget_bytes 100000\n"));
  EXPECT_THAT(text,
              HasSubstr("matrixcore_cache_hits_total{cache=\"events\"} 2\n"));
  EXPECT_THAT(text,
              HasSubstr("matrixcore_cache_misses_total{cache=\"events\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("matrixcore_cache_entries{cache=\"events\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("matrixcore_cache_bytes{cache=\"events\"} 1"));
}

TEST(CacheBudget, HoldsWhileManyThreadsFill) {
  CacheBudget budget(200'000);
  Cache a(budget, "a", 1, OwnValue);
  Cache b(budget, "b", 2, OwnValue);
  std::vector<std::thread> threads;
  for (Cache* cache : {&a, &b, &a, &b}) {
    threads.emplace_back([cache, &budget] {
      for (int i = 0; i < 5000; ++i) {
        cache->Put(i, 1000);
        cache->Get(i / 2);
        // Each of the others may be about to make room for one entry.
        ASSERT_LE(budget.used(), budget.limit() + 4 * 2'000);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(budget.used(), budget.limit());
  EXPECT_EQ(budget.used(), a.figures().bytes + b.figures().bytes);
}

}  // namespace
}  // namespace matrixcore
