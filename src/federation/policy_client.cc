#include "matrixcore/federation/policy_client.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "matrixcore/base/utf8.h"
#include "matrixcore/federation/signed_request.h"
#include "matrixcore/json/value.h"

namespace matrixcore {
namespace {

constexpr std::string_view kSignTarget = "/_matrix/policy/v1/sign";
constexpr size_t kMaxAnswerBytes = 64u << 10;
constexpr size_t kMaxMessageBytes = 1000;

// The errcodes that the specification defines for a refusal.
struct Refusal {
  std::string_view errcode;
  StatusCode code;
};
constexpr Refusal kRefusals[] = {
    {"M_FORBIDDEN", StatusCode::kPermissionDenied},
    {"M_BAD_JSON", StatusCode::kInvalidArgument},
    {"M_NOT_JSON", StatusCode::kInvalidArgument},
    {"M_NOT_FOUND", StatusCode::kNotFound},
    {"M_UNRECOGNIZED", StatusCode::kNotFound},
    {"M_LIMIT_EXCEEDED", StatusCode::kResourceExhausted},
};

Status Unavailable(std::string_view server, std::string_view why) {
  return Status(StatusCode::kUnavailable,
                fmt::format("the policy server {}: {}", server, why));
}

Status ReadRefusal(const HttpResponse& response, std::string_view server) {
  if (response.status >= 500) {
    return Unavailable(server, fmt::format("status {}", response.status));
  }
  const Result<json::Document> body = json::Document::ParseView(response.body);
  const json::Value root = body.ok() ? body->root() : json::Value();
  const std::string_view errcode = root["errcode"].StringOr("");
  std::string message(
      TruncateUtf8(root["error"].StringOr(""), kMaxMessageBytes));
  if (message.empty()) message = "The room's policy server refused the event.";
  for (const Refusal& refusal : kRefusals) {
    if (refusal.errcode == errcode) {
      return Status(refusal.code, refusal.errcode, std::move(message));
    }
  }
  return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                std::move(message));
}

}  // namespace

Result<Ed25519Signature> ReadPolicyAnswer(const HttpResponse& response,
                                          std::string_view server) {
  if (response.status != 200) return ReadRefusal(response, server);
  const Result<json::Document> body = json::Document::ParseView(response.body);
  if (!body.ok()) return Unavailable(server, "its answer is not JSON");
  const auto signature =
      ParseEd25519Signature(body->root()[server][kPolicyKeyId].StringOr(""));
  if (signature) return *signature;
  // What does not sign does not recommend.
  return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                "The room's policy server did not sign the event.");
}

struct PolicyClient::Rep : std::enable_shared_from_this<Rep> {
  Rep(Options o, const Deps& d) : options(std::move(o)), deps(d) {}

  void Send(const ServerLocation& location, const std::string& server,
            const EventPtr& event, Done done);

  const Options options;
  const Deps deps;
};

PolicyClient::PolicyClient(Options options, const Deps& deps)
    : rep_(std::make_shared<Rep>(std::move(options), deps)) {}

PolicyClient::~PolicyClient() = default;

void PolicyClient::Sign(const std::string& server, const EventPtr& event,
                        Done done) {
  rep_->deps.resolver.Resolve(
      server, [rep = rep_, server, event,
               done = std::move(done)](const ServerLocation& location) mutable {
        rep->Send(location, server, event, std::move(done));
      });
}

void PolicyClient::Rep::Send(const ServerLocation& location,
                             const std::string& server, const EventPtr& event,
                             Done done) {
  const Result<std::string> authorization =
      AuthorizationOf({.method = HttpMethod::kPost,
                       .target = std::string(kSignTarget),
                       .origin = options.server_name,
                       .destination = server,
                       .content = event->json()},
                      deps.signing_key);
  if (!authorization.ok()) return done(authorization.status());
  HttpClient::Outgoing request;
  request.method = HttpMethod::kPost;
  request.url = fmt::format("https://{}{}", location.authority, kSignTarget);
  request.headers.Add("Host", location.host);
  request.headers.Add("Authorization", *authorization);
  request.headers.Add("Content-Type", "application/json");
  request.body = event->json();
  request.timeout = options.timeout;
  request.max_response_bytes = kMaxAnswerBytes;
  deps.client.Send(
      std::move(request),
      [server, done = std::move(done)](Result<HttpResponse> response) mutable {
        if (!response.ok()) {
          return done(Unavailable(server, response.status().message()));
        }
        done(ReadPolicyAnswer(*response, server));
      });
}

}  // namespace matrixcore
