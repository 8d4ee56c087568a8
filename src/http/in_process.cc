#include "matrixcore/http/in_process.h"

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

struct Url {
  bool tls = false;
  std::string authority;  // In lower case, without a default port.
  std::string target;
};

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return lower;
}

std::optional<Url> ParseUrl(std::string_view text) {
  Url url;
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) return std::nullopt;
  const std::string scheme = Lower(text.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https") return std::nullopt;
  url.tls = scheme == "https";
  text.remove_prefix(scheme_end + 3);
  text = text.substr(0, text.find('#'));
  const size_t path = text.find_first_of("/?");
  url.authority = Lower(text.substr(0, path));
  if (url.authority.empty() || url.authority.find('@') != std::string::npos) {
    return std::nullopt;
  }
  const std::string_view default_port = url.tls ? ":443" : ":80";
  if (url.authority.ends_with(default_port)) {
    url.authority.resize(url.authority.size() - default_port.size());
  }
  if (path != std::string_view::npos) url.target = text.substr(path);
  if (url.target.empty() || url.target[0] != '/') {
    url.target.insert(url.target.begin(), '/');
  }
  return url;
}

// One request.  Finished once, by whoever comes first: the answer, the timeout,
// or the end of the server or the network.
class Exchange final : public HttpPeer {
 public:
  Exchange(HttpClient::Done done, bool head, size_t max_bytes)
      : head_(head), max_bytes_(max_bytes), done_(std::move(done)) {}

  void Finish(Result<HttpResponse> result) {
    HttpClient::Done done;
    UniqueFunction<void()> on_gone;
    {
      MutexLock lock(mutex_);
      if (finished_) return;
      finished_ = true;
      gone_ = !result.ok();
      done = std::move(done_);
      if (gone_) on_gone = std::move(on_gone_);
      on_gone_ = {};
    }
    if (on_gone) on_gone();
    if (done) done(std::move(result));
  }
  void Answer(HttpResponse response) {
    if (head_) response.body.clear();
    if (response.body.size() > max_bytes_) {
      Finish(Status(StatusCode::kTooLarge, "the response is too large"));
    } else {
      Finish(std::move(response));
    }
  }

  bool gone() const override {
    MutexLock lock(mutex_);
    return gone_;
  }
  void OnGone(UniqueFunction<void()> callback) override {
    {
      MutexLock lock(mutex_);
      if (!gone_) {
        if (!finished_) on_gone_ = std::move(callback);
        return;
      }
    }
    if (callback) callback();
  }

 private:
  const bool head_;
  const size_t max_bytes_;
  mutable Mutex mutex_;
  HttpClient::Done done_ MC_GUARDED_BY(mutex_);
  UniqueFunction<void()> on_gone_ MC_GUARDED_BY(mutex_);
  bool finished_ MC_GUARDED_BY(mutex_) = false;
  bool gone_ MC_GUARDED_BY(mutex_) = false;
};

// A handler at its address, until it is switched off.
class Server {
 public:
  explicit Server(HttpHandler& handler) : handler_(&handler) {}

  // False when it is off.
  bool Handle(HttpRequest request, std::shared_ptr<Exchange> exchange) {
    HttpHandler* handler = nullptr;
    {
      MutexLock lock(mutex_);
      if (handler_ == nullptr) return false;
      handler = handler_;
      ++running_;
    }
    handler->Handle(std::move(request),
                    Responder([exchange](HttpResponse response) {
                      exchange->Answer(std::move(response));
                    }));
    MutexLock lock(mutex_);
    if (--running_ == 0) quiet_.NotifyAll();
    return true;
  }
  // Waits until nothing runs in the handler.
  void SwitchOff() {
    MutexLock lock(mutex_);
    handler_ = nullptr;
    while (running_ > 0) quiet_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar quiet_;
  HttpHandler* handler_ MC_GUARDED_BY(mutex_);
  int running_ MC_GUARDED_BY(mutex_) = 0;
};

}  // namespace

struct InProcessNetwork::Rep : std::enable_shared_from_this<Rep> {
  struct Pending {
    std::shared_ptr<Exchange> exchange;
    std::shared_ptr<Server> server;
    Timers::Id timer = 0;
  };

  Rep(Executor& e, const Clock& c, Timers& t)
      : executor(e), clock(c), timers(t) {}

  Executor& executor;
  const Clock& clock;
  Timers& timers;

  Mutex mutex;
  std::map<std::string, std::shared_ptr<Server>, std::less<>> servers
      MC_GUARDED_BY(mutex);
  std::map<uint64_t, Pending> pending MC_GUARDED_BY(mutex);
  uint64_t next MC_GUARDED_BY(mutex) = 1;

  std::shared_ptr<Exchange> NewExchange(uint64_t number,
                                        const Outgoing& outgoing, Done done) {
    return std::make_shared<Exchange>(
        [self = weak_from_this(), number,
         done = std::move(done)](Result<HttpResponse> result) mutable {
          if (const auto rep = self.lock()) rep->Forget(number);
          if (done) done(std::move(result));
        },
        outgoing.method == HttpMethod::kHead, outgoing.max_response_bytes);
  }

