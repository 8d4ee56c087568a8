#include "net/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <utility>

#include "net/forwarded.h"

namespace matrixcore::net {
namespace {

using boost::system::error_code;

// Reads of one event; then others get their turn.
constexpr int kMaxReads = 8;
// One TLS record.
constexpr size_t kRecordBytes = 16u << 10;
// How long to read on after the last answer: since the last byte, and in all.
constexpr int64_t kLingerPause = 5'000'000'000;
constexpr int64_t kLingerTotal = 30'000'000'000;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// What a client may call its request: harmless in logs and headers.
bool IsSaneRequestId(std::string_view id) {
  return !id.empty() && id.size() <= 64 &&
         std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                  (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';
         });
}

bool AsksToClose(const HttpResponse& response) {
  const auto connection = response.headers.Get("Connection");
  return connection && *connection == "close";
}

}  // namespace

Connection::Connection(std::shared_ptr<Loop> loop, Socket socket,
                       const Peer& peer, std::unique_ptr<TlsStream> tls)
    : loop_(std::move(loop)),
      socket_(std::move(socket)),
      tls_(std::move(tls)),
      peer_(peer),
      address_text_(peer.address.ToString()),
      state_(tls_ ? State::kHandshake : State::kIdle),
      over_tls_(tls_ != nullptr) {}

Connection::~Connection() = default;

// ---------------------------------------------------------------------------
// States, deadlines, readiness

bool Connection::IsBusy(State state) {
  return state == State::kHeader || state == State::kBody ||
         state == State::kRunning || state == State::kWriting;
}

void Connection::SetState(State state) {
  const bool was_busy = IsBusy(state_);
  state_ = state;
  if (IsBusy(state) == was_busy) return;
  if (was_busy) {
    loop_->shared().LeaveBusy();
  } else {
    loop_->shared().EnterBusy();
  }
}

int64_t Connection::Now() const { return loop_->shared().clock.Monotonic().ns; }

void Connection::SetDeadline(int64_t ns) {
  const bool timed = ns != kNoDeadline;
  if (timed || timed_) loop_->SetTimed(entry_, timed_, timed);
  timed_ = timed;
  deadline_ = ns;
}

// When a transfer that began at `start` and has moved `bytes` until now must
// have come further.
int64_t Connection::TransferDeadline(int64_t start, size_t bytes) const {
  const HttpLimits& limits = loop_->shared().limits;
  const size_t rate = std::max<size_t>(limits.min_bytes_per_second, 1);
  const int64_t needed = static_cast<int64_t>(bytes / rate) * 1'000'000'000;
  return std::min(start + needed, Now()) + limits.body_timeout.count();
}

void Connection::Start() {
  entry_ = loop_->Add(this);
  if (loop_->shared().stopping.load()) return Close();
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(Tcp::no_delay(true), ignored);
  const HttpLimits& limits = loop_->shared().limits;
  SetDeadline(Now() +
              (tls_ ? limits.handshake_timeout : limits.idle_timeout).count());
  ArmRead();
}

void Connection::ArmRead() {
  if (reading_ || state_ == State::kClosed) return;
  reading_ = true;
  socket_.async_wait(Socket::wait_read,
                     [self = shared_from_this()](const error_code& error) {
                       self->reading_ = false;
                       if (self->state_ == State::kClosed) return;
                       if (error) return self->Close();
                       self->OnReadable();
                     });
}

void Connection::ArmWrite() {
  if (writing_ || state_ == State::kClosed) return;
  writing_ = true;
  socket_.async_wait(Socket::wait_write,
                     [self = shared_from_this()](const error_code& error) {
                       self->writing_ = false;
                       if (self->state_ == State::kClosed) return;
                       if (error) return self->Close();
                       self->OnWritable();
                     });
}

// Reads in a turn of its own: TLS may hold bytes that the socket knows nothing
// of.
void Connection::ReadAgain() {
  if (reading_ || state_ == State::kClosed) return;
  reading_ = true;
  asio::post(loop_->io(), [self = shared_from_this()] {
    self->reading_ = false;
    if (self->state_ != State::kClosed) self->OnReadable();
  });
}

