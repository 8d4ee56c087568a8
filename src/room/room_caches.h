// The insides of RoomCaches, for the room floor only.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/base/lru.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/room/room_reader.h"

namespace matrixcore {

// The names of one room's (type, state_key) numbers, as far as someone asked.
// Numbers are never given twice, so what is known stays true.  Thread-safe.
class StateKeyNames {
 public:
  // 0 when the pair is not known here.
  StateKeyNum Find(std::string_view type, std::string_view state_key) const;
  // Null when the number is not known here.  The pointer lives as long as this.
  const StateKey* Name(StateKeyNum num) const;
  void Learn(StateKeyNum num, std::string_view type,
             std::string_view state_key);
  // True once every number up to `last` is known.
  bool KnowsAll(StateKeyNum last) const;
  // The numbers in [1, last] that are not known.
  std::vector<StateKeyNum> Unknown(StateKeyNum last) const;
  // Memory that the names take.
  size_t HeapBytes() const;

 private:
  using NameView = std::pair<std::string_view, std::string_view>;
  mutable Mutex mutex_;
  std::vector<std::unique_ptr<const StateKey>> names_ MC_GUARDED_BY(mutex_);
  absl::flat_hash_map<NameView, StateKeyNum> nums_ MC_GUARDED_BY(mutex_);
  size_t known_ MC_GUARDED_BY(mutex_) = 0;
  size_t bytes_ MC_GUARDED_BY(mutex_) = 0;
};

// States of one room that were read, in memory that they share.  Thread-safe.
class RoomStates {
 public:
  RoomStates();
  // Null when it is not known here.
  StateMapPtr Find(StateSnap snap);
  bool Has(StateSnap snap) const;
  // To make a state from.
  StateTree Empty() const { return empty_; }
  void Keep(StateSnap snap, const StateMapPtr& state);
  // Lets go of the less recently used half if all take more than `limit`.
  void Trim(size_t limit);
  // Memory that the states take.
  size_t HeapBytes() const;

 private:
  struct Entry {
    StateMapPtr state;
    uint64_t used = 0;
  };
  const StateTree empty_;
  mutable Mutex mutex_;
  absl::flat_hash_map<StateSnap, Entry> states_ MC_GUARDED_BY(mutex_);
  uint64_t uses_ MC_GUARDED_BY(mutex_) = 0;
};

struct RoomCaches::Rep {
  struct Key {
    RoomNid room = 0;
    uint32_t number = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const {
      return absl::HashOf(key.room, key.number);
    }
  };
  using StoredPtr = std::shared_ptr<const StoredEvent>;

  // The newest events of a room: all of those after a position.
  struct Tail {
    Position complete_after = 0;
    std::vector<StoredPtr> events;  // Ascending; not empty.
  };
  using TailPtr = std::shared_ptr<const Tail>;

  explicit Rep(CacheBudget& budget);

  static size_t BytesOf(const StoredPtr& stored);
  static size_t BytesOfTail(const TailPtr& tail);

  // Keeps an event that a snapshot at `seen` gave, unless a redaction after
  // that snapshot may have changed it.
  void KeepEvent(RoomNid room, const StoredPtr& event, Position seen)
      MC_EXCLUDES(redaction_mutex);
  // Around a commit that redacts: snapshots show it before its outcome is
  // known, so from its beginning on nothing of the room is kept.
  void BeginRedaction(RoomNid room) MC_EXCLUDES(redaction_mutex);
  void EndRedaction(RoomNid room) MC_EXCLUDES(redaction_mutex);
  // Snapshots before `position` may still show an event that was redacted.
  void NoteRedaction(Position position) MC_EXCLUDES(redaction_mutex);

  // Adds the events of a commit, whose first position is `first`, to a room's
  // tail; `last_pos` is that of the room's last event before.  To be called in
  // the order of commits, before anybody hears of this one.
  void ExtendTail(RoomNid room, std::vector<StoredPtr> added, Position first,
                  Position last_pos);
  // The tail of a room, if it has all that a snapshot with that head shows of
  // the room's end; it may have newer events too.
  TailPtr TailOf(const RoomHead& room);

  LruCache<Key, StoredPtr, KeyHash> events;
  LruCache<RoomNid, std::shared_ptr<RoomStates>> states;
  LruCache<RoomNid, std::shared_ptr<StateKeyNames>> names;
  LruCache<RoomNid, TailPtr> tails;
  Mutex redaction_mutex;
  Position last_redaction MC_GUARDED_BY(redaction_mutex) = 0;
  // Commits under way that redact, by their rooms.
  absl::flat_hash_map<RoomNid, int> redacting MC_GUARDED_BY(redaction_mutex);

  std::shared_ptr<StateKeyNames> Names(RoomNid room);
  // Where states of the room are; `wanted` is looked for there.
  std::shared_ptr<RoomStates> States(RoomNid room, StateSnap wanted);
  // After states were kept there.
  void Recharge(RoomNid room, const std::shared_ptr<RoomStates>& states);
  // Of the states of one room.
  const size_t max_room_states;
};

// --- State deltas ---

// The height of the base of the next state of a lineage, in a room that has
// given `last_key` key numbers; 0 is the empty state (see tables::StateSnaps).
inline uint32_t BaseHeightOf(uint32_t height, StateKeyNum last_key) {
  // So whole states take 32 bytes a change at most, less what the deltas in
  // their place would take.
  constexpr uint64_t kKeysOfChange = 4;
  const uint32_t below = height & (height - 1);
  return kKeysOfChange * (height - below) >= last_key ? 0 : below;
}

struct StateDeltaEntry {
  StateKeyNum key = 0;
  EventIdx event = 0;  // 0 removes the key.
};
std::string EncodeStateDelta(const std::vector<StateDeltaEntry>& delta);
// kDataLoss when the bytes are not pairs.
Result<std::vector<StateDeltaEntry>> DecodeStateDelta(std::string_view bytes);

}  // namespace matrixcore
