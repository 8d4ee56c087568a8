#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "commands.h"
#include "matrixcore/auth/auth.h"
#include "matrixcore/event/types.h"
#include "picture.h"
#include "room.h"

namespace matrixcore::inspect {
namespace {

// A StateMap as the authorisation rules look at it.
class NumberedState : public StateSource {
 public:
  NumberedState(const Problem& problem, const StateMap& state)
      : problem_(problem), state_(state) {}
  const Event* Find(std::string_view type,
                    std::string_view state_key) const override {
    if (type == kTypeCreate && !problem_.room.rules().create_in_auth_events) {
      return problem_.room.create();
    }
    const KeyIdx key = problem_.graph->FindKey(type, state_key);
    const EventIdx event = key == kNoIndex ? kNoIndex : state_.Get(key);
    return event == kNoIndex
               ? nullptr
               : problem_.room.Find(problem_.graph->event_id(event));
  }

 private:
  const Problem& problem_;
  const StateMap& state_;
};

// Positions of the events with prev events before those that name them; events
// of a cycle come last, in the order of the file.
std::vector<size_t> InOrder(const Room& room) {
  const auto& events = room.events();
  std::map<std::string_view, size_t> positions;
  for (size_t i = 0; i < events.size(); ++i)
    positions[events[i]->event_id()] = i;
  std::vector<size_t> waits_for(events.size(), 0);
  std::vector<std::vector<size_t>> waiting(events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    for (const std::string& prev : events[i]->prev_events()) {
      const auto found = positions.find(prev);
      if (found == positions.end() || found->second == i) continue;
      waiting[found->second].push_back(i);
      ++waits_for[i];
    }
  }
  std::set<size_t> ready;
  for (size_t i = 0; i < events.size(); ++i) {
    if (waits_for[i] == 0) ready.insert(i);
  }
  std::vector<size_t> order;
  std::vector<bool> done(events.size(), false);
  while (!ready.empty()) {
    const size_t i = *ready.begin();
    ready.erase(ready.begin());
    order.push_back(i);
    done[i] = true;
    for (const size_t next : waiting[i]) {
      if (--waits_for[next] == 0) ready.insert(next);
    }
  }
  for (size_t i = 0; i < events.size(); ++i) {
    if (!done[i]) order.push_back(i);
  }
  return order;
}

// What became of the events.
class Outcomes {
 public:
  Outcomes(Problem& problem, const std::vector<size_t>& order)
      : problem_(problem), resolver_(*problem.graph) {
    if (problem.states.empty()) {
      Replay(order);
    } else {
      resolved_ = resolver_.Resolve(problem.states, &explanation_);
      for (const Explanation::Step& step : explanation_.steps) {
        if (step.rule != Rule::kAllowed) rejected_[step.event] = step.rule;
      }
    }
    for (const StateMap& state : problem.states) {
      state.ForEach([this](KeyIdx, EventIdx e) { in_a_state_.insert(e); });
    }
  }

  Outcome Of(EventIdx event, std::string* note) const {
    const KeyIdx key = problem_.graph->key_of(event);
    const auto rejected = rejected_.find(event);
    if (key != kNoIndex && resolved_.Get(key) == event)
      return Outcome::kCurrent;
    if (rejected != rejected_.end()) {
      *note = rejected->second == Rule::kAllowed ? "marked as rejected"
                                                 : RuleName(rejected->second);
      return Outcome::kRejected;
    }
    if (key == kNoIndex) return Outcome::kMessage;
    return in_a_state_.count(event) != 0 ? Outcome::kLost : Outcome::kReplaced;
  }

 private:
  // The state after each event, from those after its prev events.
  void Replay(const std::vector<size_t>& order) {
    std::map<std::string_view, StateMap> after;
    std::set<std::string_view> newest;
    for (const size_t i : order) {
      const Event& event = *problem_.room.events()[i];
      std::vector<StateMap> before;
      for (const std::string& prev : event.prev_events()) {
        const auto found = after.find(prev);
        if (found == after.end()) continue;
        before.push_back(found->second);
        newest.erase(found->first);
      }
      StateMap state = resolver_.Resolve(before);
      const EventIdx number = problem_.graph->Find(event.event_id());
      const Verdict verdict =
          CheckStateAuth(event, NumberedState(problem_, state));
      if (verdict.allowed() && !problem_.room.IsRejected(event.event_id())) {
        problem_.graph->Apply(number, &state);
      } else {
        rejected_[number] = verdict.rule;
      }
      newest.insert(event.event_id());
      after[event.event_id()] = std::move(state);
    }
    for (const std::string_view id : newest) {
      problem_.states.push_back(after[id]);
    }
    resolved_ = resolver_.Resolve(problem_.states);
  }

  Problem& problem_;
  StateResolver resolver_;
  StateMap resolved_;
  Explanation explanation_;
  std::map<EventIdx, Rule> rejected_;
  std::set<EventIdx> in_a_state_;
};

}  // namespace

Result<std::string> Dag(const RoomInput& input, const DagOptions& options) {
  MC_ASSIGN_OR_RETURN(Problem problem, ReadProblem(input));
  const std::vector<size_t> order = InOrder(problem.room);
  const Outcomes outcomes(problem, order);
  std::map<std::string_view, size_t> drawn;
  std::vector<Node> nodes;
  for (const size_t i : order) {
    const Event& event = *problem.room.events()[i];
    Node node;
    node.id = event.event_id();
    node.title = event.type();
    if (event.is_state() && !event.state_key()->empty()) {
      node.title += " " + std::string(*event.state_key());
    }
    node.outcome =
        outcomes.Of(problem.graph->Find(event.event_id()), &node.note);
    const auto link = [&](const std::vector<std::string>& ids,
                          std::vector<size_t>* out) {
      for (const std::string& id : ids) {
        const auto found = drawn.find(id);
        if (found != drawn.end()) out->push_back(found->second);
      }
    };
    link(event.prev_events(), &node.prev);
    link(event.auth_events(), &node.auth);
    drawn[event.event_id()] = nodes.size();
    nodes.push_back(std::move(node));
  }
  return options.svg ? DrawSvg(nodes, options.auth)
                     : DrawDot(nodes, options.auth);
}

}  // namespace matrixcore::inspect
