#include "matrixcore/service/push_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "matrixcore/event/push_rules.h"
#include "matrixcore/json/object.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/account_data.h"
#include "matrixcore/service/account_tables.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::AccountData;
using tables::kAccountData;

constexpr std::string_view kMasterRule = ".m.rule.master";
constexpr size_t kMaxRuleIdBytes = 255;
constexpr size_t kMaxRulesBytes = 256 * 1024;

enum Kind : size_t {
  kOverride,
  kContent,
  kPostcontent,  // MSC4306
  kRoom,
  kSender,
  kUnderride,
  kKinds
};
constexpr std::array<std::string_view, kKinds> kKindNames = {
    "override", "content", "postcontent", "room", "sender", "underride"};

Status Invalid(std::string_view errcode, std::string message) {
  return Status(StatusCode::kInvalidArgument, errcode, std::move(message));
}

Status NoSuchRule() {
  return Status(StatusCode::kNotFound, "M_NOT_FOUND",
                "The push rule was not found");
}

Result<Kind> ParseKind(std::string_view name) {
  const auto it = std::find(kKindNames.begin(), kKindNames.end(), name);
  if (it == kKindNames.end()) {
    return Invalid("M_INVALID_PARAM",
                   fmt::format("'{}' is not a kind of push rules", name));
  }
  return static_cast<Kind>(it - kKindNames.begin());
}

struct PushRule {
  std::string id;
  json::Object json;
};

// An action is "notify", one of the historical words, a namespaced word, or
// {"set_tweak": name, ...}.
bool IsAction(json::Value action) {
  if (const std::optional<std::string_view> word = action.AsString()) {
    return *word == "notify" || *word == "dont_notify" || *word == "coalesce" ||
           word->find('.') != std::string_view::npos;
  }
  return action["set_tweak"].IsString();
}

Status CheckActions(json::Value actions) {
  if (actions.IsMissing()) {
    return Invalid("M_MISSING_PARAM", "'actions' is required");
  }
  bool valid = actions.IsArray();
  for (const json::Value action : actions) valid = valid && IsAction(action);
  return valid ? OkStatus()
               : Invalid("M_BAD_JSON", "'actions' must be an array of actions");
}

Status CheckConditions(json::Value conditions) {
  if (conditions.IsMissing()) return OkStatus();
  bool valid = conditions.IsArray();
  for (const json::Value condition : conditions) {
    valid = valid && condition["kind"].IsString();
  }
  return valid ? OkStatus()
               : Invalid("M_BAD_JSON",
                         "'conditions' must be an array of conditions");
}

Status CheckRuleId(std::string_view id) {
  if (id.empty() || id.size() > kMaxRuleIdBytes) {
    return Invalid("M_INVALID_PARAM", "A rule id has 1 to 255 bytes");
  }
  if (id.front() == '.') {
    return Invalid("M_INVALID_PARAM",
                   "PushRule ids that start with a dot are reserved");
  }
  if (id.find_first_of("/\\") != std::string_view::npos) {
    return Invalid("M_INVALID_PARAM", "A rule id may not contain slashes");
  }
  return OkStatus();
}

// The rule as it is stored, from a request's body.
Result<json::Object> MakeRule(Kind kind, std::string_view id,
                              json::Value body) {
  MC_RETURN_IF_ERROR(CheckActions(body["actions"]));
  json::Object rule;
  rule.SetString("rule_id", id);
  rule.SetBool("default", false);
  rule.SetBool("enabled", true);
  rule.SetRaw("actions", std::string(body["actions"].raw()));
  if (kind == kContent) {
    const json::Value pattern = body["pattern"];
    if (pattern.IsMissing()) {
      return Invalid("M_MISSING_PARAM", "'pattern' is required");
    }
    if (!pattern.IsString()) {
      return Invalid("M_BAD_JSON", "'pattern' must be a string");
    }
    rule.SetRaw("pattern", std::string(pattern.raw()));
  }
  if (kind == kOverride || kind == kUnderride) {
    const json::Value conditions = body["conditions"];
    MC_RETURN_IF_ERROR(CheckConditions(conditions));
    rule.SetRaw("conditions", conditions.IsMissing()
                                  ? std::string("[]")
                                  : std::string(conditions.raw()));
  }
  return rule;
}

}  // namespace

// Within a kind: .m.rule.master, the user's rules, the other default rules.
struct PushRuleService::Rules {
  std::array<std::vector<PushRule>, kKinds> kinds;

  PushRule* Find(Kind kind, std::string_view id) {
    for (PushRule& rule : kinds[kind]) {
      if (rule.id == id) return &rule;
    }
    return nullptr;
  }
  static bool IsDefault(const PushRule& rule) { return rule.id.front() == '.'; }

