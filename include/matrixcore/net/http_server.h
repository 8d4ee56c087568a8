// HttpServer: serves an HttpHandler over HTTP/1.1 on TCP, with or without TLS.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "matrixcore/base/log.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/http/message.h"
#include "matrixcore/net/ip_range.h"

namespace matrixcore {

// PEM files: the certificate with its chain, and its key without a passphrase.
struct TlsFiles {
  std::string certificate = {};
  std::string private_key = {};
};

struct HttpListener {
  // An IPv4 or IPv6 address; "::" also takes IPv4 where the system does so.
  std::string address = "127.0.0.1";
  uint16_t port = 0;  // 0: any free one, told back by endpoints().
  std::optional<TlsFiles> tls = {};
  // A socket that already listens (socket activation), -1 for none.  The server
  // owns it; `address` and `port` are then what it is bound to.
  int inherited_socket = -1;
};

// What one client, or all of them, may use up.
struct HttpLimits {
  size_t max_header_bytes = 16u << 10;  // Request line and fields: 431.
  size_t max_header_fields = 128;       // The same.
  size_t max_body_bytes = 50u << 20;    // 413 M_TOO_LARGE.
  // Bodies that are being received, of all connections together: 503.
  size_t max_total_body_bytes = 512u << 20;
  size_t max_connections = 20'000;             // 503, then closed.
  size_t max_connections_per_address = 1'000;  // 429; an IPv6 /64 is one.

  Duration handshake_timeout = seconds(10);  // TLS.
  // From the first byte of a request to the end of its header: 408.
  Duration header_timeout = seconds(15);
  // A body may pause this long, and may take this long plus the time that it
  // needs at min_bytes_per_second: 408.  The same holds for a client that reads
  // an answer: closed.
  Duration body_timeout = seconds(30);
  size_t min_bytes_per_second = 4096;
  Duration idle_timeout = seconds(75);  // Between two requests.
};

struct HttpServerOptions {
  std::vector<HttpListener> listeners = {};
  HttpLimits limits = {};
  // Event loops; each connection stays with one.
  size_t threads = 1;
  // Whether max_connections_per_address holds for this machine too: by default
  // it does not, since what comes from there may speak for many clients.
  bool count_loopback = false;
  // Peers whose X-Forwarded-For and X-Forwarded-Proto are believed; they are
  // not counted either.
  std::vector<IpRange> trusted_proxies = {};
};

// A listener as it was opened.
struct HttpEndpoint {
  std::string address;
  uint16_t port = 0;
  bool tls = false;
};

// The transport.  One object owns its listeners, connections and event loop
// threads; any number may live in a process.  Thread-safe.
//
// Requests of one connection are handled one after the other, in order; what a
// client sends ahead waits (at most max_header_bytes, then TCP pushes back).
// Handle() runs on an event loop.  Answers may come from any thread; many given
// at once wake the loop once.  While a request waits for its answer the
// connection holds no buffer, and a client that hangs up is noticed (HttpPeer).
//
// Malformed or oversized requests are answered here, with a Matrix error object
// and CORS headers, and never reach the handler.
class HttpServer {
 public:
  // Opens every listener and starts to serve, or opens none.  The references
  // outlive the server.
  // kUnavailable: an address or port cannot be had; kInvalidArgument: a bad
  // address, certificate or key.  The message names it.
  static Result<std::unique_ptr<HttpServer>> Start(HttpServerOptions options,
                                                   HttpHandler& handler,
                                                   const Clock& clock,
                                                   Random& random, Logger& log,
                                                   Metrics& metrics);
  // Stop(0).
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // In the order of the options' listeners.
  const std::vector<HttpEndpoint>& endpoints() const;

  // Reads the certificate files again; later handshakes use them.  On failure
  // every listener keeps what it had; the message names the file.
  Status ReloadCertificates();

  // Closes the listeners and the idle connections; answers now carry
  // "Connection: close".  Returns at once.  Idempotent.
  void StopAccepting();

  // StopAccepting, waits at most `grace` for the requests that run, closes all
  // connections, ends the threads.  Responders that are still kept may be used
  // or dropped later: nothing happens.  Idempotent; not to be called from the
  // handler.
  void Stop(Duration grace);

 private:
  struct Rep;
  explicit HttpServer(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

// "X25519MLKEM768:..." or the classical list: the key exchange groups that this
// build's OpenSSL offers.
std::string OfferedTlsGroups();

}  // namespace matrixcore
