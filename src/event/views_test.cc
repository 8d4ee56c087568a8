#include "matrixcore/event/views.h"

#include <gtest/gtest.h>

#include <string>

#include "event/power_level.h"
#include "matrixcore/event/types.h"
#include "matrixcore/json/object.h"

namespace matrixcore {
namespace {

EventPtr State(std::string_view version, std::string_view type,
               std::string content, std::string_view sender = "@creator:x") {
  json::Object event;
  event.SetString("type", type);
  event.SetString("state_key", "");
  event.SetString("sender", sender);
  event.SetRaw("content", std::move(content));
  Result<EventPtr> made =
      Event::FromTrusted(event.ToJson(), *FindRoomVersion(version), "$id");
  EXPECT_TRUE(made.ok()) << made.status().message();
  return made.ok() ? *made : nullptr;
}

TEST(ViewsTest, Membership) {
  EXPECT_EQ(ParseMembership("knock"), Membership::kKnock);
  EXPECT_EQ(ParseMembership("Join"), Membership::kNone);
  EXPECT_EQ(MembershipName(Membership::kBan), "ban");
  EXPECT_EQ(MembershipName(Membership::kNone), "leave");
  EXPECT_EQ(MembershipOf(*State("11", kTypeMember, R"({"membership":"join"})")),
            Membership::kJoin);
  EXPECT_EQ(MembershipOf(*State("11", kTypeMember, R"({"membership":1})")),
            Membership::kNone);
}

TEST(ViewsTest, HistoryVisibilityAndJoinRule) {
  EXPECT_EQ(HistoryVisibilityOf(nullptr), HistoryVisibility::kShared);
  const EventPtr visible = State("11", kTypeHistoryVisibility,
                                 R"({"history_visibility":"world_readable"})");
  EXPECT_EQ(HistoryVisibilityOf(visible.get()),
            HistoryVisibility::kWorldReadable);
  const EventPtr odd =
      State("11", kTypeHistoryVisibility, R"({"history_visibility":"x"})");
  EXPECT_EQ(HistoryVisibilityOf(odd.get()), HistoryVisibility::kShared);
  EXPECT_EQ(JoinRuleOf(nullptr), "invite");
  const EventPtr rule =
      State("11", kTypeJoinRules, R"({"join_rule":"knock_restricted"})");
  EXPECT_EQ(JoinRuleOf(rule.get()), "knock_restricted");
  EXPECT_EQ(JoinRuleOf(State("11", kTypeJoinRules, "{}").get()), "invite");
}

TEST(ViewsTest, DefaultsWithoutAPowerLevelsEvent) {
  const EventPtr create = State("10", kTypeCreate, R"({"creator":"@c:x"})");
  const PowerLevels levels(create.get(), nullptr);
  EXPECT_EQ(levels.User("@c:x"), 100);
  EXPECT_EQ(levels.User("@creator:x"), 0);
  EXPECT_EQ(levels.ToSend("m.room.message", false), 0);
  EXPECT_EQ(levels.ToSend("m.room.topic", true), 50);
  EXPECT_EQ(levels.ToBan(), 50);
  EXPECT_EQ(levels.ToKick(), 50);
  EXPECT_EQ(levels.ToInvite(), 0);
  EXPECT_EQ(levels.ToRedact(), 50);
  EXPECT_EQ(levels.ToNotify("room"), 50);
}

TEST(ViewsTest, ReadsAPowerLevelsEvent) {
  const EventPtr create = State("11", kTypeCreate, "{}");
  const EventPtr event = State(
      "11", kTypePowerLevels,
      R"({"ban":1,"events":{"m.x":7},"events_default":2,"invite":3,"kick":4,
          "notifications":{"room":5},"redact":6,"state_default":8,
          "users":{"@a:x":30},"users_default":9})");
  const PowerLevels levels(create.get(), event.get());
  EXPECT_EQ(levels.User("@a:x"), 30);
  EXPECT_EQ(levels.User("@creator:x"), 9);
  EXPECT_EQ(levels.ToSend("m.x", true), 7);
  EXPECT_EQ(levels.ToSend("m.y", true), 8);
  EXPECT_EQ(levels.ToSend("m.y", false), 2);
  EXPECT_EQ(levels.ToBan(), 1);
  EXPECT_EQ(levels.ToKick(), 4);
  EXPECT_EQ(levels.ToInvite(), 3);
  EXPECT_EQ(levels.ToRedact(), 6);
  EXPECT_EQ(levels.ToNotify("room"), 5);
  EXPECT_EQ(levels.ToNotify("other"), 50);
}

TEST(ViewsTest, CreatorsOfVersionTwelveStandAboveAll) {
  const EventPtr create =
      State("12", kTypeCreate, R"({"additional_creators":["@b:x"]})");
  const EventPtr event =
      State("12", kTypePowerLevels, R"({"users":{"@m:x":9007199254740991}})");
  const PowerLevels levels(create.get(), event.get());
  EXPECT_EQ(levels.User("@creator:x"), kCreatorPower);
  EXPECT_EQ(levels.User("@b:x"), kCreatorPower);
  EXPECT_LT(levels.User("@m:x"), kCreatorPower);
  EXPECT_TRUE(IsRoomCreator(*create, "@b:x"));
  EXPECT_FALSE(IsRoomCreator(*create, "@m:x"));
  // Before version 12 there is one creator.
  const EventPtr old =
      State("11", kTypeCreate, R"({"additional_creators":["@b:x"]})");
  EXPECT_FALSE(IsRoomCreator(*old, "@b:x"));
}

TEST(ViewsTest, PowerLevelText) {
  constexpr auto kFloats = PowerLevelFormat::kIntegersFloatsStrings;
  constexpr auto kStrings = PowerLevelFormat::kIntegersStrings;
  constexpr auto kInts = PowerLevelFormat::kIntegers;
  for (const auto format : {kFloats, kStrings, kInts}) {
    EXPECT_EQ(ParsePowerLevel("50", format), 50);
    EXPECT_EQ(ParsePowerLevel("-7", format), -7);
    for (const char* bad :
         {"", "null", "true", "{}", "[]", R"("")", R"("x")", R"("1_000")",
          R"("1.5")", R"("--1")", R"("+")", R"("1 2")", R"("0x10")"}) {
      EXPECT_EQ(ParsePowerLevel(bad, format), std::nullopt) << bad;
    }
  }
  for (const auto format : {kFloats, kStrings}) {
    EXPECT_EQ(ParsePowerLevel(R"("100")", format), 100);
    EXPECT_EQ(ParsePowerLevel(R"(" 00100 ")", format), 100);
    EXPECT_EQ(ParsePowerLevel(R"("\t+100\n")", format), 100);
    EXPECT_EQ(ParsePowerLevel("\"\xE3\x80\x80-100\"", format), -100);
    EXPECT_EQ(ParsePowerLevel(R"("99999999999999999999")", format), kMaxLevel);
  }
  EXPECT_EQ(ParsePowerLevel(R"("100")", kInts), std::nullopt);
  EXPECT_EQ(ParsePowerLevel("50.57", kFloats), 50);
  EXPECT_EQ(ParsePowerLevel("-50.57", kFloats), -50);
  EXPECT_EQ(ParsePowerLevel("5.114698E4", kFloats), 51146);
  EXPECT_EQ(ParsePowerLevel("1e30", kFloats), kMaxLevel);
  EXPECT_EQ(ParsePowerLevel("-1e30", kFloats), kMinLevel);
  EXPECT_EQ(ParsePowerLevel("1e999", kFloats), std::nullopt);
  EXPECT_EQ(ParsePowerLevel("99999999999999999999", kFloats), kMaxLevel);
  EXPECT_EQ(ParsePowerLevel("50.57", kStrings), std::nullopt);
  EXPECT_EQ(ParsePowerLevel("1.0", kInts), std::nullopt);
}

TEST(ViewsTest, MalformedLevelsFallBack) {
  const EventPtr event = State(
      "10", kTypePowerLevels,
      R"({"ban":"5","users":{"@a:x":"100"},"users_default":3,"kick":null})");
  const PowerLevels levels(nullptr, event.get());
  EXPECT_EQ(levels.ToBan(), 50);
  EXPECT_EQ(levels.ToKick(), 50);
  EXPECT_EQ(levels.User("@a:x"), 3);
}

}  // namespace
}  // namespace matrixcore
