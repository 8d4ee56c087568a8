#include "room.h"

#include <fmt/format.h>

#include <utility>

#include "input.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/event/types.h"

namespace matrixcore::inspect {
namespace {

Status Bad(std::string message) {
  return Status(StatusCode::kInvalidArgument, std::move(message));
}

// What the create event among the PDUs says.  Rooms without it are of
// version 1.
Result<std::string> FindVersion(const std::vector<std::string>& pdus) {
  for (const std::string& pdu : pdus) {
    MC_ASSIGN_OR_RETURN(const json::Document document,
                        json::Document::ParseView(pdu));
    const json::Value root = document.root();
    if (root["type"].StringOr("") == kTypeCreate) {
      return std::string(root["content"]["room_version"].StringOr("1"));
    }
  }
  return Bad("name the room version: there is no create event");
}

// The ids of a state: an array of them, or type -> state key -> id.
Result<std::vector<std::string>> ReadState(json::Value state) {
  std::vector<std::string> ids;
  const auto add = [&ids](json::Value id) {
    ids.emplace_back(id.StringOr(""));
    return id.IsString();
  };
  if (state.IsArray()) {
    for (const json::Value id : state) {
      if (!add(id)) return Bad("a state set has an entry that is no event id");
    }
    return ids;
  }
  if (!state.IsObject()) return Bad("a state set is neither array nor object");
  for (const auto [type, keys] : state.members()) {
    if (!keys.IsObject())
      return Bad("a state set is not type -> state key -> id");
    for (const auto [state_key, id] : keys.members()) {
      if (!add(id)) return Bad("a state set has an entry that is no event id");
    }
  }
  return ids;
}

}  // namespace

const Event* Room::Find(std::string_view event_id) const {
  const auto found = by_id_.find(event_id);
  return found == by_id_.end() ? nullptr : events_[found->second].get();
}

Result<Room> Room::Read(const std::string& pdus, std::string room_version) {
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> objects,
                      ParseObjects(pdus));
  if (room_version.empty()) {
    MC_ASSIGN_OR_RETURN(room_version, FindVersion(objects));
  }
  Room room;
  room.rules_ = FindRoomVersion(room_version);
  if (room.rules_ == nullptr) {
    return Bad(fmt::format("unknown room version {}", room_version));
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    const auto failure = [i](const std::string& message) {
      return Bad(fmt::format("event {}: {}", i + 1, message));
    };
    MC_ASSIGN_OR_RETURN(const json::Document pdu,
                        json::Document::ParseView(objects[i]));
    std::string id(pdu.root()["event_id"].StringOr(""));
    if (id.empty()) {
      Result<std::string> computed = ComputeEventId(pdu.root(), *room.rules_);
      if (!computed.ok()) return failure(computed.status().message());
      id = *computed;
    }
    Result<EventPtr> event = Event::FromTrusted(objects[i], *room.rules_, id);
    if (!event.ok()) return failure(event.status().message());
    if (!room.by_id_.emplace(id, room.events_.size()).second) {
      return failure(fmt::format("{} is there twice", id));
    }
    if (pdu.root()["rejected"].AsBool().value_or(false)) {
      room.rejected_.insert(id);
    }
    room.events_.push_back(*event);
    if (room.create_ == nullptr && (*event)->Is(kTypeCreate, "")) {
      room.create_ = event->get();
    }
  }
  return room;
}

Result<RoomGraph> Room::MakeGraph() const {
  std::vector<RoomGraph::Source> sources;
  for (const EventPtr& event : events_) {
    sources.push_back({event.get(), IsRejected(event->event_id())});
  }
  RoomGraph graph(*rules_);
  graph.Reserve(sources.size());
  MC_RETURN_IF_ERROR(graph.AddAll(sources));
  return graph;
}

Result<Problem> ReadProblem(const RoomInput& input) {
  json::Document states;
  std::string room_version = input.room_version;
  if (!input.states.empty()) {
    MC_ASSIGN_OR_RETURN(states, json::Document::ParseView(input.states));
    if (room_version.empty()) {
      room_version = states.root()["room_version"].StringOr("");
    }
  }
  MC_ASSIGN_OR_RETURN(Room room, Room::Read(input.events, room_version));
  MC_ASSIGN_OR_RETURN(RoomGraph graph, room.MakeGraph());
  Problem problem{
      std::move(room), std::make_unique<RoomGraph>(std::move(graph)), {}};
  const json::Value sets =
      states.root().IsObject() ? states.root()["state_sets"] : states.root();
  if (!input.states.empty() && !sets.IsArray()) {
    return Bad("the states are neither an array nor an object with state_sets");
  }
  for (const json::Value set : sets) {
    MC_ASSIGN_OR_RETURN(const std::vector<std::string> ids, ReadState(set));
    StateMap& state = problem.states.emplace_back();
    for (const std::string& id : ids) {
      const EventIdx event = problem.graph->Find(id);
      if (event == kNoIndex) {
        return Bad(
            fmt::format("{} is in a state but not among the events", id));
      }
      if (problem.graph->key_of(event) == kNoIndex) {
        return Bad(fmt::format("{} is in a state but is no state event", id));
      }
      problem.graph->Apply(event, &state);
    }
  }
  return problem;
}

}  // namespace matrixcore::inspect
