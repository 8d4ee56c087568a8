// Spec: client-server API, "Room Upgrades".
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class UpgradeTest : public ScenarioTest {
 protected:
  Answer Upgrade(const User& user, const std::string& room,
                 std::string_view version, std::string_view more = "") {
    return Post(user, room, "upgrade",
                fmt::format(R"({{"new_version":"{}"{}}})", version, more));
  }
  std::string Replace(const std::string& room, std::string_view version,
                      std::string_view more = "") {
    const Answer answer = Upgrade(alice_, room, version, more);
    EXPECT_TRUE(answer.ok()) << answer.text();
    return answer.String("replacement_room");
  }
  std::string AccountData(const User& user, std::string_view path) {
    const Answer answer =
        server_.Get(user, fmt::format("/_matrix/client/v3/user/{}/{}",
                                      PercentEncode(user.user_id), path));
    return answer.ok() ? answer.text() : "";
  }
  void PutUserData(const User& user, std::string_view path, std::string body) {
    EXPECT_TRUE(
        Answer(server_.Put(user,
                           fmt::format("/_matrix/client/v3/user/{}/{}",
                                       PercentEncode(user.user_id), path),
                           std::move(body)))
            .ok());
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
};

TEST_F(UpgradeTest, TheNewRoomHasTheOldOnesState) {
  const std::string old_room = CreateRoom(alice_, R"({"preset":"public_chat",
      "room_version":"10","name":"Den","topic":"t","creation_content":
        {"type":"m.space","m.federate":false,"org.test":1},"initial_state":[
        {"type":"m.room.avatar","content":{"url":"mxc://x/a"}},
        {"type":"m.room.encryption",
         "content":{"algorithm":"m.megolm.v1.aes-sha2"}},
        {"type":"m.room.server_acl","content":{"allow":["*"]}},
        {"type":"m.room.guest_access","content":{"guest_access":"can_join"}},
        {"type":"m.room.history_visibility",
         "content":{"history_visibility":"joined"}},
        {"type":"org.test.sensitive","content":{"a":1}}]})");
  ASSERT_TRUE(Join(bob_, old_room).ok());
  const std::string last = Say(bob_, old_room, "last words");
  const std::string room = Replace(old_room, "11");
  EXPECT_EQ(State(alice_, room, "m.room.create"),
            fmt::format(R"({{"m.federate":false,"predecessor":{{)"
                        R"("event_id":"{}","room_id":"{}"}},)"
                        R"("room_version":"11","type":"m.space"}})",
                        last, old_room));
  for (const char* type :
       {"m.room.server_acl", "m.room.encryption", "m.room.name",
        "m.room.avatar", "m.room.topic", "m.room.guest_access",
        "m.room.history_visibility", "m.room.join_rules"}) {
    EXPECT_EQ(State(alice_, room, type), State(alice_, old_room, type)) << type;
    EXPECT_NE(State(alice_, room, type), "") << type;
  }
  EXPECT_THAT(
      State(alice_, room, "m.room.power_levels"),
      HasSubstr(fmt::format(R"("users":{{"{}":100}})", alice_.user_id)));
  EXPECT_EQ(State(alice_, room, "org.test.sensitive"), "");
  // Memberships stay where they are.
  EXPECT_EQ(State(alice_, room, "m.room.member", bob_.user_id), "");
  EXPECT_EQ(State(alice_, old_room, "m.room.tombstone"),
            fmt::format(R"({{"body":"This room has been replaced",)"
                        R"("replacement_room":"{}"}})",
                        room));
}

TEST_F(UpgradeTest, EveryVersionLeadsToEveryOther) {
  for (const std::string_view from : {"1", "5", "8", "11", "12"}) {
    for (const std::string_view to : {"1", "6", "10", "11", "12"}) {
      const std::string old_room =
          CreateRoom(alice_, fmt::format(R"({{"room_version":"{}"}})", from));
      const std::string room = Replace(old_room, to);
      EXPECT_THAT(State(alice_, room, "m.room.create"),
                  HasSubstr(fmt::format(R"("room_version":"{}")", to)))
          << from << " to " << to;
      // Its maker has power in it.
      EXPECT_TRUE(SetState(alice_, room, "m.room.name", R"({"name":"n"})").ok())
          << from << " to " << to;
    }
  }
}

