#include "matrixcore/blob/blob_store.h"

#include <gtest/gtest.h>

namespace matrixcore {
namespace {

TEST(IsBlobKeyTest, AcceptsPartsOfTheAlphabet) {
  EXPECT_TRUE(IsBlobKey("a"));
  EXPECT_TRUE(IsBlobKey("AZaz09_-"));
  EXPECT_TRUE(IsBlobKey("local/abc/thumb_32x32"));
  EXPECT_TRUE(IsBlobKey(std::string(128, 'x')));
}

TEST(IsBlobKeyTest, RefusesEverythingElse) {
  EXPECT_FALSE(IsBlobKey(""));
  EXPECT_FALSE(IsBlobKey("/"));
  EXPECT_FALSE(IsBlobKey("/a"));
  EXPECT_FALSE(IsBlobKey("a/"));
  EXPECT_FALSE(IsBlobKey("a//b"));
  EXPECT_FALSE(IsBlobKey("a/../b"));
  EXPECT_FALSE(IsBlobKey("."));
  EXPECT_FALSE(IsBlobKey("a.b"));
  EXPECT_FALSE(IsBlobKey(std::string_view("a\0b", 3)));
  EXPECT_FALSE(IsBlobKey("\xc3\xa9"));
  EXPECT_FALSE(IsBlobKey(std::string(129, 'x')));
  std::string long_key(241, 'x');
  long_key[120] = '/';
  EXPECT_FALSE(IsBlobKey(long_key));
  long_key.pop_back();
  EXPECT_TRUE(IsBlobKey(long_key));
}

}  // namespace
}  // namespace matrixcore
