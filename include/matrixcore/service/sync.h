// SyncService: what is new for a user (spec: client-server API, "Syncing"; and
// sliding sync, see sliding_sync.h).
//
// An answer is made from one snapshot of the store and says so: its next_batch
// is that snapshot's position.  What was committed up to it is in the answer,
// what comes later is in the next one; nothing is in both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/function.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/ephemeral.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/service/presence.h"
#include "matrixcore/service/sliding_sync.h"
#include "matrixcore/service/tokens.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// The JSON of a filter that a user has stored; kNotFound M_NOT_FOUND.
using FilterLookup = std::function<Result<std::string>(
    std::string_view user_id, std::string_view filter_id)>;

// GET /sync, parameter by parameter.
struct SyncRequest {
  Session session;
  // Nothing for an initial sync.  A token from the future (the store was set
  // back) counts as none, so that such clients find back to what is true.
  std::optional<StreamToken> since;
  // The id of a stored filter, or a filter's JSON; "" for none.
  std::string filter;
  bool full_state = false;
  bool use_state_after = false;
  // How long to wait when nothing is new; ignored by initial and full-state
  // syncs.
  Duration timeout{0};
};

// Thread-safe.
class SyncService {
 public:
  struct Options {
    Duration max_timeout = seconds(120);
    size_t default_timeline_limit = 10;
    size_t max_timeline_limit = 100;
  };
  struct Deps {
    Store& store;
    const Clock& clock;
    RoomCaches& caches;
    const RoomActivity& activity;
    Notifier& notifier;
    const EphemeralService& ephemeral;
    FilterLookup filters;
    Logger& log;
    Metrics& metrics;
    const PresenceService* presence = nullptr;  // Null: nobody's is told.
    // Forgets the connections of devices that are deleted; may be null.
    AccountService* accounts = nullptr;
  };
  SyncService(const Options& options, Deps deps);
  // Returns when no answer is being made any more.  Those who are still parked
  // are answered by the Notifier's Shutdown, with nothing new.
  ~SyncService();

  // The JSON body of the answer.  Errors: kInvalidArgument M_INVALID_PARAM or
  // M_BAD_JSON (M_NOT_JSON) for a bad filter, kNotFound for an unknown filter
  // id, kAborted when cancelled, and those of the store.
  using Done = UniqueFunction<void(Result<std::string> body)>;

  // A request under way.
  class Ticket {
   public:
    virtual ~Ticket() = default;
    // Nobody waits for the answer any more: gives up waiting.
    virtual void Cancel() = 0;
  };

  // Makes the answer on the calling thread if there is something to say, or
  // else waits without a thread and makes it on the Notifier's executor. `done`
  // is called once, possibly before Sync returns; at the timeout and at
  // Shutdown with an answer that says that nothing is new.  The ticket may be
  // dropped.
  std::shared_ptr<Ticket> Sync(SyncRequest request, Done done);

  // Sliding sync; waiting and the ticket as for Sync.  A request on a
  // connection takes the place of one that waits there, which fails with
  // kAborted.  Errors: kInvalidArgument M_UNKNOWN_POS when the client has to
  // begin anew without a `pos`, and those of the store.
  std::shared_ptr<Ticket> SlidingSync(std::unique_ptr<SlidingRequest> request,
                                      Done done);

  // GET /keys/changes: {"changed", "left"}, what `device_lists` of a sync since
  // `from` says.  It is about now, so that what happened after the end that a
  // client asks for is told too, and again by its next sync.
  Result<std::string> KeyChanges(const Session& session,
                                 const StreamToken& from);

 private:
  struct Rep;
  std::shared_ptr<Rep> rep_;
};

}  // namespace matrixcore
