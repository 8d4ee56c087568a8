// Rules about an event's own auth events, and the names of rules.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "auth/test_state.h"

namespace matrixcore {
namespace {

const RoomVersionRules& Version(std::string_view id) {
  return *FindRoomVersion(id);
}

std::string Keys(std::string_view version, std::string_view type,
                 std::string_view sender,
                 std::optional<std::string_view> state_key,
                 const std::string& content) {
  const json::Document document = *json::Document::Parse(content);
  std::string out;
  for (const StateKey& key : AuthStateKeys(type, sender, state_key,
                                           document.root(), Version(version))) {
    out += key.type.substr(7) + "/" + key.state_key + " ";
  }
  return out;
}

TEST(AuthStateKeysTest, OfEachKindOfEvent) {
  EXPECT_EQ(Keys("11", "m.room.create", "@a:x", "", "{}"), "");
  EXPECT_EQ(Keys("11", "m.room.message", "@a:x", std::nullopt, "{}"),
            "create/ power_levels/ member/@a:x ");
  EXPECT_EQ(Keys("12", "m.room.message", "@a:x", std::nullopt, "{}"),
            "power_levels/ member/@a:x ");
  EXPECT_EQ(
      Keys("12", "m.room.member", "@a:x", "@a:x", R"({"membership":"join"})"),
      "power_levels/ member/@a:x join_rules/ ");
  EXPECT_EQ(
      Keys("12", "m.room.member", "@a:x", "@b:x", R"({"membership":"ban"})"),
      "power_levels/ member/@a:x member/@b:x ");
  EXPECT_EQ(
      Keys("12", "m.room.member", "@a:x", "@b:x", R"({"membership":"knock"})"),
      "power_levels/ member/@a:x member/@b:x join_rules/ ");
}

TEST(AuthStateKeysTest, ThirdPartyInvites) {
  const std::string content =
      R"({"membership":"%","third_party_invite":{"signed":{"token":"tok"}}})";
  const auto with = [&](const char* membership) {
    std::string text = content;
    return text.replace(text.find('%'), 1, membership);
  };
  EXPECT_EQ(Keys("12", "m.room.member", "@a:x", "@b:x", with("invite")),
            "power_levels/ member/@a:x member/@b:x join_rules/ "
            "third_party_invite/tok ");
  EXPECT_EQ(Keys("12", "m.room.member", "@a:x", "@b:x", with("leave")),
            "power_levels/ member/@a:x member/@b:x ");
  EXPECT_EQ(
      Keys("12", "m.room.member", "@a:x", "@b:x",
           R"({"membership":"invite","third_party_invite":{"signed":1}})"),
      "power_levels/ member/@a:x member/@b:x join_rules/ ");
}

TEST(AuthStateKeysTest, AuthorisingUserOfRestrictedJoins) {
  const std::string join =
      R"({"join_authorised_via_users_server":"@m:y","membership":"join"})";
  EXPECT_EQ(Keys("8", "m.room.member", "@a:x", "@a:x", join),
            "create/ power_levels/ member/@a:x join_rules/ member/@m:y ");
  EXPECT_EQ(Keys("7", "m.room.member", "@a:x", "@a:x", join),
            "create/ power_levels/ member/@a:x join_rules/ ");
  EXPECT_EQ(
      Keys(
          "8", "m.room.member", "@a:x", "@b:x",
          R"({"join_authorised_via_users_server":"@m:y","membership":"leave"})"),
      "create/ power_levels/ member/@a:x member/@b:x ");
}

class CheckAuthEventsTest : public testing::Test {
 protected:
  EventPtr Add(const TestEvent& test, const char* version = "11") {
    events_.push_back(Make(Version(version), test));
    return events_.back();
  }
  EventPtr Create(const char* version = "11") {
    return Add({.type = "m.room.create",
                .sender = "@a:x",
                .state_key = "",
                .content = R"({"creator":"@a:x"})",
                .id = "$r:x",
                .room_id = std::string(version) == "12" ? "" : "!r:x",
                .prev_events = "[]"},
               version);
  }
  EventPtr Member(const std::string& user, const std::string& id = "$m") {
    return Add({.type = "m.room.member",
                .sender = user,
                .state_key = user,
                .content = R"({"membership":"join"})",
                .id = id});
  }
  Rule Judge(const EventPtr& event, const std::vector<EventPtr>& auth,
             const Event* create = nullptr, size_t rejected = SIZE_MAX) {
    std::vector<AuthEvent> auth_events;
    for (size_t i = 0; i < auth.size(); ++i) {
      auth_events.push_back({auth[i].get(), i == rejected});
    }
    return CheckAuthEvents(*event, auth_events, create).rule;
  }

