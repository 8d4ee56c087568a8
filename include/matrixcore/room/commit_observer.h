// CommitObserver: adds rows to the commits of rooms.
//
// What follows from an event (who is notified of it, for example) and is read
// together with it belongs into the same commit: then no reader sees the one
// without the other, and no crash comes in between.  An observer is asked once
// for each commit, after the events passed their auth rules and before the
// batch goes to the store.  Implemented by the service floor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/event/views.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/store/write_batch.h"

namespace matrixcore {

// An event on its way into a room.
struct AddedEvent {
  StoredEvent stored;  // Without its position.
  PositionRef pos;
  // Joined users after the event.
  int64_t joined = 0;
  // Of a member event: the membership before it.
  Membership before = Membership::kNone;
};

// What a commit adds to a room, and the room as it will be.  Valid during
// CommitObserver::AddRows.
class RoomAddition {
 public:
  virtual ~RoomAddition() = default;

  // The room with the events; its nid is 0 while it is being created.
  virtual const RoomHead& room() const = 0;
  // The room's number for rows of the batch, also of one that is being created.
  virtual BatchCell room_cell() const = 0;
  virtual std::span<const AddedEvent> events() const = 0;
  // The current state event at a key after all the events; null when absent.
  virtual Result<const Event*> StateEvent(std::string_view type,
                                          std::string_view state_key) = 0;
  // Of this room, also one of `events`.
  virtual Result<std::optional<StoredEvent>> FindEvent(
      std::string_view event_id) = 0;
  // A reader of the room as it was before the commit (or later, as far as other
  // rooms and tables are concerned).
  virtual Result<RoomReader*> Reader() = 0;
};

// What an observer remembers of a room between its commits: everything in it
// must follow from the store and the events since.  Kept by the writer, and
// thrown away whenever a commit fails or the room leaves the writer's memory.
class RoomExtra {
 public:
  virtual ~RoomExtra() = default;
  // Memory that this takes, in bytes.
  virtual size_t ByteSize() const = 0;
};

// Called by one thread at a time for one room.
class CommitObserver {
 public:
  virtual ~CommitObserver() = default;
  // Adds rows to `batch`.  `extra` is what an earlier call left there for this
  // room, or null.  On failure nothing of the commit is written.  Must not
  // commit.
  virtual Status AddRows(RoomAddition& addition,
                         std::unique_ptr<RoomExtra>& extra,
                         WriteBatch& batch) = 0;
};

}  // namespace matrixcore
