// What belongs to a user rather than to a room, read from one snapshot for
// sync: account data, ignored users, device lists.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"
#include "service/sync_timeline.h"

namespace matrixcore {

struct AccountDatum {
  std::string room_id;  // "" for global account data.
  std::string type;
  std::string content;  // JSON.
};

// What changed after a position, ordered by room, then type; for 0 everything.
// Push rules are complete: with the default ones that nobody changed.
Result<std::vector<AccountDatum>> ReadAccountData(Snapshot& snapshot,
                                                  const std::string& user_id,
                                                  Position after);

// Of one room, what changed after a position; for 0 all that is not deleted.
Result<std::vector<AccountDatum>> ReadRoomAccountData(
    Snapshot& snapshot, const std::string& user_id, const std::string& room_id,
    Position after = 0);

// All that is global; push rules are complete.
Result<std::vector<AccountDatum>> ReadAllGlobalAccountData(
    Snapshot& snapshot, const std::string& user_id);

// The content of one global entry; nothing when there is none.
Result<std::optional<std::string>> ReadGlobalAccountData(
    Snapshot& snapshot, const std::string& user_id, std::string_view type);

// From m.ignored_user_list.
Result<IgnoredUsers> ReadIgnoredUsers(Snapshot& snapshot,
                                      const std::string& user_id);

// Users whose devices or keys changed after a position, sorted.
Result<std::vector<std::string>> ReadDeviceListChanges(Snapshot& snapshot,
                                                       Position after);

}  // namespace matrixcore
