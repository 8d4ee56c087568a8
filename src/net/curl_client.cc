#include "matrixcore/net/curl_client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

// With nothing under way, only a wake-up ends the wait.
constexpr int kIdlePollMs = 3'600'000;

struct FreeX509 {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, FreeX509>;

Status LoadCertificates(const std::string& path,
                        std::vector<Certificate>& certificates) {
  FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) {
    return {StatusCode::kInvalidArgument,
            fmt::format("cannot read the CA file {}", path)};
  }
  const size_t before = certificates.size();
  while (X509* certificate = PEM_read_X509(file, nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate);
  }
  ERR_clear_error();
  std::fclose(file);
  if (certificates.size() == before) {
    return {StatusCode::kInvalidArgument,
            fmt::format("the CA file {} holds no PEM certificate", path)};
  }
  return OkStatus();
}

bool HasLineBreak(std::string_view text) {
  constexpr std::string_view kBreaks("\r\n\0", 3);
  return text.find_first_of(kBreaks) != std::string_view::npos;
}

// The part of a URL that requests share connections by.
std::string HostOf(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "";
  return std::string(url.substr(0, url.find_first_of("/?#", scheme + 3)));
}

class CurlClient;

// One request on its way.  Owned by the client's thread.
struct Transfer {
  CurlClient* client = nullptr;
  HttpClient::Outgoing request;
  HttpClient::Done done;
  MonotonicTime deadline;
  uint64_t number = 0;
  std::string host;  // "https://example.org:8448"

  CURL* easy = nullptr;
  curl_slist* fields = nullptr;
  HttpResponse response;
  bool too_large = false;
  bool refused = false;  // The filter said no to an address.
  char error[CURL_ERROR_SIZE] = {};

  Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    curl_easy_cleanup(easy);
    curl_slist_free_all(fields);
  }
};

class CurlClient final : public HttpClient {
 public:
  CurlClient(CurlClientOptions options, std::vector<Certificate> certificates,
             const Clock& clock, Logger& log, Metrics& metrics)
      : options_(std::move(options)),
        certificates_(std::move(certificates)),
        clock_(clock),
        log_(log),
        running_gauge_(metrics.GetGauge("matrixcore_http_client_requests",
                                        "Outbound requests under way")),
        answered_(metrics.GetCounter("matrixcore_http_client_requests_total",
                                     "Outbound requests by outcome",
                                     {{"outcome", "answered"}})),
        failed_(metrics.GetCounter("matrixcore_http_client_requests_total",
                                   "Outbound requests by outcome",
                                   {{"outcome", "failed"}})) {}
  ~CurlClient() override;

  // False when libcurl cannot be had.
  bool Start();
  void Send(Outgoing request, Done done) override;

  const CurlClientOptions& options() const { return options_; }
  const std::vector<Certificate>& certificates() const { return certificates_; }

 private:
  // The requests to one host: libcurl 7.88 sometimes forgets a transfer that
  // waits by its own limit of connections, so the lines are kept here.
  struct Host {
    size_t running = 0;
    bool ready = false;            // It is in ready_.
    std::deque<uint64_t> waiting;  // Numbers; expired ones are no longer known.
  };

  void Run();
  int PollMs();
  void TakeQueued();
  void ExpireWaiting();
  void MarkReady(const std::string& name, Host& host);
  void StartWaiting();
  void StartNext(Host& host);
  void StartOne(std::unique_ptr<Transfer> transfer, Host& host);
  Status Prepare(Transfer& transfer);
  Status PrepareFields(Transfer& transfer);
  void PrepareMethod(Transfer& transfer);
  void PrepareTls(Transfer& transfer);
  void Reap();
  void FailAll();
  void Finish(std::unique_ptr<Transfer> transfer, Result<HttpResponse> result);
  Result<HttpResponse> Outcome(Transfer& transfer, CURLcode code);

  const CurlClientOptions options_;
  const std::vector<Certificate> certificates_;
  const Clock& clock_;
  Logger& log_;
  Gauge& running_gauge_;
  Counter& answered_;
  Counter& failed_;

  CURLM* multi_ = nullptr;
  std::thread thread_;
  uint64_t last_number_ = 0;
  std::unordered_map<uint64_t, std::unique_ptr<Transfer>> waiting_;
  std::set<std::pair<MonotonicTime, uint64_t>> deadlines_;  // Of waiting_.
  std::unordered_map<std::string, Host> hosts_;
  // Hosts with something in line and room for it, served in turn.
  std::deque<std::string> ready_;
  std::unordered_map<CURL*, std::unique_ptr<Transfer>> running_;

