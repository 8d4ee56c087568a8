// UserDirectory: finding users by name, and the rooms that two users share
// (spec: client-server API, "User Directory", "Mutual Rooms").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Users are found under the words of their user ids and display names, by the
// beginning of a word; in scripts without spaces, by any part.  Waits for the
// store.  Thread-safe.
class UserDirectory {
 public:
  // Users that match and are looked at in one search, at most.
  static constexpr size_t kMaxCandidates = 500;
  static constexpr size_t kMaxResults = 100;
  static constexpr size_t kMutualRoomsPage = 100;

  struct Deps {
    Store& store;
    RoomCaches& caches;
  };
  explicit UserDirectory(const Deps& deps) : deps_(deps) {}

  struct Found {
    std::string user_id = {};
    std::optional<std::string> display_name = {};
    std::optional<std::string> avatar_url = {};
    friend bool operator==(const Found&, const Found&) = default;
  };
  struct SearchResult {
    std::vector<Found> users;  // The best match first.
    bool limited = false;      // There are more.
  };
  // Who can be seen by the asker: those who share a room with them, or are in a
  // room that is public or world-readable.  Every word of the term must match.
  Result<SearchResult> Search(const Session& session, std::string_view term,
                              size_t limit);

  struct MutualRooms {
    std::vector<std::string> joined;
    int64_t count = 0;  // Of all pages.
    std::optional<std::string> next_batch = {};
  };
  // The rooms that both are joined to; none for a user who does not exist.
  // M_INVALID_PARAM for what is no user id, for oneself and for a bad token.
  Result<MutualRooms> FindMutualRooms(const Session& session,
                                      std::string_view user_id,
                                      std::string_view from);

  // --- For the services that change accounts and profiles ---
  // Makes the user known under these names, and no longer under others, with
  // the batch.
  static void Index(WriteBatch& batch, const std::string& user_id,
                    std::string_view display_name);
  static void Remove(WriteBatch& batch, const std::string& user_id);

 private:
  const Deps deps_;
};

}  // namespace matrixcore
