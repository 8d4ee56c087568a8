// What a client asks of sliding sync, as values (MSC4186 "Simplified Sliding
// Sync", and the experimental form that came before it).  SyncService answers.
//
// Both wire forms are read into the same SlidingRequest and answered by the
// same code; they differ in names and in a few fields:
//
//   kSimplified   POST
//   /_matrix/client/unstable/org.matrix.simplified_msc3575/sync
//                 `pos`, `timeout` and `set_presence` in the query; `ranges`;
//                 required_state as [type, state_key] pairs with "*", "$ME" and
//                 "$LAZY"; answers have unread counts.
//   kMsc4186      POST /_matrix/client/v4/sync
//                 everything in the body; one `range`; required_state as
//                 {include, exclude, lazy_members}; answers have `membership`,
//                 `lists` and stubs for deleted state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/accounts.h"

namespace matrixcore {

enum class SlidingForm { kSimplified, kMsc4186 };

// Which state of a room is wanted.
struct RequiredState {
  // Nothing stands for every type, every state key.
  struct Element {
    std::optional<std::string> type = {};
    std::optional<std::string> state_key = {};
    bool Matches(std::string_view t, std::string_view key) const {
      return (!type || *type == t) && (!state_key || *state_key == key);
    }
    friend auto operator<=>(const Element&, const Element&) = default;
  };
  std::vector<Element> include = {};
  std::vector<Element> exclude = {};
  // Of the members only those that the timeline needs, beside those that
  // `include` names by their state key.
  bool lazy_members = false;

  bool Matches(std::string_view type, std::string_view state_key) const;
  // Every member is wanted, whatever the timeline needs.
  bool WantsAllMembers() const;
  friend bool operator==(const RequiredState&, const RequiredState&) = default;
};

// What is wanted of a room.
struct SlidingRoomConfig {
  size_t timeline_limit = 0;
  RequiredState required_state = {};
  bool include_heroes = true;  // When the room has no name.
  friend bool operator==(const SlidingRoomConfig&,
                         const SlidingRoomConfig&) = default;
};

// Which rooms a list has; what is not set allows all.
struct SlidingFilters {
  std::optional<bool> is_dm = {};
  std::optional<bool> is_encrypted = {};
  std::optional<bool> is_invited = {};
  // Children of these spaces, in which the user is.
  std::optional<std::vector<std::string>> spaces = {};
  // "" stands for rooms without a type.
  std::optional<std::vector<std::string>> room_types = {};
  std::vector<std::string> not_room_types = {};
  std::optional<std::vector<std::string>> tags = {};
  std::vector<std::string> not_tags = {};
  // Part of the room's name, in any case.
  std::string room_name_like = {};
  friend bool operator==(const SlidingFilters&,
                         const SlidingFilters&) = default;
};

struct SlidingList {
  std::string name = {};
  // Inclusive, from 0, the most recently active room; nothing for all rooms.
  using Range = std::pair<size_t, size_t>;
  std::optional<std::vector<Range>> ranges = {};
  SlidingRoomConfig config = {};
  SlidingFilters filters = {};
  bool Contains(size_t index) const;
  friend bool operator==(const SlidingList&, const SlidingList&) = default;
};

struct SlidingSubscription {
  std::string room_id = {};
  SlidingRoomConfig config = {};
  friend bool operator==(const SlidingSubscription&,
                         const SlidingSubscription&) = default;
};

struct SlidingExtensions {
  // Of which rooms an extension tells: those in the windows of some lists, and
  // those of some subscriptions; nothing for all of them.
  struct Scope {
    bool enabled = false;
    std::optional<std::vector<std::string>> lists = {};
    std::optional<std::vector<std::string>> rooms = {};
    friend bool operator==(const Scope&, const Scope&) = default;
  };
  struct ToDevice {
    bool enabled = false;
    size_t limit = 100;
    // What the client has had: an answer's `next_batch`.  What lies before it
    // is deleted, whatever became of `pos`.
    std::optional<int64_t> since = {};
    friend bool operator==(const ToDevice&, const ToDevice&) = default;
  };
  struct ThreadSubscriptions {
    bool enabled = false;
    size_t limit = 100;
    friend bool operator==(const ThreadSubscriptions&,
                           const ThreadSubscriptions&) = default;
  };
  ToDevice to_device = {};
  bool e2ee = false;
  Scope account_data = {};
  Scope receipts = {};
  Scope typing = {};
  ThreadSubscriptions thread_subscriptions = {};
  friend bool operator==(const SlidingExtensions&,
                         const SlidingExtensions&) = default;
};

struct SlidingRequest {
  Session session = {};
  SlidingForm form = SlidingForm::kMsc4186;
  // Tells apart the connections of one device.
  std::string conn_id = {};
  // Nothing to begin a connection anew.
  std::optional<std::string> pos = {};
  // How long to wait when nothing is new; ignored without `pos`.
  Duration timeout{0};
  std::string set_presence = {};           // As given; "" if it was not.
  std::optional<std::string> txn_id = {};  // Given back with the answer.
  std::vector<SlidingList> lists = {};     // By name.
  std::vector<SlidingSubscription> subscriptions = {};  // By room.
  SlidingExtensions extensions = {};

  static constexpr size_t kMaxLists = 100;
  static constexpr size_t kMaxSubscriptions = 100;
  static constexpr size_t kMaxTimelineLimit = 100;
  static constexpr size_t kMaxConnIdBytes = 255;
  // Elements of one required_state, ranges of one list, values of one filter.
  static constexpr size_t kMaxElements = 500;
};

// Reads a request's body; of the simplified form the caller adds what stands in
// the query.  Errors: kInvalidArgument M_BAD_JSON (a wrong type, a missing
// field), M_INVALID_PARAM (over a limit, a bad name or range).
Result<SlidingRequest> ParseSlidingRequest(json::Value body, SlidingForm form,
                                           const Session& session);

}  // namespace matrixcore
