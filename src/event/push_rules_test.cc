#include "matrixcore/event/push_rules.h"

#include <gtest/gtest.h>

#include <string>

#include "matrixcore/json/object.h"

namespace matrixcore {
namespace {

constexpr std::string_view kMe = "@me:x";

EventPtr MakeEvent(std::string_view type, std::string content,
                   std::optional<std::string> state_key = std::nullopt,
                   std::string_view sender = "@them:x") {
  json::Object event;
  event.SetString("type", type);
  event.SetString("sender", sender);
  event.SetString("room_id", "!room:x");
  event.SetRaw("content", std::move(content));
  if (state_key.has_value()) event.SetString("state_key", *state_key);
  Result<EventPtr> made =
      Event::FromTrusted(event.ToJson(), *FindRoomVersion("11"), "$id");
  EXPECT_TRUE(made.ok()) << made.status().message();
  return made.ok() ? *made : nullptr;
}

EventPtr Message(std::string_view body) {
  json::Object content;
  content.SetString("msgtype", "m.text");
  content.SetString("body", body);
  return MakeEvent("m.room.message", content.ToJson());
}

PushRuleset Compile(const std::string& json) {
  Result<json::Document> document = json::Document::Parse(json);
  EXPECT_TRUE(document.ok()) << document.status().message() << json;
  return PushRuleset(document.ok() ? document->root() : json::Value());
}

PushOutcome Judge(const PushRuleset& rules, const EventPtr& event,
                  PushContext context = {}) {
  context.user_id = kMe;
  if (context.joined_members == 0) context.joined_members = 3;
  return rules.Evaluate(PushEvent(event), context);
}

// Whether a single override rule with that condition matches.
bool Holds(const std::string& condition, const EventPtr& event,
           PushContext context = {}) {
  const PushRuleset rules = Compile(
      R"({"override":[{"rule_id":"r","actions":["notify"],"conditions":[)" +
      condition + "]}]}");
  return Judge(rules, event, context).rule_id == "r";
}

std::string DefaultRuleFor(const EventPtr& event, PushContext context = {}) {
  return std::string(
      Judge(Compile(DefaultPushRules(kMe)), event, context).rule_id);
}

TEST(PushRulesTest, DefaultRulesAreThoseOfTheSpec) {
  Result<json::Document> document =
      json::Document::Parse(DefaultPushRules("@me:x"));
  ASSERT_TRUE(document.ok());
  std::string ids;
  for (const auto [kind, rules] : document->root().members()) {
    ids += std::string(kind) + ":";
    for (const json::Value rule : rules) {
      ids += " " + std::string(rule["rule_id"].StringOr("?"));
      EXPECT_EQ(rule["default"].AsBool(), true);
      EXPECT_EQ(rule["enabled"].AsBool(),
                rule["rule_id"].StringOr("") != ".m.rule.master");
    }
    ids += "\n";
  }
  EXPECT_EQ(ids,
            "override: .m.rule.master .m.rule.suppress_notices "
            ".m.rule.invite_for_me .m.rule.member_event "
            ".m.rule.is_user_mention .m.rule.is_room_mention "
            ".m.rule.tombstone .m.rule.reaction .m.rule.room.server_acl "
            ".m.rule.suppress_edits\ncontent:\nroom:\nsender:\n"
            "underride: .m.rule.call .m.rule.encrypted_room_one_to_one "
            ".m.rule.room_one_to_one .m.rule.message .m.rule.encrypted\n");
}

TEST(PushRulesTest, DefaultRuleTexts) {
  const std::string rules = DefaultPushRules("@me:x");
  EXPECT_NE(
      rules.find(
          R"({"rule_id":".m.rule.invite_for_me","default":true,"enabled":true,)"
          R"("conditions":[{"kind":"event_match","key":"type",)"
          R"("pattern":"m.room.member"},{"kind":"event_match",)"
          R"("key":"content.membership","pattern":"invite"},)"
          R"({"kind":"event_match","key":"state_key","pattern":"@me:x"}],)"
          R"("actions":["notify",{"set_tweak":"sound","value":"default"}]})"),
      std::string::npos);
  EXPECT_NE(
      rules.find(R"("conditions":[{"kind":"event_property_is",)"
                 R"("key":"content.m\\.mentions.room","value":true},)"
                 R"({"kind":"sender_notification_permission","key":"room"}],)"
                 R"("actions":["notify",{"set_tweak":"highlight"}]})"),
      std::string::npos);
  EXPECT_NE(rules.find(R"("actions":["notify",{"set_tweak":"sound",)"
                       R"("value":"ring"}])"),
            std::string::npos);
  EXPECT_NE(rules.find(R"({"kind":"event_property_is",)"
                       R"("key":"content.m\\.relates_to.rel_type",)"
                       R"("value":"m.replace"})"),
            std::string::npos);
}

TEST(PushRulesTest, DefaultRulesAtWork) {
  EXPECT_EQ(DefaultRuleFor(Message("hi")), ".m.rule.message");
  EXPECT_EQ(
      DefaultRuleFor(Message("hi"), {.user_id = kMe, .joined_members = 2}),
      ".m.rule.room_one_to_one");
  EXPECT_EQ(DefaultRuleFor(MakeEvent("m.room.message",
                                     R"({"msgtype":"m.notice","body":"x"})")),
            ".m.rule.suppress_notices");
  EXPECT_EQ(DefaultRuleFor(MakeEvent("m.room.member",
                                     R"({"membership":"invite"})", "@me:x")),
            ".m.rule.invite_for_me");
  EXPECT_EQ(DefaultRuleFor(MakeEvent("m.room.member",
                                     R"({"membership":"invite"})", "@you:x")),
            ".m.rule.member_event");
  EXPECT_EQ(DefaultRuleFor(MakeEvent(
                "m.room.message",
                R"({"body":"","m.mentions":{"user_ids":["@a:x","@me:x"]}})")),
            ".m.rule.is_user_mention");
  EXPECT_EQ(DefaultRuleFor(MakeEvent("m.room.tombstone", "{}", "")),
            ".m.rule.tombstone");
  EXPECT_EQ(DefaultRuleFor(MakeEvent("m.room.tombstone", "{}", "x")), "");
  EXPECT_EQ(DefaultRuleFor(MakeEvent("m.reaction", "{}")), ".m.rule.reaction");
  EXPECT_EQ(DefaultRuleFor(MakeEvent("m.room.server_acl", "{}", "")),
            ".m.rule.room.server_acl");
  EXPECT_EQ(DefaultRuleFor(MakeEvent(
                "m.room.message",
                R"({"body":"* x","m.relates_to":{"rel_type":"m.replace"}})")),
            ".m.rule.suppress_edits");
  EXPECT_EQ(DefaultRuleFor(MakeEvent("m.call.invite", "{}")), ".m.rule.call");
  EXPECT_EQ(DefaultRuleFor(MakeEvent("m.room.encrypted", "{}")),
            ".m.rule.encrypted");
  EXPECT_EQ(DefaultRuleFor(MakeEvent("m.room.encrypted", "{}"),
                           {.user_id = kMe, .joined_members = 2}),
            ".m.rule.encrypted_room_one_to_one");
  EXPECT_EQ(DefaultRuleFor(MakeEvent("m.room.topic", "{}", "")), "");
}

TEST(PushRulesTest, RoomMentionNeedsPower) {
  const EventPtr event =
      MakeEvent("m.room.message", R"({"body":"","m.mentions":{"room":true}})");
  EXPECT_EQ(DefaultRuleFor(event), ".m.rule.message");
  const EventPtr levels_event =
      MakeEvent("m.room.power_levels", R"({"users":{"@them:x":50}})", "");
  const PowerLevels levels(nullptr, levels_event.get());
  PushContext context;
  context.power_levels = &levels;
  EXPECT_EQ(DefaultRuleFor(event, context), ".m.rule.is_room_mention");
  const EventPtr higher =
      MakeEvent("m.room.power_levels",
                R"({"notifications":{"room":51},"users":{"@them:x":50}})", "");
  const PowerLevels higher_levels(nullptr, higher.get());
  context.power_levels = &higher_levels;
  EXPECT_EQ(DefaultRuleFor(event, context), ".m.rule.message");
}

TEST(PushRulesTest, OwnEventsNeverNotify) {
  const EventPtr mine =
      MakeEvent("m.room.message", R"({"body":"x"})", std::nullopt, kMe);
  EXPECT_EQ(DefaultRuleFor(mine), "");
  EXPECT_FALSE(Judge(Compile(DefaultPushRules(kMe)), mine).notify);
}

TEST(PushRulesTest, EventMatch) {
  const EventPtr topic =
      MakeEvent("m.room.topic", R"({"topic":"Lunch plans","n":null})", "");
  EXPECT_TRUE(Holds(
      R"({"kind":"event_match","key":"content.topic","pattern":"lunc?*"})",
      topic));
  EXPECT_FALSE(
      Holds(R"({"kind":"event_match","key":"content.topic","pattern":"lunch"})",
            topic));
  EXPECT_FALSE(Holds(
      R"({"kind":"event_match","key":"content.n","pattern":"*"})", topic));
  EXPECT_FALSE(Holds(
      R"({"kind":"event_match","key":"content.gone","pattern":"*"})", topic));
  EXPECT_TRUE(Holds(
      R"({"kind":"event_match","key":"room_id","pattern":"!room:x"})", topic));
  EXPECT_TRUE(
      Holds(R"({"kind":"event_match","key":"content.body","pattern":"cake"})",
            Message("a CAKE!")));
  EXPECT_FALSE(
      Holds(R"({"kind":"event_match","key":"content.body","pattern":"cake"})",
            Message("cupcakes")));
}

TEST(PushRulesTest, PathsHaveEscapes) {
  const EventPtr event = MakeEvent(
      "t", R"({"a.b":"dot","a":{"b":"nested"},"c\\d":"slash","e\\x":"kept"})");
  const auto value_at = [&](const char* key, const char* value) {
    return Holds(std::string(R"({"kind":"event_property_is","key":")") + key +
                     R"(","value":")" + value + "\"}",
                 event);
  };
  EXPECT_TRUE(value_at(R"(content.a\\.b)", "dot"));
  EXPECT_TRUE(value_at("content.a.b", "nested"));
  EXPECT_TRUE(value_at(R"(content.c\\\\d)", "slash"));
  EXPECT_TRUE(value_at(R"(content.e\\x)", "kept"));
}

TEST(PushRulesTest, EventPropertyIsComparesExactly) {
  const EventPtr event =
      MakeEvent("t", R"({"b":true,"i":1,"n":null,"o":{},"s":"Text"})");
  const auto is = [&](const char* key, const char* value) {
    return Holds(std::string(R"({"kind":"event_property_is","key":"content.)") +
                     key + R"(","value":)" + value + "}",
                 event);
  };
  EXPECT_TRUE(is("b", "true"));
  EXPECT_FALSE(is("b", "\"true\""));
  EXPECT_FALSE(is("b", "1"));
  EXPECT_TRUE(is("i", "1"));
  EXPECT_FALSE(is("i", "1.0"));
  EXPECT_FALSE(is("i", "true"));
  EXPECT_TRUE(is("n", "null"));
  EXPECT_FALSE(is("gone", "null"));
  EXPECT_FALSE(is("o", "{}"));
  EXPECT_TRUE(is("s", "\"Text\""));
  EXPECT_FALSE(is("s", "\"text\""));
}