// Spec: m.room.tombstone is a state event: one that is sent as a message is one
// like any other.
TEST_F(UpgradeTest, ATombstoneThatIsNoStateReplacesNothing) {
  const std::string old_room =
      CreateRoom(alice_, R"({"preset":"public_chat","room_version":"11"})");
  ASSERT_TRUE(Join(bob_, old_room).ok());
  const std::string room = CreateRoom(
      alice_, fmt::format(R"({{"preset":"public_chat","room_version":"11",
          "creation_content":{{"predecessor":{{"room_id":"{}"}}}}}})",
                          old_room));
  PutUserData(bob_, "rooms/" + PercentEncode(old_room) + "/tags/u.x", "{}");
  const Answer sent =
      Put(alice_, old_room, "send/m.room.tombstone/t",
          fmt::format(R"({{"body":"","replacement_room":"{}"}})", room));
  ASSERT_TRUE(sent.ok()) << sent.text();
  EXPECT_EQ(State(bob_, old_room, "m.room.tombstone"), "");
  ASSERT_TRUE(Join(bob_, room).ok());
  EXPECT_EQ(AccountData(bob_, "rooms/" + PercentEncode(room) + "/tags"),
            R"({"tags":{}})");
  // The push rule of tombstones is for state events.
  const Answer notices =
      server_.Get(bob_, "/_matrix/client/v3/notifications?only=highlight");
  EXPECT_EQ(notices["notifications"].size(), 0u) << notices.text();
  // It takes the power that a tombstone takes.
  EXPECT_EQ(Put(bob_, old_room, "send/m.room.tombstone/t", "{}").Outcome(),
            "403 M_FORBIDDEN");
}

TEST_F(UpgradeTest, TheOldRoomIsForReadingOnly) {
  const std::string old_room =
      CreateRoom(alice_, R"({"preset":"public_chat","room_version":"11",
          "power_level_content_override":{"users_default":60}})");
  ASSERT_TRUE(Join(bob_, old_room).ok());
  Replace(old_room, "12");
  EXPECT_THAT(State(alice_, old_room, "m.room.power_levels"),
              testing::AllOf(HasSubstr(R"("events_default":61)"),
                             HasSubstr(R"("invite":61)")));
  EXPECT_EQ(Put(bob_, old_room, "send/m.room.message/x",
                R"({"body":"b","msgtype":"m.text"})")
                .Outcome(),
            "403 M_FORBIDDEN");
}

TEST_F(UpgradeTest, Version12HasItsCreatorsAboveAll) {
  const std::string old_room = CreateRoom(
      alice_,
      fmt::format(
          R"({{"preset":"trusted_private_chat","room_version":"11","invite":["{}"]}})",
          bob_.user_id));
  const std::string room =
      Replace(old_room, "12",
              fmt::format(R"(,"additional_creators":["{}","{}"])", bob_.user_id,
                          alice_.user_id));
  EXPECT_THAT(
      State(alice_, room, "m.room.create"),
      HasSubstr(fmt::format(R"("additional_creators":["{}"])", bob_.user_id)));
  const std::string levels = State(alice_, room, "m.room.power_levels");
  EXPECT_THAT(levels, HasSubstr(R"("users":{})"));
  EXPECT_THAT(levels, HasSubstr(R"("m.room.tombstone":150)"));
  // Not taken over by the next one; in older versions they keep their power.
  const std::string next = Replace(room, "12");
  EXPECT_THAT(State(alice_, next, "m.room.create"),
              Not(HasSubstr("additional_creators")));
  const std::string back = Replace(room, "11");
  EXPECT_THAT(State(alice_, back, "m.room.power_levels"),
              HasSubstr(fmt::format(R"("users":{{"{}":150,"{}":150}})",
                                    alice_.user_id, bob_.user_id)));
}

// Levels as strings are gone from version 10 on.
TEST_F(UpgradeTest, PowerLevelsBecomeIntegers) {
  const std::string old_room = CreateRoom(alice_, R"({"room_version":"6",
      "power_level_content_override":{"kick":"55","events":{"m.room.name":"70"}}})");
  const std::string levels =
      State(alice_, Replace(old_room, "10"), "m.room.power_levels");
  EXPECT_THAT(levels, HasSubstr(R"("kick":55)"));
  EXPECT_THAT(levels, HasSubstr(R"("m.room.name":70)"));
}

