// Typing, receipts and read markers.
#include "matrixcore/service/ephemeral.h"

#include <algorithm>
#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/presence.h"

namespace matrixcore::api {
namespace {

constexpr int64_t kDefaultTypingMs = 30'000;
// Beyond what the service allows; keeps the arithmetic far from overflow.
constexpr int64_t kMaxTypingMs = 86'400'000;

Result<Reply> SetTyping(Call& call) {
  MC_RETURN_IF_ERROR(RequirePathUser(call, 1));
  call.services.presence.Active(*call.session);
  MC_ASSIGN_OR_RETURN(const bool typing, RequiredBool(call.root(), "typing"));
  MC_ASSIGN_OR_RETURN(const int64_t timeout,
                      OptionalInt(call.root(), "timeout", kDefaultTypingMs));
  MC_RETURN_IF_ERROR(call.services.ephemeral.SetTyping(
      *call.session, call.path[0], typing,
      milliseconds(std::clamp<int64_t>(timeout, 0, kMaxTypingMs))));
  return EmptyReply();
}

Result<Reply> PostReceipt(Call& call) {
  EphemeralService::ReceiptRequest request{.room_id = call.path[0],
                                           .type = call.path[1],
                                           .event_id = call.path[2],
                                           .thread_id = std::nullopt};
  if (const json::Value thread = call.root()["thread_id"]) {
    const auto id = thread.AsString();
    if (!id) return InvalidParam("'thread_id' must be a string");
    request.thread_id = std::string(*id);
  }
  MC_RETURN_IF_ERROR(
      call.services.ephemeral.SetReceipt(*call.session, request));
  call.services.presence.Active(*call.session);
  return EmptyReply();
}

Result<Reply> SetReadMarker(Call& call) {
  EphemeralService::ReadMarkers markers;
  MC_ASSIGN_OR_RETURN(markers.fully_read,
                      OptionalString(call.root(), "m.fully_read"));
  MC_ASSIGN_OR_RETURN(markers.read, OptionalString(call.root(), "m.read"));
  MC_ASSIGN_OR_RETURN(markers.read_private,
                      OptionalString(call.root(), "m.read.private"));
  MC_RETURN_IF_ERROR(call.services.ephemeral.SetReadMarkers(
      *call.session, call.path[0], markers));
  call.services.presence.Active(*call.session);
  return EmptyReply();
}

constexpr Route kRoutes[] = {
    {HttpMethod::kPut, "/_matrix/client/v3/rooms/{roomId}/typing/{userId}",
     Auth::kUser, RateLimit::kDefault, Lane::kInteractive, Body::kObject,
     &SetTyping, "setTyping"},
    {HttpMethod::kPost,
     "/_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}",
     Auth::kUser, RateLimit::kDefault, Lane::kInteractive,
     Body::kOptionalObject, &PostReceipt, "postReceipt"},
    {HttpMethod::kPost, "/_matrix/client/v3/rooms/{roomId}/read_markers",
     Auth::kUser, RateLimit::kDefault, Lane::kInteractive, Body::kObject,
     &SetReadMarker, "setReadMarker"},
};

}  // namespace

std::span<const Route> EphemeralRoutes() { return kRoutes; }

}  // namespace matrixcore::api