TEST(PushRulesTest, EventPropertyContains) {
  const EventPtr event =
      MakeEvent("t", R"({"l":["#a:x",1,{"x":1}],"s":"#a:x"})");
  const auto contains = [&](const char* key, const char* value) {
    return Holds(
        std::string(R"({"kind":"event_property_contains","key":"content.)") +
            key + R"(","value":)" + value + "}",
        event);
  };
  EXPECT_TRUE(contains("l", "\"#a:x\""));
  EXPECT_TRUE(contains("l", "1"));
  EXPECT_FALSE(contains("l", "\"a:x\""));
  EXPECT_FALSE(contains("s", "\"#a:x\""));
  EXPECT_FALSE(contains("gone", "1"));
}

TEST(PushRulesTest, RoomMemberCount) {
  const auto holds = [](const char* is, int64_t members) {
    return Holds(
        std::string(R"({"kind":"room_member_count","is":")") + is + "\"}",
        Message("x"), {.user_id = kMe, .joined_members = members});
  };
  EXPECT_TRUE(holds("2", 2));
  EXPECT_TRUE(holds("==2", 2));
  EXPECT_FALSE(holds("==2", 3));
  EXPECT_TRUE(holds("<3", 2));
  EXPECT_FALSE(holds("<2", 2));
  EXPECT_TRUE(holds("<=2", 2));
  EXPECT_TRUE(holds(">2", 3));
  EXPECT_FALSE(holds(">2", 2));
  EXPECT_TRUE(holds(">=2", 2));
  for (const char* bad : {"", "x", "=2", "<", "2x", "-1", "<-1", "=>1"}) {
    EXPECT_FALSE(holds(bad, 2)) << bad;
  }
}

