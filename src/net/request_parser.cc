#include "net/request_parser.h"

#include <strings.h>

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <string>
#include <utility>

namespace matrixcore::net {
namespace {

namespace http = boost::beast::http;
using BeastError = boost::beast::error_code;
using BeastText = boost::beast::string_view;

// A body's claimed length reserves at most this much; more is reserved as it
// comes in.
constexpr uint64_t kMaxReserve = 256u << 10;

bool EqualsNoCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool StartsWithNoCase(std::string_view text, std::string_view prefix) {
  return EqualsNoCase(text.substr(0, prefix.size()), prefix);
}

// absolute-form ("http://host/path") becomes origin-form (RFC 9112 section
// 3.2.2); everything else stays as it is.
std::string OriginForm(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!StartsWithNoCase(target, scheme)) continue;
    const size_t path = target.find_first_of("/?", scheme.size());
    if (path == std::string_view::npos) return "/";
    std::string origin(target[path] == '/' ? "" : "/");
    return origin += target.substr(path);
  }
  return std::string(target);
}

}  // namespace

class RequestParser::Impl final : public http::basic_parser<true> {
 public:
  explicit Impl(const ParserLimits& limits)
      : max_header_(limits.header_bytes), max_fields_(limits.header_fields) {
    eager(true);
    header_limit(static_cast<uint32_t>(
        std::min<size_t>(limits.header_bytes, UINT32_MAX)));
    body_limit(limits.body_bytes);
  }

  size_t Feed(std::string_view data) {
    BeastError error;
    const size_t taken =
        put(boost::asio::const_buffer(data.data(), data.size()), error);
    if (error == http::error::need_more) {
      // A trailer or a chunk extension waits for its end without a limit of its
      // own.
      if (data.size() - taken > max_header_) {
        Fail(431, "M_TOO_LARGE", "The request's trailer is too large");
      }
    } else if (error) {
      FailWith(error);
    }
    return taken;
  }

  void Fail(int status, std::string_view errcode, std::string_view message) {
    if (failure_.status == 0) failure_ = {status, errcode, message};
  }

  HttpRequest request_;
  ParseFailure failure_;
  bool http_1_0_ = false;
  bool expects_continue_ = false;

 protected:
  void on_request_impl(http::verb, BeastText method, BeastText target,
                       int version, BeastError& error) override {
    request_.method =
        ParseHttpMethod(std::string_view(method.data(), method.size()));
    request_.target =
        OriginForm(std::string_view(target.data(), target.size()));
    http_1_0_ = version < 11;
    CountHeader(method.size() + target.size() + 12, error);
  }

  void on_response_impl(int, BeastText, int, BeastError&) override {}

  void on_field_impl(http::field field, BeastText name, BeastText value,
                     BeastError& error) override {
    CountHeader(name.size() + value.size() + 4, error);
    if (error) return;
    if (++fields_ > max_fields_) {
      Fail(431, "M_TOO_LARGE", "The request has too many header fields");
      error = http::error::header_limit;
      return;
    }
    // A trailer field must not pass for a header field.
    if (in_trailer_) return;
    const std::string_view text(value.data(), value.size());
    switch (field) {
      case http::field::host:
        ++hosts_;
        break;
      case http::field::expect:
        if (EqualsNoCase(text, "100-continue")) {
          expects_continue_ = true;
        } else {
          Fail(417, "M_UNRECOGNIZED", "This expectation cannot be met");
          error = http::error::bad_value;
          return;
        }
        break;
      case http::field::transfer_encoding:
        if (!EqualsNoCase(text, "chunked")) {
          Fail(501, "M_UNRECOGNIZED", "This transfer coding is not supported");
          error = http::error::bad_transfer_encoding;
          return;
        }
        break;
      default:
        break;
    }
    request_.headers.Add(std::string(name.data(), name.size()),
                         std::string(text));
  }

  void on_header_impl(BeastError& error) override {
    in_trailer_ = true;
    if (hosts_ > 1 || (hosts_ == 0 && !http_1_0_)) {
      Fail(400, "M_UNKNOWN", "A request needs one Host header field");
      error = http::error::bad_field;
    } else if (http_1_0_ && chunked()) {
      Fail(400, "M_UNKNOWN", "HTTP/1.0 knows no transfer coding");
      error = http::error::bad_transfer_encoding;
    }
    if (http_1_0_) expects_continue_ = false;
  }

  void on_body_init_impl(const boost::optional<uint64_t>& length,
                         BeastError&) override {
    if (length) request_.body.reserve(std::min(*length, kMaxReserve));
  }
  size_t on_body_impl(BeastText body, BeastError&) override {
    request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(uint64_t, BeastText, BeastError&) override {}
  size_t on_chunk_body_impl(uint64_t, BeastText body, BeastError&) override {
    request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(BeastError&) override {}

 private:
  // Beast limits what is unparsed, not the sum of what came in pieces.
  void CountHeader(size_t bytes, BeastError& error) {
    header_bytes_ += bytes;
    if (header_bytes_ > max_header_) error = http::error::header_limit;
  }

  void FailWith(const BeastError& error) {
    if (error == http::error::header_limit) {
      Fail(431, "M_TOO_LARGE", "The request's header is too large");
    } else if (error == http::error::body_limit) {
      Fail(413, "M_TOO_LARGE", "The request's body is too large");
    } else {
      Fail(400, "M_UNKNOWN", "This is not a well-formed HTTP/1.1 request");
    }
  }

  const size_t max_header_;
  const size_t max_fields_;
  size_t header_bytes_ = 0;
  size_t fields_ = 0;
  int hosts_ = 0;
  bool in_trailer_ = false;
};

RequestParser::RequestParser(const ParserLimits& limits)
    : impl_(std::make_unique<Impl>(limits)) {}
RequestParser::~RequestParser() = default;

size_t RequestParser::Feed(std::string_view data) { return impl_->Feed(data); }
const ParseFailure& RequestParser::failure() const { return impl_->failure_; }
bool RequestParser::header_done() const { return impl_->is_header_done(); }
bool RequestParser::done() const { return impl_->is_done(); }
bool RequestParser::keep_alive() const { return impl_->keep_alive(); }
bool RequestParser::http_1_0() const { return impl_->http_1_0_; }
bool RequestParser::expects_continue() const {
  return impl_->expects_continue_;
}
HttpRequest& RequestParser::request() { return impl_->request_; }

}  // namespace matrixcore::net
