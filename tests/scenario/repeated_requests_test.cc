// What takes several commits, with each of them failing in turn: the client
// that makes its request again until there is an answer gets what it asked for,
// once, and what was acknowledged is there.
#include <functional>
#include <memory>
#include <optional>
#include <ostream>

#include "matrixcore/service/account_tables.h"
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// No fault that a test does not plan.
FakeHomeserverOptions Planned(FakeHomeserverOptions options = {}) {
  options.homeserver.presence = false;
  options.homeserver.registration.guests = true;
  options.faults = {.seed = 1, .rates = FaultRates(), .repeats = 0};
  return options;
}

// A world in which one of the calls below fails.
class World : public FakeNetwork, public ScenarioTest {
 public:
  World() : ScenarioTest(Planned(NetworkOptions())) {}
  void TestBody() override {}

  // As a client does: the same request until its outcome is known.
  Answer Insist(HttpMethod method, const std::string& target,
                const std::string& body, const std::string& token) {
    for (int i = 0; i < 20; ++i) {
      Answer answer = server_.Call(method, target, body, token);
      if (answer.status() != 500 && answer.status() != 503 &&
          answer.status() != 504) {
        return answer;
      }
      ++failures_;
    }
    return HttpResponse{.status = 599, .body = R"({"errcode":"ALWAYS"})"};
  }
  Answer Insist(HttpMethod method, const User& user, const std::string& target,
                const std::string& body = "{}") {
    return Insist(method, target, body, user.access_token);
  }
  std::string PasswordOf(const User& user) const {
    return fmt::format(
        R"("auth":{{"type":"m.login.password","password":"{}",
           "identifier":{{"type":"m.id.user","user":"{}"}}}})",
        user.password, user.user_id);
  }
  Answer LogIn(const std::string& user, const std::string& password) {
    return server_.Call(
        HttpMethod::kPost, "/_matrix/client/v3/login",
        fmt::format(R"({{"type":"m.login.password","password":"{}",
            "identifier":{{"type":"m.id.user","user":"{}"}}}})",
                    password, user));
  }
  size_t JoinedRooms(const User& user) {
    return Answer(server_.Get(
        user, "/_matrix/client/v3/joined_rooms"))["joined_rooms"]
        .size();
  }
  std::string RoomOf(const std::string& alias) {
    return Answer(server_.Call(HttpMethod::kGet,
                               "/_matrix/client/v3/directory/room/" +
                                   PercentEncode(alias)))
        .String("room_id");
  }
  size_t Rows(const TableSpec& table) {
    return (*server_.store().NewSnapshot())->Scan({.table = &table})->size();
  }

  FakeHomeserver& server() { return server_; }
  int failures() const { return failures_; }
  using FakeNetwork::answer_;
  using ScenarioTest::CreateRoom;
  using ScenarioTest::Get;
  using ScenarioTest::Join;
  using ScenarioTest::Post;
  using ScenarioTest::Put;
  using ScenarioTest::Say;
  using ScenarioTest::SetState;
  using ScenarioTest::State;

 private:
  int failures_ = 0;
};

struct Way {
  Fault fault;
  bool restart;  // The server starts again before all is looked at.
};

void PrintTo(const Way& way, std::ostream* out) {
  *out << FaultName(way.fault) << (way.restart ? ", restart" : "");
}

class RepeatedTest : public ::testing::TestWithParam<Way> {
 protected:
  // `act` in a new world after `prepare`, once for each commit that it makes,
  // with that one struck.
  void ForEachCommit(const std::function<void(World&)>& prepare,
                     const std::function<void(World&)>& act,
                     const std::function<void(World&)>& check) {
    uint64_t commit = 0;
    for (bool struck = true; struck; ++commit) {
      ASSERT_LT(commit, 40u);
      SCOPED_TRACE(
          fmt::format("{} of commit {}", FaultName(GetParam().fault), commit));
      World world;
      prepare(world);
      world.server().Settle();
      world.server().faults().Plan(GetParam().fault, commit);
      act(world);
      world.server().Settle();
      struck = world.server().faults().struck() > 0;
      world.server().faults().Plan(GetParam().fault, 0, 0);
      if (GetParam().restart) world.server().Restart();
      world.server().Advance(seconds(2));
      check(world);
      if (HasFailure()) return;
    }
    EXPECT_GT(commit, 1u);  // Something was struck.
  }
};

