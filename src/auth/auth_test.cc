// The rules that look at the room's state: each at its edges.
#include "matrixcore/auth/auth.h"

#include <gtest/gtest.h>

#include <string>

#include "auth/test_state.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/crypto/ed25519.h"

namespace matrixcore {
namespace {

constexpr const char* kModLevels =
    R"({"users":{"@admin:x":100,"@mod:x":50,"@mod2:x":50}})";

TestState Room(std::string_view version) {
  TestState room(version);
  room.Levels(room.rules().creators_above_all
                  ? R"({"users":{"@mod:x":50,"@mod2:x":50}})"
                  : kModLevels);
  room.JoinRule("public");
  for (const char* user : {"@mod:x", "@mod2:x", "@bob:x"}) room.Join(user);
  return room;
}

TestEvent Topic(const std::string& sender, const std::string& state_key = "") {
  return {.type = "m.room.topic", .sender = sender, .state_key = state_key};
}
TestEvent Message(const std::string& sender) {
  return {.type = "m.room.message", .sender = sender};
}
TestEvent Levels(const std::string& sender, const std::string& content,
                 const std::string& state_key = "") {
  return {.type = "m.room.power_levels",
          .sender = sender,
          .state_key = state_key,
          .content = content};
}

TEST(AuthTest, NeedsACreateEvent) {
  for (const char* version : {"1", "11", "12"}) {
    TestState room = Room(version);
    room.Remove("m.room.create", "");
    EXPECT_EQ(room.Judge(Message("@bob:x")), Rule::kAuthEventsNoCreate);
  }
}

TEST(AuthTest, RoomIdOfVersionTwelveNamesTheCreateEvent) {
  TestState room = Room("12");
  TestEvent message = Message("@bob:x");
  EXPECT_EQ(room.Judge(message), Rule::kAllowed);
  message.room_id = "!other";
  EXPECT_EQ(room.Judge(message), Rule::kRoomIdNotCreate);
  EXPECT_EQ(Room("11").Judge(message), Rule::kAllowed);
}

TEST(AuthTest, OnlyAnExplicitFalseBlocksFederation) {
  for (const char* value : {"false", "true", "\"false\"", "0", "null"}) {
    TestState room = Room("10");
    room.Put({.type = "m.room.create",
              .sender = "@admin:x",
              .state_key = "",
              .content = std::string(R"({"creator":"@admin:x","m.federate":)") +
                         value + "}",
              .id = "$r:x"});
    room.Join("@far:y");
    EXPECT_EQ(room.Judge(Message("@far:y")), std::string(value) == "false"
                                                 ? Rule::kNotFederated
                                                 : Rule::kAllowed)
        << value;
    EXPECT_EQ(room.Judge(Message("@bob:x")), Rule::kAllowed);
    // A remote target is nobody's sender.
    EXPECT_EQ(room.JudgeMember("@mod:x", "@new:y", "invite"), Rule::kAllowed);
    EXPECT_EQ(room.JudgeMember("@mod:x", "@new:y", "ban"), Rule::kAllowed);
  }
}

TEST(AuthTest, AliasesUntilVersionFive) {
  const TestEvent own = {
      .type = "m.room.aliases", .sender = "@stranger:y", .state_key = "y"};
  TestEvent other = own;
  other.state_key = "x";
  TestEvent none = own;
  none.state_key.reset();
  EXPECT_EQ(Room("5").Judge(own), Rule::kAllowed);
  EXPECT_EQ(Room("5").Judge(other), Rule::kAliasesWrongDomain);
  EXPECT_EQ(Room("5").Judge(none), Rule::kAliasesNoStateKey);
  EXPECT_EQ(Room("6").Judge(own), Rule::kSenderNotJoined);
}

TEST(AuthTest, MemberNeedsStateKeyAndMembership) {
  const TestState room = Room("10");
  EXPECT_EQ(room.Judge({.type = "m.room.member",
                        .sender = "@bob:x",
                        .content = R"({"membership":"join"})"}),
            Rule::kMemberMalformed);
  EXPECT_EQ(
      room.Judge(
          {.type = "m.room.member", .sender = "@bob:x", .state_key = "@bob:x"}),
      Rule::kMemberMalformed);
  EXPECT_EQ(room.JudgeMember("@bob:x", "@bob:x", "dance"),
            Rule::kMemberUnknown);
}

// The creator's first join comes before everything else.
TEST(AuthTest, CreatorsFirstJoin) {
  for (const char* version : {"1", "10", "11", "12"}) {
    TestState room(version);
    room.Member("@admin:x", "ban");
    TestEvent join = {.type = "m.room.member",
                      .sender = "@admin:x",
                      .state_key = "@admin:x",
                      .content = R"({"membership":"join"})",
                      .prev_events = R"(["$r:x"])"};
    EXPECT_EQ(room.Judge(join), Rule::kAllowed) << version;
    join.prev_events = R"(["$r:x","$other"])";
    EXPECT_EQ(room.Judge(join), Rule::kMemberJoinBanned) << version;
    join.prev_events = R"(["$other"])";
    EXPECT_EQ(room.Judge(join), Rule::kMemberJoinBanned) << version;
    join.prev_events = R"(["$r:x"])";
    join.sender = join.state_key.emplace("@bob:x");
    EXPECT_EQ(room.Judge(join), Rule::kMemberJoinNotInvited) << version;
  }
}

TEST(AuthTest, CreatorIsContentUntilVersionTenAndSenderLater) {
  for (const char* version : {"10", "11"}) {
    TestState room(version);
    room.Put({.type = "m.room.create",
              .sender = "@sender:x",
              .state_key = "",
              .content = R"({"creator":"@content:x"})",
              .id = "$r:x",
              .prev_events = "[]"});
    const auto first_join = [&](const std::string& user) {
      return room.Judge({.type = "m.room.member",
                         .sender = user,
                         .state_key = user,
                         .content = R"({"membership":"join"})",
                         .prev_events = R"(["$r:x"])"});
    };
    const bool by_content = std::string(version) == "10";
    EXPECT_EQ(first_join("@content:x") == Rule::kAllowed, by_content);
    EXPECT_EQ(first_join("@sender:x") == Rule::kAllowed, !by_content);
    // And with the level of a creator without power levels.
    room.Join("@content:x");
    room.Join("@sender:x");
    EXPECT_EQ(room.Judge(Topic("@content:x")) == Rule::kAllowed, by_content);
    EXPECT_EQ(room.Judge(Topic("@sender:x")) == Rule::kAllowed, !by_content);
  }
}

TEST(AuthTest, JoinRules) {
  const struct {
    const char* rule;
    const char* version;
    Rule outside;
    Rule invited;
  } kCases[] = {
      {"public", "1", Rule::kAllowed, Rule::kAllowed},
      {"invite", "1", Rule::kMemberJoinNotInvited, Rule::kAllowed},
      {"private", "12", Rule::kMemberJoinRule, Rule::kMemberJoinRule},
      {"knock", "6", Rule::kMemberJoinRule, Rule::kMemberJoinRule},
      {"knock", "7", Rule::kMemberJoinNotInvited, Rule::kAllowed},
      {"restricted", "7", Rule::kMemberJoinRule, Rule::kMemberJoinRule},
      {"restricted", "8", Rule::kMemberJoinNotAuthorised, Rule::kAllowed},
      {"knock_restricted", "9", Rule::kMemberJoinRule, Rule::kMemberJoinRule},
      {"knock_restricted", "10", Rule::kMemberJoinNotAuthorised,
       Rule::kAllowed},
      {"", "10", Rule::kMemberJoinRule, Rule::kMemberJoinRule},
  };
  for (const auto& c : kCases) {
    TestState room = Room(c.version);
    room.JoinRule(c.rule);
    EXPECT_EQ(room.JudgeMember("@new:x", "@new:x", "join"), c.outside)
        << c.rule << c.version;
    room.Member("@new:x", "invite");
    EXPECT_EQ(room.JudgeMember("@new:x", "@new:x", "join"), c.invited)
        << c.rule << c.version;
    room.Member("@new:x", "ban");
    EXPECT_EQ(room.JudgeMember("@new:x", "@new:x", "join"),
              Rule::kMemberJoinBanned);
  }
}

TEST(AuthTest, WithoutAJoinRuleARoomIsForTheInvited) {
  TestState room = Room("10");
  room.Remove("m.room.join_rules", "");
  EXPECT_EQ(room.JudgeMember("@new:x", "@new:x", "join"),
            Rule::kMemberJoinNotInvited);
  room.Member("@new:x", "invite");
  EXPECT_EQ(room.JudgeMember("@new:x", "@new:x", "join"), Rule::kAllowed);
  room.Put(
      {.type = "m.room.join_rules", .sender = "@admin:x", .state_key = ""});
  EXPECT_EQ(room.JudgeMember("@new:x", "@new:x", "join"), Rule::kAllowed);
  room.Put({.type = "m.room.join_rules",
            .sender = "@admin:x",
            .state_key = "",
            .content = R"({"join_rule":7})"});
  EXPECT_EQ(room.JudgeMember("@new:x", "@new:x", "join"),
            Rule::kMemberJoinRule);
}

TEST(AuthTest, RestrictedJoinsNeedAnAuthoriser) {
  TestState room = Room("10");
  room.JoinRule("restricted");
  const auto join = [&](const std::string& via) {
    return room.JudgeMember(
        "@new:x", "@new:x", "join",
        R"(,"join_authorised_via_users_server":")" + via + "\"");
  };
  EXPECT_EQ(join("@mod:x"), Rule::kAllowed);
  EXPECT_EQ(join("@absent:x"), Rule::kMemberJoinNotAuthorised);
  EXPECT_EQ(join("@bob:x"), Rule::kAllowed);  // Anyone may invite at level 0.
  room.Levels(R"({"invite":50,"users":{"@mod:x":50}})");
  EXPECT_EQ(join("@bob:x"), Rule::kMemberJoinNotAuthorised);
  EXPECT_EQ(join("@mod:x"), Rule::kAllowed);
  room.Member("@mod:x", "leave");
  EXPECT_EQ(join("@mod:x"), Rule::kMemberJoinNotAuthorised);
  // Who is inside needs none.
  room.Join("@new:x");
  EXPECT_EQ(join("@absent:x"), Rule::kAllowed);
}

TEST(AuthTest, Invites) {
  TestState room = Room("10");
  EXPECT_EQ(room.JudgeMember("@bob:x", "@new:x", "invite"), Rule::kAllowed);
  EXPECT_EQ(room.JudgeMember("@absent:x", "@new:x", "invite"),
            Rule::kMemberInviteSenderNotJoined);
  EXPECT_EQ(room.JudgeMember("@bob:x", "@mod:x", "invite"),
            Rule::kMemberInviteTargetJoinedOrBanned);
  room.Member("@new:x", "ban");
  EXPECT_EQ(room.JudgeMember("@bob:x", "@new:x", "invite"),
            Rule::kMemberInviteTargetJoinedOrBanned);
  room.Levels(R"({"invite":1})");
  EXPECT_EQ(room.JudgeMember("@bob:x", "@other:x", "invite"),
            Rule::kMemberInviteLevel);
}

TEST(AuthTest, Leaving) {
  TestState room = Room("7");
  EXPECT_EQ(room.JudgeMember("@bob:x", "@bob:x", "leave"), Rule::kAllowed);
  for (const char* membership : {"leave", "ban"}) {
    room.Member("@bob:x", membership);
    EXPECT_EQ(room.JudgeMember("@bob:x", "@bob:x", "leave"),
              Rule::kMemberLeaveNotIn);
  }
  room.Member("@bob:x", "knock");
  EXPECT_EQ(room.JudgeMember("@bob:x", "@bob:x", "leave"), Rule::kAllowed);
  TestState old = Room("6");
  old.Member("@bob:x", "knock");
  EXPECT_EQ(old.JudgeMember("@bob:x", "@bob:x", "leave"),
            Rule::kMemberLeaveNotIn);
}

TEST(AuthTest, Kicks) {
  const TestState room = Room("10");
  EXPECT_EQ(room.JudgeMember("@mod:x", "@bob:x", "leave"), Rule::kAllowed);
  EXPECT_EQ(room.JudgeMember("@bob:x", "@mod:x", "leave"),
            Rule::kMemberKickLevel);
  // Equal levels are not enough.
  EXPECT_EQ(room.JudgeMember("@mod:x", "@mod2:x", "leave"),
            Rule::kMemberKickLevel);
  EXPECT_EQ(room.JudgeMember("@absent:x", "@bob:x", "leave"),
            Rule::kMemberLeaveSenderNotJoined);
}

// To unban needs the ban level, the kick level and to stand above the target.
TEST(AuthTest, Unbans) {
  TestState room = Room("10");
  room.Member("@bob:x", "ban");
  EXPECT_EQ(room.JudgeMember("@mod:x", "@bob:x", "leave"), Rule::kAllowed);
  room.Levels(R"({"ban":60,"users":{"@mod:x":50}})");
  EXPECT_EQ(room.JudgeMember("@mod:x", "@bob:x", "leave"),
            Rule::kMemberUnbanLevel);
  room.Levels(R"({"kick":60,"users":{"@mod:x":50}})");
  EXPECT_EQ(room.JudgeMember("@mod:x", "@bob:x", "leave"),
            Rule::kMemberKickLevel);
  room.Levels(R"({"users":{"@mod:x":50,"@bob:x":50}})");
  EXPECT_EQ(room.JudgeMember("@mod:x", "@bob:x", "leave"),
            Rule::kMemberKickLevel);
}

TEST(AuthTest, Bans) {
  TestState room = Room("10");
  EXPECT_EQ(room.JudgeMember("@mod:x", "@bob:x", "ban"), Rule::kAllowed);
  EXPECT_EQ(room.JudgeMember("@mod:x", "@never-here:x", "ban"), Rule::kAllowed);
  EXPECT_EQ(room.JudgeMember("@mod:x", "@mod2:x", "ban"),
            Rule::kMemberBanLevel);
  EXPECT_EQ(room.JudgeMember("@bob:x", "@new:x", "ban"), Rule::kMemberBanLevel);
  room.Member("@mod:x", "leave");
  EXPECT_EQ(room.JudgeMember("@mod:x", "@bob:x", "ban"),
            Rule::kMemberBanSenderNotJoined);
}

TEST(AuthTest, Knocks) {
  TestState room = Room("10");
  room.JoinRule("knock");
  EXPECT_EQ(room.JudgeMember("@new:x", "@new:x", "knock"), Rule::kAllowed);
  EXPECT_EQ(room.JudgeMember("@new:x", "@other:x", "knock"),
            Rule::kMemberKnockNotSelf);
  for (const char* membership : {"leave", "knock"}) {
    room.Member("@new:x", membership);
    EXPECT_EQ(room.JudgeMember("@new:x", "@new:x", "knock"), Rule::kAllowed);
  }
  for (const char* membership : {"invite", "join", "ban"}) {
    room.Member("@new:x", membership);
    EXPECT_EQ(room.JudgeMember("@new:x", "@new:x", "knock"),
              Rule::kMemberKnockMembership);
  }
  room.JoinRule("public");
  EXPECT_EQ(room.JudgeMember("@new:x", "@new:x", "knock"),
            Rule::kMemberKnockRule);
  room.JoinRule("knock_restricted");
  room.Member("@new:x", "leave");
  EXPECT_EQ(room.JudgeMember("@new:x", "@new:x", "knock"), Rule::kAllowed);
  TestState v9 = Room("9");
  v9.JoinRule("knock_restricted");
  EXPECT_EQ(v9.JudgeMember("@new:x", "@new:x", "knock"),
            Rule::kMemberKnockRule);
  TestState v6 = Room("6");
  v6.JoinRule("knock");
  EXPECT_EQ(v6.JudgeMember("@new:x", "@new:x", "knock"), Rule::kMemberUnknown);
}

// An invite signed by an identity server's key.
class ThirdPartyInviteTest : public testing::Test {
 protected:
  ThirdPartyInviteTest() : room_(Room("10")), key_(SigningKeyOf(1)) {
    PutToken("@bob:x",
             R"({"public_key":")" + Base64Encode(key_.public_key()) + "\"}");
    Sign(R"({"mxid":"@new:y","token":"tok"})", key_);
  }

