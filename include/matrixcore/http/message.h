// HTTP messages as plain values, and the two interfaces through which they
// travel: HttpHandler (a server's side) and HttpClient (a caller's side).  No
// socket is in sight: net/ connects them to the network, an in-process adapter
// connects them to each other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/base/function.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"

namespace matrixcore {

enum class HttpMethod : uint8_t {
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kOptions,
  kPatch,
  kOther,
};
std::string_view HttpMethodName(HttpMethod method);
HttpMethod ParseHttpMethod(std::string_view name);

// Header fields in the order in which they were sent.  Names compare without
// regard to case.
class HttpHeaders {
 public:
  void Add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  // Replaces every field of that name.
  void Set(std::string_view name, std::string value);
  // The first field of that name.
  std::optional<std::string_view> Get(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& fields() const {
    return fields_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// The client at the other end of a request that is not answered yet.  Whoever
// parks a request asks here to hear when nobody waits for it any more.  A
// client that hung up may still be answered; the answer then goes nowhere.
// Implemented by transports; thread-safe.
class HttpPeer {
 public:
  virtual ~HttpPeer() = default;
  // True once the client is known to have hung up.
  virtual bool gone() const = 0;
  // Runs `callback` at most once, on a thread of the transport, when the client
  // hangs up before it was answered (soon, if it already has).  It must be
  // short and must not block.  Replaces the callback given before; dropped when
  // the request is answered.
  virtual void OnGone(UniqueFunction<void()> callback) = 0;
};

struct HttpRequest {
  HttpMethod method = HttpMethod::kGet;
  // The path and query as sent, still percent-encoded: "/a/b%2Fc?x=1".
  std::string target = {};
  HttpHeaders headers = {};
  std::string body = {};

  // Who connected, as text without a port ("127.0.0.1"); a transport that
  // trusts a proxy has already resolved X-Forwarded-For.
  std::string remote_address = {};
  bool over_tls = false;
  // Identifies the request in logs; the transport makes one if the client sent
  // none.
  std::string request_id = {};
  // Null when the transport cannot tell.
  std::shared_ptr<HttpPeer> peer = {};
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers = {};
  std::string body = {};
};

// Answers one request, once.  Move-only; may be kept and used from any thread.
// Destroying it unused answers 500.
class Responder {
 public:
  using Send = UniqueFunction<void(HttpResponse)>;

  Responder() = default;
  explicit Responder(Send send) : send_(std::move(send)) {}
  Responder(Responder&& other) noexcept
      : send_(std::exchange(other.send_, {})) {}
  Responder& operator=(Responder&& other) noexcept;
  ~Responder();

  void operator()(HttpResponse response);
  // False after it has answered or was moved from.
  bool pending() const { return static_cast<bool>(send_); }

 private:
  Send send_;
};

// Takes requests.  Handle may be called from many threads at once; it may
// answer before it returns or later.  It must not block for long on the calling
// thread, which may be a transport's event loop.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual void Handle(HttpRequest request, Responder respond) = 0;
};

// Sends requests to other servers.  Thread-safe.
class HttpClient {
 public:
  struct Outgoing {
    HttpMethod method = HttpMethod::kGet;
    std::string url = {};  // Absolute: "https://host:port/path?query".
    HttpHeaders headers = {};
    std::string body = {};
    Duration timeout = seconds(30);
    size_t max_response_bytes = 16u << 20;
  };
  using Done = UniqueFunction<void(Result<HttpResponse>)>;

  virtual ~HttpClient() = default;
  // Calls `done` exactly once, on any thread.  Failures: kUnavailable (no
  // connection), kDeadlineExceeded, kTooLarge.  Any HTTP status is a success.
  virtual void Send(Outgoing request, Done done) = 0;
};

}  // namespace matrixcore