  void StartTimer(uint64_t number, const std::shared_ptr<Exchange>& exchange,
                  Duration timeout) {
    const Timers::Id timer =
        timers.At(clock.Monotonic() + timeout,
                  [waiting = std::weak_ptr<Exchange>(exchange)] {
                    if (const auto late = waiting.lock()) {
                      late->Finish(Status(StatusCode::kDeadlineExceeded,
                                          "no answer in time"));
                    }
                  });
    MutexLock lock(mutex);
    const auto it = pending.find(number);
    if (it != pending.end()) it->second.timer = timer;
  }

  // Calls `done` as a task, as every outcome comes, or right now when there are
  // no more tasks.
  void Fail(Done done, const Status& status) {
    const auto shared = std::make_shared<Done>(std::move(done));
    if (!executor.PostAdmitted([shared, status] { (*shared)(status); })) {
      (*shared)(status);
    }
  }

  void Forget(uint64_t number) {
    Timers::Id timer = 0;
    {
      MutexLock lock(mutex);
      const auto it = pending.find(number);
      if (it == pending.end()) return;
      timer = it->second.timer;
      pending.erase(it);
    }
    if (timer != 0) timers.Cancel(timer);
  }

  // Fails what `server`, or anyone if null, has not answered.
  void FailPending(const Server* server) {
    std::vector<std::shared_ptr<Exchange>> failed;
    {
      MutexLock lock(mutex);
      for (const auto& [number, entry] : pending) {
        if (server == nullptr || entry.server.get() == server) {
          failed.push_back(entry.exchange);
        }
      }
    }
    for (const auto& exchange : failed) {
      exchange->Finish(
          Status(StatusCode::kUnavailable, "the server was switched off"));
    }
  }
};

InProcessNetwork::InProcessNetwork(Executor& executor, const Clock& clock,
                                   Timers& timers)
    : rep_(std::make_shared<Rep>(executor, clock, timers)) {}

InProcessNetwork::~InProcessNetwork() {
  std::map<std::string, std::shared_ptr<Server>, std::less<>> servers;
  {
    MutexLock lock(rep_->mutex);
    servers.swap(rep_->servers);
  }
  for (const auto& [authority, server] : servers) server->SwitchOff();
  rep_->FailPending(nullptr);
}

void InProcessNetwork::Add(std::string_view authority, HttpHandler& handler) {
  Remove(authority);
  MutexLock lock(rep_->mutex);
  rep_->servers[Lower(authority)] = std::make_shared<Server>(handler);
}

void InProcessNetwork::Remove(std::string_view authority) {
  std::shared_ptr<Server> server;
  {
    MutexLock lock(rep_->mutex);
    const auto it = rep_->servers.find(Lower(authority));
    if (it == rep_->servers.end()) return;
    server = std::move(it->second);
    rep_->servers.erase(it);
  }
  server->SwitchOff();
  rep_->FailPending(server.get());
}

void InProcessNetwork::Send(Outgoing outgoing, Done done) {
  std::optional<Url> url = ParseUrl(outgoing.url);
  if (!url) {
    rep_->Fail(std::move(done), Status(StatusCode::kInvalidArgument,
                                       "not an absolute http(s) URL"));
    return;
  }
  uint64_t number = 0;
  std::shared_ptr<Exchange> exchange;
  std::shared_ptr<Server> server;
  {
    MutexLock lock(rep_->mutex);
    const auto it = rep_->servers.find(url->authority);
    if (it != rep_->servers.end()) {
      server = it->second;
      number = rep_->next++;
      exchange = rep_->NewExchange(number, outgoing, std::move(done));
      rep_->pending[number] = {exchange, server, 0};
    }
  }
  if (!server) {
    rep_->Fail(std::move(done), Status(StatusCode::kUnavailable,
                                       "nobody listens at " + url->authority));
    return;
  }
  rep_->StartTimer(number, exchange, outgoing.timeout);

  HttpRequest request;
  request.method = outgoing.method;
  request.target = std::move(url->target);
  request.headers = std::move(outgoing.headers);
  if (!request.headers.Get("Host")) {
    request.headers.Add("Host", url->authority);
  }
  request.body = std::move(outgoing.body);
  request.remote_address = "127.0.0.1";
  request.over_tls = url->tls;
  request.request_id = "in-process-" + std::to_string(number);
  request.peer = exchange;
  const bool posted = rep_->executor.PostAdmitted(
      [server, exchange, request = std::move(request)]() mutable {
        if (!server->Handle(std::move(request), exchange)) {
          exchange->Finish(
              Status(StatusCode::kUnavailable, "the server was switched off"));
        }
      });
  if (!posted) {
    exchange->Finish(Status(StatusCode::kUnavailable, "shutting down"));
  }
}

}  // namespace matrixcore
