// The running server that a command asks, as its options name it.
#pragma once

#include <memory>
#include <string>

#include "admin_api.h"
#include "frame.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/time.h"

namespace matrixcore::admin {

// How to reach it; without a URL, the configured listener is asked.
struct ConnectionOptions {
  ServerOptions server = {};
  std::string url = {};
  std::string ca_file = {};
  bool insecure = false;
};
void AddConnectionOptions(CLI::App& command, ConnectionOptions& options);

// The client and what it needs.
class ServerConnection {
 public:
  static Result<std::unique_ptr<ServerConnection>> Open(
      const ConnectionOptions& options);
  AdminApi& api() { return *api_; }

 private:
  ServerConnection() = default;
  std::unique_ptr<Clock> clock_ = NewSystemClock();
  std::unique_ptr<Logger> log_ = NewNullLogger();
  std::unique_ptr<Metrics> metrics_ = NewMetrics();
  std::unique_ptr<HttpClient> client_;
  std::unique_ptr<AdminApi> api_;
};

}  // namespace matrixcore::admin
