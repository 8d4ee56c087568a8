// HttpClient: HTTP/1.1 over keep-alive connections, for one thread that drives
// many of them.
//
// Written for a load generator: nothing is allocated per request once buffers
// have grown, header fields of answers are skipped, and the caller decides how
// many connections there are.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"

namespace matrixcore::load {

struct Target {
  bool tls = false;
  std::string host;
  std::string port;
  std::string authority;  // for the Host field
};

// "http://host[:port]" or "https://host[:port]", IPv6 addresses in brackets.
// kInvalidArgument for anything else; a path must be empty or "/".
Result<Target> ParseTarget(std::string_view url);

struct Request {
  std::string_view method = "GET";
  std::string_view path;   // with the query
  std::string_view token;  // access token, or ""
  std::string_view body;   // JSON; "" sends none with GET, else {}
};

// What came back.  Valid during the call of the handler only.
struct Reply {
  int status = 0;               // 0: there was no answer, see `error`
  std::string_view body;        // of the answer
  std::string_view error;       // what went wrong with the connection
  int64_t retry_after_ms = -1;  // from the Retry-After field, -1 without
};

// One connection; opened by the first request and reopened after a failure.  A
// request on a reused connection that the server closed meanwhile is sent once
// more on a new one.
class Connection {
 public:
  using Handler = std::function<void(const Reply&)>;

  virtual ~Connection() = default;

  // Sends a request; nothing of it is needed after the call.  One at a time:
  // the next may be sent from within the handler.
  virtual void Send(const Request& request, Handler handler) = 0;

  // Closes it; the handler of a request under way is not called.
  virtual void Close() = 0;

  // Fails a request that has passed its deadline.
  virtual void CheckDeadline(int64_t now_ns) = 0;
};

// Not thread-safe; `io` outlives it, and is run by one thread.
class HttpClient {
 public:
  struct Options {
    bool insecure = false;  // accept any certificate
    int64_t timeout_ms = 120'000;
  };

  // Resolves the target's name.
  static Result<std::unique_ptr<HttpClient>> Create(boost::asio::io_context& io,
                                                    const Target& target,
                                                    const Options& options);

  virtual ~HttpClient() = default;
  virtual std::shared_ptr<Connection> NewConnection() = 0;
};

// Escapes a path segment: everything but unreserved characters.
std::string EscapeSegment(std::string_view text);

}  // namespace matrixcore::load
