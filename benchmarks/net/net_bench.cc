// Measures the transport on this machine, without a homeserver behind it:
//
//   net_bench [REQUESTS [PARKED]]      (200000 and 1000)
//
//   CPU time of the event loop's thread a request, keep-alive, 32 connections,
//   answered at once and answered by another thread; the same over TLS.
//   Resident memory of a connection whose request is parked, plain and TLS.
//
// The clients are a child process, so that only the server is measured.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "matrixcore/base/executor.h"
#include "matrixcore/net/http_server.h"

namespace {

using namespace matrixcore;

constexpr int kConnections = 32;
// What a browser's client sends along.
const std::string kRequest =
    "GET /_matrix/client/v3/sync?since=s123_456&timeout=30000 HTTP/1.1\r\n"
    "Host: matrix.example.org\r\nConnection: keep-alive\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, "
    "like Gecko) Chrome/124.0.0.0 Safari/537.36\r\n"
    "Authorization: Bearer mct_0123456789012345678901234567890123456789\r\n"
    "Accept: application/json\r\nOrigin: https://app.example.org\r\n"
    "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-GB\r\n\r\n";
const std::string kAnswer(300, '.');

[[noreturn]] void Die(const std::string& what) {
  fmt::print(stderr, "net_bench: {}\n", what);
  std::exit(1);
}

int64_t ThreadCpuNs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

size_t ResidentBytes() {
  FILE* file = std::fopen("/proc/self/statm", "r");
  size_t total = 0;
  size_t resident = 0;
  if (file == nullptr || std::fscanf(file, "%zu %zu", &total, &resident) != 2) {
    Die("cannot read /proc/self/statm");
  }
  std::fclose(file);
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

HttpResponse Answer() {
  HttpResponse response;
  response.headers.Add("Content-Type", "application/json");
  response.headers.Add("Access-Control-Allow-Origin", "*");
  response.headers.Add("Cache-Control", "no-store");
  response.body = kAnswer;
  return response;
}

// Answers at once, or on an executor; keeps the loop's CPU time.
class AnsweringHandler : public HttpHandler {
 public:
  explicit AnsweringHandler(Executor* executor) : executor_(executor) {}
  void Handle(HttpRequest request, Responder respond) override {
    if (first_cpu_ == 0) first_cpu_ = ThreadCpuNs();
    last_cpu_ = ThreadCpuNs();
    ++count;
    if (executor_ == nullptr) {
      respond(Answer());
      return;
    }
    executor_->Post(
        [request = std::move(request), respond = std::move(respond)]() mutable {
          respond(Answer());
        });
  }
  double MicrosecondsEach() const {
    return static_cast<double>(last_cpu_ - first_cpu_) / 1000.0 /
           static_cast<double>(count - 1);
  }
  int64_t count = 0;

 private:
  Executor* const executor_;
  int64_t first_cpu_ = 0;
  std::atomic<int64_t> last_cpu_ = 0;
};

class ParkingHandler : public HttpHandler {
 public:
  void Handle(HttpRequest request, Responder respond) override {
    requests_.push_back(std::move(request));
    responders_.push_back(std::move(respond));
    ++count;
  }
  std::atomic<size_t> count = 0;

 private:
  std::vector<HttpRequest> requests_;
  std::vector<Responder> responders_;
};

// A client's connection; blocking.
class Client {
 public:
  Client(uint16_t port, SSL_CTX* tls) {
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
        0) {
      Die("cannot connect");
    }
    if (tls == nullptr) return;
    ssl_ = SSL_new(tls);
    SSL_set_fd(ssl_, fd_);
    if (SSL_connect(ssl_) != 1) Die("TLS handshake failed");
  }
  void Send() {
    const int size = static_cast<int>(kRequest.size());
    if (ssl_ != nullptr
            ? SSL_write(ssl_, kRequest.data(), size) != size
            : write(fd_, kRequest.data(), kRequest.size()) != size) {
      Die("cannot send");
    }
  }
  void Receive() {
    char buffer[8192];
    size_t got = 0;
    size_t want = SIZE_MAX;
    while (got < want) {
      const ssize_t n = ssl_ != nullptr
                            ? SSL_read(ssl_, buffer + got,
                                       static_cast<int>(sizeof(buffer) - got))
                            : read(fd_, buffer + got, sizeof(buffer) - got);
      if (n <= 0) Die("cannot receive");
      got += static_cast<size_t>(n);
      const size_t end = std::string_view(buffer, got).find("\r\n\r\n");
      if (end != std::string_view::npos) want = end + 4 + kAnswer.size();
    }
  }

 private:
  int fd_ = -1;
  SSL* ssl_ = nullptr;
};

// Runs `clients` in a child process until the server's side has finished.
pid_t Fork(const std::function<void()>& clients) {
  const pid_t child = fork();
  if (child == 0) {
    clients();
    _exit(0);
  }
  if (child < 0) Die("cannot fork");
  return child;
}

SSL_CTX* ClientContext(bool tls) {
  return tls ? SSL_CTX_new(TLS_client_method()) : nullptr;
}

TlsFiles MakeCertificate() {
  char dir[] = "/tmp/net_benchXXXXXX";
  if (mkdtemp(dir) == nullptr) Die("cannot make a temporary folder");
  TlsFiles files{.certificate = std::string(dir) + "/crt",
                 .private_key = std::string(dir) + "/key"};
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  FILE* file = std::fopen(files.certificate.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(files.private_key.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return files;
}

struct Server {
  Server(HttpHandler& handler, bool tls) {
    HttpServerOptions options;
    options.listeners.emplace_back();
    if (tls) {
      files = MakeCertificate();
      options.listeners[0].tls = files;
    }
    options.limits.max_connections = 100'000;
    options.limits.max_connections_per_address = 100'000;
    auto started = HttpServer::Start(std::move(options), handler, *clock,
                                     *random, *log, *metrics);
    if (!started.ok()) Die(started.status().message());
    server = std::move(*started);
  }
  ~Server() {
    server->Stop(Duration::zero());
    if (files.certificate.empty()) return;
    std::remove(files.certificate.c_str());
    std::remove(files.private_key.c_str());
    rmdir(files.certificate.substr(0, files.certificate.rfind('/')).c_str());
  }
  uint16_t port() const { return server->endpoints()[0].port; }

  std::unique_ptr<Clock> clock = NewSystemClock();
  std::unique_ptr<Random> random = NewSystemRandom();
  std::unique_ptr<Logger> log = NewNullLogger();
  std::unique_ptr<Metrics> metrics = NewMetrics();
  TlsFiles files;
  std::unique_ptr<HttpServer> server;
};

void MeasureRequests(const char* name, bool tls, bool elsewhere, int requests) {
  std::unique_ptr<Executor> lane;
  if (elsewhere) lane = NewThreadPool("lane", 1, 1000);
  AnsweringHandler handler(lane.get());
  Server server(handler, tls);
  timespec start{};
  timespec end{};
  clock_gettime(CLOCK_MONOTONIC, &start);
  const pid_t child = Fork([&] {
    SSL_CTX* context = ClientContext(tls);
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < kConnections; ++i) {
      clients.push_back(std::make_unique<Client>(server.port(), context));
    }
    for (int round = 0; round < requests / kConnections; ++round) {
      for (auto& client : clients) client->Send();
      for (auto& client : clients) client->Receive();
    }
  });
  waitpid(child, nullptr, 0);
  clock_gettime(CLOCK_MONOTONIC, &end);
  const double elapsed = static_cast<double>(end.tv_sec - start.tv_sec) +
                         static_cast<double>(end.tv_nsec - start.tv_nsec) / 1e9;
  fmt::print("{:34} {:6.2f} us CPU a request   {:8.0f} requests/s\n", name,
             handler.MicrosecondsEach(),
             static_cast<double>(handler.count) / elapsed);
  if (lane) lane->Shutdown();
}

void MeasureParked(const char* name, bool tls, size_t count) {
  ParkingHandler handler;
  Server server(handler, tls);
  int done[2];
  if (pipe(done) != 0) Die("cannot make a pipe");
  const size_t before = ResidentBytes();
  const pid_t child = Fork([&] {
    SSL_CTX* context = ClientContext(tls);
    std::vector<std::unique_ptr<Client>> clients;
    for (size_t i = 0; i < count; ++i) {
      clients.push_back(std::make_unique<Client>(server.port(), context));
      clients.back()->Send();
    }
    char byte;
    close(done[1]);
    if (read(done[0], &byte, 1) < 0) Die("cannot read");
  });
  while (handler.count < count) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  const size_t after = ResidentBytes();
  fmt::print(
      "{:34} {:6.2f} KB a parked connection ({}; all {:.1f} MB)\n", name,
      static_cast<double>(after - before) / 1024.0 / static_cast<double>(count),
      count, static_cast<double>(after) / 1048576.0);
  close(done[0]);
  close(done[1]);
  waitpid(child, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const int requests = argc > 1 ? std::atoi(argv[1]) : 200'000;
  const size_t parked =
      argc > 2 ? static_cast<size_t>(std::atoi(argv[2])) : 1000;
  MeasureParked("plain", false, parked);
  MeasureParked("TLS", true, parked);
  MeasureRequests("plain, answered at once", false, false, requests);
  MeasureRequests("plain, answered by another thread", false, true, requests);
  MeasureRequests("TLS, answered at once", true, false, requests);
  return 0;
}
