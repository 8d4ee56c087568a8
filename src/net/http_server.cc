#include "matrixcore/net/http_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "net/admission.h"
#include "net/connection.h"
#include "net/forwarded.h"
#include "net/loop.h"
#include "net/tls.h"

namespace matrixcore {
namespace net {
namespace {

using boost::system::error_code;
using Acceptor =
    asio::basic_socket_acceptor<Tcp, asio::io_context::executor_type>;

// After an accept that failed for want of descriptors or memory.
constexpr std::chrono::milliseconds kAcceptPause(100);
// Idle connections that make room for a new one.
constexpr size_t kCloseForRoom = 8;
constexpr int64_t kWarnEvery = 60'000'000'000;

std::string AddressAndPort(const IpAddress& address, uint16_t port) {
  return fmt::format(fmt::runtime(address.is_v4() ? "{}:{}" : "[{}]:{}"),
                     address.ToString(), port);
}

Status CannotListen(const std::string& where, const error_code& error) {
  std::string_view hint;
  if (error == asio::error::address_in_use) {
    hint = "another program uses this port";
  } else if (error == asio::error::access_denied) {
    hint = "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE";
  } else if (error.value() == EADDRNOTAVAIL) {
    hint = "this machine does not have that address";
  }
  return {StatusCode::kUnavailable,
          fmt::format("cannot listen on {}: {}{}{}", where, error.message(),
                      hint.empty() ? "" : "; ", hint)};
}

bool IsLoopback(const IpAddress& address) {
  const auto v4 = IpRange::Parse("127.0.0.0/8");
  const auto v6 = IpRange::Parse("::1");
  return v4->Contains(address) || v6->Contains(address);
}

bool IsShortage(const error_code& error) {
  switch (error.value()) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return true;
    default:
      return false;
  }
}

}  // namespace

// A listening socket.  Lives on the first loop.
class Acceptance : public std::enable_shared_from_this<Acceptance> {
 public:
  Acceptance(std::vector<std::shared_ptr<Loop>>& loops,
             std::shared_ptr<ServerShared> shared, HttpListener options)
      : loops_(loops),
        shared_(std::move(shared)),
        options_(std::move(options)),
        acceptor_(loops_.front()->io()),
        pause_(loops_.front()->io()) {}

  // Before the loops run.
  Status Open();
  HttpEndpoint endpoint() const;

  // From any thread.
  bool tls() const { return options_.tls.has_value(); }
  Result<std::shared_ptr<const TlsContext>> LoadCertificate() const {
    return TlsContext::Load(*options_.tls);
  }
  void UseCertificate(std::shared_ptr<const TlsContext> context);

  // On the first loop.
  void Accept();
  void Close();

 private:
  Status Bind();
  void OnAccept(const error_code& error, Socket socket, size_t loop);
  void OnShortage(const error_code& error);
  void Welcome(Socket socket, const IpAddress& address, Loop& loop);
  bool Admit(Socket& socket, const Connection::Peer& peer);
  void Reject(Socket& socket, int status, std::string_view message);

