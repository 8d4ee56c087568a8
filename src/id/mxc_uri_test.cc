#include "matrixcore/id/mxc_uri.h"

#include <gtest/gtest.h>

namespace matrixcore {
namespace {

TEST(MxcUri, HasAServerNameAndAMediaId) {
  EXPECT_TRUE(IsMxcUri("mxc://example.org/aZ09_-"));
  EXPECT_TRUE(IsMxcUri("mxc://[::1]:8448/x"));
  for (const char* uri :
       {"", "mxc://", "mxc://example.org", "mxc://example.org/", "mxc:///x",
        "mxc://example.org/../x", "mxc://example.org/a/b",
        "mxc://example.org/a?b", "mxc://exa mple/x", "MXC://example.org/x",
        "https://example.org/x", " mxc://example.org/x"}) {
    EXPECT_FALSE(IsMxcUri(uri)) << uri;
  }
}

}  // namespace
}  // namespace matrixcore
