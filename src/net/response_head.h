// The head of HTTP responses, and the error responses that the transport gives
// by itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "matrixcore/base/time.h"
#include "matrixcore/http/message.h"

namespace matrixcore::net {

// A Matrix error object with the CORS headers of the client-server API.
HttpResponse ErrorResponse(int status, std::string_view errcode,
                           std::string_view message);

// Whether a response of this status has a body at all (RFC 9110 section 6.4.1).
bool StatusHasBody(int status);

// Writes heads; keeps the Date of the current second.  Not thread-safe.
class HeadWriter {
 public:
  explicit HeadWriter(const Clock& clock) : clock_(clock) {}

  struct Framing {
    bool keep_alive = true;
    bool http_1_0 = false;  // Of the request.
    std::string_view request_id = {};
  };

  // Replaces `out` by the status line and header, with the Content-Length of
  // response.body.  Fields that would break the framing (Content-Length,
  // Connection, a value with a line break) are left out or made harmless.
  void Write(std::string& out, const HttpResponse& response,
             const Framing& framing);

 private:
  std::string_view Date();

  const Clock& clock_;
  int64_t second_ = -1;
  std::string date_;
};

}  // namespace matrixcore::net
