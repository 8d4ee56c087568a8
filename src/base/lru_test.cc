#include "matrixcore/base/lru.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace matrixcore {
namespace {

using Cache = LruCache<std::string, int>;

// What one entry of 0 bytes costs.
size_t EntryOverhead() {
  Cache cache(1 << 20);
  cache.Put("a", 1, 0);
  return cache.stats().bytes;
}

TEST(LruCache, GivesWhatWasPut) {
  Cache cache(1 << 20);
  cache.Put("a", 1, 10);
  cache.Put("b", 2, 10);
  EXPECT_EQ(cache.Get("a"), 1);
  EXPECT_EQ(cache.Get("c"), std::nullopt);
  cache.Put("a", 3, 10);
  EXPECT_EQ(cache.Get("a"), 3);
  cache.Erase("a");
  cache.Erase("never there");
  EXPECT_EQ(cache.Get("a"), std::nullopt);
}

TEST(LruCache, DropsTheLeastRecentlyUsed) {
  Cache cache(3 * (EntryOverhead() + 10));
  cache.Put("a", 1, 10);
  cache.Put("b", 2, 10);
  cache.Put("c", 3, 10);
  EXPECT_EQ(cache.Get("a"), 1);  // Now "b" is the oldest.
  cache.Put("d", 4, 10);
  EXPECT_EQ(cache.Get("b"), std::nullopt);
  EXPECT_EQ(cache.Get("a"), 1);
  EXPECT_EQ(cache.Get("c"), 3);
  EXPECT_EQ(cache.Get("d"), 4);
}

TEST(LruCache, KeepsNothingLargerThanItsBudget) {
  Cache cache(3 * EntryOverhead());
  cache.Put("a", 1, 10);
  cache.Put("b", 2, 4 * EntryOverhead());
  EXPECT_EQ(cache.Get("b"), std::nullopt);
  EXPECT_EQ(cache.Get("a"), 1);  // Was not driven out for it.
  cache.Put("a", 2, 4 * EntryOverhead());
  EXPECT_EQ(cache.Get("a"), std::nullopt);  // The old value is gone too.
}

TEST(LruCache, ErasesByPredicate) {
  Cache cache(1 << 20);
  for (const char* key : {"x1", "y1", "x2", "y2"}) cache.Put(key, 1, 10);
  cache.EraseIf([](const std::string& key) { return key[0] == 'x'; });
  EXPECT_EQ(cache.Get("x1"), std::nullopt);
  EXPECT_EQ(cache.Get("x2"), std::nullopt);
  EXPECT_EQ(cache.Get("y1"), 1);
  EXPECT_EQ(cache.Get("y2"), 1);
}

TEST(LruCache, CountsHitsMissesAndBytes) {
  Cache cache(1 << 20);
  cache.Put("a", 1, 10);
  cache.Put("b", 1, 20);
  cache.Get("a");
  cache.Get("a");
  cache.Get("c");
  Cache::Stats stats = cache.stats();
  EXPECT_EQ(stats.hits, 2u);
  EXPECT_EQ(stats.misses, 1u);
  EXPECT_EQ(stats.entries, 2u);
  EXPECT_EQ(stats.bytes, 2 * EntryOverhead() + 30);
  cache.Erase("a");
  cache.Erase("b");
  stats = cache.stats();
  EXPECT_EQ(stats.entries, 0u);
  EXPECT_EQ(stats.bytes, 0u);
}

TEST(LruCache, ReleasesValuesThatItDrops) {
  LruCache<int, std::shared_ptr<int>> cache(1 << 20);
  auto value = std::make_shared<int>(7);
  cache.Put(1, value, 10);
  EXPECT_EQ(value.use_count(), 2);
  cache.Erase(1);
  EXPECT_EQ(value.use_count(), 1);
}

}  // namespace
}  // namespace matrixcore