INSTANTIATE_TEST_SUITE_P(, RepeatedTest,
                         ::testing::Values(Way{Fault::kCommitFails, false},
                                           Way{Fault::kCommitFails, true},
                                           Way{Fault::kCommitAnswerLost, false},
                                           Way{Fault::kCommitAnswerLost, true}),
                         [](const auto& way) {
                           return fmt::format(
                               "{}{}",
                               way.param.fault == Fault::kCommitFails
                                   ? "CommitFails"
                                   : "AnswerIsLost",
                               way.param.restart ? "BeforeARestart" : "");
                         });

TEST_P(RepeatedTest, Deactivation) {
  using User = FakeHomeserver::User;
  std::optional<User> alice, bob, carol;
  std::string room, other;
  const std::string profile =
      "/_matrix/client/v3/profile/" + PercentEncode("@alice:fake.example");
  ForEachCommit(
      [&](World& w) {
        alice = w.server().Register("alice");
        bob = w.server().Register("bob");
        carol = w.server().Register("carol");
        room = w.CreateRoom(*bob, R"({"preset":"public_chat"})");
        other = w.CreateRoom(*alice, R"({"preset":"public_chat"})");
        w.Join(*alice, room);
        w.Say(*alice, room, "a secret");
        w.server().Put(*alice, profile + "/displayname",
                       R"({"displayname":"Alice"})");
        w.server().Post(*alice, "/_matrix/client/v3/room_keys/version",
                        R"({"algorithm":"org.test","auth_data":{}})");
      },
      [&](World& w) {
        const Answer answer = w.Insist(
            HttpMethod::kPost, *alice, "/_matrix/client/v3/account/deactivate",
            fmt::format(R"({{"erase":true,{}}})", w.PasswordOf(*alice)));
        // Where nobody knew, the token is gone.
        if (w.failures() == 0 || GetParam().fault == Fault::kCommitFails) {
          EXPECT_EQ(answer.Outcome(), "200");
        } else {
          EXPECT_EQ(answer.Outcome(), "401 M_UNKNOWN_TOKEN");
        }
      },
      [&](World& w) {
        EXPECT_EQ(w.LogIn("alice", alice->password).Outcome(),
                  "403 M_USER_DEACTIVATED");
        EXPECT_EQ(Answer(w.server().Call(HttpMethod::kGet, profile)).text(),
                  "{}");
        EXPECT_THAT(w.State(*bob, room, "m.room.member", "@alice:fake.example"),
                    HasSubstr("leave"));
        EXPECT_TRUE(w.Join(*carol, room).ok());
        EXPECT_THAT(w.Get(*carol, room, "messages?dir=b").text(),
                    Not(HasSubstr("a secret")));
        EXPECT_EQ(w.Rows(tables::kUnfinished), 0u);
      });
}

TEST_P(RepeatedTest, Registration) {
  std::string session, user;
  ForEachCommit(
      [&](World& w) {
        session = Answer(w.server().Call(HttpMethod::kPost,
                                         "/_matrix/client/v3/register", "{}"))
                      .String("session");
      },
      [&](World& w) {
        const Answer answer =
            w.Insist(HttpMethod::kPost, "/_matrix/client/v3/register",
                     fmt::format(R"({{"username":"alice","password":"pw","auth":
                {{"type":"m.login.dummy","session":"{}"}}}})",
                                 session),
                     "");
        ASSERT_EQ(answer.Outcome(), "200") << answer.text();
        user = answer.String("access_token");
      },
      [&](World& w) {
        const Answer devices = w.server().Call(
            HttpMethod::kGet, "/_matrix/client/v3/devices", "", user);
        // One more when nobody knew of the first.
        EXPECT_LE(devices["devices"].size(),
                  GetParam().fault == Fault::kCommitFails ? 1u : 2u);
        EXPECT_TRUE(w.LogIn("alice", "pw").ok());
      });
}