  std::vector<EventPtr> events_;
};

TEST_F(CheckAuthEventsTest, GoodOnes) {
  const EventPtr message = Add({.type = "m.room.message", .sender = "@a:x"});
  EXPECT_EQ(Judge(message, {Create(), Member("@a:x")}), Rule::kAllowed);
}

TEST_F(CheckAuthEventsTest, Duplicates) {
  const EventPtr message = Add({.type = "m.room.message", .sender = "@a:x"});
  EXPECT_EQ(Judge(message, {Create(), Member("@a:x"), Member("@a:x", "$m2")}),
            Rule::kAuthEventsDuplicate);
}

TEST_F(CheckAuthEventsTest, ForeignOnes) {
  const EventPtr message = Add({.type = "m.room.message", .sender = "@a:x"});
  EXPECT_EQ(Judge(message, {Create(), Member("@b:x")}),
            Rule::kAuthEventsUnexpected);
  EXPECT_EQ(Judge(message, {Create(), nullptr}), Rule::kAuthEventsUnexpected);
  const EventPtr no_state = Add({.type = "m.room.member", .sender = "@a:x"});
  EXPECT_EQ(Judge(message, {Create(), no_state}), Rule::kAuthEventsUnexpected);
  // Join rules are for membership events only.
  const EventPtr rules =
      Add({.type = "m.room.join_rules", .sender = "@a:x", .state_key = ""});
  EXPECT_EQ(Judge(message, {Create(), rules}), Rule::kAuthEventsUnexpected);
}

TEST_F(CheckAuthEventsTest, RejectedOnes) {
  const EventPtr message = Add({.type = "m.room.message", .sender = "@a:x"});
  EXPECT_EQ(Judge(message, {Create(), Member("@a:x")}, nullptr, 1),
            Rule::kAuthEventsRejected);
}

TEST_F(CheckAuthEventsTest, WithoutACreateEvent) {
  const EventPtr message = Add({.type = "m.room.message", .sender = "@a:x"});
  EXPECT_EQ(Judge(message, {Member("@a:x")}), Rule::kAuthEventsNoCreate);
}

TEST_F(CheckAuthEventsTest, OfAnotherRoom) {
  const EventPtr message =
      Add({.type = "m.room.message", .sender = "@a:x", .room_id = "!other:x"});
  EXPECT_EQ(Judge(message, {Create()}), Rule::kAuthEventsOtherRoom);
}

TEST_F(CheckAuthEventsTest, VersionTwelveKnowsItsRoomByTheCreateEvent) {
  const EventPtr create = Create("12");
  const EventPtr message =
      Add({.type = "m.room.message", .sender = "@a:x"}, "12");
  EXPECT_EQ(Judge(message, {}, create.get()), Rule::kAllowed);
  EXPECT_EQ(Judge(message, {}, nullptr), Rule::kRoomIdNotCreate);
  EXPECT_EQ(Judge(message, {create}, create.get()),
            Rule::kAuthEventsUnexpected);
  const EventPtr elsewhere = Add(
      {.type = "m.room.message", .sender = "@a:x", .room_id = "!other"}, "12");
  EXPECT_EQ(Judge(elsewhere, {}, create.get()), Rule::kRoomIdNotCreate);
}

TEST_F(CheckAuthEventsTest, AuthoriserMustBeAUser) {
  const auto join = [&](const std::string& via, const char* version) {
    return Add({.type = "m.room.member",
                .sender = "@a:x",
                .state_key = "@a:x",
                .content = R"({"join_authorised_via_users_server":)" + via +
                           R"(,"membership":"join"})"},
               version);
  };
  EXPECT_EQ(Judge(join(R"("@m:y")", "8"), {Create("8")}), Rule::kAllowed);
  EXPECT_EQ(Judge(join(R"("nobody")", "8"), {Create("8")}),
            Rule::kMemberAuthoriserUnsigned);
  EXPECT_EQ(Judge(join("null", "8"), {Create("8")}),
            Rule::kMemberAuthoriserUnsigned);
  EXPECT_EQ(Judge(join(R"("nobody")", "7"), {Create("7")}), Rule::kAllowed);
}

TEST_F(CheckAuthEventsTest, IdentifiersOfManyBytesAreRejectedUntilVersionTen) {
  std::string type;
  for (int i = 0; i < 200; ++i) type += "\xC3\xA9";
  const EventPtr event = Add({.type = type, .sender = "@a:x"}, "10");
  EXPECT_EQ(Judge(event, {Create("10")}), Rule::kIdentifierTooLong);
}

class CreateRulesTest : public CheckAuthEventsTest {
 protected:
  Rule JudgeCreate(const char* version, const std::string& content,
                   const std::string& room_id = "!r:x",
                   const std::string& prev_events = "[]") {
    return Judge(Add({.type = "m.room.create",
                      .sender = "@a:x",
                      .state_key = "",
                      .content = content,
                      .room_id = room_id,
                      .prev_events = prev_events},
                     version),
                 {});
  }
};

TEST_F(CreateRulesTest, ByVersion) {
  EXPECT_EQ(JudgeCreate("1", R"({"creator":"@a:x"})"), Rule::kAllowed);
  EXPECT_EQ(JudgeCreate("1", R"({"creator":"@a:x"})", "!r:y"),
            Rule::kCreateRoomIdMismatch);
  EXPECT_EQ(JudgeCreate("1", R"({"creator":"@a:x"})", "!r:x", R"(["$p"])"),
            Rule::kCreateHasPrevEvents);
  EXPECT_EQ(JudgeCreate("10", "{}"), Rule::kCreateNoCreator);
  EXPECT_EQ(JudgeCreate("11", "{}"), Rule::kAllowed);
  EXPECT_EQ(JudgeCreate("11", R"({"room_version":"nonsense"})"),
            Rule::kCreateUnknownVersion);
  EXPECT_EQ(JudgeCreate("11", R"({"room_version":11})"),
            Rule::kCreateUnknownVersion);
}

TEST_F(CreateRulesTest, OfVersionTwelve) {
  EXPECT_EQ(JudgeCreate("12", "{}", ""), Rule::kAllowed);
  EXPECT_EQ(JudgeCreate("12", "{}", "!r"), Rule::kCreateHasRoomId);
  EXPECT_EQ(JudgeCreate("12", R"({"additional_creators":["@b:x","@:y"]})", ""),
            Rule::kAllowed);
  EXPECT_EQ(JudgeCreate("12", R"({"additional_creators":[]})", ""),
            Rule::kAllowed);
  for (const char* bad :
       {"null", "{}", "\"@b:x\"", "[1]", "[\"b\"]", "[\"@b:x\",null]"}) {
    EXPECT_EQ(
        JudgeCreate("12", std::string(R"({"additional_creators":)") + bad + "}",
                    ""),
        Rule::kCreateBadAdditionalCreators)
        << bad;
    EXPECT_EQ(JudgeCreate(
                  "11", std::string(R"({"additional_creators":)") + bad + "}"),
              Rule::kAllowed);
  }
}

TEST(RuleNamesTest, AreDistinct) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Rule::kRedactionLevel); ++i) {
    EXPECT_TRUE(names.insert(RuleName(static_cast<Rule>(i))).second) << i;
  }
  EXPECT_EQ(RuleName(Rule::kMemberJoinBanned), "member-join-banned");
}

