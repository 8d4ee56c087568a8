#include "matrixcore/net/curl_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>
#include <vector>

#include "matrixcore/net/http_server.h"
#include "net/socket_client.h"
#include "net/test_certificate.h"

namespace matrixcore::net {
namespace {

using ::testing::HasSubstr;
using Outgoing = HttpClient::Outgoing;

// A client, and a server of this machine for it to talk to.
class CurlClientTest : public ::testing::Test {
 protected:
  static CurlClientOptions AllowLoopback() {
    CurlClientOptions options;
    options.filter.allowed = {*IpRange::Parse("127.0.0.0/8"),
                              *IpRange::Parse("::1")};
    return options;
  }

  void StartServer(HttpHandler& handler, bool tls = false) {
    HttpListener listener;
    if (tls) listener.tls = certificate_.files();
    auto server = world_.Start({.listeners = {listener}}, handler);
    ASSERT_TRUE(server.ok()) << server.status().ToString();
    server_ = std::move(*server);
  }
  void StartClient(CurlClientOptions options) {
    auto client = NewCurlClient(std::move(options), *world_.clock, *world_.log,
                                *world_.metrics);
    ASSERT_TRUE(client.ok()) << client.status().ToString();
    client_ = std::move(*client);
  }
  std::string Url(const std::string& path, const char* scheme = "http",
                  const char* host = "127.0.0.1") const {
    return std::string(scheme) + "://" + host + ":" +
           std::to_string(server_->endpoints().at(0).port) + path;
  }

  // Sends and waits.
  Result<HttpResponse> Ask(Outgoing request) {
    Event event;
    Result<HttpResponse> outcome = Status(StatusCode::kInternal, "no answer");
    client_->Send(std::move(request), [&](Result<HttpResponse> result) {
      outcome = std::move(result);
      event.Set();
    });
    EXPECT_TRUE(event.Wait());
    return outcome;
  }
  Result<HttpResponse> Get(const std::string& path) {
    return Ask({.url = Url(path)});
  }

  // Handlers outlive the server.
  FunctionHandler& Keep(FunctionHandler::Function function) {
    return functions_.emplace_back(std::move(function));
  }

