// Accounts: registration, who am I, passwords, deactivation (spec:
// client-server API, "Account registration", "Account management").
#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "api/session_params.h"
#include "api/session_reply.h"
#include "api/uia_call.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/registration.h"

namespace matrixcore::api {
namespace {

constexpr std::string_view kTokenStage = "m.login.registration_token";

Reply RegisteredReply(const Call& call, const Registered& registered) {
  return ObjectReply([&](json::Writer& w) {
    const std::string& server_name = call.services.options.server_name;
    if (registered.session) {
      return WriteSession(w, *registered.session, server_name);
    }
    w.Field("user_id", registered.user_id);
    w.Field("home_server", server_name);
  });
}

// All parameters of a guest's request but the name of the device are ignored.
Result<Reply> RegisterGuest(Call& call) {
  RegistrationService& registration = call.services.registration;
  MC_RETURN_IF_ERROR(registration.CheckOpen(true));
  Registration wanted;
  wanted.is_guest = true;
  MC_ASSIGN_OR_RETURN(
      const auto name,
      OptionalString(call.root(), "initial_device_display_name"));
  if (name) wanted.session.initial_display_name = *name;
  MC_ASSIGN_OR_RETURN(const Registered registered,
                      registration.Register(wanted));
  return RegisteredReply(call, registered);
}

// A guest becomes a user: `guest_access_token` proves who asks.
Result<Registered> UpgradeGuest(Call& call, const std::string& guest_token,
                                const Registration& wanted,
                                std::string* tried) {
  AccountService& accounts = call.services.accounts;
  MC_ASSIGN_OR_RETURN(
      const TokenCheck check,
      accounts.Authenticate(guest_token, call.request.remote_address));
  if (check.state != TokenCheck::State::kValid || !check.session.is_guest ||
      !wanted.username ||
      accounts.FullUserId(*wanted.username) != check.session.user_id) {
    return Forbidden("This is not the guest's access token");
  }
  *tried = check.session.user_id;
  std::optional<SessionRequest> session;
  if (!wanted.inhibit_login) session = wanted.session;
  Registered registered{.user_id = *tried};
  MC_ASSIGN_OR_RETURN(registered.session,
                      accounts.UpgradeGuest(*tried, *wanted.password, session));
  return registered;
}

Result<Registration> ReadRegistration(json::Value body) {
  Registration wanted;
  MC_ASSIGN_OR_RETURN(const auto username, OptionalString(body, "username"));
  if (username) wanted.username = *username;
  MC_ASSIGN_OR_RETURN(const auto password, OptionalString(body, "password"));
  if (password) wanted.password = *password;
  MC_ASSIGN_OR_RETURN(wanted.inhibit_login,
                      OptionalBool(body, "inhibit_login", false));
  MC_ASSIGN_OR_RETURN(wanted.session, ReadSessionRequest(body));
  return wanted;
}

// The stages of a registration.
Result<std::string> CheckRegistrationStage(Call& call, std::string_view type,
                                           json::Value auth) {
  if (type != kTokenStage) return std::string();
  MC_ASSIGN_OR_RETURN(const std::string_view token,
                      RequiredString(auth, "token"));
  MC_ASSIGN_OR_RETURN(const bool valid,
                      call.services.registration.TokenIsValid(token));
  if (!valid) {
    return Status(StatusCode::kUnauthenticated, "M_UNAUTHORIZED",
                  "Invalid registration token");
  }
  return std::string(token);
}

// The same request once more: its answer was lost on the way, or nobody knew
// what to answer.  Nothing if it made no such user.
Result<std::optional<Registered>> RegisteredBefore(Call& call,
                                                   const Registration& wanted) {
  std::optional<Registered> registered;
  const std::string user = ResultOfCall(call, "register");
  if (user.empty()) return registered;
  AccountService& accounts = call.services.accounts;
  const Status same =
      accounts.CheckPassword(user, wanted.password.value_or(""));
  if (same.code() == StatusCode::kPermissionDenied) return registered;
  MC_RETURN_IF_ERROR(same);
  registered.emplace().user_id = user;
  if (!wanted.inhibit_login) {
    MC_ASSIGN_OR_RETURN(registered->session,
                        accounts.OpenSession(user, wanted.session));
  }
  return registered;
}

Result<Reply> Register(Call& call) {
  MC_ASSIGN_OR_RETURN(const auto kind,
                      QueryEnum(call, "kind", {"guest", "user"}));
  if (kind == "guest") return RegisterGuest(call);
  RegistrationService& registration = call.services.registration;
  MC_RETURN_IF_ERROR(registration.CheckOpen(false));
  MC_RETURN_IF_ERROR(RestoreFields(call, "register"));
  MC_ASSIGN_OR_RETURN(Registration wanted, ReadRegistration(call.root()));
  MC_ASSIGN_OR_RETURN(const auto guest,
                      OptionalString(call.root(), "guest_access_token"));
  MC_ASSIGN_OR_RETURN(const auto before, RegisteredBefore(call, wanted));
  if (before) return RegisteredReply(call, *before);
  if (wanted.username && !guest) {
    MC_ASSIGN_OR_RETURN(wanted.username,
                        registration.CheckAvailable(*wanted.username));
  }
  if (wanted.password) {
    MC_RETURN_IF_ERROR(registration.CheckPasswordStrength(*wanted.password));
  }
  return WithUia(
      call, "register", registration.Flows(),
      [&call](std::string_view type, json::Value auth) {
        return CheckRegistrationStage(call, type, auth);
      },
      [&](const std::string& session) -> Result<Reply> {
        if (!wanted.password) return MissingParam("password");
        UiaService& uia = call.services.uia;
        wanted.registration_token = uia.StageValue(session, kTokenStage);
        std::string tried;
        const Result<Registered> registered =
            guest ? UpgradeGuest(call, std::string(*guest), wanted, &tried)
                  : registration.Register(wanted, &tried);
        if (!registered.ok()) {
          if (MayBeWritten(registered.status())) {
            uia.NotePossible(session, tried);
          }
          return registered.status();
        }
        uia.FinishWith(session, registered->user_id);
        return RegisteredReply(call, *registered);
      },
      /*keep_fields=*/true);
}

Result<Reply> CheckUsernameAvailability(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view username,
                      RequiredQuery(call, "username"));
  MC_RETURN_IF_ERROR(call.services.registration.CheckOpen(false));
  MC_ASSIGN_OR_RETURN([[maybe_unused]] const std::string localpart,
                      call.services.registration.CheckAvailable(username));
  return ObjectReply([](json::Writer& w) { w.Field("available", true); });
}

Result<Reply> RegistrationTokenValidity(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string_view token,
                      RequiredQuery(call, "token"));
  MC_RETURN_IF_ERROR(call.services.registration.CheckOpen(false));
  MC_ASSIGN_OR_RETURN(const bool valid,
                      call.services.registration.TokenIsValid(token));
  return ObjectReply([&](json::Writer& w) { w.Field("valid", valid); });
}

