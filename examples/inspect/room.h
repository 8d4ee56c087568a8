// A room read from PDUs.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "matrixcore/event/event.h"
#include "matrixcore/stateres/resolver.h"

namespace matrixcore::inspect {

// The events of a file, by id and in its order.  Ids are believed where they
// are given; hashes and signatures are not looked at.
class Room {
 public:
  // kInvalidArgument when a PDU is no event, an id is missing or repeated, or
  // the version is neither given nor found.
  static Result<Room> Read(const std::string& pdus, std::string room_version);

  const RoomVersionRules& rules() const { return *rules_; }
  const std::vector<EventPtr>& events() const { return events_; }
  const Event* Find(std::string_view event_id) const;
  bool IsRejected(std::string_view event_id) const {
    return rejected_.count(event_id) != 0;
  }
  // The room's create event, or null.
  const Event* create() const { return create_; }

  // kInvalidArgument when auth events form a cycle.
  Result<RoomGraph> MakeGraph() const;

 private:
  const RoomVersionRules* rules_ = nullptr;
  std::vector<EventPtr> events_;
  std::map<std::string, size_t, std::less<>> by_id_;
  std::set<std::string, std::less<>> rejected_;
  const Event* create_ = nullptr;
};

// A room, interned, and the states that the input gives.
struct Problem {
  Room room;
  std::unique_ptr<RoomGraph> graph;
  std::vector<StateMap> states;
};
Result<Problem> ReadProblem(const RoomInput& input);

}  // namespace matrixcore::inspect
