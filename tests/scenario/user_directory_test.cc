// Spec: client-server API, "User Directory", "Mutual Rooms", "OpenID",
// "Third-party Networks".
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class UserDirectoryTest : public ScenarioTest {
 protected:
  Answer Search(const User& user, std::string_view term,
                std::string_view more = "") {
    return server_.Post(user, "/_matrix/client/v3/user_directory/search",
                        fmt::format(R"({{"search_term":"{}"{}}})", term, more));
  }
  std::vector<std::string> Find(const User& user, std::string_view term) {
    std::vector<std::string> found;
    for (const json::Value entry : Search(user, term)["results"]) {
      const std::string_view id = entry["user_id"].StringOr("");
      found.emplace_back(id.substr(1, id.find(':') - 1));
    }
    return found;
  }
  void Name(const User& user, std::string_view name) {
    EXPECT_TRUE(
        Answer(server_.Put(user,
                           "/_matrix/client/v3/profile/" +
                               PercentEncode(user.user_id) + "/displayname",
                           fmt::format(R"({{"displayname":"{}"}})", name)))
            .ok());
  }
  Answer Mutual(const User& user, std::string_view other,
                std::string_view more = "") {
    return server_.Get(
        user, fmt::format("/_matrix/client/v1/mutual_rooms?user_id={}{}",
                          PercentEncode(other), more));
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  User carol_ = server_.Register("carol.smith");
};

TEST_F(UserDirectoryTest, ThoseWhoShareARoomAreFound) {
  EXPECT_THAT(Find(alice_, "bob"), IsEmpty());
  const std::string room = CreateRoom(alice_);
  ASSERT_TRUE(Invite(alice_, room, bob_).ok());
  EXPECT_THAT(Find(alice_, "bob"), IsEmpty());
  ASSERT_TRUE(Join(bob_, room).ok());
  EXPECT_THAT(Find(alice_, "bob"), ElementsAre("bob"));
  EXPECT_THAT(Find(alice_, "BOB"), ElementsAre("bob"));
  EXPECT_THAT(Find(alice_, "bo"), ElementsAre("bob"));
  EXPECT_THAT(Find(alice_, "@bob"), ElementsAre("bob"));
  EXPECT_THAT(Find(alice_, bob_.user_id), ElementsAre("bob"));
  EXPECT_THAT(Find(alice_, "ob"), IsEmpty());
  EXPECT_THAT(Find(carol_, "bob"), IsEmpty());
  ASSERT_TRUE(Post(bob_, room, "leave").ok());
  EXPECT_THAT(Find(alice_, "bob"), IsEmpty());
}

TEST_F(UserDirectoryTest, OneselfIsFoundInOpenRoomsOnly) {
  CreateRoom(alice_);
  EXPECT_THAT(Find(alice_, "alice"), IsEmpty());
  CreateRoom(alice_, R"({"preset":"public_chat"})");
  EXPECT_THAT(Find(alice_, "alice"), ElementsAre("alice"));
}

TEST_F(UserDirectoryTest, ThoseInOpenRoomsAreFoundByEverybody) {
  const std::string room = CreateRoom(bob_, R"({"preset":"public_chat"})");
  EXPECT_THAT(Find(alice_, "bob"), ElementsAre("bob"));
  ASSERT_TRUE(
      SetState(bob_, room, "m.room.join_rules", R"({"join_rule":"invite"})")
          .ok());
  EXPECT_THAT(Find(alice_, "bob"), IsEmpty());
  ASSERT_TRUE(SetState(bob_, room, "m.room.history_visibility",
                       R"({"history_visibility":"world_readable"})")
                  .ok());
  EXPECT_THAT(Find(alice_, "bob"), ElementsAre("bob"));
}

TEST_F(UserDirectoryTest, NamesAreFoundByTheirWords) {
  CreateRoom(bob_, R"({"preset":"public_chat"})");
  CreateRoom(carol_, R"({"preset":"public_chat"})");
  Name(bob_, "Robert Łukasiński-Smith");
  EXPECT_THAT(Find(alice_, "rob"), ElementsAre("bob"));
  EXPECT_THAT(Find(alice_, "łukas"), ElementsAre("bob"));
  EXPECT_THAT(Find(alice_, "smith robert"), ElementsAre("bob"));
  EXPECT_THAT(Find(alice_, "smith"),
              UnorderedElementsAre("bob", "carol.smith"));
  EXPECT_THAT(Find(alice_, "robert jones"), IsEmpty());
  Name(bob_, "山田太郎");
  EXPECT_THAT(Find(alice_, "太郎"), ElementsAre("bob"));
  EXPECT_THAT(Find(alice_, "robert"), IsEmpty());
  EXPECT_THAT(Find(alice_, "%"), IsEmpty());
  EXPECT_THAT(Find(alice_, ""), IsEmpty());
}

TEST_F(UserDirectoryTest, TheBestMatchComesFirstWithinTheLimit) {
  const User others[] = {server_.Register("annabel"), server_.Register("ann"),
                         server_.Register("maria")};
  for (const User& user : others) {
    CreateRoom(user, R"({"preset":"public_chat"})");
  }
  Name(others[2], "Maria Ann");
  EXPECT_THAT(Find(alice_, "ann"), ElementsAre("ann", "annabel", "maria"));
  const Answer two = Search(alice_, "ann", R"(,"limit":2)");
  EXPECT_EQ(two["results"].size(), 2u);
  EXPECT_EQ(two["limited"].AsBool(), true);
  EXPECT_EQ(Search(alice_, "ann")["limited"].AsBool(), false);
  const json::Value maria = Search(alice_, "maria")["results"].at(0);
  EXPECT_EQ(maria.raw(), fmt::format(R"({{"display_name":"Maria Ann",)"
                                     R"("user_id":"{}"}})",
                                     others[2].user_id));
  EXPECT_EQ(Search(alice_, "ann", R"(,"limit":-1)").Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(
      Answer(server_.Post(alice_, "/_matrix/client/v3/user_directory/search"))
          .Outcome(),
      "400 M_MISSING_PARAM");
}

TEST_F(UserDirectoryTest, WhoIsGoneIsNotFound) {
  CreateRoom(bob_, R"({"preset":"public_chat"})");
  ASSERT_THAT(Find(alice_, "bob"), ElementsAre("bob"));
  const Answer gone = server_.Post(
      bob_, "/_matrix/client/v3/account/deactivate",
      fmt::format(R"({{"auth":{{"type":"m.login.password","identifier":
          {{"type":"m.id.user","user":"bob"}},"password":"{}"}}}})",
                  bob_.password));
  ASSERT_TRUE(gone.ok()) << gone.text();
  EXPECT_THAT(Find(alice_, "bob"), IsEmpty());
}

