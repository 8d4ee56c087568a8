// Sliding sync, in both forms.
#include "matrixcore/service/sliding_sync.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/presence.h"
#include "matrixcore/service/sync.h"

namespace matrixcore::api {
namespace {

// What the simplified form has in the query.
Status ReadQuery(const Call& call, SlidingRequest* request) {
  if (const auto pos = OptionalQuery(call, "pos"); pos && !pos->empty()) {
    request->pos.emplace(*pos);
  }
  MC_ASSIGN_OR_RETURN(const auto timeout, QueryInt(call, "timeout"));
  // The service has a maximum far below a day, which cannot overflow.
  constexpr int64_t kDayMs = 86'400'000;
  request->timeout = milliseconds(std::min(timeout.value_or(0), kDayMs));
  request->set_presence =
      OptionalQuery(call, "set_presence").value_or(std::string_view());
  return OkStatus();
}

Result<SlidingRequest> ReadRequest(const Call& call, SlidingForm form) {
  MC_ASSIGN_OR_RETURN(SlidingRequest request,
                      ParseSlidingRequest(call.root(), form, *call.session));
  if (form == SlidingForm::kSimplified) {
    MC_RETURN_IF_ERROR(ReadQuery(call, &request));
  }
  return request;
}

template <SlidingForm kForm>
void SlidingSync(std::unique_ptr<Call> call, ReplySender send) {
  Result<SlidingRequest> read = ReadRequest(*call, kForm);
  if (!read.ok()) return send(std::move(read).status());
  std::optional<PresenceState> presence = PresenceState::kOnline;
  if (!read->set_presence.empty()) presence = ParsePresence(read->set_presence);
  if (!presence) return send(InvalidParam("'set_presence' has no such value"));
  std::shared_ptr<void> present =
      call->services.presence.Syncing(*call->session, *presence);
  SyncService& sync = call->services.sync;
  const std::shared_ptr<HttpPeer> peer = call->request.peer;
  call.reset();  // A request that waits keeps nothing that it does not need.
  const std::shared_ptr<SyncService::Ticket> ticket = sync.SlidingSync(
      std::make_unique<SlidingRequest>(*std::move(read)),
      [send = std::move(send), peer,
       present = std::move(present)](Result<std::string> body) mutable {
        present.reset();
        if (!body.ok()) return send(std::move(body).status());
        send(JsonReply(std::move(*body)));
      });
  if (peer == nullptr || ticket == nullptr) return;
  peer->OnGone([weak = std::weak_ptr(ticket)] {
    if (const auto waiting = weak.lock()) waiting->Cancel();
  });
}

constexpr Route kRoutes[] = {
    {HttpMethod::kPost,
     "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", Auth::kUser,
     RateLimit::kNone, Lane::kInteractive, Body::kObject,
     &SlidingSync<SlidingForm::kSimplified>, ""},
    {HttpMethod::kPost, "/_matrix/client/v4/sync", Auth::kUser,
     RateLimit::kNone, Lane::kInteractive, Body::kObject,
     &SlidingSync<SlidingForm::kMsc4186>, ""},
};

}  // namespace

std::span<const Route> SlidingSyncRoutes() { return kRoutes; }

}  // namespace matrixcore::api
