// Spec: client-server API, "Third-party invites".
#include "matrixcore/base/random.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/json/object.h"
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ThirdPartyInviteTest : public FakeNetwork, public ScenarioTest {
 protected:
  ThirdPartyInviteTest() : ScenarioTest(NetworkOptions()) {
    answer_ = [this](const HttpClient::Outgoing& request) {
      return Identity(request);
    };
  }

  // An identity server that knows bob@b.example as @bob.
  Result<HttpResponse> Identity(const HttpClient::Outgoing& request) {
    HttpResponse response;
    if (request.url.ends_with("/hash_details")) {
      response.body = R"({"lookup_pepper":"p","algorithms":["none"]})";
    } else if (request.url.ends_with("/lookup")) {
      response.body = fmt::format(
          R"({{"mappings":{{"bob@b.example email":"{}"}}}})", bob_.user_id);
    } else if (store_status_ == 200) {
      stored_.push_back(request.body);
      response.body = fmt::format(
          R"({{"token":"token{}","display_name":"c...",
              "public_keys":[{{"public_key":"k","key_validity_url":"u"}}]}})",
          stored_.size());
    } else {
      response = {.status = store_status_,
                  .body = R"({"errcode":"M_UNKNOWN"})"};
    }
    return response;
  }
  static std::string Invitee(std::string_view address) {
    return fmt::format(R"({{"id_server":"id.example","id_access_token":"t",
                           "medium":"email","address":"{}"}})",
                       address);
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  std::string room_ = CreateRoom(alice_);
  int store_status_ = 200;
  std::vector<std::string> stored_;
};

TEST_F(ThirdPartyInviteTest, InvitesTheUserToWhomTheAddressBelongs) {
  const Answer answer = Post(alice_, room_, "invite", Invitee("Bob@B.example"));
  EXPECT_TRUE(answer.ok()) << answer.text();
  EXPECT_THAT(State(alice_, room_, "m.room.member", bob_.user_id),
              HasSubstr(R"("membership":"invite")"));
  if (Faulty() && asked_.size() > 2) asked_.resize(2);
  EXPECT_THAT(asked_,
              ElementsAre("https://id.example/_matrix/identity/v2/hash_details",
                          "https://id.example/_matrix/identity/v2/lookup"));
  EXPECT_TRUE(Join(bob_, room_).ok());
  EXPECT_EQ(Post(alice_, room_, "invite", Invitee("bob@b.example")).Outcome(),
            "403 M_FORBIDDEN");
}

TEST_F(ThirdPartyInviteTest, HasTheInvitationOfOthersKept) {
  SetState(alice_, room_, "m.room.name", R"({"name":"Den"})");
  const Answer answer =
      Post(alice_, room_, "invite", Invitee("carol@c.example"));
  EXPECT_TRUE(answer.ok()) << answer.text();
  // With the token of the last time, where it had to be kept more than once.
  EXPECT_EQ(State(alice_, room_, "m.room.third_party_invite",
                  fmt::format("token{}", stored_.size())),
            R"({"display_name":"c...","key_validity_url":"u","public_key":"k",)"
            R"("public_keys":[{"key_validity_url":"u","public_key":"k"}]})");
  ASSERT_FALSE(stored_.empty());
  if (!Faulty()) {
    EXPECT_EQ(stored_.size(), 1u);
  }
  const Answer told = HttpResponse{.body = stored_[0]};
  EXPECT_EQ(told.String("address"), "carol@c.example");
  EXPECT_EQ(told.String("room_id"), room_);
  EXPECT_EQ(told.String("room_name"), "Den");
  EXPECT_EQ(told.String("room_join_rules"), "invite");
  EXPECT_EQ(told.String("sender"), alice_.user_id);
}