TEST(PushRulesTest, ContainsDisplayName) {
  const char* condition = R"({"kind":"contains_display_name"})";
  EXPECT_TRUE(Holds(condition, Message("hey ANN!"),
                    {.user_id = kMe, .display_name = "Ann"}));
  EXPECT_FALSE(Holds(condition, Message("anne"),
                     {.user_id = kMe, .display_name = "Ann"}));
  EXPECT_FALSE(Holds(condition, Message("x")));
}

TEST(PushRulesTest, UnknownAndMalformedConditionsNeverMatch) {
  for (const char* condition :
       {R"({"kind":"org.example.new"})", "{}", "1", "null",
        R"({"kind":"event_match","key":"type"})",
        R"({"kind":"event_match","pattern":"*"})",
        R"({"kind":"event_property_is","key":"type"})",
        R"({"kind":"event_property_is","key":"type","value":[1]})",
        R"({"kind":"sender_notification_permission"})"}) {
    EXPECT_FALSE(Holds(condition, Message("x"))) << condition;
  }
}

TEST(PushRulesTest, KindsAreTriedInOrder) {
  const std::string rules = R"({
    "underride":[{"rule_id":"u","actions":["notify"]}],
    "sender":[{"rule_id":"@them:x","actions":["notify"]},
              {"rule_id":"@other:x","actions":["notify"]}],
    "room":[{"rule_id":"!room:x","actions":[],"enabled":%s}],
    "content":[{"rule_id":"c","pattern":"tea","actions":["notify"]}],
    "override":[{"rule_id":"o","actions":[],"conditions":
        [{"kind":"event_match","key":"type","pattern":"over"}]}]})";
  const auto with = [&](const char* room_enabled) {
    std::string text = rules;
    text.replace(text.find("%s"), 2, room_enabled);
    return Compile(text);
  };
  const PushRuleset all = with("true");
  EXPECT_EQ(Judge(all, MakeEvent("over", "{}")).rule_id, "o");
  EXPECT_EQ(Judge(all, Message("time for tea")).rule_id, "c");
  EXPECT_EQ(Judge(all, Message("x")).rule_id, "!room:x");
  const PushRuleset fewer = with("false");
  EXPECT_EQ(Judge(fewer, Message("x")).rule_id, "@them:x");
  EXPECT_EQ(
      Judge(fewer, MakeEvent("m.room.message", "{}", std::nullopt, "@z:x"))
          .rule_id,
      "u");
}

