// 1,200 verdicts on which Synapse and ruma agree.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "matrixcore/auth/auth.h"
#include "vectors/vectors.h"

namespace matrixcore {
namespace {

// A room's state, as a map.
class MapState : public StateSource {
 public:
  void Add(EventPtr event) {
    if (!event->is_state()) return;
    StateKey key{std::string(event->type()), std::string(*event->state_key())};
    events_[std::move(key)] = std::move(event);
  }
  const Event* Find(std::string_view type,
                    std::string_view state_key) const override {
    const auto found =
        events_.find(StateKey{std::string(type), std::string(state_key)});
    return found == events_.end() ? nullptr : found->second.get();
  }

 private:
  std::map<StateKey, EventPtr> events_;
};

EventPtr Load(json::Value pdu, const RoomVersionRules& rules) {
  Result<EventPtr> event = Event::FromTrusted(
      pdu.raw(), rules, std::string(pdu["event_id"].StringOr("")));
  EXPECT_TRUE(event.ok()) << event.status().message();
  return event.ok() ? *event : nullptr;
}

TEST(AuthVectorsTest, AgreeWithOtherImplementations) {
  size_t allowed = 0;
  size_t rejected = 0;
  for (const std::string& line : vectors::ReadLines("auth/vectors.jsonl")) {
    Result<json::Document> vector = json::Document::ParseView(line);
    ASSERT_TRUE(vector.ok());
    const json::Value root = vector->root();
    const RoomVersionRules* rules =
        FindRoomVersion(root["room_version"].StringOr(""));
    ASSERT_NE(rules, nullptr);
    MapState state;
    for (const json::Value pdu : root["auth_state"]) {
      state.Add(Load(pdu, *rules));
    }
    const EventPtr event = Load(root["event"], *rules);
    const Verdict verdict = CheckStateAuth(*event, state);
    EXPECT_EQ(verdict.allowed() ? "allow" : "reject",
              root["expected"].StringOr(""))
        << "vector " << root["id"].raw() << " of version " << rules->id << ": "
        << RuleName(verdict.rule) << ": " << verdict.detail;
    EXPECT_EQ(verdict.detail.empty(), verdict.allowed());
    ++(verdict.allowed() ? allowed : rejected);
  }
  EXPECT_EQ(allowed, 600u);
  EXPECT_EQ(rejected, 600u);
}

}  // namespace
}  // namespace matrixcore
