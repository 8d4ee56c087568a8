// Spec: client-server API, "Guest Access", "Room Previews", "Invite
// permission", and what a state event must fulfil.
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

FakeHomeserverOptions WithGuests() {
  FakeHomeserverOptions options;
  options.homeserver.registration.guests = true;
  return options;
}

class GuestsTest : public ScenarioTest {
 protected:
  GuestsTest() : guests_(WithGuests()) {}

  User Guest() {
    const Answer answer = guests_.Call(
        HttpMethod::kPost, "/_matrix/client/v3/register?kind=guest", "{}");
    EXPECT_TRUE(answer.ok()) << answer.text();
    return {.user_id = answer.String("user_id"),
            .device_id = answer.String("device_id"),
            .access_token = answer.String("access_token"),
            .password = ""};
  }
  Answer Call(const User& user, HttpMethod method, const std::string& path,
              std::string body = "{}") {
    return guests_.Call(method, path, std::move(body), user.access_token);
  }
  std::string Room(const User& user, std::string body) {
    const Answer answer =
        Call(user, HttpMethod::kPost, "/_matrix/client/v3/createRoom",
             std::move(body));
    EXPECT_TRUE(answer.ok()) << answer.text();
    return answer.String("room_id");
  }
  Answer In(const User& user, HttpMethod method, const std::string& room,
            std::string_view rest, std::string body = "{}") {
    return Call(user, method, RoomPath(room, rest), std::move(body));
  }
  std::string MembershipOf(const User& asker, const std::string& room,
                           const User& user) {
    return In(asker, HttpMethod::kGet, room,
              "state/m.room.member/" + PercentEncode(user.user_id))
        .String("membership");
  }

  FakeHomeserver guests_;
  User alice_ = guests_.Register("alice");
};

constexpr std::string_view kOpenToGuests =
    R"({"preset":"public_chat","initial_state":[
      {"type":"m.room.guest_access","content":{"guest_access":"can_join"}}]})";

TEST_F(GuestsTest, GuestsJoinWhereTheyMay) {
  const User guest = Guest();
  const std::string closed = Room(alice_, R"({"preset":"public_chat"})");
  const std::string open = Room(alice_, std::string(kOpenToGuests));
  EXPECT_EQ(In(guest, HttpMethod::kPost, closed, "join").Outcome(),
            "403 M_GUEST_ACCESS_FORBIDDEN");
  // Nor by the other way into a room.
  EXPECT_EQ(In(guest, HttpMethod::kPut, closed,
               "state/m.room.member/" + PercentEncode(guest.user_id),
               R"({"membership":"join"})")
                .Outcome(),
            "403 M_GUEST_ACCESS_FORBIDDEN");
  EXPECT_TRUE(In(guest, HttpMethod::kPost, open, "join").ok());
  EXPECT_TRUE(In(guest, HttpMethod::kPut, open, "send/m.room.message/1",
                 R"({"body":"hi","msgtype":"m.text"})")
                  .ok());
}

TEST_F(GuestsTest, ARoomThatClosesItselfToGuestsSeesThemLeave) {
  const User guest = Guest();
  const User bob = guests_.Register("bob");
  const std::string room = Room(alice_, std::string(kOpenToGuests));
  ASSERT_TRUE(In(guest, HttpMethod::kPost, room, "join").ok());
  ASSERT_TRUE(In(bob, HttpMethod::kPost, room, "join").ok());
  ASSERT_TRUE(In(alice_, HttpMethod::kPut, room, "state/m.room.guest_access",
                 R"({"guest_access":"can_join","org.test":1})")
                  .ok());
  EXPECT_EQ(MembershipOf(alice_, room, guest), "join");
  ASSERT_TRUE(In(alice_, HttpMethod::kPut, room, "state/m.room.guest_access",
                 R"({"guest_access":"forbidden"})")
                  .ok());
  EXPECT_EQ(MembershipOf(alice_, room, guest), "leave");
  EXPECT_EQ(MembershipOf(alice_, room, bob), "join");
}

