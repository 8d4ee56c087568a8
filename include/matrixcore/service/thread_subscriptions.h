// Thread subscriptions: which threads a user wants to be notified of (MSC4306,
// MSC4308; unstable).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/service/push_profiles.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Thread-safe.  Besides the named ones, functions may give the store's errors.
//
// The push rules of MSC4306 keep threads without a subscription quiet.  Users
// get them with their first subscription, so that those whose clients know
// nothing of this are notified as the specification says.
class ThreadSubscriptionService {
 public:
  struct Deps {
    Store& store;
    RoomCaches& caches;
    Notifier& notifier;
    PushProfiles& profiles;
  };
  explicit ThreadSubscriptionService(const Deps& deps) : deps_(deps) {}

  // A thread is named by its room and the event id of its root.  For all of the
  // following: kNotFound M_NOT_FOUND for a thread that does not exist or that
  // the user may not see.
  struct Thread {
    std::string_view room_id;
    std::string_view root;
  };

  // `cause`: the event that made a client subscribe by itself; nothing when the
  // user asked for it.  kInvalidArgument
  // IO.ELEMENT.MSC4306.M_NOT_IN_THREAD when the cause is not in the thread;
  // kAlreadyExists IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION when the
  // user has unsubscribed since the cause.
  Status Subscribe(const Session& session, const Thread& thread,
                   const std::optional<std::string_view>& cause);
  // Ok also when not subscribed.
  Status Unsubscribe(const Session& session, const Thread& thread);
  // Whether the subscription is automatic; kNotFound also when there is none.
  Result<bool> IsAutomatic(const Session& session, const Thread& thread);

  // The newest change of a subscription.
  struct Change {
    std::string room_id;
    std::string root;
    bool subscribed = false;
    bool automatic = false;
    Position pos = 0;
  };
  // Changes after `after` up to `until`, the newest first.
  static Result<std::vector<Change>> Changes(RoomReader& reader,
                                             std::string_view user_id,
                                             Position after, Position until,
                                             size_t limit);
  Result<std::vector<Change>> Changes(std::string_view user_id, Position after,
                                      Position until, size_t limit);

  // The members `subscribed` and `unsubscribed` of an open object.
  static void WriteChanges(json::Writer& out,
                           const std::vector<Change>& changes);

  static Result<bool> IsSubscribed(Snapshot& snapshot, std::string_view user_id,
                                   RoomNid room, std::string_view root);

 private:
  const Deps deps_;
};

}  // namespace matrixcore
