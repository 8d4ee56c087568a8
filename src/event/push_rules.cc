#include "matrixcore/event/push_rules.h"

#include <charconv>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "matrixcore/base/heap_bytes.h"
#include "matrixcore/event/glob.h"
#include "matrixcore/json/writer.h"

namespace matrixcore {
namespace {

// A dot-separated path, taken apart.
using Path = std::vector<std::string>;

Path ParsePath(std::string_view text) {
  Path path(1);
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && i + 1 < text.size() &&
        (text[i + 1] == '.' || text[i + 1] == '\\')) {
      path.back() += text[++i];
    } else if (c == '.') {
      path.emplace_back();
    } else {
      path.back() += c;
    }
  }
  return path;
}

// The event's property; fields that the PDU leaves out are added.
struct Property {
  json::Value value;
  std::optional<std::string_view> text;  // When it is a string.
};

Property Find(const PushEvent& event, const Path& path) {
  if (path.size() == 1 && path[0] == "room_id") {
    return {{}, event.event().room_id()};
  }
  if (path.size() == 1 && path[0] == "event_id") {
    return {{}, event.event().event_id()};
  }
  json::Value value = event.root();
  for (const std::string& name : path) value = value[name];
  return {value, value.AsString()};
}

struct EventMatch {
  Path path;
  Glob pattern;
  bool words = false;
};
struct PropertyIs {
  Path path;
  std::string value;  // Canonical JSON of a scalar.
};
struct PropertyContains {
  Path path;
  std::string value;
};
struct ContainsDisplayName {};
struct MemberCount {
  enum class Op : uint8_t { kEqual, kLess, kGreater, kAtMost, kAtLeast };
  Op op = Op::kEqual;
  int64_t count = 0;
};
struct SenderPermission {
  std::string key;
};
struct ThreadSubscription {
  bool subscribed = false;
};
struct Never {};
using Condition =
    std::variant<EventMatch, PropertyIs, PropertyContains, ContainsDisplayName,
                 MemberCount, SenderPermission, ThreadSubscription, Never>;

// The scalar as text that equals another's exactly if they are the same value;
// nothing for anything that conditions do not compare.
std::optional<std::string> ScalarKey(json::Value value) {
  constexpr int64_t kMax = (int64_t{1} << 53) - 1;
  if (const auto text = value.AsString()) return "s" + std::string(*text);
  if (const auto flag = value.AsBool()) return *flag ? "t" : "f";
  if (value.IsNull()) return "n";
  if (const auto number = value.AsInt();
      number.has_value() && *number <= kMax && *number >= -kMax) {
    return "i" + std::to_string(*number);
  }
  return std::nullopt;
}

bool IsBody(const Path& path) {
  return path.size() == 2 && path[0] == "content" && path[1] == "body";
}

Condition ParseMemberCount(std::string_view text) {
  using Op = MemberCount::Op;
  constexpr std::pair<std::string_view, Op> kOps[] = {{"==", Op::kEqual},
                                                      {"<=", Op::kAtMost},
                                                      {">=", Op::kAtLeast},
                                                      {"<", Op::kLess},
                                                      {">", Op::kGreater}};
  MemberCount result;
  for (const auto& [prefix, op] : kOps) {
    if (text.substr(0, prefix.size()) == prefix) {
      result.op = op;
      text.remove_prefix(prefix.size());
      break;
    }
  }
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), result.count);
  if (text.empty() || text[0] == '-' || error != std::errc() ||
      end != text.data() + text.size()) {
    return Never{};
  }
  return result;
}

Condition ParseCondition(json::Value json) {
  const std::string_view kind = json["kind"].StringOr("");
  const std::optional<std::string_view> key = json["key"].AsString();
  if (kind == "contains_display_name") return ContainsDisplayName{};
  if (kind == "room_member_count") {
    return ParseMemberCount(json["is"].StringOr(""));
  }
  if (kind == "io.element.msc4306.thread_subscription") {
    const std::optional<bool> subscribed = json["subscribed"].AsBool();
    if (!subscribed) return Never{};
    return ThreadSubscription{*subscribed};
  }
  if (!key.has_value()) return Never{};
  if (kind == "sender_notification_permission") {
    return SenderPermission{std::string(*key)};
  }
  Path path = ParsePath(*key);
  if (kind == "event_match") {
    const auto pattern = json["pattern"].AsString();
    if (!pattern.has_value()) return Never{};
    const bool words = IsBody(path);
    return EventMatch{std::move(path), Glob(*pattern), words};
  }
  std::optional<std::string> value = ScalarKey(json["value"]);
  if (!value.has_value()) return Never{};
  if (kind == "event_property_is") {
    return PropertyIs{std::move(path), std::move(*value)};
  }
  if (kind == "event_property_contains") {
    return PropertyContains{std::move(path), std::move(*value)};
  }
  return Never{};
}

