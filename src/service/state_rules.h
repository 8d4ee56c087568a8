// What a state event that a client sends, or the redaction of one, must fulfil
// beside the auth rules, and what goes with it (spec: PUT
// /rooms/{roomId}/state, and the modules that each type belongs to).  For
// MessageService.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/base/status.h"
#include "matrixcore/event/builder.h"
#include "matrixcore/json/value.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/service/accounts.h"
#include "service/joining.h"

namespace matrixcore {

class StateRules {
 public:
  // Reads what has to be known outside of the room.  M_BAD_ALIAS,
  // M_INVALID_PARAM (aliases, server ACLs that shut this server out, tombstones
  // that lead back, memberships that there are not), M_INVITE_BLOCKED,
  // M_FORBIDDEN.
  static Result<StateRules> Make(RoomReader& reader, const Session& session,
                                 const EventDraft& draft,
                                 const std::string& room_id,
                                 json::Value content);

  // The same for the redaction of an event of the room.
  static Result<StateRules> ForRedaction(RoomReader& reader,
                                         const Session& session,
                                         const std::string& room_id,
                                         std::string_view event_id);

  // Adds the event, and what belongs to it, to `change`.  kAborted when what
  // Make read is out of date.
  Status Apply(const RoomView& view, const EventDraft& draft,
               RoomChange& change) const;

 private:
  enum class Kind { kPlain, kJoin, kGuestsMustLeave };

  Kind kind_ = Kind::kPlain;
  Session session_;
  JoinFacts join_;
  // Of the room's joined users on this server: who is a guest, sorted by id.
  std::vector<std::pair<std::string, bool>> members_;
};

}  // namespace matrixcore
