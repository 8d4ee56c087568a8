// What passes by in a room without being an event of it: typing, receipts, read
// markers (spec: client-server API, "Typing Notifications", "Receipts", "Read
// and unread markers").
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// One receipt, as /sync shows it.
struct Receipt {
  std::string type;  // "m.read" or "m.read.private".
  std::string user_id;
  std::string thread_id;  // "" for an unthreaded receipt.
  std::string event_id;
  Timestamp ts;
};

// Who types in a room.
struct TypingUsers {
  RoomNid room = 0;
  std::vector<std::string>
      user_ids;  // Sorted; empty when the last one stopped.
};

// Who started or stopped typing since a client looked last.
struct TypingNews {
  // Of the newest change; grows over restarts.
  int64_t serial = 0;
  std::vector<TypingUsers> changed;  // By room.
  std::vector<RoomNid> active;       // Rooms in which someone types, sorted.
  // What the client knows is from another process or too long ago: in rooms
  // that are not in `changed` nobody types, which may be news.
  bool incomplete = false;
};

// Thread-safe.  Besides the named ones, functions may give the store's errors.
class EphemeralService {
 public:
  struct Deps {
    Store& store;
    const Clock& clock;
    Timers& timers;
    RoomCaches& caches;
    RoomActivity& activity;
    const JoinedUsers& joined;
    RoomWriter& writer;
    Notifier& notifier;
  };
  explicit EphemeralService(const Deps& deps);
  ~EphemeralService();

  // The user types (for `timeout`, at most ten minutes), or stopped.
  // kPermissionDenied M_FORBIDDEN when not joined to the room.
  Status SetTyping(const Session& session, std::string_view room_id,
                   bool typing, Duration timeout);

  // Receipts and markers only move forward: one for an event that is not newer
  // than the present one changes nothing.
  struct ReceiptRequest {
    std::string room_id;
    std::string type;  // "m.read", "m.read.private" or "m.fully_read".
    std::string event_id;
    // Nothing for an unthreaded receipt.
    std::optional<std::string> thread_id;
  };
  // kPermissionDenied M_FORBIDDEN when not joined to the room; kNotFound
  // M_NOT_FOUND when the room has no such event; kInvalidArgument
  // M_INVALID_PARAM for an unknown type, and for a thread_id that is empty,
  // does not go with the type or is not the event's thread.
  Status SetReceipt(const Session& session, const ReceiptRequest& request);

  struct ReadMarkers {
    std::optional<std::string> fully_read;
    std::optional<std::string> read;
    std::optional<std::string> read_private;
  };
  // All of them or none.  Errors as SetReceipt.
  Status SetReadMarkers(const Session& session, std::string_view room_id,
                        const ReadMarkers& markers);

  // --- For sync ---
  // What changed after a serial; for 0, when the client knows of nobody typing:
  // the rooms in which someone types.
  TypingNews TypingSince(int64_t serial) const;
  TypingUsers TypingIn(RoomNid room) const;

  // The receipts of a room that were sent after a position and that `user_id`
  // may see: private ones are their owner's only.  Ordered by thread, event,
  // type and user.
  static Result<std::vector<Receipt>> ReceiptsSince(Snapshot& snapshot,
                                                    RoomNid room,
                                                    Position after,
                                                    std::string_view user_id);

 private:
  struct Rep;
  std::shared_ptr<Rep> rep_;  // Shared with timers that run.
};

}  // namespace matrixcore