// Nothing is left of a registration that failed.
TEST(FailedRegistrationTest, LeavesTheNameFree) {
  World w;
  w.server().faults().Plan(Fault::kCommitFails, 0, 1000);
  const auto request = [&](std::string_view more) {
    return Answer(w.server().Call(
        HttpMethod::kPost, "/_matrix/client/v3/register",
        fmt::format(R"({{"username":"alice","password":"pw","auth":
                    {{"type":"m.login.dummy"{}}}}})",
                    more)));
  };
  EXPECT_EQ(request("").status(), 503);
  w.server().faults().Plan(Fault::kCommitFails, 0, 0);
  EXPECT_TRUE(
      Answer(w.server().Call(
                 HttpMethod::kGet,
                 "/_matrix/client/v3/register/available?username=alice"))
          .ok());
  EXPECT_TRUE(request("").ok());
}

// Neither does the use of a token that it was to be made with.
TEST(FailedRegistrationTest, LeavesTheTokenItsUse) {
  FakeHomeserverOptions options = Planned();
  options.homeserver.registration.require_token = true;
  FakeHomeserver server(std::move(options));
  WriteBatch batch;
  batch.PutRow(tables::kRegistrationTokens,
               {std::string("once"), int64_t{1}, int64_t{0}, {}});
  ASSERT_TRUE(server.store().Commit(std::move(batch)).ok());
  const auto request = [&] {
    return Answer(server.Call(HttpMethod::kPost, "/_matrix/client/v3/register",
                              R"({"username":"alice","password":"pw","auth":
            {"type":"m.login.registration_token","token":"once"}})"));
  };
  server.faults().Plan(Fault::kCommitFails, 0);
  EXPECT_EQ(request().status(), 503);
  EXPECT_EQ(request().Outcome(), "200");
  EXPECT_EQ(request().Outcome(), "400 M_USER_IN_USE");
}

TEST_P(RepeatedTest, AGuestBecomesAUser) {
  std::string token, name, session;
  ForEachCommit(
      [&](World& w) {
        const Answer guest = w.server().Call(
            HttpMethod::kPost, "/_matrix/client/v3/register?kind=guest", "{}");
        token = guest.String("access_token");
        name = guest.String("user_id");
        name = name.substr(1, name.find(':') - 1);
        session = Answer(w.server().Call(HttpMethod::kPost,
                                         "/_matrix/client/v3/register", "{}"))
                      .String("session");
      },
      [&](World& w) {
        const Answer answer =
            w.Insist(HttpMethod::kPost, "/_matrix/client/v3/register",
                     fmt::format(R"({{"username":"{}","password":"pw",
                "guest_access_token":"{}","auth":
                {{"type":"m.login.dummy","session":"{}"}}}})",
                                 name, token, session),
                     "");
        EXPECT_EQ(answer.Outcome(), "200") << answer.text();
      },
      [&](World& w) { EXPECT_TRUE(w.LogIn(name, "pw").ok()); });
}

TEST_P(RepeatedTest, Upgrade) {
  std::optional<FakeHomeserver::User> alice, bob;
  std::string old_room, new_room;
  ForEachCommit(
      [&](World& w) {
        alice = w.server().Register("alice");
        bob = w.server().Register("bob");
        old_room = w.CreateRoom(
            *alice,
            R"({"preset":"public_chat","room_alias_name":"den","name":"Den"})");
        w.Post(*alice, old_room, "ban",
               fmt::format(R"({{"user_id":"{}"}})", bob->user_id));
        w.server().Put(*alice,
                       fmt::format("/_matrix/client/v3/user/{}/rooms/{}/tags/"
                                   "m.favourite",
                                   PercentEncode(alice->user_id),
                                   PercentEncode(old_room)));
      },
      [&](World& w) {
        const Answer answer =
            w.Insist(HttpMethod::kPost, *alice,
                     fmt::format("/_matrix/client/v3/rooms/{}/upgrade",
                                 PercentEncode(old_room)),
                     R"({"new_version":"12"})");
        EXPECT_EQ(answer.Outcome(), "200");
        new_room = answer.String("replacement_room");
      },
      [&](World& w) {
        EXPECT_EQ(w.State(*alice, old_room, "m.room.tombstone"),
                  fmt::format(R"({{"body":"This room has been replaced",)"
                              R"("replacement_room":"{}"}})",
                              new_room));
        EXPECT_EQ(w.RoomOf("#den:fake.example"), new_room);
        EXPECT_THAT(w.State(*alice, new_room, "m.room.member", bob->user_id),
                    HasSubstr("ban"));
        EXPECT_EQ(w.JoinedRooms(*alice), 2u);
        // Once more: the same.
        EXPECT_EQ(w.Post(*alice, old_room, "upgrade", R"({"new_version":"12"})")
                      .String("replacement_room"),
                  new_room);
      });
}

