// The redaction algorithm (spec: each room version, "Redactions").
#pragma once

#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/event/event.h"
#include "matrixcore/json/value.h"

namespace matrixcore {

// The canonical JSON of `event` with only what its version lets survive; keeps
// signatures and hashes; drops `unsigned`.  Idempotent.
Result<std::string> RedactJson(json::Value event,
                               const RoomVersionRules& rules);

// The redacted form of an event; same id.
Result<EventPtr> RedactEvent(const Event& event);

}  // namespace matrixcore
