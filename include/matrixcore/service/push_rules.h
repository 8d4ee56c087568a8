// Push rules of users: reading and changing them (spec: client-server API,
// "Push Rules: API").  Judging events by them is event/push_rules.h.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/service/push_profiles.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Thread-safe.  A user's rules are kept as the account data m.push_rules, so
// that changes reach clients through sync.  Server-default rules that the
// stored rules lack are added when they are read, ones that are no longer
// default are dropped. Besides the named ones, functions may give the store's
// errors.
class PushRuleService {
 public:
  // `profiles` is told of changes; null when nobody is notified by the rules.
  PushRuleService(Store& store, Notifier& notifier,
                  PushProfiles* profiles = nullptr)
      : store_(store), notifier_(notifier), profiles_(profiles) {}

  // {"global": {...}}: the content of m.push_rules.
  Result<std::string> Get(std::string_view user_id);
  static Result<std::string> Get(Snapshot& snapshot, std::string_view user_id);
  // The same for a user who never changed a rule.  (Users with thread
  // subscriptions have rules of the kind `postcontent` as well: MSC4306.)
  static std::string Default(std::string_view user_id);

  // A rule is named by its kind ("override", ...) and its id.  For all of the
  // following: kInvalidArgument M_INVALID_PARAM for an unknown kind, kNotFound
  // M_NOT_FOUND for an unknown rule.
  struct Name {
    std::string_view kind = {};
    std::string_view rule_id = {};
  };
  Result<std::string> GetRule(std::string_view user_id, const Name& name);

  // Adds a rule of the user, or replaces it (and then keeps whether it is
  // enabled).  kInvalidArgument: M_INVALID_PARAM for an id that is reserved or
  // has slashes, and for `postcontent`, which has default rules only,
  // M_MISSING_PARAM or M_BAD_JSON for a bad rule, M_UNKNOWN for a neighbour
  // that is not a rule of the user.
  struct Place {
    std::optional<std::string_view> before = {};
    std::optional<std::string_view> after = {};
  };
  Status Put(std::string_view user_id, const Name& name, json::Value rule,
             const Place& place);
  // Default rules cannot be deleted: kInvalidArgument M_INVALID_PARAM.
  Status Delete(std::string_view user_id, const Name& name);
  Status SetEnabled(std::string_view user_id, const Name& name, bool enabled);
  // kInvalidArgument M_BAD_JSON for anything but an array of actions.
  Status SetActions(std::string_view user_id, const Name& name,
                    json::Value actions);

  // Adds a row to a batch that shows the rules to syncs once more: for whoever
  // changed what the default rules are.
  static Status AddUnchanged(Snapshot& snapshot, std::string_view user_id,
                             WriteBatch& batch);

  struct Rules;  // Of one user, taken apart; push_rules.cc.

 private:
  Status Change(std::string_view user_id,
                const std::function<Status(Rules&)>& change);

  Store& store_;
  Notifier& notifier_;
  PushProfiles* const profiles_;
};

}  // namespace matrixcore
