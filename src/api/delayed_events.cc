// Delayed events (MSC4140; unstable).
#include "api/delayed_events.h"

#include <algorithm>
#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/delayed_events.h"

namespace matrixcore::api {
namespace {

constexpr std::string_view kDelay = "org.matrix.msc4140.delay";

Result<Reply> Schedule(Call& call, DelayedEventService::Request request) {
  MC_ASSIGN_OR_RETURN(
      const DelayedEventService::Scheduled scheduled,
      call.services.delayed_events.Schedule(*call.session, std::move(request)));
  if (!scheduled.retry_at) {
    return ObjectReply(
        [&](json::Writer& w) { w.Field("delay_id", scheduled.delay_id); });
  }
  const int64_t wait = std::max<int64_t>(
      1, scheduled.retry_at->ms - call.services.deps.clock.Now().ms);
  Reply reply = ObjectReply([&](json::Writer& w) {
    w.Field("errcode", "M_LIMIT_EXCEEDED");
    w.Field("error", "The maximum number of delayed events has been reached.");
    w.Field("retry_after_ms", wait);
  });
  reply.status = 429;
  reply.headers.Add("Retry-After", std::to_string((wait + 999) / 1000));
  return reply;
}

Result<Reply> PutDelayedEvent(Call& call) {
  DelayedEventService::Request request;
  request.room_id = call.path[0];
  request.type = call.path[1];
  request.txn_id = call.path[2];
  MC_ASSIGN_OR_RETURN(request.delay_ms, RequiredInt(call.root(), "delay_ms"));
  MC_ASSIGN_OR_RETURN(const auto state_key,
                      OptionalString(call.root(), "state_key"));
  if (state_key) request.state_key = std::string(*state_key);
  MC_ASSIGN_OR_RETURN(const json::Value content,
                      RequiredObject(call.root(), "content"));
  request.content = content.raw();
  return Schedule(call, std::move(request));
}

// Names of today, and those of the first version that clients still use.
void WriteMembers(json::Writer& w, const DelayedEvent& event) {
  w.Field("delay_id", event.delay_id);
  w.Field("room_id", event.room_id);
  w.Field("type", event.type);
  if (event.state_key) w.Field("state_key", *event.state_key);
  w.Field("delay_ms", event.delay_ms);
  w.Field("delay", event.delay_ms);
  w.Field("scheduled_at", event.scheduled_at.ms);
  w.Field("running_since", event.scheduled_at.ms);
  w.RawField("content", event.content);
}

Result<Reply> GetDelayedEvents(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::vector<DelayedEvent> events,
                      call.services.delayed_events.List(*call.session));
  return ObjectReply([&](json::Writer& w) {
    w.Key("delayed_events").BeginArray();
    for (const DelayedEvent& event : events) {
      w.BeginObject();
      WriteMembers(w, event);
      w.EndObject();
    }
    w.EndArray();
  });
}

Result<Reply> GetDelayedEvent(Call& call) {
  MC_ASSIGN_OR_RETURN(
      const DelayedEvent event,
      call.services.delayed_events.Get(*call.session, call.path[0]));
  return ObjectReply([&](json::Writer& w) {
    WriteMembers(w, event);
    if (event.error) w.RawField("error", *event.error);
    if (event.event_id) w.Field("event_id", *event.event_id);
    if (event.finalised_at) w.Field("finalised_ts", event.finalised_at->ms);
  });
}

void Manage(std::unique_ptr<Call> call, std::string_view name,
            ReplySender send) {
  const auto action = DelayedEventService::ParseAction(name);
  if (!action) {
    return send(InvalidParam("The action is 'send', 'cancel' or 'restart'"));
  }
  call->services.delayed_events.Manage(
      *call->session, call->path[0], *action,
      [send = std::move(send)](Status status) mutable {
        send(status.ok() ? Result<Reply>(EmptyReply())
                         : Result<Reply>(std::move(status)));
      });
}

void ManageDelayedEvent(std::unique_ptr<Call> call, ReplySender send) {
  const std::string action = call->path[1];
  Manage(std::move(call), action, std::move(send));
}

// With the action in the body, as it was first.
void ManageDelayedEventByBody(std::unique_ptr<Call> call, ReplySender send) {
  Result<std::string_view> action = RequiredString(call->root(), "action");
  if (!action.ok()) return send(std::move(action).status());
  const std::string name(*action);
  Manage(std::move(call), name, std::move(send));
}

constexpr std::string_view kOne =
    "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}";

constexpr Route kRoutes[] = {
    {HttpMethod::kPut,
     "/_matrix/client/unstable/org.matrix.msc4140/rooms/{roomId}/delayed_event/"
     "{eventType}/{txnId}",
     Auth::kUser, RateLimit::kMessage, Lane::kInteractive, Body::kObject,
     &PutDelayedEvent, ""},
    {HttpMethod::kGet,
     "/_matrix/client/unstable/org.matrix.msc4140/delayed_events", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kNone, &GetDelayedEvents,
     ""},
    {HttpMethod::kGet, kOne, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &GetDelayedEvent, ""},
    {HttpMethod::kPost, kOne, Auth::kUser, RateLimit::kMessage,
     Lane::kInteractive, Body::kObject, &ManageDelayedEventByBody, ""},
    {HttpMethod::kPost,
     "/_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}/"
     "{action}",
     Auth::kUser, RateLimit::kMessage, Lane::kInteractive,
     Body::kOptionalObject, &ManageDelayedEvent, ""},
};

}  // namespace

bool WantsDelay(const Call& call) {
  return OptionalQuery(call, kDelay).has_value();
}

Result<Reply> ScheduleInstead(Call& call, std::optional<std::string> state_key,
                              std::string txn_id) {
  DelayedEventService::Request request;
  request.room_id = call.path[0];
  request.type = call.path[1];
  request.state_key = std::move(state_key);
  request.txn_id = std::move(txn_id);
  request.content = call.root().raw();
  MC_ASSIGN_OR_RETURN(const auto delay, QueryInt(call, kDelay));
  request.delay_ms = delay.value_or(0);
  return Schedule(call, std::move(request));
}

std::span<const Route> DelayedEventRoutes() { return kRoutes; }

}  // namespace matrixcore::api
