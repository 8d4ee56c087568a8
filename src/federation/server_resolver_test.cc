#include "matrixcore/federation/server_resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "federation/well_known.h"
#include "matrixcore/testing/sim.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;

// Answers at once with what a test has prepared; 404 otherwise.
class ScriptedClient : public HttpClient {
 public:
  void Send(Outgoing request, Done done) override {
    urls.push_back(request.url);
    if (held) return waiting.push_back(std::move(done));
    const auto it = answers.find(request.url);
    done(it == answers.end() ? HttpResponse{.status = 404} : it->second);
  }
  std::map<std::string, HttpResponse> answers;
  std::vector<std::string> urls;
  bool held = false;
  std::vector<Done> waiting;
};

HttpResponse WellKnown(std::string body, std::string cache_control = "") {
  HttpResponse response{.body = std::move(body)};
  if (!cache_control.empty()) {
    response.headers.Add("cache-control", std::move(cache_control));
  }
  return response;
}

class ServerResolverTest : public ::testing::Test {
 protected:
  ServerLocation Resolve(std::string_view name) {
    ServerLocation found;
    resolver_.Resolve(name, [&](ServerLocation at) { found = std::move(at); });
    return found;
  }
  static constexpr const char* kUrl =
      "https://example.org/.well-known/matrix/server";

  SimTime time_;
  ScriptedClient client_;
  CacheBudget caches_{1 << 20};
  ServerResolver resolver_{{}, client_, time_, caches_};
};

TEST_F(ServerResolverTest, AddressesAndPortsNeedNobodyElse) {
  const auto location = [](std::string authority, std::string host) {
    return ServerLocation{std::move(authority), std::move(host)};
  };
  EXPECT_EQ(Resolve("1.2.3.4"), location("1.2.3.4:8448", "1.2.3.4"));
  EXPECT_EQ(Resolve("1.2.3.4:1"), location("1.2.3.4:1", "1.2.3.4:1"));
  EXPECT_EQ(Resolve("[2001:db8::1]"),
            location("[2001:db8::1]:8448", "[2001:db8::1]"));
  EXPECT_EQ(Resolve("[2001:db8::1]:99"),
            location("[2001:db8::1]:99", "[2001:db8::1]:99"));
  EXPECT_EQ(Resolve("example.org:443"),
            location("example.org:443", "example.org:443"));
  EXPECT_TRUE(client_.urls.empty());
}

TEST_F(ServerResolverTest, FollowsADelegation) {
  client_.answers[kUrl] = WellKnown(R"({"m.server":"matrix.example.org:443"})");
  EXPECT_EQ(Resolve("example.org").authority, "matrix.example.org:443");
  EXPECT_EQ(Resolve("example.org").host, "matrix.example.org:443");
  EXPECT_THAT(client_.urls, ElementsAre(kUrl));  // Asked once.

  client_.answers["https://b.example/.well-known/matrix/server"] =
      WellKnown(R"({"m.server":"hs.b.example"})");
  EXPECT_EQ(Resolve("b.example").authority, "hs.b.example:8448");
  EXPECT_EQ(Resolve("b.example").host, "hs.b.example");
}

TEST_F(ServerResolverTest, WithoutAGoodAnswerTheDefaultPortCounts) {
  for (const char* body : {"", "[]", R"({"m.server":7})",
                           R"({"m.server":"not a name"})", R"({})"}) {
    client_.answers[kUrl] = WellKnown(body);
    EXPECT_EQ(Resolve("example.org").authority, "example.org:8448") << body;
    time_.Advance(seconds(3601));  // A failure is remembered for an hour.
  }
  EXPECT_EQ(client_.urls.size(), 5u);
  client_.answers[kUrl] = {.status = 500,
                           .body = R"({"m.server":"other.example"})"};
  EXPECT_EQ(Resolve("example.org").host, "example.org");
}

TEST_F(ServerResolverTest, AsksAgainWhenTheAnswerIsOld) {
  client_.answers[kUrl] =
      WellKnown(R"({"m.server":"a.example"})", "public, Max-Age=60");
  Resolve("example.org");
  time_.Advance(seconds(59));
  Resolve("example.org");
  EXPECT_EQ(client_.urls.size(), 1u);
  time_.Advance(seconds(1));
  client_.answers[kUrl] = WellKnown(R"({"m.server":"b.example"})");
  EXPECT_EQ(Resolve("example.org").host, "b.example");
  EXPECT_EQ(client_.urls.size(), 2u);
}

TEST_F(ServerResolverTest, ThoseWhoAskMeanwhileShareOneRequest) {
  client_.held = true;
  std::vector<std::string> found;
  for (int i = 0; i < 3; ++i) {
    resolver_.Resolve("example.org", [&](const ServerLocation& at) {
      found.push_back(at.host);
    });
  }
  ASSERT_EQ(client_.waiting.size(), 1u);
  EXPECT_TRUE(found.empty());
  client_.waiting[0](WellKnown(R"({"m.server":"a.example"})"));
  EXPECT_THAT(found, ElementsAre("a.example", "a.example", "a.example"));
}

TEST(WellKnownTest, CacheControl) {
  const auto lifetime = [](std::string field) {
    return LifetimeOf(WellKnown("{}", std::move(field)));
  };
  constexpr Duration kDay = seconds(24 * 3600);
  EXPECT_EQ(lifetime(""), kDay);
  EXPECT_EQ(lifetime("public"), kDay);
  EXPECT_EQ(lifetime("max-age=abc"), kDay);
  EXPECT_EQ(lifetime("max-age=\"30\""), seconds(30));
  EXPECT_EQ(lifetime("no-store"), Duration::zero());
  EXPECT_EQ(lifetime("max-age=600, no-cache"), Duration::zero());
  EXPECT_EQ(lifetime("max-age=99999999999999999999"), 2 * kDay);
}

}  // namespace
}  // namespace matrixcore
