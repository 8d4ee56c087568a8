// Keeping the peace: reports, locked and suspended accounts, who is who.
#include <array>
#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "matrixcore/api/services.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/devices.h"
#include "matrixcore/service/openid.h"
#include "matrixcore/service/reports.h"

namespace matrixcore::api {
namespace {

// --- Reports ---

Result<Reply> ReportRoom(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view reason,
                      RequiredString(call.root(), "reason"));
  MC_RETURN_IF_ERROR(
      call.services.reports.ReportRoom(*call.session, call.path[0], reason));
  return EmptyReply();
}

Result<Reply> ReportUser(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view reason,
                      RequiredString(call.root(), "reason"));
  MC_RETURN_IF_ERROR(
      call.services.reports.ReportUser(*call.session, call.path[0], reason));
  return EmptyReply();
}

Result<Reply> ReportEvent(Call& call) {
  MC_ASSIGN_OR_RETURN(const auto text, OptionalString(call.root(), "reason"));
  std::optional<std::string> reason;
  if (text) reason = std::string(*text);
  MC_RETURN_IF_ERROR(call.services.reports.ReportEvent(
      *call.session, call.path[0], call.path[1], reason));
  return EmptyReply();
}

// --- Locking and suspending ---

// The account that an administrator asks about.  Whether it exists is told to
// administrators only.
Result<Account> FindModerated(const Call& call) {
  AccountService& accounts = call.services.accounts;
  if (!call.session->is_admin) {
    return Forbidden("You are no administrator of this server.");
  }
  const std::string& user_id = call.path[0];
  if (!IsUserId(user_id) || DomainOf(user_id) != accounts.server_name()) {
    return InvalidParam("This is no user of this server.");
  }
  MC_ASSIGN_OR_RETURN(std::optional<Account> account, accounts.Find(user_id));
  if (!account || account->deactivated) return NotFound("User not found.");
  if (user_id != call.user_id() && accounts.IsAdmin(*account)) {
    return Forbidden("This user is an administrator.");
  }
  return *std::move(account);
}

Reply FlagReply(std::string_view name, bool value) {
  return ObjectReply([&](json::Writer& w) { w.Field(name, value); });
}

Result<Reply> GetLocked(Call& call) {
  MC_ASSIGN_OR_RETURN(const Account account, FindModerated(call));
  return FlagReply("locked", account.locked);
}

Result<Reply> GetSuspended(Call& call) {
  MC_ASSIGN_OR_RETURN(const Account account, FindModerated(call));
  return FlagReply("suspended", account.suspended);
}

Result<Reply> SetFlag(Call& call, std::string_view name,
                      Status (AccountService::*set)(std::string_view, bool)) {
  MC_ASSIGN_OR_RETURN(const Account account, FindModerated(call));
  if (account.user_id == call.user_id()) {
    return Forbidden("You cannot do this to your own account.");
  }
  MC_ASSIGN_OR_RETURN(const bool value, RequiredBool(call.root(), name));
  MC_RETURN_IF_ERROR((call.services.accounts.*set)(account.user_id, value));
  return FlagReply(name, value);
}

Result<Reply> SetLocked(Call& call) {
  return SetFlag(call, "locked", &AccountService::SetLocked);
}

Result<Reply> SetSuspended(Call& call) {
  return SetFlag(call, "suspended", &AccountService::SetSuspended);
}

// --- Who is who ---

Result<Reply> GetWhoIs(Call& call) {
  const std::string& user_id = call.path[0];
  if (user_id != call.user_id() && !call.session->is_admin) {
    return Forbidden("You are no administrator of this server.");
  }
  MC_ASSIGN_OR_RETURN(const auto account, call.services.accounts.Find(user_id));
  if (!account) return NotFound("User not found.");
  MC_ASSIGN_OR_RETURN(const auto devices, call.services.devices.List(user_id));
  return ObjectReply([&](json::Writer& w) {
    w.Key("devices").BeginObject();
    for (const Device& device : devices) {
      w.Key(device.device_id).BeginObject();
      w.Key("sessions").BeginArray().BeginObject();
      w.Key("connections").BeginArray();
      if (device.last_seen) {
        w.BeginObject();
        w.Field("ip", device.last_seen_ip.value_or(""));
        w.Field("last_seen", device.last_seen->ms);
        w.EndObject();
      }
      w.EndArray().EndObject().EndArray().EndObject();
    }
    w.EndObject();
    w.Field("user_id", user_id);
  });
}

