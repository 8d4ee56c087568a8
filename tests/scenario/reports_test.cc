// Spec: client-server API, "Reporting Content", "Account moderation", "Server
// Administration".
#include "matrixcore/service/reports.h"

#include "matrixcore/room/room_reader.h"
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::SizeIs;

class ReportsTest : public ScenarioTest {
 protected:
  std::vector<Report> Reports() {
    CacheBudget budget(16 << 20);
    RoomCaches caches(budget);
    ReportService reports(
        {.store = server_.store(), .caches = caches, .clock = server_.time()});
    return reports.List(INT64_MAX, 100).value();
  }
  Answer ReportUser(const User& user, std::string_view target,
                    std::string body = R"({"reason":"r"})") {
    return server_.Post(user,
                        fmt::format("/_matrix/client/v3/users/{}/report",
                                    PercentEncode(target)),
                        std::move(body));
  }
  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
};

TEST_F(ReportsTest, EventsAreReportedByMembers) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat"})");
  const std::string event = Say(alice_, room, "bad");
  const std::string path = "report/" + PercentEncode(event);
  EXPECT_EQ(Post(bob_, room, path, R"({"reason":"r"})").Outcome(),
            "404 M_NOT_FOUND");
  ASSERT_TRUE(Join(bob_, room).ok());
  EXPECT_EQ(
      Post(bob_, room, path, R"({"reason":"spam","score":-100})").Outcome(),
      "200");
  EXPECT_EQ(Post(bob_, room, path, "{}").Outcome(), "200");
  EXPECT_EQ(Post(bob_, room, path, R"({"reason":7})").Outcome(),
            "400 M_BAD_JSON");
  EXPECT_EQ(Post(bob_, room, "report/$nothing").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(Post(bob_, "!nowhere:x", path).Outcome(), "404 M_NOT_FOUND");
  const std::vector<Report> reports = Reports();
  ASSERT_THAT(reports, SizeIs(2));
  EXPECT_EQ(reports[0].reason, std::nullopt);
  EXPECT_EQ(reports[1].reason, "spam");
  EXPECT_EQ(reports[1].reporter, bob_.user_id);
  EXPECT_EQ(reports[1].room_id, room);
  EXPECT_EQ(reports[1].event_id, event);
  EXPECT_EQ(reports[1].user_id, alice_.user_id);
}

// An event from before one joined, where history is hidden, is as good as none.
TEST_F(ReportsTest, HiddenEventsAreNotToldByReports) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat",
      "initial_state":[{"type":"m.room.history_visibility",
        "content":{"history_visibility":"joined"}}]})");
  const std::string event = Say(alice_, room, "secret");
  ASSERT_TRUE(Join(bob_, room).ok());
  EXPECT_EQ(Post(bob_, room, "report/" + PercentEncode(event)).Outcome(),
            "404 M_NOT_FOUND");
}

TEST_F(ReportsTest, RoomsAndUsersAreReportedWithoutTellingWhetherTheyAre) {
  const std::string room = CreateRoom(alice_);
  EXPECT_EQ(Post(bob_, room, "report", R"({"reason":""})").Outcome(), "200");
  EXPECT_EQ(Post(bob_, "!nowhere:x", "report", R"({"reason":"r"})").Outcome(),
            "200");
  EXPECT_EQ(ReportUser(bob_, alice_.user_id).Outcome(), "200");
  EXPECT_EQ(ReportUser(bob_, "@nobody:x").Outcome(), "200");
  EXPECT_EQ(Post(bob_, room, "report").Outcome(), "400 M_MISSING_PARAM");
  EXPECT_EQ(ReportUser(bob_, alice_.user_id, "{}").Outcome(),
            "400 M_MISSING_PARAM");
  EXPECT_EQ(Post(bob_, room, "report",
                 fmt::format(R"({{"reason":"{}"}})", std::string(9000, 'x')))
                .Outcome(),
            "413 M_TOO_LARGE");
  server_.Restart();
  const std::vector<Report> reports = Reports();
  ASSERT_THAT(reports, SizeIs(2));
  EXPECT_EQ(reports[0].user_id, alice_.user_id);
  EXPECT_EQ(reports[0].room_id, "");
  EXPECT_EQ(reports[1].room_id, room);
  EXPECT_EQ(reports[1].reason, "");
}