  // Where the most important rule of the user goes.
  static size_t FirstUserPlace(const std::vector<PushRule>& rules) {
    return !rules.empty() && rules[0].id == kMasterRule ? 1 : 0;
  }

  std::string ToJson() const {
    std::string out;
    json::Writer w(&out);
    w.BeginObject().Key("global").BeginObject();
    for (size_t kind = 0; kind < kKinds; ++kind) {
      if (kind == kPostcontent && kinds[kind].empty()) continue;
      w.Key(kKindNames[kind]).BeginArray();
      for (const PushRule& rule : kinds[kind]) w.Raw(rule.json.ToJson());
      w.EndArray();
    }
    w.EndObject().EndObject();
    return out;
  }

  // The default rules of today with what the user changed in them, and the
  // user's own rules.  `stored` is the content of m.push_rules, or missing.
  static Result<Rules> Merge(std::string_view user_id, json::Value stored,
                             bool threads) {
    MC_ASSIGN_OR_RETURN(const json::Document defaults,
                        json::Document::Parse(DefaultPushRules(user_id)));
    MC_ASSIGN_OR_RETURN(const json::Document thread_rules,
                        json::Document::Parse(ThreadSubscriptionPushRules()));
    Rules rules;
    for (size_t kind = 0; kind < kKinds; ++kind) {
      std::vector<PushRule>& list = rules.kinds[kind];
      const json::Value old = stored["global"][kKindNames[kind]];
      const json::Value builtin = kind == kPostcontent && threads
                                      ? thread_rules.root()
                                      : defaults.root()[kKindNames[kind]];
      for (const json::Value rule : builtin) {
        list.push_back({std::string(rule["rule_id"].StringOr("")),
                        json::Object::From(rule)});
      }
      size_t place = FirstUserPlace(list);
      for (const json::Value rule : old) {
        const std::string_view id = rule["rule_id"].StringOr("");
        if (id.empty()) continue;
        if (id.front() != '.') {
          list.insert(list.begin() + static_cast<std::ptrdiff_t>(place++),
                      {std::string(id), json::Object::From(rule)});
          continue;
        }
        PushRule* known = rules.Find(static_cast<Kind>(kind), id);
        if (known == nullptr) continue;
        for (const std::string_view field : {"enabled", "actions"}) {
          if (const json::Value value = rule[field]) {
            known->json.SetRaw(field, std::string(value.raw()));
          }
        }
      }
    }
    return rules;
  }
};

namespace {

Result<std::optional<Row>> ReadRow(Snapshot& snapshot,
                                   std::string_view user_id) {
  return snapshot.Get(kAccountData, {TextCell(user_id), std::string(),
                                     TextCell(kPushRulesType)});
}

Result<PushRuleService::Rules> Load(Snapshot& snapshot,
                                    std::string_view user_id,
                                    const std::optional<Row>& row) {
  MC_ASSIGN_OR_RETURN(const bool threads,
                      PushProfiles::UsesThreads(snapshot, user_id));
  if (!row) {
    return PushRuleService::Rules::Merge(user_id, json::Value(), threads);
  }
  MC_ASSIGN_OR_RETURN(
      const json::Document stored,
      json::Document::ParseView(CellText((*row)[AccountData::kJson])));
  return PushRuleService::Rules::Merge(user_id, stored.root(), threads);
}

}  // namespace

std::string PushRuleService::Default(std::string_view user_id) {
  return fmt::format(R"({{"global":{}}})", DefaultPushRules(user_id));
}

Result<std::string> PushRuleService::Get(std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  return Get(*snapshot, user_id);
}

Result<std::string> PushRuleService::Get(Snapshot& snapshot,
                                         std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row, ReadRow(snapshot, user_id));
  MC_ASSIGN_OR_RETURN(const Rules rules, Load(snapshot, user_id, row));
  return rules.ToJson();
}

Result<std::string> PushRuleService::GetRule(std::string_view user_id,
                                             const Name& name) {
  MC_ASSIGN_OR_RETURN(const Kind kind, ParseKind(name.kind));
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store_.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      ReadRow(*snapshot, user_id));
  MC_ASSIGN_OR_RETURN(Rules rules, Load(*snapshot, user_id, row));
  const PushRule* rule = rules.Find(kind, name.rule_id);
  if (rule == nullptr) return NoSuchRule();
  return rule->json.ToJson();
}

namespace {

// Adds a row with these rules, if the user's row is still `old`.
Status AddRules(std::string_view user_id, const std::optional<Row>& old,
                std::string content, WriteBatch& batch) {
  Row key = {TextCell(user_id), std::string(), TextCell(kPushRulesType)};
  if (old) {
    batch.Require(WriteBatch::ColumnEquals{&kAccountData, std::move(key),
                                           AccountData::kPos,
                                           (*old)[AccountData::kPos]});
  } else {
    batch.Require(WriteBatch::RowAbsent{&kAccountData, std::move(key)});
  }
  AccountDataService::AddRow(batch, user_id, "", kPushRulesType,
                             std::move(content));
  return OkStatus();
}

}  // namespace

