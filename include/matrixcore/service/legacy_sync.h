// LegacySyncService: what came before /sync and is still asked for by old
// clients and for peeking: /initialSync, /rooms/{roomId}/initialSync and
// /events (spec: client-server API, "Room Previews" and the deprecated
// endpoints).
//
// Thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/function.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/ephemeral.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/service/presence.h"
#include "matrixcore/service/tokens.h"

namespace matrixcore {

class LegacySyncService {
 public:
  struct Options {
    Duration max_timeout = seconds(120);
  };
  struct Deps {
    Store& store;
    RoomCaches& caches;
    const Clock& clock;
    Notifier& notifier;
    const PresenceService& presence;
    const EphemeralService& ephemeral;
  };
  LegacySyncService(const Options& options, const Deps& deps);
  // Returns when no answer is being made any more; as SyncService.
  ~LegacySyncService();

  static constexpr size_t kMaxLimit = 100;  // Of messages of a room.

  // GET /initialSync; `archived` also gives the rooms that the user has left.
  Result<std::string> InitialSync(const Session& session, size_t limit,
                                  bool archived);

  // GET /rooms/{roomId}/initialSync.  M_FORBIDDEN for who is not and was not in
  // the room, unless it is world-readable.
  Result<std::string> RoomInitialSync(const Session& session,
                                      std::string_view room_id, size_t limit);

  // GET /events: events after `from` (nothing: from now on) in the rooms that
  // the user is in, or in one room that is world-readable or the user's.  An
  // answer has at most kMaxEvents.
  struct EventsQuery {
    std::optional<StreamToken> from;
    Duration timeout{0};
    std::optional<std::string> room_id;
  };
  static constexpr size_t kMaxEvents = 100;
  // Called once, at the latest at the timeout or at Shutdown of the Notifier.
  // M_FORBIDDEN for the room.
  using Done = UniqueFunction<void(Result<std::string> body)>;
  void Events(const Session& session, EventsQuery query, Done done);

 private:
  struct Rep;
  std::shared_ptr<Rep> rep_;
};

}  // namespace matrixcore
