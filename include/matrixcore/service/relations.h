// RelationService: the events that relate to an event, and the threads of a
// room (spec: client-server API, "Forming relationships between events",
// "Threading").
//
// Answers are JSON bodies of the client-server API, spliced from stored bytes.
// Waits for the store only.  Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/tokens.h"

namespace matrixcore {

class RelationService {
 public:
  struct Deps {
    Store& store;
    RoomCaches& caches;
    const Clock& clock;
  };
  explicit RelationService(const Deps& deps) : deps_(deps) {}

  static constexpr size_t kMaxPage = 1000;
  // How many relations away from the event `recurse` goes.
  static constexpr int kRecursionDepth = 3;

  // GET /rooms/{roomId}/relations/{eventId}[/{relType}[/{eventType}]].
  struct Query {
    std::string room_id;
    std::string event_id;
    std::string rel_type;    // "": all.
    std::string event_type;  // "": all.
    std::optional<StreamToken> from;
    std::optional<StreamToken> to;
    size_t limit = 50;
    bool backwards = true;
    // Whether the client gave `recurse`, and what it is.
    std::optional<bool> recurse;
  };
  // M_NOT_FOUND for an event that is not there or not visible.  With `recurse`
  // the newest kMaxRecursed related events are considered.
  static constexpr size_t kMaxRecursed = 10'000;
  Result<std::string> Relations(const Session& session, const Query& query);

  // GET /rooms/{roomId}/threads.  M_FORBIDDEN for who may not look at the room.
  struct ThreadsQuery {
    bool only_participated = false;
    std::optional<StreamToken> from;
    size_t limit = 20;  // At most kMaxThreads are given.
  };
  static constexpr size_t kMaxThreads = 100;
  Result<std::string> Threads(const Session& session, std::string_view room_id,
                              const ThreadsQuery& query);

 private:
  const Deps deps_;
};

}  // namespace matrixcore