TEST(PushRulesTest, ActionsLoseTheHistoricalOnes) {
  const PushRuleset rules = Compile(
      R"({"underride":[{"rule_id":"u","actions":["dont_notify","coalesce",
          "notify",{"set_tweak":"sound","value":"x"},
          {"set_tweak":"highlight"}]}]})");
  const PushOutcome outcome = Judge(rules, Message("x"));
  EXPECT_TRUE(outcome.notify);
  EXPECT_TRUE(outcome.highlight);
  EXPECT_EQ(outcome.actions, R"(["notify",{"set_tweak":"sound","value":"x"},)"
                             R"({"set_tweak":"highlight"}])");
  const PushRuleset quiet =
      Compile(R"({"underride":[{"rule_id":"u","actions":["dont_notify"]}]})");
  EXPECT_FALSE(Judge(quiet, Message("x")).notify);
  EXPECT_EQ(Judge(quiet, Message("x")).actions, "[]");
  const PushRuleset no_highlight = Compile(
      R"({"underride":[{"rule_id":"u","actions":["notify",
          {"set_tweak":"highlight","value":false}]}]})");
  EXPECT_FALSE(Judge(no_highlight, Message("x")).highlight);
}

TEST(PushRulesTest, NonsenseRulesetsMatchNothing) {
  for (const char* text : {"[]", "null", R"({"override":{}})",
                           R"({"override":[1,null,{"rule_id":2}]})",
                           R"({"content":[{"rule_id":"c","actions":[]}]})"}) {
    EXPECT_EQ(Judge(Compile(text), Message("x")).rule_id, "") << text;
  }
}

