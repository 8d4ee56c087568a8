// The parts of a sync answer as values, before they become JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/ephemeral.h"
#include "matrixcore/service/unread.h"
#include "service/sync_account.h"
#include "service/sync_state.h"
#include "service/sync_timeline.h"

namespace matrixcore {

// How someone's membership differs between two states of a room.
struct MemberChange {
  std::string user_id;
  Membership before = Membership::kNone;
  Membership after = Membership::kNone;
};

// Spec: /sync, RoomSummary.
struct SyncSummary {
  std::optional<std::vector<std::string>> heroes;
  int64_t joined = 0;
  int64_t invited = 0;
};

// A room in the "join" or "leave" section.
struct RoomBlock {
  RoomHead head;
  // Given even if nothing else is new in it.
  bool forced = false;
  std::optional<SyncSummary> summary;
  StateBlock state;
  Timeline timeline;
  std::optional<TypingUsers> typing;
  std::vector<Receipt> receipts;
  std::vector<AccountDatum> account_data;
  std::optional<Unread> unread;  // Of a joined room.
  // The counts may differ from those that the client has.
  bool unread_news = false;

  bool empty() const {
    return !forced && !summary && state.events.empty() &&
           timeline.events.empty() && !timeline.limited && !typing &&
           receipts.empty() && account_data.empty() && !unread_news;
  }
};

// Whose names stand for a room without a name (spec: m.heroes): the first five
// members that are joined or invited, else of those that were.
Result<std::vector<std::string>> FindHeroes(RoomReader& reader,
                                            const RoomHead& room,
                                            std::string_view user_id);

// The members whose membership differs between two states, ordered by key
// number.
Result<std::vector<MemberChange>> ReadMemberChanges(RoomReader& reader,
                                                    const RoomHead& room,
                                                    StateSnap from,
                                                    StateSnap to);

}  // namespace matrixcore
