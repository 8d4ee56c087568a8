// PushProfiles: by which rules users are notified, compiled and at hand while
// events are added to rooms.
//
// Most users have the default rules and ignore nobody; they have no profile
// here and cost nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/cache_budget.h"
#include "matrixcore/base/status.h"
#include "matrixcore/event/push_rules.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// How one user with rules of their own is notified.  Immutable.
struct PushProfile {
  PushRuleset rules;
  std::vector<std::string> ignored;  // Users, sorted.
  bool threads = false;              // Has thread subscriptions (MSC4306).

  bool Ignores(std::string_view user_id) const;
};
using PushProfilePtr = std::shared_ptr<const PushProfile>;

// Thread-safe.  Functions may give the store's errors.
class PushProfiles {
 public:
  // Both outlive this.  Compiled profiles are kept within the budget; who has
  // one is always known.
  PushProfiles(Store& store, CacheBudget& budget);
  ~PushProfiles();

  // Grows whenever someone's profile changed.
  uint64_t version() const;
  // Whether the user may have a profile.
  Result<bool> Has(std::string_view user_id);
  // The members of a room that may have one, sorted.
  Result<std::vector<std::string>> Among(const JoinedUsers& joined,
                                         RoomNid room);
  // In the order of `user_ids`; for users without a profile, one of the default
  // rules.
  Result<std::vector<PushProfilePtr>> Get(
      std::span<const std::string> user_ids);

  // Whoever changes rules or ignored users adds the user's row to the batch,
  // ...
  static Status AddUser(Snapshot& snapshot, WriteBatch& batch,
                        std::string_view user_id);
  // ... or this one with the first thread subscription, ...
  static void AddThreadsUser(WriteBatch& batch, std::string_view user_id);
  // ... and says so once the batch is visible.
  void Changed(const std::string& user_id);
  // Whether the user has ever subscribed to a thread.
  static Result<bool> UsesThreads(Snapshot& snapshot, std::string_view user_id);

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace matrixcore
