// DirectoryService: finding rooms that one is not in: the room directory, the
// summary of a room, the hierarchy of a space.
//
// Answers are JSON bodies of the client-server API.  Waits for the store only.
// Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"

namespace matrixcore {

class DirectoryService {
 public:
  struct Options {
    std::string server_name;
  };
  struct Deps {
    Store& store;
    RoomCaches& caches;
  };
  DirectoryService(Options options, const Deps& deps)
      : options_(std::move(options)), deps_(deps) {}

  // GET and POST /publicRooms.  The largest rooms come first.
  struct PublicRoomsQuery {
    std::string server = {};            // "": this one.
    std::optional<int64_t> limit = {};  // Nothing or 0: kDefaultRooms.
    std::string since = {};
    // Every word of it occurs in the name, the topic or the alias, in whatever
    // case; or it is the room's id.
    std::string search_term = {};
    // Nothing: all; a nothing in it stands for rooms without a type.
    std::optional<std::vector<std::optional<std::string>>> room_types = {};
    // "": the rooms of this server itself.
    std::string network = {};
  };
  static constexpr size_t kDefaultRooms = 100;
  static constexpr size_t kMaxRooms = 500;
  // A page looks at no more rooms than this: when a filter finds few, it may be
  // shorter than asked for and still have a next one.
  static constexpr size_t kMaxScannedRooms = 10'000;
  // M_INVALID_PARAM for a negative limit, a token of no server of ours and a
  // malformed server name; M_NOT_FOUND for a server that cannot be asked.
  Result<std::string> PublicRooms(const PublicRoomsQuery& query);

  // GET /room_summary/{roomIdOrAlias}; `session` is null for who is not logged
  // in.  M_INVALID_PARAM for a malformed id, M_NOT_FOUND for a room that is not
  // there or not for the asker to find.
  Result<std::string> Summary(const Session* session,
                              std::string_view room_id_or_alias);

  // GET /rooms/{roomId}/hierarchy: depth first, each room once.
  struct HierarchyQuery {
    bool suggested_only = false;
    std::optional<int64_t> limit = {};
    std::optional<int64_t> max_depth = {};
    std::string from = {};
  };
  static constexpr int64_t kMaxHierarchyPage = 50;
  static constexpr int64_t kMaxHierarchyDepth = 20;
  // Rooms of one hierarchy that are looked at; what lies beyond is not shown.
  static constexpr size_t kMaxHierarchyRooms = 2'000;
  // M_FORBIDDEN for a space that is not there or not for the asker to see;
  // M_INVALID_PARAM for a bad number, and for a token that was not made for
  // this space and these parameters.
  Result<std::string> Hierarchy(const Session& session,
                                std::string_view room_id,
                                const HierarchyQuery& query);

 private:
  const Options options_;
  const Deps deps_;
};

}  // namespace matrixcore
