// Writing rooms of a sliding sync answer, in either form.
#pragma once

#include "matrixcore/json/writer.h"
#include "matrixcore/service/client_events.h"
#include "service/sliding_room.h"

namespace matrixcore {

// Writes for one user at one snapshot.  Not thread-safe; everything given to it
// outlives it.
class SlidingWriter {
 public:
  SlidingWriter(SlidingForm form, RoomReader& reader, const Session& session,
                Timestamp now)
      : form_(form), events_(reader, session, now) {}

  // The room's value.
  Status WriteRoom(json::Writer& out, const SlidingRoom& room);

 private:
  // What the forms call differently.
  struct Names;
  const Names& names() const;
  Status WriteStripped(json::Writer& out, const SlidingRoom& room);
  Status WriteContents(json::Writer& out, const SlidingRoom& room);
  Status WriteState(json::Writer& out, const SlidingRoom& room);

  const SlidingForm form_;
  ClientEvents events_;
};

}  // namespace matrixcore
