#include <fmt/format.h>

#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "commands.h"
#include "input.h"
#include "matrixcore/auth/auth.h"
#include "matrixcore/json/writer.h"
#include "room.h"

namespace matrixcore::inspect {
namespace {

// A state made of events; the newest at a key counts.
class EventState : public StateSource {
 public:
  void Add(const Event* event) {
    if (event == nullptr || !event->is_state()) return;
    events_[StateKey{std::string(event->type()),
                     std::string(*event->state_key())}] = event;
  }
  const Event* Find(std::string_view type,
                    std::string_view state_key) const override {
    const auto found =
        events_.find(StateKey{std::string(type), std::string(state_key)});
    return found == events_.end() ? nullptr : found->second;
  }

 private:
  std::map<StateKey, const Event*> events_;
};

void WriteVerdict(const Verdict& verdict, const RoomVersionRules& rules,
                  json::Writer* w) {
  w->Field("verdict", verdict.allowed() ? "allow" : "reject");
  w->Field("rule", RuleName(verdict.rule));
  if (!verdict.allowed()) {
    w->Field("rule_number", RuleNumber(verdict.rule, rules));
    w->Field("detail", verdict.detail);
  }
}

Result<std::string> JudgeVector(const std::string& where, json::Value vector) {
  const json::Value version = vector["room_version"];
  MC_ASSIGN_OR_RETURN(
      const RoomVersionRules* rules,
      RulesOf(where + ", room_version", version.StringOr(version.raw())));
  if (!vector["auth_state"].IsArray()) {
    return Wrong(where + ", auth_state",
                 "is missing or not an array; give the PDUs of the state");
  }
  std::vector<EventPtr> events;
  EventState state;
  for (const json::Value pdu : vector["auth_state"]) {
    MC_ASSIGN_OR_RETURN(EventPtr event,
                        LoadEvent(fmt::format("{}, auth_state, PDU {}", where,
                                              events.size() + 1),
                                  pdu, *rules));
    state.Add(event.get());
    events.push_back(std::move(event));
  }
  MC_ASSIGN_OR_RETURN(const EventPtr event,
                      LoadEvent(where + ", event", vector["event"], *rules));
  std::string line;
  json::Writer w(&line);
  w.BeginObject();
  w.RawField("id", vector["id"] ? vector["id"].raw() : "null");
  WriteVerdict(CheckStateAuth(*event, state), *rules, &w);
  w.EndObject();
  return line;
}

// Both kinds of rules, against the event's own auth events.  `rejected` are the
// events that were rejected before.
Verdict JudgeByOwnAuthEvents(const Event& event, const Room& room,
                             const std::set<std::string_view>& rejected) {
  std::vector<AuthEvent> auth_events;
  EventState state;
  const Event* create = room.create();
  if (create != nullptr && rejected.count(create->event_id()) != 0) {
    create = nullptr;
  }
  if (!room.rules().create_in_auth_events) state.Add(create);
  for (const std::string& id : event.auth_events()) {
    const Event* auth = room.Find(id);
    auth_events.push_back({auth, rejected.count(id) != 0});
    state.Add(auth);
  }
  Verdict verdict = CheckAuthEvents(event, auth_events, create);
  return verdict.allowed() ? CheckStateAuth(event, state) : verdict;
}

void WriteLine(const Event& event, const Verdict& verdict, std::string* out) {
  json::Writer w(out);
  w.BeginObject().Field("event_id", event.event_id());
  WriteVerdict(verdict, event.rules(), &w);
  w.EndObject();
  *out += '\n';
}

}  // namespace

Result<std::string> AuthCheckVectors(const Input& input) {
  MC_ASSIGN_OR_RETURN(const std::vector<PlacedObject> vectors,
                      ParseObjects(input));
  std::string out;
  for (const PlacedObject& text : vectors) {
    MC_ASSIGN_OR_RETURN(const json::Document vector,
                        json::Document::ParseView(text.json));
    MC_ASSIGN_OR_RETURN(const std::string line,
                        JudgeVector(text.where, vector.root()));
    out += line + "\n";
  }
  return out;
}

Result<std::string> AuthCheckByState(const Input& events, const Input& state,
                                     const std::string& room_version) {
  MC_ASSIGN_OR_RETURN(const Room room, Room::Read({state}, room_version));
  MC_ASSIGN_OR_RETURN(const Room judged, Room::Read({events}, room.rules().id));
  EventState source;
  for (const EventPtr& entry : room.events()) source.Add(entry.get());
  std::string out;
  for (const EventPtr& candidate : judged.events()) {
    WriteLine(*candidate, CheckStateAuth(*candidate, source), &out);
  }
  return out;
}

Result<std::string> AuthCheckAll(const std::vector<Input>& events,
                                 const std::string& room_version) {
  MC_ASSIGN_OR_RETURN(const Room room, Room::Read(events, room_version));
  std::set<std::string_view> rejected;
  for (const EventPtr& event : room.events()) {
    if (room.IsRejected(event->event_id())) rejected.insert(event->event_id());
  }
  // An event that is rejected lets those fail that name it.
  std::vector<Verdict> verdicts(room.events().size());
  for (const size_t i : InOrder(room, &Event::auth_events)) {
    const Event& event = *room.events()[i];
    verdicts[i] = JudgeByOwnAuthEvents(event, room, rejected);
    if (!verdicts[i].allowed()) rejected.insert(event.event_id());
  }
  std::string out;
  for (size_t i = 0; i < verdicts.size(); ++i) {
    WriteLine(*room.events()[i], verdicts[i], &out);
  }
  return out;
}

}  // namespace matrixcore::inspect
