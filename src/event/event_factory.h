// The one place where events come into being; internal to the event floor.
#pragma once

#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/event/event.h"
#include "matrixcore/json/canonical.h"
#include "matrixcore/json/value.h"
#include "matrixcore/roomversion/room_version.h"

namespace matrixcore {

// The raw values of an event's top-level members that the protocol reads; ""
// for those that are missing.  Views of the canonical bytes.
struct EventFields {
  std::string_view auth_events;
  std::string_view content;
  std::string_view depth;
  std::string_view event_id;
  std::string_view hashes;
  std::string_view origin_server_ts;
  std::string_view prev_events;
  std::string_view redacts;
  std::string_view room_id;
  std::string_view sender;
  std::string_view signatures;
  std::string_view state_key;
  std::string_view type;

  // False when `canonical` is not one complete object.
  bool Read(std::string_view canonical);
};

// How a new event's bytes are believed.
enum class EventTrust {
  kReceived,  // The room version's format is enforced.
  kTest,      // Missing or odd fields get defaults where that is possible.
  kStored,    // Written by us: only memory safety is checked.
};

class EventFactory {
 public:
  // Takes over canonical bytes and their event id.  The format must have been
  // checked (CheckEventFormat) unless the trust says otherwise.
  static Result<EventPtr> Make(std::string canonical, std::string event_id,
                               const RoomVersionRules& rules, EventTrust trust);

 private:
  static void FillReferences(const EventFields& fields, Event* event);
  static std::string_view Decode(std::string_view raw, Event* event);
};

// Whether events of that version carry their id.
inline bool HasEventIdField(const RoomVersionRules& rules) {
  return rules.event_id_format == EventIdFormat::kServerGiven;
}

// The canonical JSON of a parsed event without `unsigned` and, unless
// `keep_event_id`, without `event_id`.
Result<std::string> CanonicalEvent(json::Value event, bool keep_event_id,
                                   json::NumberRule numbers);

// Whether canonical bytes are an event of that version (spec: "Event format",
// and the size limits of the client-server API).
Status CheckEventFormat(std::string_view canonical, const EventFields& fields,
                        const RoomVersionRules& rules);

// "$..." for canonical bytes; from the event_id field in versions 1 and 2.
std::string EventIdOf(std::string_view canonical, const EventFields& fields,
                      const RoomVersionRules& rules);

}  // namespace matrixcore