void Connection::OnReadable() {
  if (state_ == State::kHandshake) {
    StepHandshake();
  } else {
    ReadSome();
  }
}

void Connection::OnWritable() {
  if (state_ == State::kHandshake) {
    StepHandshake();
  } else if (output_) {
    Flush();
  } else {
    ReadSome();
  }
}

void Connection::StepHandshake() {
  const IoResult step = tls_->Handshake();
  TransportMetrics& metrics = loop_->shared().metrics;
  switch (step.state) {
    case IoState::kWantRead:
      return ArmRead();
    case IoState::kWantWrite:
      return ArmWrite();
    case IoState::kDone:
      metrics.CountHandshake(tls_->version(), tls_->group());
      SetState(State::kIdle);
      SetDeadline(Now() + loop_->shared().limits.idle_timeout.count());
      // The first request may have come along with the last flight.
      return ReadSome();
    case IoState::kEnd:
    case IoState::kFailed:
      metrics.failed_handshakes.Add();
      if (tls_->peer_spoke_http()) RejectPlainHttp();
      return Close();
  }
}

void Connection::RejectPlainHttp() {
  HttpResponse response = ErrorResponse(
      400, "M_UNKNOWN", "This port speaks HTTPS; use an https:// address");
  std::string text;
  loop_->head_writer().Write(text, response, {.keep_alive = false});
  text += response.body;
  error_code ignored;
  socket_.write_some(asio::buffer(text), ignored);
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  const bool was_running = state_ == State::kRunning;
  ServerShared& shared = loop_->shared();
  SetState(State::kClosed);
  loop_->Remove(entry_, timed_);
  timed_ = false;
  shared.admission.Leave(peer_.address, peer_.exempt);
  shared.metrics.connections.Add(-1);
  shared.body_bytes.fetch_sub(counted_body_, std::memory_order_relaxed);
  counted_body_ = 0;
  tls_.reset();
  error_code ignored;
  socket_.close(ignored);
  parser_.reset();
  output_.reset();
  input_ = std::string();
  if (was_running) TellGone();
}

void Connection::OnDeadline() {
  TransportMetrics& metrics = loop_->shared().metrics;
  switch (state_) {
    case State::kHandshake:
      metrics.CountTimeout("handshake");
      return Close();
    case State::kHeader:
      metrics.CountTimeout("header");
      return Refuse(408, "M_UNKNOWN", "The request's header took too long");
    case State::kBody:
      metrics.CountTimeout("body");
      return Refuse(408, "M_UNKNOWN", "The request's body took too long");
    case State::kWriting:
      metrics.CountTimeout("write");
      return Close();
    case State::kIdle:
    case State::kLinger:
      return Close();
    case State::kRunning:
    case State::kClosed:
      return;
  }
}

// ---------------------------------------------------------------------------
// Reading

IoResult Connection::ReadFrom(std::span<char> buffer) {
  if (tls_) return tls_->Read(buffer);
  error_code error;
  const size_t n = socket_.read_some(
      asio::mutable_buffer(buffer.data(), buffer.size()), error);
  if (!error) return {IoState::kDone, n};
  if (error == asio::error::would_block || error == asio::error::try_again) {
    return {IoState::kWantRead, 0};
  }
  if (error == asio::error::eof) return {IoState::kEnd, 0};
  return {IoState::kFailed, 0};
}

void Connection::ReadSome() {
  const std::span<char> buffer = loop_->read_buffer();
  for (int round = 0; round < kMaxReads; ++round) {
    // Enough was sent ahead; ContinueReading() goes on after the answer.
    if ((state_ == State::kRunning || state_ == State::kWriting) &&
        input_.size() >= loop_->shared().limits.max_header_bytes) {
      return;
    }
    const IoResult io = ReadFrom(buffer);
    switch (io.state) {
      case IoState::kDone:
        loop_->shared().metrics.received_bytes.Add(
            static_cast<double>(io.bytes));
        OnBytes({buffer.data(), io.bytes});
        if (state_ == State::kClosed) return;
        // A short read has emptied the socket.
        if (!tls_ && io.bytes < buffer.size()) return ArmRead();
        break;
      case IoState::kWantRead:
        return ArmRead();
      case IoState::kWantWrite:
        return ArmWrite();
      case IoState::kEnd:
        return OnEnd();
      case IoState::kFailed:
        return OnBroken();
    }
  }
  ReadAgain();
}

