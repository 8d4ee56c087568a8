#include "matrixcore/net/http_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <list>
#include <thread>
#include <vector>

#include "net/socket_client.h"

namespace matrixcore::net {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

// Answers with what it understood: "METHOD target body".
void Echo(HttpRequest request, Responder respond) {
  respond(TextResponse(std::string(HttpMethodName(request.method)) + " " +
                       request.target + " " + request.body));
}

class HttpServerTest : public ::testing::Test {
 protected:
  void Start(HttpHandler& handler, HttpServerOptions options = {}) {
    auto server = world_.Start(std::move(options), handler);
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
  FunctionHandler echo_{Echo};
  std::unique_ptr<HttpServer> server_;
};

// ---------------------------------------------------------------------------
// Messages

TEST_F(HttpServerTest, HandsOverTheRequestAndSendsTheAnswer) {
  ParkingHandler& handler = parking_;
  Start(handler);
  SocketClient client(port());
  client.Send(
      "POST /a%2Fb?c=%20 HTTP/1.1\r\nHost: example.org\r\nX-One: 1\r\n"
      "Content-Length: 5\r\n\r\nhello");
  auto parked = handler.Take();
  EXPECT_EQ(parked.request.method, HttpMethod::kPost);
  EXPECT_EQ(parked.request.target, "/a%2Fb?c=%20");
  EXPECT_EQ(parked.request.headers.Get("x-one"), "1");
  EXPECT_EQ(parked.request.body, "hello");
  EXPECT_EQ(parked.request.remote_address, "127.0.0.1");
  EXPECT_FALSE(parked.request.over_tls);
  HttpResponse answer = TextResponse("{}", 404);
  answer.headers.Add("Content-Type", "application/json");
  parked.respond(std::move(answer));
  const auto response = client.Read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->Field("Content-Type"), "application/json");
  EXPECT_EQ(response->Field("Content-Length"), "2");
  EXPECT_EQ(response->Field("Connection"), "");
  EXPECT_EQ(response->Field("Date").size(), 29u);
  EXPECT_EQ(response->body, "{}");
}

TEST_F(HttpServerTest, KeepsTheConnectionForFurtherRequests) {
  Start(echo_);
  SocketClient client(port());
  for (int i = 0; i < 100; ++i) {
    const auto response = client.Ask("GET /" + std::to_string(i) +
                                     " HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, "GET /" + std::to_string(i) + " ");
  }
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Start(echo_);
  SocketClient client(port());
  std::string requests;
  for (int i = 0; i < 3000; ++i) {
    requests += "PUT /" + std::to_string(i) +
                " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\n";
  }
  std::thread sender([&] { client.Send(requests); });
  for (int i = 0; i < 3000; ++i) {
    const auto response = client.Read();
    ASSERT_TRUE(response);
    ASSERT_EQ(response->body, "PUT /" + std::to_string(i) + " abc");
  }
  sender.join();
}

TEST_F(HttpServerTest, HandlesPipelinedRequestsOneAfterTheOther) {
  ParkingHandler& handler = parking_;
  Start(handler);
  SocketClient client(port());
  client.Send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n");
  auto first = handler.Take();
  client.Send("Host: a\r\n\r\n");
  EXPECT_TRUE(handler.empty());
  first.respond(TextResponse("one"));
  auto second = handler.Take();
  EXPECT_EQ(second.request.target, "/2");
  second.respond(TextResponse("two"));
  EXPECT_EQ(client.Read()->body, "one");
  EXPECT_EQ(client.Read()->body, "two");
}

TEST_F(HttpServerTest, TakesNoMoreThanALittleInAdvance) {
  ParkingHandler& handler = parking_;
  Start(handler);
  SocketClient client(port());
  client.Send(kGet);
  auto first = handler.Take();
  // More than the server reads ahead, less than the sockets hold.
  std::string ahead;
  while (ahead.size() < 300'000) ahead += kGet;
  std::thread sender([&] { client.Send(ahead); });
  first.respond(TextResponse("one"));
  for (size_t i = 0; i < ahead.size() / kGet.size(); ++i) {
    handler.Take().respond(TextResponse("more"));
  }
  sender.join();
  EXPECT_EQ(client.Read()->body, "one");
  for (size_t i = 0; i < ahead.size() / kGet.size(); ++i) {
    ASSERT_EQ(client.Read()->body, "more");
  }
}

TEST_F(HttpServerTest, AnswersHeadWithoutABody) {
  Start(echo_);
  SocketClient client(port());
  client.Send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
  const auto response = client.Read(/*head_only=*/true);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->Field("Content-Length"), "8");
  EXPECT_EQ(client.Ask(kGet)->body, "GET / ");
}

TEST_F(HttpServerTest, ClosesAfterAnHttp10Request) {
  Start(echo_);
  SocketClient client(port());
  const auto response = client.Ask("GET / HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->Field("Connection"), "close");
  EXPECT_EQ(response->body, "GET / ");
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerTest, ClosesWhenTheClientOrTheHandlerWantsIt) {
  FunctionHandler& handler = Keep([](HttpRequest request, Responder respond) {
    HttpResponse response;
    if (request.target == "/bye") response.headers.Add("Connection", "close");
    respond(std::move(response));
  });
  Start(handler);
  SocketClient one(port());
  one.Ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(one.AtEnd());
  SocketClient two(port());
  EXPECT_EQ(
      two.Ask("GET /bye HTTP/1.1\r\nHost: a\r\n\r\n")->Field("Connection"),
      "close");
  EXPECT_TRUE(two.AtEnd());
}

TEST_F(HttpServerTest, TellsAnExpectantClientToGoOn) {
  Start(echo_);
  SocketClient client(port());
  client.Send(
      "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
      "Content-Length: 2\r\n\r\n");
  EXPECT_EQ(client.Read()->status, 100);
  EXPECT_EQ(client.Ask("ok")->body, "PUT / ok");
}

TEST_F(HttpServerTest, RefusesAnExpectantClientsTooLargeBodyAtOnce) {
  Start(echo_, {.limits = {.max_body_bytes = 10}});
  SocketClient client(port());
  EXPECT_EQ(client
                .Ask("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                     "Content-Length: 11\r\n\r\n")
                ->status,
            413);
}

TEST_F(HttpServerTest, CarriesLargeBodiesBothWays) {
  Start(echo_);
  SocketClient client(port());
  const std::string body(20u << 20, 'x');
  std::thread sender([&] {
    client.Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n");
    client.Send(body);
  });
  const auto response = client.Read();
  sender.join();
  ASSERT_TRUE(response);
  EXPECT_TRUE(response->body == "PUT / " + body);
}

TEST_F(HttpServerTest, TakesAnswersFromManyThreads) {
  ParkingHandler& handler = parking_;
  Start(handler, {.threads = 2});
  std::vector<std::unique_ptr<SocketClient>> clients;
  std::vector<ParkingHandler::Parked> parked;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(std::make_unique<SocketClient>(port()));
    clients.back()->Send("GET /" + std::to_string(i) +
                         " HTTP/1.1\r\nHost: a\r\n\r\n");
    parked.push_back(handler.Take());
  }
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < parked.size(); i += 4) {
        parked[i].respond(TextResponse(parked[i].request.target));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < clients.size(); ++i) {
    EXPECT_EQ(clients[i]->Read()->body, "/" + std::to_string(i));
  }
}

TEST_F(HttpServerTest, AnswersForAHandlerThatForgot) {
  FunctionHandler& handler = Keep([](HttpRequest, Responder) {});
  Start(handler);
  SocketClient client(port());
  EXPECT_EQ(client.Ask(kGet)->status, 500);
  EXPECT_EQ(client.Ask(kGet)->status, 500);
}

TEST_F(HttpServerTest, KeepsASaneRequestIdAndMakesOthers) {
  FunctionHandler& handler = Keep([](HttpRequest request, Responder respond) {
    respond(TextResponse(request.request_id));
  });
  Start(handler);
  SocketClient client(port());
  const auto kept = client.Ask(
      "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: My_id.1-2\r\n\r\n");
  EXPECT_EQ(kept->body, "My_id.1-2");
  EXPECT_EQ(kept->Field("X-Request-Id"), "My_id.1-2");
  const auto one = client.Ask(kGet);
  const auto two =
      client.Ask("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: a b\"c\r\n\r\n");
  EXPECT_GE(one->body.size(), 8u);
  EXPECT_GE(two->body.size(), 8u);
  EXPECT_NE(one->body, two->body);
  EXPECT_EQ(two->body.find('"'), std::string::npos);
}

TEST_F(HttpServerTest, BelievesForwardedAddressesOfTrustedProxiesOnly) {
  FunctionHandler& handler = Keep([](HttpRequest request, Responder respond) {
    respond(TextResponse(request.remote_address +
                         (request.over_tls ? " tls" : " plain")));
  });
  const std::string request =
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\n"
      "X-Forwarded-Proto: https\r\n\r\n";
  Start(handler);
  EXPECT_EQ(SocketClient(port()).Ask(request)->body, "127.0.0.1 plain");
  Start(handler, {.trusted_proxies = {*IpRange::Parse("127.0.0.0/8")}});
  EXPECT_EQ(SocketClient(port()).Ask(request)->body, "192.0.2.7 tls");
}

// ---------------------------------------------------------------------------
// Limits and hostile clients

TEST_F(HttpServerTest, AnswersBadRequestsWithMatrixErrors) {
  const struct {
    std::string request;
    int status;
    const char* errcode;
  } kCases[] = {
      {"nonsense\r\n\r\n", 400, "M_UNKNOWN"},
      {"GET / HTTP/1.1\r\n\r\n", 400, "M_UNKNOWN"},
      {"GET /" + std::string(3000, 'a'), 431, "M_TOO_LARGE"},
      {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", 413,
       "M_TOO_LARGE"},
      {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n",
       413, "M_TOO_LARGE"},
      {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: br\r\n\r\n", 501,
       "M_UNRECOGNIZED"},
  };
  Start(echo_, {.limits = {.max_header_bytes = 2000, .max_body_bytes = 100}});
  for (const auto& test : kCases) {
    SocketClient client(port());
    const auto response = client.Ask(test.request);
    ASSERT_TRUE(response) << test.request;
    EXPECT_EQ(response->status, test.status) << test.request;
    EXPECT_EQ(response->Field("Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(response->Field("Content-Type"), "application/json");
    EXPECT_EQ(response->Field("Connection"), "close");
    EXPECT_THAT(response->body,
                HasSubstr(std::string("{\"errcode\":\"") + test.errcode));
    EXPECT_TRUE(client.AtEnd());
  }
}

TEST_F(HttpServerTest, DeliversARefusalWhileTheBodyStillComes) {
  Start(echo_, {.limits = {.max_body_bytes = 1000}});
  SocketClient client(port());
  client.Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n");
  EXPECT_TRUE(client.Send(std::string(3'000'000, 'x')));
  EXPECT_EQ(client.Read()->status, 413);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerTest, LimitsTheBodiesOfAllConnectionsTogether) {
  Start(echo_, {.limits = {.max_total_body_bytes = 1000}});
  SocketClient one(port());
  SocketClient two(port());
  one.Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n" +
           std::string(899, 'x'));
  // Meanwhile the loop has read that: it answers in turn.
  EXPECT_EQ(SocketClient(port()).Ask(kGet)->status, 200);
  EXPECT_EQ(two.Ask("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n" +
                    std::string(199, 'x'))
                ->status,
            503);
  EXPECT_EQ(one.Ask("x")->status, 200);
  // All of it is given back.
  EXPECT_EQ(
      one.Ask("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" +
              std::string(1000, 'x'))
          ->status,
      200);
}

TEST_F(HttpServerTest, EndsSlowHeaders) {
  Start(echo_, {.limits = {.header_timeout = milliseconds(40)}});
  SocketClient client(port());
  client.Send("GET / HTTP/1.1\r\nHost:");
  const auto response = client.Read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 408);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerTest, EndsSlowBodies) {
  Start(echo_, {.limits = {.body_timeout = milliseconds(40)}});
  SocketClient client(port());
  client.Send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
  const auto response = client.Read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 408);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerTest, ClosesIdleConnections) {
  Start(echo_, {.limits = {.idle_timeout = milliseconds(40)}});
  SocketClient silent(port());
  EXPECT_TRUE(silent.AtEnd());
  SocketClient done(port());
  EXPECT_EQ(done.Ask(kGet)->status, 200);
  EXPECT_TRUE(done.AtEnd());
}

TEST_F(HttpServerTest, LetsARequestRunLongerThanEveryTimeout) {
  ParkingHandler& handler = parking_;
  Start(handler, {.limits = {.header_timeout = milliseconds(20),
                             .body_timeout = milliseconds(20),
                             .idle_timeout = milliseconds(20)}});
  SocketClient parked_client(port());
  parked_client.Send(kGet);
  auto parked = handler.Take();
  // Others come and time out meanwhile.
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(SocketClient(port()).AtEnd());
  parked.respond(TextResponse("late"));
  EXPECT_EQ(parked_client.Read()->body, "late");
}

TEST_F(HttpServerTest, EndsClientsThatDoNotReadTheirAnswer) {
  FunctionHandler& handler = Keep([](HttpRequest, Responder respond) {
    respond(TextResponse(std::string(30u << 20, 'x')));
  });
  Start(handler, {.limits = {.body_timeout = milliseconds(40)}});
  SocketClient client(port(), /*receive_buffer=*/4096);
  client.Send(kGet);
  // The server gives up: the answer ends early.
  while (world_.metrics->Text().find("phase=\"write\"") == std::string::npos) {
    ASSERT_TRUE(SocketClient(port()).connected());
  }
  EXPECT_FALSE(client.Read());
}

TEST_F(HttpServerTest, LimitsConnectionsOfOneAddress) {
  Start(echo_,
        {.limits = {.max_connections_per_address = 2}, .count_loopback = true});
  SocketClient one(port());
  auto two = std::make_unique<SocketClient>(port());
  EXPECT_EQ(one.Ask(kGet)->status, 200);
  EXPECT_EQ(two->Ask(kGet)->status, 200);
  SocketClient three(port());
  const auto refused = three.Read();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 429);
  EXPECT_THAT(refused->body, HasSubstr("M_LIMIT_EXCEEDED"));
  EXPECT_NE(refused->Field("Retry-After"), "");
  EXPECT_TRUE(three.AtEnd());
  two.reset();
  // The server sees the hang-up before the next connection or soon after.
  for (bool served = false; !served;) {
    SocketClient four(port());
    four.Send(kGet);
    const auto response = four.Read();
    served = response && response->status == 200;
  }
}

