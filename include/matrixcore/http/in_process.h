// InProcessNetwork: an HttpClient whose servers are HttpHandlers of the same
// process.  Servers federate through it inside one test, and a program may
// embed a homeserver and talk to it, without a socket.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/time.h"
#include "matrixcore/http/message.h"

namespace matrixcore {

// Thread-safe.  Requests run as tasks of the executor, never inside Send();
// timeouts are those of the clock and the timers, real or simulated.  The
// handler sees the method, target, fields and body as they were given, a Host
// field, and 127.0.0.1 as the client's address.
//
// All three references outlive the network.  Destroying it fails what is under
// way with kUnavailable.
class InProcessNetwork final : public HttpClient {
 public:
  InProcessNetwork(Executor& executor, const Clock& clock, Timers& timers);
  ~InProcessNetwork() override;
  InProcessNetwork(const InProcessNetwork&) = delete;
  InProcessNetwork& operator=(const InProcessNetwork&) = delete;

  // From now on URLs with this authority ("example.org", "localhost:8448")
  // reach `handler`, with http and https alike.  A port is left out where it is
  // the scheme's default.  Replaces what was there, as Remove does.
  void Add(std::string_view authority, HttpHandler& handler);
  // Makes it unreachable, as if the server had been switched off: requests that
  // it has not answered fail with kUnavailable.  Waits for a running Handle(),
  // so that the handler may be destroyed afterwards; must not be called by it.
  void Remove(std::string_view authority);

  // kInvalidArgument for a URL that is not absolute http or https; kUnavailable
  // when nobody has the authority; kDeadlineExceeded; kTooLarge.
  void Send(Outgoing request, Done done) override;

 private:
  struct Rep;
  std::shared_ptr<Rep> rep_;
};

}  // namespace matrixcore