TEST_F(UpgradeTest, AModeratorUpgradesWithoutGainingPower) {
  const std::string old_room =
      CreateRoom(alice_, fmt::format(
                             R"({{"preset":"public_chat","room_version":"10",
           "power_level_content_override":{{"users":{{"{}":100,"{}":50}},
             "events":{{"m.room.tombstone":50,"m.room.power_levels":100}}}}}})",
                             alice_.user_id, bob_.user_id));
  ASSERT_TRUE(Join(bob_, old_room).ok());
  const Answer answer = Upgrade(bob_, old_room, "11");
  ASSERT_TRUE(answer.ok()) << answer.text();
  const std::string levels =
      State(bob_, answer.String("replacement_room"), "m.room.power_levels");
  EXPECT_THAT(levels, HasSubstr(fmt::format(R"("{}":50)", bob_.user_id)));
  EXPECT_THAT(levels, HasSubstr(fmt::format(R"("{}":100)", alice_.user_id)));
  // The old room's levels are not his to change.
  EXPECT_THAT(State(bob_, old_room, "m.room.power_levels"),
              HasSubstr(R"("events_default":0)"));
}

TEST_F(UpgradeTest, BansStayBans) {
  const std::string old_room =
      CreateRoom(alice_, R"({"preset":"public_chat"})");
  ASSERT_TRUE(
      Post(alice_, old_room, "ban",
           fmt::format(R"({{"user_id":"{}","reason":"spam"}})", bob_.user_id))
          .ok());
  const std::string room = Replace(old_room, "11");
  EXPECT_EQ(State(alice_, room, "m.room.member", bob_.user_id),
            R"({"membership":"ban","reason":"spam"})");
  EXPECT_EQ(Join(bob_, room).Outcome(), "403 M_FORBIDDEN");
}

// Neither a ban of someone with power nor one of a new creator is in the way.
TEST_F(UpgradeTest, BansOfThePowerfulStayBansToo) {
  const std::string old_room = CreateRoom(
      alice_, fmt::format(R"({{"preset":"public_chat","room_version":"12",
                       "power_level_content_override":{{"users":{{"{}":100}}}}}})",
                          bob_.user_id));
  ASSERT_TRUE(Post(alice_, old_room, "ban",
                   fmt::format(R"({{"user_id":"{}"}})", bob_.user_id))
                  .ok());
  for (const std::string_view version : {"11", "12"}) {
    const std::string room = Replace(old_room, version);
    EXPECT_EQ(State(alice_, room, "m.room.member", bob_.user_id),
              R"({"membership":"ban"})")
        << version;
    EXPECT_THAT(State(alice_, room, "m.room.power_levels"),
                Not(HasSubstr("151")));
  }
  const std::string room =
      Replace(old_room, "12",
              fmt::format(R"(,"additional_creators":["{}"])", bob_.user_id));
  EXPECT_EQ(State(alice_, room, "m.room.member", bob_.user_id), "");
}

TEST_F(UpgradeTest, AliasesAndThePlaceInTheDirectoryMove) {
  const std::string old_room = CreateRoom(alice_, R"({"visibility":"public",
      "room_alias_name":"den"})");
  const std::string alias = "#den:" + server_.server_name();
  const std::string path =
      "/_matrix/client/v3/directory/room/" + PercentEncode(alias);
  const std::string room = Replace(old_room, "12");
  EXPECT_EQ(Answer(server_.Get(bob_, path)).String("room_id"), room);
  EXPECT_EQ(State(alice_, room, "m.room.canonical_alias"),
            fmt::format(R"({{"alias":"{}"}})", alias));
  EXPECT_EQ(State(alice_, old_room, "m.room.canonical_alias"), "{}");
  EXPECT_EQ(Get(alice_, old_room, "aliases")["aliases"].size(), 0u);
  EXPECT_EQ(Get(alice_, room, "aliases")["aliases"].size(), 1u);
  const Answer listed =
      server_.Call(HttpMethod::kGet, "/_matrix/client/v3/publicRooms");
  ASSERT_EQ(listed["chunk"].size(), 1u);
  EXPECT_EQ(listed["chunk"].at(0)["room_id"].StringOr(""), room);
  EXPECT_TRUE(Answer(server_.Delete(alice_, path)).ok());
}

