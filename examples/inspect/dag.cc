#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "commands.h"
#include "matrixcore/auth/auth.h"
#include "picture.h"
#include "room.h"

namespace matrixcore::inspect {
namespace {

// What became of the events.
class Outcomes {
 public:
  explicit Outcomes(const Problem& problem) : problem_(problem) {
    Explanation explanation;
    resolved_ =
        StateResolver(*problem.graph).Resolve(problem.states, &explanation);
    for (const Explanation::Step& step : explanation.steps) {
      if (step.rule != Rule::kAllowed) failed_[step.event] = step.rule;
    }
    for (const StateTree& state : problem.states) {
      state.ForEach([this](KeyIdx, EventIdx e) { in_a_state_.insert(e); });
    }
  }

  // *note is the rule that decided against it.
  Outcome Of(EventIdx event, std::string* note) const {
    const KeyIdx key = problem_.graph->key_of(event);
    if (key != kNoIndex && resolved_.Get(key) == event) {
      return Outcome::kCurrent;
    }
    const auto rejected = problem_.rejected.find(event);
    if (rejected != problem_.rejected.end()) {
      *note = rejected->second == Rule::kAllowed ? "marked as rejected"
                                                 : RuleName(rejected->second);
      return Outcome::kRejected;
    }
    if (key == kNoIndex) return Outcome::kMessage;
    const auto failed = failed_.find(event);
    if (failed != failed_.end()) *note = RuleName(failed->second);
    if (in_a_state_.count(event) != 0) return Outcome::kLost;
    return failed != failed_.end() ? Outcome::kRejected : Outcome::kReplaced;
  }

 private:
  const Problem& problem_;
  StateTree resolved_;
  std::map<EventIdx, Rule> failed_;  // In the resolution.
  std::set<EventIdx> in_a_state_;
};

}  // namespace

Result<std::string> Dag(const RoomInput& input, const DagOptions& options) {
  MC_ASSIGN_OR_RETURN(const Problem problem, ReadProblem(input));
  const std::vector<size_t> order = InOrder(problem.room, &Event::prev_events);
  const Outcomes outcomes(problem);
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
