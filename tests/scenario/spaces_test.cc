// Spec: client-server API, "Spaces".
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;

class SpacesTest : public ScenarioTest {
 protected:
  std::string Space(std::string_view name) {
    return CreateRoom(alice_, fmt::format(
                                  R"({{"preset":"public_chat","name":"{}",
             "creation_content":{{"type":"m.space"}}}})",
                                  name));
  }
  std::string Room(std::string_view name,
                   std::string_view preset = "public_chat") {
    return CreateRoom(
        alice_, fmt::format(R"({{"preset":"{}","name":"{}"}})", preset, name));
  }
  void AddChild(const std::string& space, const std::string& child,
                std::string_view more = "") {
    server_.Advance(seconds(1));
    EXPECT_TRUE(SetState(alice_, space, "m.space.child",
                         fmt::format(R"({{"via":["x"]{}}})", more), child)
                    .ok());
  }
  Answer Hierarchy(const User& user, const std::string& space,
                   std::string_view query = "") {
    return server_.Get(user,
                       fmt::format("/_matrix/client/v1/rooms/{}/hierarchy{}",
                                   PercentEncode(space), query));
  }
  static std::vector<std::string> Names(const Answer& answer) {
    std::vector<std::string> names;
    for (const json::Value room : answer["rooms"]) {
      names.emplace_back(room["name"].StringOr("?"));
    }
    return names;
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
};

TEST_F(SpacesTest, TheTreeIsWalkedDepthFirst) {
  const std::string top = Space("top");
  const std::string sub = Space("sub");
  AddChild(top, sub);
  AddChild(top, Room("last"));
  AddChild(sub, Room("inner"));
  const Answer answer = Hierarchy(bob_, top);
  EXPECT_THAT(Names(answer), ElementsAre("top", "sub", "inner", "last"));
  EXPECT_FALSE(answer["next_batch"]);
  EXPECT_EQ(answer["rooms"].at(0)["room_type"].StringOr(""), "m.space");
  EXPECT_EQ(answer["rooms"].at(2)["children_state"].raw(), "[]");
  const json::Value child = answer["rooms"].at(0)["children_state"].at(0);
  EXPECT_EQ(child["state_key"].StringOr(""), sub);
  EXPECT_EQ(child["type"].StringOr(""), "m.space.child");
  EXPECT_EQ(child["sender"].StringOr(""), alice_.user_id);
  EXPECT_EQ(child["content"].raw(), R"({"via":["x"]})");
  EXPECT_TRUE(child["origin_server_ts"].IsInteger());
}

// Spec: "Ordering of children within a space".
TEST_F(SpacesTest, ChildrenStandInOrder) {
  const std::string top = Space("top");
  AddChild(top, Room("early"));
  AddChild(top, Room("late"));
  AddChild(top, Room("bbb"), R"(,"order":"b")");
  AddChild(top, Room("space"), R"(,"order":" ")");
  AddChild(top, Room("number"), R"(,"order":3)");
  AddChild(top, Room("unprintable"), R"(,"order":"\u0007")");
  EXPECT_THAT(Names(Hierarchy(bob_, top)),
              ElementsAre("top", "space", "bbb", "early", "late", "number",
                          "unprintable"));
}

TEST_F(SpacesTest, AChildWithoutServersIsNone) {
  const std::string top = Space("top");
  const std::string room = Room("room");
  AddChild(top, room);
  ASSERT_TRUE(SetState(alice_, top, "m.space.child", "{}", room).ok());
  ASSERT_TRUE(
      SetState(alice_, top, "m.space.child", R"({"via":[]})", Room("b")).ok());
  ASSERT_TRUE(
      SetState(alice_, top, "m.space.child", R"({"via":"x"})", Room("c")).ok());
  const Answer answer = Hierarchy(bob_, top);
  EXPECT_THAT(Names(answer), ElementsAre("top"));
  EXPECT_EQ(answer["rooms"].at(0)["children_state"].raw(), "[]");
}

TEST_F(SpacesTest, OnlySpacesHaveChildren) {
  const std::string room = Room("room");
  AddChild(room, Room("child"));
  const Answer answer = Hierarchy(bob_, room);
  EXPECT_THAT(Names(answer), ElementsAre("room"));
  EXPECT_EQ(answer["rooms"].at(0)["children_state"].raw(), "[]");
}

TEST_F(SpacesTest, SuggestedOnlyAndDepthLimitTheTree) {
  const std::string top = Space("top");
  const std::string sub = Space("sub");
  AddChild(top, sub, R"(,"suggested":true)");
  AddChild(top, Room("plain"));
  AddChild(sub, Room("deep"), R"(,"suggested":true)");
  EXPECT_THAT(Names(Hierarchy(bob_, top, "?suggested_only=true")),
              ElementsAre("top", "sub", "deep"));
  const Answer flat = Hierarchy(bob_, top, "?max_depth=1");
  EXPECT_THAT(Names(flat), ElementsAre("top", "sub", "plain"));
  EXPECT_EQ(flat["rooms"].at(1)["children_state"].size(), 1u);
  EXPECT_THAT(Names(Hierarchy(bob_, top, "?max_depth=0")), ElementsAre("top"));
}

TEST_F(SpacesTest, LoopsEnd) {
  const std::string top = Space("top");
  const std::string sub = Space("sub");
  AddChild(top, sub);
  AddChild(sub, top);
  AddChild(sub, sub);
  EXPECT_THAT(Names(Hierarchy(bob_, top)), ElementsAre("top", "sub"));
}

