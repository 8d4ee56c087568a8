// Which thread an event is in (spec: client-server API, "Threaded read
// receipts").
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "matrixcore/base/status.h"
#include "matrixcore/event/event.h"

namespace matrixcore {

inline constexpr std::string_view kMainThread = "main";
// Relations are followed this far from an event to its thread.
inline constexpr int kMaxThreadHops = 3;

// The id of the thread's root, or "main".  `find` gives an event of the room by
// its id, null if there is none.
inline Result<std::string> ThreadOf(
    const Event& event,
    const std::function<Result<EventPtr>(std::string_view event_id)>& find) {
  EventPtr parent;
  const Event* at = &event;
  for (int hop = 0; hop <= kMaxThreadHops; ++hop) {
    const json::Value relation = at->content()["m.relates_to"];
    const std::string_view target = relation["event_id"].StringOr("");
    if (target.empty()) break;
    const std::string_view type = relation["rel_type"].StringOr("");
    if (type == "m.thread") return std::string(target);
    if (hop == kMaxThreadHops) break;
    MC_ASSIGN_OR_RETURN(EventPtr next, find(target));
    if (next == nullptr) break;
    parent = std::move(next);
    at = parent.get();
  }
  return std::string(kMainThread);
}

}  // namespace matrixcore
