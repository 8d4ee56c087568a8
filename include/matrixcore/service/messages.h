// MessageService: putting events into rooms on behalf of a user.
//
// Asynchronous: a request queues behind its room and is answered when its event
// is durable; no thread waits.  Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "matrixcore/base/function.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_writer.h"
#include "matrixcore/service/accounts.h"

namespace matrixcore {

class StateRules;  // service/state_rules.h

class MessageService {
 public:
  // The event id.  Errors: M_FORBIDDEN (not in the room, no such room, or the
  // auth rules), M_BAD_JSON, M_TOO_LARGE, M_LIMIT_EXCEEDED, ...
  using Done = UniqueFunction<void(Result<std::string> event_id)>;

  struct Deps {
    Store& store;
    RoomCaches& caches;
    RoomWriter& writer;
  };
  explicit MessageService(const Deps& deps) : deps_(deps) {}

  // PUT /rooms/{roomId}/send/{eventType}/{txnId}.  `content` is a JSON object.
  // M_DUPLICATE_ANNOTATION for a reaction that is there already; M_UNKNOWN
  // (kInvalidArgument) for a thread whose root relates to an event itself.
  struct Message {
    std::string room_id;
    std::string type;
    std::string txn_id;  // "": every request is another message.
    std::string content;
    std::optional<Timestamp> ts;  // For application services.
  };
  void Send(const Session& session, Message message, Done done);

  // PUT /rooms/{roomId}/state/{eventType}/{stateKey}.  Setting what is already
  // so answers with the event that is there.  M_BAD_ALIAS and M_INVALID_PARAM
  // for an m.room.canonical_alias that names aliases which do not lead here;
  // M_INVALID_PARAM for an m.room.server_acl that shuts this server out and for
  // a membership that there is not; M_INVITE_BLOCKED; joins as
  // RoomService::Join. When a room closes itself to guests, those who are in it
  // leave.
  struct State {
    std::string room_id;
    std::string type;
    std::string state_key;
    std::string content;
    std::string delay_id = {};  // Of a delayed event; "" for others.
    std::optional<Timestamp> ts;
  };
  void SetState(const Session& session, State state, Done done);

  // PUT /rooms/{roomId}/redact/{eventId}/{txnId}.  M_FORBIDDEN without the
  // power to redact someone else's event (administrators need none for those of
  // this server's users), M_NOT_FOUND for an unknown event, M_INVALID_PARAM for
  // one of another room.
  struct Redaction {
    std::string room_id;
    std::string event_id;
    std::string txn_id;
    std::optional<std::string> reason;
  };
  void Redact(const Session& session, Redaction redaction, Done done);

 private:
  void TrySetState(const Session& session, State state, Done done,
                   int attempts);
  Result<StateRules> MakeRules(const Session& session, const EventDraft& draft,
                               const std::string& room_id,
                               const json::Document& content);
  Result<StateRules> RulesOfRedaction(const Session& session,
                                      const std::string& room_id,
                                      std::string_view event_id);
  void Submit(RoomRequest request, Done done);

  const Deps deps_;
};

}  // namespace matrixcore
