// User-interactive authentication (spec: client-server API, "User-Interactive
// Authentication API").
//
// A session belongs to one operation, one user and one request: the stages that
// were completed in it open nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/json/value.h"

namespace matrixcore {

// The stages of a flow, in order: {"m.login.registration_token"}.
using UiaFlow = std::vector<std::string>;

// What a client wants to be allowed to do.
struct UiaRequest {
  // The spec's operationId, with what the path says of the thing operated on.
  std::string operation = {};
  std::string user_id = {};  // Who is logged in; "" if nobody is.
  json::Value body = {};     // The whole request, with `auth` if it has one.
  std::vector<UiaFlow> flows = {};
  // Whether the session keeps the fields (see Fields).
  bool keep_fields = false;
};

// Judges one stage: `auth` is the request's auth object.  Ok with what is to be
// remembered of the stage (often ""), or why it failed: kPermissionDenied and
// kUnauthenticated let the client try again, anything else refuses the request.
using UiaStageCheck =
    std::function<Result<std::string>(std::string_view type, json::Value auth)>;

// Thread-safe.  Sessions live in memory: at most `max_sessions`, the oldest go
// first.
class UiaService {
 public:
  struct Options {
    Duration lifetime = seconds(30 * 60);  // Since the session's last request.
    size_t max_sessions = 10'000;
  };
  UiaService(const Options& options, const Clock& clock, Random& random);
  ~UiaService();

  struct Outcome {
    // All stages of a flow are complete: do it, then call Finish.
    bool allowed = false;
    // What the client must be told otherwise, with HTTP status 401.
    std::string challenge = {};
    std::string session = {};
  };
  // Takes the session that the request names, or opens one; takes the stage
  // that it brings.  A request whose fields differ from those with which the
  // session was begun (beside `auth`) is refused with kPermissionDenied
  // M_FORBIDDEN; one whose session is being finished by another request with
  // kAborted. kInvalidArgument M_BAD_JSON or M_MISSING_PARAM for a malformed
  // `auth`.
  Result<Outcome> Authorise(const UiaRequest& request,
                            const UiaStageCheck& check);

  // Ends a session that Authorise allowed.  After a failure of the operation
  // the client may repeat the request without authenticating again.
  void Finish(const std::string& session, bool succeeded);
  // Ends it and remembers `result` for those who repeat the request because
  // they did not get the answer.
  void FinishWith(const std::string& session, std::string result);
  // Remembers what the result is if the operation happened, before Finish says
  // that it failed: of a commit whose outcome nobody knows.
  void NotePossible(const std::string& session, std::string result);
  // What was remembered of the very same request; "" if nothing.  Its session
  // may not have ended.
  std::string ResultOf(const UiaRequest& request);

  // The fields with which a session of that operation was begun, a JSON object
  // without `auth`; "" if it keeps none.  Clients that register repeat nothing
  // but `auth` from the second request on.
  std::string Fields(std::string_view session, std::string_view operation);

  // What was remembered of a stage of a session; "" if it is not complete.
  std::string StageValue(const std::string& session, std::string_view type);
  // How many live sessions have completed a stage with that value.
  size_t CountStageValue(std::string_view type, std::string_view value);
  size_t size();

 private:
  struct Rep;
  std::unique_ptr<Rep> rep_;
};

}  // namespace matrixcore
