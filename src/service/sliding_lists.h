// The rooms of a user in the order of their activity, and which of them a list
// of sliding sync has.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "matrixcore/base/lru.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/service/account_data.h"
#include "matrixcore/service/sliding_sync.h"
#include "service/sync_account.h"
#include "service/sync_rooms.h"

namespace matrixcore {

// The numbers of rooms by their ids, which never change.  Thread-safe.
class RoomNumbers {
 public:
  explicit RoomNumbers(CacheBudget& budget)
      : numbers_(budget, "room_numbers", kShare, &Numbers::Weightless) {}
  // 0 for an unknown room.
  Result<RoomNid> Find(RoomReader& reader, const std::string& room_id);

 private:
  using Numbers = LruCache<std::string, RoomNid>;
  static constexpr uint32_t kShare = 1;  // Of the budget of all caches.
  Numbers numbers_;
};

struct ListedRoom {
  UserRoom user;
  // The newest event of a joined room; else when the membership came to be.
  Position active = 0;
  StateSnap state = 0;  // Of a joined room: the state that facts are from.
  uint16_t type = 0;    // Among RoomListing::types.
  bool encrypted = false;
  bool is_dm = false;
  // Given also if it was never given before: not a room that the user left
  // without being made to, and not one that the user never was in.
  bool shown = true;

  bool joined() const { return user.membership == Membership::kJoin; }
};

// Immutable once shared.
struct RoomListing {
  Position at = 0;
  // The same as long as rooms change in nothing but their activity.
  int64_t generation = 0;
  // The most recently active first.
  std::shared_ptr<const std::vector<ListedRoom>> rooms;
  std::vector<std::string> types{""};  // Of rooms, from m.room.create.
  // What is known beside that, once it was asked for.
  bool with_facts = false;  // Types and encryption of rooms ...
  bool with_tags = false;   // ... and their tags.
  absl::flat_hash_map<RoomNid, std::vector<std::string>> tags;

  const ListedRoom* Find(RoomNid room) const;  // Linear.
};

// The listings of users as of a snapshot.  Keeps them between requests and
// brings them forward by what happened, so that asking costs a few small reads
// however many rooms there are.  Thread-safe.
class RoomListings {
 public:
  using List = std::shared_ptr<const RoomListing>;
  struct Needs {
    bool facts = false;
    bool tags = false;
  };

  RoomListings(CacheBudget& budget, const RoomActivity& activity,
               RoomNumbers& numbers);

  // `user_rooms`: all rooms of the user at the same snapshot.
  Result<List> Get(RoomReader& reader, const std::string& user_id,
                   const std::vector<UserRoom>& user_rooms, const Needs& needs);

 private:
  class Maker;

  LruCache<std::string, List> listings_;
  const RoomActivity& activity_;
  RoomNumbers& numbers_;
  std::atomic<int64_t> generations_ = 0;
};

// One list's filters, at one snapshot.  Not thread-safe.
class ListFilter {
 public:
  static RoomListings::Needs NeedsOf(const SlidingFilters& filters);
  // What passes may change though nothing in the listing does.
  static bool LooksBeyond(const SlidingFilters& filters) {
    return filters.spaces || !filters.room_name_like.empty();
  }

  ListFilter(const SlidingFilters& filters, const RoomListing& listing);
  // Reads what is to be read.
  Status Load(RoomReader& reader, RoomNumbers& numbers);
  bool Matches(const ListedRoom& room) const;

 private:
  Status LoadSpaces(RoomReader& reader, RoomNumbers& numbers);
  Status LoadNames(RoomReader& reader);

  const SlidingFilters& filters_;
  const RoomListing& listing_;
  bool all_ = false;
  std::vector<bool> types_;  // Which of the listing's pass.
  absl::flat_hash_set<RoomNid> in_spaces_;
  absl::flat_hash_set<RoomNid> named_;
};

}  // namespace matrixcore
