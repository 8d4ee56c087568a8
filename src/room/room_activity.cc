#include <absl/container/flat_hash_map.h>

#include <algorithm>

#include "matrixcore/base/mutex.h"
#include "matrixcore/room/room_writer.h"

namespace matrixcore {

struct RoomActivity::Rep {
  struct Entry {
    int pending = 0;
    Position last = 0;
  };
  Position start = 0;
  mutable Mutex mutex;
  absl::flat_hash_map<RoomNid, Entry> rooms MC_GUARDED_BY(mutex);
};

RoomActivity::RoomActivity(Position start) : rep_(std::make_unique<Rep>()) {
  rep_->start = start;
}
RoomActivity::~RoomActivity() = default;

void RoomActivity::Pending(RoomNid room) {
  MutexLock lock(rep_->mutex);
  Rep::Entry& entry = rep_->rooms[room];
  entry.last = std::max(entry.last, rep_->start);
  ++entry.pending;
}

void RoomActivity::Committed(RoomNid room, Position pos) {
  MutexLock lock(rep_->mutex);
  Rep::Entry& entry = rep_->rooms[room];
  entry.last = std::max(entry.last, pos);
  if (entry.pending > 0) --entry.pending;
}

void RoomActivity::Failed(RoomNid room) {
  MutexLock lock(rep_->mutex);
  Rep::Entry& entry = rep_->rooms[room];
  if (entry.pending > 0) --entry.pending;
}

bool RoomActivity::MayHaveChangedSince(RoomNid room, Position since) const {
  MutexLock lock(rep_->mutex);
  const auto it = rep_->rooms.find(room);
  if (it == rep_->rooms.end()) {
    // Not written since the start.  A room that is being created has a number
    // above every `since` that a client can hold.
    return rep_->start > since || room > since;
  }
  return it->second.pending > 0 || it->second.last > since;
}

}  // namespace matrixcore