void Connection::OnBytes(std::string_view bytes) {
  switch (state_) {
    case State::kIdle:
    case State::kHeader:
    case State::kBody:
      return Consume(bytes);
    case State::kRunning:
    case State::kWriting:
      input_.append(bytes);
      return;
    case State::kLinger:
      return SetDeadline(
          std::min(phase_started_ + kLingerTotal, Now() + kLingerPause));
    case State::kHandshake:
    case State::kClosed:
      return;
  }
}

void Connection::OnEnd() {
  input_ended_ = true;
  switch (state_) {
    case State::kHeader:
    case State::kBody:
      return Refuse(400, "M_UNKNOWN", "The request ended too early");
    case State::kRunning:
      // It may have closed its sending side only and still read the answer.
      return TellGone();
    case State::kWriting:
      return;
    case State::kHandshake:
    case State::kIdle:
    case State::kLinger:
    case State::kClosed:
      return Close();
  }
}

void Connection::OnBroken() {
  gone_.store(true, std::memory_order_release);
  Close();
}

void Connection::TellGone() {
  gone_.store(true, std::memory_order_release);
  if (auto callback = std::exchange(on_gone_, {})) callback();
}

// ---------------------------------------------------------------------------
// Requests

void Connection::Consume(std::string_view bytes) {
  // `rest` must stay valid while requests are answered, so nothing of it is in
  // input_ meanwhile.
  std::string held = std::exchange(input_, std::string());
  std::string_view rest = bytes;
  if (!held.empty()) {
    held.append(bytes);
    rest = held;
  }
  consuming_ = true;
  while (!rest.empty() && ConsumeOne(rest)) {
  }
  consuming_ = false;
  if (state_ == State::kClosed || state_ == State::kLinger) return;
  if (rest.size() == held.size()) {
    input_ = std::move(held);
  } else {
    input_.assign(rest);
  }
}

// Feeds what is there to one request.  False when more is needed, or when no
// more is to be parsed for now.
bool Connection::ConsumeOne(std::string_view& rest) {
  if (state_ == State::kIdle) {
    // Empty lines before a request are ignored (RFC 9112 section 2.2).
    const size_t start = rest.find_first_not_of("\r\n");
    if (start == std::string_view::npos) {
      rest = {};
      return false;
    }
    rest.remove_prefix(start);
    const HttpLimits& limits = loop_->shared().limits;
    parser_ = std::make_unique<RequestParser>(
        ParserLimits{.header_bytes = limits.max_header_bytes,
                     .header_fields = limits.max_header_fields,
                     .body_bytes = limits.max_body_bytes});
    header_timed_ = false;
    continued_ = false;
    SetState(State::kHeader);
  } else if (state_ != State::kHeader && state_ != State::kBody) {
    return false;
  }
  rest.remove_prefix(parser_->Feed(rest));
  if (const ParseFailure& failure = parser_->failure(); failure.status != 0) {
    Refuse(failure.status, failure.errcode, failure.message);
    return false;
  }
  if (!CountBody()) {
    Refuse(503, "M_LIMIT_EXCEEDED", "The server is receiving too much");
    return false;
  }
  if (parser_->done()) {
    Dispatch();
    return state_ == State::kIdle;
  }
  AfterPiece();
  return false;
}

// Counts what the body has grown by against the server's total.
bool Connection::CountBody() {
  const size_t size = parser_->request().body.size();
  if (size == counted_body_) return true;
  ServerShared& shared = loop_->shared();
  const size_t grown = size - counted_body_;
  counted_body_ = size;
  return shared.body_bytes.fetch_add(grown, std::memory_order_relaxed) +
             grown <=
         shared.limits.max_total_body_bytes;
}

