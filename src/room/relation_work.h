// The index of relations while a batch is made: what the store has, with the
// events of the batch on top.  For the room floor only.
//
// What can fail (reading) comes before an event is part of the batch, in Load;
// what changes the index, Add and Remove, cannot fail.  So a request that is
// refused leaves nothing behind.
//
// A replacement is judged when it is added, so its target must be known by
// then; whoever adds events behind those that relate to them (backfill) has to
// judge again.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/event/relation.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/store/write_batch.h"

namespace matrixcore {

// Belongs to one RoomWork.
class RelationWork {
 public:
  // The event with that id in the room or in the batch.
  using FindEvent =
      std::function<Result<std::optional<StoredEvent>>(std::string_view id)>;

  // `reader` is null for a room that is being made.  Nothing happens for events
  // without a relation.
  Status LoadToAdd(RoomReader* reader, const RoomHead& room, const Event& event,
                   const FindEvent& find);
  // `event` is the one that will be redacted, as it was.
  Status LoadToRemove(RoomReader* reader, const RoomHead& room,
                      const Event& event, const FindEvent& find);
  void Add(const Event& event, EventIdx idx);
  void Remove(const Event& event, EventIdx idx, Position pos);

  Result<bool> HasAnnotation(RoomReader* reader, const RoomHead& room,
                             std::string_view target, std::string_view sender,
                             std::string_view type, std::string_view key) const;

  // Writes what changed.  `pos_of` gives the position of an event of the batch.
  void Finish(WriteBatch& batch, const BatchCell& room,
              const std::function<BatchCell(EventIdx)>& pos_of) const;

 private:
  // A valid replacement; the greatest is the one that counts.
  struct Edit {
    int64_t ts = 0;
    std::string event_id;
    EventIdx idx = 0;
    friend auto operator<=>(const Edit&, const Edit&) = default;
  };
  struct Target {
    RelationSummary summary;
    EventPtr event;  // Null while unknown.
    std::set<Edit> edits;
    // Events of the thread that may be its last: number and, of stored ones,
    // position.
    std::map<EventIdx, Position> thread;
    bool stored = false;       // There is a row.
    bool edits_known = false;  // All of them are in `edits`, else the best.
    bool thread_known = false;
    bool changed = false;
  };
  struct Added {
    std::string target;
    std::string rel_type;
    std::string type;
    std::string sender;
    std::optional<std::string> key;
  };

  Status LoadTarget(RoomReader* reader, const RoomHead& room,
                    const Relation& relation, std::string_view sender,
                    const FindEvent& find);
  Status LoadEdits(RoomReader& reader, const RoomHead& room, Target& target);
  Status LoadThread(RoomReader& reader, const RoomHead& room, Target& target);
  void Count(Target& target, const Event& event, const Relation& relation,
             int64_t amount);

  std::map<std::string, Target, std::less<>> targets_;
  std::map<EventIdx, Added> added_;
  // Stored rows that go: number to target and position.
  std::map<EventIdx, std::pair<std::string, Position>> removed_;
  // Events of a user in a thread, by root and user; and whether it changed.
  struct Share {
    int64_t events = 0;
    bool changed = false;
  };
  std::map<std::pair<std::string, std::string>, Share> shares_;
};

}  // namespace matrixcore
