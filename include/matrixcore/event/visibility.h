// Who may see an event (spec: client-server API, "Room History Visibility").
#pragma once

#include <string_view>

#include "matrixcore/event/event.h"
#include "matrixcore/event/views.h"

namespace matrixcore {

// What decides, as it was in the state before the event.
struct HistoryView {
  HistoryVisibility visibility = HistoryVisibility::kShared;
  // The membership of the user who asks.
  Membership membership = Membership::kNone;
  // Whether that user joined the room at any point after the event was sent.
  bool joined_later = false;
};

// Whether the user may see the event.  For m.room.history_visibility events and
// the user's own membership events it is enough that the state after the event
// allows it.
bool UserMaySee(const Event& event, std::string_view user_id,
                const HistoryView& before);

// Whether a server that takes part in the room may see the event: always,
// unless the visibility is limited and no user of it was there to see it.
struct ServerHistoryView {
  HistoryVisibility visibility = HistoryVisibility::kShared;
  bool has_joined_user = false;  // In the state before the event.
  bool has_invited_user = false;
};
bool ServerMaySee(const Event& event, std::string_view server,
                  const ServerHistoryView& before);

}  // namespace matrixcore