  Mutex mutex_;
  std::deque<std::unique_ptr<Transfer>> queued_ MC_GUARDED_BY(mutex_);
  bool stopping_ MC_GUARDED_BY(mutex_) = false;
};

// ---------------------------------------------------------------------------
// Callbacks of libcurl, on the client's thread

curl_socket_t OpenSocket(void* data, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(data);
  const auto ip = IpAddress::FromSockaddr(&address->addr);
  if (!ip || !transfer.client->options().filter.Allows(*ip)) {
    transfer.refused = true;
    return CURL_SOCKET_BAD;
  }
  const int fd = socket(address->family, address->socktype, address->protocol);
  if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

size_t OnBody(char* bytes, size_t, size_t size, void* data) {
  auto& transfer = *static_cast<Transfer*>(data);
  std::string& body = transfer.response.body;
  if (size > transfer.request.max_response_bytes - body.size()) {
    transfer.too_large = true;
    return 0;  // Anything but `size` ends the transfer.
  }
  body.append(bytes, size);
  return size;
}

// One line of a header; a status line begins the header of a further response
// (after "100 Continue" or a redirect).
size_t OnHeader(char* bytes, size_t, size_t size, void* data) {
  auto& transfer = *static_cast<Transfer*>(data);
  std::string_view line(bytes, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) {
    line.remove_suffix(1);
  }
  if (line.substr(0, 5) == "HTTP/") {
    transfer.response.headers = HttpHeaders();
    return size;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  const size_t value = line.find_first_not_of(" \t", colon + 1);
  transfer.response.headers.Add(
      std::string(line.substr(0, colon)),
      std::string(value == std::string_view::npos ? std::string_view()
                                                  : line.substr(value)));
  return size;
}

// Trusts the custom certificates besides the system's.
CURLcode OnSslContext(CURL*, void* ssl_context, void* data) {
  auto& transfer = *static_cast<Transfer*>(data);
  X509_STORE* store =
      SSL_CTX_get_cert_store(static_cast<SSL_CTX*>(ssl_context));
  for (const Certificate& certificate : transfer.client->certificates()) {
    if (X509_STORE_add_cert(store, certificate.get()) != 1) {
      ERR_clear_error();
      return CURLE_SSL_CACERT_BADFILE;
    }
  }
  return CURLE_OK;
}

// ---------------------------------------------------------------------------

bool CurlClient::Start() {
  // Counted and thread-safe since libcurl 7.84.
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return false;
  multi_ = curl_multi_init();
  if (multi_ == nullptr) return false;
  thread_ = std::thread([this] { Run(); });
  return true;
}

CurlClient::~CurlClient() {
  if (thread_.joinable()) {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    curl_multi_wakeup(multi_);
    thread_.join();
  }
  if (multi_ != nullptr) curl_multi_cleanup(multi_);
  curl_global_cleanup();
}

void CurlClient::Send(Outgoing request, Done done) {
  auto transfer = std::make_unique<Transfer>();
  transfer->client = this;
  transfer->deadline = clock_.Monotonic() + request.timeout;
  transfer->request = std::move(request);
  transfer->done = std::move(done);
  {
    MutexLock lock(mutex_);
    queued_.push_back(std::move(transfer));
  }
  curl_multi_wakeup(multi_);
}

void CurlClient::Run() {
#if defined(__linux__)
  pthread_setname_np(pthread_self(), "http-client");
#endif
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (stopping_) break;
    }
    TakeQueued();
    ExpireWaiting();
    StartWaiting();
    int running = 0;
    curl_multi_perform(multi_, &running);
    Reap();
    if (ready_.empty() || running_.size() >= options_.max_requests) {
      curl_multi_poll(multi_, nullptr, 0, PollMs(), nullptr);
    }
  }
  FailAll();
}

// Until the next request in line runs out of time; libcurl knows its own
// transfers' times.
int CurlClient::PollMs() {
  if (deadlines_.empty()) return kIdlePollMs;
  const Duration left = deadlines_.begin()->first - clock_.Monotonic();
  return static_cast<int>(
      std::clamp<int64_t>(left.count() / 1'000'000 + 1, 0, kIdlePollMs));
}

