#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <array>

#include "matrixcore/base/mutex.h"
#include "matrixcore/room/room_writer.h"

namespace matrixcore {
namespace {

// Commits that ChangedSince can still name.
constexpr size_t kCommits = 1u << 14;

}  // namespace

struct RoomActivity::Rep {
  struct Entry {
    int pending = 0;
    Position last = 0;
  };
  // Commits in the order in which they were heard of, which is nearly that of
  // their positions: `highest` is that of all commits so far.
  struct Commit {
    RoomNid room = 0;
    Position pos = 0;
    Position highest = 0;
  };
  Commit& CommitAt(uint64_t n) MC_REQUIRES(mutex) {
    return commits[n % kCommits];
  }
  Position start = 0;
  mutable Mutex mutex;
  absl::flat_hash_map<RoomNid, Entry> rooms MC_GUARDED_BY(mutex);
  absl::flat_hash_map<RoomNid, int> pending MC_GUARDED_BY(mutex);
  std::vector<Commit> commits MC_GUARDED_BY(mutex);  // A ring.
  uint64_t count MC_GUARDED_BY(mutex) = 0;           // Ever heard of.

  void EndPending(RoomNid room, Entry& entry) MC_REQUIRES(mutex) {
    if (entry.pending > 0) --entry.pending;
    const auto it = pending.find(room);
    if (it != pending.end() && --it->second == 0) pending.erase(it);
  }
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
  ++rep_->pending[room];
}

void RoomActivity::Committed(RoomNid room, Position pos) {
  MutexLock lock(rep_->mutex);
  Rep::Entry& entry = rep_->rooms[room];
  entry.last = std::max(entry.last, pos);
  rep_->EndPending(room, entry);
  if (rep_->commits.empty()) rep_->commits.resize(kCommits);
  const Position highest =
      rep_->count == 0 ? pos
                       : std::max(pos, rep_->CommitAt(rep_->count - 1).highest);
  rep_->CommitAt(rep_->count++) = {room, pos, highest};
}

void RoomActivity::Failed(RoomNid room) {
  MutexLock lock(rep_->mutex);
  rep_->EndPending(room, rep_->rooms[room]);
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

std::optional<std::vector<RoomNid>> RoomActivity::ChangedSince(
    Position since) const {
  std::vector<RoomNid> changed;
  MutexLock lock(rep_->mutex);
  if (since < rep_->start) return std::nullopt;
  uint64_t n = rep_->count;
  while (n > 0 && rep_->CommitAt(n - 1).highest > since) {
    if (rep_->count - n == kCommits) return std::nullopt;  // Overwritten.
    const Rep::Commit& commit = rep_->CommitAt(--n);
    // Each room once: at its newest commit.
    if (commit.pos > since && rep_->rooms[commit.room].last == commit.pos &&
        !rep_->pending.contains(commit.room)) {
      changed.push_back(commit.room);
    }
  }
  for (const auto& [room, count] : rep_->pending) changed.push_back(room);
  return changed;
}

}  // namespace matrixcore
