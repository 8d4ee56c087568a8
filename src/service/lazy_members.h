// LazyMembers: which member events a client with lazy-loading has been sent, so
// that they are not sent again (spec: "Lazy-loading room members").
//
// Certain only of what the client is known to have received: what an answer
// brought counts once the client comes back with that answer's next_batch.  A
// lost answer therefore costs a repetition, never a missing member.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/cache_budget.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/tokens.h"

namespace matrixcore {

// Thread-safe.  Forgets the devices that were longest away first.
class LazyMembers {
 public:
  // A user's member event in a room.
  struct Member {
    StateKeyNum key = 0;
    EventIdx event = 0;
  };

  explicit LazyMembers(CacheBudget& budget);

  // A device asks for news since a token; nothing for an initial sync, which
  // forgets what it was sent.
  void Begin(const Session& session, const std::optional<StreamToken>& since);
  // The device is given a room's state anew, and may have dropped what it had.
  void Forget(const Session& session, RoomNid room);
  // Whether the device has each of `members`.
  std::vector<bool> Known(const Session& session, RoomNid room,
                          std::span<const Member> members) const;
  // An answer with `next` as its next_batch brings `members`.
  void Note(const Session& session, RoomNid room,
            std::span<const Member> members, const StreamToken& next);

  size_t size() const;

 private:
  struct Sent {
    StreamToken next;
    RoomNid room = 0;
    Member member;
  };
  struct Device {
    using Room = absl::flat_hash_map<StateKeyNum, EventIdx>;
    absl::flat_hash_map<RoomNid, Room> known;
    size_t known_size = 0;
    std::vector<Sent> unsure;  // Of answers that may have been lost.
    std::list<std::string>::iterator order;
    size_t bytes = 0;  // As the account knows it.
    size_t size() const { return known_size + unsure.size(); }
  };
  using Devices =
      absl::flat_hash_map<std::string, Device, StringHash, StringEq>;

  static std::string Key(const Session& session);
  static size_t BytesOf(const std::string& key, const Device& device);
  // Tells the account how much larger a device has become.
  void Charge(Devices::iterator device) MC_REQUIRES(mutex_);
  void Remove(Devices::iterator device) MC_REQUIRES(mutex_);
  size_t Shrink(size_t bytes);

  mutable Mutex mutex_;
  Devices devices_ MC_GUARDED_BY(mutex_);
  std::list<std::string> order_ MC_GUARDED_BY(mutex_);  // Newest first.
  size_t size_ MC_GUARDED_BY(mutex_) = 0;
  size_t table_bytes_ MC_GUARDED_BY(mutex_) = 0;
  mutable CacheAccount account_;
};

}  // namespace matrixcore