TEST(RuleNamesTest, NumbersFollowTheText) {
  const struct {
    Rule rule;
    const char* version;
    const char* number;
  } kCases[] = {
      {Rule::kMemberJoinBanned, "1", "5.2.3"},
      {Rule::kMemberJoinBanned, "6", "4.2.3"},
      {Rule::kMemberJoinBanned, "8", "4.3.3"},
      {Rule::kMemberJoinBanned, "12", "5.3.3"},
      {Rule::kMemberJoinRule, "1", "5.2.6"},
      {Rule::kMemberJoinRule, "12", "5.3.7"},
      {Rule::kMemberKnockRule, "7", "4.6.1"},
      {Rule::kMemberKnockRule, "10", "4.7.1"},
      {Rule::kMemberKnockRule, "6", ""},
      {Rule::kMemberUnknown, "6", "4.6"},
      {Rule::kMemberUnknown, "7", "4.7"},
      {Rule::kMemberUnknown, "12", "5.8"},
      {Rule::kSenderNotJoined, "1", "6"},
      {Rule::kSenderNotJoined, "11", "5"},
      {Rule::kThirdPartyInviteLevel, "12", "7.1"},
      {Rule::kSendLevel, "12", "8"},
      {Rule::kSendLevel, "6", "7"},
      {Rule::kStateKeyOfOtherUser, "12", "9"},
      {Rule::kPowerLevelsNamesCreator, "12", "10.4"},
      {Rule::kPowerLevelsChange, "12", "10.6"},
      {Rule::kPowerLevelsChange, "10", "9.5"},
      {Rule::kPowerLevelsChange, "6", "9.3"},
      {Rule::kPowerLevelsUserChange, "12", "10.9"},
      {Rule::kRedactionLevel, "1", "11.3"},
      {Rule::kRedactionLevel, "3", ""},
      {Rule::kAuthEventsDuplicate, "11", "2.1"},
      {Rule::kAuthEventsDuplicate, "12", "3.1"},
      {Rule::kRoomIdNotCreate, "12", "2"},
      {Rule::kNotFederated, "11", "3"},
      {Rule::kNotFederated, "12", "4"},
      {Rule::kAliasesWrongDomain, "5", "4.2"},
      {Rule::kAllowed, "12", ""},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(RuleNumber(c.rule, Version(c.version)), c.number)
        << RuleName(c.rule) << " in " << c.version;
  }
}

}  // namespace
}  // namespace matrixcore
