// Routes as data, and the router that runs them.
//
// A route names its method, path, authentication, rate limit, lane, handler and
// the specification's operationId.  Everything that is common to requests
// happens in the router from that data: CORS, body limits, JSON parsing,
// authentication, rate limits, logging, metrics, errors.  An endpoint function
// parses its parameters, calls one service and writes JSON.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/status.h"
#include "matrixcore/http/message.h"
#include "matrixcore/http/url.h"
#include "matrixcore/json/value.h"
#include "matrixcore/service/accounts.h"

namespace matrixcore::api {

struct Services;  // api/services.h: what endpoint functions may call.

enum class Auth : uint8_t {
  kNone,
  kOptional,  // A token is used when there is one; a bad one is an error.
  kUser,
};
// Which bucket of limits counts the request (see RateLimits in
// api/homeserver.h).
enum class RateLimit : uint8_t {
  kNone,
  kLogin,
  kRegistration,
  kMessage,
  kJoin,
  kReport,
  kDefault,
};
// Where the handler runs.
enum class Lane : uint8_t {
  kInline,       // On the transport's thread: only for answers without I/O.
  kInteractive,  // The normal lane.
  kBackground,   // Slow work: password hashes, big reads.
};
enum class Body : uint8_t {
  kNone,            // Ignored.
  kObject,          // A JSON object; anything else is M_NOT_JSON or M_BAD_JSON.
  kOptionalObject,  // The same, and an empty body counts as {}.
  kRaw,             // Bytes, for media.
};

// One request on its way through an endpoint function.
struct Call {
  Call(Services& s, HttpRequest r) : services(s), request(std::move(r)) {}
  Services& services;
  HttpRequest request;
  UrlTarget target;
  // The decoded {placeholders} of the path, in order.
  std::vector<std::string> path;
  json::Document body;  // The parsed body of Body::kObject routes.
  // Who asks; set for Auth::kUser, and for kOptional with a token.
  std::optional<Session> session;

  const std::string& user_id() const { return session->user_id; }
  json::Value root() const { return body.root(); }
};

// A complete answer; `body` is JSON.
struct Reply {
  int status = 200;
  std::string body = "{}";
  HttpHeaders headers;
};

// Answers a call later, from any thread, once.  Dropping it answers 500.
// Errors become the error table's status and {"errcode","error"}.
class ReplySender {
 public:
  using Send = UniqueFunction<void(Result<Reply>)>;
  explicit ReplySender(Send send) : send_(std::move(send)) {}
  void operator()(Result<Reply> reply) {
    if (auto send = std::exchange(send_, {})) send(std::move(reply));
  }

 private:
  Send send_;
};

// Exactly one of the two is set.
struct Handler {
  // Answers by returning.
  Result<Reply> (*direct)(Call& call) = nullptr;
  // Answers by `send`, now or later; owns the call.
  void (*async)(std::unique_ptr<Call> call, ReplySender send) = nullptr;
  constexpr Handler(Result<Reply> (*f)(Call&)) : direct(f) {}
  constexpr Handler(void (*f)(std::unique_ptr<Call>, ReplySender)) : async(f) {}
};

struct Route {
  HttpMethod method;
  // "/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}".  A
  // client-server path of v3 also answers for r0 (and v1 where the router's
  // table says so).
  std::string_view path;
  Auth auth;
  RateLimit rate_limit;
  Lane lane;
  Body body;
  Handler handler;
  std::string_view operation;  // The spec's operationId; "" if it has none.
};

// All routes of the program, module by module.
std::vector<std::span<const Route>> AllRoutes();

// The HTTP status of a failure (spec: "Standard error response"), and its JSON.
int HttpStatusOf(const Status& status);
Reply ErrorReply(const Status& status);

}  // namespace matrixcore::api
