// Push rules: which events notify a user, and how (spec: client-server API,
// "Push Rules").
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/event/event.h"
#include "matrixcore/event/views.h"

namespace matrixcore {

// The server-default rules of specification v1.19 for a user, as the JSON of
// the `global` ruleset: what m.push_rules holds under "global" for a new
// account.
std::string DefaultPushRules(std::string_view user_id);
// The `postcontent` rules that MSC4306 adds for users with thread
// subscriptions, a JSON array.
std::string ThreadSubscriptionPushRules();

// One event, prepared to be judged by the rules of many users.  Holds the
// event; not thread-safe.
class PushEvent {
 public:
  explicit PushEvent(EventPtr event);
  const Event& event() const { return *event_; }
  json::Value root() const { return document_.root(); }

 private:
  EventPtr event_;
  json::Document document_;
};

// What conditions ask beside the event.  Views: all outlive the call.
struct PushContext {
  std::string_view user_id;  // Whose rules they are.
  // The user's display name in the room, "" if none (contains_display_name).
  std::string_view display_name = {};
  int64_t joined_members = 0;
  // The room's power levels at the event, or null: then no sender may notify.
  const PowerLevels* power_levels = nullptr;
  // Of an event in a thread: whether the user is subscribed to it (MSC4306).
  std::optional<bool> thread_subscribed = {};
};

// What the highest rule that matches says.
struct PushOutcome {
  bool notify = false;
  bool highlight = false;
  // The rule that decided, "" when none matched; a view into the ruleset.
  std::string_view rule_id = {};
  // Its actions, a JSON array without the historical ones; "[]" when no rule
  // matched.
  std::string_view actions = "[]";
};

// A compiled `global` ruleset.  Immutable, thread-safe, cheap to copy.
class PushRuleset {
 public:
  // Never fails: what is malformed, disabled, or of an unknown kind does not
  // match.  Within a kind the rules' order is their priority.
  explicit PushRuleset(json::Value global);

  // The default rules as they judge for everybody at once, by how the event
  // concerns the user: no name of a user needs to be known, or compiled.
  enum class Concern { kNone, kMentioned, kInvited };
  static PushRuleset Default(Concern concern);

  // Whether some rule asks for the context's display name.
  bool needs_display_name() const;

  // Nobody is notified of events of their own.
  PushOutcome Evaluate(const PushEvent& event,
                       const PushContext& context) const;

  // Memory that the compiled rules hold, in bytes.
  size_t HeapBytes() const;

 private:
  struct Rules;
  std::shared_ptr<const Rules> rules_;
};

}  // namespace matrixcore
