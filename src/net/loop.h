// The event loop that a connection lives on, and what all of one server's
// connections share.  Internal; includes Boost.Asio.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/net/http_server.h"
#include "net/admission.h"
#include "net/response_head.h"
#include "net/tls.h"

namespace matrixcore::net {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using Socket = asio::basic_stream_socket<Tcp, asio::io_context::executor_type>;

class Connection;

struct TransportMetrics {
  explicit TransportMetrics(Metrics& metrics);
  void CountHandshake(std::string_view version, const std::string& group);
  void CountTimeout(std::string_view phase);
  void CountRefusedRequest(int status);
  void CountRefusedConnection(std::string_view reason);

  Metrics& registry;
  Gauge& connections;
  Counter& accepted;
  Counter& requests;
  Counter& received_bytes;
  Counter& sent_bytes;
  Counter& failed_handshakes;
};

// Thread-safe.  Lives as long as the last connection, which may be longer than
// the server; its references are used no more once every loop has ended.
struct ServerShared {
  ServerShared(const HttpServerOptions& options, HttpHandler& h, const Clock& c,
               Random& random, Logger& l, Metrics& m);

  const HttpLimits limits;
  const std::vector<IpRange> trusted_proxies;
  const bool count_loopback;
  HttpHandler& handler;
  const Clock& clock;
  Logger& log;
  TransportMetrics metrics;
  Admission admission;

  // "k3x9q-1f": unique in this process, most likely among restarts.
  std::string NewRequestId();

  // Requests that have begun and are not yet answered in full.
  void EnterBusy();
  void LeaveBusy();
  // False when `deadline` came first.
  bool AwaitIdle(MonotonicTime deadline);

  std::atomic<bool> stopping{false};
  std::atomic<size_t> body_bytes{0};

 private:
  const std::string id_prefix_;
  std::atomic<uint64_t> next_id_{0};
  std::atomic<int64_t> busy_{0};
  Mutex idle_mutex_;
  CondVar idle_;
};

// Runs connections on one thread.  Unless a method says otherwise, only that
// thread calls it.
class Loop : public std::enable_shared_from_this<Loop> {
 public:
  explicit Loop(std::shared_ptr<ServerShared> shared);

  ServerShared& shared() { return *shared_; }
  asio::io_context& io() { return io_; }

  // From any thread.
  void StartThread(size_t number);
  bool InThread() const {
    return std::this_thread::get_id() ==
           thread_id_.load(std::memory_order_relaxed);
  }
  // Queues an answer or a watcher for a connection; dropped after CloseAll. The
  // loop is woken once for all that gather meanwhile.
  void PostAnswer(std::shared_ptr<Connection> connection,
                  HttpResponse response);
  void PostWatch(std::shared_ptr<Connection> connection,
                 UniqueFunction<void()> callback);
  // Lets the thread end once nothing is open, and waits for it.
  void Join();

  // Scratch memory, for use between two events only.
  std::span<char> read_buffer() {
    return {read_buffer_->data(), read_buffer_->size()};
  }
  std::string& head_buffer() { return head_buffer_; }
  std::string& record_buffer() { return record_buffer_; }
  HeadWriter& head_writer() { return head_writer_; }

  // Every open connection is in exactly one of two lists: with a deadline, the
  // most recently set last, or without.
  using Entry = std::list<Connection*>::iterator;
  Entry Add(Connection* connection);
  void Remove(Entry entry, bool timed);
  // Moves an entry to the end of a list.
  void SetTimed(Entry entry, bool was_timed, bool timed);

  // Closes at most `max` idle connections, the longest idle first.
  size_t CloseIdle(size_t max);
  // Closes everything and refuses what is posted later.
  void CloseAll();

  // The connection whose request is being handed to the handler right now, and
  // the answer if it came before Handle() returned.
  Connection* handling = nullptr;
  std::optional<HttpResponse> immediate;

 private:
  struct Posted {
    std::shared_ptr<Connection> connection;
    std::optional<HttpResponse> response;
    UniqueFunction<void()> watch;
  };
  static constexpr size_t kReadBuffer = 64u << 10;

  void Post(Posted posted);
  void Drain();
  void ArmTick();
  void Tick();

  const std::shared_ptr<ServerShared> shared_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::steady_timer tick_;
  bool ticking_ = false;
  const std::chrono::nanoseconds tick_period_;
  std::unique_ptr<std::array<char, kReadBuffer>> read_buffer_;
  std::string head_buffer_;
  std::string record_buffer_;
  HeadWriter head_writer_;
  std::list<Connection*> timed_;
  std::list<Connection*> untimed_;
  bool closed_ = false;

  std::thread thread_;
  std::atomic<std::thread::id> thread_id_;
  Mutex mutex_;
  std::vector<Posted> posted_ MC_GUARDED_BY(mutex_);
  bool refuse_posts_ MC_GUARDED_BY(mutex_) = false;
};

}  // namespace matrixcore::net
