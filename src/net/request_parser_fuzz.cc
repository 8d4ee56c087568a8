// Feeds bytes to the request parser in two ways, whole and in pieces, as a
// client may send them; both must come to the same.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net/request_parser.h"

namespace {

using matrixcore::HttpRequest;
using matrixcore::net::ParserLimits;
using matrixcore::net::RequestParser;

constexpr ParserLimits kLimits{
    .header_bytes = 512, .header_fields = 16, .body_bytes = 1024};

struct Outcome {
  bool done = false;
  bool failed = false;
  HttpRequest request;
};

Outcome Parse(std::string_view text, size_t step) {
  RequestParser parser(kLimits);
  std::string held;
  while (!text.empty() && !parser.done() && parser.failure().status == 0) {
    held.append(text.substr(0, step));
    text.remove_prefix(std::min(step, text.size()));
    const size_t taken = parser.Feed(held);
    if (taken > held.size()) std::abort();
    held.erase(0, taken);
  }
  Outcome outcome;
  outcome.failed = parser.failure().status != 0;
  outcome.done = !outcome.failed && parser.done();
  outcome.request = std::move(parser.request());
  if (outcome.request.body.size() > kLimits.body_bytes) std::abort();
  if (outcome.request.headers.fields().size() > kLimits.header_fields) {
    std::abort();
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t step = size_t{data[0]} % 16 + 1;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1,
                              size - 1);
  const Outcome whole = Parse(text, text.size());
  const Outcome pieces = Parse(text, step);
  // Limits are met earlier or later depending on the pieces; a request that is
  // complete both ways must be the same.
  if (whole.done && pieces.done &&
      (whole.request.target != pieces.request.target ||
       whole.request.body != pieces.request.body ||
       whole.request.headers.fields() != pieces.request.headers.fields())) {
    std::abort();
  }
  return 0;
}
