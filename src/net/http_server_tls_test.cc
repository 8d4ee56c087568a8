#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <cstdio>
#include <list>
#include <thread>

#include "matrixcore/net/http_server.h"
#include "net/socket_client.h"
#include "net/test_certificate.h"

namespace matrixcore::net {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

// A SocketClient that speaks TLS.
class TlsClient : public SocketClient {
 public:
  struct Options {
    int max_version = 0;    // 0: the newest.
    std::string alpn = {};  // In wire form.
    const char* groups = nullptr;
  };

  explicit TlsClient(uint16_t port) : TlsClient(port, Options()) {}
  TlsClient(uint16_t port, const Options& options) : SocketClient(port) {
    context_ = SSL_CTX_new(TLS_client_method());
    if (options.max_version != 0) {
      SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
      SSL_CTX_set_max_proto_version(context_, options.max_version);
      SSL_CTX_set_security_level(context_, 0);
    }
    if (options.groups != nullptr) {
      SSL_CTX_set1_groups_list(context_, options.groups);
    }
    ssl_ = SSL_new(context_);
    if (!options.alpn.empty()) {
      SSL_set_alpn_protos(
          ssl_, reinterpret_cast<const unsigned char*>(options.alpn.data()),
          static_cast<unsigned>(options.alpn.size()));
    }
    SSL_set_fd(ssl_, fd());
    handshake_ = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() override {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }

  bool handshake() const { return handshake_; }
  std::string version() const { return SSL_get_version(ssl_); }
  std::string alpn() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return std::string(reinterpret_cast<const char*>(name), size);
  }
  std::string peer_name() const {
    X509* certificate = SSL_get1_peer_certificate(ssl_);
    char name[100] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate),
                              NID_commonName, name, sizeof(name));
    X509_free(certificate);
    return name;
  }

 protected:
  ssize_t WriteSome(std::string_view bytes) override {
    return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
  }
  ssize_t ReadSome(char* out, size_t size) override {
    const int n = SSL_read(ssl_, out, static_cast<int>(size));
    if (n > 0) return n;
    return SSL_get_error(ssl_, n) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
  }

 private:
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  bool handshake_ = false;
};

class HttpServerTlsTest : public ::testing::Test {
 protected:
  void Start(HttpHandler& handler, HttpLimits limits = {}) {
    auto server = world_.Start(
        {.listeners = {{.tls = certificate_.files()}}, .limits = limits},
        handler);
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }
  uint16_t port() const { return server_->endpoints().at(0).port; }

  // Handlers outlive the server.
  FunctionHandler& Keep(FunctionHandler::Function function) {
    return functions_.emplace_back(std::move(function));
  }

  ServerWorld world_;
  ParkingHandler parking_;
  std::list<FunctionHandler> functions_;
  TestCertificate certificate_{"one"};
  FunctionHandler echo_{[](HttpRequest request, Responder respond) {
    respond(TextResponse((request.over_tls ? "tls " : "plain ") +
                         request.target + " " + request.body));
  }};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTlsTest, ServesRequestsOneAfterTheOther) {
  Start(echo_);
  TlsClient client(port());
  ASSERT_TRUE(client.handshake());
  EXPECT_EQ(client.version(), "TLSv1.3");
  for (int i = 0; i < 50; ++i) {
    const std::string path = "/" + std::to_string(i);
    const auto response =
        client.Ask("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, "tls " + path + " ");
  }
  EXPECT_TRUE(server_->endpoints()[0].tls);
}

TEST_F(HttpServerTlsTest, AnswersManyRequestsInOneRecord) {
  Start(echo_);
  TlsClient client(port());
  std::string requests;
  for (int i = 0; i < 300; ++i) requests += kGet;
  client.Send(requests);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(client.Read()->body, "tls / ");
}

TEST_F(HttpServerTlsTest, CarriesLargeBodiesBothWays) {
  Start(echo_);
  TlsClient client(port());
  std::string body(5u << 20, 'x');
  for (size_t i = 0; i < body.size(); i += 1000) body[i] = 'y';
  client.Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  const auto response = client.Read();
  ASSERT_TRUE(response);
  EXPECT_TRUE(response->body == "tls / " + body);
}

TEST_F(HttpServerTlsTest, ParksAndNoticesHangUps) {
  ParkingHandler& handler = parking_;
  Start(handler);
  TlsClient stays(port());
  TlsClient leaves(port());
  stays.Send(kGet);
  auto first = handler.Take();
  leaves.Send(kGet);
  auto second = handler.Take();
  Event told;
  second.request.peer->OnGone([&] { told.Set(); });
  leaves.Close();
  EXPECT_TRUE(told.Wait());
  first.respond(TextResponse("late"));
  EXPECT_EQ(stays.Read()->body, "late");
}

TEST_F(HttpServerTlsTest, ClosesOrderly) {
  Start(echo_);
  TlsClient client(port());
  EXPECT_EQ(
      client.Ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
          ->body,
      "tls / ");
  // AtEnd() is only true after a close_notify.
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerTlsTest, SpeaksTls12ButNothingOlder) {
  Start(echo_);
  TlsClient newer(port(), {.max_version = TLS1_2_VERSION});
  ASSERT_TRUE(newer.handshake());
  EXPECT_EQ(newer.version(), "TLSv1.2");
  EXPECT_EQ(newer.Ask(kGet)->body, "tls / ");
  EXPECT_FALSE(TlsClient(port(), {.max_version = TLS1_1_VERSION}).handshake());
  EXPECT_THAT(world_.metrics->Text(),
              HasSubstr("matrixcore_tls_failed_handshakes_total 1"));
}

TEST_F(HttpServerTlsTest, SelectsHttp11) {
  Start(echo_);
  TlsClient both(port(), {.alpn = "\x02h2\x08http/1.1"});
  ASSERT_TRUE(both.handshake());
  EXPECT_EQ(both.alpn(), "http/1.1");
  EXPECT_FALSE(TlsClient(port(), {.alpn = "\x02h2"}).handshake());
}

TEST_F(HttpServerTlsTest, CountsTheNegotiatedGroups) {
  Start(echo_);
  EXPECT_TRUE(TlsClient(port(), {.groups = "X25519"}).handshake());
  EXPECT_TRUE(TlsClient(port(), {.groups = "P-256"}).handshake());
  EXPECT_FALSE(TlsClient(port(), {.groups = "P-521"}).handshake());
  EXPECT_EQ(TlsClient(port(), {.groups = "X25519"}).Ask(kGet)->status, 200);
  const std::string text = world_.metrics->Text();
  EXPECT_THAT(text, HasSubstr("group=\"x25519\""));
  EXPECT_THAT(text, HasSubstr("group=\"secp256r1\""));
}

TEST_F(HttpServerTlsTest, TellsAPlainHttpClientWhatIsWrong) {
  Start(echo_);
  SocketClient client(port());
  const auto response = client.Ask(kGet);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 400);
  EXPECT_THAT(response->body, HasSubstr("HTTPS"));
}