TEST(ReportLimitTest, ReportsAreLimited) {
  FakeHomeserverOptions options;
  options.homeserver.rate_limits.enabled = true;
  options.homeserver.rate_limits.report = {.per_second = 0.1, .burst = 2};
  FakeHomeserver server(options);
  // What is sent again counts, and a cache that forgets counts nothing.
  const FaultInjector::Pause pause(server.faults());
  const auto alice = server.Register("alice");
  const auto report = [&] {
    return server
        .Post(alice, "/_matrix/client/v3/users/@b:x/report", R"({"reason":""})")
        .status;
  };
  EXPECT_EQ(report(), 200);
  EXPECT_EQ(report(), 200);
  EXPECT_EQ(report(), 429);
  server.Advance(seconds(11));
  EXPECT_EQ(report(), 200);
}

// --- Locked and suspended accounts ---

FakeHomeserverOptions WithAdmin() {
  FakeHomeserverOptions options;
  options.homeserver.admin_users = {"@root:" + options.homeserver.server_name,
                                    "@other:" + options.homeserver.server_name};
  return options;
}

class AccountModerationTest : public ::testing::Test {
 protected:
  using User = FakeHomeserver::User;

  std::string Path(std::string_view what, const std::string& user) {
    return fmt::format("/_matrix/client/v1/admin/{}/{}", what,
                       PercentEncode(user));
  }
  Answer Set(const User& by, std::string_view what, const std::string& user,
             bool value) {
    return server_.Put(by, Path(what, user),
                       fmt::format(R"({{"{}ed":{}}})", what, value));
  }
  Answer Get(const User& by, std::string_view what, const std::string& user) {
    return server_.Get(by, Path(what, user));
  }
  Answer WhoAmI(const User& user) {
    return server_.Get(user, "/_matrix/client/v3/account/whoami");
  }
  std::string Room(const User& user, std::string body = "{}") {
    return Answer(server_.Post(user, "/_matrix/client/v3/createRoom",
                               std::move(body)))
        .String("room_id");
  }
  Answer Send(const User& user, const std::string& room, std::string_view txn) {
    return server_.Put(
        user,
        fmt::format("/_matrix/client/v3/rooms/{}/send/m.room.message/{}",
                    PercentEncode(room), txn),
        R"({"body":"b","msgtype":"m.text"})");
  }
  Answer Redact(const User& user, const std::string& room,
                const std::string& event, std::string_view txn) {
    return server_.Put(
        user,
        fmt::format("/_matrix/client/v3/rooms/{}/redact/{}/{}",
                    PercentEncode(room), PercentEncode(event), txn),
        "{}");
  }

  FakeHomeserver server_{WithAdmin()};
  User root_ = server_.Register("root");
  User other_ = server_.Register("other");
  User alice_ = server_.Register("alice");
};

TEST_F(AccountModerationTest, ALockedUserMayOnlyLogOut) {
  EXPECT_EQ(Get(root_, "lock", alice_.user_id).text(), R"({"locked":false})");
  EXPECT_EQ(Set(root_, "lock", alice_.user_id, true).text(),
            R"({"locked":true})");
  EXPECT_EQ(Get(root_, "lock", alice_.user_id).text(), R"({"locked":true})");
  const Answer refused = WhoAmI(alice_);
  EXPECT_EQ(refused.Outcome(), "401 M_USER_LOCKED");
  EXPECT_EQ(refused["soft_logout"].AsBool(), true);
  const Answer login =
      server_.Call(HttpMethod::kPost, "/_matrix/client/v3/login",
                   fmt::format(R"({{"type":"m.login.password","identifier":
          {{"type":"m.id.user","user":"alice"}},"password":"{}"}})",
                               alice_.password));
  EXPECT_EQ(login.Outcome(), "401 M_USER_LOCKED");
  server_.Restart();
  EXPECT_EQ(WhoAmI(alice_).Outcome(), "401 M_USER_LOCKED");
  ASSERT_TRUE(Set(root_, "lock", alice_.user_id, false).ok());
  // The session has outlived it.
  EXPECT_EQ(WhoAmI(alice_).Outcome(), "200");
  ASSERT_TRUE(Set(root_, "lock", alice_.user_id, true).ok());
  EXPECT_EQ(Answer(server_.Post(alice_, "/_matrix/client/v3/logout")).Outcome(),
            "200");
}