  static SigningKey SigningKeyOf(uint8_t fill) {
    Ed25519Seed seed;
    seed.fill(fill);
    return SigningKey::FromSeed(seed, "0");
  }
  void PutToken(const std::string& sender, const std::string& content) {
    room_.Put({.type = "m.room.third_party_invite",
               .sender = sender,
               .state_key = "tok",
               .content = content});
  }
  void Sign(const std::string& object, const SigningKey& key) {
    const std::string signature = Base64Encode(key.Sign(AsBytes(object)));
    signed_ = object.substr(0, object.size() - 1) +
              R"(,"signatures":{"id.example":{"ed25519:0":")" + signature +
              "\"}}}";
  }
  Rule Invite(const std::string& sender = "@bob:x",
              const std::string& target = "@new:y") {
    return room_.JudgeMember(
        sender, target, "invite",
        R"(,"third_party_invite":{"signed":)" + signed_ + "}");
  }

  TestState room_;
  SigningKey key_;
  std::string signed_;
};

TEST_F(ThirdPartyInviteTest, GoodOneIsAllowedWithoutMembershipAndLevel) {
  EXPECT_EQ(Invite(), Rule::kAllowed);
  room_.Member("@bob:x", "leave");
  room_.Levels(R"({"invite":100})");
  EXPECT_EQ(Invite(), Rule::kAllowed);
  room_.Join("@new:y");
  EXPECT_EQ(Invite(), Rule::kAllowed);
  room_.Member("@new:y", "ban");
  EXPECT_EQ(Invite(), Rule::kMemberInviteThirdParty);
}

