// Typing: who types in which room, in memory.  A part of EphemeralService.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/base/time.h"
#include "matrixcore/service/ephemeral.h"

namespace matrixcore {

// Thread-safe.  Owned by a shared_ptr; a timer that runs holds another.
class Typing : public std::enable_shared_from_this<Typing> {
 public:
  // `changed` hears of every room in which the users that type have changed,
  // outside the lock, on the caller's or on a timer's thread.
  using Changed = std::function<void(RoomNid room)>;
  Typing(const Clock& clock, Timers& timers, Changed changed);

  // Cancels all timers; to be called by the owner before it goes.
  void Stop();

  // A timeout of 0 or less: stopped typing.
  void Set(RoomNid room, std::string_view user_id, Duration timeout);

  TypingNews Since(int64_t serial) const;
  TypingUsers In(RoomNid room) const;

 private:
  struct Entry {
    MonotonicTime until;
    Timers::Id timer = 0;
  };
  struct Room {
    int64_t serial = 0;
    std::map<std::string, Entry, std::less<>> users;
  };

  void Expire(RoomNid room, const std::string& user_id);
  void Touch(RoomNid nid, Room& room) MC_REQUIRES(mutex_);
  static TypingUsers List(RoomNid nid, const Room& room);

  const Clock& clock_;
  Timers& timers_;
  const Changed changed_;
  mutable Mutex mutex_;
  // Starts at the time in milliseconds, so that it grows over restarts.
  int64_t serial_ MC_GUARDED_BY(mutex_);
  // Changes after this are all remembered.
  int64_t floor_ MC_GUARDED_BY(mutex_);
  bool stopped_ MC_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<RoomNid, Room> rooms_ MC_GUARDED_BY(mutex_);
  std::map<int64_t, RoomNid> by_serial_ MC_GUARDED_BY(mutex_);
  std::set<RoomNid> active_ MC_GUARDED_BY(mutex_);
};

}  // namespace matrixcore