TEST_F(ThirdPartyInviteTest, ANewRoomMayHaveThem) {
  const std::string room = CreateRoom(
      alice_, fmt::format(R"({{"is_direct":true,"invite_3pid":[{},{},{}]}})",
                          Invitee("bob@b.example"), Invitee("c@c.example"),
                          Invitee("d@d.example")));
  EXPECT_THAT(State(alice_, room, "m.room.member", bob_.user_id),
              HasSubstr(R"("is_direct":true)"));
  // An invitation may be kept twice, but is in the room once.
  std::vector<std::string> invites;
  for (size_t i = 1; i <= stored_.size(); ++i) {
    invites.push_back(State(alice_, room, "m.room.third_party_invite",
                            fmt::format("token{}", i)));
  }
  std::erase(invites, "");
  EXPECT_THAT(invites, ElementsAre(HasSubstr("c..."), HasSubstr("c...")));
  if (!Faulty()) {
    EXPECT_EQ(stored_.size(), 2u);
  }
}

TEST_F(ThirdPartyInviteTest, NobodyIsAskedForThoseWhoMayNotInvite) {
  EXPECT_EQ(Post(bob_, room_, "invite", Invitee("c@c.example")).Outcome(),
            "403 M_FORBIDDEN");
  EXPECT_EQ(
      Post(bob_, "!nowhere:x", "invite", Invitee("c@c.example")).Outcome(),
      "403 M_FORBIDDEN");
  SetState(alice_, room_, "m.room.power_levels", R"({"invite":50})");
  Invite(alice_, room_, bob_);
  Join(bob_, room_);
  EXPECT_EQ(Post(bob_, room_, "invite", Invitee("c@c.example")).Outcome(),
            "403 M_FORBIDDEN");
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(ThirdPartyInviteTest, WhoWantsNoInvitesGetsNone) {
  server_.Put(bob_,
              fmt::format("/_matrix/client/v3/user/{}/account_data/"
                          "m.invite_permission_config",
                          PercentEncode(bob_.user_id)),
              R"({"default_action":"block"})");
  EXPECT_EQ(Post(alice_, room_, "invite", Invitee("bob@b.example")).Outcome(),
            "403 M_INVITE_BLOCKED");
}

TEST_F(ThirdPartyInviteTest, MalformedOnes) {
  for (
      const char* body :
      {R"({"medium":"email"})",
       R"({"id_server":"i.example","medium":"email","address":"a@b.c"})",
       R"({"id_server":"i.example","id_access_token":"t","address":"a@b.c"})"}) {
    const std::string outcome = Post(alice_, room_, "invite", body).Outcome();
    EXPECT_EQ(outcome, "400 M_MISSING_PARAM") << body;
  }
  EXPECT_EQ(Post(alice_, room_, "invite",
                 R"({"id_server":7,"id_access_token":"t","medium":"email",
                     "address":"a@b.c"})")
                .Outcome(),
            "400 M_BAD_JSON");
  EXPECT_EQ(Post(alice_, room_, "invite",
                 R"({"id_server":"a b","id_access_token":"t","medium":"email",
                     "address":"a@b.c"})")
                .Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(Answer(server_.Post(alice_, "/_matrix/client/v3/createRoom",
                                R"({"invite_3pid":[{"medium":"email"}]})"))
                .Outcome(),
            "400 M_MISSING_PARAM");
}

TEST_F(ThirdPartyInviteTest, AnIdentityServerThatFailsIsNotOurs) {
  store_status_ = 500;
  EXPECT_EQ(Post(alice_, room_, "invite", Invitee("c@c.example")).Outcome(),
            "502 M_CONNECTION_FAILED");
  EXPECT_EQ(Answer(server_.Post(
                       alice_, "/_matrix/client/v3/createRoom",
                       R"({"invite_3pid":[)" + Invitee("c@c.example") + "]}"))
                .Outcome(),
            "502 M_CONNECTION_FAILED");
  answer_ = nullptr;
  EXPECT_EQ(Post(alice_, room_, "invite", Invitee("c@c.example")).Outcome(),
            "502 M_CONNECTION_FAILED");
}

// --- POST /join, third_party_signed ---

// An invite whose token the identity server signed for bob.
class ThirdPartyProofTest : public FakeNetwork, public ScenarioTest {
 protected:
  ThirdPartyProofTest() : ScenarioTest(NetworkOptions()) {
    answer_ = [this](const HttpClient::Outgoing&) {
      return HttpResponse{.status = status_, .body = validity_};
    };
  }