TEST_F(HttpServerTest, ClosesIdleConnectionsToMakeRoom) {
  Start(echo_, {.limits = {.max_connections = 2}});
  SocketClient one(port());
  SocketClient two(port());
  EXPECT_EQ(one.Ask(kGet)->status, 200);
  EXPECT_EQ(two.Ask(kGet)->status, 200);
  SocketClient three(port());
  EXPECT_EQ(three.Ask(kGet)->status, 200);
  EXPECT_TRUE(one.AtEnd());
}

TEST_F(HttpServerTest, RefusesConnectionsWhenNoneIsIdle) {
  ParkingHandler& handler = parking_;
  Start(handler, {.limits = {.max_connections = 1}});
  SocketClient one(port());
  one.Send(kGet);
  auto parked = handler.Take();
  SocketClient two(port());
  const auto refused = two.Read();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 503);
  parked.respond(TextResponse("ok"));
  EXPECT_EQ(one.Read()->body, "ok");
}

TEST_F(HttpServerTest, SurvivesHostileBytes) {
  Start(echo_, {.limits = {.max_header_bytes = 500, .max_body_bytes = 500}});
  const auto random = NewSeededRandom(7);
  const std::vector<std::string> kParts = {"GET / HTTP/1.1\r\n",
                                           "Host: a\r\n",
                                           "\r\n",
                                           "Content-Length: 9\r\n",
                                           "Transfer-Encoding: chunked\r\n",
                                           "5\r\n",
                                           "0\r\n\r\n",
                                           "Expect: 100-continue\r\n",
                                           "PUT ",
                                           "\0\xff\x80",
                                           "Connection: close\r\n",
                                           "x",
                                           " ",
                                           std::string(200, 'y')};
  for (int round = 0; round < 300; ++round) {
    SocketClient client(port());
    const uint64_t parts = random->Below(12) + 1;
    for (uint64_t i = 0; i < parts; ++i) {
      if (!client.Send(kParts[random->Below(kParts.size())])) break;
    }
    switch (random->Below(3)) {
      case 0:
        client.Abort();
        break;
      case 1:
        client.ShutdownSend();
        client.Read();
        break;
      default:
        break;
    }
  }
  EXPECT_EQ(SocketClient(port()).Ask(kGet)->status, 200);
}