TEST_F(SpacesTest, PagesFollowEachOtherAndKeepTheirParameters) {
  const std::string top = Space("top");
  for (const char* name : {"a", "b", "c"}) AddChild(top, Room(name));
  const Answer first = Hierarchy(bob_, top, "?limit=2");
  EXPECT_THAT(Names(first), ElementsAre("top", "a"));
  const std::string from = "&from=" + PercentEncode(first.String("next_batch"));
  const Answer second = Hierarchy(bob_, top, "?limit=2" + from);
  EXPECT_THAT(Names(second), ElementsAre("b", "c"));
  EXPECT_FALSE(second["next_batch"]);
  EXPECT_EQ(Hierarchy(bob_, top, "?max_depth=1" + from).Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(Hierarchy(bob_, top, "?suggested_only=true" + from).Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(Hierarchy(alice_, top, "?limit=2" + from).Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(Hierarchy(bob_, top, "?from=h2.x").Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(Hierarchy(bob_, top, "?limit=0").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Hierarchy(bob_, top, "?max_depth=-1").Outcome(),
            "400 M_INVALID_PARAM");
}

TEST_F(SpacesTest, RoomsAreShownToWhoMaySeeThem) {
  const std::string top = Space("top");
  const std::string invited = Room("invited", "private_chat");
  const std::string readable = CreateRoom(alice_, R"({"name":"readable",
      "initial_state":[{"type":"m.room.history_visibility",
        "content":{"history_visibility":"world_readable"}}]})");
  const std::string restricted = CreateRoom(
      alice_,
      fmt::format(
          R"({{"name":"restricted","initial_state":[{{"type":"m.room.join_rules",
          "content":{{"join_rule":"knock_restricted","allow":[
            {{"type":"m.room_membership","room_id":"{}"}}]}}}}]}})",
          top));
  const std::string members = CreateRoom(
      alice_,
      fmt::format(
          R"({{"name":"members","initial_state":[{{"type":"m.room.join_rules",
          "content":{{"join_rule":"restricted","allow":[
            {{"type":"m.room_membership","room_id":"{}"}}]}}}}]}})",
          top));
  AddChild(top, Room("secret", "private_chat"));
  AddChild(top, invited);
  AddChild(top, readable);
  AddChild(top, restricted);
  AddChild(top, members);
  ASSERT_TRUE(Invite(alice_, invited, bob_).ok());
  EXPECT_THAT(Names(Hierarchy(bob_, top)),
              ElementsAre("top", "invited", "readable", "restricted"));
  ASSERT_TRUE(Join(bob_, top).ok());
  EXPECT_THAT(
      Names(Hierarchy(bob_, top)),
      ElementsAre("top", "invited", "readable", "restricted", "members"));
}

TEST_F(SpacesTest, ASpaceThatMayNotBeSeenIsForbiddenLikeNone) {
  const std::string hidden =
      CreateRoom(alice_, R"({"creation_content":{"type":"m.space"}})");
  EXPECT_EQ(Hierarchy(bob_, hidden).Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Hierarchy(bob_, "!nowhere:x").Outcome(), "403 M_FORBIDDEN");
  const std::string open = Space("open");
  ASSERT_TRUE(Post(alice_, open, "ban",
                   fmt::format(R"({{"user_id":"{}"}})", bob_.user_id))
                  .ok());
  EXPECT_EQ(Hierarchy(bob_, open).Outcome(), "403 M_FORBIDDEN");
}

// Spec: "Restricted rooms": a member of an allowed room joins without an
// invite.
TEST_F(SpacesTest, MembersOfASpaceJoinItsRestrictedRooms) {
  const std::string top = Space("top");
  for (const auto& [version, rule] : {std::pair("8", "restricted"),
                                      {"10", "knock_restricted"},
                                      {"12", "restricted"}}) {
    const std::string room = CreateRoom(
        alice_,
        fmt::format(
            R"({{"room_version":"{}","initial_state":[{{"type":"m.room.join_rules",
            "content":{{"join_rule":"{}","allow":[
              {{"type":"m.room_membership","room_id":"{}"}}]}}}}]}})",
            version, rule, top));
    const User member = server_.Register(fmt::format("member{}", version));
    EXPECT_EQ(Join(member, room).Outcome(), "403 M_FORBIDDEN");
    ASSERT_TRUE(Join(member, top).ok());
    EXPECT_TRUE(Join(member, room).ok()) << version;
    EXPECT_THAT(
        State(member, room, "m.room.member", member.user_id),
        testing::HasSubstr(fmt::format(
            R"("join_authorised_via_users_server":"{}")", alice_.user_id)));
  }
}

// Who stands for a join is the server's to say, not the client's.
TEST_F(SpacesTest, AJoinBySettingStateIsJudgedLikeAnyOther) {
  const std::string top = Space("top");
  const std::string room =
      CreateRoom(alice_, fmt::format(
                             R"({{"initial_state":[{{"type":"m.room.join_rules",
          "content":{{"join_rule":"restricted","allow":[
            {{"type":"m.room_membership","room_id":"{}"}}]}}}}]}})",
                             top));
  const std::string forged = fmt::format(
      R"({{"membership":"join","join_authorised_via_users_server":"{}"}})",
      alice_.user_id);
  EXPECT_EQ(
      SetState(bob_, room, "m.room.member", forged, bob_.user_id).Outcome(),
      "403 M_FORBIDDEN");
  ASSERT_TRUE(Join(bob_, top).ok());
  EXPECT_TRUE(SetState(bob_, room, "m.room.member", R"({"membership":"join"})",
                       bob_.user_id)
                  .ok());
}

}  // namespace
}  // namespace matrixcore