  ServerWorld world_;
  ParkingHandler parking_;
  std::list<FunctionHandler> functions_;
  TestCertificate certificate_{"curl"};
  // Answers "METHOD target [content-type] [content-length] body".
  FunctionHandler echo_{[](HttpRequest request, Responder respond) {
    HttpResponse response = TextResponse(
        std::string(HttpMethodName(request.method)) + " " + request.target +
        " [" + std::string(request.headers.Get("Content-Type").value_or("")) +
        "] [" +
        std::string(request.headers.Get("Content-Length").value_or("")) + "] " +
        request.body);
    response.headers.Add("X-Two", "1");
    response.headers.Add("X-Two", "2");
    respond(std::move(response));
  }};
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<HttpClient> client_;
};

TEST_F(CurlClientTest, SendsWhatItIsGivenAndNothingElse) {
  StartServer(echo_);
  StartClient(AllowLoopback());
  const auto get = Ask({.url = Url("/a%2Fb?c=d")});
  ASSERT_TRUE(get.ok()) << get.status().ToString();
  EXPECT_EQ(get->status, 200);
  EXPECT_EQ(get->body, "GET /a%2Fb?c=d [] [] ");
  Outgoing put{.method = HttpMethod::kPut, .url = Url("/p"), .body = "{}"};
  put.headers.Add("Content-Type", "application/json");
  EXPECT_EQ(Ask(std::move(put))->body, "PUT /p [application/json] [2] {}");
  EXPECT_EQ(Ask({.method = HttpMethod::kPost, .url = Url("/")})->body,
            "POST / [] [0] ");
  EXPECT_EQ(Ask({.method = HttpMethod::kDelete, .url = Url("/")})->body,
            "DELETE / [] [] ");
  EXPECT_EQ(Ask({.method = HttpMethod::kHead, .url = Url("/")})->body, "");
}

TEST_F(CurlClientTest, GivesAllHeaderFieldsOfTheAnswer) {
  StartServer(echo_);
  StartClient(AllowLoopback());
  const auto response = Get("/");
  ASSERT_TRUE(response.ok());
  std::vector<std::string> two;
  for (const auto& [name, value] : response->headers.fields()) {
    if (name == "X-Two") two.push_back(value);
  }
  EXPECT_THAT(two, ::testing::ElementsAre("1", "2"));
}

TEST_F(CurlClientTest, TakesEveryHttpStatusForASuccess) {
  FunctionHandler& handler = Keep(
      [](HttpRequest, Responder respond) { respond(TextResponse("no", 502)); });
  StartServer(handler);
  StartClient(AllowLoopback());
  const auto response = Get("/");
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, 502);
}

TEST_F(CurlClientTest, CarriesLargeBodiesAndManyRequestsAtOnce) {
  StartServer(echo_);
  StartClient(AllowLoopback());
  const std::string body(3u << 20, 'x');
  const auto large = Ask({.method = HttpMethod::kPost,
                          .url = Url("/"),
                          .body = body,
                          .max_response_bytes = 4u << 20});
  ASSERT_TRUE(large.ok());
  EXPECT_EQ(large->body.size(),
            body.size() + sizeof("POST / [] [3145728] ") - 1);
  constexpr int kRequests = 500;
  std::atomic<int> good = 0;
  std::atomic<int> left = kRequests;
  Event all;
  for (int i = 0; i < kRequests; ++i) {
    client_->Send({.url = Url("/")}, [&](Result<HttpResponse> result) {
      if (result.ok() && result->status == 200) ++good;
      if (--left == 0) all.Set();
    });
  }
  EXPECT_TRUE(all.Wait());
  EXPECT_EQ(good, kRequests);
}

TEST_F(CurlClientTest, UsesConnectionsAgain) {
  StartServer(echo_);
  StartClient(AllowLoopback());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(Get("/").ok());
  EXPECT_THAT(world_.metrics->Text(),
              HasSubstr("matrixcore_http_connections_total 1\n"));
}

TEST_F(CurlClientTest, RefusesInternalAddresses) {
  StartServer(echo_);
  StartClient({});
  for (const char* host : {"127.0.0.1", "localhost", "127.1", "0x7f000001",
                           "[::ffff:127.0.0.1]", "0.0.0.0"}) {
    const auto response = Ask({.url = Url("/", "http", host)});
    EXPECT_EQ(response.status().code(), StatusCode::kPermissionDenied) << host;
  }
  EXPECT_THAT(world_.metrics->Text(),
              HasSubstr("matrixcore_http_connections_total 0\n"));
}

TEST_F(CurlClientTest, RefusesInternalAddressesAfterARedirect) {
  FunctionHandler& handler =
      Keep([this](HttpRequest request, Responder respond) {
        HttpResponse response = TextResponse("found", 302);
        response.headers.Add("Location", request.target == "/inside"
                                             ? "http://127.0.0.2:1/secret"
                                             : Url("/end"));
        if (request.target == "/end") response = TextResponse("the end");
        respond(std::move(response));
      });
  StartServer(handler);
  CurlClientOptions options;
  options.filter.allowed = {*IpRange::Parse("127.0.0.1")};
  options.max_redirects = 3;
  StartClient(options);
  EXPECT_EQ(Get("/start")->body, "the end");
  EXPECT_EQ(Get("/inside").status().code(), StatusCode::kPermissionDenied);
  options.max_redirects = 0;
  StartClient(options);
  EXPECT_EQ(Get("/start")->status, 302);
}

TEST_F(CurlClientTest, EndsARedirectLoop) {
  FunctionHandler& handler = Keep([](HttpRequest, Responder respond) {
    HttpResponse response = TextResponse("", 302);
    response.headers.Add("Location", "/again");
    respond(std::move(response));
  });
  StartServer(handler);
  CurlClientOptions options = AllowLoopback();
  options.max_redirects = 5;
  StartClient(options);
  EXPECT_EQ(Get("/").status().code(), StatusCode::kUnavailable);
}

TEST_F(CurlClientTest, EndsAtTheTimeout) {
  ParkingHandler& handler = parking_;
  StartServer(handler);
  StartClient(AllowLoopback());
  const auto response = Ask({.url = Url("/"), .timeout = milliseconds(30)});
  EXPECT_EQ(response.status().code(), StatusCode::kDeadlineExceeded);
}

TEST_F(CurlClientTest, EndsRequestsWhoseTimeIsUpInLine) {
  ParkingHandler& handler = parking_;
  StartServer(handler);
  CurlClientOptions options = AllowLoopback();
  options.max_requests = 1;
  StartClient(options);
  Event first;
  client_->Send({.url = Url("/")}, [&](Result<HttpResponse>) { first.Set(); });
  auto parked = handler.Take();
  const auto second = Ask({.url = Url("/"), .timeout = milliseconds(30)});
  EXPECT_EQ(second.status().code(), StatusCode::kDeadlineExceeded);
  parked.respond(TextResponse("ok"));
  EXPECT_TRUE(first.Wait());
}

TEST_F(CurlClientTest, LimitsTheResponse) {
  StartServer(echo_);
  StartClient(AllowLoopback());
  Outgoing request{.method = HttpMethod::kPost, .url = Url("/")};
  request.body = std::string(1000, 'x');
  request.max_response_bytes = 1000;
  EXPECT_EQ(Ask(request).status().code(), StatusCode::kTooLarge);
  request.max_response_bytes = 1100;
  EXPECT_TRUE(Ask(request).ok());
}

TEST_F(CurlClientTest, RefusesMalformedRequests) {
  StartServer(echo_);
  StartClient(AllowLoopback());
  for (const char* url : {"", "nonsense://a/", "file:///etc/passwd", "http://",
                          "ftp://127.0.0.1/", "http://127.0.0.1/\r\nX: y",
                          "http://user:pw@127.0.0.1/"}) {
    EXPECT_EQ(Ask({.url = url}).status().code(), StatusCode::kInvalidArgument)
        << url;
  }
  Outgoing request{.url = Url("/")};
  request.headers.Add("X-A", "b\r\nX-C: d");
  EXPECT_EQ(Ask(request).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(CurlClientTest, SaysWhenNobodyListens) {
  StartServer(echo_);
  StartClient(AllowLoopback());
  const std::string url = Url("/");
  server_.reset();
  EXPECT_EQ(Ask({.url = url}).status().code(), StatusCode::kUnavailable);
}

TEST_F(CurlClientTest, VerifiesCertificates) {
  StartServer(echo_, /*tls=*/true);
  const Outgoing request{.url = Url("/", "https", "localhost")};
  StartClient(AllowLoopback());
  const auto distrusted = Ask(request);
  EXPECT_EQ(distrusted.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(distrusted.status().message(), HasSubstr("certificate"));

  CurlClientOptions trusting = AllowLoopback();
  trusting.custom_ca_files = {certificate_.files().certificate};
  StartClient(trusting);
  const auto trusted = Ask(request);
  EXPECT_TRUE(trusted.ok()) << trusted.status().ToString();

  CurlClientOptions careless = AllowLoopback();
  careless.insecure_skip_tls_verify = true;
  StartClient(careless);
  EXPECT_TRUE(Ask(request).ok());
}

TEST_F(CurlClientTest, NamesABadCaFile) {
  for (const std::string& path :
       {std::string("no-such.pem"), certificate_.files().private_key}) {
    const auto client =
        NewCurlClient({.custom_ca_files = {path}}, *world_.clock, *world_.log,
                      *world_.metrics);
    EXPECT_EQ(client.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(client.status().message(), HasSubstr(path));
  }
}

TEST_F(CurlClientTest, FailsWhatIsUnderWayWhenItIsDestroyed) {
  ParkingHandler& handler = parking_;
  StartServer(handler);
  StartClient(AllowLoopback());
  Status outcome;
  client_->Send({.url = Url("/")}, [&](Result<HttpResponse> result) {
    outcome = result.status();
  });
  auto parked = handler.Take();
  client_.reset();
  EXPECT_EQ(outcome.code(), StatusCode::kUnavailable);
}

TEST_F(CurlClientTest, LetsACallbackSendMore) {
  StartServer(echo_);
  StartClient(AllowLoopback());
  Event second;
  client_->Send({.url = Url("/")}, [&](Result<HttpResponse>) {
    client_->Send({.url = Url("/")}, [&](Result<HttpResponse> result) {
      if (result.ok()) second.Set();
    });
  });
  EXPECT_TRUE(second.Wait());
}

}  // namespace
}  // namespace matrixcore::net
