#include "service/token_cache.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace matrixcore {
namespace {

TokenCache::EntryPtr Entry(std::string user, std::string device) {
  auto entry = std::make_shared<TokenCache::Entry>();
  entry->session.user_id = std::move(user);
  entry->session.device_id = std::move(device);
  return entry;
}

TEST(TokenCacheTest, GivesWhatWasPut) {
  CacheBudget budget(1 << 20);
  TokenCache cache(budget);
  EXPECT_EQ(cache.Get(Sha256("t")), nullptr);
  cache.Put(Sha256("t"), Entry("@a:x", "D"), cache.epoch());
  ASSERT_NE(cache.Get(Sha256("t")), nullptr);
  EXPECT_EQ(cache.Get(Sha256("t"))->session.device_id, "D");
}

TEST(TokenCacheTest, ErasesByDeviceAndByUser) {
  CacheBudget budget(1 << 20);
  TokenCache cache(budget);
  cache.Put(Sha256("1"), Entry("@a:x", "D"), cache.epoch());
  cache.Put(Sha256("2"), Entry("@a:x", "E"), cache.epoch());
  cache.Put(Sha256("3"), Entry("@b:x", "D"), cache.epoch());
  cache.EraseDevice("@a:x", "D");
  EXPECT_EQ(cache.Get(Sha256("1")), nullptr);
  EXPECT_NE(cache.Get(Sha256("2")), nullptr);
  EXPECT_NE(cache.Get(Sha256("3")), nullptr);
  cache.EraseUser("@a:x");
  EXPECT_EQ(cache.Get(Sha256("2")), nullptr);
  EXPECT_NE(cache.Get(Sha256("3")), nullptr);
  EXPECT_EQ(cache.size(), 1U);
}

// Somebody read the token from the store, then it was deleted there.
TEST(TokenCacheTest, KeepsNothingThatWasReadBeforeADeletion) {
  CacheBudget budget(1 << 20);
  TokenCache cache(budget);
  const uint64_t epoch = cache.epoch();
  cache.EraseDevice("@a:x", "D");
  cache.Put(Sha256("1"), Entry("@a:x", "D"), epoch);
  EXPECT_EQ(cache.Get(Sha256("1")), nullptr);
  cache.Put(Sha256("1"), Entry("@a:x", "D"), cache.epoch());
  EXPECT_NE(cache.Get(Sha256("1")), nullptr);
}

TEST(TokenCacheTest, TheLeastRecentlyUsedGoesFirst) {
  CacheBudget budget(20'000);
  TokenCache cache(budget);
  cache.Put(Sha256("first"), Entry("@a:x", "D"), cache.epoch());
  for (int i = 0; i < 200; ++i) {
    const std::string token = fmt::format("t{}", i);
    cache.Put(Sha256(token), Entry("@a:x", token), cache.epoch());
    EXPECT_NE(cache.Get(Sha256("first")), nullptr) << i;
    EXPECT_LE(budget.used(), budget.limit());
  }
  EXPECT_EQ(cache.Get(Sha256("t0")), nullptr);
  EXPECT_NE(cache.Get(Sha256("t199")), nullptr);
  EXPECT_LT(cache.size(), 100U);
}

}  // namespace
}  // namespace matrixcore