Result<Reply> GetTokenOwner(Call& call) {
  return ObjectReply([&](json::Writer& w) {
    w.Field("user_id", call.user_id());
    w.Field("device_id", call.session->device_id);
    w.Field("is_guest", call.session->is_guest);
  });
}

Result<Reply> ChangePassword(Call& call) {
  const json::Value body = call.root();
  MC_ASSIGN_OR_RETURN(const auto wanted, OptionalString(body, "new_password"));
  MC_ASSIGN_OR_RETURN(const bool logout_devices,
                      OptionalBool(body, "logout_devices", true));
  if (wanted) {
    MC_RETURN_IF_ERROR(
        call.services.registration.CheckPasswordStrength(*wanted));
  }
  return WithPassword(call, "changePassword", [&]() -> Result<Reply> {
    if (!wanted) return MissingParam("new_password");
    std::optional<std::string_view> only_device;
    if (logout_devices) only_device = call.session->device_id;
    MC_RETURN_IF_ERROR(call.services.accounts.SetPassword(
        call.user_id(), *wanted, only_device));
    return EmptyReply();
  });
}

Result<Reply> DeactivateAccount(Call& call) {
  MC_ASSIGN_OR_RETURN(const bool erase,
                      OptionalBool(call.root(), "erase", false));
  return WithPassword(call, "deactivateAccount", [&]() -> Result<Reply> {
    MC_RETURN_IF_ERROR(
        call.services.accounts.Deactivate(call.user_id(), erase));
    // This server binds no third-party identifiers, so none is left bound.
    return ObjectReply(
        [](json::Writer& w) { w.Field("id_server_unbind_result", "success"); });
  });
}

constexpr Route kRoutes[] = {
    {HttpMethod::kPost, "/_matrix/client/v3/register", Auth::kNone,
     RateLimit::kRegistration, Lane::kBackground, Body::kOptionalObject,
     &Register, "register"},
    {HttpMethod::kGet, "/_matrix/client/v3/register/available", Auth::kNone,
     RateLimit::kRegistration, Lane::kInteractive, Body::kNone,
     &CheckUsernameAvailability, "checkUsernameAvailability"},
    {HttpMethod::kGet,
     "/_matrix/client/v1/register/m.login.registration_token/validity",
     Auth::kNone, RateLimit::kRegistration, Lane::kInteractive, Body::kNone,
     &RegistrationTokenValidity, "registrationTokenValidity"},
    {HttpMethod::kGet, "/_matrix/client/v3/account/whoami", Auth::kUser,
     RateLimit::kDefault, Lane::kInteractive, Body::kNone, &GetTokenOwner,
     "getTokenOwner"},
    {HttpMethod::kPost, "/_matrix/client/v3/account/password", Auth::kUser,
     RateLimit::kLogin, Lane::kBackground, Body::kObject, &ChangePassword,
     "changePassword"},
    {HttpMethod::kPost, "/_matrix/client/v3/account/deactivate", Auth::kUser,
     RateLimit::kLogin, Lane::kBackground, Body::kObject, &DeactivateAccount,
     "deactivateAccount"},
};

}  // namespace

std::span<const Route> AccountRoutes() { return kRoutes; }

}  // namespace matrixcore::api