// The same when what let them in is redacted.
TEST_F(GuestsTest, GuestsLeaveWhenTheirAccessIsRedacted) {
  const User guest = Guest();
  const std::string room = Room(alice_, std::string(kOpenToGuests));
  const auto event_id = [&] {
    return In(alice_, HttpMethod::kGet, room,
              "state/m.room.guest_access?format=event", "")
        .String("event_id");
  };
  const auto redact = [&](const std::string& event, std::string_view txn) {
    return In(alice_, HttpMethod::kPut, room,
              fmt::format("redact/{}/{}", PercentEncode(event), txn))
        .Outcome();
  };
  const std::string first = event_id();
  ASSERT_TRUE(In(alice_, HttpMethod::kPut, room, "state/m.room.guest_access",
                 R"({"guest_access":"can_join","org.test":1})")
                  .ok());
  ASSERT_TRUE(In(guest, HttpMethod::kPost, room, "join").ok());
  EXPECT_EQ(redact(first, "1"), "200");
  EXPECT_EQ(MembershipOf(alice_, room, guest), "join");
  EXPECT_EQ(redact(event_id(), "2"), "200");
  EXPECT_EQ(MembershipOf(alice_, room, guest), "leave");
}

TEST_F(GuestsTest, GuestsDoOnlyWhatTheListAllows) {
  const User guest = Guest();
  const std::string room = Room(alice_, std::string(kOpenToGuests));
  ASSERT_TRUE(In(guest, HttpMethod::kPost, room, "join").ok());
  const std::string me = PercentEncode(guest.user_id);
  const auto get = [&](const std::string& path) {
    return Call(guest, HttpMethod::kGet, path, "").Outcome();
  };
  for (const char* rest : {"state", "messages?dir=b", "members",
                           "state/m.room.create", "state/m.room.create/"}) {
    EXPECT_EQ(In(guest, HttpMethod::kGet, room, rest, "").Outcome(), "200")
        << rest;
  }
  EXPECT_EQ(get("/_matrix/client/v3/account/whoami"), "200");
  EXPECT_EQ(get("/_matrix/client/v3/devices"), "200");
  const std::string refused = "403 M_GUEST_ACCESS_FORBIDDEN";
  EXPECT_EQ(get("/_matrix/client/v3/joined_rooms"), refused);
  EXPECT_EQ(get("/_matrix/client/v3/pushrules/"), refused);
  EXPECT_EQ(
      Call(guest, HttpMethod::kPost, "/_matrix/client/v3/createRoom").Outcome(),
      refused);
  EXPECT_EQ(In(guest, HttpMethod::kPost, room, "invite").Outcome(), refused);
  const std::string profile = "/_matrix/client/v3/profile/" + me;
  EXPECT_EQ(Call(guest, HttpMethod::kPut, profile + "/displayname",
                 R"({"displayname":"G"})")
                .Outcome(),
            "200");
  EXPECT_EQ(Call(guest, HttpMethod::kPut, profile + "/avatar_url",
                 R"({"avatar_url":"mxc://x/y"})")
                .Outcome(),
            refused);
  const Answer answer =
      Call(guest, HttpMethod::kGet, "/_matrix/client/v3/capabilities");
  const json::Value told = answer["capabilities"];
  EXPECT_EQ(told["m.profile_fields"]["allowed"].raw(), R"(["displayname"])");
  EXPECT_EQ(told["m.set_avatar_url"]["enabled"].raw(), "false");
  EXPECT_EQ(told["m.set_displayname"]["enabled"].raw(), "true");
}

// Spec: "Room Previews": world-readable rooms are open to everybody with a
// token.
TEST_F(GuestsTest, WorldReadableRoomsCanBePeekedInto) {
  const User guest = Guest();
  const std::string room = Room(alice_, R"({"initial_state":[
      {"type":"m.room.history_visibility",
       "content":{"history_visibility":"world_readable"}}]})");
  const std::string event =
      In(alice_, HttpMethod::kPut, room, "send/m.room.message/1",
         R"({"body":"hello","msgtype":"m.text"})")
          .String("event_id");
  for (const std::string& rest :
       {std::string("state"), std::string("members"),
        std::string("messages?dir=b"), "event/" + PercentEncode(event),
        "context/" + PercentEncode(event)}) {
    EXPECT_EQ(In(guest, HttpMethod::kGet, room, rest, "").Outcome(), "200")
        << rest;
  }
  EXPECT_THAT(
      Bodies(In(guest, HttpMethod::kGet, room, "messages?dir=b", "")["chunk"]),
      ElementsAre("hello"));
  // What comes once it is closed stays inside.
  ASSERT_TRUE(In(alice_, HttpMethod::kPut, room,
                 "state/m.room.history_visibility",
                 R"({"history_visibility":"joined"})")
                  .ok());
  EXPECT_EQ(In(guest, HttpMethod::kGet, room, "state", "").Outcome(),
            "403 M_FORBIDDEN");
}

