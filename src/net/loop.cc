#include "net/loop.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "net/connection.h"

namespace matrixcore::net {
namespace {

// Answers that one turn of the loop writes before other events get theirs.
constexpr size_t kMaxDrained = 256;

// Deadlines are looked at this often: fine enough for the shortest of them.
std::chrono::nanoseconds TickPeriod(const HttpLimits& limits) {
  const Duration shortest =
      std::min({limits.handshake_timeout, limits.header_timeout,
                limits.body_timeout, limits.idle_timeout});
  return std::clamp<std::chrono::nanoseconds>(
      shortest / 4, std::chrono::milliseconds(5), std::chrono::seconds(1));
}

constexpr std::string_view kBase36 = "0123456789abcdefghijklmnopqrstuvwxyz";

}  // namespace

// ---------------------------------------------------------------------------
// TransportMetrics

TransportMetrics::TransportMetrics(Metrics& metrics)
    : registry(metrics),
      connections(metrics.GetGauge("matrixcore_http_connections",
                                   "Open client connections")),
      accepted(metrics.GetCounter("matrixcore_http_connections_total",
                                  "Accepted client connections")),
      requests(metrics.GetCounter("matrixcore_http_requests_received_total",
                                  "Requests handed to the handler")),
      received_bytes(metrics.GetCounter("matrixcore_http_received_bytes_total",
                                        "Bytes received, without TLS")),
      sent_bytes(metrics.GetCounter("matrixcore_http_sent_bytes_total",
                                    "Bytes of responses, without TLS")),
      failed_handshakes(metrics.GetCounter(
          "matrixcore_tls_failed_handshakes_total", "Failed TLS handshakes")) {}

void TransportMetrics::CountHandshake(std::string_view version,
                                      const std::string& group) {
  registry
      .GetCounter("matrixcore_tls_handshakes_total",
                  "TLS handshakes by version and key exchange group",
                  {{"version", std::string(version)}, {"group", group}})
      .Add();
}

void TransportMetrics::CountTimeout(std::string_view phase) {
  registry
      .GetCounter("matrixcore_http_timeouts_total",
                  "Clients that were too slow, by what they were slow at",
                  {{"phase", std::string(phase)}})
      .Add();
}

void TransportMetrics::CountRefusedRequest(int status) {
  registry
      .GetCounter("matrixcore_http_refused_requests_total",
                  "Requests refused by the transport, by HTTP status",
                  {{"status", std::to_string(status)}})
      .Add();
}

void TransportMetrics::CountRefusedConnection(std::string_view reason) {
  registry
      .GetCounter("matrixcore_http_refused_connections_total",
                  "Connections refused, by the limit that they met",
                  {{"reason", std::string(reason)}})
      .Add();
}

// ---------------------------------------------------------------------------
// ServerShared

ServerShared::ServerShared(const HttpServerOptions& options, HttpHandler& h,
                           const Clock& c, Random& random, Logger& l,
                           Metrics& m)
    : limits(options.limits),
      trusted_proxies(options.trusted_proxies),
      count_loopback(options.count_loopback),
      handler(h),
      clock(c),
      log(l),
      metrics(m),
      admission(options.limits.max_connections,
                options.limits.max_connections_per_address),
      id_prefix_(random.String(6, kBase36) + "-") {}

std::string ServerShared::NewRequestId() {
  uint64_t number = next_id_.fetch_add(1, std::memory_order_relaxed);
  char digits[16];
  size_t length = 0;
  do {
    digits[length++] = kBase36[number % kBase36.size()];
    number /= kBase36.size();
  } while (number != 0);
  std::string id = id_prefix_;
  while (length > 0) id += digits[--length];
  return id;
}

void ServerShared::EnterBusy() { busy_.fetch_add(1); }

void ServerShared::LeaveBusy() {
  if (busy_.fetch_sub(1) == 1 && stopping.load()) {
    MutexLock lock(idle_mutex_);
    idle_.NotifyAll();
  }
}

bool ServerShared::AwaitIdle(MonotonicTime deadline) {
  MutexLock lock(idle_mutex_);
  while (busy_.load() > 0) {
    const Duration left = deadline - clock.Monotonic();
    if (left <= Duration::zero()) return false;
    idle_.WaitFor(idle_mutex_, left);
  }
  return true;
}

// ---------------------------------------------------------------------------
// Loop

Loop::Loop(std::shared_ptr<ServerShared> shared)
    : shared_(std::move(shared)),
      work_(io_.get_executor()),
      tick_(io_),
      tick_period_(TickPeriod(shared_->limits)),
      read_buffer_(std::make_unique<std::array<char, kReadBuffer>>()),
      head_writer_(shared_->clock) {}

void Loop::StartThread(size_t number) {
  thread_ = std::thread([this, number] {
    thread_id_.store(std::this_thread::get_id(), std::memory_order_relaxed);
#if defined(__linux__)
    pthread_setname_np(pthread_self(),
                       ("http-" + std::to_string(number)).c_str());
#endif
    io_.run();
  });
}

void Loop::PostAnswer(std::shared_ptr<Connection> connection,
                      HttpResponse response) {
  Post({std::move(connection), std::move(response), {}});
}

void Loop::PostWatch(std::shared_ptr<Connection> connection,
                     UniqueFunction<void()> callback) {
  Post({std::move(connection), std::nullopt, std::move(callback)});
}

void Loop::Post(Posted posted) {
  {
    MutexLock lock(mutex_);
    if (refuse_posts_) return;
    posted_.push_back(std::move(posted));
    if (posted_.size() > 1) return;  // The loop has been woken already.
  }
  asio::post(io_, [self = shared_from_this()] { self->Drain(); });
}

void Loop::Drain() {
  std::vector<Posted> posted;
  {
    MutexLock lock(mutex_);
    posted.swap(posted_);
  }
  const size_t count = std::min(posted.size(), kMaxDrained);
  for (size_t i = 0; i < count; ++i) {
    Connection& connection = *posted[i].connection;
    if (posted[i].response) {
      connection.Deliver(*std::move(posted[i].response));
    } else {
      connection.Watch(std::move(posted[i].watch));
    }
  }
  if (count == posted.size()) return;
  posted.erase(posted.begin(), posted.begin() + static_cast<ptrdiff_t>(count));
  {
    // What came meanwhile goes behind, in order.
    MutexLock lock(mutex_);
    posted.insert(posted.end(), std::make_move_iterator(posted_.begin()),
                  std::make_move_iterator(posted_.end()));
    posted_ = std::move(posted);
  }
  asio::post(io_, [self = shared_from_this()] { self->Drain(); });
}

Loop::Entry Loop::Add(Connection* connection) {
  return untimed_.insert(untimed_.end(), connection);
}

void Loop::Remove(Entry entry, bool timed) {
  (timed ? timed_ : untimed_).erase(entry);
}

void Loop::SetTimed(Entry entry, bool was_timed, bool timed) {
  std::list<Connection*>& from = was_timed ? timed_ : untimed_;
  std::list<Connection*>& to = timed ? timed_ : untimed_;
  to.splice(to.end(), from, entry);
  if (timed) ArmTick();
}

void Loop::ArmTick() {
  if (ticking_ || closed_) return;
  ticking_ = true;
  tick_.expires_after(tick_period_);
  tick_.async_wait(
      [self = shared_from_this()](const boost::system::error_code& error) {
        self->ticking_ = false;
        if (!error) self->Tick();
      });
}

void Loop::Tick() {
  const int64_t now = shared_->clock.Monotonic().ns;
  // A connection that is told may close or get a later deadline, which moves it
  // to the end: first find, then tell.
  std::vector<std::shared_ptr<Connection>> due;
  for (Connection* connection : timed_) {
    if (connection->deadline() <= now) {
      due.push_back(connection->shared_from_this());
    }
  }
  for (const auto& connection : due) connection->OnDeadline();
  if (!timed_.empty()) ArmTick();
}

size_t Loop::CloseIdle(size_t max) {
  std::vector<std::shared_ptr<Connection>> idle;
  for (Connection* connection : timed_) {
    if (idle.size() == max) break;
    if (connection->state() == Connection::State::kIdle) {
      idle.push_back(connection->shared_from_this());
    }
  }
  for (const auto& connection : idle) connection->Close();
  return idle.size();
}

void Loop::CloseAll() {
  closed_ = true;
  tick_.cancel();
  while (!timed_.empty() || !untimed_.empty()) {
    Connection* first = timed_.empty() ? untimed_.front() : timed_.front();
    const std::shared_ptr<Connection> connection = first->shared_from_this();
    connection->Close();
  }
  std::vector<Posted> dropped;
  MutexLock lock(mutex_);
  refuse_posts_ = true;
  dropped.swap(posted_);
}

void Loop::Join() {
  work_.reset();
  if (thread_.joinable()) thread_.join();
}

}  // namespace matrixcore::net