// Leaves the process no descriptor while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit low = before_;
    // Above every open one; the gaps below are filled.
    const int highest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    low.rlim_cur = static_cast<rlim_t>(highest) + 1;
    held_.push_back(highest);
    setrlimit(RLIMIT_NOFILE, &low);
    for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) {
      held_.push_back(fd);
    }
  }
  ~NoDescriptors() {
    for (const int fd : held_) close(fd);
    setrlimit(RLIMIT_NOFILE, &before_);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
  std::vector<int> held_;
};

TEST_F(HttpServerTest, GoesOnWhenDescriptorsAreToBeHadAgain) {
  Start(echo_);
  SocketClient idle(port());
  EXPECT_EQ(idle.Ask(kGet)->status, 200);
  SocketClient client;
  {
    const NoDescriptors none;
    client.Connect(port());
    while (world_.metrics->Text().find("reason=\"descriptors\"") ==
           std::string::npos) {
    }
    // Who is idle makes room.
    EXPECT_TRUE(idle.AtEnd());
  }
  EXPECT_EQ(client.Ask(kGet)->status, 200);
}

// ---------------------------------------------------------------------------
// Clients that hang up

TEST_F(HttpServerTest, TellsAParkedRequestThatItsClientHungUp) {
  ParkingHandler& handler = parking_;
  Start(handler);
  SocketClient client(port());
  client.Send(kGet);
  auto parked = handler.Take();
  Event told;
  parked.request.peer->OnGone([&] { told.Set(); });
  EXPECT_FALSE(parked.request.peer->gone());
  client.Close();
  EXPECT_TRUE(told.Wait());
  EXPECT_TRUE(parked.request.peer->gone());
  // Who asks later hears it too.
  Event later;
  parked.request.peer->OnGone([&] { later.Set(); });
  EXPECT_TRUE(later.Wait());
  parked.respond(TextResponse("to nobody"));
}

