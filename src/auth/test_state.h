// A small room state to judge events against, for the tests of auth.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "matrixcore/auth/auth.h"
#include "matrixcore/json/object.h"

namespace matrixcore {

// What differs between the events of a test.
struct TestEvent {
  std::string type = {};
  std::string sender = {};
  std::optional<std::string> state_key = {};
  std::string content = "{}";
  std::string id = "$event:x";
  std::string room_id = "!r:x";
  std::string prev_events = R"(["$p","$q"])";
  std::string redacts = {};
};

inline EventPtr Make(const RoomVersionRules& rules, const TestEvent& test) {
  json::Object event;
  event.SetString("type", test.type);
  event.SetString("sender", test.sender);
  if (test.state_key.has_value()) event.SetString("state_key", *test.state_key);
  event.SetRaw("content", test.content);
  if (!test.room_id.empty()) event.SetString("room_id", test.room_id);
  event.SetRaw("prev_events", test.prev_events);
  if (!test.redacts.empty()) event.SetString("redacts", test.redacts);
  Result<EventPtr> made = Event::FromTrusted(event.ToJson(), rules, test.id);
  EXPECT_TRUE(made.ok()) << made.status().message() << event.ToJson();
  return made.ok() ? *made : nullptr;
}

// @admin created the room and joined; @mod has level 50.
class TestState : public StateSource {
 public:
  explicit TestState(std::string_view version)
      : rules_(*FindRoomVersion(version)) {
    const bool v12 = rules_.room_id_is_create_hash;
    Put({.type = "m.room.create",
         .sender = "@admin:x",
         .state_key = "",
         .content = R"({"creator":"@admin:x"})",
         .id = "$r:x",
         .room_id = v12 ? "" : "!r:x",
         .prev_events = "[]"});
    Join("@admin:x");
  }
  const RoomVersionRules& rules() const { return rules_; }

  void Put(const TestEvent& test) {
    const EventPtr event = Make(rules_, test);
    events_[StateKey{test.type, *test.state_key}] = event;
  }
  void Levels(std::string content) {
    Put({.type = "m.room.power_levels",
         .sender = "@admin:x",
         .state_key = "",
         .content = std::move(content)});
  }
  void JoinRule(const std::string& rule) {
    Put({.type = "m.room.join_rules",
         .sender = "@admin:x",
         .state_key = "",
         .content = R"({"join_rule":")" + rule + "\"}"});
  }
  void Member(const std::string& user, const std::string& membership) {
    Put({.type = "m.room.member",
         .sender = user,
         .state_key = user,
         .content = R"({"membership":")" + membership + "\"}"});
  }
  void Join(const std::string& user) { Member(user, "join"); }
  void Remove(const std::string& type, const std::string& state_key) {
    events_.erase(StateKey{type, state_key});
  }

  const Event* Find(std::string_view type,
                    std::string_view state_key) const override {
    const auto found =
        events_.find(StateKey{std::string(type), std::string(state_key)});
    return found == events_.end() ? nullptr : found->second.get();
  }

  Rule Judge(const TestEvent& test) const {
    const Verdict verdict = CheckStateAuth(*Make(rules_, test), *this);
    EXPECT_EQ(verdict.allowed(), verdict.detail.empty());
    return verdict.rule;
  }
  // A membership event by `sender` about `target`.
  Rule JudgeMember(const std::string& sender, const std::string& target,
                   const std::string& membership,
                   const std::string& more = "") const {
    return Judge(
        {.type = "m.room.member",
         .sender = sender,
         .state_key = target,
         .content = R"({"membership":")" + membership + "\"" + more + "}"});
  }

 private:
  const RoomVersionRules& rules_;
  std::map<StateKey, EventPtr> events_;
};

inline std::ostream& operator<<(std::ostream& out, Rule rule) {
  return out << RuleName(rule);
}

}  // namespace matrixcore