TEST_F(UpgradeTest, JoinRulesThatAVersionLacksBecomeStricter) {
  const auto rule_in = [&](std::string_view rule, std::string_view version) {
    const std::string old_room = CreateRoom(
        alice_,
        fmt::format(
            R"({{"room_version":"10","initial_state":[{{"type":"m.room.join_rules",
            "content":{{"join_rule":"{}","allow":[]}}}}]}})",
            rule));
    return State(alice_, Replace(old_room, version), "m.room.join_rules");
  };
  EXPECT_THAT(rule_in("knock", "6"), HasSubstr(R"("join_rule":"invite")"));
  EXPECT_THAT(rule_in("restricted", "7"), HasSubstr(R"("join_rule":"invite")"));
  EXPECT_THAT(rule_in("knock_restricted", "9"),
              HasSubstr(R"("join_rule":"restricted")"));
  EXPECT_THAT(rule_in("knock_restricted", "12"),
              HasSubstr(R"("join_rule":"knock_restricted")"));
}

TEST_F(UpgradeTest, WhoMayNotIsRefused) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat"})");
  EXPECT_EQ(Upgrade(bob_, room, "11").Outcome(), "403 M_FORBIDDEN");
  ASSERT_TRUE(Join(bob_, room).ok());
  EXPECT_EQ(Upgrade(bob_, room, "11").Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Upgrade(alice_, "!nowhere:x", "11").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(Upgrade(alice_, room, "99").Outcome(),
            "400 M_UNSUPPORTED_ROOM_VERSION");
  EXPECT_EQ(Post(alice_, room, "upgrade").Outcome(), "400 M_MISSING_PARAM");
  EXPECT_EQ(Upgrade(alice_, room, "12", R"(,"additional_creators":["bob"])")
                .Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(
      Upgrade(alice_, room, "12", R"(,"additional_creators":"bob")").Outcome(),
      "400 M_BAD_JSON");
  // Ignored where there are none.
  EXPECT_TRUE(
      Upgrade(alice_, room, "11", R"(,"additional_creators":["bob"])").ok());
}

TEST_F(UpgradeTest, WhoComesOverKeepsTheirSettings) {
  const std::string old_room =
      CreateRoom(alice_, R"({"preset":"public_chat"})");
  ASSERT_TRUE(Join(bob_, old_room).ok());
  const std::string id = PercentEncode(old_room);
  PutUserData(bob_, fmt::format("rooms/{}/tags/m.favourite", id),
              R"({"order":0.5})");
  PutUserData(bob_, "account_data/m.direct",
              fmt::format(R"({{"{}":["{}"]}})", alice_.user_id, old_room));
  ASSERT_TRUE(
      Answer(server_.Put(bob_, "/_matrix/client/v3/pushrules/global/room/" + id,
                         R"({"actions":["notify"]})"))
          .ok());
  const std::string room = Replace(old_room, "12");
  ASSERT_TRUE(Join(bob_, room).ok());
  EXPECT_EQ(
      AccountData(bob_, fmt::format("rooms/{}/tags", PercentEncode(room))),
      R"({"tags":{"m.favourite":{"order":0.5}}})");
  EXPECT_EQ(
      AccountData(bob_, "account_data/m.direct"),
      fmt::format(R"({{"{}":["{}","{}"]}})", alice_.user_id, old_room, room));
  EXPECT_TRUE(Answer(server_.Get(bob_,
                                 "/_matrix/client/v3/pushrules/global/"
                                 "room/" +
                                     PercentEncode(room)))
                  .ok());
}

// Anybody can name a predecessor; only its own tombstone makes it one.
TEST_F(UpgradeTest, ARoomThatOnlyClaimsToReplaceAnotherTakesNothing) {
  const std::string old_room = CreateRoom(bob_);
  PutUserData(bob_,
              fmt::format("rooms/{}/tags/m.favourite", PercentEncode(old_room)),
              "{}");
  const std::string room =
      CreateRoom(alice_, fmt::format(
                             R"({{"preset":"public_chat","creation_content":{{
          "predecessor":{{"room_id":"{}"}}}}}})",
                             old_room));
  ASSERT_TRUE(Join(bob_, room).ok());
  EXPECT_EQ(
      AccountData(bob_, fmt::format("rooms/{}/tags", PercentEncode(room))),
      R"({"tags":{}})");
}

TEST_F(UpgradeTest, ARoomCannotBeReplacedByItself) {
  const std::string room = CreateRoom(alice_);
  const auto tombstone = [&](std::string_view replacement) {
    return SetState(alice_, room, "m.room.tombstone",
                    fmt::format(R"({{"replacement_room":"{}"}})", replacement))
        .Outcome();
  };
  EXPECT_EQ(tombstone(room), "400 M_INVALID_PARAM");
  EXPECT_EQ(tombstone(CreateRoom(alice_)), "200");
}

}  // namespace
}  // namespace matrixcore