Status PushRuleService::AddUnchanged(Snapshot& snapshot,
                                     std::string_view user_id,
                                     WriteBatch& batch) {
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row, ReadRow(snapshot, user_id));
  MC_ASSIGN_OR_RETURN(const Rules rules, Load(snapshot, user_id, row));
  return AddRules(user_id, row, rules.ToJson(), batch);
}

// Reads the rules, changes them, writes them with a new position.
Status PushRuleService::Change(std::string_view user_id,
                               const std::function<Status(Rules&)>& change) {
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        ReadRow(snapshot, user_id));
    MC_ASSIGN_OR_RETURN(Rules rules, Load(snapshot, user_id, row));
    MC_RETURN_IF_ERROR(change(rules));
    std::string content = rules.ToJson();
    if (content.size() > kMaxRulesBytes) {
      return Status(StatusCode::kTooLarge, "M_TOO_LARGE",
                    "There are too many push rules");
    }
    MC_RETURN_IF_ERROR(AddRules(user_id, row, std::move(content), batch));
    return PushProfiles::AddUser(snapshot, batch, user_id);
  };
  Status done = Transact(store_, attempt).status();
  if (!MayBeWritten(done)) return done;
  const std::string user(user_id);
  if (profiles_ != nullptr) profiles_->Changed(user);
  notifier_.PublishUsers({&user, 1});
  return done;
}

Status PushRuleService::Put(std::string_view user_id, const Name& name,
                            json::Value body, const Place& place) {
  MC_ASSIGN_OR_RETURN(const Kind kind, ParseKind(name.kind));
  if (kind == kPostcontent) {
    return Invalid("M_INVALID_PARAM", "This kind has no rules of users");
  }
  MC_RETURN_IF_ERROR(CheckRuleId(name.rule_id));
  MC_ASSIGN_OR_RETURN(const json::Object made,
                      MakeRule(kind, name.rule_id, body));
  return Change(user_id, [&](Rules& rules) -> Status {
    std::vector<PushRule>& list = rules.kinds[kind];
    const auto is = [](std::string_view id) {
      return [id](const PushRule& rule) { return rule.id == id; };
    };
    PushRule rule{std::string(name.rule_id), made};
    auto old = std::find_if(list.begin(), list.end(), is(name.rule_id));
    auto target =
        list.begin() + static_cast<std::ptrdiff_t>(Rules::FirstUserPlace(list));
    if (old != list.end()) {
      rule.json.SetRaw("enabled", std::string(old->json.Get("enabled")));
      target = list.erase(old);
    }
    if (place.before || place.after) {
      const std::string_view near = place.before ? *place.before : *place.after;
      target = std::find_if(list.begin(), list.end(), is(near));
      if (target == list.end() || Rules::IsDefault(*target)) {
        return Invalid("M_UNKNOWN",
                       fmt::format("before/after rule not found: {}", near));
      }
      if (!place.before) ++target;
    }
    list.insert(target, std::move(rule));
    return OkStatus();
  });
}

Status PushRuleService::Delete(std::string_view user_id, const Name& name) {
  MC_ASSIGN_OR_RETURN(const Kind kind, ParseKind(name.kind));
  return Change(user_id, [&](Rules& rules) -> Status {
    const PushRule* rule = rules.Find(kind, name.rule_id);
    if (rule == nullptr) return NoSuchRule();
    if (Rules::IsDefault(*rule)) {
      return Invalid("M_INVALID_PARAM", "Default rules cannot be deleted");
    }
    std::vector<PushRule>& list = rules.kinds[kind];
    list.erase(list.begin() + (rule - list.data()));
    return OkStatus();
  });
}

Status PushRuleService::SetEnabled(std::string_view user_id, const Name& name,
                                   bool enabled) {
  MC_ASSIGN_OR_RETURN(const Kind kind, ParseKind(name.kind));
  return Change(user_id, [&](Rules& rules) -> Status {
    PushRule* rule = rules.Find(kind, name.rule_id);
    if (rule == nullptr) return NoSuchRule();
    rule->json.SetBool("enabled", enabled);
    return OkStatus();
  });
}

Status PushRuleService::SetActions(std::string_view user_id, const Name& name,
                                   json::Value actions) {
  MC_ASSIGN_OR_RETURN(const Kind kind, ParseKind(name.kind));
  MC_RETURN_IF_ERROR(CheckActions(actions));
  return Change(user_id, [&](Rules& rules) -> Status {
    PushRule* rule = rules.Find(kind, name.rule_id);
    if (rule == nullptr) return NoSuchRule();
    rule->json.SetRaw("actions", std::string(actions.raw()));
    return OkStatus();
  });
}

}  // namespace matrixcore
