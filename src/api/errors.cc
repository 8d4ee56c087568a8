// The error table: which HTTP status and which JSON a failure becomes.
#include <algorithm>
#include <string_view>

#include "matrixcore/api/router.h"
#include "matrixcore/json/writer.h"

namespace matrixcore::api {
namespace {

struct ErrcodeStatus {
  std::string_view errcode;
  int status = 400;
};

// Sorted by errcode; what is missing here is 400 (spec: client-server API,
// "Standard error response").
constexpr ErrcodeStatus kErrcodes[] = {
    {"IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION", 409},
    {"M_BAD_STATE", 403},
    {"M_CANNOT_LEAVE_SERVER_NOTICE_ROOM", 403},
    {"M_CANNOT_OVERWRITE_MEDIA", 409},
    {"M_CONNECTION_FAILED", 502},
    {"M_CONNECTION_TIMEOUT", 504},
    {"M_FORBIDDEN", 403},
    {"M_GUEST_ACCESS_FORBIDDEN", 403},
    {"M_INVITE_BLOCKED", 403},
    {"M_LIMIT_EXCEEDED", 429},
    {"M_MISSING_TOKEN", 401},
    {"M_NOT_FOUND", 404},
    {"M_NOT_YET_UPLOADED", 504},
    {"M_RESOURCE_LIMIT_EXCEEDED", 403},
    {"M_TERMS_NOT_SIGNED", 403},
    {"M_THREEPID_AUTH_FAILED", 403},
    {"M_THREEPID_DENIED", 403},
    {"M_TOO_LARGE", 413},
    {"M_UNAUTHORIZED", 401},
    {"M_UNKNOWN_TOKEN", 401},
    {"M_UNRECOGNIZED", 404},
    {"M_USER_DEACTIVATED", 403},
    {"M_USER_LIMIT_EXCEEDED", 403},
    {"M_USER_LOCKED", 401},
    {"M_USER_SUSPENDED", 403},
    {"M_WRONG_ROOM_KEYS_VERSION", 403},
};

constexpr bool IsSorted() {
  for (size_t i = 1; i < std::size(kErrcodes); ++i) {
    if (kErrcodes[i - 1].errcode >= kErrcodes[i].errcode) return false;
  }
  return true;
}
static_assert(IsSorted());

// What a failure without an errcode of its own becomes.
struct CodeDefault {
  int status = 500;
  std::string_view errcode = "M_UNKNOWN";
  // The message may go to the client.
  bool tell = true;
};

CodeDefault DefaultOf(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
      return {400, "M_INVALID_PARAM", true};
    case StatusCode::kUnauthenticated:
      return {401, "M_UNAUTHORIZED", true};
    case StatusCode::kPermissionDenied:
      return {403, "M_FORBIDDEN", true};
    case StatusCode::kNotFound:
      return {404, "M_NOT_FOUND", true};
    case StatusCode::kAlreadyExists:
      return {409, "M_UNKNOWN", true};
    case StatusCode::kFailedPrecondition:
      return {400, "M_UNKNOWN", true};
    case StatusCode::kResourceExhausted:
      return {429, "M_LIMIT_EXCEEDED", true};
    case StatusCode::kTooLarge:
      return {413, "M_TOO_LARGE", true};
    case StatusCode::kUnsupported:
      return {404, "M_UNRECOGNIZED", true};
    case StatusCode::kAborted:
      return {409, "M_UNKNOWN", false};
    case StatusCode::kDeadlineExceeded:
      return {504, "M_UNKNOWN", false};
    case StatusCode::kUnavailable:
      return {503, "M_UNKNOWN", false};
    case StatusCode::kOk:
    case StatusCode::kDataLoss:
    case StatusCode::kInternal:
      break;
  }
  return {500, "M_UNKNOWN", false};
}

}  // namespace

int HttpStatusOf(const Status& status) {
  const CodeDefault fallback = DefaultOf(status.code());
  // What went wrong inside stays a server's error whatever the errcode says.
  // M_UNKNOWN says nothing, so that the kind of failure decides.
  if (status.errcode().empty() || status.errcode() == "M_UNKNOWN" ||
      !fallback.tell) {
    return fallback.status;
  }
  const auto* const end = std::end(kErrcodes);
  const auto* const found = std::lower_bound(
      std::begin(kErrcodes), end, status.errcode(),
      [](const ErrcodeStatus& entry, std::string_view errcode) {
        return entry.errcode < errcode;
      });
  return found != end && found->errcode == status.errcode() ? found->status
                                                            : 400;
}

Reply ErrorReply(const Status& status) {
  const CodeDefault fallback = DefaultOf(status.code());
  Reply reply;
  reply.status = HttpStatusOf(status);
  reply.body.clear();
  json::Writer writer(&reply.body);
  writer.BeginObject();
  writer.Field("errcode",
               status.errcode().empty() ? fallback.errcode : status.errcode());
  std::string_view message = status.message();
  if (!fallback.tell) {
    message = reply.status == 503   ? "The server cannot answer now"
              : reply.status == 504 ? "The server took too long"
              : reply.status == 409 ? "Something else changed meanwhile"
                                    : "Internal server error";
  }
  writer.Field("error", message);
  // Spec: "Account locking": the client keeps its session.
  if (status.errcode() == "M_USER_LOCKED") writer.Field("soft_logout", true);
  if (reply.status == 429) {
    writer.Field("retry_after_ms", 1000);
    reply.headers.Add("Retry-After", "1");
  }
  writer.EndObject();
  return reply;
}

}  // namespace matrixcore::api