TEST_F(ThirdPartyInviteTest, AnyOfTheListedKeysWillDo) {
  PutToken("@bob:x", R"({"public_key":")" +
                         Base64Encode(SigningKeyOf(9).public_key()) +
                         R"(","public_keys":[{"public_key":"junk"},)"
                         R"({"public_key":")" +
                         Base64Encode(key_.public_key()) + "\"}]}");
  EXPECT_EQ(Invite(), Rule::kAllowed);
  PutToken("@bob:x", R"({"public_key":")" +
                         Base64Encode(SigningKeyOf(9).public_key()) + "\"}");
  EXPECT_EQ(Invite(), Rule::kMemberInviteThirdParty);
}

TEST_F(ThirdPartyInviteTest, MustBeForTheTargetOfTheTokensSender) {
  EXPECT_EQ(Invite("@mod:x"), Rule::kMemberInviteThirdParty);
  EXPECT_EQ(Invite("@bob:x", "@other:y"), Rule::kMemberInviteThirdParty);
  room_.Remove("m.room.third_party_invite", "tok");
  EXPECT_EQ(Invite(), Rule::kMemberInviteThirdParty);
}

TEST_F(ThirdPartyInviteTest, MustBeWellFormed) {
  for (
      const char* bad :
      {"{}", "[]", "null", R"({"mxid":"@new:y"})", R"({"token":"tok"})",
       R"({"mxid":1,"token":"tok","signatures":{}})",
       R"({"mxid":"@new:y","token":"tok","signatures":{"a":{"ed25519:0":1}}})",
       R"({"mxid":"@new:y","token":"tok","signatures":{"a":{"rsa:0":"x"}}})"}) {
    signed_ = bad;
    EXPECT_EQ(Invite(), Rule::kMemberInviteThirdParty) << bad;
  }
  EXPECT_EQ(room_.JudgeMember("@bob:x", "@new:y", "invite",
                              R"(,"third_party_invite":{})"),
            Rule::kMemberInviteThirdParty);
}

