// Timelines of rooms for sync: the newest events of a range that a user wants
// and may see, and where they begin.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/event_filter.h"

namespace matrixcore {

// Users whom someone ignores (spec: "Ignoring Users"), sorted.
using IgnoredUsers = std::vector<std::string>;
bool IsIgnored(const IgnoredUsers& ignored, std::string_view user_id);

struct TimelineRequest {
  Position after = 0;          // Exclusive.
  Position until = INT64_MAX;  // Inclusive.
  size_t limit = 10;
  const RoomEventFilter* filter = nullptr;
  const IgnoredUsers* ignored = nullptr;
  std::string_view user_id;
  // Every event after this position is visible to the user; the history
  // visibility of others is looked up.
  Position visible_after = 0;
  // State events of this state are given even if they were sent when the user
  // could not see them: they are part of what the user knows of the room
  // anyway.
  std::optional<StateSnap> known_state = std::nullopt;
};

struct Timeline {
  std::vector<StoredEvent> events;  // Ascending.
  // There may be more in the range than `events`.
  bool limited = false;
  // Events up to this position, inclusive, come before `events`.
  Position start = 0;
  // There may be a redaction in the range, given or not.
  bool any_redaction = false;
  // The whole range was read.
  bool complete = true;
  // If so: whether there is a state event in it, given or not, and the state
  // before its first event (nothing for an empty range).
  bool any_state = false;
  std::optional<StateSnap> before;
};

Result<Timeline> ReadTimeline(RoomReader& reader, const RoomHead& room,
                              const TimelineRequest& request);

}  // namespace matrixcore
