// Spec: client-server API, "Room membership".
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class MembershipTest : public ScenarioTest {
 protected:
  Answer Change(const User& user, std::string_view what, const User& target) {
    return Post(user, room_, what,
                fmt::format(R"({{"user_id":"{}","reason":"because"}})",
                            target.user_id));
  }
  std::vector<std::string> JoinedRooms(const User& user) {
    std::vector<std::string> rooms;
    const Answer answer = server_.Get(user, "/_matrix/client/v3/joined_rooms");
    for (const json::Value room : answer["joined_rooms"]) {
      rooms.emplace_back(room.StringOr(""));
    }
    return rooms;
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  User carol_ = server_.Register("carol");
  std::string room_ = CreateRoom(alice_);
};

TEST_F(MembershipTest, InvitedUsersJoin) {
  EXPECT_EQ(Join(bob_, room_).Outcome(), "403 M_FORBIDDEN");
  EXPECT_TRUE(Invite(alice_, room_, bob_).ok());
  EXPECT_EQ(Join(bob_, room_).String("room_id"), room_);
  EXPECT_THAT(JoinedRooms(bob_), UnorderedElementsAre(room_));
  EXPECT_TRUE(Join(bob_, room_).ok()) << "joining twice is no error";
  EXPECT_EQ(Invite(alice_, room_, bob_).Outcome(), "403 M_FORBIDDEN");
}

TEST_F(MembershipTest, AJoinMaySayMore) {
  ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
  ASSERT_TRUE(Post(bob_, room_, "join", R"({"reason":"why not","org.test":[1],
      "membership":"ban","displayname":"Mallory","is_direct":true,
      "join_authorised_via_users_server":"@alice:fake.example"})")
                  .ok());
  EXPECT_EQ(State(alice_, room_, "m.room.member", bob_.user_id),
            R"({"membership":"join","org.test":[1],"reason":"why not"})");
}

TEST_F(MembershipTest, StrangersMayNeitherInviteNorLookIn) {
  EXPECT_EQ(Invite(bob_, room_, carol_).Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Get(bob_, room_, "state").Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Get(bob_, room_, "messages?dir=b").Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Get(bob_, room_, "members").Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Get(bob_, room_, "joined_members").Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Get(bob_, "!other:x", "state").Outcome(), "403 M_FORBIDDEN");
}

TEST_F(MembershipTest, UnknownRooms) {
  EXPECT_EQ(Join(bob_, "!nowhere:localhost").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(Join(bob_, "nonsense").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Join(bob_, "#nowhere:localhost").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(Post(bob_, "!nowhere:localhost", "leave").Outcome(),
            "403 M_FORBIDDEN");
}

TEST_F(MembershipTest, LeavingEndsTheViewWhereItWas) {
  ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
  ASSERT_TRUE(Join(bob_, room_).ok());
  ASSERT_TRUE(
      SetState(alice_, room_, "m.room.topic", R"({"topic":"then"})").ok());
  ASSERT_TRUE(Post(bob_, room_, "leave", R"({"reason":"tired"})").ok());
  ASSERT_TRUE(
      SetState(alice_, room_, "m.room.topic", R"({"topic":"now"})").ok());
  EXPECT_EQ(State(bob_, room_, "m.room.topic"), R"({"topic":"then"})");
  EXPECT_THAT(State(alice_, room_, "m.room.member", bob_.user_id),
              HasSubstr(R"("reason":"tired")"));
  EXPECT_EQ(Get(bob_, room_, "joined_members").Outcome(), "403 M_FORBIDDEN");
  EXPECT_TRUE(JoinedRooms(bob_).empty());
}

TEST_F(MembershipTest, KickingNeedsPowerAndATarget) {
  ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
  ASSERT_TRUE(Join(bob_, room_).ok());
  EXPECT_EQ(Change(bob_, "kick", alice_).Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Change(alice_, "kick", carol_).Outcome(), "403 M_FORBIDDEN");
  EXPECT_TRUE(Change(alice_, "kick", bob_).ok());
  EXPECT_THAT(State(alice_, room_, "m.room.member", bob_.user_id),
              HasSubstr(R"("membership":"leave")"));
  EXPECT_EQ(Join(bob_, room_).Outcome(), "403 M_FORBIDDEN");
}

// Who is not in the room learns from no errcode who is in it, or banned.
TEST_F(MembershipTest, StrangersLearnNothingByKickingAndUnbanning) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat"})");
  Join(bob_, room);
  const auto outcome = [&](std::string_view what, const User& target) {
    return Post(carol_, room, what,
                fmt::format(R"({{"user_id":"{}"}})", target.user_id))
        .Outcome();
  };
  for (const char* what : {"kick", "unban", "ban"}) {
    for (const User& target : {alice_, bob_}) {
      EXPECT_EQ(outcome(what, target), "403 M_FORBIDDEN") << what;
    }
    EXPECT_EQ(Post(carol_, room, what, R"({"user_id":"@nobody:fake.example"})")
                  .Outcome(),
              "403 M_FORBIDDEN")
        << what;
  }
  Post(alice_, room, "ban", fmt::format(R"({{"user_id":"{}"}})", bob_.user_id));
  for (const char* what : {"kick", "unban", "ban"}) {
    EXPECT_EQ(outcome(what, bob_), "403 M_FORBIDDEN") << what;
  }
}