// The client gives up: the old room is as it was.
TEST(FailedUpgradeTest, LeavesTheOldRoomAlone) {
  World w;
  const auto alice = w.server().Register("alice");
  const std::string room = w.CreateRoom(
      alice, R"({"preset":"public_chat","room_alias_name":"den"})");
  w.server().Settle();
  w.server().faults().Plan(Fault::kCommitFails, 1, 1000);
  EXPECT_EQ(w.Post(alice, room, "upgrade", R"({"new_version":"12"})").status(),
            503);
  w.server().faults().Plan(Fault::kCommitFails, 0, 0);
  EXPECT_EQ(w.State(alice, room, "m.room.tombstone"), "");
  EXPECT_EQ(w.RoomOf("#den:fake.example"), room);
  EXPECT_THAT(w.State(alice, room, "m.room.canonical_alias"),
              HasSubstr("#den"));
}

TEST_P(RepeatedTest, ANewName) {
  std::optional<FakeHomeserver::User> alice;
  std::vector<std::string> rooms;
  const std::string target =
      fmt::format("/_matrix/client/v3/profile/{}/displayname",
                  PercentEncode("@alice:fake.example"));
  ForEachCommit(
      [&](World& w) {
        alice = w.server().Register("alice");
        rooms.clear();
        for (int i = 0; i < 3; ++i) rooms.push_back(w.CreateRoom(*alice));
      },
      [&](World& w) {
        EXPECT_EQ(w.Insist(HttpMethod::kPut, *alice, target,
                           R"({"displayname":"Alice"})")
                      .Outcome(),
                  "200");
      },
      [&](World& w) {
        for (const std::string& room : rooms) {
          EXPECT_THAT(w.State(*alice, room, "m.room.member", alice->user_id),
                      HasSubstr(R"("displayname":"Alice")"));
        }
        EXPECT_EQ(w.Rows(tables::kUnfinished), 0u);
      });
}

// The client gives up, the server does not.
TEST(FailedNameTest, ReachesTheRoomsLater) {
  for (const bool restart : {false, true}) {
    World w;
    const auto alice = w.server().Register("alice");
    const std::string room = w.CreateRoom(alice);
    w.server().Settle();
    w.server().faults().Plan(Fault::kCommitFails, 1, 1000);
    EXPECT_EQ(Answer(w.server().Put(alice,
                                    fmt::format("/_matrix/client/v3/profile/{}/"
                                                "displayname",
                                                PercentEncode(alice.user_id)),
                                    R"({"displayname":"Alice"})"))
                  .status(),
              503);
    w.server().Advance(seconds(10));
    if (restart) w.server().Restart();
    w.server().faults().Plan(Fault::kCommitFails, 0, 0);
    w.server().Advance(seconds(60));
    EXPECT_THAT(w.State(alice, room, "m.room.member", alice.user_id),
                HasSubstr(R"("displayname":"Alice")"));
  }
}

// The same of a departure that the first commit made certain.
TEST(FailedDepartureTest, IsDoneLater) {
  for (const bool restart : {false, true}) {
    World w;
    const auto alice = w.server().Register("alice");
    const auto bob = w.server().Register("bob");
    const std::string room = w.CreateRoom(bob, R"({"preset":"public_chat"})");
    w.Join(alice, room);
    w.server().Settle();
    w.server().faults().Plan(Fault::kCommitFails, 1, 1000);
    EXPECT_TRUE(
        Answer(w.server().Post(alice, "/_matrix/client/v3/account/deactivate",
                               fmt::format("{{{}}}", w.PasswordOf(alice))))
            .ok());
    w.server().Advance(seconds(10));
    EXPECT_THAT(w.State(bob, room, "m.room.member", alice.user_id),
                HasSubstr("join"));
    if (restart) w.server().Restart();
    w.server().faults().Plan(Fault::kCommitFails, 0, 0);
    w.server().Advance(seconds(60));
    EXPECT_THAT(w.State(bob, room, "m.room.member", alice.user_id),
                HasSubstr("leave"));
  }
}