  std::vector<std::shared_ptr<Loop>>& loops_;
  const std::shared_ptr<ServerShared> shared_;
  const HttpListener options_;
  Acceptor acceptor_;
  asio::steady_timer pause_;
  size_t next_loop_ = 0;
  int64_t next_warning_ = 0;
  Mutex mutex_;
  std::shared_ptr<const TlsContext> certificate_ MC_GUARDED_BY(mutex_);
};

Status Acceptance::Open() {
  if (options_.tls) {
    MC_ASSIGN_OR_RETURN(auto certificate, LoadCertificate());
    UseCertificate(std::move(certificate));
  }
  if (options_.inherited_socket >= 0) {
    sockaddr_storage name{};
    socklen_t length = sizeof(name);
    error_code error;
    if (getsockname(options_.inherited_socket,
                    reinterpret_cast<sockaddr*>(&name), &length) != 0) {
      error.assign(errno, boost::system::system_category());
    } else {
      acceptor_.assign(name.ss_family == AF_INET6 ? Tcp::v6() : Tcp::v4(),
                       options_.inherited_socket, error);
    }
    if (error) return CannotListen("the inherited socket", error);
    return OkStatus();
  }
  return Bind();
}

Status Acceptance::Bind() {
  const std::optional<IpAddress> address = IpAddress::Parse(options_.address);
  if (!address) {
    return {StatusCode::kInvalidArgument,
            fmt::format("\"{}\" is not an IPv4 or IPv6 address to listen on",
                        options_.address)};
  }
  error_code error;
  const Tcp::endpoint where(asio::ip::make_address(address->ToString(), error),
                            options_.port);
  const std::string name = AddressAndPort(*address, options_.port);
  acceptor_.open(where.protocol(), error);
  if (!error) acceptor_.set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(where, error);
  if (!error) acceptor_.listen(Acceptor::max_listen_connections, error);
  if (error) return CannotListen(name, error);
  return OkStatus();
}

HttpEndpoint Acceptance::endpoint() const {
  error_code ignored;
  const Tcp::endpoint local = acceptor_.local_endpoint(ignored);
  const auto address = IpAddress::FromSockaddr(local.data());
  return {address ? address->ToString() : options_.address, local.port(),
          tls()};
}

void Acceptance::UseCertificate(std::shared_ptr<const TlsContext> context) {
  MutexLock lock(mutex_);
  certificate_ = std::move(context);
}

void Acceptance::Accept() {
  if (!acceptor_.is_open()) return;
  const size_t loop = next_loop_++ % loops_.size();
  acceptor_.async_accept(loops_[loop]->io(),
                         [self = shared_from_this(), loop](
                             const error_code& error, Socket socket) {
                           if (error == asio::error::operation_aborted) return;
                           self->OnAccept(error, std::move(socket), loop);
                         });
}

void Acceptance::Close() {
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
}

// Descriptors are used up: lets some go, and does not spin meanwhile.
void Acceptance::OnShortage(const error_code& error) {
  const int64_t now = shared_->clock.Monotonic().ns;
  if (now >= next_warning_) {
    next_warning_ = now + kWarnEvery;
    shared_->log.Warn("net", "cannot accept connections",
                      {{"error", error.message()}});
  }
  shared_->metrics.CountRefusedConnection("descriptors");
  for (const std::shared_ptr<Loop>& loop : loops_) {
    asio::post(loop->io(), [loop] { loop->CloseIdle(kCloseForRoom); });
  }
  pause_.expires_after(kAcceptPause);
  pause_.async_wait([self = shared_from_this()](const error_code& aborted) {
    if (!aborted) self->Accept();
  });
}

void Acceptance::OnAccept(const error_code& error, Socket socket, size_t loop) {
  if (IsShortage(error)) return OnShortage(error);
  if (!error) {
    error_code gone;
    const Tcp::endpoint name = socket.remote_endpoint(gone);
    const std::optional<IpAddress> address =
        gone ? std::nullopt : IpAddress::FromSockaddr(name.data());
    if (address) Welcome(std::move(socket), *address, *loops_[loop]);
  }
  Accept();
}

void Acceptance::Welcome(Socket socket, const IpAddress& address, Loop& loop) {
  Connection::Peer peer{.address = address};
  peer.trusted_proxy = InRanges(address, shared_->trusted_proxies);
  peer.exempt =
      peer.trusted_proxy || (!shared_->count_loopback && IsLoopback(address));
  if (!Admit(socket, peer)) return;
  std::unique_ptr<TlsStream> stream;
  if (tls()) {
    std::shared_ptr<const TlsContext> certificate;
    {
      MutexLock lock(mutex_);
      certificate = certificate_;
    }
    stream = certificate->NewServerStream(socket.native_handle());
    if (!stream) return shared_->admission.Leave(address, peer.exempt);
  }
  shared_->metrics.accepted.Add();
  shared_->metrics.connections.Add(1);
  auto connection = std::make_shared<Connection>(
      loop.shared_from_this(), std::move(socket), peer, std::move(stream));
  asio::dispatch(loop.io(),
                 [connection = std::move(connection)] { connection->Start(); });
}

bool Acceptance::Admit(Socket& socket, const Connection::Peer& peer) {
  switch (shared_->admission.Enter(peer.address, peer.exempt)) {
    case Admission::Verdict::kAdmitted:
      return true;
    case Admission::Verdict::kTooManyFromAddress:
      shared_->metrics.CountRefusedConnection("address");
      Reject(socket, 429, "Too many connections from this address");
      return false;
    case Admission::Verdict::kTooMany:
      break;
  }
  // Someone who is idle makes room; on this loop at once, on others for the
  // next to come.
  for (const std::shared_ptr<Loop>& loop : loops_) {
    asio::dispatch(loop->io(), [loop] { loop->CloseIdle(kCloseForRoom); });
  }
  if (shared_->admission.Enter(peer.address, peer.exempt) ==
      Admission::Verdict::kAdmitted) {
    return true;
  }
  shared_->metrics.CountRefusedConnection("total");
  const int64_t now = shared_->clock.Monotonic().ns;
  if (now >= next_warning_) {
    next_warning_ = now + kWarnEvery;
    shared_->log.Warn("net", "connection refused: limits.max_connections");
  }
  Reject(socket, 503, "The server has too many connections");
  return false;
}

void Acceptance::Reject(Socket& socket, int status, std::string_view message) {
  if (tls()) return;
  HttpResponse response = ErrorResponse(status, "M_LIMIT_EXCEEDED", message);
  response.headers.Add("Retry-After", "5");
  std::string text;
  HeadWriter(shared_->clock).Write(text, response, {.keep_alive = false});
  text += response.body;
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(text), ignored);
  socket.shutdown(Socket::shutdown_send, ignored);
}

}  // namespace net

