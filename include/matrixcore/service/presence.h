// PresenceService: who is online (spec: client-server API, "Presence").
//
// A user is what the most present of their devices is.  A device is present
// while it syncs, and for a while after; it is idle when nothing was done with
// it for some minutes.  Changes are rows of the log, so that they reach syncs
// like everything else; what is needed to find the next change is in memory,
// only for users who are present.  Time works through one timer for the next
// thing that falls due: nothing is polled.
//
// Users who were present when the server stopped stay so for as long as a
// device that went away.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

enum class PresenceState : uint8_t { kOffline, kUnavailable, kOnline };
// "offline", "unavailable", "online".
std::string_view PresenceName(PresenceState state);
std::optional<PresenceState> ParsePresence(std::string_view name);

struct Presence {
  std::string user_id;
  PresenceState state = PresenceState::kOffline;
  std::optional<std::string> status_msg;
  std::optional<Timestamp> last_active;
  bool currently_active = false;
};

// Thread-safe.  Besides the named ones, functions may give the store's errors.
class PresenceService {
 public:
  static constexpr size_t kMaxStatusBytes = 2048;

  struct Options {
    // False: everybody is offline, and nothing is kept or told.
    bool enabled = true;
    Duration idle_after = seconds(300);
    Duration offline_after = seconds(30);  // Since the last sync.
    Duration active_for = seconds(60);     // Since something was done.
  };
  struct Deps {
    Store& store;
    const Clock& clock;
    Timers& timers;
    Executor& executor;  // Writes what timers and syncs change.
    RoomCaches& caches;
    Notifier& notifier;
    Logger& log;
  };
  PresenceService(const Options& options, const Deps& deps);
  ~PresenceService();

  bool enabled() const;

  // Sets the asking device's state and the user's message (nothing: none).
  // kInvalidArgument M_INVALID_PARAM for a message that is too long.
  Status Set(const Session& session, PresenceState state,
             std::optional<std::string> status_msg);
  // Of a user who shares a room with the asking one, and of that one;
  // kPermissionDenied M_FORBIDDEN for others.
  Result<Presence> Get(const Session& session, const std::string& user_id);

  // The device syncs for as long as the result lives; null for kOffline, which
  // says nothing about the device.
  std::shared_ptr<void> Syncing(const Session& session, PresenceState state);
  // The user did something with the device.
  void Active(const Session& session);
  // Tells those who see the user of a new name.
  void NameChanged(const std::string& user_id);

  // --- For sync ---
  // Everybody whose presence changed after a position; for 0, everybody who is
  // not offline.  Ordered by user.
  Result<std::vector<Presence>> Since(Snapshot& snapshot, Position after) const;
  // {"presence": ..., "last_active_ago": ..., ...}, the members of m.presence
  // but for the names.
  static void WriteMembers(json::Writer& out, const Presence& presence,
                           Timestamp now);

 private:
  struct Rep;
  std::shared_ptr<Rep> rep_;  // Shared with timers and tasks that run.
};

}  // namespace matrixcore