void CurlClient::TakeQueued() {
  std::deque<std::unique_ptr<Transfer>> queued;
  {
    MutexLock lock(mutex_);
    queued.swap(queued_);
  }
  for (std::unique_ptr<Transfer>& transfer : queued) {
    transfer->number = ++last_number_;
    transfer->host = HostOf(transfer->request.url);
    Host& host = hosts_[transfer->host];
    host.waiting.push_back(transfer->number);
    MarkReady(transfer->host, host);
    deadlines_.emplace(transfer->deadline, transfer->number);
    waiting_.emplace(transfer->number, std::move(transfer));
  }
}

void CurlClient::ExpireWaiting() {
  const MonotonicTime now = clock_.Monotonic();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    auto node = waiting_.extract(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
    Finish(std::move(node.mapped()),
           Status(StatusCode::kDeadlineExceeded, "timed out in line"));
  }
}

// Puts a host in line if it can start something, forgets one that is done.
void CurlClient::MarkReady(const std::string& name, Host& host) {
  if (host.waiting.empty()) {
    if (host.running == 0 && !host.ready) hosts_.erase(name);
  } else if (!host.ready && host.running < options_.max_requests_per_host) {
    host.ready = true;
    ready_.push_back(name);
  }
}

void CurlClient::StartWaiting() {
  while (!ready_.empty() && running_.size() < options_.max_requests) {
    const std::string name = std::move(ready_.front());
    ready_.pop_front();
    Host& host = hosts_[name];
    host.ready = false;
    StartNext(host);
    MarkReady(name, host);
  }
}

void CurlClient::StartNext(Host& host) {
  while (!host.waiting.empty()) {
    auto node = waiting_.extract(host.waiting.front());
    host.waiting.pop_front();
    if (node.empty()) continue;  // Its time had run out.
    deadlines_.erase({node.mapped()->deadline, node.key()});
    return StartOne(std::move(node.mapped()), host);
  }
}

void CurlClient::StartOne(std::unique_ptr<Transfer> transfer, Host& host) {
  Status prepared = Prepare(*transfer);
  if (!prepared.ok()) {
    return Finish(std::move(transfer), std::move(prepared));
  }
  CURL* easy = transfer->easy;
  if (curl_multi_add_handle(multi_, easy) != CURLM_OK) {
    return Finish(std::move(transfer),
                  Status(StatusCode::kUnavailable, "libcurl is out of memory"));
  }
  ++host.running;
  running_gauge_.Add(1);
  running_.emplace(easy, std::move(transfer));
}

void CurlClient::FailAll() {
  const Status stopped(StatusCode::kUnavailable, "shutting down");
  while (!running_.empty()) {
    auto node = running_.extract(running_.begin());
    curl_multi_remove_handle(multi_, node.key());
    running_gauge_.Add(-1);
    Finish(std::move(node.mapped()), stopped);
  }
  // A callback may send more.
  for (TakeQueued(); !waiting_.empty(); TakeQueued()) {
    auto node = waiting_.extract(waiting_.begin());
    Finish(std::move(node.mapped()), stopped);
  }
}

Status CurlClient::Prepare(Transfer& transfer) {
  const Outgoing& request = transfer.request;
  transfer.easy = curl_easy_init();
  if (transfer.easy == nullptr) {
    return {StatusCode::kUnavailable, "libcurl is out of memory"};
  }
  CURL* easy = transfer.easy;
  if (HasLineBreak(request.url)) {
    return {StatusCode::kInvalidArgument, "the URL holds a line break"};
  }
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());
  const Duration left = transfer.deadline - clock_.Monotonic();
  const long left_ms =
      static_cast<long>(std::max<int64_t>(left.count() / 1'000'000, 1));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left_ms);
  curl_easy_setopt(
      easy, CURLOPT_CONNECTTIMEOUT_MS,
      static_cast<long>(options_.connect_timeout.count() / 1'000'000));
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, OpenSocket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  PrepareTls(transfer);
  PrepareMethod(transfer);
  return PrepareFields(transfer);
}

void CurlClient::PrepareTls(Transfer& transfer) {
  CURL* easy = transfer.easy;
  curl_easy_setopt(easy, CURLOPT_SSLVERSION,
                   static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (options_.insecure_skip_tls_verify) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  } else if (!certificates_.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, OnSslContext);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, &transfer);
  }
}