TEST_P(RepeatedTest, ANewPassword) {
  std::optional<FakeHomeserver::User> alice, second;
  ForEachCommit(
      [&](World& w) {
        alice = w.server().Register("alice");
        second = w.server().Login(*alice);
      },
      [&](World& w) {
        const Answer answer = w.Insist(
            HttpMethod::kPost, *alice, "/_matrix/client/v3/account/password",
            fmt::format(R"({{"new_password":"new",{}}})",
                        w.PasswordOf(*alice)));
        // Where nobody knew, the old password is good no more.
        if (w.failures() == 0 || GetParam().fault == Fault::kCommitFails) {
          EXPECT_EQ(answer.Outcome(), "200");
        }
      },
      [&](World& w) {
        EXPECT_TRUE(w.LogIn("alice", "new").ok());
        EXPECT_EQ(w.LogIn("alice", alice->password).Outcome(),
                  "403 M_FORBIDDEN");
        const auto who = [&](const FakeHomeserver::User& user) {
          return Answer(
                     w.server().Get(user, "/_matrix/client/v3/account/whoami"))
              .status();
        };
        EXPECT_EQ(who(*alice), 200);
        EXPECT_EQ(who(*second), 401);
      });
}

TEST_P(RepeatedTest, AnAliasComesAndGoes) {
  std::optional<FakeHomeserver::User> alice;
  std::string room;
  const std::string target =
      "/_matrix/client/v3/directory/room/" + PercentEncode("#den:fake.example");
  ForEachCommit(
      [&](World& w) {
        alice = w.server().Register("alice");
        room = w.CreateRoom(*alice);
      },
      [&](World& w) {
        EXPECT_EQ(w.Insist(HttpMethod::kPut, *alice, target,
                           fmt::format(R"({{"room_id":"{}"}})", room))
                      .Outcome(),
                  "200");
        EXPECT_EQ(w.RoomOf("#den:fake.example"), room);
        EXPECT_EQ(w.Insist(HttpMethod::kPut, *alice,
                           fmt::format("/_matrix/client/v3/rooms/{}/state/"
                                       "m.room.canonical_alias/",
                                       PercentEncode(room)),
                           R"({"alias":"#den:fake.example"})")
                      .Outcome(),
                  "200");
        EXPECT_EQ(w.Insist(HttpMethod::kDelete, *alice, target, "").Outcome(),
                  "200");
      },
      [&](World& w) {
        EXPECT_EQ(w.RoomOf("#den:fake.example"), "");
        EXPECT_EQ(w.State(*alice, room, "m.room.canonical_alias"), "{}");
      });
}

// A room with invitations that an identity server keeps.
TEST_P(RepeatedTest, ARoomWithThirdParties) {
  std::optional<FakeHomeserver::User> alice;
  std::string room;
  int stored = 0;
  const std::string invitee =
      R"({"id_server":"id.example","id_access_token":"t","medium":"email",
          "address":"c@c.example"})";
  ForEachCommit(
      [&](World& w) {
        alice = w.server().Register("alice");
        stored = 0;
        w.answer_ = [&](const HttpClient::Outgoing& request) {
          HttpResponse response;
          if (request.url.ends_with("/hash_details")) {
            response.body = R"({"lookup_pepper":"p","algorithms":["none"]})";
          } else if (request.url.ends_with("/lookup")) {
            response.body = R"({"mappings":{}})";
          } else {
            response.body = fmt::format(
                R"({{"token":"t{}","display_name":"c...","public_keys":
                   [{{"public_key":"k","key_validity_url":"u"}}]}})",
                ++stored);
          }
          return Result<HttpResponse>(response);
        };
      },
      [&](World& w) {
        const Answer answer = w.Insist(
            HttpMethod::kPost, *alice, "/_matrix/client/v3/createRoom",
            fmt::format(R"({{"invite_3pid":[{},{}]}})", invitee, invitee));
        EXPECT_EQ(answer.Outcome(), "200");
        room = answer.String("room_id");
      },
      [&](World& w) {
        // A room of which nobody knew that it was made is found by its row.
        EXPECT_EQ(w.JoinedRooms(*alice), 1u);
        int invited = 0;
        for (int i = 1; i <= stored; ++i) {
          invited += w.State(*alice, room, "m.room.third_party_invite",
                             fmt::format("t{}", i)) != "";
        }
        EXPECT_EQ(invited, 2);
        EXPECT_LE(stored, 3);
      });
}

}  // namespace
}  // namespace matrixcore
