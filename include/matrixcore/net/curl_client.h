// An HttpClient over the network, by libcurl.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "matrixcore/base/log.h"
#include "matrixcore/base/metrics.h"
#include "matrixcore/base/status.h"
#include "matrixcore/http/message.h"
#include "matrixcore/net/ip_range.h"

namespace matrixcore {

struct CurlClientOptions {
  // Where connections may go.  It is asked for every connection, after names
  // are resolved and after every redirect, with the very address that is
  // connected to: a name that resolves to something else later gains nothing.
  IpFilter filter = {};
  // PEM files of certificate authorities trusted besides the system's.
  std::vector<std::string> custom_ca_files = {};
  // Accepts any certificate.  For tests only.
  bool insecure_skip_tls_verify = false;
  // Redirects that are followed, of GET and HEAD only; one more is
  // kUnavailable. With 0 the redirect itself is the answer.
  int max_redirects = 0;
  Duration connect_timeout = seconds(10);
  // Requests under way at once; more wait in line, within their timeouts.
  size_t max_requests = 256;
  size_t max_requests_per_host = 8;
  std::string user_agent = "matrixcore";
};

// One thread for all transfers; connections are kept and used again.
// Environment variables that name proxies are not heeded.
//
// Failures besides those of HttpClient: kInvalidArgument (a URL that is not
// http or https, a header field with a line break), kPermissionDenied (refused
// by the filter).  `done` runs on the client's thread and must not block; it
// may call Send.  Destroying the client, which `done` must not do, fails what
// is under way with kUnavailable.
//
// kInvalidArgument when a CA file cannot be read; the message names it.
Result<std::unique_ptr<HttpClient>> NewCurlClient(CurlClientOptions options,
                                                  const Clock& clock,
                                                  Logger& log,
                                                  Metrics& metrics);

}  // namespace matrixcore