void CurlClient::PrepareMethod(Transfer& transfer) {
  CURL* easy = transfer.easy;
  const Outgoing& request = transfer.request;
  const bool reads =
      request.method == HttpMethod::kGet || request.method == HttpMethod::kHead;
  if (reads && options_.max_redirects > 0) {
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS,
                     static_cast<long>(options_.max_redirects));
  }
  if (request.method == HttpMethod::kHead) {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    return;
  }
  const bool sends = !request.body.empty() ||
                     request.method == HttpMethod::kPost ||
                     request.method == HttpMethod::kPut ||
                     request.method == HttpMethod::kPatch;
  if (sends) {
    // Not copied: the transfer keeps the body.
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  const std::string method(HttpMethodName(request.method));
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method.c_str());
}

Status CurlClient::PrepareFields(Transfer& transfer) {
  // Without a value libcurl leaves out what it would send by itself.
  std::vector<std::string> lines = {"Expect:"};
  if (!transfer.request.headers.Get("Content-Type")) {
    lines.emplace_back("Content-Type:");
  }
  for (const auto& [name, value] : transfer.request.headers.fields()) {
    if (name.empty() || HasLineBreak(name) || HasLineBreak(value) ||
        name.find(':') != std::string::npos) {
      return {StatusCode::kInvalidArgument, "a header field is malformed"};
    }
    // libcurl's way to send a field without a value.
    lines.push_back(value.empty() ? name + ";" : name + ": " + value);
  }
  for (const std::string& line : lines) {
    curl_slist* longer = curl_slist_append(transfer.fields, line.c_str());
    if (longer == nullptr) {
      return {StatusCode::kUnavailable, "libcurl is out of memory"};
    }
    transfer.fields = longer;
  }
  curl_easy_setopt(transfer.easy, CURLOPT_HTTPHEADER, transfer.fields);
  return OkStatus();
}

void CurlClient::Reap() {
  int left = 0;
  while (CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    auto node = running_.extract(message->easy_handle);
    curl_multi_remove_handle(multi_, node.key());
    running_gauge_.Add(-1);
    const auto host = hosts_.find(node.mapped()->host);
    --host->second.running;
    MarkReady(node.mapped()->host, host->second);
    Result<HttpResponse> outcome = Outcome(*node.mapped(), code);
    Finish(std::move(node.mapped()), std::move(outcome));
  }
}

void CurlClient::Finish(std::unique_ptr<Transfer> transfer,
                        Result<HttpResponse> result) {
  (result.ok() ? answered_ : failed_).Add();
  if (!result.ok()) {
    log_.Debug(
        "http-client", "request failed",
        {{"url", transfer->request.url}, {"error", result.status().message()}});
  }
  Done done = std::move(transfer->done);
  transfer.reset();
  if (done) done(std::move(result));
}

Result<HttpResponse> CurlClient::Outcome(Transfer& transfer, CURLcode code) {
  if (code == CURLE_OK) {
    long status = 0;
    curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    transfer.response.status = static_cast<int>(status);
    return std::move(transfer.response);
  }
  std::string message =
      transfer.error[0] != '\0' ? transfer.error : curl_easy_strerror(code);
  if (transfer.too_large) {
    return Status(StatusCode::kTooLarge, "the response is too large");
  }
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return Status(StatusCode::kDeadlineExceeded, std::move(message));
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_LOGIN_DENIED:
      return Status(StatusCode::kInvalidArgument, std::move(message));
    case CURLE_COULDNT_CONNECT:
      if (transfer.refused) {
        return Status(StatusCode::kPermissionDenied,
                      "connections to this address are not allowed");
      }
      return Status(StatusCode::kUnavailable, std::move(message));
    default:
      return Status(StatusCode::kUnavailable, std::move(message));
  }
}

}  // namespace

Result<std::unique_ptr<HttpClient>> NewCurlClient(CurlClientOptions options,
                                                  const Clock& clock,
                                                  Logger& log,
                                                  Metrics& metrics) {
  std::vector<Certificate> certificates;
  for (const std::string& path : options.custom_ca_files) {
    MC_RETURN_IF_ERROR(LoadCertificates(path, certificates));
  }
  auto client = std::make_unique<CurlClient>(
      std::move(options), std::move(certificates), clock, log, metrics);
  if (!client->Start()) {
    return Status(StatusCode::kUnavailable, "libcurl cannot be initialised");
  }
  return std::unique_ptr<HttpClient>(std::move(client));
}

}  // namespace matrixcore