// m.room.third_party_invite needs the invite level, not that of state events.
TEST(AuthTest, ThirdPartyInviteEventsNeedTheInviteLevel) {
  TestState room = Room("10");
  const TestEvent event = {.type = "m.room.third_party_invite",
                           .sender = "@bob:x",
                           .state_key = "tok"};
  EXPECT_EQ(room.Judge(event), Rule::kAllowed);
  room.Levels(R"({"invite":1})");
  EXPECT_EQ(room.Judge(event), Rule::kThirdPartyInviteLevel);
  room.Member("@bob:x", "leave");
  EXPECT_EQ(room.Judge(event), Rule::kSenderNotJoined);
}

TEST(AuthTest, RequiredLevels) {
  TestState room = Room("10");
  EXPECT_EQ(room.Judge(Message("@bob:x")), Rule::kAllowed);
  EXPECT_EQ(room.Judge(Topic("@bob:x")), Rule::kSendLevel);
  EXPECT_EQ(room.Judge(Topic("@mod:x")), Rule::kAllowed);
  // `events` decides for state and for messages alike.
  room.Levels(R"({"events":{"m.room.topic":0,"m.room.message":1}})");
  EXPECT_EQ(room.Judge(Topic("@bob:x")), Rule::kAllowed);
  EXPECT_EQ(room.Judge(Message("@bob:x")), Rule::kSendLevel);
  room.Levels(R"({"events_default":1,"state_default":0})");
  EXPECT_EQ(room.Judge(Topic("@bob:x")), Rule::kAllowed);
  EXPECT_EQ(room.Judge(Message("@bob:x")), Rule::kSendLevel);
  room.Levels(R"({"events_default":1,"users_default":1})");
  EXPECT_EQ(room.Judge(Message("@bob:x")), Rule::kAllowed);
}