  // `more` are further members of the event's content.
  void StoreInvite(std::string_view more) {
    const Answer set =
        SetState(alice_, room_, "m.room.third_party_invite",
                 fmt::format(R"({{"display_name":"b","public_key":"{}"{}}})",
                             key(), more),
                 "t");
    ASSERT_TRUE(set.ok()) << set.text();
  }
  std::string key() const { return Base64Encode(key_.public_key()); }
  std::string JoinOf(const User& user) {
    json::Object proof;
    proof.SetString("mxid", bob_.user_id);
    proof.SetString("sender", alice_.user_id);
    proof.SetString("token", "t");
    EXPECT_TRUE(SignJson(&proof, "i.example", key_).ok());
    return Post(user, room_, "join",
                fmt::format(R"({{"third_party_signed":{}}})", proof.ToJson()))
        .Outcome();
  }

  std::unique_ptr<Random> random_ = NewSeededRandom(3);
  SigningKey key_ = SigningKey::Generate(*random_, "0");
  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  std::string room_ = CreateRoom(alice_);
  int status_ = 200;
  std::string validity_ = R"({"valid":true})";
};

TEST_F(ThirdPartyProofTest, OpensTheRoomForTheInvited) {
  StoreInvite(R"(,"key_validity_url":"https://i.example/valid")");
  const User carol = server_.Register("carol");
  EXPECT_EQ(JoinOf(carol), "403 M_FORBIDDEN");
  asked_.clear();
  EXPECT_EQ(JoinOf(bob_), "200");
  EXPECT_THAT(asked_, Each("https://i.example/valid?public_key=" +
                           PercentEncode(key())));
  EXPECT_FALSE(asked_.empty());
  if (!Faulty()) {
    EXPECT_EQ(asked_.size(), 1u);
  }
  EXPECT_THAT(State(alice_, room_, "m.room.member", bob_.user_id),
              HasSubstr(R"("membership":"join")"));
}

TEST_F(ThirdPartyProofTest, AKeyThatIsValidNoMoreOpensNothing) {
  StoreInvite(R"(,"key_validity_url":"https://i.example/valid?a=b")");
  validity_ = R"({"valid":false})";
  EXPECT_EQ(JoinOf(bob_), "403 M_FORBIDDEN");
  validity_ = "[]";
  EXPECT_EQ(JoinOf(bob_), "403 M_FORBIDDEN");
  status_ = 500;
  EXPECT_EQ(JoinOf(bob_), "502 M_CONNECTION_FAILED");
  EXPECT_THAT(asked_, Each("https://i.example/valid?a=b&public_key=" +
                           PercentEncode(key())));
  EXPECT_EQ(State(alice_, room_, "m.room.member", bob_.user_id), "");
}

TEST_F(ThirdPartyProofTest, KeysWithoutAUrlAreValid) {
  StoreInvite(fmt::format(R"(,"public_keys":[{{"public_key":"{}"}}])", key()));
  EXPECT_EQ(JoinOf(bob_), "200");
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(ThirdPartyProofTest, OnlyTheWebIsAsked) {
  StoreInvite(R"(,"key_validity_url":"http://i.example/valid")");
  EXPECT_EQ(JoinOf(bob_), "403 M_FORBIDDEN");
  EXPECT_THAT(asked_, IsEmpty());
}

// Who was invited needs no proof; one that is given must go with an invite.
TEST_F(ThirdPartyProofTest, IsCheckedAlsoWhenItIsNotNeeded) {
  Invite(alice_, room_, bob_);
  EXPECT_EQ(JoinOf(bob_), "403 M_FORBIDDEN");
  StoreInvite(R"(,"key_validity_url":"https://i.example/valid")");
  EXPECT_EQ(JoinOf(bob_), "200");
  EXPECT_THAT(asked_, IsEmpty());
}

class NoNetworkTest : public ScenarioTest {};

TEST_F(NoNetworkTest, WithoutOneNobodyIsInvitedByAddress) {
  const User alice = server_.Register("alice");
  EXPECT_EQ(Post(alice, CreateRoom(alice), "invite",
                 R"({"id_server":"i.example","id_access_token":"t",
                     "medium":"email","address":"a@b.c"})")
                .Outcome(),
            "502 M_CONNECTION_FAILED");
}

}  // namespace
}  // namespace matrixcore
