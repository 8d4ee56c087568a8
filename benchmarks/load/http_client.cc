#include "http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <chrono>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "clock.h"

namespace matrixcore::load {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::beast::string_view;
using boost::system::error_code;

constexpr auto kSweepInterval = std::chrono::milliseconds(500);
constexpr size_t kReadSize = 16 * 1024;

// Keeps of an answer what a load generator looks at.
class ReplyParser : public http::basic_parser<false> {
 public:
  explicit ReplyParser(std::string* body) : body_(*body) {
    body_.clear();
    body_limit(boost::none);
    eager(true);
  }
  int status() const { return status_; }
  int64_t retry_after_ms() const { return retry_after_ms_; }

 private:
  void on_request_impl(http::verb, string_view, string_view, int,
                       error_code&) override {}
  void on_response_impl(int code, string_view, int, error_code&) override {
    status_ = code;
  }
  void on_field_impl(http::field name, string_view, string_view value,
                     error_code&) override {
    if (name != http::field::retry_after) return;
    int64_t seconds = 0;
    for (const char c : value) {
      if (c < '0' || c > '9') return;
      seconds = seconds * 10 + (c - '0');
      if (seconds > 86'400) return;
    }
    retry_after_ms_ = seconds * 1000;
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<uint64_t>& length,
                         error_code&) override {
    if (length) body_.reserve(static_cast<size_t>(*length));
  }
  size_t on_body_impl(string_view part, error_code&) override {
    body_.append(part.data(), part.size());
    return part.size();
  }
  void on_chunk_header_impl(uint64_t, string_view, error_code&) override {}
  size_t on_chunk_body_impl(uint64_t, string_view part, error_code&) override {
    body_.append(part.data(), part.size());
    return part.size();
  }
  void on_finish_impl(error_code&) override {}

  std::string& body_;
  int status_ = 0;
  int64_t retry_after_ms_ = -1;
};

struct Shared {
  asio::io_context& io;
  Target target;
  HttpClient::Options options;
  tcp::resolver::results_type addresses;
  asio::ssl::context tls{asio::ssl::context::tls_client};
};

template <typename Stream>
class ConnectionOver final
    : public Connection,
      public std::enable_shared_from_this<ConnectionOver<Stream>> {
 public:
  explicit ConnectionOver(Shared& shared) : shared_(shared) {}

  void Send(const Request& request, Handler handler) override {
    handler_ = std::move(handler);
    deadline_ns_ = NowNs() + shared_.options.timeout_ms * 1'000'000;
    Format(request);
    may_resend_ = stream_ != nullptr;
    if (stream_) {
      Write();
    } else {
      Connect();
    }
  }

  void Close() override {
    handler_ = nullptr;
    Drop();
  }

  void CheckDeadline(int64_t now_ns) override {
    if (handler_ && now_ns > deadline_ns_) Fail("timeout");
  }

 private:
  static constexpr bool kTls = !std::is_same_v<Stream, tcp::socket>;

  void Format(const Request& request) {
    const bool has_body = request.method != "GET";
    const std::string_view body =
        has_body && request.body.empty() ? "{}" : request.body;
    out_.clear();
    fmt::format_to(std::back_inserter(out_), "{} {} HTTP/1.1\r\nHost: {}\r\n",
                   request.method, request.path, shared_.target.authority);
    if (!request.token.empty()) {
      fmt::format_to(std::back_inserter(out_), "Authorization: Bearer {}\r\n",
                     request.token);
    }
    if (has_body) {
      fmt::format_to(std::back_inserter(out_),
                     "Content-Type: application/json\r\n"
                     "Content-Length: {}\r\n\r\n{}",
                     body.size(), body);
    } else {
      out_ += "\r\n";
    }
  }

  void Connect() {
    if constexpr (kTls) {
      stream_ = std::make_shared<Stream>(shared_.io, shared_.tls);
      SSL_set_tlsext_host_name(stream_->native_handle(),
                               shared_.target.host.c_str());
      if (!shared_.options.insecure) {
        stream_->set_verify_callback(
            asio::ssl::host_name_verification(shared_.target.host));
      }
    } else {
      stream_ = std::make_shared<Stream>(shared_.io);
    }
    filled_ = 0;
    asio::async_connect(stream_->lowest_layer(), shared_.addresses,
                        Guarded([this](const error_code& ec, const auto&) {
                          if (ec) return Fail(Describe("connect", ec));
                          error_code ignored;
                          stream_->lowest_layer().set_option(
                              tcp::no_delay(true), ignored);
                          Handshake();
                        }));
  }

  void Handshake() {
    if constexpr (kTls) {
      stream_->async_handshake(asio::ssl::stream_base::client,
                               Guarded([this](const error_code& ec) {
                                 if (ec) return Fail(Describe("TLS", ec));
                                 Write();
                               }));
    } else {
      Write();
    }
  }

  void Write() {
    parser_.emplace(&body_);
    asio::async_write(*stream_, asio::buffer(out_),
                      Guarded([this](const error_code& ec, size_t) {
                        if (ec) return FailOrResend(Describe("send", ec));
                        Read();
                      }));
  }

  void Read() {
    if (in_.size() - filled_ < kReadSize / 2) {
      in_.resize(std::max(kReadSize, 2 * in_.size()));
    }
    stream_->async_read_some(
        asio::buffer(in_.data() + filled_, in_.size() - filled_),
        Guarded([this](const error_code& ec, size_t size) {
          filled_ += size;
          if (ec == asio::error::eof && parser_->got_some()) {
            error_code finish;
            parser_->put_eof(finish);
            if (!finish && parser_->is_done()) return Finish();
          }
          if (ec) return FailOrResend(Describe("receive", ec));
          Parse();
        }));
  }

  void Parse() {
    error_code ec;
    size_t taken = 0;
    while (!parser_->is_done() && taken < filled_) {
      const size_t part = parser_->put(
          asio::const_buffer(in_.data() + taken, filled_ - taken), ec);
      taken += part;
      if (ec == http::error::need_more) break;
      if (ec) return Fail(Describe("parse", ec));
      if (part == 0) break;
    }
    filled_ -= taken;
    if (filled_ > 0) std::memmove(in_.data(), in_.data() + taken, filled_);
    if (parser_->is_done()) {
      Finish();
    } else {
      Read();
    }
  }

  void Finish() {
    const Reply reply = {.status = parser_->status(),
                         .body = body_,
                         .error = {},
                         .retry_after_ms = parser_->retry_after_ms()};
    if (!parser_->keep_alive()) Drop();
    // The handler may send the next request from within.
    const Handler handler = std::exchange(handler_, nullptr);
    if (handler) handler(reply);
  }

  void FailOrResend(std::string_view what) {
    if (may_resend_ && !parser_->got_some()) {
      may_resend_ = false;
      Drop();
      Connect();
      return;
    }
    Fail(what);
  }

  void Fail(std::string_view what) {
    const std::string error(what);
    Drop();
    const Handler handler = std::exchange(handler_, nullptr);
    if (handler) {
      handler(Reply{.status = 0, .body = {}, .error = error});
    }
  }

  void Drop() {
    if (!stream_) return;
    error_code ignored;
    stream_->lowest_layer().close(ignored);
    stream_.reset();
  }

  // Wraps a completion so that it keeps the connection and its stream alive,
  // and does nothing once that stream has been dropped.
  template <typename F>
  auto Guarded(F f) {
    return [self = this->shared_from_this(), stream = stream_,
            f = std::move(f)](auto&&... args) {
      if (stream == self->stream_) f(std::forward<decltype(args)>(args)...);
    };
  }

  std::string_view Describe(std::string_view what, const error_code& ec) {
    error_ = fmt::format("{}: {}", what, ec.message());
    return error_;
  }

  Shared& shared_;
  std::shared_ptr<Stream> stream_;  // null while closed
  Handler handler_;                 // set while a request is under way
  int64_t deadline_ns_ = 0;
  bool may_resend_ = false;
  std::string out_;
  std::vector<char> in_;  // received; `filled_` bytes are not parsed yet
  size_t filled_ = 0;
  std::string body_;
  std::string error_;
  std::optional<ReplyParser> parser_;
};

class HttpClientImpl final : public HttpClient {
 public:
  HttpClientImpl(asio::io_context& io, Target target, const Options& options,
                 tcp::resolver::results_type addresses)
      : shared_{io, std::move(target), options, std::move(addresses)},
        timer_(io) {
    shared_.tls.set_default_verify_paths();
    shared_.tls.set_verify_mode(options.insecure ? asio::ssl::verify_none
                                                 : asio::ssl::verify_peer);
    Sweep();
  }