// The request is incomplete: sets the time for the rest, answers "Expect".
void Connection::AfterPiece() {
  if (!parser_->header_done()) {
    if (!std::exchange(header_timed_, true)) {
      SetDeadline(Now() + loop_->shared().limits.header_timeout.count());
    }
    return;
  }
  if (state_ == State::kHeader) {
    SetState(State::kBody);
    phase_started_ = Now();
  }
  SetDeadline(TransferDeadline(phase_started_, parser_->request().body.size()));
  if (std::exchange(continued_, true) || !parser_->expects_continue()) return;
  if (!parser_->request().body.empty()) return;
  const IoResult io = WriteFrom(kContinue, "", 0);
  if (io.state != IoState::kDone || io.bytes != kContinue.size()) Close();
}

// Goes on with what was received meanwhile, then reads more.
void Connection::ContinueReading() {
  if (!input_.empty()) Consume({});
  if (state_ == State::kClosed) return;
  if (input_ended_) {
    if (state_ != State::kRunning && state_ != State::kWriting) OnEnd();
    return;
  }
  if (tls_) {
    ReadAgain();
  } else {
    ArmRead();
  }
}

void Connection::Dispatch() {
  ServerShared& shared = loop_->shared();
  HttpRequest request = std::move(parser_->request());
  keep_alive_ = parser_->keep_alive();
  http_1_0_ = parser_->http_1_0();
  head_only_ = request.method == HttpMethod::kHead;
  parser_.reset();
  shared.body_bytes.fetch_sub(std::exchange(counted_body_, 0),
                              std::memory_order_relaxed);
  SetState(State::kRunning);
  SetDeadline(kNoDeadline);
  shared.metrics.requests.Add();

  request.remote_address = address_text_;
  request.over_tls = over_tls_;
  if (peer_.trusted_proxy) {
    if (const auto client =
            ForwardedClient(request.headers, shared.trusted_proxies)) {
      request.remote_address = client->ToString();
    }
    if (const auto proto = request.headers.Get("X-Forwarded-Proto")) {
      request.over_tls = *proto == "https";
    }
  }
  const auto sent_id = request.headers.Get("X-Request-Id");
  request_id_ = sent_id && IsSaneRequestId(*sent_id) ? std::string(*sent_id)
                                                     : shared.NewRequestId();
  request.request_id = request_id_;
  request.peer = shared_from_this();

  loop_->handling = this;
  shared.handler.Handle(
      std::move(request),
      Responder([self = shared_from_this()](HttpResponse response) {
        self->Answer(std::move(response));
      }));
  loop_->handling = nullptr;
  if (loop_->immediate) {
    Deliver(*std::exchange(loop_->immediate, std::nullopt));
  }
}

void Connection::Answer(HttpResponse response) {
  if (loop_->InThread() && loop_->handling == this) {
    loop_->immediate = std::move(response);
  } else {
    loop_->PostAnswer(shared_from_this(), std::move(response));
  }
}

void Connection::OnGone(UniqueFunction<void()> callback) {
  if (loop_->InThread() && loop_->handling == this) {
    Watch(std::move(callback));
  } else {
    loop_->PostWatch(shared_from_this(), std::move(callback));
  }
}

void Connection::Watch(UniqueFunction<void()> callback) {
  if (gone()) {
    if (callback) callback();
  } else if (state_ == State::kRunning) {
    on_gone_ = std::move(callback);
  }
}

void Connection::Deliver(HttpResponse response) {
  if (state_ != State::kRunning) return;
  on_gone_ = {};
  ServerShared& shared = loop_->shared();
  keep_alive_ =
      keep_alive_ && !shared.stopping.load() && !AsksToClose(response);
  std::string& head = loop_->head_buffer();
  loop_->head_writer().Write(head, response,
                             {.keep_alive = keep_alive_,
                              .http_1_0 = http_1_0_,
                              .request_id = request_id_});
  if (head_only_ || !StatusHasBody(response.status)) response.body.clear();
  Send(head, std::move(response.body));
}

