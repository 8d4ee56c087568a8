#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/event/views.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/stateres/resolver.h"
#include "stateres/columns.h"

namespace matrixcore {
namespace {

std::string_view PhaseName(Explanation::Phase phase) {
  switch (phase) {
    case Explanation::Phase::kPower:
      return "power";
    case Explanation::Phase::kMainline:
      return "mainline";
    case Explanation::Phase::kV1:
      break;
  }
  return "v1";
}

class Writer {
 public:
  Writer(const RoomGraph& graph, const Explanation& explanation,
         const StateTree& resolved, std::string* out)
      : graph_(graph),
        explanation_(explanation),
        resolved_(resolved),
        conflicted_(explanation.conflicted_keys.begin(),
                    explanation.conflicted_keys.end()),
        added_(explanation.added_keys.begin(), explanation.added_keys.end()),
        w_(out) {
    for (size_t i = 0; i < explanation.steps.size(); ++i) {
      steps_[explanation.steps[i].key].push_back(i);
    }
    for (const EventIdx event : explanation.conflicted_events) {
      events_[graph.key_of(event)].push_back(event);
    }
  }

  void Run() {
    std::map<StateKey, KeyIdx> keys;  // Sorted, as readers expect.
    for (const KeyIdx key : explanation_.conflicted_keys) AddKey(key, &keys);
    for (const auto& step : explanation_.steps) AddKey(step.key, &keys);
    w_.BeginObject();
    w_.Field("room_version", graph_.rules().id);
    EventField("mainline_base", explanation_.mainline_base);
    EventList("conflicted_events", explanation_.conflicted_events);
    EventList("auth_difference", explanation_.auth_difference);
    EventList("conflicted_subgraph", explanation_.conflicted_subgraph);
    w_.Key("keys").BeginArray();
    for (const auto& [name, key] : keys) WriteKey(name, key);
    w_.EndArray().EndObject();
  }

 private:
  void AddKey(KeyIdx key, std::map<StateKey, KeyIdx>* keys) const {
    keys->emplace(StateKey{std::string(graph_.type(key)),
                           std::string(graph_.state_key(key))},
                  key);
  }

  void EventField(std::string_view name, EventIdx event) {
    w_.Key(name);
    if (event == kNoIndex) {
      w_.Null();
    } else {
      w_.String(graph_.event_id(event));
    }
  }

  void EventList(std::string_view name, const std::vector<EventIdx>& events) {
    std::vector<std::string_view> ids;
    for (const EventIdx event : events) ids.push_back(graph_.event_id(event));
    std::sort(ids.begin(), ids.end());
    w_.Key(name).BeginArray();
    for (const std::string_view id : ids) w_.String(id);
    w_.EndArray();
  }

  void WriteKey(const StateKey& name, KeyIdx key) {
    const bool is_conflicted = conflicted_.count(key) != 0;
    w_.BeginObject();
    w_.Field("type", name.type).Field("state_key", name.state_key);
    w_.Field("conflicted", is_conflicted);
    EventField("winner", resolved_.Get(key));
    w_.Field("reason", Reason(key, is_conflicted));
    w_.Key("candidates").BeginArray();
    std::set<EventIdx> tried;
    if (const auto steps = steps_.find(key); steps != steps_.end()) {
      for (const size_t i : steps->second) {
        WriteStep(i);
        tried.insert(explanation_.steps[i].event);
      }
    }
    if (const auto events = events_.find(key); events != events_.end()) {
      for (const EventIdx event : events->second) {
        if (tried.count(event) == 0) WriteUntried(event);
      }
    }
    w_.EndArray().EndObject();
  }

  // Why the winner won, in words.
  std::string_view Reason(KeyIdx key, bool is_conflicted) const {
    const EventIdx winner = resolved_.Get(key);
    if (winner == kNoIndex) return "no candidate was allowed";
    if (added_.count(key) != 0) {
      return "no state has an event; one of the auth difference was allowed";
    }
    if (!is_conflicted) return "all states have this event";
    if (graph_.rules().state_resolution != StateResolution::kV1) {
      return "the last candidate that was allowed";
    }
    return steps_.count(key) != 0 ? "by depth, hash and what each allowed"
                                  : "no state has another event";
  }

  // Version 1 tries no more events than it has to.
  void WriteUntried(EventIdx event) {
    w_.BeginObject();
    w_.Field("event_id", graph_.event_id(event));
    w_.Field("sender", graph_.sender(event));
    w_.Field("phase", PhaseName(Explanation::Phase::kV1));
    WriteOrderV1(event);
    w_.Field("tried", false).EndObject();
  }

  void WriteStep(size_t i) {
    const Explanation::Step& step = explanation_.steps[i];
    w_.BeginObject();
    w_.Field("event_id", graph_.event_id(step.event));
    w_.Field("sender", graph_.sender(step.event));
    w_.Field("order", static_cast<int64_t>(i));
    w_.Field("phase", PhaseName(step.phase));
    WriteOrder(step);
    w_.Field("allowed", step.rule == Rule::kAllowed);
    w_.Field("rule", RuleName(step.rule));
    w_.Field("rule_number", RuleNumber(step.rule, graph_.rules()));
    constexpr const char* kNames[] = {"power_levels", "sender_membership",
                                      "target_membership", "join_rules"};
    w_.Key("against").BeginObject();
    for (size_t k = 0; k < step.against.size(); ++k) {
      if (step.against[k] != kNoIndex) EventField(kNames[k], step.against[k]);
    }
    w_.EndObject().EndObject();
  }

  void WriteOrderV1(EventIdx event) {
    w_.Field("depth", GraphAccess::Of(graph_).depth[event]);
    w_.Field("sha1", HexEncode(Sha1(AsBytes(graph_.event_id(event)))));
  }

  // What the order looked at.
  void WriteOrder(const Explanation::Step& step) {
    if (step.phase == Explanation::Phase::kV1) {
      WriteOrderV1(step.event);
      return;
    }
    if (step.phase == Explanation::Phase::kMainline) {
      w_.Key("mainline_position");
      if (step.mainline_position == kNoIndex) {
        w_.Null();
      } else {
        w_.Int(step.mainline_position);
      }
    } else if (step.sender_level == kCreatorPower) {
      w_.Field("sender_level", "creator");
    } else {
      w_.Field("sender_level", step.sender_level);
    }
    w_.Field("origin_server_ts", step.origin_server_ts);
  }

  const RoomGraph& graph_;
  const Explanation& explanation_;
  const StateTree& resolved_;
  const std::set<KeyIdx> conflicted_;
  const std::set<KeyIdx> added_;
  std::map<KeyIdx, std::vector<size_t>> steps_;     // Their positions, by key.
  std::map<KeyIdx, std::vector<EventIdx>> events_;  // Conflicted ones, by key.
  json::Writer w_;
};

}  // namespace

std::string ExplanationJson(const RoomGraph& graph,
                            const Explanation& explanation,
                            const StateTree& resolved) {
  std::string out;
  Writer(graph, explanation, resolved, &out).Run();
  return out;
}

}  // namespace matrixcore