TEST_F(HttpServerTest, NoticesAReset) {
  ParkingHandler& handler = parking_;
  Start(handler);
  SocketClient client(port());
  client.Send(kGet);
  auto parked = handler.Take();
  Event told;
  parked.request.peer->OnGone([&] { told.Set(); });
  client.Abort();
  EXPECT_TRUE(told.Wait());
  parked.respond(TextResponse("to nobody"));
}

TEST_F(HttpServerTest, StillAnswersAClientThatOnlyStoppedSending) {
  ParkingHandler& handler = parking_;
  Start(handler);
  SocketClient client(port());
  client.Send(kGet);
  client.Send(kGet);
  client.ShutdownSend();
  handler.Take().respond(TextResponse("one"));
  handler.Take().respond(TextResponse("two"));
  EXPECT_EQ(client.Read()->body, "one");
  EXPECT_EQ(client.Read()->body, "two");
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerTest, ForgetsTheCallbackOfAnAnsweredRequest) {
  ParkingHandler& handler = parking_;
  Start(handler);
  SocketClient client(port());
  client.Send(kGet);
  auto first = handler.Take();
  std::atomic<bool> told = false;
  first.request.peer->OnGone([&] { told = true; });
  first.respond(TextResponse("ok"));
  EXPECT_EQ(client.Read()->body, "ok");
  client.Send(kGet);
  auto second = handler.Take();
  Event second_told;
  second.request.peer->OnGone([&] { second_told.Set(); });
  client.Close();
  EXPECT_TRUE(second_told.Wait());
  EXPECT_FALSE(told);
}