TEST_F(AccountModerationTest, ASuspendedUserReadsAndTakesBack) {
  const std::string room = Room(alice_);
  const std::string own = Send(alice_, room, "1").String("event_id");
  const std::string foreign_room = Room(other_, R"({"preset":"public_chat"})");
  ASSERT_EQ(Set(root_, "suspend", alice_.user_id, true).text(),
            R"({"suspended":true})");
  const std::string refused = "403 M_USER_SUSPENDED";
  EXPECT_EQ(Send(alice_, room, "2").Outcome(), refused);
  const auto post = [&](const std::string& path, std::string body = "{}") {
    return Answer(server_.Post(alice_, "/_matrix/client/v3/" + path,
                               std::move(body)))
        .Outcome();
  };
  EXPECT_EQ(post("join/" + PercentEncode(foreign_room)), refused);
  EXPECT_EQ(post("knock/" + PercentEncode(foreign_room)), refused);
  EXPECT_EQ(post("createRoom"), refused);
  EXPECT_EQ(
      post("rooms/" + PercentEncode(room) + "/invite", R"({"user_id":"@b:x"})"),
      refused);
  const auto put = [&](const std::string& path, std::string body) {
    return Answer(server_.Put(alice_, "/_matrix/client/v3/" + path,
                              std::move(body)))
        .Outcome();
  };
  EXPECT_EQ(put("rooms/" + PercentEncode(room) + "/state/m.room.name",
                R"({"name":"n"})"),
            refused);
  EXPECT_EQ(put("profile/" + PercentEncode(alice_.user_id) + "/displayname",
                R"({"displayname":"n"})"),
            refused);
  EXPECT_EQ(Answer(server_.Get(alice_, "/_matrix/client/v3/sync")).Outcome(),
            "200");
  EXPECT_EQ(Redact(alice_, room, own, "r1").Outcome(), "200");
  EXPECT_EQ(server_.Login(alice_).user_id, alice_.user_id);
  EXPECT_EQ(post("rooms/" + PercentEncode(room) + "/leave"), "200");
  ASSERT_TRUE(Set(root_, "suspend", alice_.user_id, false).ok());
  EXPECT_EQ(Get(root_, "suspend", alice_.user_id).text(),
            R"({"suspended":false})");
  EXPECT_EQ(post("createRoom"), "200");
}

// Spec: "Account suspension": redacting other users' events.
TEST_F(AccountModerationTest, ASuspendedModeratorRedactsNobodyElse) {
  const std::string room = Room(alice_, R"({"preset":"public_chat"})");
  ASSERT_EQ(
      server_.Post(other_, "/_matrix/client/v3/join/" + PercentEncode(room))
          .status,
      200);
  const std::string event = Send(other_, room, "1").String("event_id");
  ASSERT_TRUE(Set(root_, "suspend", alice_.user_id, true).ok());
  EXPECT_EQ(Redact(alice_, room, event, "r1").Outcome(),
            "403 M_USER_SUSPENDED");
  ASSERT_TRUE(Set(root_, "suspend", alice_.user_id, false).ok());
  EXPECT_EQ(Redact(alice_, room, event, "r2").Outcome(), "200");
}

