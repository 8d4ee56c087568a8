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
  TokenCache cache(10);
  EXPECT_EQ(cache.Get(Sha256("t")), nullptr);
  cache.Put(Sha256("t"), Entry("@a:x", "D"), cache.epoch());
  ASSERT_NE(cache.Get(Sha256("t")), nullptr);
  EXPECT_EQ(cache.Get(Sha256("t"))->session.device_id, "D");
}

TEST(TokenCacheTest, ErasesByDeviceAndByUser) {
  TokenCache cache(10);
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
  TokenCache cache(10);
  const uint64_t epoch = cache.epoch();
  cache.EraseDevice("@a:x", "D");
  cache.Put(Sha256("1"), Entry("@a:x", "D"), epoch);
  EXPECT_EQ(cache.Get(Sha256("1")), nullptr);
  cache.Put(Sha256("1"), Entry("@a:x", "D"), cache.epoch());
  EXPECT_NE(cache.Get(Sha256("1")), nullptr);
}

TEST(TokenCacheTest, TheLeastRecentlyUsedGoesFirst) {
  TokenCache cache(3);
  for (const char* token : {"1", "2", "3"}) {
    cache.Put(Sha256(token), Entry("@a:x", token), cache.epoch());
  }
  cache.Get(Sha256("1"));
  cache.Put(Sha256("4"), Entry("@a:x", "4"), cache.epoch());
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_NE(cache.Get(Sha256("1")), nullptr);
  EXPECT_EQ(cache.Get(Sha256("2")), nullptr);
}

}  // namespace
}  // namespace matrixcore