TEST(AuthTest, WithoutPowerLevelsOnlyTheCreatorSendsState) {
  for (const char* version : {"1", "11", "12"}) {
    TestState room = Room(version);
    room.Remove("m.room.power_levels", "");
    EXPECT_EQ(room.Judge(Topic("@admin:x")), Rule::kAllowed);
    EXPECT_EQ(room.Judge(Topic("@bob:x")), Rule::kSendLevel);
    EXPECT_EQ(room.Judge(Message("@bob:x")), Rule::kAllowed);
  }
}

TEST(AuthTest, StateKeysThatLookLikeUsers) {
  TestState room = Room("10");
  EXPECT_EQ(room.Judge(Topic("@mod:x", "@mod:x")), Rule::kAllowed);
  EXPECT_EQ(room.Judge(Topic("@mod:x", "@bob:x")), Rule::kStateKeyOfOtherUser);
  EXPECT_EQ(room.Judge(Topic("@admin:x", "@")), Rule::kStateKeyOfOtherUser);
  EXPECT_EQ(room.Judge(Topic("@mod:x", "x@mod:x")), Rule::kAllowed);
}

TEST(AuthTest, CreatorsOfVersionTwelve) {
  TestState room("12");
  room.Put({.type = "m.room.create",
            .sender = "@admin:x",
            .state_key = "",
            .content = R"({"additional_creators":["@second:x"]})",
            .id = "$r:x",
            .room_id = "",
            .prev_events = "[]"});
  room.Join("@second:x");
  room.Join("@top:x");
  room.Levels(
      R"({"users":{"@top:x":9007199254740991},"state_default":9007199254740991})");
  EXPECT_EQ(room.Judge(Topic("@second:x")), Rule::kAllowed);
  EXPECT_EQ(room.Judge(Topic("@top:x")), Rule::kAllowed);
  // Creators cannot be moved, not even by each other.
  EXPECT_EQ(room.JudgeMember("@top:x", "@second:x", "leave"),
            Rule::kMemberKickLevel);
  EXPECT_EQ(room.JudgeMember("@admin:x", "@second:x", "leave"),
            Rule::kMemberKickLevel);
  EXPECT_EQ(room.JudgeMember("@second:x", "@top:x", "leave"), Rule::kAllowed);
  for (const char* creator : {"@admin:x", "@second:x"}) {
    EXPECT_EQ(room.Judge(Levels("@admin:x", std::string(R"({"users":{")") +
                                                creator + R"(":1}})")),
              Rule::kPowerLevelsNamesCreator);
  }
  EXPECT_EQ(room.Judge(Levels("@admin:x", R"({"users":{"@top:x":1}})")),
            Rule::kAllowed);
}

TEST(AuthTest, RedactionsInVersionsOneAndTwo) {
  const TestEvent redaction = {.type = "m.room.redaction",
                               .sender = "@bob:x",
                               .id = "$event:x",
                               .redacts = "$other:y"};
  EXPECT_EQ(Room("2").Judge(redaction), Rule::kRedactionLevel);
  EXPECT_EQ(Room("3").Judge(redaction), Rule::kAllowed);
  TestEvent same_domain = redaction;
  same_domain.redacts = "$other:x";
  EXPECT_EQ(Room("1").Judge(same_domain), Rule::kAllowed);
  TestEvent nothing = redaction;
  nothing.redacts = "";
  EXPECT_EQ(Room("1").Judge(nothing), Rule::kAllowed);
  TestEvent by_mod = redaction;
  by_mod.sender = "@mod:x";
  EXPECT_EQ(Room("1").Judge(by_mod), Rule::kAllowed);
}

}  // namespace
}  // namespace matrixcore