Result<Reply> RequestOpenIdToken(Call& call) {
  MC_RETURN_IF_ERROR(RequirePathUser(call, 0));
  MC_ASSIGN_OR_RETURN(const std::string token,
                      call.services.openid.MakeToken(call.user_id()));
  return ObjectReply([&](json::Writer& w) {
    w.Field("access_token", token);
    w.Field("expires_in", OpenIdService::kLifeSeconds);
    w.Field("matrix_server_name", call.services.options.server_name);
    w.Field("token_type", "Bearer");
  });
}

// Spec: server-server API, "OpenID".  The token alone says who asks.
Result<Reply> ExchangeOpenIdToken(Call& call) {
  const auto token = OptionalQuery(call, "access_token");
  if (!token) {
    return Status(StatusCode::kUnauthenticated, "M_MISSING_TOKEN",
                  "`access_token` is required.");
  }
  MC_ASSIGN_OR_RETURN(const auto user, call.services.openid.UserOf(*token));
  if (!user) {
    return Status(StatusCode::kUnauthenticated, "M_UNKNOWN_TOKEN",
                  "Access token unknown or expired.");
  }
  return ObjectReply([&](json::Writer& w) { w.Field("sub", *user); });
}

constexpr Route Make(HttpMethod method, std::string_view path,
                     RateLimit rate_limit, Body body, Handler handler,
                     std::string_view operation) {
  return {method, path,    Auth::kUser, rate_limit, Lane::kInteractive,
          body,   handler, operation};
}

constexpr std::string_view kLock = "/_matrix/client/v1/admin/lock/{userId}";
constexpr std::string_view kSuspend =
    "/_matrix/client/v1/admin/suspend/{userId}";

constexpr std::array kRoutes = {
    Make(HttpMethod::kPost, "/_matrix/client/v3/rooms/{roomId}/report",
         RateLimit::kReport, Body::kObject, &ReportRoom, "reportRoom"),
    Make(
        HttpMethod::kPost, "/_matrix/client/v3/rooms/{roomId}/report/{eventId}",
        RateLimit::kReport, Body::kOptionalObject, &ReportEvent, "reportEvent"),
    Make(HttpMethod::kPost, "/_matrix/client/v3/users/{userId}/report",
         RateLimit::kReport, Body::kObject, &ReportUser, "reportUser"),
    Make(HttpMethod::kGet, kLock, RateLimit::kDefault, Body::kNone, &GetLocked,
         "getAdminLockUser"),
    Make(HttpMethod::kPut, kLock, RateLimit::kDefault, Body::kObject,
         &SetLocked, "setAdminLockUser"),
    Make(HttpMethod::kGet, kSuspend, RateLimit::kDefault, Body::kNone,
         &GetSuspended, "getAdminSuspendUser"),
    Make(HttpMethod::kPut, kSuspend, RateLimit::kDefault, Body::kObject,
         &SetSuspended, "setAdminSuspendUser"),
    Make(HttpMethod::kGet, "/_matrix/client/v3/admin/whois/{userId}",
         RateLimit::kDefault, Body::kNone, &GetWhoIs, "getWhoIs"),
    Make(HttpMethod::kPost,
         "/_matrix/client/v3/user/{userId}/openid/request_token",
         RateLimit::kDefault, Body::kOptionalObject, &RequestOpenIdToken,
         "requestOpenIdToken"),
    Route{HttpMethod::kGet, "/_matrix/federation/v1/openid/userinfo",
          Auth::kNone, RateLimit::kDefault, Lane::kInteractive, Body::kNone,
          &ExchangeOpenIdToken, "exchangeOpenIdToken"},
};

}  // namespace

std::span<const Route> ModerationRoutes() { return kRoutes; }

}  // namespace matrixcore::api
