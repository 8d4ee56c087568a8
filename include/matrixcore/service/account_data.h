// Account data: what clients keep for a user, globally or for a room (spec:
// client-server API, "Client Config").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// The account data type of push rules, which this server keeps itself.
inline constexpr std::string_view kPushRulesType = "m.push_rules";
// The account data type of a room's tags: {"tags": {"m.favourite": {...}}}.
inline constexpr std::string_view kTagType = "m.tag";

// Thread-safe.  Besides the named ones, functions may give the store's errors.
class AccountDataService {
 public:
  AccountDataService(Store& store, Notifier& notifier)
      : store_(store), notifier_(notifier) {}

  // A room id of "" stands for the global account data throughout.

  // Writes `content`, a JSON object, stamps it with a position of the log and
  // wakes the user's syncs.  kInvalidArgument M_INVALID_PARAM for an empty type
  // or a malformed room id; kUnsupported M_BAD_JSON for a type that the server
  // manages.
  Status Put(std::string_view user_id, std::string_view room_id,
             std::string_view type, std::string_view content);
  // The JSON object.  kNotFound M_NOT_FOUND.
  Result<std::string> Get(std::string_view user_id, std::string_view room_id,
                          std::string_view type);

  // Sets one tag of a room, or removes it when `content` is "" (spec: "Room
  // Tagging"); other tags stay.  kInvalidArgument M_INVALID_PARAM for a
  // malformed room id or a tag that is empty or over 255 bytes, M_BAD_JSON for
  // an `order` that is not a number.
  Status SetTag(std::string_view user_id, std::string_view room_id,
                std::string_view tag, std::string_view content);

  // --- For sync and for services that write account data of their own ---
  struct Entry {
    std::string room_id = {};
    std::string type = {};
    std::string content = {};
    Position pos = 0;
  };
  // Everything of a user that was written after a position, ordered by
  // position; for 0, everything.
  static Result<std::vector<Entry>> Since(Snapshot& snapshot,
                                          std::string_view user_id,
                                          Position after);
  // Adds a row to a batch, stamped with a new position.  The caller publishes.
  static void AddRow(WriteBatch& batch, std::string_view user_id,
                     std::string_view room_id, std::string_view type,
                     std::string content);

 private:
  Store& store_;
  Notifier& notifier_;
};

}  // namespace matrixcore
