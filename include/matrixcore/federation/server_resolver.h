// ServerResolver: where the homeserver of a name is reached (spec:
// server-server API, "Resolving server names").
//
// IP literals, explicit ports, delegation by /.well-known/matrix/server, and
// the default port.  SRV records are not looked up: an HttpClient cannot ask
// for them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "matrixcore/base/cache_budget.h"
#include "matrixcore/base/function.h"
#include "matrixcore/base/time.h"
#include "matrixcore/http/message.h"

namespace matrixcore {

struct ServerLocation {
  std::string authority;  // "host:port", for a URL.
  std::string host;       // What the Host field says.

  friend bool operator==(const ServerLocation&,
                         const ServerLocation&) = default;
};

// Thread-safe.  What /.well-known says is remembered as long as its
// Cache-Control allows, at most 48 hours, 24 hours if it does not say; failures
// for an hour.
class ServerResolver {
 public:
  struct Options {
    Duration timeout = seconds(5);  // Of the /.well-known request.
  };
  // All of them outlive the resolver.
  ServerResolver(const Options& options, HttpClient& client, const Clock& clock,
                 CacheBudget& budget);
  ~ServerResolver();

  using Done = UniqueFunction<void(ServerLocation location)>;
  // `server_name` is a server name.  `done` is called once, on any thread,
  // possibly before Resolve returns.
  void Resolve(std::string_view server_name, Done done);

 private:
  struct Rep;
  std::shared_ptr<Rep> rep_;
};

}  // namespace matrixcore
