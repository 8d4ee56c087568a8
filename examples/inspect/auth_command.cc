#include <fmt/format.h>

#include <map>
#include <utility>
#include <vector>

#include "commands.h"
#include "input.h"
#include "matrixcore/auth/auth.h"
#include "matrixcore/event/types.h"
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

Result<EventPtr> Load(json::Value pdu, const RoomVersionRules& rules) {
  return Event::FromTrusted(pdu.raw(), rules,
                            std::string(pdu["event_id"].StringOr("")));
}

Result<std::string> JudgeVector(json::Value vector) {
  const std::string_view version = vector["room_version"].StringOr("");
  const RoomVersionRules* rules = FindRoomVersion(version);
  if (rules == nullptr) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("unknown room version {}", version));
  }
  std::vector<EventPtr> events;
  EventState state;
  for (const json::Value pdu : vector["auth_state"]) {
    MC_ASSIGN_OR_RETURN(EventPtr event, Load(pdu, *rules));
    state.Add(event.get());
    events.push_back(std::move(event));
  }
  MC_ASSIGN_OR_RETURN(const EventPtr event, Load(vector["event"], *rules));
  std::string line;
  json::Writer w(&line);
  w.BeginObject();
  w.RawField("id", vector["id"] ? vector["id"].raw() : "null");
  WriteVerdict(CheckStateAuth(*event, state), *rules, &w);
  w.EndObject();
  return line;
}

// Both kinds of rules, against the event's own auth events.
Verdict JudgeByOwnAuthEvents(const Event& event, const Room& room) {
  std::vector<AuthEvent> auth_events;
  EventState state;
  if (!room.rules().create_in_auth_events) state.Add(room.create());
  for (const std::string& id : event.auth_events()) {
    const Event* auth = room.Find(id);
    auth_events.push_back({auth, room.IsRejected(id)});
    state.Add(auth);
  }
  Verdict verdict = CheckAuthEvents(event, auth_events, room.create());
  return verdict.allowed() ? CheckStateAuth(event, state) : verdict;
}

}  // namespace

Result<std::string> AuthCheckVectors(std::string input) {
  MC_ASSIGN_OR_RETURN(const std::vector<std::string> vectors,
                      ParseObjects(std::move(input)));
  std::string out;
  for (size_t i = 0; i < vectors.size(); ++i) {
    MC_ASSIGN_OR_RETURN(const json::Document vector,
                        json::Document::ParseView(vectors[i]));
    Result<std::string> line = JudgeVector(vector.root());
    if (!line.ok()) {
      return Status(line.status().code(), fmt::format("vector {}: {}", i + 1,
                                                      line.status().message()));
    }
    out += *line + "\n";
  }
  return out;
}

Result<std::string> AuthCheckOne(std::string event, std::string state,
                                 const RoomVersionRules& rules) {
  MC_ASSIGN_OR_RETURN(const Room judged,
                      Room::Read(event, std::string(rules.id)));
  MC_ASSIGN_OR_RETURN(const Room room,
                      Room::Read(state, std::string(rules.id)));
  EventState source;
  for (const EventPtr& entry : room.events()) source.Add(entry.get());
  std::string out;
  for (const EventPtr& candidate : judged.events()) {
    json::Writer w(&out);
    w.BeginObject().Field("event_id", candidate->event_id());
    WriteVerdict(CheckStateAuth(*candidate, source), rules, &w);
    w.EndObject();
    out += '\n';
  }
  return out;
}

Result<std::string> AuthCheckAll(std::string events,
                                 const RoomVersionRules& rules) {
  MC_ASSIGN_OR_RETURN(const Room room,
                      Room::Read(events, std::string(rules.id)));
  std::string out;
  for (const EventPtr& event : room.events()) {
    json::Writer w(&out);
    w.BeginObject().Field("event_id", event->event_id());
    WriteVerdict(JudgeByOwnAuthEvents(*event, room), rules, &w);
    w.EndObject();
    out += '\n';
  }
  return out;
}

}  // namespace matrixcore::inspect
