// Logging in and out (spec: client-server API, "Login", "Refreshing access
// tokens").
#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "api/session_params.h"
#include "api/session_reply.h"
#include "api/uia_call.h"
#include "api/well_known.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/accounts.h"

namespace matrixcore::api {
namespace {

Result<Reply> GetLoginFlows(Call&) {
  return JsonReply(R"({"flows":[{"type":"m.login.password"}]})");
}

Result<Reply> Login(Call& call) {
  const json::Value body = call.root();
  MC_ASSIGN_OR_RETURN(const std::string_view type,
                      RequiredString(body, "type"));
  if (type != "m.login.password") {
    return Status(StatusCode::kInvalidArgument, "M_UNKNOWN",
                  "Unknown login type");
  }
  MC_ASSIGN_OR_RETURN(const SessionRequest request, ReadSessionRequest(body));
  MC_ASSIGN_OR_RETURN(const std::string user, IdentifiedUser(call, body));
  MC_ASSIGN_OR_RETURN(const std::string_view password,
                      RequiredString(body, "password"));
  AccountService& accounts = call.services.accounts;
  MC_RETURN_IF_ERROR(accounts.CheckPassword(user, password));
  MC_ASSIGN_OR_RETURN(const NewSession session,
                      accounts.OpenSession(user, request));
  const HomeserverOptions& options = call.services.options;
  return ObjectReply([&](json::Writer& w) {
    WriteSession(w, session, options.server_name);
    if (options.public_base_url.empty()) return;
    WriteWellKnown(w.Key("well_known"), options.public_base_url);
  });
}

Result<Reply> Refresh(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view token,
                      RequiredString(call.root(), "refresh_token"));
  MC_ASSIGN_OR_RETURN(const NewSession session,
                      call.services.accounts.Refresh(token));
  return ObjectReply([&](json::Writer& w) {
    w.Field("access_token", session.access_token);
    w.Field("refresh_token", session.refresh_token);
    w.Field("expires_in_ms", session.expires_in_ms);
  });
}

Result<Reply> Logout(Call& call) {
  MC_RETURN_IF_ERROR(call.services.accounts.DeleteDevices(
      call.user_id(), {&call.session->device_id, 1}));
  return EmptyReply();
}

Result<Reply> LogoutAll(Call& call) {
  MC_RETURN_IF_ERROR(call.services.accounts.DeleteAllDevices(call.user_id()));
  return EmptyReply();
}

constexpr Route kRoutes[] = {
    {HttpMethod::kGet, "/_matrix/client/v3/login", Auth::kNone,
     RateLimit::kDefault, Lane::kInline, Body::kNone, &GetLoginFlows,
     "getLoginFlows"},
    {HttpMethod::kPost, "/_matrix/client/v3/login", Auth::kNone,
     RateLimit::kLogin, Lane::kBackground, Body::kObject, &Login, "login"},
    {HttpMethod::kPost, "/_matrix/client/v3/refresh", Auth::kNone,
     RateLimit::kDefault, Lane::kInteractive, Body::kObject, &Refresh,
     "refresh"},
    {HttpMethod::kPost, "/_matrix/client/v3/logout", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kNone, &Logout, "logout"},
    {HttpMethod::kPost, "/_matrix/client/v3/logout/all", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kNone, &LogoutAll,
     "logout_all"},
};

}  // namespace

std::span<const Route> LoginRoutes() { return kRoutes; }

}  // namespace matrixcore::api