TEST_F(HttpServerTlsTest, EndsSlowHandshakes) {
  Start(echo_, {.handshake_timeout = milliseconds(40)});
  SocketClient client(port());
  client.Send("\x16\x03\x01");
  EXPECT_TRUE(client.AtEnd());
  EXPECT_THAT(world_.metrics->Text(), HasSubstr("phase=\"handshake\""));
}

TEST_F(HttpServerTlsTest, SurvivesHostileBytes) {
  Start(echo_);
  const auto random = NewSeededRandom(3);
  for (int round = 0; round < 100; ++round) {
    SocketClient client(port());
    std::string bytes = "\x16\x03\x01";
    std::string noise(random->Below(600), '\0');
    random->Fill({reinterpret_cast<uint8_t*>(noise.data()), noise.size()});
    client.Send(bytes + noise);
    if (random->Below(2) == 0) client.Abort();
  }
  EXPECT_EQ(TlsClient(port()).Ask(kGet)->status, 200);
}

TEST_F(HttpServerTlsTest, UsesTheNewCertificateAfterAReload) {
  Start(echo_);
  TlsClient before(port());
  EXPECT_EQ(before.peer_name(), "one");
  {
    const TestCertificate other("two");
    ASSERT_EQ(std::rename(other.files().certificate.c_str(),
                          certificate_.files().certificate.c_str()),
              0);
    // The key does not fit yet: nothing changes.
    const Status mismatch = server_->ReloadCertificates();
    EXPECT_EQ(mismatch.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(mismatch.message(),
                HasSubstr(certificate_.files().private_key));
    EXPECT_EQ(TlsClient(port()).peer_name(), "one");
    ASSERT_EQ(std::rename(other.files().private_key.c_str(),
                          certificate_.files().private_key.c_str()),
              0);
  }
  EXPECT_TRUE(server_->ReloadCertificates().ok());
  EXPECT_EQ(TlsClient(port()).peer_name(), "two");
  EXPECT_EQ(before.Ask(kGet)->status, 200);
}

TEST_F(HttpServerTlsTest, NamesACertificateThatCannotBeRead) {
  const auto missing = world_.Start(
      {.listeners = {{.tls = TlsFiles{.certificate = "no-such.crt",
                                      .private_key = "no-such.key"}}}},
      echo_);
  EXPECT_EQ(missing.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(missing.status().message(), HasSubstr("no-such.crt"));
}

TEST(OfferedTlsGroups, PrefersPostQuantumWhereOpenSslKnowsIt) {
  const std::string groups = OfferedTlsGroups();
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  const bool hybrid = SSL_CTX_set1_groups_list(context, "X25519MLKEM768") == 1;
  SSL_CTX_free(context);
  EXPECT_EQ(groups, hybrid ? "X25519MLKEM768:X25519:P-256:P-384"
                           : "X25519:P-256:P-384");
}

}  // namespace
}  // namespace matrixcore::net
