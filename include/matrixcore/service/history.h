// HistoryService: reading rooms: events, timelines, state and members, as one
// user may see them.
//
// Answers are JSON bodies of the client-server API, spliced from stored bytes.
// Waits for the store only.  Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/event_filter.h"
#include "matrixcore/service/tokens.h"

namespace matrixcore {

class HistoryService {
 public:
  struct Deps {
    Store& store;
    RoomCaches& caches;
    const Clock& clock;
  };
  explicit HistoryService(const Deps& deps) : deps_(deps) {}

  // All: M_FORBIDDEN for a room that does not exist, that the user never was
  // in, or that is not world-readable.  Someone who left sees the room as it
  // was then.

  // GET /rooms/{roomId}/messages.
  struct MessagesQuery {
    bool backwards = true;
    std::optional<StreamToken> from;
    std::optional<StreamToken> to;
    size_t limit = 10;  // At most kMaxPage are given.
    RoomEventFilter filter;
  };
  static constexpr size_t kMaxPage = 1000;
  Result<std::string> Messages(const Session& session, std::string_view room_id,
                               const MessagesQuery& query);

  // GET /rooms/{roomId}/context/{eventId}; `limit` counts the events around it.
  // M_NOT_FOUND for an event that is not there or not visible.
  Result<std::string> Context(const Session& session, std::string_view room_id,
                              std::string_view event_id, size_t limit,
                              const RoomEventFilter& filter);

  // GET /rooms/{roomId}/event/{eventId}, and with room_id "" GET
  // /events/{eventId}.  M_NOT_FOUND as above, also for unknown rooms.
  Result<std::string> Event(const Session& session, std::string_view room_id,
                            std::string_view event_id);

  // GET /rooms/{roomId}/timestamp_to_event: the visible event whose time is
  // nearest to `ts`, at or after it, or at or before it.  M_NOT_FOUND.
  Result<std::string> EventByTimestamp(const Session& session,
                                       std::string_view room_id, int64_t ts,
                                       bool backwards);

  // GET /rooms/{roomId}/state: an array of events.
  Result<std::string> State(const Session& session, std::string_view room_id);

  // GET /rooms/{roomId}/state/{type}/{key}: the content, or the whole event.
  // M_NOT_FOUND.
  Result<std::string> StateEvent(const Session& session,
                                 std::string_view room_id,
                                 std::string_view type,
                                 std::string_view state_key, bool whole_event);

  // GET /rooms/{roomId}/members.  M_FORBIDDEN also for a time that the user may
  // not see.
  struct MembersQuery {
    std::optional<StreamToken> at;
    std::optional<Membership> membership;
    std::optional<Membership> not_membership;
  };
  Result<std::string> Members(const Session& session, std::string_view room_id,
                              const MembersQuery& query);

  // GET /rooms/{roomId}/joined_members.  Only for joined users.
  Result<std::string> JoinedMembers(const Session& session,
                                    std::string_view room_id);

 private:
  const Deps deps_;
};

}  // namespace matrixcore