TEST_F(MembershipTest, BannedUsersStayOutUntilUnbanned) {
  EXPECT_EQ(Change(alice_, "unban", bob_).Outcome(), "403 M_BAD_STATE");
  EXPECT_TRUE(Change(alice_, "ban", bob_).ok());
  EXPECT_TRUE(Change(alice_, "ban", bob_).ok()) << "banning twice is no error";
  EXPECT_EQ(Invite(alice_, room_, bob_).Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Change(alice_, "kick", bob_).Outcome(), "403 M_BAD_STATE");
  EXPECT_TRUE(Change(alice_, "unban", bob_).ok());
  EXPECT_TRUE(Invite(alice_, room_, bob_).ok());
  EXPECT_TRUE(Join(bob_, room_).ok());
}

TEST_F(MembershipTest, ForgottenRoomsAreGone) {
  ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
  ASSERT_TRUE(Join(bob_, room_).ok());
  EXPECT_EQ(Post(bob_, room_, "forget").Outcome(), "400 M_UNKNOWN");
  ASSERT_TRUE(Post(bob_, room_, "leave").ok());
  EXPECT_TRUE(Get(bob_, room_, "messages?dir=b").ok());
  EXPECT_TRUE(Post(bob_, room_, "forget").ok());
  EXPECT_EQ(Get(bob_, room_, "messages?dir=b").Outcome(), "403 M_FORBIDDEN");
  ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
  ASSERT_TRUE(Join(bob_, room_).ok());
  EXPECT_TRUE(Get(bob_, room_, "messages?dir=b").ok());
}

TEST_F(MembershipTest, RejectedInvitesShowNothing) {
  ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
  ASSERT_TRUE(Post(bob_, room_, "leave").ok());
  EXPECT_EQ(Get(bob_, room_, "state").Outcome(), "403 M_FORBIDDEN");
}

TEST_F(MembershipTest, KnockingAsksForAnInvite) {
  EXPECT_EQ(Answer(server_.Post(bob_, "/_matrix/client/v3/knock/" +
                                          PercentEncode(room_)))
                .Outcome(),
            "403 M_FORBIDDEN");
  ASSERT_TRUE(
      SetState(alice_, room_, "m.room.join_rules", R"({"join_rule":"knock"})")
          .ok());
  EXPECT_TRUE(Answer(server_.Post(bob_, "/_matrix/client/v3/knock/" +
                                            PercentEncode(room_)))
                  .ok());
  EXPECT_TRUE(Invite(alice_, room_, bob_).ok());
  EXPECT_TRUE(Join(bob_, room_).ok());
}

TEST_F(MembershipTest, MembersOfAnAllowedRoomMayJoinARestrictedOne) {
  const std::string club = CreateRoom(alice_, R"({"preset":"public_chat"})");
  ASSERT_TRUE(SetState(alice_, room_, "m.room.join_rules",
                       fmt::format(R"({{"join_rule":"restricted","allow":[
                         {{"type":"m.room_membership","room_id":"{}"}}]}})",
                                   club))
                  .ok());
  EXPECT_EQ(Join(bob_, room_).Outcome(), "403 M_FORBIDDEN");
  ASSERT_TRUE(Join(bob_, club).ok());
  EXPECT_TRUE(Join(bob_, room_).ok());
  EXPECT_THAT(
      State(alice_, room_, "m.room.member", bob_.user_id),
      HasSubstr(fmt::format(R"("join_authorised_via_users_server":"{}")",
                            alice_.user_id)));
}

TEST_F(MembershipTest, MembersAreFilteredByMembership) {
  ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
  ASSERT_TRUE(Join(bob_, room_).ok());
  ASSERT_TRUE(Invite(alice_, room_, carol_).ok());
  const auto count = [&](std::string_view query) {
    return Get(alice_, room_, fmt::format("members{}", query))["chunk"].size();
  };
  EXPECT_EQ(count(""), 3u);
  EXPECT_EQ(count("?membership=join"), 2u);
  EXPECT_EQ(count("?membership=invite"), 1u);
  EXPECT_EQ(count("?not_membership=join"), 1u);
  EXPECT_EQ(Get(alice_, room_, "members?membership=what").Outcome(),
            "400 M_INVALID_PARAM");
  const Answer joined = Get(bob_, room_, "joined_members");
  EXPECT_EQ(joined["joined"].size(), 2u);
}

TEST_F(MembershipTest, ProfilesShowInMemberEvents) {
  ASSERT_TRUE(
      Answer(server_.Put(alice_,
                         "/_matrix/client/v3/profile/" +
                             PercentEncode(alice_.user_id) + "/displayname",
                         R"({"displayname":"Alice \"A\" Liddell"})"))
          .ok());
  server_.Settle();
  EXPECT_THAT(State(alice_, room_, "m.room.member", alice_.user_id),
              HasSubstr(R"("displayname":"Alice \"A\" Liddell")"));
  const std::string room = CreateRoom(alice_);
  EXPECT_THAT(State(alice_, room, "m.room.member", alice_.user_id),
              HasSubstr(R"("displayname":"Alice \"A\" Liddell")"));
}

}  // namespace
}  // namespace matrixcore
