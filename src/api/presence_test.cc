// Spec: client-server API, "Presence".
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/test_server.h"
#include "matrixcore/http/url.h"

namespace matrixcore::api {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PresenceTest : public ::testing::Test {
 protected:
  PresenceTest()
      : alice_(server_.Register("alice")), bob_(server_.Register("bob")) {}

  static std::string Status(const User& user) {
    return "/_matrix/client/v3/presence/" + PercentEncode(user.user_id) +
           "/status";
  }
  void Share() {
    const HttpResponse room = server_.Post(
        alice_, "/_matrix/client/v3/createRoom", R"({"preset":"public_chat"})");
    room_ = TextAt(room, "room_id");
    EXPECT_EQ(
        server_.Post(bob_, "/_matrix/client/v3/join/" + PercentEncode(room_))
            .status,
        200);
  }
  HttpResponse Set(const User& user, std::string body) {
    return server_.Put(user, Status(user), std::move(body));
  }
  std::string StateOf(const User& asking, const User& user) {
    return TextAt(server_.Get(asking, Status(user)), "presence");
  }
  // Syncs without waiting; what the answer says of presence.
  std::string Sync(const User& user, std::string_view more = {}) {
    std::string target = "/_matrix/client/v3/sync?" + std::string(more);
    if (!since_.empty()) target += "&since=" + since_;
    const HttpResponse answer = server_.Get(user, target);
    EXPECT_EQ(answer.status, 200) << answer.body;
    since_ = TextAt(answer, "next_batch");
    return At(answer, "presence");
  }