  std::shared_ptr<Connection> NewConnection() override {
    std::shared_ptr<Connection> connection;
    if (shared_.target.tls) {
      connection =
          std::make_shared<ConnectionOver<asio::ssl::stream<tcp::socket>>>(
              shared_);
    } else {
      connection = std::make_shared<ConnectionOver<tcp::socket>>(shared_);
    }
    connections_.push_back(connection);
    return connection;
  }

 private:
  void Sweep() {
    const int64_t now = NowNs();
    std::erase_if(connections_, [](const auto& c) { return c.expired(); });
    // A handler may open connections: iterate over a copy.
    const std::vector<std::weak_ptr<Connection>> all = connections_;
    for (const std::weak_ptr<Connection>& weak : all) {
      if (const auto connection = weak.lock()) connection->CheckDeadline(now);
    }
    timer_.expires_after(kSweepInterval);
    timer_.async_wait([this](const error_code& ec) {
      if (!ec) Sweep();
    });
  }

  Shared shared_;
  asio::steady_timer timer_;
  std::vector<std::weak_ptr<Connection>> connections_;
};

}  // namespace

Result<Target> ParseTarget(std::string_view url) {
  Target target;
  if (url.starts_with("https://")) {
    target.tls = true;
    url.remove_prefix(8);
  } else if (url.starts_with("http://")) {
    url.remove_prefix(7);
  } else {
    return Status(StatusCode::kInvalidArgument,
                  "the URL must begin with http:// or https://");
  }
  if (url.ends_with('/')) url.remove_suffix(1);
  target.authority = url;
  const size_t bracket = url.rfind(']');
  const size_t colon = url.rfind(':');
  if (colon != std::string_view::npos &&
      (bracket == std::string_view::npos || colon > bracket)) {
    target.port = url.substr(colon + 1);
    url = url.substr(0, colon);
  } else {
    target.port = target.tls ? "443" : "80";
  }
  if (url.starts_with('[') && url.ends_with(']')) {
    url = url.substr(1, url.size() - 2);
  }
  target.host = url;
  if (target.host.empty() || target.port.empty() ||
      target.authority.find_first_of("/?#@ ") != std::string::npos) {
    return Status(StatusCode::kInvalidArgument,
                  "the URL must be that of a host, without a path");
  }
  return target;
}

Result<std::unique_ptr<HttpClient>> HttpClient::Create(asio::io_context& io,
                                                       const Target& target,
                                                       const Options& options) {
  tcp::resolver resolver(io);
  error_code ec;
  auto addresses = resolver.resolve(target.host, target.port, ec);
  if (ec) {
    return Status(StatusCode::kUnavailable,
                  fmt::format("{}: {}", target.host, ec.message()));
  }
  return std::unique_ptr<HttpClient>(std::make_unique<HttpClientImpl>(
      io, target, options, std::move(addresses)));
}

std::string EscapeSegment(std::string_view text) {
  static constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string escaped;
  escaped.reserve(text.size() + 16);
  for (const char c : text) {
    if (kUnreserved.find(c) != std::string_view::npos) {
      escaped += c;
    } else {
      fmt::format_to(std::back_inserter(escaped), "%{:02X}",
                     static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

}  // namespace matrixcore::load
