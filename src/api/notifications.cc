// The list of notifications (spec: client-server API, "Listing Notifications").
#include "matrixcore/service/notifications.h"

#include <algorithm>
#include <charconv>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"

namespace matrixcore::api {
namespace {

Result<Reply> GetNotifications(Call& call) {
  NotificationService::Request request;
  if (const auto from = OptionalQuery(call, "from")) {
    Position position = 0;
    const char* end = from->data() + from->size();
    const auto parsed = std::from_chars(from->data(), end, position);
    if (parsed.ec != std::errc() || parsed.ptr != end || position < 1) {
      return InvalidParam("'from' is not a token of this endpoint");
    }
    request.from = position;
  }
  MC_ASSIGN_OR_RETURN(const auto limit, QueryInt(call, "limit", 1));
  if (limit) {
    request.limit = static_cast<size_t>(std::min<int64_t>(
        *limit, static_cast<int64_t>(NotificationService::kMaxLimit)));
  }
  request.only_highlights = OptionalQuery(call, "only") == "highlight";
  MC_ASSIGN_OR_RETURN(std::string body,
                      call.services.notifications.List(*call.session, request));
  return JsonReply(std::move(body));
}

constexpr Route kRoutes[] = {
    {HttpMethod::kGet, "/_matrix/client/v3/notifications", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kNone, &GetNotifications,
     "getNotifications"},
};

}  // namespace

std::span<const Route> NotificationRoutes() { return kRoutes; }

}  // namespace matrixcore::api
