// Whose devices a user has to look at again (spec: "End-to-end encryption",
// "Extensions to /sync").
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/json/writer.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"
#include "service/sync_block.h"
#include "service/sync_rooms.h"

namespace matrixcore {

// Whose devices changed, and whom the user shares no encrypted room with any
// more.
struct DeviceLists {
  std::set<std::string> changed, left;
  bool empty() const { return changed.empty() && left.empty(); }
};

// {"changed": [...], "left": [...]}.
void WriteDeviceLists(json::Writer& out, const DeviceLists& lists);

// The members device_one_time_keys_count and device_unused_fallback_key_types
// of an open object, of the session's device.
Status WriteKeyCounts(json::Writer& out, Snapshot& snapshot,
                      const Session& session);

// Finds what is new in the device lists of a user after a position, at one
// snapshot: is told of each room whose members may have changed, then asked.
// Used once; not thread-safe; the references outlive it.
class DeviceListFinder {
 public:
  // `rooms`: all rooms of the user.
  DeviceListFinder(RoomReader& reader, const std::string& user_id,
                   UserRooms::List rooms, Position since)
      : reader_(reader),
        user_id_(user_id),
        rooms_(std::move(rooms)),
        since_(since) {}

  // The user came into a room ...
  Status Entered(const RoomHead& room);
  // ... was in it all the time, while its state went from one to another ...
  Status Stayed(const RoomHead& room, StateSnap from, StateSnap to,
                const std::vector<MemberChange>& changes);
  // ... or was in it and is not any more; `end`: the state in which it was
  // left.
  Status Left(const RoomHead& room, StateSnap end);

  // The same, finding out by itself what became of a room that the user is or
  // was in.
  Status LookAt(const UserRoom& row, const RoomHead& room);

  Result<DeviceLists> Find();

  // Whether the user is in a room with someone, or is them.
  Result<bool> SharesRoom(std::string_view user_id);

 private:
  Status AddAllMembers(const RoomHead& room, std::set<std::string>* users);
  // Where the user and another are both joined.
  Result<std::vector<RoomNid>> CommonRooms(std::string_view user_id);
  Result<bool> SharesEncryptedRoom(std::string_view user_id);

  RoomReader& reader_;
  const std::string& user_id_;
  const UserRooms::List rooms_;
  const Position since_;
  std::set<std::string> met_;   // Share an encrypted room with the user since.
  std::set<std::string> lost_;  // Left one, or were left behind in one.
  std::map<RoomNid, bool> encrypted_;  // Rooms that were looked at.
};

}  // namespace matrixcore