struct HttpServer::Rep {
  std::shared_ptr<net::ServerShared> shared;
  std::vector<std::shared_ptr<net::Loop>> loops;
  std::vector<std::shared_ptr<net::Acceptance>> listeners;
  std::vector<HttpEndpoint> endpoints;
  Mutex mutex;
  bool stopped MC_GUARDED_BY(mutex) = false;
};

HttpServer::HttpServer(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}

HttpServer::~HttpServer() { Stop(Duration::zero()); }

Result<std::unique_ptr<HttpServer>> HttpServer::Start(
    HttpServerOptions options, HttpHandler& handler, const Clock& clock,
    Random& random, Logger& log, Metrics& metrics) {
  auto rep = std::make_unique<Rep>();
  rep->shared = std::make_shared<net::ServerShared>(options, handler, clock,
                                                    random, log, metrics);
  for (size_t i = 0; i < std::max<size_t>(options.threads, 1); ++i) {
    rep->loops.push_back(std::make_shared<net::Loop>(rep->shared));
  }
  bool any_tls = false;
  for (HttpListener& listener : options.listeners) {
    auto acceptance = std::make_shared<net::Acceptance>(rep->loops, rep->shared,
                                                        std::move(listener));
    MC_RETURN_IF_ERROR(acceptance->Open());
    rep->endpoints.push_back(acceptance->endpoint());
    any_tls = any_tls || acceptance->tls();
    rep->listeners.push_back(std::move(acceptance));
  }
  if (any_tls) {
    const std::string groups = OfferedTlsGroups();
    log.Info("net",
             groups.find("MLKEM") != std::string::npos
                 ? "TLS offers post-quantum key exchange"
                 : "TLS is classical only: this OpenSSL has no ML-KEM",
             {{"groups", groups}});
  }
  for (const auto& acceptance : rep->listeners) {
    net::asio::post(rep->loops.front()->io(),
                    [acceptance] { acceptance->Accept(); });
  }
  for (size_t i = 0; i < rep->loops.size(); ++i) rep->loops[i]->StartThread(i);
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(rep)));
}

const std::vector<HttpEndpoint>& HttpServer::endpoints() const {
  return rep_->endpoints;
}

Status HttpServer::ReloadCertificates() {
  std::vector<std::shared_ptr<const net::TlsContext>> loaded;
  for (const auto& listener : rep_->listeners) {
    if (!listener->tls()) {
      loaded.push_back(nullptr);
      continue;
    }
    MC_ASSIGN_OR_RETURN(auto context, listener->LoadCertificate());
    loaded.push_back(std::move(context));
  }
  for (size_t i = 0; i < loaded.size(); ++i) {
    if (loaded[i]) rep_->listeners[i]->UseCertificate(std::move(loaded[i]));
  }
  return OkStatus();
}

void HttpServer::StopAccepting() {
  if (rep_->shared->stopping.exchange(true)) return;
  for (const auto& listener : rep_->listeners) {
    net::asio::post(rep_->loops.front()->io(),
                    [listener] { listener->Close(); });
  }
  for (const auto& loop : rep_->loops) {
    net::asio::post(loop->io(), [loop] { loop->CloseIdle(SIZE_MAX); });
  }
}

void HttpServer::Stop(Duration grace) {
  MutexLock lock(rep_->mutex);
  if (std::exchange(rep_->stopped, true)) return;
  StopAccepting();
  const MonotonicTime deadline = rep_->shared->clock.Monotonic() + grace;
  rep_->shared->AwaitIdle(deadline);
  for (const auto& loop : rep_->loops) {
    net::asio::post(loop->io(), [loop] { loop->CloseAll(); });
  }
  for (const auto& loop : rep_->loops) loop->Join();
}

}  // namespace matrixcore
