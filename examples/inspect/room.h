// A room read from PDUs.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "input.h"
#include "matrixcore/event/event.h"
#include "matrixcore/stateres/resolver.h"

namespace matrixcore::inspect {

// The rules of a version that people named; the message lists what there is.
Result<const RoomVersionRules*> RulesOf(std::string_view where,
                                        std::string_view version);

// An event of test data: its `event_id` is believed, or computed where it has
// none; hashes and signatures are not looked at.
Result<EventPtr> LoadEvent(const std::string& where, json::Value pdu,
                           const RoomVersionRules& rules);

// The events of a room, by id and in the order of their files.
class Room {
 public:
  // Also reads the files of matrixcore-admin export-room: lines that are no
  // events are told by their lack of a type.
  // kInvalidArgument when a PDU is no event, an id is missing or repeated, or
  // the version is neither given nor found.
  static Result<Room> Read(const std::vector<Input>& pdus,
                           std::string_view room_version);

  const RoomVersionRules& rules() const { return *rules_; }
  const std::vector<EventPtr>& events() const { return events_; }
  const Event* Find(std::string_view event_id) const;
  bool IsRejected(std::string_view event_id) const {
    return rejected_.count(event_id) != 0;
  }
  // The room's create event, or null.
  const Event* create() const { return create_; }
  // The state before an event, as ids, that a room file gives as it follows
  // events which are not in the file; null for others.
  const std::vector<std::string>* StateBefore(std::string_view event_id) const;
  // Of a room file: events without their surroundings, which no replay sees.
  bool IsOutlier(std::string_view event_id) const {
    return outliers_.count(event_id) != 0;
  }
  // The current state, as ids, if the file has only that.
  const std::vector<std::string>& current_state() const {
    return current_state_;
  }
  // The names of the files, for messages.
  const std::string& where() const { return where_; }

  // kInvalidArgument when auth events form a cycle.
  Result<RoomGraph> MakeGraph() const;

 private:
  // Of a room file, what is no event.
  void TakeRecord(json::Value record);

  const RoomVersionRules* rules_ = nullptr;
  std::string where_;
  std::vector<EventPtr> events_;
  std::map<std::string, size_t, std::less<>> by_id_;
  std::set<std::string, std::less<>> rejected_;
  std::set<std::string, std::less<>> outliers_;
  std::vector<std::string> current_state_;
  std::map<std::string, std::vector<std::string>, std::less<>> states_before_;
  const Event* create_ = nullptr;
};

// Positions of the room's events, those that an event refers to before it;
// events of a cycle come last, in the order of the files.
using References = const std::vector<std::string>& (Event::*)() const;
std::vector<size_t> InOrder(const Room& room, References references);

// A room, interned, and the states to resolve.
struct Problem {
  Room room;
  std::unique_ptr<RoomGraph> graph;
  std::vector<StateTree> states;
  // When the room was replayed: which of its events were not allowed, and why;
  // kAllowed for those that were marked as rejected.
  std::map<EventIdx, Rule> rejected;
};
Result<Problem> ReadProblem(const RoomInput& input);

}  // namespace matrixcore::inspect