  FakeHomeserver server_;
  // These are about time: what cannot be written at once is some time later.
  const FaultInjector::Pause pause_{server_.faults()};
  const User alice_;
  const User bob_;
  std::string room_;
  std::string since_;
};

TEST_F(PresenceTest, IsSetAndRead) {
  EXPECT_THAT(server_.Get(alice_, Status(alice_)),
              IsJson(R"({"presence":"offline"})"));
  EXPECT_EQ(Set(alice_, R"({"presence":"online","status_msg":"here"})").status,
            200);
  EXPECT_THAT(server_.Get(alice_, Status(alice_)),
              IsJson(R"({"currently_active":true,"last_active_ago":0,)"
                     R"("presence":"online","status_msg":"here"})"));
  EXPECT_EQ(Set(alice_, R"({"presence":"unavailable"})").status, 200);
  server_.Advance(seconds(1));
  EXPECT_THAT(server_.Get(alice_, Status(alice_)),
              IsJson(R"({"last_active_ago":1000,"presence":"unavailable"})"));
}

TEST_F(PresenceTest, RefusesBadRequests) {
  EXPECT_THAT(Set(alice_, "{}"), IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(Set(alice_, R"({"presence":"away"})"),
              IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(Set(alice_, R"({"presence":"online","status_msg":7})"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(server_.Put(alice_, Status(bob_), R"({"presence":"online"})"),
              IsError(403, "M_FORBIDDEN"));
  EXPECT_THAT(server_.Get(alice_, "/_matrix/client/v3/sync?set_presence=away"),
              IsError(400, "M_INVALID_PARAM"));
}

TEST_F(PresenceTest, IsForThoseWhoShareARoom) {
  EXPECT_THAT(server_.Get(alice_, Status(bob_)), IsError(403, "M_FORBIDDEN"));
  Share();
  EXPECT_EQ(StateOf(alice_, bob_), "offline");
}

TEST_F(PresenceTest, SyncingIsBeingOnline) {
  Share();
  EXPECT_EQ(StateOf(alice_, bob_), "offline");
  Sync(bob_, "set_presence=offline");
  EXPECT_EQ(StateOf(alice_, bob_), "offline");
  Sync(bob_);
  EXPECT_EQ(StateOf(alice_, bob_), "online");
  Sync(bob_, "set_presence=unavailable");
  EXPECT_EQ(StateOf(alice_, bob_), "unavailable");
  Sync(bob_);
  EXPECT_EQ(StateOf(alice_, bob_), "online");
}

TEST_F(PresenceTest, WhoStopsSyncingGoesOffline) {
  Share();
  Sync(bob_);
  server_.Advance(seconds(29));
  EXPECT_EQ(StateOf(alice_, bob_), "online");
  server_.Advance(seconds(2));
  EXPECT_EQ(StateOf(alice_, bob_), "offline");
  // A long poll counts as long as it lasts.
  Sync(bob_);
  auto poll =
      server_.Start(HttpMethod::kGet,
                    "/_matrix/client/v3/sync?timeout=100000&since=" + since_,
                    "", bob_.access_token);
  server_.Advance(seconds(55));
  EXPECT_EQ(StateOf(alice_, bob_), "online");
  // After a minute without activity the poll itself is told of it.
  server_.Advance(seconds(5));
  EXPECT_EQ(poll.get().status, 200);
  server_.Advance(seconds(29));
  EXPECT_EQ(StateOf(alice_, bob_), "online");
  server_.Advance(seconds(1));
  EXPECT_EQ(StateOf(alice_, bob_), "offline");
}

TEST_F(PresenceTest, WhoDoesNothingBecomesIdle) {
  Share();
  Set(bob_, R"({"presence":"online","status_msg":"x"})");
  for (int i = 0; i < 15; ++i) {
    server_.Advance(seconds(20));
    Sync(bob_);
  }
  EXPECT_EQ(StateOf(alice_, bob_), "unavailable");
  const HttpResponse sent =
      server_.Put(bob_,
                  "/_matrix/client/v3/rooms/" + PercentEncode(room_) +
                      "/send/m.room.message/1",
                  R"({"body":"hi"})");
  EXPECT_EQ(sent.status, 200) << sent.body;
  EXPECT_EQ(StateOf(alice_, bob_), "online");
}

TEST_F(PresenceTest, ReachesOthersThroughSync) {
  Share();
  Sync(alice_);
  EXPECT_EQ(Sync(alice_), "");
  Set(bob_, R"({"presence":"online","status_msg":"hello"})");
  const std::string news = Sync(alice_);
  EXPECT_THAT(news, HasSubstr(R"("presence":"online")"));
  EXPECT_THAT(news, HasSubstr(R"("status_msg":"hello")"));
  EXPECT_THAT(news, HasSubstr(R"("sender":"@bob:fake.example")"));
  EXPECT_THAT(news, HasSubstr(R"("type":"m.presence")"));
  EXPECT_EQ(Sync(alice_), "");
  server_.Advance(seconds(31));
  EXPECT_THAT(Sync(alice_), HasSubstr(R"("presence":"offline")"));
}

TEST_F(PresenceTest, WakesAWaitingSync) {
  Share();
  Sync(alice_);
  auto poll = server_.Start(
      HttpMethod::kGet, "/_matrix/client/v3/sync?timeout=30000&since=" + since_,
      "", alice_.access_token);
  Set(bob_, R"({"presence":"online"})");
  EXPECT_THAT(At(poll.get(), "presence"), HasSubstr("@bob:fake.example"));
}

TEST_F(PresenceTest, StrangersAreNotTold) {
  Sync(alice_);
  Set(bob_, R"({"presence":"online"})");
  EXPECT_EQ(Sync(alice_), "");
}

TEST_F(PresenceTest, WhoMeetsSomeoneSeesThem) {
  Sync(alice_);
  Set(bob_, R"({"presence":"online"})");
  Share();
  EXPECT_THAT(Sync(alice_), HasSubstr("@bob:fake.example"));
}

TEST_F(PresenceTest, WhoComesIsSeenToBeAway) {
  const HttpResponse room = server_.Post(
      alice_, "/_matrix/client/v3/createRoom", R"({"preset":"public_chat"})");
  Sync(alice_, "set_presence=offline");
  server_.Post(bob_, "/_matrix/client/v3/join/" +
                         PercentEncode(TextAt(room, "room_id")));
  EXPECT_THAT(Sync(alice_, "set_presence=offline"),
              HasSubstr(R"("presence":"offline"},"sender":")" + bob_.user_id));
}

TEST_F(PresenceTest, FiltersApply) {
  Share();
  Set(bob_, R"({"presence":"online"})");
  const std::string filter = PercentEncode(R"({"presence":{"types":[]}})");
  EXPECT_EQ(Sync(alice_, "filter=" + filter), "");
  since_.clear();
  const std::string senders =
      PercentEncode(R"({"presence":{"not_senders":["@bob:fake.example"]}})");
  EXPECT_THAT(Sync(alice_, "filter=" + senders),
              Not(HasSubstr("@bob:fake.example")));
}

TEST_F(PresenceTest, NamesComeAlong) {
  Share();
  Sync(bob_);
  since_.clear();
  Sync(alice_);
  server_.Put(bob_,
              "/_matrix/client/v3/profile/" + PercentEncode(bob_.user_id) +
                  "/displayname",
              R"({"displayname":"Bobby"})");
  server_.Settle();
  EXPECT_THAT(Sync(alice_), HasSubstr(R"("displayname":"Bobby")"));
}

TEST_F(PresenceTest, EveryDeviceCounts) {
  Share();
  const User phone = server_.Login(bob_);
  Sync(bob_);
  Sync(phone, "set_presence=unavailable");
  EXPECT_EQ(StateOf(alice_, bob_), "online");
  server_.Advance(seconds(20));
  Sync(phone, "set_presence=unavailable");
  server_.Advance(seconds(20));
  EXPECT_EQ(StateOf(alice_, bob_), "unavailable");
}

TEST_F(PresenceTest, SurvivesARestart) {
  Share();
  Set(bob_, R"({"presence":"online","status_msg":"still here"})");
  server_.Restart();
  EXPECT_EQ(StateOf(alice_, bob_), "online");
  server_.Advance(seconds(31));
  EXPECT_EQ(StateOf(alice_, bob_), "offline");
  EXPECT_EQ(TextAt(server_.Get(alice_, Status(bob_)), "status_msg"),
            "still here");
}

TEST(PresenceOffTest, TellsNobodyAnything) {
  FakeHomeserverOptions options;
  options.homeserver.presence = false;
  FakeHomeserver server(options);
  const User alice = server.Register("alice");
  const std::string status =
      "/_matrix/client/v3/presence/" + PercentEncode(alice.user_id) + "/status";
  EXPECT_EQ(server.Put(alice, status, R"({"presence":"online"})").status, 200);
  EXPECT_THAT(server.Get(alice, status), IsJson(R"({"presence":"offline"})"));
  EXPECT_EQ(At(server.Get(alice, "/_matrix/client/v3/sync"), "presence"), "");
}

}  // namespace
}  // namespace matrixcore::api
