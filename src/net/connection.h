// One client's connection, from its first byte to its last.  Internal.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "matrixcore/http/message.h"
#include "matrixcore/net/ip_range.h"
#include "net/loop.h"
#include "net/request_parser.h"
#include "net/tls.h"

namespace matrixcore::net {

// Reads one request at a time, hands it to the handler, writes the answer, and
// so on.  Kept alive by its pending socket operations, by the Responder and the
// HttpPeer of the request.  All methods belong to the loop's thread, except
// Answer, gone and OnGone, which any thread may call.
//
//   kHandshake -> kIdle -> kHeader -> kBody -> kRunning -> kWriting -> kIdle
//   ...
//                                                                   -> kLinger
class Connection final : public HttpPeer,
                         public std::enable_shared_from_this<Connection> {
 public:
  // kLinger: the last answer is out and the client is told so.  A socket closed
  // with unread bytes resets the connection, and the answer may be lost; so
  // what still comes is read and dropped for a while.
  enum class State : uint8_t {
    kHandshake,
    kIdle,
    kHeader,
    kBody,
    kRunning,
    kWriting,
    kLinger,
    kClosed,
  };

  struct Peer {
    IpAddress address;
    bool trusted_proxy = false;
    bool exempt = false;  // As given to Admission.
  };

  // The peer has been admitted and leaves when the connection closes.
  Connection(std::shared_ptr<Loop> loop, Socket socket, const Peer& peer,
             std::unique_ptr<TlsStream> tls);
  ~Connection() override;

  void Start();
  void Close();
  // The answer to the request that runs; from the loop's queue.
  void Deliver(HttpResponse response);
  void Watch(UniqueFunction<void()> callback);
  void OnDeadline();

  State state() const { return state_; }
  int64_t deadline() const { return deadline_; }

  // Of the Responder.
  void Answer(HttpResponse response);

  bool gone() const override { return gone_.load(std::memory_order_acquire); }
  void OnGone(UniqueFunction<void()> callback) override;

 private:
  static constexpr int64_t kNoDeadline = INT64_MAX;

  // What could not be written at once.
  struct Output {
    std::string head;
    std::string body;
    size_t sent = 0;
    int64_t started = 0;
  };

  static bool IsBusy(State state);
  void SetState(State state);
  void SetDeadline(int64_t ns);
  int64_t Now() const;
  int64_t TransferDeadline(int64_t start, size_t bytes) const;

  void ArmRead();
  void ArmWrite();
  void ReadAgain();
  void OnReadable();
  void OnWritable();
  void StepHandshake();
  void RejectPlainHttp();

  void ReadSome();
  IoResult ReadFrom(std::span<char> buffer);
  void OnBytes(std::string_view bytes);
  void OnEnd();
  void OnBroken();
  void TellGone();

  void Consume(std::string_view bytes);
  bool ConsumeOne(std::string_view& rest);
  bool CountBody();
  void AfterPiece();
  void ContinueReading();
  void Dispatch();
  void Refuse(int status, std::string_view errcode, std::string_view message);

  void Send(std::string_view head, std::string body);
  IoResult WriteFrom(std::string_view head, std::string_view body, size_t sent);
  void Flush();
  void Finish();
  void Linger();

  const std::shared_ptr<Loop> loop_;
  Socket socket_;
  std::unique_ptr<TlsStream> tls_;
  const Peer peer_;
  const std::string address_text_;
  Loop::Entry entry_;

  State state_ = State::kIdle;
  const bool over_tls_;
  bool timed_ = false;
  bool reading_ = false;      // A wait for readability is pending.
  bool writing_ = false;      // The same for writability.
  bool consuming_ = false;    // Inside Consume().
  bool input_ended_ = false;  // The client sends no more.
  bool keep_alive_ = true;    // Of the request that runs.
  bool http_1_0_ = false;
  bool head_only_ = false;
  bool header_timed_ = false;
  bool continued_ = false;  // "100 Continue" was sent or is not due.
  std::atomic<bool> gone_{false};

  int64_t deadline_ = kNoDeadline;
  int64_t phase_started_ = 0;  // Of kBody and kLinger.
  size_t counted_body_ = 0;    // Its part of ServerShared::body_bytes.
  std::unique_ptr<RequestParser> parser_;
  std::string input_;  // Received, not yet parsed.
  std::string request_id_;
  std::unique_ptr<Output> output_;
  UniqueFunction<void()> on_gone_;
};

}  // namespace matrixcore::net
