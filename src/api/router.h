// Router: from an HTTP request to the endpoint function of its route, and back.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "api/rate_limiter.h"
#include "api/request_metrics.h"
#include "api/route_table.h"
#include "matrixcore/api/router.h"
#include "matrixcore/api/services.h"
#include "matrixcore/http/message.h"

namespace matrixcore::api {

// Owned by Homeserver.  Thread-safe.  Handle() only finds the route on the
// calling thread; everything that may wait runs on the route's lane.
class Router : public HttpHandler {
 public:
  // `services` and the tables outlive it and every request.
  Router(Services& services, const std::vector<std::span<const Route>>& tables);
  ~Router() override;

  void Handle(HttpRequest request, Responder respond) override;

  // Counts a message that the server sends on behalf of a user; whether it may.
  bool MaySend(const Session& session);

  // From now on every request is answered M_UNKNOWN 503.
  void RefuseNew() { refusing_.store(true); }

 private:
  class Exchange;
  void Dispatch(std::unique_ptr<Exchange> exchange);
  void Run(std::unique_ptr<Exchange> exchange);
  Status Prepare(Exchange& exchange, Reply* refusal);
  Status Authenticate(Exchange& exchange, Reply* refusal);
  bool WithinLimits(Exchange& exchange, Reply* refusal);
  void Answer(Exchange& exchange, Result<Reply> result);
  std::string RequestId(const HttpRequest& request);

  Services& services_;
  const RouteTable table_;
  RateLimiter limiter_;
  RequestMetrics metrics_;
  std::atomic<bool> refusing_{false};
  std::atomic<uint64_t> next_request_{0};
};

}  // namespace matrixcore::api
