// The rules of m.room.power_levels.
#include <gtest/gtest.h>

#include <string>

#include "auth/test_state.h"

namespace matrixcore {
namespace {

TestState Room(std::string_view version, const std::string& levels) {
  TestState room(version);
  room.Levels(levels);
  room.Join("@mod:x");
  return room;
}

// What @mod, at level 50, may do to those levels.
Rule Change(std::string_view version, const std::string& from,
            const std::string& to, const std::string& state_key = "") {
  return Room(version, from)
      .Judge({.type = "m.room.power_levels",
              .sender = "@mod:x",
              .state_key = state_key,
              .content = to});
}

TEST(PowerLevelsTest, ScalarsUpToTheOwnLevel) {
  const auto levels = [](const std::string& more) {
    return R"({"users":{"@mod:x":50},"events":{"m.room.power_levels":0})" +
           more + "}";
  };
  for (const std::string name :
       {"users_default", "events_default", "state_default", "ban", "redact",
        "kick", "invite"}) {
    const auto with = [&](const std::string& value) {
      return levels(",\"" + name + "\":" + value);
    };
    EXPECT_EQ(Change("10", with("10"), with("50")), Rule::kAllowed) << name;
    EXPECT_EQ(Change("10", with("10"), with("51")), Rule::kPowerLevelsChange);
    EXPECT_EQ(Change("10", with("51"), with("50")), Rule::kPowerLevelsChange);
    EXPECT_EQ(Change("10", with("51"), with("51")), Rule::kAllowed);
    // An absent side is not compared.
    EXPECT_EQ(Change("10", levels(""), with("50")), Rule::kAllowed);
    EXPECT_EQ(Change("10", levels(""), with("51")), Rule::kPowerLevelsChange);
    EXPECT_EQ(Change("10", with("50"), levels("")), Rule::kAllowed);
    EXPECT_EQ(Change("10", with("51"), levels("")), Rule::kPowerLevelsChange);
  }
}

TEST(PowerLevelsTest, EntriesOfEventsAndNotifications) {
  for (const std::string map : {"events", "notifications"}) {
    const auto with = [&](const std::string& value) {
      return R"({"users":{"@mod:x":50},"state_default":0,")" + map + "\":{" +
             (value.empty() ? "" : "\"k\":" + value) + "}}";
    };
    EXPECT_EQ(Change("6", with("10"), with("50")), Rule::kAllowed) << map;
    EXPECT_EQ(Change("6", with("10"), with("51")), Rule::kPowerLevelsChange);
    EXPECT_EQ(Change("6", with("51"), with("10")), Rule::kPowerLevelsChange);
    EXPECT_EQ(Change("6", with("51"), with("")), Rule::kPowerLevelsChange);
    EXPECT_EQ(Change("6", with(""), with("51")), Rule::kPowerLevelsChange);
    EXPECT_EQ(Change("6", with(""), with("50")), Rule::kAllowed);
    EXPECT_EQ(Change("6", with("51"), with("51")), Rule::kAllowed);
  }
  // Before version 6 nobody looked at notifications.
  EXPECT_EQ(Change("5", R"({"users":{"@mod:x":50},"state_default":0})",
                   R"({"users":{"@mod:x":50},"state_default":0,)"
                   R"("notifications":{"room":99}})"),
            Rule::kAllowed);
}

TEST(PowerLevelsTest, EntriesOfUsers) {
  const auto with = [](const std::string& entries) {
    return R"({"state_default":0,"users":{)" + entries + "}}";
  };
  const std::string mod = R"("@mod:x":50)";
  const auto change = [&](const std::string& from, const std::string& to) {
    return Change("10", with(from), with(to));
  };
  EXPECT_EQ(change(mod, mod + R"(,"@z:x":50)"), Rule::kAllowed);
  EXPECT_EQ(change(mod, mod + R"(,"@z:x":51)"), Rule::kPowerLevelsUserChange);
  EXPECT_EQ(change(mod + R"(,"@z:x":49)", mod), Rule::kAllowed);
  // Equal levels cannot be touched, one's own can.
  EXPECT_EQ(change(mod + R"(,"@z:x":50)", mod), Rule::kPowerLevelsUserChange);
  EXPECT_EQ(change(mod + R"(,"@z:x":50)", mod + R"(,"@z:x":10)"),
            Rule::kPowerLevelsUserChange);
  EXPECT_EQ(change(mod, R"("@mod:x":10)"), Rule::kAllowed);
  EXPECT_EQ(change(mod, ""), Rule::kAllowed);
  EXPECT_EQ(change(mod, R"("@mod:x":51)"), Rule::kPowerLevelsUserChange);
}

TEST(PowerLevelsTest, FirstEventMaySayAnything) {
  TestState room("10");
  EXPECT_EQ(room.Judge({.type = "m.room.power_levels",
                        .sender = "@admin:x",
                        .state_key = "",
                        .content = R"({"ban":9000,"users":{"@x:y":9000}})"}),
            Rule::kAllowed);
}

// An event with a state key is compared with that of the same key.
TEST(PowerLevelsTest, OtherStateKeys) {
  const std::string own = R"({"state_default":0,"users":{"@mod:x":50}})";
  EXPECT_EQ(Change("10", own, R"({"ban":9000})", "other"), Rule::kAllowed);
  TestState room = Room("10", own);
  room.Put({.type = "m.room.power_levels",
            .sender = "@admin:x",
            .state_key = "other",
            .content = R"({"ban":9000})"});
  EXPECT_EQ(room.Judge({.type = "m.room.power_levels",
                        .sender = "@mod:x",
                        .state_key = "other",
                        .content = R"({"ban":1})"}),
            Rule::kPowerLevelsChange);
}

TEST(PowerLevelsTest, FormatByVersion) {
  const std::string from = R"({"state_default":0,"users":{"@mod:x":50}})";
  const auto judge = [&](const char* version, const std::string& content) {
    return Change(version, from, content);
  };
  const std::string users = R"("users":{"@mod:x":50})";
  for (const std::string& users_value :
       {std::string("[]"), std::string("null"), std::string("7"),
        std::string(R"({"no user":1})"), std::string(R"({"@a:x":"x"})"),
        std::string(R"({"@a:x":true})"), std::string(R"({"@a:x":null})")}) {
    for (const char* version : {"1", "9", "10", "12"}) {
      EXPECT_EQ(judge(version, R"({"users":)" + users_value + "}"),
                Rule::kPowerLevelsMalformed)
          << users_value;
    }
  }
  EXPECT_EQ(judge("9", R"({"users":{"@mod:x":" +50 "}})"), Rule::kAllowed);
  EXPECT_EQ(judge("10", R"({"users":{"@mod:x":"50"}})"),
            Rule::kPowerLevelsMalformed);
  // Only `users` was validated before version 10.
  for (const char* other : {R"("ban":"x")", R"("events":[])",
                            R"("notifications":7)", R"("events":{"a":"x"})"}) {
    EXPECT_EQ(judge("9", std::string("{") + other + "," + users + "}"),
              Rule::kAllowed)
        << other;
    EXPECT_EQ(judge("10", std::string("{") + other + "," + users + "}"),
              Rule::kPowerLevelsMalformed)
        << other;
  }
  EXPECT_EQ(judge("5", R"({"users":{"@mod:x":50.9}})"), Rule::kAllowed);
  EXPECT_EQ(judge("10", "{}"), Rule::kAllowed);
}

TEST(PowerLevelsTest, HistoricalUserIdsMayBeNamed) {
  EXPECT_EQ(Change("12", R"({"state_default":0,"users":{"@mod:x":50}})",
                   R"({"users":{"@:x":1,"@A B\u0001:x":1,"@mod:x":50}})"),
            Rule::kAllowed);
}

// Values count, not their spelling.
TEST(PowerLevelsTest, SameValueInAnotherForm) {
  EXPECT_EQ(
      Change("5", R"({"state_default":0,"ban":60,"users":{"@mod:x":50}})",
             R"({"state_default":"0","ban":"060","users":{"@mod:x":50.2}})"),
      Rule::kAllowed);
}

// Malformed levels of the current event matter only where they are needed.
TEST(PowerLevelsTest, MalformedCurrentLevels) {
  TestState room = Room(
      "9", R"({"ban":"x","kick":[],"users":{"@mod:x":50},"events":{"t":"x"}})");
  room.Join("@bob:x");
  EXPECT_EQ(
      room.Judge({.type = "m.room.topic", .sender = "@mod:x", .state_key = ""}),
      Rule::kAllowed);
  EXPECT_EQ(room.Judge({.type = "t", .sender = "@mod:x"}),
            Rule::kPowerLevelsMalformed);
  EXPECT_EQ(room.JudgeMember("@mod:x", "@bob:x", "ban"),
            Rule::kPowerLevelsMalformed);
  EXPECT_EQ(room.JudgeMember("@mod:x", "@bob:x", "leave"),
            Rule::kPowerLevelsMalformed);
  EXPECT_EQ(room.JudgeMember("@mod:x", "@new:x", "invite"), Rule::kAllowed);
}

TEST(PowerLevelsTest, AbsurdNumbers) {
  TestState room =
      Room("5", R"({"state_default":123456789012345678901234567890,)"
                R"("users":{"@mod:x":1e300}})");
  // Both are beyond all numbers that count, and equal.
  EXPECT_EQ(
      room.Judge({.type = "m.room.topic", .sender = "@mod:x", .state_key = ""}),
      Rule::kAllowed);
  room.Levels(R"({"users":{"@mod:x":-1e300}})");
  EXPECT_EQ(room.Judge({.type = "m.room.message", .sender = "@mod:x"}),
            Rule::kSendLevel);
}

// Keys with escapes sort otherwise as texts than as bytes.
TEST(PowerLevelsTest, EscapedKeysAreMatched) {
  const auto levels = [](const std::string& a, const std::string& b) {
    return R"({"state_default":0,"users":{"@mod:x":50},"events":{"#":)" + a +
           R"(,"\"":)" + b + "}}";
  };
  EXPECT_EQ(Change("10", levels("99", "99"), levels("99", "99")),
            Rule::kAllowed);
  EXPECT_EQ(Change("10", levels("99", "99"), levels("99", "98")),
            Rule::kPowerLevelsChange);
  EXPECT_EQ(Change("10", levels("9", "8"), levels("8", "9")), Rule::kAllowed);
}

}  // namespace
}  // namespace matrixcore
