#include <algorithm>
#include <tuple>
#include <vector>

#include "commands.h"
#include "matrixcore/json/writer.h"
#include "room.h"

namespace matrixcore::inspect {

Result<std::string> Resolve(const RoomInput& input) {
  MC_ASSIGN_OR_RETURN(const Problem problem, ReadProblem(input));
  const RoomGraph& graph = *problem.graph;
  const StateTree resolved = StateResolver(graph).Resolve(problem.states);
  std::vector<std::tuple<std::string_view, std::string_view, std::string_view>>
      rows;
  resolved.ForEach([&](KeyIdx key, EventIdx event) {
    rows.emplace_back(graph.type(key), graph.state_key(key),
                      graph.event_id(event));
  });
  std::sort(rows.begin(), rows.end());
  std::string out;
  json::Writer w(&out);
  w.BeginArray();
  for (const auto& [type, state_key, event_id] : rows) {
    w.BeginArray().String(type).String(state_key).String(event_id).EndArray();
  }
  w.EndArray();
  return out + "\n";
}

Result<std::string> Explain(const RoomInput& input) {
  MC_ASSIGN_OR_RETURN(const Problem problem, ReadProblem(input));
  Explanation explanation;
  const StateTree resolved =
      StateResolver(*problem.graph).Resolve(problem.states, &explanation);
  return ExplanationJson(*problem.graph, explanation, resolved) + "\n";
}

}  // namespace matrixcore::inspect
