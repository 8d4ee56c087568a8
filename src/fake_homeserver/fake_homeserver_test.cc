#include "matrixcore/testing/fake_homeserver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "matrixcore/json/value.h"

namespace matrixcore {
namespace {

using testing::HasSubstr;

TEST(FakeHomeserverTest, RegistersAndAnswersThroughTheRealHandlers) {
  FakeHomeserver server;
  const FakeHomeserver::User alice = server.Register("alice");
  EXPECT_EQ(alice.user_id, "@alice:fake.example");
  const HttpResponse who =
      server.Get(alice, "/_matrix/client/v3/account/whoami");
  EXPECT_EQ(who.status, 200);
  EXPECT_THAT(who.body, HasSubstr(R"("user_id":"@alice:fake.example")"));
}

TEST(FakeHomeserverTest, TheSameSeedGivesTheSameTokens) {
  const auto token = [](uint64_t seed) {
    FakeHomeserverOptions options;
    options.seed = seed;
    return FakeHomeserver(options).Register("alice").access_token;
  };
  EXPECT_EQ(token(7), token(7));
  EXPECT_NE(token(7), token(8));
}

TEST(FakeHomeserverTest, AdvanceRunsWhatFallsDue) {
  FakeHomeserver server;
  const FakeHomeserver::User alice = server.Register("alice");
  server.Get(alice, "/_matrix/client/v3/account/whoami");
  const Timestamp before = server.time().Now();
  server.Advance(seconds(61));  // The device's activity reaches the store.
  EXPECT_EQ(server.time().Now().ms, before.ms + 61'000);
  server.Restart();
  EXPECT_THAT(server.Get(alice, "/_matrix/client/v3/devices").body,
              HasSubstr(R"("last_seen_ip":"127.0.0.1")"));
}

TEST(FakeHomeserverTest, RestartKeepsWhatWasCommitted) {
  FakeHomeserver server;
  const FakeHomeserver::User alice = server.Register("alice");
  server.Restart();
  EXPECT_EQ(server.Get(alice, "/_matrix/client/v3/account/whoami").status, 200);
}

TEST(FakeHomeserverTest, FailingCommitsAreAnswered503AndWriteNothing) {
  FakeHomeserver server;
  const FakeHomeserver::User alice = server.Register("alice");
  const std::string url =
      "/_matrix/client/v3/user/%40alice%3Afake.example/account_data/org.x";
  server.FailCommits(Status(StatusCode::kUnavailable, "disk full"));
  const HttpResponse refused = server.Put(alice, url, R"({"a":1})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, Not(HasSubstr("disk full")));
  server.FailCommits(OkStatus());
  EXPECT_EQ(server.Get(alice, url).status, 404);
  EXPECT_EQ(server.Put(alice, url, R"({"a":1})").status, 200);
}

TEST(FakeHomeserverTest, FailingReadsAreAnswered503) {
  FakeHomeserver server;
  const FakeHomeserver::User alice = server.Register("alice");
  server.FailReads(Status(StatusCode::kUnavailable, "gone"));
  EXPECT_EQ(server.Get(alice, "/_matrix/client/v3/devices").status, 503);
  server.FailReads(OkStatus());
  EXPECT_EQ(server.Get(alice, "/_matrix/client/v3/devices").status, 200);
}

}  // namespace
}  // namespace matrixcore