// Judges one condition.
struct Judge {
  const PushEvent& event;
  const PushContext& context;

  bool operator()(const EventMatch& c) const {
    const Property property = Find(event, c.path);
    if (!property.text.has_value()) return false;
    return c.words ? c.pattern.MatchesWords(*property.text)
                   : c.pattern.Matches(*property.text);
  }
  bool operator()(const PropertyIs& c) const {
    const Property property = Find(event, c.path);
    if (property.text.has_value()) {
      return c.value[0] == 's' && c.value.substr(1) == *property.text;
    }
    return ScalarKey(property.value) == c.value;
  }
  bool operator()(const PropertyContains& c) const {
    const json::Value array = Find(event, c.path).value;
    if (!array.IsArray()) return false;
    for (const json::Value element : array) {
      if (ScalarKey(element) == c.value) return true;
    }
    return false;
  }
  bool operator()(const ContainsDisplayName&) const {
    const auto body = event.root()["content"]["body"].AsString();
    return body.has_value() && !context.display_name.empty() &&
           Glob::Literal(context.display_name).MatchesWords(*body);
  }
  bool operator()(const MemberCount& c) const {
    switch (c.op) {
      case MemberCount::Op::kEqual:
        return context.joined_members == c.count;
      case MemberCount::Op::kLess:
        return context.joined_members < c.count;
      case MemberCount::Op::kGreater:
        return context.joined_members > c.count;
      case MemberCount::Op::kAtMost:
        return context.joined_members <= c.count;
      case MemberCount::Op::kAtLeast:
        return context.joined_members >= c.count;
    }
    return false;
  }
  bool operator()(const SenderPermission& c) const {
    return context.power_levels != nullptr &&
           context.power_levels->User(event.event().sender()) >=
               context.power_levels->ToNotify(c.key);
  }
  bool operator()(const ThreadSubscription& c) const {
    return context.thread_subscribed == c.subscribed;
  }
  bool operator()(const Never&) const { return false; }
};

enum class Kind : uint8_t { kConditions, kContent, kRoom, kSender };

struct Rule {
  Kind kind = Kind::kConditions;
  std::string rule_id;
  std::vector<Condition> conditions;
  std::string actions;
  bool notify = false;
  bool highlight = false;

  bool Matches(const PushEvent& event, const PushContext& context) const {
    if (kind == Kind::kRoom) return rule_id == event.event().room_id();
    if (kind == Kind::kSender) return rule_id == event.event().sender();
    for (const Condition& condition : conditions) {
      if (!std::visit(Judge{event, context}, condition)) return false;
    }
    return true;
  }
};

void ParseActions(json::Value actions, Rule* rule) {
  json::Writer w(&rule->actions);
  w.BeginArray();
  for (const json::Value action : actions) {
    const std::string_view name = action.StringOr("");
    // "dont_notify" and "coalesce" are historical and mean nothing.
    if (name == "dont_notify" || name == "coalesce") continue;
    if (name == "notify") rule->notify = true;
    if (action["set_tweak"].AsString() == "highlight") {
      rule->highlight = action["value"].AsBool().value_or(true);
    }
    w.Raw(action.raw());
  }
  w.EndArray();
}