// --- Invite permission ---

class InvitePermissionTest : public ScenarioTest {
 protected:
  void Block(const User& user, std::string_view content) {
    EXPECT_TRUE(
        Answer(
            server_.Put(user,
                        fmt::format("/_matrix/client/v3/user/{}/account_data/"
                                    "m.invite_permission_config",
                                    PercentEncode(user.user_id)),
                        std::string(content)))
            .ok());
  }
  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
};

TEST_F(InvitePermissionTest, WhoBlocksInvitesIsNotInvited) {
  const std::string room = CreateRoom(alice_);
  Block(bob_, R"({"default_action":"block"})");
  const std::string blocked = "403 M_INVITE_BLOCKED";
  EXPECT_EQ(Invite(alice_, room, bob_).Outcome(), blocked);
  EXPECT_EQ(SetState(alice_, room, "m.room.member",
                     R"({"membership":"invite"})", bob_.user_id)
                .Outcome(),
            blocked);
  EXPECT_EQ(
      Answer(server_.Post(alice_, "/_matrix/client/v3/createRoom",
                          fmt::format(R"({{"invite":["{}"]}})", bob_.user_id)))
          .Outcome(),
      blocked);
  Block(bob_, "{}");
  EXPECT_TRUE(Invite(alice_, room, bob_).ok());
}

TEST_F(InvitePermissionTest, UnknownActionsBlockNothing) {
  Block(bob_, R"({"default_action":"other"})");
  EXPECT_TRUE(Invite(alice_, CreateRoom(alice_), bob_).ok());
  Block(bob_, R"({"default_action":7})");
  EXPECT_TRUE(Invite(alice_, CreateRoom(alice_), bob_).ok());
}

TEST_F(InvitePermissionTest, InvitesThatAreThereAreNotTold) {
  const std::string room = CreateRoom(alice_);
  ASSERT_TRUE(Invite(alice_, room, bob_).ok());
  EXPECT_TRUE(
      Answer(server_.Get(bob_, "/_matrix/client/v3/sync"))["rooms"]["invite"]);
  Block(bob_, R"({"default_action":"block"})");
  EXPECT_FALSE(
      Answer(server_.Get(bob_, "/_matrix/client/v3/sync"))["rooms"]["invite"]);
  EXPECT_THAT(State(alice_, room, "m.room.member", bob_.user_id),
              HasSubstr("invite"));
}

// --- State events ---

class StateRulesTest : public ScenarioTest {
 protected:
  User alice_ = server_.Register("alice");
};