// MSC4306
TEST(PushRulesTest, ThreadSubscriptionsComeBetweenContentAndRoom) {
  const std::string condition =
      R"({"kind":"io.element.msc4306.thread_subscription","subscribed":true})";
  PushContext context;
  EXPECT_FALSE(Holds(condition, Message("hi"), context));
  context.thread_subscribed = false;
  EXPECT_FALSE(Holds(condition, Message("hi"), context));
  context.thread_subscribed = true;
  EXPECT_TRUE(Holds(condition, Message("hi"), context));
  EXPECT_FALSE(Holds(R"({"kind":"io.element.msc4306.thread_subscription"})",
                     Message("hi"), context));

  const PushRuleset rules = Compile(
      R"({"content":[{"rule_id":"word","pattern":"cake","actions":[]}],)"
      R"("room":[{"rule_id":"!room:x","actions":[]}],"postcontent":)" +
      ThreadSubscriptionPushRules() + "}");
  EXPECT_EQ(Judge(rules, Message("cake"), context).rule_id, "word");
  EXPECT_TRUE(Judge(rules, Message("hi"), context).notify);
  context.thread_subscribed = false;
  EXPECT_FALSE(Judge(rules, Message("hi"), context).notify);
  EXPECT_EQ(Judge(rules, Message("hi")).rule_id, "!room:x");
}

// Judging for everybody at once must not differ from judging for one user.
TEST(PushRulesTest, DefaultRulesForAllAgreeWithThoseOfOneUser) {
  using Concern = PushRuleset::Concern;
  const PushRuleset mine = Compile(DefaultPushRules(kMe));
  const auto agree = [&](Concern concern, const EventPtr& event) {
    const PushRuleset rules = PushRuleset::Default(concern);
    const PushOutcome all = Judge(rules, event);
    const PushOutcome one = Judge(mine, event);
    EXPECT_EQ(all.rule_id, one.rule_id);
    EXPECT_EQ(all.notify, one.notify);
    EXPECT_EQ(all.highlight, one.highlight);
  };
  agree(Concern::kNone, Message("hi @me:x"));
  agree(Concern::kNone, MakeEvent("m.room.tombstone", "{}", ""));
  agree(Concern::kNone, MakeEvent("m.room.encrypted", "{}"));
  for (const char* type : {"m.text", "m.notice"}) {
    agree(Concern::kMentioned,
          MakeEvent("m.room.message",
                    R"({"m.mentions":{"user_ids":["@me:x"]},"msgtype":")" +
                        std::string(type) + "\"}"));
  }
  const std::string invite = R"({"membership":"invite"})";
  agree(Concern::kInvited,
        MakeEvent("m.room.member", invite, std::string(kMe)));
  agree(Concern::kNone, MakeEvent("m.room.member", invite, "@other:x"));
}

}  // namespace
}  // namespace matrixcore
