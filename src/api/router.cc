#include "api/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "api/params.h"
#include "matrixcore/json/writer.h"

namespace matrixcore::api {
namespace {

// What guests may do (spec: client-server API, "Guest Access"), by operation;
// and what a client needs to sign in and out at all.
constexpr std::string_view kGuestOperations[] = {
    "claimKeys",
    "deleteProfileField",
    "getCapabilities",
    "getContent",
    "getContentOverrideNameAuthed",
    "getContentAuthed",
    "getContentThumbnailAuthed",
    "getDevice",
    "getDevices",
    "getEventContext",
    "getEvents",
    "getMembersByRoom",
    "getOneRoomEvent",
    "getRoomEvents",
    "getRoomState",
    "getRoomStateWithKey",
    "getRoomSummary",
    "getTokenOwner",
    "joinRoom",
    "joinRoomById",
    "leaveRoom",
    "logout",
    "peekEvents",
    "queryKeys",
    "roomInitialSync",
    "sendMessage",
    "sendToDevice",
    "setProfileField",
    "setRoomStateWithKey",
    "sync",
    "updateDevice",
    "uploadKeys",
};

// MSC4140 opens all of its operations to guests, who may take part in calls.
constexpr std::string_view kDelayedEventPaths =
    "/_matrix/client/unstable/org.matrix.msc4140/";

// What locked users may do (spec: client-server API, "Account locking").
constexpr std::string_view kLockedOperations[] = {"logout", "logout_all"};

// What suspended users may not do (spec: "Account suspension").  Sending,
// setting state and redacting depend on what is sent: see MessageService.
constexpr std::string_view kNotWhileSuspended[] = {
    "ban",
    "createRoom",
    "deleteProfileField",
    "deleteRoomAlias",
    "inviteUser",
    "joinRoom",
    "joinRoomById",
    "kick",
    "knockRoom",
    "setProfileField",
    "setRoomAlias",
    "setRoomVisibilityOnDirectory",
    "setTyping",
    "unban",
    "upgradeRoom",
    "uploadContent",
    "uploadContentToMXC",
};

template <size_t kCount>
bool IsAmong(const std::string_view (&operations)[kCount], const Route& route) {
  return std::find(std::begin(operations), std::end(operations),
                   route.operation) != std::end(operations);
}

// Whether someone like this may use a route at all.
Status CheckAccount(const Session& session, const Route& route) {
  if (session.is_locked && !IsAmong(kLockedOperations, route)) {
    return Status(StatusCode::kUnauthenticated, "M_USER_LOCKED",
                  "This account has been locked");
  }
  if (session.is_suspended && IsAmong(kNotWhileSuspended, route)) {
    return Status(StatusCode::kPermissionDenied, "M_USER_SUSPENDED",
                  "You cannot perform this action while suspended.");
  }
  if (session.is_guest && !IsAmong(kGuestOperations, route) &&
      !route.path.starts_with(kDelayedEventPaths)) {
    return Status(StatusCode::kPermissionDenied, "M_GUEST_ACCESS_FORBIDDEN",
                  "Guests may not do this");
  }
  return OkStatus();
}

Status Unrecognized(std::string message) {
  return Status(StatusCode::kUnsupported, "M_UNRECOGNIZED", std::move(message));
}

// The token of "Authorization: Bearer TOKEN", or of the query (deprecated in
// the specification, still sent by clients).
std::optional<std::string_view> TokenOf(const Call& call) {
  if (const auto header = call.request.headers.Get("Authorization")) {
    constexpr std::string_view kScheme = "bearer ";
    if (header->size() < kScheme.size()) return std::nullopt;
    for (size_t i = 0; i < kScheme.size(); ++i) {
      const char c = (*header)[i];
      const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      if (lower != kScheme[i]) return std::nullopt;
    }
    std::string_view token = header->substr(kScheme.size());
    while (!token.empty() && token.front() == ' ') token.remove_prefix(1);
    while (!token.empty() && token.back() == ' ') token.remove_suffix(1);
    if (token.empty()) return std::nullopt;
    return token;
  }
  const auto token = call.target.Param("access_token");
  return token && !token->empty() ? token : std::nullopt;
}

int64_t CeilSeconds(Duration duration) {
  return (duration.count() + 999'999'999) / 1'000'000'000;
}

Reply LimitReply(Duration retry_after) {
  Reply reply = ObjectReply([&](json::Writer& w) {
    w.Field("errcode", "M_LIMIT_EXCEEDED");
    w.Field("error", "Too many requests");
    w.Field("retry_after_ms",
            std::max<int64_t>(1, (retry_after.count() + 999'999) / 1'000'000));
  });
  reply.status = 429;
  reply.headers.Add("Retry-After", fmt::to_string(std::max<int64_t>(
                                       1, CeilSeconds(retry_after))));
  reply.headers.Add("Access-Control-Expose-Headers",
                    "Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, "
                    "X-RateLimit-Reset");
  return reply;
}

Reply TokenReply(bool soft_logout) {
  Reply reply = ObjectReply([&](json::Writer& w) {
    w.Field("errcode", "M_UNKNOWN_TOKEN");
    w.Field("error", soft_logout ? "The access token has expired"
                                 : "Unknown access token");
    w.Field("soft_logout", soft_logout);
  });
  reply.status = 401;
  return reply;
}

}  // namespace

// One request and whoever waits for its answer.  It is answered exactly once:
// at the latest, with 500, when it is destroyed.
class Router::Exchange {
 public:
  Exchange(Router& router, HttpRequest request, Responder respond)
      : router_(router),
        respond_(std::move(respond)),
        start_(router.services_.deps.clock.Monotonic()),
        method_(request.method),
        request_id_(router.RequestId(request)),
        address_(request.remote_address),
        call_(std::make_unique<Call>(router.services_, std::move(request))) {
    router_.metrics_.Begin();
  }
  ~Exchange() {
    if (respond_.pending()) {
      Answer(Status(StatusCode::kInternal, "the request was dropped"));
    }
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void Answer(Result<Reply> result) {
    router_.Answer(*this, std::move(result));
  }

  Router& router_;
  Responder respond_;
  const MonotonicTime start_;
  const HttpMethod method_;
  const std::string request_id_;
  const std::string address_;
  const Route* route_ = nullptr;
  std::string path_;     // For the log.
  std::string user_id_;  // The same.
  std::optional<RateLimiter::Verdict> limits_;
  std::unique_ptr<Call> call_;  // Null once its handler owns it.
};

Router::Router(Services& services,
               const std::vector<std::span<const Route>>& tables)
    : services_(services),
      table_(tables),
      limiter_(services.options.rate_limits, services.deps.clock),
      metrics_(services.deps.metrics, table_.routes()) {}

Router::~Router() = default;

std::string Router::RequestId(const HttpRequest& request) {
  if (!request.request_id.empty()) return request.request_id;
  return fmt::format("r{}", next_request_.fetch_add(1));
}

void Router::Handle(HttpRequest request, Responder respond) {
  auto exchange =
      std::make_unique<Exchange>(*this, std::move(request), std::move(respond));
  Call& call = *exchange->call_;
  std::optional<UrlTarget> target = UrlTarget::Parse(call.request.target);
  if (!target) {
    return exchange->Answer(InvalidParam("The request target is malformed"));
  }
  call.target = *std::move(target);
  exchange->path_ = call.target.path();
  if (call.request.method == HttpMethod::kOptions) {
    return exchange->Answer(EmptyReply());
  }
  if (refusing_.load()) {
    return exchange->Answer(Status(StatusCode::kUnavailable, "shutting down"));
  }
  RouteTable::Match match =
      table_.Find(call.request.method, call.target.segments());
  if (match.route == nullptr) {
    Reply reply = ErrorReply(Unrecognized(
        match.path_known ? "Wrong method for this path" : "Unknown path"));
    if (match.path_known) {
      reply.status = 405;
      reply.headers.Add("Allow", match.allow);
    }
    return exchange->Answer(std::move(reply));
  }
  exchange->route_ = match.route;
  // Such a value in a path is a secret.
  if (match.route->path.find("{token}") != std::string_view::npos) {
    exchange->path_ = match.route->path;
  }
  call.path = std::move(match.values);
  Dispatch(std::move(exchange));
}

void Router::Dispatch(std::unique_ptr<Exchange> exchange) {
  const Route& route = *exchange->route_;
  // What needs no user is limited before it costs a place on a lane.
  if (route.auth == Auth::kNone) {
    Reply refusal;
    if (!WithinLimits(*exchange, &refusal)) {
      return exchange->Answer(std::move(refusal));
    }
  }
  if (route.lane == Lane::kInline) return Run(std::move(exchange));
  Executor& lane = route.lane == Lane::kBackground ? services_.deps.background
                                                   : services_.deps.interactive;
  // A refused task is destroyed, so the exchange is kept where it can be found.
  auto shared =
      std::make_shared<std::unique_ptr<Exchange>>(std::move(exchange));
  if (!lane.Post([this, shared] { Run(std::move(*shared)); })) {
    (*shared)->Answer(LimitReply(seconds(1)));
  }
}

void Router::Run(std::unique_ptr<Exchange> exchange) {
  Reply refusal;
  refusal.status = 0;
  if (Status status = Prepare(*exchange, &refusal); !status.ok()) {
    return exchange->Answer(std::move(status));
  }
  if (refusal.status != 0) return exchange->Answer(std::move(refusal));
  const Handler& handler = exchange->route_->handler;
  if (handler.direct != nullptr) {
    return exchange->Answer(handler.direct(*exchange->call_));
  }
  std::unique_ptr<Call> call = std::move(exchange->call_);
  handler.async(std::move(call), ReplySender([exchange = std::move(exchange)](
                                                 Result<Reply> reply) mutable {
                  exchange->Answer(std::move(reply));
                }));
}

// Everything between a route and its endpoint function.  Sets a status in
// `refusal` when that is the answer.
Status Router::Prepare(Exchange& exchange, Reply* refusal) {
  const Route& route = *exchange.route_;
  Call& call = *exchange.call_;
  if (route.auth != Auth::kNone) {
    MC_RETURN_IF_ERROR(Authenticate(exchange, refusal));
    if (refusal->status != 0) return OkStatus();
    if (!WithinLimits(exchange, refusal)) return OkStatus();
  }
  if (route.body != Body::kObject && route.body != Body::kOptionalObject) {
    return OkStatus();
  }
  if (call.request.body.size() > services_.options.max_json_body_bytes) {
    return Status(StatusCode::kTooLarge, "M_TOO_LARGE",
                  "The request body is too large");
  }
  if (route.body == Body::kOptionalObject && call.request.body.empty()) {
    call.request.body = "{}";
  }
  Result<json::Document> body =
      json::Document::Parse(std::move(call.request.body));
  if (!body.ok()) {
    return Status(StatusCode::kInvalidArgument, "M_NOT_JSON",
                  "The request body is not JSON: " + body.status().message());
  }
  call.request.body.clear();
  call.body = std::move(body).value();
  if (!call.root().IsObject()) {
    return BadJson("The request body must be a JSON object");
  }
  return OkStatus();
}

Status Router::Authenticate(Exchange& exchange, Reply* refusal) {
  const Route& route = *exchange.route_;
  Call& call = *exchange.call_;
  const std::optional<std::string_view> token = TokenOf(call);
  if (!token) {
    if (route.auth == Auth::kOptional) return OkStatus();
    return Status(StatusCode::kUnauthenticated, "M_MISSING_TOKEN",
                  "An access token is required");
  }
  MC_ASSIGN_OR_RETURN(TokenCheck check, services_.accounts.Authenticate(
                                            *token, exchange.address_));
  if (check.state != TokenCheck::State::kValid) {
    *refusal = TokenReply(check.state == TokenCheck::State::kExpired);
    return OkStatus();
  }
  exchange.user_id_ = check.session.user_id;
  call.session = std::move(check.session);
  return CheckAccount(*call.session, route);
}

bool Router::WithinLimits(Exchange& exchange, Reply* refusal) {
  const std::optional<Session>& session = exchange.call_->session;
  if (session && session->is_admin) return true;
  const RateLimiter::Verdict verdict = limiter_.Take(
      exchange.route_->rate_limit,
      session ? session->user_id : LimitedAddress(exchange.address_));
  if (verdict.limited) exchange.limits_ = verdict;
  if (verdict.allowed) return true;
  *refusal = LimitReply(verdict.retry_after);
  return false;
}

bool Router::MaySend(const Session& session) {
  return session.is_admin ||
         limiter_.Take(RateLimit::kMessage, session.user_id).allowed;
}

void Router::Answer(Exchange& exchange, Result<Reply> result) {
  const Status status = result.ok() ? Status() : result.status();
  Reply reply = result.ok() ? std::move(result).value() : ErrorReply(status);
  Logger& log = services_.deps.log;
  if (reply.status >= 500 && !status.ok()) {
    log.Error(
        "api", "request failed",
        {{"request_id", exchange.request_id_},
         {"operation", exchange.route_ == nullptr ? std::string_view()
                                                  : exchange.route_->operation},
         {"status", status.ToString()}});
  }
  HttpResponse response;
  response.status = reply.status;
  response.headers = std::move(reply.headers);
  response.body = std::move(reply.body);
  HttpHeaders& headers = response.headers;
  if (!headers.Get("Content-Type")) {
    headers.Add("Content-Type", "application/json");
  }
  headers.Add("Access-Control-Allow-Origin", "*");
  headers.Add("Access-Control-Allow-Methods",
              "GET, POST, PUT, DELETE, OPTIONS");
  headers.Add("Access-Control-Allow-Headers",
              "X-Requested-With, Content-Type, Authorization");
  if (exchange.method_ == HttpMethod::kOptions) {
    headers.Add("Access-Control-Max-Age", "86400");
  }
  if (exchange.limits_) {
    headers.Add("X-RateLimit-Limit", fmt::to_string(exchange.limits_->limit));
    headers.Add("X-RateLimit-Remaining",
                fmt::to_string(exchange.limits_->remaining));
    headers.Add("X-RateLimit-Reset",
                fmt::to_string(CeilSeconds(exchange.limits_->reset_after)));
  }
  const Duration took = services_.deps.clock.Monotonic() - exchange.start_;
  metrics_.End(exchange.route_, response.status, took);
  log.Info("api", "request",
           {{"request_id", exchange.request_id_},
            {"method", HttpMethodName(exchange.method_)},
            {"path", exchange.path_},
            {"status", response.status},
            {"ms", std::chrono::duration<double, std::milli>(took).count()},
            {"bytes", response.body.size()},
            {"user", exchange.user_id_},
            {"address", exchange.address_}});
  exchange.respond_(std::move(response));
}

}  // namespace matrixcore::api
