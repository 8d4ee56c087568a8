// Requests of one kind, many at a time, with retries when the server asks for
// patience: what setting up is made of.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "http_client.h"
#include "matrixcore/base/status.h"

namespace matrixcore::load {

// An owned Request.
struct Call {
  std::string method = "POST";
  std::string path;
  std::string token;
  std::string body;
};

// Sends `make(0)` .. `make(count-1)` over `width` connections and hands each
// answer to `take`, which says whether it is acceptable.  429 is waited out and
// repeated, at most 100 times a call.  Runs `io` until all are done; returns
// the first failure.  `what` names the work in progress messages and failures.
Status RunCalls(boost::asio::io_context& io, HttpClient& client,
                std::string_view what, size_t count, uint32_t width,
                const std::function<Call(size_t)>& make,
                const std::function<Status(size_t, const Reply&)>& take);

// The failure that a reply with an unexpected status is.
Status Unexpected(std::string_view what, const Reply& reply);

}  // namespace matrixcore::load
