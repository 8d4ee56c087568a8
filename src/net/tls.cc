#include "net/tls.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>

namespace matrixcore::net {
namespace {

// Post-quantum key exchange first.  OpenSSL refuses a list with a name that it
// does not know (before 3.5), then the classical list is used.
constexpr const char* kHybridGroups = "X25519MLKEM768:X25519:P-256:P-384";
constexpr const char* kClassicalGroups = "X25519:P-256:P-384";

// For TLS 1.2 only: forward secrecy and authenticated encryption.
constexpr const char* kTls12Ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK";

// A BIO over a socket that never raises SIGPIPE: OpenSSL's own uses write().
int SocketOf(BIO* bio) {
  return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
}

int BioRead(BIO* bio, char* out, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n = recv(SocketOf(bio), out, static_cast<size_t>(size), 0);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    BIO_set_retry_read(bio);
  }
  if (n == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(n);
}

int BioWrite(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t n =
      send(SocketOf(bio), data, static_cast<size_t>(size), MSG_NOSIGNAL);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    BIO_set_retry_write(bio);
  }
  return static_cast<int>(n);
}

long BioControl(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP:
      return 1;
    case BIO_CTRL_EOF:
      return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default:
      return 0;
  }
}

int BioCreate(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

// The newest entry of this thread's error queue, which is emptied.
std::string TakeError() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "unknown error" : reason;
}

int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_length,
               const unsigned char* in, unsigned int in_length, void*) {
  static constexpr unsigned char kProtocols[] = "\x08http/1.1";
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_length, kProtocols,
                            sizeof(kProtocols) - 1, in,
                            in_length) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

// A server must not stop to ask for a passphrase.
int NoPassphrase(char*, int, int, void*) { return -1; }

bool SetGroups(SSL_CTX* context) {
  if (SSL_CTX_set1_groups_list(context, kHybridGroups) == 1) return true;
  ERR_clear_error();
  return SSL_CTX_set1_groups_list(context, kClassicalGroups) == 1;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::Load(
    const TlsFiles& files) {
  std::shared_ptr<TlsContext> context(new TlsContext);
  MC_RETURN_IF_ERROR(context->Init(files));
  return std::shared_ptr<const TlsContext>(std::move(context));
}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
  BIO_meth_free(bio_method_);
}

Status TlsContext::Init(const TlsFiles& files) {
  ERR_clear_error();
  bio_method_ =
      BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
  context_ = SSL_CTX_new(TLS_server_method());
  if (bio_method_ == nullptr || context_ == nullptr) {
    return {StatusCode::kUnavailable, "OpenSSL: " + TakeError()};
  }
  BIO_meth_set_read(bio_method_, BioRead);
  BIO_meth_set_write(bio_method_, BioWrite);
  BIO_meth_set_ctrl(bio_method_, BioControl);
  BIO_meth_set_create(bio_method_, BioCreate);

  SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
  SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION |
                                    SSL_OP_NO_COMPRESSION |
                                    SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS |
                                 SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context_, 1);
  // Sessions are resumed by tickets, which the server need not remember.
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context_, 1);
  SSL_CTX_set_alpn_select_cb(context_, SelectAlpn, nullptr);
  SSL_CTX_set_default_passwd_cb(context_, NoPassphrase);
  if (SSL_CTX_set_cipher_list(context_, kTls12Ciphers) != 1 ||
      !SetGroups(context_)) {
    return {StatusCode::kUnavailable, "OpenSSL: " + TakeError()};
  }
  if (SSL_CTX_use_certificate_chain_file(context_, files.certificate.c_str()) !=
      1) {
    return {StatusCode::kInvalidArgument,
            fmt::format("cannot use the TLS certificate {}: {}",
                        files.certificate, TakeError())};
  }
  if (SSL_CTX_use_PrivateKey_file(context_, files.private_key.c_str(),
                                  SSL_FILETYPE_PEM) != 1) {
    return {StatusCode::kInvalidArgument,
            fmt::format("cannot use the TLS private key {}: {}",
                        files.private_key, TakeError())};
  }
  return OkStatus();
}

std::unique_ptr<TlsStream> TlsContext::NewServerStream(int socket) const {
  SSL* ssl = SSL_new(context_);
  BIO* bio = BIO_new(bio_method_);
  if (ssl == nullptr || bio == nullptr) {
    SSL_free(ssl);
    BIO_free(bio);
    ERR_clear_error();
    return nullptr;
  }
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(socket)));
  SSL_set_bio(ssl, bio, bio);  // Takes the BIO.
  SSL_set_accept_state(ssl);
  return std::unique_ptr<TlsStream>(new TlsStream(shared_from_this(), ssl));
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

IoResult TlsStream::Outcome(int result, size_t bytes) {
  if (result == 1) return {IoState::kDone, bytes};
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return {IoState::kWantRead, 0};
    case SSL_ERROR_WANT_WRITE:
      return {IoState::kWantWrite, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {IoState::kEnd, 0};
    case SSL_ERROR_SSL:
      peer_spoke_http_ = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
      break;
    default:
      break;
  }
  ERR_clear_error();
  return {IoState::kFailed, 0};
}

IoResult TlsStream::Handshake() {
  ERR_clear_error();
  return Outcome(SSL_do_handshake(ssl_), 0);
}

IoResult TlsStream::Read(std::span<char> out) {
  ERR_clear_error();
  size_t n = 0;
  const int result = SSL_read_ex(ssl_, out.data(), out.size(), &n);
  return Outcome(result, n);
}

IoResult TlsStream::Write(std::string_view bytes) {
  ERR_clear_error();
  size_t n = 0;
  const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &n);
  return Outcome(result, n);
}

void TlsStream::CloseNotify() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);
  ERR_clear_error();
}

std::string_view TlsStream::version() const { return SSL_get_version(ssl_); }

std::string TlsStream::group() const {
  const int id = static_cast<int>(SSL_get_negotiated_group(ssl_));
  const char* name = SSL_group_to_name(ssl_, id);
  return name == nullptr ? "none" : name;
}

}  // namespace matrixcore::net

namespace matrixcore {

std::string OfferedTlsGroups() {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return "";
  const bool hybrid =
      SSL_CTX_set1_groups_list(context, net::kHybridGroups) == 1;
  SSL_CTX_free(context);
  ERR_clear_error();
  return hybrid ? net::kHybridGroups : net::kClassicalGroups;
}

}  // namespace matrixcore