// Nothing for a rule that can never match.
std::optional<Rule> ParseRule(Kind kind, json::Value json) {
  const auto rule_id = json["rule_id"].AsString();
  if (!rule_id.has_value() || !json["enabled"].AsBool().value_or(true)) {
    return std::nullopt;
  }
  Rule rule;
  rule.kind = kind;
  rule.rule_id = std::string(*rule_id);
  ParseActions(json["actions"], &rule);
  if (kind == Kind::kContent) {
    const auto pattern = json["pattern"].AsString();
    if (!pattern.has_value()) return std::nullopt;
    rule.conditions.push_back(
        EventMatch{{"content", "body"}, Glob(*pattern), true});
  } else if (kind == Kind::kConditions) {
    for (const json::Value condition : json["conditions"]) {
      rule.conditions.push_back(ParseCondition(condition));
      if (std::holds_alternative<Never>(rule.conditions.back())) {
        return std::nullopt;
      }
    }
  }
  return rule;
}

}  // namespace

struct PushRuleset::Rules {
  std::vector<Rule> in_order;
  bool needs_display_name = false;
};

namespace {

struct ConditionBytes {
  size_t operator()(const EventMatch& c) const {
    return HeapBytes(c.path) + c.pattern.HeapBytes();
  }
  size_t operator()(const PropertyIs& c) const {
    return HeapBytes(c.path) + HeapBytes(c.value);
  }
  size_t operator()(const PropertyContains& c) const {
    return HeapBytes(c.path) + HeapBytes(c.value);
  }
  size_t operator()(const SenderPermission& c) const {
    return HeapBytes(c.key);
  }
  template <typename Plain>
  size_t operator()(const Plain&) const {
    return 0;
  }
};

}  // namespace

size_t PushRuleset::HeapBytes() const {
  using matrixcore::HeapBytes;
  size_t bytes = SharedBlock<Rules>() +
                 HeapBlock(rules_->in_order.capacity() * sizeof(Rule));
  for (const Rule& rule : rules_->in_order) {
    bytes += HeapBytes(rule.rule_id) + HeapBytes(rule.actions) +
             HeapBlock(rule.conditions.capacity() * sizeof(Condition));
    for (const Condition& condition : rule.conditions) {
      bytes += std::visit(ConditionBytes(), condition);
    }
  }
  return bytes;
}

PushEvent::PushEvent(EventPtr event) : event_(std::move(event)) {
  Result<json::Document> document = event_->Document();
  if (document.ok()) document_ = std::move(*document);
}

PushRuleset::PushRuleset(json::Value global) {
  constexpr std::pair<const char*, Kind> kKinds[] = {
      {"override", Kind::kConditions},    {"content", Kind::kContent},
      {"postcontent", Kind::kConditions}, {"room", Kind::kRoom},
      {"sender", Kind::kSender},          {"underride", Kind::kConditions}};
  auto rules = std::make_shared<Rules>();
  for (const auto& [name, kind] : kKinds) {
    const json::Value list = global[name];
    if (!list.IsArray()) continue;
    for (const json::Value json : list) {
      if (std::optional<Rule> rule = ParseRule(kind, json)) {
        for (const Condition& condition : rule->conditions) {
          if (std::holds_alternative<ContainsDisplayName>(condition)) {
            rules->needs_display_name = true;
          }
        }
        rules->in_order.push_back(std::move(*rule));
      }
    }
  }
  rules_ = std::move(rules);
}

PushRuleset PushRuleset::Default(Concern concern) {
  const Result<json::Document> json =
      json::Document::Parse(DefaultPushRules(""));
  PushRuleset made(json.ok() ? json->root() : json::Value());
  auto rules = std::make_shared<Rules>(*made.rules_);
  // Rules about the user match always or never.
  for (const auto& [rule_id, when] :
       {std::pair(".m.rule.is_user_mention", Concern::kMentioned),
        std::pair(".m.rule.invite_for_me", Concern::kInvited)}) {
    for (Rule& rule : rules->in_order) {
      if (rule.rule_id != rule_id) continue;
      rule.conditions.clear();
      if (concern != when) rule.conditions.push_back(Never{});
    }
  }
  made.rules_ = std::move(rules);
  return made;
}

bool PushRuleset::needs_display_name() const {
  return rules_->needs_display_name;
}

PushOutcome PushRuleset::Evaluate(const PushEvent& event,
                                  const PushContext& context) const {
  if (event.event().sender() == context.user_id) return {};
  for (const Rule& rule : rules_->in_order) {
    if (rule.Matches(event, context)) {
      return {rule.notify, rule.notify && rule.highlight, rule.rule_id,
              rule.actions};
    }
  }
  return {};
}

}  // namespace matrixcore
