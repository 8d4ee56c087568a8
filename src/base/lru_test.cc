#include "matrixcore/base/lru.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace matrixcore {
namespace {

// Values are as heavy as they say.
using Cache = LruCache<std::string, int>;
size_t OwnValue(const int& value) { return static_cast<size_t>(value); }

constexpr size_t kValue = 100'000;
constexpr int kWeight = 100'000;

TEST(LruCache, GivesWhatWasPut) {
  CacheBudget budget(1 << 20);
  Cache cache(budget, "test", 1, OwnValue);
  cache.Put("a", 1);
  cache.Put("b", 2);
  EXPECT_EQ(cache.Get("a"), 1);
  EXPECT_EQ(cache.Get("c"), std::nullopt);
  cache.Put("a", 3);
  EXPECT_EQ(cache.Get("a"), 3);
  cache.Erase("a");
  cache.Erase("never there");
  EXPECT_EQ(cache.Get("a"), std::nullopt);
}

TEST(LruCache, DropsTheLeastRecentlyUsed) {
  CacheBudget budget(5 * kValue);
  Cache cache(budget, "test", 1, OwnValue);
  for (const char* key : {"a", "b", "c", "d"}) cache.Put(key, kWeight);
  EXPECT_EQ(cache.Get("a"), kWeight);  // Now "b" is the oldest.
  cache.Put("e", kWeight);
  EXPECT_EQ(cache.Get("b"), std::nullopt);
  EXPECT_EQ(cache.Get("a"), kWeight);
  EXPECT_EQ(cache.Get("e"), kWeight);
  EXPECT_LE(budget.used(), budget.limit());
}

TEST(LruCache, KeepsNothingThatWouldDriveOutTooMuch) {
  CacheBudget budget(5 * kValue);
  Cache cache(budget, "test", 1, OwnValue);
  cache.Put("a", kWeight);
  cache.Put("b", 2 * kWeight);
  EXPECT_EQ(cache.Get("b"), std::nullopt);
  EXPECT_EQ(cache.Get("a"), kWeight);  // Was not driven out for it.
  cache.Put("a", 2 * kWeight);
  EXPECT_EQ(cache.Get("a"), std::nullopt);  // The old value is gone too.
}

TEST(LruCache, ErasesByPredicate) {
  CacheBudget budget(1 << 20);
  Cache cache(budget, "test", 1, OwnValue);
  for (const char* key : {"x1", "y1", "x2", "y2"}) cache.Put(key, 1);
  cache.EraseIf([](const std::string& key) { return key[0] == 'x'; });
  EXPECT_EQ(cache.Get("x1"), std::nullopt);
  EXPECT_EQ(cache.Get("x2"), std::nullopt);
  EXPECT_EQ(cache.Get("y1"), 1);
  EXPECT_EQ(cache.Get("y2"), 1);
}

TEST(LruCache, CountsHitsMissesAndBytes) {
  CacheBudget budget(1 << 20);
  Cache cache(budget, "test", 1, OwnValue);
  cache.Put("a", 10);
  const uint64_t one = cache.figures().bytes;
  cache.Put("b", 30);
  EXPECT_EQ(cache.figures().bytes - one, one + 20 - 96);  // The first buckets.
  cache.Get("a");
  cache.Get("a");
  cache.Get("c");
  CacheBudget::Figures figures = cache.figures();
  EXPECT_EQ(figures.hits, 2u);
  EXPECT_EQ(figures.misses, 1u);
  EXPECT_EQ(figures.entries, 2u);
  cache.Erase("a");
  cache.Erase("b");
  figures = cache.figures();
  EXPECT_EQ(figures.entries, 0u);
  EXPECT_EQ(figures.bytes, 96u);  // The buckets stay.
}

TEST(LruCache, WeighsWhatItGivesAnew) {
  CacheBudget budget(1 << 20);
  LruCache<int, std::shared_ptr<size_t>> cache(
      budget, "test", 1,
      [](const std::shared_ptr<size_t>& value) { return *value; });
  const auto value = std::make_shared<size_t>(1000);
  cache.Put(1, value);
  const uint64_t before = cache.figures().bytes;
  *value = 5000;
  cache.Get(1);
  EXPECT_EQ(cache.figures().bytes, before + 4000);
  cache.Erase(1);
  EXPECT_LT(cache.figures().bytes, 1000u);
}

TEST(LruCache, ReleasesValuesThatItDrops) {
  CacheBudget budget(1 << 20);
  LruCache<int, std::shared_ptr<int>> cache(
      budget, "test", 1, LruCache<int, std::shared_ptr<int>>::Weightless);
  auto value = std::make_shared<int>(7);
  cache.Put(1, value);
  EXPECT_EQ(value.use_count(), 2);
  cache.Erase(1);
  EXPECT_EQ(value.use_count(), 1);
}

}  // namespace
}  // namespace matrixcore
