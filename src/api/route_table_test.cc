#include "api/route_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/http/url.h"

namespace matrixcore::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Result<Reply> Nothing(Call&) { return Reply(); }

constexpr Route Make(HttpMethod method, std::string_view path,
                     std::string_view operation) {
  return {method,        path,        Auth::kNone, RateLimit::kNone,
          Lane::kInline, Body::kNone, &Nothing,    operation};
}

constexpr Route kRoutes[] = {
    Make(HttpMethod::kGet, "/_matrix/client/v3/things/{a}", "getThing"),
    Make(HttpMethod::kPut, "/_matrix/client/v3/things/{a}", "putThing"),
    Make(HttpMethod::kPost, "/_matrix/client/v3/things/new", "newThing"),
    Make(HttpMethod::kGet, "/_matrix/client/v3/things/{a}/{b}", "getPart"),
    Make(HttpMethod::kGet, "/_matrix/client/v3/rules/", "getRules"),
    Make(HttpMethod::kPost, "/_matrix/client/v3/keys/upload", "uploadKeys"),
    Make(HttpMethod::kPut, "/_matrix/client/v3/state/{type}/{stateKey}",
         "setState"),
    Make(HttpMethod::kGet, "/_matrix/client/v1/room_summary/{roomIdOrAlias}",
         "getRoomSummary"),
    Make(HttpMethod::kGet, "/health", ""),
};

class RouteTableTest : public testing::Test {
 protected:
  RouteTable::Match Find(HttpMethod method, std::string_view target) {
    return table_.Find(method, UrlTarget::Parse(target)->segments());
  }
  std::string_view Operation(HttpMethod method, std::string_view target) {
    const RouteTable::Match match = Find(method, target);
    return match.route == nullptr ? "none" : match.route->operation;
  }

  RouteTable table_{{kRoutes}};
};

TEST_F(RouteTableTest, GivesTheValuesOfPlaceholdersDecoded) {
  const auto match =
      Find(HttpMethod::kGet, "/_matrix/client/v3/things/a%2Fb/%40c%3Ad?x=1");
  ASSERT_NE(match.route, nullptr);
  EXPECT_EQ(match.route->operation, "getPart");
  EXPECT_THAT(match.values, ElementsAre("a/b", "@c:d"));
}

TEST_F(RouteTableTest, AnEmptyLastSegmentIsAValue) {
  const auto match = Find(HttpMethod::kGet, "/_matrix/client/v3/things/a/");
  ASSERT_NE(match.route, nullptr);
  EXPECT_THAT(match.values, ElementsAre("a", ""));
}

TEST_F(RouteTableTest, LiteralsWinOverPlaceholdersUnlessTheMethodDiffers) {
  EXPECT_EQ(Operation(HttpMethod::kPost, "/_matrix/client/v3/things/new"),
            "newThing");
  EXPECT_EQ(Operation(HttpMethod::kGet, "/_matrix/client/v3/things/new"),
            "getThing");
}

TEST_F(RouteTableTest, UnknownPathsAndWrongMethodsAreToldApart) {
  const auto unknown = Find(HttpMethod::kGet, "/_matrix/client/v3/nothing");
  EXPECT_EQ(unknown.route, nullptr);
  EXPECT_FALSE(unknown.path_known);
  const auto wrong = Find(HttpMethod::kDelete, "/_matrix/client/v3/things/a");
  EXPECT_EQ(wrong.route, nullptr);
  EXPECT_TRUE(wrong.path_known);
  EXPECT_EQ(wrong.allow, "GET, PUT");
  EXPECT_THAT(wrong.values, IsEmpty());
}

// Spec: PUT /rooms/{roomId}/state/{eventType}/{stateKey}.
TEST_F(RouteTableTest, TheEmptyStateKeyNeedsNoSlash) {
  for (const char* version : {"v3", "r0"}) {
    const std::string path = std::string("/_matrix/client/") + version;
    const auto bare = Find(HttpMethod::kPut, path + "/state/m.x");
    ASSERT_NE(bare.route, nullptr);
    EXPECT_EQ(bare.route->operation, "setState");
    EXPECT_THAT(bare.values, ElementsAre("m.x"));
    EXPECT_THAT(Find(HttpMethod::kPut, path + "/state/m.x/").values,
                ElementsAre("m.x", ""));
    EXPECT_THAT(Find(HttpMethod::kPut, path + "/state/m.x/k").values,
                ElementsAre("m.x", "k"));
  }
}

TEST_F(RouteTableTest, RoutesAnswerUnderTheNamesOfTheirProposals) {
  for (const char* path : {"summary/!r%3Ax", "rooms/!r%3Ax/summary"}) {
    const auto match =
        Find(HttpMethod::kGet,
             std::string("/_matrix/client/unstable/im.nheko.summary/") + path);
    ASSERT_NE(match.route, nullptr);
    EXPECT_EQ(match.route->operation, "getRoomSummary");
    EXPECT_THAT(match.values, ElementsAre("!r:x"));
  }
}

TEST_F(RouteTableTest, APrefixOfARouteIsNoRoute) {
  EXPECT_FALSE(Find(HttpMethod::kGet, "/_matrix/client/v3").path_known);
  EXPECT_FALSE(Find(HttpMethod::kGet, "/").path_known);
}

TEST_F(RouteTableTest, ATrailingSlashInARouteIsOptional) {
  EXPECT_EQ(Operation(HttpMethod::kGet, "/_matrix/client/v3/rules/"),
            "getRules");
  EXPECT_EQ(Operation(HttpMethod::kGet, "/_matrix/client/v3/rules"),
            "getRules");
  EXPECT_EQ(Operation(HttpMethod::kGet, "/health/"), "none");
}

TEST_F(RouteTableTest, OlderVersionsAnswerToo) {
  EXPECT_EQ(Operation(HttpMethod::kGet, "/_matrix/client/r0/things/a"),
            "getThing");
  EXPECT_EQ(
      Operation(HttpMethod::kPost, "/_matrix/client/unstable/keys/upload"),
      "uploadKeys");
  EXPECT_EQ(Operation(HttpMethod::kGet, "/_matrix/client/unstable/things/a"),
            "none");
}

TEST_F(RouteTableTest, HeadFindsGet) {
  EXPECT_EQ(Operation(HttpMethod::kHead, "/_matrix/client/v3/things/a"),
            "getThing");
}

}  // namespace
}  // namespace matrixcore::api
