// Sending: messages, state, redactions.
#include "matrixcore/service/messages.h"

#include <array>
#include <utility>

#include "api/delayed_events.h"
#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/presence.h"

namespace matrixcore::api {
namespace {

MessageService::Done AnswerWithEventId(ReplySender send) {
  return [send = std::move(send)](Result<std::string> event_id) mutable {
    if (!event_id.ok()) return send(std::move(event_id).status());
    send(ObjectReply([&](json::Writer& w) { w.Field("event_id", *event_id); }));
  };
}

// With a transaction id in the path; and without one, by POST, as old clients
// and scripts do.
void SendMessage(std::unique_ptr<Call> call, ReplySender send) {
  call->services.presence.Active(*call->session);
  const bool has_txn = call->path.size() > 2;
  if (has_txn && WantsDelay(*call)) {
    return send(ScheduleInstead(*call, std::nullopt, call->path[2]));
  }
  MessageService::Message message;
  message.room_id = call->path[0];
  message.type = call->path[1];
  if (has_txn) message.txn_id = call->path[2];
  message.content = call->root().raw();
  call->services.messages.Send(*call->session, std::move(message),
                               AnswerWithEventId(std::move(send)));
}

// With and without a state key in the path.
void SetState(std::unique_ptr<Call> call, ReplySender send) {
  call->services.presence.Active(*call->session);
  if (WantsDelay(*call)) {
    return send(ScheduleInstead(
        *call, call->path.size() > 2 ? call->path[2] : std::string(), ""));
  }
  MessageService::State state;
  state.room_id = call->path[0];
  state.type = call->path[1];
  if (call->path.size() > 2) state.state_key = call->path[2];
  state.content = call->root().raw();
  call->services.messages.SetState(*call->session, std::move(state),
                                   AnswerWithEventId(std::move(send)));
}

void Redact(std::unique_ptr<Call> call, ReplySender send) {
  call->services.presence.Active(*call->session);
  MessageService::Redaction redaction;
  redaction.room_id = call->path[0];
  redaction.event_id = call->path[1];
  redaction.txn_id = call->path[2];
  Result<std::optional<std::string_view>> reason =
      OptionalString(call->root(), "reason");
  if (!reason.ok()) return send(std::move(reason).status());
  if (*reason) redaction.reason = std::string(**reason);
  call->services.messages.Redact(*call->session, std::move(redaction),
                                 AnswerWithEventId(std::move(send)));
}

constexpr Route Put(std::string_view path, Body body, Handler handler,
                    std::string_view operation) {
  return {HttpMethod::kPut,   path, Auth::kUser, RateLimit::kMessage,
          Lane::kInteractive, body, handler,     operation};
}

constexpr std::array kRoutes = {
    Put("/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}",
        Body::kObject, &SendMessage, "sendMessage"),
    Route{HttpMethod::kPost,
          "/_matrix/client/v3/rooms/{roomId}/send/{eventType}", Auth::kUser,
          RateLimit::kMessage, Lane::kInteractive, Body::kObject, &SendMessage,
          ""},
    Put("/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}",
        Body::kObject, &SetState, "setRoomStateWithKey"),
    Put("/_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}",
        Body::kOptionalObject, &Redact, "redactEvent"),
};

}  // namespace

std::span<const Route> MessageRoutes() { return kRoutes; }

}  // namespace matrixcore::api
