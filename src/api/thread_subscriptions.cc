// Thread subscriptions (MSC4306, MSC4308; unstable).
#include "matrixcore/service/thread_subscriptions.h"

#include <algorithm>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/tokens.h"

namespace matrixcore::api {
namespace {

constexpr int64_t kDefaultLimit = 100;
constexpr int64_t kMaxLimit = 1000;

ThreadSubscriptionService::Thread ThreadOf(const Call& call) {
  return {.room_id = call.path[0], .root = call.path[1]};
}

Result<Reply> PutSubscription(Call& call) {
  MC_ASSIGN_OR_RETURN(const auto cause,
                      OptionalString(call.root(), "automatic"));
  MC_RETURN_IF_ERROR(call.services.thread_subscriptions.Subscribe(
      *call.session, ThreadOf(call), cause));
  return EmptyReply();
}

Result<Reply> DeleteSubscription(Call& call) {
  MC_RETURN_IF_ERROR(call.services.thread_subscriptions.Unsubscribe(
      *call.session, ThreadOf(call)));
  return EmptyReply();
}

Result<Reply> GetSubscription(Call& call) {
  MC_ASSIGN_OR_RETURN(const bool automatic,
                      call.services.thread_subscriptions.IsAutomatic(
                          *call.session, ThreadOf(call)));
  return ObjectReply([&](json::Writer& w) { w.Field("automatic", automatic); });
}

// The position of a token of this endpoint or of a sync.
Result<Position> QueryPosition(const Call& call, std::string_view name,
                               Position fallback) {
  const auto text = OptionalQuery(call, name);
  if (!text) return fallback;
  const std::optional<StreamToken> token = StreamToken::Parse(*text);
  if (!token) return InvalidParam("This is not a token: " + std::string(*text));
  return token->position;
}

using Change = ThreadSubscriptionService::Change;

Result<Reply> GetThreadSubscriptions(Call& call) {
  MC_RETURN_IF_ERROR(RequiredQuery(call, "dir").status());
  MC_RETURN_IF_ERROR(QueryEnum(call, "dir", {"b"}).status());
  MC_ASSIGN_OR_RETURN(const Position until,
                      QueryPosition(call, "from", INT64_MAX));
  MC_ASSIGN_OR_RETURN(const Position after, QueryPosition(call, "to", 0));
  MC_ASSIGN_OR_RETURN(const auto asked, QueryInt(call, "limit", 1));
  const auto limit =
      static_cast<size_t>(std::min(asked.value_or(kDefaultLimit), kMaxLimit));
  MC_ASSIGN_OR_RETURN(std::vector<Change> changes,
                      call.services.thread_subscriptions.Changes(
                          call.user_id(), after, until, limit + 1));
  const bool more = changes.size() > limit;
  if (more) changes.pop_back();
  return ObjectReply([&](json::Writer& w) {
    ThreadSubscriptionService::WriteChanges(w, changes);
    if (more) {
      w.Field("end", StreamToken{changes.back().pos - 1, 0}.ToString());
    }
  });
}

constexpr std::string_view kSubscription =
    "/_matrix/client/unstable/io.element.msc4306/rooms/{roomId}/thread/"
    "{eventId}/subscription";

constexpr Route kRoutes[] = {
    {HttpMethod::kPut, kSubscription, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kOptionalObject, &PutSubscription, ""},
    {HttpMethod::kDelete, kSubscription, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &DeleteSubscription, ""},
    {HttpMethod::kGet, kSubscription, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &GetSubscription, ""},
    {HttpMethod::kGet,
     "/_matrix/client/unstable/io.element.msc4308/thread_subscriptions",
     Auth::kUser, RateLimit::kDefault, Lane::kInteractive, Body::kNone,
     &GetThreadSubscriptions, ""},
};

}  // namespace

std::span<const Route> ThreadSubscriptionRoutes() { return kRoutes; }

}  // namespace matrixcore::api
