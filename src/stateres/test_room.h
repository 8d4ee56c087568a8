// Events of a room by id, for the tests of stateres.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/event/event.h"
#include "matrixcore/stateres/resolver.h"

namespace matrixcore {

// A room held in memory.
class TestRoom : public EventSource {
 public:
  explicit TestRoom(const RoomVersionRules& rules) : rules_(rules) {}

  const RoomVersionRules& rules() const { return rules_; }
  const std::vector<EventPtr>& events() const { return in_order_; }

  // Adds a PDU whose event_id is believed; null when it is no event.
  EventPtr Add(json::Value pdu) {
    Result<EventPtr> event = Event::FromTrusted(
        pdu.raw(), rules_, std::string(pdu["event_id"].StringOr("")));
    if (!event.ok()) return nullptr;
    if (pdu["rejected"].AsBool().value_or(false)) Reject((*event)->event_id());
    return Add(*event);
  }
  EventPtr Add(EventPtr event) {
    if (by_id_.emplace(event->event_id(), event).second) {
      in_order_.push_back(event);
    }
    return event;
  }
  void Reject(const std::string& event_id) { rejected_.insert(event_id); }

  const Event* Find(std::string_view event_id) override {
    const auto found = by_id_.find(event_id);
    return found == by_id_.end() ? nullptr : found->second.get();
  }
  bool IsRejected(std::string_view event_id) override {
    return rejected_.count(event_id) != 0;
  }

  // Everything that is on no cycle, interned.
  RoomGraph Graph() {
    std::vector<RoomGraph::Source> sources;
    for (const EventPtr& event : in_order_) {
      sources.push_back({event.get(), IsRejected(event->event_id())});
    }
    RoomGraph graph(rules_);
    acyclic_ = graph.AddAll(sources).ok();
    return graph;
  }
  // What the last Graph() found.
  bool acyclic() const { return acyclic_; }

 private:
  const RoomVersionRules& rules_;
  std::map<std::string, EventPtr, std::less<>> by_id_;
  std::vector<EventPtr> in_order_;
  std::set<std::string, std::less<>> rejected_;
  bool acyclic_ = true;
};

// A state by names, to print and compare.
inline StateIds Named(const RoomGraph& graph, const StateTree& state) {
  StateIds ids;
  state.ForEach([&](KeyIdx key, EventIdx event) {
    ids.emplace(StateKey{std::string(graph.type(key)),
                         std::string(graph.state_key(key))},
                graph.event_id(event));
  });
  return ids;
}

inline StateTree Numbered(const RoomGraph& graph, const StateIds& state) {
  StateTree map;
  for (const auto& [key, event_id] : state) {
    const EventIdx event = graph.Find(event_id);
    if (event != kNoIndex) graph.Apply(event, &map);
  }
  return map;
}

inline std::string Text(const StateIds& state) {
  std::string out;
  for (const auto& [key, event_id] : state) {
    out += key.type + "|" + key.state_key + " = " + event_id + "\n";
  }
  return out;
}

}  // namespace matrixcore