// ---------------------------------------------------------------------------
// Starting and stopping

TEST_F(HttpServerTest, FinishesRunningRequestsWhenItStops) {
  ParkingHandler& handler = parking_;
  Start(handler);
  SocketClient idle(port());
  SocketClient busy(port());
  busy.Send(kGet);
  auto parked = handler.Take();
  server_->StopAccepting();
  EXPECT_TRUE(idle.AtEnd());
  std::thread stopper([&] { server_->Stop(seconds(10)); });
  parked.respond(TextResponse("last"));
  const auto response = busy.Read();
  stopper.join();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "last");
  EXPECT_EQ(response->Field("Connection"), "close");
  EXPECT_FALSE(SocketClient(port()).connected());
}

TEST_F(HttpServerTest, StopsAtTheDeadlineWhateverRuns) {
  ParkingHandler& handler = parking_;
  Start(handler);
  SocketClient client(port());
  client.Send(kGet);
  auto parked = handler.Take();
  Event told;
  parked.request.peer->OnGone([&] { told.Set(); });
  server_->Stop(milliseconds(10));
  EXPECT_TRUE(client.AtEnd());
  server_.reset();
  // Nothing happens, also long after the server is gone.
  parked.respond(TextResponse("too late"));
  parked.request.peer->OnGone([] {});
}

