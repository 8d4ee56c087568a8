// Account data: what clients keep for a user, globally or for a room (spec:
// client-server API, "Client Config").
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/service/notifier.h"
#include "matrixcore/service/push_profiles.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// The account data type of push rules, which this server keeps itself.
inline constexpr std::string_view kPushRulesType = "m.push_rules";
// The account data type of a room's tags: {"tags": {"m.favourite": {...}}}.
inline constexpr std::string_view kTagType = "m.tag";
// Whom a user ignores: {"ignored_users": {"@user:example.org": {}}}.
inline constexpr std::string_view kIgnoredUserListType = "m.ignored_user_list";
// The content of a deleted entry.
inline constexpr std::string_view kDeletedContent = "{}";

// Thread-safe.  Besides the named ones, functions may give the store's errors.
class AccountDataService {
 public:
  // `profiles` is told of ignored users; null when nobody is notified.
  AccountDataService(Store& store, Notifier& notifier,
                     PushProfiles* profiles = nullptr)
      : store_(store), notifier_(notifier), profiles_(profiles) {}

  // A room id of "" stands for the global account data throughout.

  // Writes `content`, a JSON object, stamps it with a position of the log and
  // wakes the user's syncs.  kInvalidArgument M_INVALID_PARAM for an empty type
  // or a malformed room id; kUnsupported M_BAD_JSON for a type that the server
  // manages.
  Status Put(std::string_view user_id, std::string_view room_id,
             std::string_view type, std::string_view content);
  // Removes an entry (MSC3391): it is not found any more, syncs since before
  // give it as {} and initial ones not at all.  Writing {} does the same.  Ok
  // if there is none.  Errors as Put.
  Status Delete(std::string_view user_id, std::string_view room_id,
                std::string_view type);
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
  // position; for 0, everything but what is deleted.
  static Result<std::vector<Entry>> Since(Snapshot& snapshot,
                                          std::string_view user_id,
                                          Position after);
  // Adds a row to a batch, stamped with a new position.  The caller publishes.
  static void AddRow(WriteBatch& batch, std::string_view user_id,
                     std::string_view room_id, std::string_view type,
                     std::string content);

 private:
  Status Write(std::string_view user_id, std::string_view room_id,
               std::string_view type, std::string content);

  Store& store_;
  Notifier& notifier_;
  PushProfiles* const profiles_;
};

}  // namespace matrixcore
