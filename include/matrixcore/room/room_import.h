// ImportRoom: brings a room file (room/room_file.h) into a store.
//
// Rows are written in bounded batches under a number that no reader sees; when
// all are there, everything that CheckRoom looks at is checked; then one commit
// makes the room visible.  An import that is broken off leaves nothing that
// anybody sees, and the next one of the same room clears it away.
//
// The store must not be in use by a running server, which would not hear of the
// room.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/room/room_check.h"
#include "matrixcore/room/room_file.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

struct RoomImportOptions {
  std::string server_name = {};
  Timestamp now = {};
  // Public keys, beside those of the file; these win.
  KeyLookup keys = {};
  // A batch has at most so many events, and about so many bytes.
  size_t batch_events = 500;
  size_t batch_bytes = size_t{4} << 20;
  // Called after each batch with what was read of the file.  May be null.
  std::function<void(uint64_t bytes)> on_read = {};
  // RoomCheckOptions::progress of the check that follows.
  std::function<bool(uint64_t done, uint64_t total)> on_checked = {};
  // Hears why a file is refused.
  std::function<void(const RoomFinding&)> report = {};
};

struct RoomImportResult {
  std::string room_id;
  uint64_t events = 0;
  int64_t joined = 0;  // Members, of all servers.
  // Aliases of other servers, and those that are taken here: left out.
  std::vector<std::string> skipped_aliases;
};

// Events of the file keep their marks (rejected, soft-failed, outlier); what
// they mean for the room is worked out anew.  What the file does not tell
// (receipts, account data, what was unread) starts empty; local members are
// told of the room by their next sync.
//
// Errors, with nothing visible: kAlreadyExists (the room is here),
// kFailedPrecondition (it is blocked, or the file has only its state),
// kDataLoss (the file is torn, or the check found something: `report` heard
// what), those of the reader and of the store.
Result<RoomImportResult> ImportRoom(Store& store, RoomFileReader& file,
                                    const RoomImportOptions& options);

}  // namespace matrixcore
