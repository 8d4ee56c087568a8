// What a user set for a room and keeps in the room that replaces it (spec:
// client-server API, "Room Upgrades"): tags, push rules, direct chats.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// A row of account data to be written.
struct RoomSetting {
  std::string room_id;  // "" for global account data.
  std::string type;
  std::string content;
  friend bool operator==(const RoomSetting&, const RoomSetting&) = default;
};

// What to write for the new room to be as the old one; empty when there is
// nothing to take over, or it was taken over before.
Result<std::vector<RoomSetting>> SettingsForReplacement(
    Snapshot& snapshot, const std::string& user_id, const std::string& old_room,
    const std::string& new_room);

void AddSettings(WriteBatch& batch, const std::string& user_id,
                 const std::vector<RoomSetting>& settings);

}  // namespace matrixcore
