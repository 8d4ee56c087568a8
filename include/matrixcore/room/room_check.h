// CheckRoom: proves a stored room against the protocol core, and what is
// derived from its events against the events.
//
// Every event: its bytes, id, content hash and signatures; its auth events; the
// authorisation rules by its auth events and by the state before it (each room
// version, "Authorization rules"); that state against the resolution of the
// states after its prev events; and the columns and rows made from it.  Of the
// room: its forward extremities, depth, current state, members, preview and
// relations.
//
// Nothing is changed.  Snapshots are held for one chunk each, so a running
// server is not held up; events that it adds meanwhile are checked too.
// Memory does not grow with the number of events.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Something that is not as it ought to be.
struct RoomFinding {
  std::string room_id = {};   // "" when it is about all of them.
  std::string event_id = {};  // "" when it is about the room as a whole.
  // What is wrong, a name that does not change: "content-hash", "signature",
  // "state-before", "forward-extremities", ...; docs/room-tools.md lists them.
  std::string_view what = {};
  // Of an authorisation rule: its number in the room version's text and its
  // name, "5.3.3 member-join-banned".
  std::string rule = {};
  std::string stored = {};
  std::string expected = {};

  friend bool operator==(const RoomFinding&, const RoomFinding&) = default;
};

struct RoomCheckOptions {
  // Of this server: the depth of its own events is checked.
  std::string server_name = {};
  // Public keys by which signatures are verified, beside those that came with
  // an imported room.
  KeyLookup keys = {};
  // Events read at a time.
  size_t chunk = 500;
  // Called after each chunk; false ends the check.  May be null.
  std::function<bool(uint64_t done, uint64_t total)> progress = {};
};

struct RoomCheckResult {
  uint64_t events = 0;
  uint64_t findings = 0;
  // Events with a signature that no known key can verify; that is no finding.
  uint64_t unverified = 0;
  std::set<std::string> unknown_keys;  // "server key-id"
  bool ended_early = false;
};

// Checks one room.  `report` hears of each finding, in no order that matters.
// Errors: kNotFound (no such room), those of the store.  Damaged rows are
// findings, not errors.
Result<RoomCheckResult> CheckRoom(
    Store& store, std::string_view room_id, const RoomCheckOptions& options,
    const std::function<void(const RoomFinding&)>& report);

// The same of a room that is no room yet: whose rows are there, but whose head,
// members and preview are not.  `head` is what its row will be.
Result<RoomCheckResult> CheckStagedRoom(
    Store& store, const RoomHead& head, const RoomCheckOptions& options,
    const std::function<void(const RoomFinding&)>& report);

// What belongs to no single room: how many rooms the directory lists.  Its
// findings have no room id.
Result<uint64_t> CheckRoomCounters(
    Store& store, const std::function<void(const RoomFinding&)>& report);

}  // namespace matrixcore