TEST_F(AccountModerationTest, AdministratorsReadAndDeleteReports) {
  const User zoe = server_.Register("zoe");
  const std::string room = Room(zoe, R"({"preset":"public_chat"})");
  const std::string event = Send(zoe, room, "1").String("event_id");
  const std::string rooms =
      "/_matrix/client/v3/rooms/" + PercentEncode(room) + "/report";
  server_.Post(zoe, rooms + "/" + PercentEncode(event), R"({"reason":"a"})");
  server_.Post(zoe, rooms, R"({"reason":"b"})");
  server_.Post(
      zoe,
      "/_matrix/client/v3/users/" + PercentEncode(other_.user_id) + "/report",
      R"({"reason":"c"})");
  const std::string path = "/_synapse/admin/v1/event_reports";
  EXPECT_EQ(Answer(server_.Get(zoe, path)).Outcome(), "403 M_FORBIDDEN");
  const Answer first = server_.Get(root_, path + "?limit=2");
  ASSERT_EQ(first["event_reports"].size(), 2u) << first.text();
  EXPECT_EQ(first["event_reports"].at(0)["reason"].StringOr(""), "c");
  EXPECT_TRUE(first["event_reports"].at(0)["room_id"].IsNull());
  EXPECT_EQ(first["event_reports"].at(1)["room_id"].StringOr(""), room);
  const Answer rest = server_.Get(
      root_, path + "?from=" + std::string(first["next_token"].raw()));
  ASSERT_EQ(rest["event_reports"].size(), 1u);
  EXPECT_TRUE(rest["next_token"].IsMissing());
  const json::Value report = rest["event_reports"].at(0);
  EXPECT_EQ(report["event_id"].StringOr(""), event);
  EXPECT_EQ(report["sender"].StringOr(""), zoe.user_id);
  const std::string one = path + "/" + std::string(report["id"].raw());
  EXPECT_EQ(Answer(server_.Get(root_, one)).String("reason"), "a");
  EXPECT_EQ(Answer(server_.Get(zoe, one)).Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Answer(server_.Delete(zoe, one)).Outcome(), "403 M_FORBIDDEN");
  EXPECT_TRUE(Answer(server_.Delete(root_, one)).ok());
  EXPECT_EQ(Answer(server_.Get(root_, one)).Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(Answer(server_.Delete(root_, one)).Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(Answer(server_.Get(root_, path + "/x")).Outcome(),
            "400 M_INVALID_PARAM");
}

TEST_F(AccountModerationTest, OnlyAdministratorsModerateAndNotEachOther) {
  const std::string nobody = "@nobody:" + server_.server_name();
  for (const char* what : {"lock", "suspend"}) {
    // Whether the user exists is not told.
    EXPECT_EQ(Get(alice_, what, root_.user_id).Outcome(), "403 M_FORBIDDEN");
    EXPECT_EQ(Get(alice_, what, nobody).Outcome(), "403 M_FORBIDDEN");
    EXPECT_EQ(Set(alice_, what, nobody, true).Outcome(), "403 M_FORBIDDEN");
    EXPECT_EQ(Get(root_, what, nobody).Outcome(), "404 M_NOT_FOUND");
    EXPECT_EQ(Set(root_, what, nobody, true).Outcome(), "404 M_NOT_FOUND");
    EXPECT_EQ(Set(root_, what, "@a:elsewhere.example", true).Outcome(),
              "400 M_INVALID_PARAM");
    EXPECT_EQ(Set(root_, what, other_.user_id, true).Outcome(),
              "403 M_FORBIDDEN");
    EXPECT_EQ(Set(root_, what, root_.user_id, true).Outcome(),
              "403 M_FORBIDDEN");
    EXPECT_EQ(Answer(server_.Put(root_, Path(what, alice_.user_id))).Outcome(),
              "400 M_MISSING_PARAM");
  }
  const auto capabilities = [&](const User& user) {
    return Answer(server_.Get(user, "/_matrix/client/v3/capabilities"));
  };
  EXPECT_EQ(capabilities(root_)["capabilities"]["m.account_moderation"].raw(),
            R"({"lock":true,"suspend":true})");
  EXPECT_FALSE(capabilities(alice_)["capabilities"]["m.account_moderation"]);
}

TEST_F(AccountModerationTest,
       WhoIsTellsOfDevicesToTheirOwnerAndAdministrators) {
  const auto whois = [&](const User& by, const std::string& user) {
    return Answer(server_.Get(
        by, "/_matrix/client/v3/admin/whois/" + PercentEncode(user)));
  };
  WhoAmI(alice_);
  const Answer answer = whois(root_, alice_.user_id);
  EXPECT_EQ(answer.String("user_id"), alice_.user_id);
  const json::Value sessions = answer["devices"][alice_.device_id]["sessions"];
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_TRUE(sessions.at(0)["connections"].at(0)["last_seen"].IsInteger());
  EXPECT_TRUE(whois(alice_, alice_.user_id).ok());
  EXPECT_EQ(whois(alice_, root_.user_id).Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(whois(root_, "@nobody:x").Outcome(), "404 M_NOT_FOUND");
}

}  // namespace
}  // namespace matrixcore
