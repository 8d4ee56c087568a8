// Which rooms a user has to do with, and how they came and went: for sync.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/lru.h"
#include "matrixcore/room/room_reader.h"

namespace matrixcore {

// A MembershipRow without what is the same for all rooms of a user.
struct UserRoom {
  RoomNid room = 0;
  Membership membership = Membership::kNone;
  EventIdx idx = 0;
  Position pos = 0;
  bool forgotten = false;  // Forgetting moves no `pos`.
};

// The rooms of users as of a snapshot.  Keeps lists between requests and brings
// them forward by what changed, so that asking costs one small read however
// many rooms there are.  Thread-safe.
class UserRooms {
 public:
  using List = std::shared_ptr<const std::vector<UserRoom>>;

  explicit UserRooms(CacheBudget& budget)
      : lists_(budget, "user_rooms", kShare, BytesOf) {}

  // Every room that the user ever had to do with, by room number.
  Result<List> Get(RoomReader& reader, const std::string& user_id);

 private:
  struct Entry {
    Position at = 0;
    List rooms;
  };
  // Of the budget of all caches.
  static constexpr uint32_t kShare = 7;
  static size_t BytesOf(const std::shared_ptr<const Entry>& entry) {
    return SharedBlock<Entry>() + SharedBlock<std::vector<UserRoom>>() +
           HeapBytes(*entry->rooms);
  }

  LruCache<std::string, std::shared_ptr<const Entry>> lists_;
};

// The entry of a room in a list of UserRooms; null when it is not there.
// When the user last forgot a room; 0 if never.
Result<Position> LastForget(Snapshot& snapshot, const std::string& user_id);

const UserRoom* FindRoom(const std::vector<UserRoom>& rooms, RoomNid room);

// What became of one user's membership in one room since a position.
struct MembershipPast {
  Membership at_since = Membership::kNone;
  // The user's member events after that position, oldest first.
  std::vector<StoredEvent> events;
  // The event that ended the newest stay; nothing while the user is joined, or
  // never was.
  std::optional<StoredEvent> left;

  // Joined at some time after the position.
  bool joined_since = false;
  // Not joined at some time after the position.
  bool away_since = false;
};

// Reads back through the user's member events, newest first, no further than
// needed.
Result<MembershipPast> ReadMembershipPast(RoomReader& reader,
                                          const RoomHead& room, EventIdx newest,
                                          Position since);

}  // namespace matrixcore