// --- Mutual rooms ---

TEST_F(UserDirectoryTest, MutualRoomsAreThoseThatBothAreJoinedTo) {
  const std::string both = CreateRoom(alice_, R"({"preset":"public_chat"})");
  const std::string invited = CreateRoom(alice_);
  CreateRoom(bob_);
  ASSERT_TRUE(Join(bob_, both).ok());
  ASSERT_TRUE(Invite(alice_, invited, bob_).ok());
  EXPECT_EQ(Mutual(alice_, bob_.user_id).text(),
            fmt::format(R"({{"count":1,"joined":["{}"]}})", both));
  EXPECT_EQ(Mutual(alice_, "@nobody:x").text(), R"({"count":0,"joined":[]})");
  EXPECT_EQ(Mutual(alice_, alice_.user_id).Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Mutual(alice_, "bob").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Mutual(alice_, bob_.user_id, "&from=x").Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(
      Answer(server_.Get(alice_, "/_matrix/client/v1/mutual_rooms")).Outcome(),
      "400 M_INVALID_PARAM");
}

TEST_F(UserDirectoryTest, MutualRoomsComeInPages) {
  for (int i = 0; i < 103; ++i) {
    ASSERT_TRUE(
        Join(bob_, CreateRoom(alice_, R"({"preset":"public_chat"})")).ok());
  }
  const Answer first = Mutual(alice_, bob_.user_id);
  EXPECT_EQ(first["joined"].size(), 100u);
  EXPECT_EQ(first["count"].AsInt(), 103);
  const Answer rest =
      Mutual(alice_, bob_.user_id, "&from=" + first.String("next_batch"));
  EXPECT_EQ(rest["joined"].size(), 3u);
  EXPECT_EQ(rest["count"].AsInt(), 103);
  EXPECT_FALSE(rest["next_batch"]);
}

// --- OpenID ---

TEST_F(UserDirectoryTest, OpenIdTokensProveWhoAskedForAnHour) {
  const auto ask = [&](const User& by, const User& user) {
    return Answer(server_.Post(
        by, fmt::format("/_matrix/client/v3/user/{}/openid/request_token",
                        PercentEncode(user.user_id))));
  };
  EXPECT_EQ(ask(alice_, bob_).Outcome(), "403 M_FORBIDDEN");
  const Answer answer = ask(alice_, alice_);
  EXPECT_EQ(answer.String("token_type"), "Bearer");
  EXPECT_EQ(answer.String("matrix_server_name"), server_.server_name());
  EXPECT_EQ(answer["expires_in"].AsInt(), 3600);
  const std::string token = answer.String("access_token");
  // Good for nothing else.
  EXPECT_EQ(Answer(server_.Call(HttpMethod::kGet,
                                "/_matrix/client/v3/account/whoami", "", token))
                .Outcome(),
            "401 M_UNKNOWN_TOKEN");
  const auto whose = [&](std::string_view query) {
    return Answer(server_.Call(
        HttpMethod::kGet,
        fmt::format("/_matrix/federation/v1/openid/userinfo{}", query)));
  };
  server_.Restart();
  EXPECT_EQ(whose("?access_token=" + token).String("sub"), alice_.user_id);
  EXPECT_EQ(whose("?access_token=other").Outcome(), "401 M_UNKNOWN_TOKEN");
  EXPECT_EQ(whose("").Outcome(), "401 M_MISSING_TOKEN");
  server_.Advance(seconds(3600));
  EXPECT_EQ(whose("?access_token=" + token).Outcome(), "401 M_UNKNOWN_TOKEN");
}

// --- Third-party networks ---

TEST_F(UserDirectoryTest, WithoutApplicationServicesThereAreNoNetworks) {
  const auto get = [&](std::string_view path) {
    return Answer(server_.Get(
        alice_, fmt::format("/_matrix/client/v3/thirdparty/{}", path)));
  };
  EXPECT_EQ(get("protocols").text(), "{}");
  EXPECT_EQ(get("protocol/irc").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(get("location/irc?channel=x").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(get("user/irc").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(get("location?alias=%23a:x").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(get("location").Outcome(), "400 M_MISSING_PARAM");
  EXPECT_EQ(get("user?userid=%40a:x").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(get("user?userid=a").Outcome(), "400 M_INVALID_PARAM");
}

}  // namespace
}  // namespace matrixcore
