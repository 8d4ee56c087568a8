// A client for tests of the transport: sends the very bytes that a test wants.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "matrixcore/base/mutex.h"
#include "matrixcore/http/message.h"
#include "matrixcore/net/http_server.h"

namespace matrixcore::net {

struct ClientResponse {
  int status = 0;
  std::string head;
  std::string body;

  // A field's value, "" when there is none.
  std::string Field(std::string_view name) const {
    size_t at = head.find("\r\n");
    while (at != std::string::npos && at + 2 < head.size()) {
      at += 2;
      const size_t end = head.find("\r\n", at);
      const std::string line = head.substr(at, end - at);
      if (line.size() > name.size() + 1 && line[name.size()] == ':' &&
          strncasecmp(line.data(), name.data(), name.size()) == 0) {
        return line.substr(name.size() + 2);
      }
      at = end;
    }
    return "";
  }
};

// A TCP connection to a port of this machine.  Reads give up after ten seconds.
class SocketClient {
 public:
  // Not connected yet.
  SocketClient() { fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }
  explicit SocketClient(uint16_t port, int receive_buffer = 0)
      : SocketClient() {
    if (receive_buffer > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer,
                 sizeof(receive_buffer));
    }
    Connect(port);
  }
  void Connect(uint16_t port) {
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address),
                         sizeof(address)) == 0;
  }
  virtual ~SocketClient() { Close(); }
  SocketClient(const SocketClient&) = delete;
  SocketClient& operator=(const SocketClient&) = delete;

  bool connected() const { return connected_; }
  int fd() const { return fd_; }

  // False when the server has closed.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = WriteSome(bytes);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  // Nothing when the connection ends first.  `head_only`: the answer to HEAD.
  std::optional<ClientResponse> Read(bool head_only = false) {
    size_t end;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill()) return std::nullopt;
    }
    ClientResponse response;
    response.head = input_.substr(0, end + 2);
    response.status = std::atoi(response.head.c_str() + 9);
    input_.erase(0, end + 4);
    const std::string length = response.Field("Content-Length");
    const size_t size = head_only || length.empty() ? 0 : std::stoul(length);
    while (input_.size() < size) {
      if (!Fill()) return std::nullopt;
    }
    response.body = input_.substr(0, size);
    input_.erase(0, size);
    return response;
  }

  std::optional<ClientResponse> Ask(std::string_view request) {
    return Send(request) ? Read() : std::nullopt;
  }

  // True when the server closes without sending anything more.
  bool AtEnd() { return input_.empty() && !Fill() && ended_; }

  void ShutdownSend() { shutdown(fd_, SHUT_WR); }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  // Closes with a reset.
  void Abort() {
    const linger hard{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    Close();
  }

 protected:
  virtual ssize_t WriteSome(std::string_view bytes) {
    return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  virtual ssize_t ReadSome(char* out, size_t size) {
    return recv(fd_, out, size, 0);
  }

 private:
  bool Fill() {
    char buffer[65536];
    const ssize_t n = ReadSome(buffer, sizeof(buffer));
    if (n > 0) {
      input_.append(buffer, static_cast<size_t>(n));
      return true;
    }
    ended_ = n == 0 || errno == ECONNRESET;
    return false;
  }

  int fd_ = -1;
  bool connected_ = false;
  bool ended_ = false;
  std::string input_;
};

// Handles requests by a function.
class FunctionHandler : public HttpHandler {
 public:
  using Function = std::function<void(HttpRequest, Responder)>;
  explicit FunctionHandler(Function function)
      : function_(std::move(function)) {}
  void Handle(HttpRequest request, Responder respond) override {
    function_(std::move(request), std::move(respond));
  }

 private:
  Function function_;
};

// Keeps requests until the test takes them.
class ParkingHandler : public HttpHandler {
 public:
  struct Parked {
    HttpRequest request;
    Responder respond;
  };

  void Handle(HttpRequest request, Responder respond) override {
    MutexLock lock(mutex_);
    parked_.push_back({std::move(request), std::move(respond)});
    changed_.NotifyAll();
  }
  // The next request, in the order of their arrival; waits for it.
  Parked Take() {
    MutexLock lock(mutex_);
    while (parked_.empty()) changed_.Wait(mutex_);
    Parked parked = std::move(parked_.front());
    parked_.pop_front();
    return parked;
  }
  bool empty() {
    MutexLock lock(mutex_);
    return parked_.empty();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::deque<Parked> parked_ MC_GUARDED_BY(mutex_);
};

// Something that happens once.
class Event {
 public:
  void Set() {
    MutexLock lock(mutex_);
    set_ = true;
    changed_.NotifyAll();
  }
  // False after ten seconds.
  bool Wait() {
    MutexLock lock(mutex_);
    while (!set_) {
      if (!changed_.WaitFor(mutex_, seconds(10))) return set_;
    }
    return true;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool set_ MC_GUARDED_BY(mutex_) = false;
};

inline HttpResponse TextResponse(std::string body, int status = 200) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

// What a server needs besides its handler.
struct ServerWorld {
  std::unique_ptr<Clock> clock = NewSystemClock();
  std::unique_ptr<Random> random = NewSeededRandom(1);
  std::unique_ptr<Logger> log = NewNullLogger();
  std::unique_ptr<Metrics> metrics = NewMetrics();

  Result<std::unique_ptr<HttpServer>> Start(HttpServerOptions options,
                                            HttpHandler& handler) {
    if (options.listeners.empty()) options.listeners.emplace_back();
    return HttpServer::Start(std::move(options), handler, *clock, *random, *log,
                             *metrics);
  }
};

}  // namespace matrixcore::net
