// The states to resolve: read from files, or those after a room's newest
// events.
#include <fmt/format.h>

#include <utility>

#include "input.h"
#include "matrixcore/auth/auth.h"
#include "matrixcore/event/types.h"
#include "room.h"

namespace matrixcore::inspect {
namespace {

// Reads state sets in every form in which they come.
class StateReader {
 public:
  explicit StateReader(Problem* problem) : problem_(*problem) {}

  Status Read(const PlacedValue& value) {
    const json::Value root = value.document.root();
    const json::Value sets = root.IsObject() ? root["state_sets"] : root;
    if (root.IsObject() && !sets) return ReadSet(value.where, root);
    if (!sets.IsArray()) return Wrong(value.where, kForms);
    if (sets.at(0).IsString()) return ReadSet(value.where, sets);
    size_t number = 0;
    for (const json::Value set : sets) {
      MC_RETURN_IF_ERROR(
          ReadSet(fmt::format("{}, state set {}", value.where, ++number), set));
    }
    return OkStatus();
  }

 private:
  static constexpr const char* kForms =
      "holds no states; give an array of state sets (or an object with it as "
      "state_sets), each an array of event ids or an object of type -> "
      "state_key -> event id";

  Status ReadSet(const std::string& where, json::Value set) {
    StateTree& state = problem_.states.emplace_back();
    if (set.IsArray()) {
      size_t number = 0;
      for (const json::Value id : set) {
        MC_RETURN_IF_ERROR(
            Put(fmt::format("{}, entry {}", where, ++number), id, &state)
                .status());
      }
      return OkStatus();
    }
    if (!set.IsObject()) return Wrong(where, kForms);
    for (const auto [type, keys] : set.members()) {
      if (!keys.IsObject()) return Wrong(where, kForms);
      for (const auto [state_key, id] : keys.members()) {
        const std::string entry =
            fmt::format("{}, \"{}\" \"{}\"", where, type, state_key);
        MC_ASSIGN_OR_RETURN(const Event* event, Put(entry, id, &state));
        if (!event->Is(type, state_key)) {
          return Wrong(entry, fmt::format("{} is a {} event with state_key "
                                          "\"{}\"; move it there",
                                          event->event_id(), event->type(),
                                          *event->state_key()));
        }
      }
    }
    return OkStatus();
  }

  // Puts the event with that id into the state.
  Result<const Event*> Put(const std::string& where, json::Value id,
                           StateTree* state) {
    if (!id.IsString())
      return Wrong(where, "is not a string; give an event id");
    const std::string_view event_id = *id.AsString();
    const Event* event = problem_.room.Find(event_id);
    if (event == nullptr) {
      return Wrong(where, fmt::format("{} is not among the events of {}; add "
                                      "it there or leave it out here",
                                      event_id, problem_.room.where()));
    }
    if (!event->is_state()) {
      return Wrong(where, fmt::format("{} is no state event (it has no "
                                      "state_key); leave it out",
                                      event_id));
    }
    const EventIdx number = problem_.graph->Find(event_id);
    const EventIdx there = state->Get(problem_.graph->key_of(number));
    if (there != kNoIndex && there != number) {
      return Wrong(where,
                   fmt::format("{} has the type and state_key of {}, "
                               "which is there already; leave one out",
                               event_id, problem_.graph->event_id(there)));
    }
    problem_.graph->Apply(number, state);
    return event;
  }

  Problem& problem_;
};

// A StateTree as the authorisation rules look at it.
class NumberedState : public StateSource {
 public:
  NumberedState(const Problem& problem, const StateTree& state)
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
  const StateTree& state_;
};

// The state of those events that the graph has.
StateTree StateOf(const RoomGraph& graph, const std::vector<std::string>& ids) {
  StateTree state;
  for (const std::string& id : ids) {
    const EventIdx event = graph.Find(id);
    if (event != kNoIndex) graph.Apply(event, &state);
  }
  return state;
}

// Works out the state after each event from those after its prev events; the
// states to resolve are those after the newest ones.
void Replay(Problem* problem) {
  StateResolver resolver(*problem->graph);
  std::map<std::string_view, StateTree> after;
  std::set<std::string_view> newest;
  for (const size_t i : InOrder(problem->room, &Event::prev_events)) {
    const Event& event = *problem->room.events()[i];
    if (problem->room.IsOutlier(event.event_id())) continue;
    std::vector<StateTree> before;
    for (const std::string& prev : event.prev_events()) {
      const auto found = after.find(prev);
      if (found == after.end()) continue;
      before.push_back(found->second);
      newest.erase(found->first);
    }
    StateTree state = resolver.Resolve(before);
    if (const auto* given = problem->room.StateBefore(event.event_id())) {
      state = StateOf(*problem->graph, *given);
    }
    const EventIdx number = problem->graph->Find(event.event_id());
    const Verdict verdict =
        CheckStateAuth(event, NumberedState(*problem, state));
    if (verdict.allowed() && !problem->room.IsRejected(event.event_id())) {
      problem->graph->Apply(number, &state);
    } else {
      problem->rejected[number] = verdict.rule;
    }
    newest.insert(event.event_id());
    after[event.event_id()] = std::move(state);
  }
  for (const std::string_view id : newest) {
    problem->states.push_back(after[id]);
  }
  if (!problem->room.current_state().empty()) {
    problem->states.push_back(
        StateOf(*problem->graph, problem->room.current_state()));
  }
}

}  // namespace

Result<Problem> ReadProblem(const RoomInput& input) {
  std::vector<PlacedValue> values;
  std::string room_version = input.room_version;
  for (const Input& file : input.states) {
    MC_ASSIGN_OR_RETURN(std::vector<PlacedValue> more, ParseValues(file));
    for (PlacedValue& value : more) {
      if (room_version.empty()) {
        room_version = value.document.root()["room_version"].StringOr("");
      }
      values.push_back(std::move(value));
    }
  }
  MC_ASSIGN_OR_RETURN(Room room, Room::Read(input.events, room_version));
  MC_ASSIGN_OR_RETURN(RoomGraph graph, room.MakeGraph());
  Problem problem{
      std::move(room), std::make_unique<RoomGraph>(std::move(graph)), {}, {}};
  if (input.states.empty()) {
    Replay(&problem);
    return problem;
  }
  StateReader reader(&problem);
  for (const PlacedValue& value : values) {
    MC_RETURN_IF_ERROR(reader.Read(value));
  }
  return problem;
}

}  // namespace matrixcore::inspect
