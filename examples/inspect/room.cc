#include "room.h"

#include <fmt/format.h>

#include <utility>

#include "matrixcore/event/signing.h"
#include "matrixcore/event/types.h"

namespace matrixcore::inspect {
namespace {

// What the create event among the PDUs says.  Without room_version it is
// version 1.
Result<const RoomVersionRules*> FindVersion(
    const std::string& files, const std::vector<PlacedObject>& pdus) {
  for (const PlacedObject& pdu : pdus) {
    MC_ASSIGN_OR_RETURN(const json::Document document,
                        json::Document::ParseView(pdu.json));
    const json::Value root = document.root();
    if (root["type"].StringOr("") != kTypeCreate) continue;
    const json::Value version = root["content"]["room_version"];
    return RulesOf(pdu.where + ", content.room_version",
                   version ? version.StringOr(version.raw()) : "1");
  }
  return Wrong(files,
               "has no m.room.create event that would name the room version; "
               "add it, or name the version with --room-version");
}

// Whether the first object is the first line of a room file.
bool IsRoomFile(const std::vector<PlacedObject>& objects) {
  if (objects.empty()) return false;
  const Result<json::Document> first =
      json::Document::ParseView(objects[0].json);
  return first.ok() && first->root()["matrixcore_room"];
}

}  // namespace

Result<const RoomVersionRules*> RulesOf(std::string_view where,
                                        std::string_view version) {
  if (const RoomVersionRules* rules = FindRoomVersion(version)) return rules;
  return Wrong(
      where,
      fmt::format("unknown room version \"{}\"; known are {} to {}", version,
                  AllRoomVersions().front()->id, AllRoomVersions().back()->id));
}

Result<EventPtr> LoadEvent(const std::string& where, json::Value pdu,
                           const RoomVersionRules& rules) {
  if (!pdu.IsObject()) {
    return Wrong(where, "is missing or not an object; give a PDU here");
  }
  std::string id(pdu["event_id"].StringOr(""));
  if (id.empty() && rules.event_id_format == EventIdFormat::kServerGiven) {
    return Wrong(where, fmt::format("event_id is missing; in room version {} "
                                    "it cannot be computed: add it",
                                    rules.id));
  }
  if (id.empty()) {
    Result<std::string> computed = ComputeEventId(pdu, rules);
    if (!computed.ok()) return Wrong(where, computed.status().message());
    id = std::move(*computed);
  }
  Result<EventPtr> event = Event::FromTrusted(pdu.raw(), rules, std::move(id));
  if (event.ok()) return event;
  return Wrong(where, event.status().message() +
                          "; a PDU has the strings type and sender and the "
                          "object content");
}

const Event* Room::Find(std::string_view event_id) const {
  const auto found = by_id_.find(event_id);
  return found == by_id_.end() ? nullptr : events_[found->second].get();
}

const std::vector<std::string>* Room::StateBefore(
    std::string_view event_id) const {
  const auto found = states_before_.find(event_id);
  return found == states_before_.end() ? nullptr : &found->second;
}

void Room::TakeRecord(json::Value record) {
  const std::string_view event_id = record["state_before"].StringOr("");
  std::vector<std::string>& ids =
      event_id.empty() ? current_state_ : states_before_[std::string(event_id)];
  for (const json::Value id : record["state"]) {
    ids.emplace_back(id.StringOr(""));
  }
}

Result<Room> Room::Read(const std::vector<Input>& pdus,
                        std::string_view room_version) {
  Room room;
  std::vector<PlacedObject> objects;
  for (const Input& input : pdus) {
    room.where_ += (room.where_.empty() ? "" : ", ") + input.name;
    MC_ASSIGN_OR_RETURN(std::vector<PlacedObject> more, ParseObjects(input));
    for (PlacedObject& object : more) objects.push_back(std::move(object));
  }
  MC_ASSIGN_OR_RETURN(room.rules_,
                      room_version.empty()
                          ? FindVersion(room.where_, objects)
                          : RulesOf("--room-version", room_version));
  const bool is_room_file = IsRoomFile(objects);
  std::vector<std::string> places;  // Of the events.
  for (size_t i = 0; i < objects.size(); ++i) {
    MC_ASSIGN_OR_RETURN(const json::Document pdu,
                        json::Document::ParseView(objects[i].json));
    if (is_room_file && !pdu.root()["type"]) {
      room.TakeRecord(pdu.root());
      continue;
    }
    MC_ASSIGN_OR_RETURN(EventPtr event,
                        LoadEvent(objects[i].where, pdu.root(), *room.rules_));
    const auto [known, is_new] =
        room.by_id_.emplace(event->event_id(), room.events_.size());
    if (!is_new) {
      return Wrong(objects[i].where,
                   fmt::format("event_id {} is that of {} too; leave one out",
                               event->event_id(), places[known->second]));
    }
    const json::Value marks =
        is_room_file ? pdu.root()["unsigned"] : pdu.root();
    if (marks["rejected"].AsBool().value_or(false)) {
      room.rejected_.insert(event->event_id());
    }
    if (is_room_file && marks["outlier"].AsBool().value_or(false)) {
      room.outliers_.insert(event->event_id());
    }
    if (room.create_ == nullptr && event->Is(kTypeCreate, "")) {
      room.create_ = event.get();
    }
    room.events_.push_back(std::move(event));
    places.push_back(objects[i].where);
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
  if (const Status status = graph.AddAll(sources); !status.ok()) {
    return Wrong(where_, status.message() +
                             "; no real event can name one that names it: "
                             "correct its auth_events");
  }
  return graph;
}

std::vector<size_t> InOrder(const Room& room, References references) {
  const auto& events = room.events();
  std::map<std::string_view, size_t> positions;
  for (size_t i = 0; i < events.size(); ++i) {
    positions[events[i]->event_id()] = i;
  }
  std::vector<size_t> waits_for(events.size(), 0);
  std::vector<std::vector<size_t>> waiting(events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    for (const std::string& id : (events[i].get()->*references)()) {
      const auto found = positions.find(id);
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

}  // namespace matrixcore::inspect