TEST_F(HttpServerTest, NamesAPortThatIsTaken) {
  Start(echo_);
  const auto second = world_.Start({.listeners = {{.port = port()}}}, echo_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(second.status().message(),
              HasSubstr("127.0.0.1:" + std::to_string(port())));
  EXPECT_THAT(second.status().message(), HasSubstr("another program"));
}

TEST_F(HttpServerTest, NamesABadAddress) {
  const auto name =
      world_.Start({.listeners = {{.address = "example.org"}}}, echo_);
  EXPECT_EQ(name.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(name.status().message(), HasSubstr("example.org"));
  const auto foreign =
      world_.Start({.listeners = {{.address = "192.0.2.1"}}}, echo_);
  EXPECT_EQ(foreign.status().code(), StatusCode::kUnavailable);
  EXPECT_THAT(foreign.status().message(), HasSubstr("192.0.2.1"));
}

TEST_F(HttpServerTest, ListensOnSeveralAddresses) {
  Start(echo_, {.listeners = {{}, {.address = "::1"}}});
  ASSERT_EQ(server_->endpoints().size(), 2u);
  EXPECT_EQ(server_->endpoints()[0].address, "127.0.0.1");
  EXPECT_EQ(server_->endpoints()[1].address, "::1");
  EXPECT_NE(server_->endpoints()[0].port, 0);
  EXPECT_NE(server_->endpoints()[1].port, 0);
}

TEST_F(HttpServerTest, TakesOverASocketThatListensAlready) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
            0);
  ASSERT_EQ(listen(fd, 10), 0);
  Start(echo_, {.listeners = {{.inherited_socket = fd}}});
  EXPECT_EQ(SocketClient(port()).Ask(kGet)->status, 200);
}

}  // namespace
}  // namespace matrixcore::net
