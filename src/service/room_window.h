// What one user may look at in a room, and pages of it.  Shared by the services
// that read history.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/event_filter.h"
#include "service/sync_timeline.h"

namespace matrixcore {

// Everything up to a position, and the state there.
struct RoomWindow {
  RoomHead room;
  bool joined = false;
  Position until = INT64_MAX;  // Someone who left: the end of the stay.
  StateSnap state = 0;
};

// M_FORBIDDEN for a room that does not exist, that the user never was in or has
// forgotten, and that is not world-readable now.
Result<RoomWindow> OpenRoom(RoomReader& reader, const std::string& user_id,
                            std::string_view room_id);

// The event if it is in the room and visible to the user; else M_NOT_FOUND.
Result<StoredEvent> FindVisible(RoomReader& reader, const std::string& user_id,
                                const RoomHead& room,
                                std::string_view event_id);

// Visible, wanted events in one direction from a position.
struct EventPage {
  std::vector<StoredEvent> events;
  // Where the next page begins; nothing when there is no more.
  std::optional<Position> next;
};

struct PageRequest {
  bool backwards = true;
  Position after = 0;          // Exclusive.
  Position until = INT64_MAX;  // Inclusive.
  size_t limit = 0;
};

// Whom a page is for, and what they want.  Everything outlives the call.
struct PageReader {
  RoomReader& reader;
  const std::string& user_id;
  const RoomEventFilter& filter;
  // Their messages are left out (spec: "Ignoring Users").
  const IgnoredUsers& ignored;
};

// Reads a bounded number of events: when a filter or the history visibility
// hides most of them the page ends early, with a place to go on.
Result<EventPage> ReadPage(const PageReader& who, const RoomHead& room,
                           PageRequest request);

// The member events of those who sent `events`, as of a state: for lazy
// loading.
Result<std::vector<StoredEvent>> SendersOf(
    RoomReader& reader, const RoomHead& room, StateSnap state,
    const std::vector<StoredEvent>& events);

// Keeps those of `events` that the user may see and does not ignore.
Result<std::vector<StoredEvent>> OnlyVisible(RoomReader& reader,
                                             const RoomHead& room,
                                             const std::string& user_id,
                                             const IgnoredUsers& ignored,
                                             std::vector<StoredEvent> events);

// The text of a token that stands at a position.
std::string TokenAt(Position position);

}  // namespace matrixcore
