// RequestParser: one HTTP/1.x request, fed in pieces, into an HttpRequest.
//
// Boost.Beast's parser underneath; on top of it the rules that are a server's:
// limits, Host, absolute-form targets, Expect, unknown transfer codings.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "matrixcore/http/message.h"

namespace matrixcore::net {

struct ParserLimits {
  size_t header_bytes = 16u << 10;
  size_t header_fields = 128;
  uint64_t body_bytes = 50u << 20;
};

// Why a request is refused; 0 when it is not.
struct ParseFailure {
  int status = 0;
  std::string_view errcode;
  std::string_view message;
};

// Not thread-safe.  After a failure or done(), only the accessors.
class RequestParser {
 public:
  explicit RequestParser(const ParserLimits& limits);
  ~RequestParser();

  // Takes a prefix of `data` and returns its length.  What it leaves is to be
  // given again, at the front of more data.
  size_t Feed(std::string_view data);

  const ParseFailure& failure() const;
  bool header_done() const;
  bool done() const;
  // From here on after header_done().
  bool keep_alive() const;
  bool http_1_0() const;
  // The client waits for "100 Continue" before it sends the body.
  bool expects_continue() const;

  // Complete when done(); method and target are right as soon as they were
  // read.
  HttpRequest& request();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace matrixcore::net
