// Making new events: from a draft to hashed, signed, immutable bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/event/event.h"

namespace matrixcore {

// What a sender wants to say.  A value.
struct EventDraft {
  std::string type = {};
  std::string sender = {};
  std::optional<std::string> state_key = {};
  // A JSON object; need not be canonical.
  std::string content = "{}";
  // The event to redact; put where the room version wants it.
  std::string redacts = {};
  // When set, replaces the time of building (application services).
  std::optional<Timestamp> origin_server_ts = {};

  friend bool operator==(const EventDraft&, const EventDraft&) = default;
};

// Where the event goes in its room.
struct EventPlace {
  std::string room_id = {};  // "" for the create event of a version 12 room.
  std::vector<std::string> prev_events = {};
  std::vector<std::string> auth_events = {};
  int64_t depth = 1;
  Timestamp now = {};
  // Versions 1 and 2 name events with their reference hashes.  Either empty
  // (the hashes are left out) or as long as the list of ids.
  std::vector<Sha256Digest> prev_hashes = {};
  std::vector<Sha256Digest> auth_hashes = {};
};

// Canonicalises, hashes, signs as `server`.  Errors: kInvalidArgument
// M_BAD_JSON (content is not an object, or not canonical in this version; too
// many prev or auth events), kTooLarge M_TOO_LARGE (the event, or an identifier
// in it).  In versions 1 and 2 `opaque_id` becomes the localpart of the event
// id; it is ignored later.
Result<EventPtr> BuildEvent(const EventDraft& draft, const EventPlace& place,
                            std::string_view server, const SigningKey& key,
                            const RoomVersionRules& rules,
                            std::string_view opaque_id = {});

}  // namespace matrixcore
