// Push rules (spec: client-server API, "Push Rules: API").
#include "matrixcore/service/push_rules.h"

#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"

namespace matrixcore::api {
namespace {

PushRuleService::Name NameOf(const Call& call) {
  return {.kind = call.path[0], .rule_id = call.path[1]};
}

Result<Reply> GetPushRules(Call& call) {
  MC_ASSIGN_OR_RETURN(std::string rules,
                      call.services.push_rules.Get(call.user_id()));
  return JsonReply(std::move(rules));
}

Result<Reply> GetPushRulesGlobal(Call& call) {
  MC_ASSIGN_OR_RETURN(std::string rules,
                      call.services.push_rules.Get(call.user_id()));
  MC_ASSIGN_OR_RETURN(const json::Document document,
                      json::Document::Parse(std::move(rules)));
  return JsonReply(std::string(document.root()["global"].raw()));
}

Result<Reply> GetPushRule(Call& call) {
  MC_ASSIGN_OR_RETURN(std::string rule, call.services.push_rules.GetRule(
                                            call.user_id(), NameOf(call)));
  return JsonReply(std::move(rule));
}

// One field of a rule.
Result<Reply> GetRuleField(Call& call, std::string_view field) {
  MC_ASSIGN_OR_RETURN(std::string rule, call.services.push_rules.GetRule(
                                            call.user_id(), NameOf(call)));
  MC_ASSIGN_OR_RETURN(const json::Document document,
                      json::Document::Parse(std::move(rule)));
  return ObjectReply([&](json::Writer& w) {
    w.RawField(field, document.root()[field].raw());
  });
}

Result<Reply> IsPushRuleEnabled(Call& call) {
  return GetRuleField(call, "enabled");
}
Result<Reply> GetPushRuleActions(Call& call) {
  return GetRuleField(call, "actions");
}

Result<Reply> SetPushRule(Call& call) {
  MC_RETURN_IF_ERROR(
      call.services.push_rules.Put(call.user_id(), NameOf(call), call.root(),
                                   {.before = OptionalQuery(call, "before"),
                                    .after = OptionalQuery(call, "after")}));
  return EmptyReply();
}

Result<Reply> DeletePushRule(Call& call) {
  MC_RETURN_IF_ERROR(
      call.services.push_rules.Delete(call.user_id(), NameOf(call)));
  return EmptyReply();
}

Result<Reply> SetPushRuleEnabled(Call& call) {
  MC_ASSIGN_OR_RETURN(const bool enabled, RequiredBool(call.root(), "enabled"));
  MC_RETURN_IF_ERROR(call.services.push_rules.SetEnabled(
      call.user_id(), NameOf(call), enabled));
  return EmptyReply();
}

Result<Reply> SetPushRuleActions(Call& call) {
  MC_RETURN_IF_ERROR(call.services.push_rules.SetActions(
      call.user_id(), NameOf(call), call.root()["actions"]));
  return EmptyReply();
}

constexpr std::string_view kRule =
    "/_matrix/client/v3/pushrules/global/{kind}/{ruleId}";
constexpr std::string_view kEnabled =
    "/_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled";
constexpr std::string_view kActions =
    "/_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions";

constexpr Route kRoutes[] = {
    {HttpMethod::kGet, "/_matrix/client/v3/pushrules/", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kNone, &GetPushRules,
     "getPushRules"},
    {HttpMethod::kGet, "/_matrix/client/v3/pushrules/global/", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kNone, &GetPushRulesGlobal,
     "getPushRulesGlobal"},
    {HttpMethod::kGet, kRule, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &GetPushRule, "getPushRule"},
    {HttpMethod::kPut, kRule, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kObject, &SetPushRule, "setPushRule"},
    {HttpMethod::kDelete, kRule, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &DeletePushRule, "deletePushRule"},
    {HttpMethod::kGet, kEnabled, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &IsPushRuleEnabled, "isPushRuleEnabled"},
    {HttpMethod::kPut, kEnabled, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kObject, &SetPushRuleEnabled,
     "setPushRuleEnabled"},
    {HttpMethod::kGet, kActions, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &GetPushRuleActions,
     "getPushRuleActions"},
    {HttpMethod::kPut, kActions, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kObject, &SetPushRuleActions,
     "setPushRuleActions"},
};

}  // namespace

std::span<const Route> PushRuleRoutes() { return kRoutes; }

}  // namespace matrixcore::api
