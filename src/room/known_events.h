// The events of one room for who walks along its graph: found by id and by
// number, remembered within a budget.  For the room floor only.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/lru.h"
#include "matrixcore/room/room_reader.h"

namespace matrixcore {

// Reads rows itself, so that it also serves rooms that no reader can see yet.
// Not thread-safe.
class KnownEvents {
 public:
  using StoredPtr = std::shared_ptr<const StoredEvent>;

  KnownEvents(RoomNid room, const RoomVersionRules& rules, size_t budget_bytes);

  // What is not remembered is read from there.  Outlives the calls until the
  // next Use.
  void Use(Snapshot& snapshot) { snapshot_ = &snapshot; }
  Snapshot& snapshot() { return *snapshot_; }
  RoomNid room() const { return room_; }

  // Null when the room has no such event, or its row cannot be read.
  Result<StoredPtr> Find(std::string_view event_id);
  Result<StoredPtr> At(EventIdx idx);
  // Remembers many that At is about to be asked for, in as few reads as can be;
  // `idxs` ascending or descending.  Fewer than the budget holds.
  Status Load(std::span<const EventIdx> idxs);
  // The same, as the snapshot has it now.
  Result<StoredPtr> Fresh(std::string_view event_id);

  void Keep(const StoredPtr& event);
  // Keeps one that the store does not have yet, until ReleasePinned.
  void Pin(const StoredPtr& event);
  void ReleasePinned();

 private:
  StoredPtr Take(Row row);

  const RoomNid room_;
  const RoomVersionRules& rules_;
  Snapshot* snapshot_ = nullptr;
  CacheBudget budget_;
  LruCache<EventIdx, StoredPtr> events_;
  LruCache<std::string, EventIdx> ids_;
  absl::flat_hash_map<EventIdx, StoredPtr> pinned_;
  absl::flat_hash_map<std::string, EventIdx, StringHash, StringEq> pinned_ids_;
};

// The events that `event` names as its auth events; null where one is missing.
Result<std::vector<KnownEvents::StoredPtr>> AuthEventsOf(const Event& event,
                                                         KnownEvents& events);

}  // namespace matrixcore