TEST_F(StateRulesTest, CanonicalAliasesLeadToTheRoom) {
  const std::string room = CreateRoom(alice_, R"({"room_alias_name":"den"})");
  CreateRoom(alice_, R"({"room_alias_name":"other"})");
  const auto set = [&](std::string content) {
    return SetState(alice_, room, "m.room.canonical_alias", std::move(content))
        .Outcome();
  };
  const std::string server = server_.server_name();
  EXPECT_EQ(set(fmt::format(R"({{"alias":"#other:{}"}})", server)),
            "400 M_BAD_ALIAS");
  EXPECT_EQ(set(fmt::format(R"({{"alt_aliases":["#no:{}"]}})", server)),
            "400 M_BAD_ALIAS");
  EXPECT_EQ(set(R"({"alias":"den"})"), "400 M_INVALID_PARAM");
  EXPECT_EQ(set(R"({"alias":7})"), "400 M_INVALID_PARAM");
  EXPECT_EQ(set(R"({"alt_aliases":"x"})"), "400 M_INVALID_PARAM");
  EXPECT_EQ(set(R"({"alt_aliases":[7]})"), "400 M_INVALID_PARAM");
  EXPECT_EQ(set(fmt::format(R"({{"alt_aliases":["#den:{}"]}})", server)),
            "200");
  EXPECT_EQ(set("{}"), "200");
}

TEST_F(StateRulesTest, AServerAclDoesNotShutTheOwnServerOut) {
  const std::string room = CreateRoom(alice_);
  const auto set = [&](std::string content) {
    return SetState(alice_, room, "m.room.server_acl", std::move(content))
        .Outcome();
  };
  EXPECT_EQ(set("{}"), "400 M_INVALID_PARAM");
  EXPECT_EQ(set(R"({"allow":["elsewhere.example"]})"), "400 M_INVALID_PARAM");
  EXPECT_EQ(set(fmt::format(R"({{"allow":["*"],"deny":["{}"]}})",
                            server_.server_name())),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(set(R"({"allow":["*"],"deny":["evil.example"]})"), "200");
  EXPECT_EQ(
      Answer(server_.Post(alice_, "/_matrix/client/v3/createRoom",
                          R"({"initial_state":[{"type":"m.room.server_acl",
                           "content":{"allow":[]}}]})"))
          .Outcome(),
      "400 M_INVALID_PARAM");
}

TEST_F(StateRulesTest, MembershipsThatThereAreNotAreRefused) {
  const std::string room = CreateRoom(alice_);
  for (const char* content :
       {R"({"membership":"other"})", R"({"membership":7})", "{}"}) {
    EXPECT_EQ(SetState(alice_, room, "m.room.member", content, alice_.user_id)
                  .Outcome(),
              "400 M_INVALID_PARAM");
  }
  EXPECT_EQ(SetState(alice_, room, "m.room.member",
                     R"({"membership":"invite"})", "@bob:elsewhere.example")
                .Outcome(),
            "403 M_FORBIDDEN");
}

// --- Third-party invites ---

TEST_F(StateRulesTest, AProofOfAThirdPartyGoesWithAnInviteOfTheRoom) {
  const std::string room = CreateRoom(alice_);
  const User bob = server_.Register("bob");
  const auto join = [&](std::string_view signed_json) {
    return Post(bob, room, "join",
                fmt::format(R"({{"third_party_signed":{}}})", signed_json))
        .Outcome();
  };
  const std::string proof = fmt::format(
      R"({{"mxid":"{}","sender":"{}","token":"t","signatures":
          {{"i.example":{{"ed25519:0":"AAAA"}}}}}})",
      bob.user_id, alice_.user_id);
  EXPECT_EQ(join(proof), "403 M_FORBIDDEN");
  EXPECT_EQ(join(R"({"token":"t"})"), "400 M_BAD_JSON");
  EXPECT_EQ(join("7"), "400 M_BAD_JSON");
  // An invite whose key did not sign.
  ASSERT_TRUE(
      SetState(alice_, room, "m.room.third_party_invite",
               R"({"display_name":"b","key_validity_url":"https://i.example",
                           "public_key":"1Zw3KkYTLWuwlSvdsoDmMLtPp2PWjdVkbcGVwGVDfxE"})",
               "t")
          .ok());
  EXPECT_EQ(join(proof), "403 M_FORBIDDEN");
}

}  // namespace
}  // namespace matrixcore
