// ExportRoom: writes a stored room as one portable file (room/room_file.h).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/room/room_file.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

struct RoomExportOptions {
  std::string server_name = {};
  Timestamp now = {};  // When the file says that it was written.
  // Public keys, beside those that came with an imported room; those that
  // signed an event of the file go into it.
  KeyLookup keys = {};
  // Not "": the graph from this event on, and what authorises it.
  std::string since_event_id = {};
  // The current state and what authorises it instead of the graph.
  bool state_only = false;
  size_t chunk = 500;  // Events read at a time.
  // Called after each chunk; false ends the export with kAborted.  May be null.
  std::function<bool(uint64_t done, uint64_t total)> progress = {};
};

struct RoomExportResult {
  uint64_t events = 0;
  // Events with a signature whose key is not known: the file does not prove
  // them.
  uint64_t without_key = 0;
};

// Events are written as they are while they are read; a room that goes on
// meanwhile is exported up to its end.  Memory does not grow with the number of
// events.  Errors: kNotFound (no such room, or event in it), those of `sink`
// and of the store.  After one the file has no end, and every reader refuses
// it.
Result<RoomExportResult> ExportRoom(Store& store, std::string_view room_id,
                                    const RoomExportOptions& options,
                                    RoomFileWriter::Sink sink);

}  // namespace matrixcore
