// The predefined rules (spec v1.19: client-server API, "Predefined Rules").
#include <array>
#include <span>

#include "matrixcore/event/push_rules.h"
#include "matrixcore/json/writer.h"

namespace matrixcore {
namespace {

enum class Tweaks : uint8_t {
  kSilent,
  kNotify,
  kSound,
  kRing,
  kHighlight,
  kMention
};

struct Condition {
  std::string_view kind;
  std::string_view key = {};   // Without the member when empty.
  std::string_view name = {};  // "pattern", "value" or "is".
  std::string_view text = {};  // Its string; kUser is the user's id.
};
constexpr std::string_view kUser = "\n";  // No real pattern.

struct DefaultRule {
  std::string_view rule_id;
  Tweaks tweaks;
  std::array<Condition, 3> conditions = {};
  bool enabled = true;
};

constexpr Condition Match(std::string_view key, std::string_view pattern) {
  return {"event_match", key, "pattern", pattern};
}
constexpr Condition kTwoMembers = {"room_member_count", {}, "is", "2"};

constexpr DefaultRule kOverride[] = {
    {".m.rule.master", Tweaks::kSilent, {}, false},
    {".m.rule.suppress_notices",
     Tweaks::kSilent,
     {Match("content.msgtype", "m.notice")}},
    {".m.rule.invite_for_me",
     Tweaks::kSound,
     {Match("type", "m.room.member"), Match("content.membership", "invite"),
      Match("state_key", kUser)}},
    {".m.rule.member_event", Tweaks::kSilent, {Match("type", "m.room.member")}},
    {".m.rule.is_user_mention",
     Tweaks::kMention,
     {Condition{"event_property_contains", R"(content.m\.mentions.user_ids)",
                "value", kUser}}},
    {".m.rule.is_room_mention",
     Tweaks::kHighlight,
     {Condition{"event_property_is", R"(content.m\.mentions.room)"},
      Condition{"sender_notification_permission", "room"}}},
    {".m.rule.tombstone",
     Tweaks::kHighlight,
     {Match("type", "m.room.tombstone"), Match("state_key", "")}},
    {".m.rule.reaction", Tweaks::kSilent, {Match("type", "m.reaction")}},
    {".m.rule.room.server_acl",
     Tweaks::kSilent,
     {Match("type", "m.room.server_acl"), Match("state_key", "")}},
    {".m.rule.suppress_edits",
     Tweaks::kSilent,
     {Condition{"event_property_is", R"(content.m\.relates_to.rel_type)",
                "value", "m.replace"}}},
};

constexpr DefaultRule kUnderride[] = {
    {".m.rule.call", Tweaks::kRing, {Match("type", "m.call.invite")}},
    {".m.rule.encrypted_room_one_to_one",
     Tweaks::kSound,
     {kTwoMembers, Match("type", "m.room.encrypted")}},
    {".m.rule.room_one_to_one",
     Tweaks::kSound,
     {kTwoMembers, Match("type", "m.room.message")}},
    {".m.rule.message", Tweaks::kNotify, {Match("type", "m.room.message")}},
    {".m.rule.encrypted", Tweaks::kNotify, {Match("type", "m.room.encrypted")}},
};

void WriteActions(Tweaks tweaks, json::Writer* w) {
  w->Key("actions").BeginArray();
  if (tweaks != Tweaks::kSilent) w->String("notify");
  const bool sound = tweaks == Tweaks::kSound || tweaks == Tweaks::kMention;
  if (sound || tweaks == Tweaks::kRing) {
    w->BeginObject()
        .Field("set_tweak", "sound")
        .Field("value", sound ? "default" : "ring")
        .EndObject();
  }
  if (tweaks == Tweaks::kHighlight || tweaks == Tweaks::kMention) {
    w->BeginObject().Field("set_tweak", "highlight").EndObject();
  }
  w->EndArray();
}

void WriteCondition(const Condition& condition, std::string_view user_id,
                    json::Writer* w) {
  w->BeginObject().Field("kind", condition.kind);
  if (!condition.key.empty()) w->Field("key", condition.key);
  if (!condition.name.empty()) {
    w->Field(condition.name,
             condition.text == kUser ? user_id : condition.text);
  } else if (condition.kind == "event_property_is") {
    w->Field("value", true);
  }
  w->EndObject();
}

void WriteRules(std::string_view kind, std::span<const DefaultRule> rules,
                std::string_view user_id, json::Writer* w) {
  w->Key(kind).BeginArray();
  for (const DefaultRule& rule : rules) {
    w->BeginObject()
        .Field("rule_id", rule.rule_id)
        .Field("default", true)
        .Field("enabled", rule.enabled);
    w->Key("conditions").BeginArray();
    for (const Condition& condition : rule.conditions) {
      if (!condition.kind.empty()) WriteCondition(condition, user_id, w);
    }
    w->EndArray();
    WriteActions(rule.tweaks, w);
    w->EndObject();
  }
  w->EndArray();
}

}  // namespace

std::string DefaultPushRules(std::string_view user_id) {
  std::string out;
  json::Writer w(&out);
  w.BeginObject();
  WriteRules("override", kOverride, user_id, &w);
  WriteRules("content", {}, user_id, &w);
  WriteRules("room", {}, user_id, &w);
  WriteRules("sender", {}, user_id, &w);
  WriteRules("underride", kUnderride, user_id, &w);
  w.EndObject();
  return out;
}

std::string ThreadSubscriptionPushRules() {
  return R"([{"actions":[],"conditions":[{)"
         R"("kind":"io.element.msc4306.thread_subscription",)"
         R"("subscribed":false}],"default":true,"enabled":true,)"
         R"("rule_id":".io.element.msc4306.rule.unsubscribed_thread"},)"
         R"({"actions":["notify",{"set_tweak":"sound","value":"default"}],)"
         R"("conditions":[{)"
         R"("kind":"io.element.msc4306.thread_subscription",)"
         R"("subscribed":true}],"default":true,"enabled":true,)"
         R"("rule_id":".io.element.msc4306.rule.subscribed_thread"}])";
}

}  // namespace matrixcore