// Answers in the handler's place and closes.
void Connection::Refuse(int status, std::string_view errcode,
                        std::string_view message) {
  ServerShared& shared = loop_->shared();
  shared.metrics.CountRefusedRequest(status);
  shared.log.Debug(
      "net", "request refused",
      {{"status", status}, {"reason", message}, {"address", address_text_}});
  HttpResponse response = ErrorResponse(status, errcode, message);
  if (status == 503) response.headers.Add("Retry-After", "5");
  keep_alive_ = false;
  head_only_ = parser_ && parser_->request().method == HttpMethod::kHead;
  parser_.reset();
  shared.body_bytes.fetch_sub(std::exchange(counted_body_, 0),
                              std::memory_order_relaxed);
  request_id_ = shared.NewRequestId();
  std::string& head = loop_->head_buffer();
  loop_->head_writer().Write(head, response,
                             {.keep_alive = false, .request_id = request_id_});
  if (head_only_) response.body.clear();
  Send(head, std::move(response.body));
}

// ---------------------------------------------------------------------------
// Writing

// Writes what goes out at once, keeps the rest.
void Connection::Send(std::string_view head, std::string body) {
  SetState(State::kWriting);
  const IoResult io = WriteFrom(head, body, 0);
  const size_t total = head.size() + body.size();
  loop_->shared().metrics.sent_bytes.Add(static_cast<double>(total));
  if (io.state == IoState::kDone && io.bytes == total) return Finish();
  if (io.state != IoState::kDone && io.state != IoState::kWantWrite) {
    return Close();
  }
  const int64_t now = Now();
  output_ = std::make_unique<Output>(
      Output{std::string(head), std::move(body), io.bytes, now});
  SetDeadline(TransferDeadline(now, io.bytes));
  ArmWrite();
}

// Writes from byte `sent` of head and body on.  kDone: the socket took `bytes`,
// perhaps all.
IoResult Connection::WriteFrom(std::string_view head, std::string_view body,
                               size_t sent) {
  if (!tls_) {
    const std::string_view first =
        sent < head.size() ? head.substr(sent) : std::string_view();
    const std::string_view second =
        body.substr(sent > head.size() ? sent - head.size() : 0);
    const std::array<asio::const_buffer, 2> pieces = {
        asio::const_buffer(first.data(), first.size()),
        asio::const_buffer(second.data(), second.size())};
    error_code error;
    const size_t n = socket_.write_some(pieces, error);
    if (!error) return {IoState::kDone, n};
    if (error == asio::error::would_block || error == asio::error::try_again) {
      return {IoState::kWantWrite, 0};
    }
    return {IoState::kFailed, 0};
  }
  const size_t total = head.size() + body.size();
  size_t written = 0;
  while (sent + written < total) {
    const size_t at = sent + written;
    std::string_view piece;
    if (at < head.size()) {
      // Head and the beginning of the body share a record.
      std::string& record = loop_->record_buffer();
      record.assign(head.substr(at));
      if (record.size() < kRecordBytes) {
        record.append(body.substr(0, kRecordBytes - record.size()));
      }
      piece = record;
    } else {
      piece = body.substr(at - head.size());
    }
    const IoResult io = tls_->Write(piece);
    if (io.state == IoState::kWantWrite) break;
    if (io.state != IoState::kDone) return {IoState::kFailed, 0};
    written += io.bytes;
  }
  if (written == 0 && sent < total) return {IoState::kWantWrite, 0};
  return {IoState::kDone, written};
}

void Connection::Flush() {
  const size_t total = output_->head.size() + output_->body.size();
  while (output_->sent < total) {
    const IoResult io = WriteFrom(output_->head, output_->body, output_->sent);
    if (io.state == IoState::kWantWrite) {
      SetDeadline(TransferDeadline(output_->started, output_->sent));
      return ArmWrite();
    }
    if (io.state != IoState::kDone) return Close();
    output_->sent += io.bytes;
  }
  Finish();
}

// The answer is out.
void Connection::Finish() {
  output_.reset();
  if (!keep_alive_) return Linger();
  SetState(State::kIdle);
  SetDeadline(Now() + loop_->shared().limits.idle_timeout.count());
  if (!consuming_) ContinueReading();
}

void Connection::Linger() {
  input_ = std::string();
  if (input_ended_) return Close();
  SetState(State::kLinger);
  phase_started_ = Now();
  SetDeadline(phase_started_ + kLingerPause);
  if (tls_) tls_->CloseNotify();
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  if (consuming_) return;  // The caller reads on.
  if (tls_) {
    ReadAgain();
  } else {
    ArmRead();
  }
}

}  // namespace matrixcore::net
