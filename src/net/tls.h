// TLS on a non-blocking socket, straight on OpenSSL.
//
// An idle connection keeps no record buffers (SSL_MODE_RELEASE_BUFFERS), which
// a stream with memory BIOs would.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "matrixcore/base/status.h"
#include "matrixcore/net/http_server.h"

struct bio_method_st;
struct ssl_ctx_st;
struct ssl_st;

namespace matrixcore::net {

// What a step on a socket came to.
enum class IoState {
  kDone,       // `bytes` were moved, or the handshake is complete.
  kWantRead,   // Again when the socket is readable.
  kWantWrite,  // Again when it is writable, with the same bytes.
  kEnd,        // The peer will send no more.
  kFailed,     // The connection is broken.
};
struct IoResult {
  IoState state = IoState::kFailed;
  size_t bytes = 0;
};

class TlsStream;

// A certificate, its key and the settings of a server.  Immutable; thread-safe.
class TlsContext : public std::enable_shared_from_this<TlsContext> {
 public:
  // kInvalidArgument, naming the file, when one cannot be read or does not fit.
  static Result<std::shared_ptr<const TlsContext>> Load(const TlsFiles& files);
  ~TlsContext();

  // `socket` outlives the stream, which does not close it.  Null when out of
  // memory.
  std::unique_ptr<TlsStream> NewServerStream(int socket) const;

 private:
  TlsContext() = default;
  Status Init(const TlsFiles& files);

  bio_method_st* bio_method_ = nullptr;
  ssl_ctx_st* context_ = nullptr;
};

// The server's end of one connection.  Not thread-safe.
class TlsStream {
 public:
  ~TlsStream();

  IoResult Handshake();
  IoResult Read(std::span<char> out);
  IoResult Write(std::string_view bytes);
  // Tells the peer that nothing follows; does not wait for its answer.
  void CloseNotify();

  // After the handshake: "TLSv1.3", and the key exchange group, "X25519".
  std::string_view version() const;
  std::string group() const;
  // The handshake failed because the peer spoke plain HTTP.
  bool peer_spoke_http() const { return peer_spoke_http_; }

 private:
  friend class TlsContext;
  TlsStream(std::shared_ptr<const TlsContext> context, ssl_st* ssl)
      : context_(std::move(context)), ssl_(ssl) {}
  IoResult Outcome(int result, size_t bytes);

  std::shared_ptr<const TlsContext> context_;
  ssl_st* ssl_;
  bool peer_spoke_http_ = false;
};

}  // namespace matrixcore::net
