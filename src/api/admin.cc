// Operators' endpoints, in the shape that Synapse's tools know: registration
// with a shared secret, registration tokens, and reports of what users find
// bad.
#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "api/params.h"
#include "api/routes.h"
#include "api/session_reply.h"
#include "matrixcore/api/services.h"
#include "matrixcore/service/accounts.h"
#include "matrixcore/service/registration.h"
#include "matrixcore/service/reports.h"

namespace matrixcore::api {
namespace {

Status RequireAdmin(const Call& call) {
  if (call.session->is_admin) return OkStatus();
  return Forbidden("You are not a server admin");
}

// --- Registration with the shared secret ---

Result<Reply> GetNonce(Call& call) {
  MC_ASSIGN_OR_RETURN(const std::string nonce,
                      call.services.registration.NewNonce());
  return ObjectReply([&](json::Writer& w) { w.Field("nonce", nonce); });
}

Result<RegistrationService::SharedSecretRequest> ReadSharedSecret(
    json::Value body) {
  RegistrationService::SharedSecretRequest request;
  MC_ASSIGN_OR_RETURN(request.nonce, RequiredString(body, "nonce"));
  MC_ASSIGN_OR_RETURN(request.username, RequiredString(body, "username"));
  MC_ASSIGN_OR_RETURN(request.password, RequiredString(body, "password"));
  MC_ASSIGN_OR_RETURN(request.is_admin, OptionalBool(body, "admin", false));
  MC_ASSIGN_OR_RETURN(const auto user_type, OptionalString(body, "user_type"));
  if (user_type) request.user_type = *user_type;
  MC_ASSIGN_OR_RETURN(request.mac, RequiredString(body, "mac"));
  // A NUL separates the parts of what the MAC covers.
  for (const std::string& part :
       {request.username, request.password, request.user_type}) {
    if (part.find('\0') != std::string::npos) {
      return InvalidParam("NUL characters are not allowed here");
    }
  }
  if (request.password.empty()) return InvalidParam("The password is empty");
  return request;
}

Result<Reply> RegisterWithSharedSecret(Call& call) {
  RegistrationService& registration = call.services.registration;
  MC_ASSIGN_OR_RETURN(auto request, ReadSharedSecret(call.root()));
  MC_ASSIGN_OR_RETURN(const auto name,
                      OptionalString(call.root(), "displayname"));
  MC_RETURN_IF_ERROR(registration.CheckSharedSecret(request));
  Registration wanted;
  wanted.username = std::move(request.username);
  wanted.password = std::move(request.password);
  wanted.is_admin = request.is_admin;
  if (name) wanted.displayname = *name;
  MC_ASSIGN_OR_RETURN(wanted.inhibit_login,
                      OptionalBool(call.root(), "inhibit_login", false));
  MC_ASSIGN_OR_RETURN(const Registered registered,
                      registration.Register(wanted));
  return ObjectReply([&](json::Writer& w) {
    const std::string& server_name = call.services.options.server_name;
    if (registered.session) {
      return WriteSession(w, *registered.session, server_name);
    }
    w.Field("user_id", registered.user_id);
    w.Field("home_server", server_name);
  });
}

// --- Registration tokens ---

void WriteToken(json::Writer& w, const RegistrationToken& token) {
  w.Field("token", token.token);
  w.Key("uses_allowed");
  token.uses_allowed ? w.Int(*token.uses_allowed) : w.Null();
  w.Field("pending", token.pending);
  w.Field("completed", token.completed);
  w.Key("expiry_time");
  token.expires ? w.Int(token.expires->ms) : w.Null();
}

Reply TokenReply(const RegistrationToken& token) {
  return ObjectReply([&](json::Writer& w) { WriteToken(w, token); });
}

// Nothing when the field is absent; an inner nothing when it is null.
Result<std::optional<std::optional<int64_t>>> NullableCount(
    json::Value body, std::string_view key) {
  std::optional<std::optional<int64_t>> count;
  if (body[key].IsMissing()) return count;
  if (body[key].IsNull()) {
    count.emplace();
    return count;
  }
  MC_ASSIGN_OR_RETURN(const int64_t number, RequiredInt(body, key));
  if (number < 0) return InvalidParam(std::string(key) + " is negative");
  count = number;
  return count;
}

Result<std::optional<std::optional<Timestamp>>> NullableTime(
    const Call& call, std::string_view key) {
  MC_ASSIGN_OR_RETURN(const auto number, NullableCount(call.root(), key));
  std::optional<std::optional<Timestamp>> time;
  if (!number) return time;
  time.emplace();
  if (*number) {
    *time = Timestamp{**number};
    if (**time <= call.services.deps.clock.Now()) {
      return InvalidParam(std::string(key) + " is in the past");
    }
  }
  return time;
}

Result<Reply> ListTokens(Call& call) {
  MC_RETURN_IF_ERROR(RequireAdmin(call));
  std::optional<bool> valid;
  if (OptionalQuery(call, "valid")) {
    MC_ASSIGN_OR_RETURN(valid, QueryBool(call, "valid", true));
  }
  MC_ASSIGN_OR_RETURN(const auto tokens,
                      call.services.registration.ListTokens(valid));
  return ObjectReply([&](json::Writer& w) {
    w.Key("registration_tokens").BeginArray();
    for (const RegistrationToken& token : tokens) {
      w.BeginObject();
      WriteToken(w, token);
      w.EndObject();
    }
    w.EndArray();
  });
}

Result<Reply> CreateToken(Call& call) {
  MC_RETURN_IF_ERROR(RequireAdmin(call));
  RegistrationService::NewToken wanted;
  MC_ASSIGN_OR_RETURN(const auto name, OptionalString(call.root(), "token"));
  if (name) wanted.token = *name;
  MC_ASSIGN_OR_RETURN(const int64_t length,
                      OptionalInt(call.root(), "length", 16));
  if (length < 1 || length > 64) return InvalidParam("length is not in 1..64");
  wanted.length = static_cast<size_t>(length);
  MC_ASSIGN_OR_RETURN(const auto uses,
                      NullableCount(call.root(), "uses_allowed"));
  wanted.uses_allowed = uses.value_or(std::nullopt);
  MC_ASSIGN_OR_RETURN(const auto expires, NullableTime(call, "expiry_time"));
  wanted.expires = expires.value_or(std::nullopt);
  MC_ASSIGN_OR_RETURN(const RegistrationToken token,
                      call.services.registration.CreateToken(wanted));
  return TokenReply(token);
}

Result<Reply> GetToken(Call& call) {
  MC_RETURN_IF_ERROR(RequireAdmin(call));
  MC_ASSIGN_OR_RETURN(const auto token,
                      call.services.registration.FindToken(call.path[0]));
  if (!token) return NotFound("No such registration token");
  return TokenReply(*token);
}

Result<Reply> ChangeToken(Call& call) {
  MC_RETURN_IF_ERROR(RequireAdmin(call));
  RegistrationService::TokenChange change;
  MC_ASSIGN_OR_RETURN(change.uses_allowed,
                      NullableCount(call.root(), "uses_allowed"));
  MC_ASSIGN_OR_RETURN(change.expires, NullableTime(call, "expiry_time"));
  MC_ASSIGN_OR_RETURN(const auto token, call.services.registration.ChangeToken(
                                            call.path[0], change));
  if (!token) return NotFound("No such registration token");
  return TokenReply(*token);
}

Result<Reply> DeleteToken(Call& call) {
  MC_RETURN_IF_ERROR(RequireAdmin(call));
  MC_ASSIGN_OR_RETURN(const bool existed,
                      call.services.registration.DeleteToken(call.path[0]));
  if (!existed) return NotFound("No such registration token");
  return EmptyReply();
}

// --- Reports ---

constexpr int64_t kDefaultReports = 100;
constexpr int64_t kMaxReports = 500;

void WriteReport(json::Writer& w, const Report& report) {
  const auto text = [&w](std::string_view name, std::string_view value) {
    if (value.empty()) {
      w.RawField(name, "null");
    } else {
      w.Field(name, value);
    }
  };
  w.BeginObject();
  w.Field("id", report.id);
  w.Field("received_ts", report.ts.ms);
  w.Field("user_id", report.reporter);
  text("room_id", report.room_id);
  text("event_id", report.event_id);
  text("sender", report.user_id);
  text("reason", report.reason.value_or(""));
  w.EndObject();
}

// Of events, rooms and users alike, the newest first; `from` is the next_token
// of the page before.
Result<Reply> ListReports(Call& call) {
  MC_RETURN_IF_ERROR(RequireAdmin(call));
  MC_ASSIGN_OR_RETURN(const auto from, QueryInt(call, "from", 1));
  MC_ASSIGN_OR_RETURN(const auto limit, QueryInt(call, "limit", 1));
  const auto wanted = static_cast<size_t>(
      std::min(limit.value_or(kDefaultReports), kMaxReports));
  MC_ASSIGN_OR_RETURN(
      const std::vector<Report> reports,
      call.services.reports.List(from.value_or(INT64_MAX), wanted + 1));
  return ObjectReply([&](json::Writer& w) {
    w.Key("event_reports").BeginArray();
    for (size_t i = 0; i < std::min(wanted, reports.size()); ++i) {
      WriteReport(w, reports[i]);
    }
    w.EndArray();
    if (reports.size() > wanted) w.Field("next_token", reports[wanted - 1].id);
  });
}

Result<int64_t> ReportIdOf(const Call& call) {
  int64_t id = 0;
  const std::string& text = call.path[0];
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 1) {
    return InvalidParam("The id of a report is a positive number");
  }
  return id;
}

Result<Reply> GetReport(Call& call) {
  MC_RETURN_IF_ERROR(RequireAdmin(call));
  MC_ASSIGN_OR_RETURN(const int64_t id, ReportIdOf(call));
  MC_ASSIGN_OR_RETURN(const auto report, call.services.reports.Find(id));
  if (!report) return NotFound("No such report");
  Reply reply;
  reply.body.clear();
  json::Writer w(&reply.body);
  WriteReport(w, *report);
  return reply;
}

Result<Reply> DeleteReport(Call& call) {
  MC_RETURN_IF_ERROR(RequireAdmin(call));
  MC_ASSIGN_OR_RETURN(const int64_t id, ReportIdOf(call));
  MC_ASSIGN_OR_RETURN(const bool existed, call.services.reports.Delete(id));
  if (!existed) return NotFound("No such report");
  return EmptyReply();
}

constexpr std::string_view kReports = "/_synapse/admin/v1/event_reports";
constexpr std::string_view kOneReport =
    "/_synapse/admin/v1/event_reports/{reportId}";
constexpr std::string_view kRegister = "/_synapse/admin/v1/register";
constexpr std::string_view kTokens = "/_synapse/admin/v1/registration_tokens";
constexpr std::string_view kNewToken =
    "/_synapse/admin/v1/registration_tokens/new";
constexpr std::string_view kOneToken =
    "/_synapse/admin/v1/registration_tokens/{token}";

constexpr Route kRoutes[] = {
    {HttpMethod::kGet, kRegister, Auth::kNone, RateLimit::kDefault,
     Lane::kInline, Body::kNone, &GetNonce, ""},
    {HttpMethod::kPost, kRegister, Auth::kNone, RateLimit::kDefault,
     Lane::kBackground, Body::kObject, &RegisterWithSharedSecret, ""},
    {HttpMethod::kGet, kTokens, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &ListTokens, ""},
    {HttpMethod::kPost, kNewToken, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kOptionalObject, &CreateToken, ""},
    {HttpMethod::kGet, kOneToken, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &GetToken, ""},
    {HttpMethod::kPut, kOneToken, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kObject, &ChangeToken, ""},
    {HttpMethod::kDelete, kOneToken, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &DeleteToken, ""},
    {HttpMethod::kGet, kReports, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &ListReports, ""},
    {HttpMethod::kGet, kOneReport, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &GetReport, ""},
    {HttpMethod::kDelete, kOneReport, Auth::kUser, RateLimit::kDefault,
     Lane::kInteractive, Body::kNone, &DeleteReport, ""},
};

}  // namespace

std::span<const Route> AdminRoutes() { return kRoutes; }

}  // namespace matrixcore::api
