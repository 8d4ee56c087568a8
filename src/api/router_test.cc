#include "api/router.h"

#include <vector>

#include "api/routes.h"
#include "api/test_server.h"
#include "matrixcore/base/mutex.h"

namespace matrixcore::api {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kWhoami = "/_matrix/client/v3/account/whoami";

// Remembers what was logged.
class RecordingLogger final : public Logger {
 public:
  bool Enabled(LogLevel) const override { return true; }
  void Write(LogLevel level, std::string_view part, std::string_view message,
             std::span<const LogField> fields) override {
    std::string line(LogLevelName(level));
    line.append(" ").append(part).append(" ").append(message);
    for (const LogField& field : fields) {
      line.append(" ").append(field.name).append("=");
      if (const auto* text = std::get_if<std::string_view>(&field.value)) {
        line.append(*text);
      } else if (const auto* number = std::get_if<int64_t>(&field.value)) {
        line.append(std::to_string(*number));
      }
    }
    MutexLock lock(mutex_);
    lines_.push_back(std::move(line));
  }
  void Flush() override {}
  std::vector<std::string> lines() {
    MutexLock lock(mutex_);
    return lines_;
  }

 private:
  Mutex mutex_;
  std::vector<std::string> lines_ MC_GUARDED_BY(mutex_);
};

class RouterTest : public testing::Test {
 protected:
  FakeHomeserver server_;
  const User alice_ = server_.Register("alice");
};

TEST_F(RouterTest, UnknownPathsAre404) {
  EXPECT_THAT(server_.Get(alice_, "/_matrix/client/v3/nothing"),
              IsError(404, "M_UNRECOGNIZED"));
  EXPECT_THAT(server_.Get(alice_, "/"), IsError(404, "M_UNRECOGNIZED"));
}

TEST_F(RouterTest, WrongMethodsAre405AndSayWhichAreRight) {
  const HttpResponse response = server_.Post(alice_, kWhoami);
  EXPECT_THAT(response, IsError(405, "M_UNRECOGNIZED"));
  EXPECT_EQ(HeaderOf(response, "Allow"), "GET");
}

TEST_F(RouterTest, OptionsAreAnsweredEverywhereWithoutLogic) {
  for (const std::string_view target :
       {std::string_view("/_matrix/client/v3/sync"),
        std::string_view("/_matrix/client/v3/nothing")}) {
    const HttpResponse response = server_.Call(HttpMethod::kOptions, target);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "{}");
    EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Methods"),
              "GET, POST, PUT, DELETE, OPTIONS");
    EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Headers"),
              "X-Requested-With, Content-Type, Authorization");
  }
}

TEST_F(RouterTest, AllAnswersCarryCorsHeadersAndAType) {
  for (const HttpResponse& response :
       {server_.Get(alice_, kWhoami), server_.Get(alice_, "/nothing"),
        server_.Call(HttpMethod::kGet, kWhoami)}) {
    EXPECT_EQ(HeaderOf(response, "Access-Control-Allow-Origin"), "*");
    EXPECT_EQ(HeaderOf(response, "Content-Type"), "application/json");
  }
}

TEST_F(RouterTest, MalformedTargetsAreRefused) {
  for (const std::string_view target : {"", "no-slash", "/a%zz", "/a%ff"}) {
    EXPECT_THAT(server_.Get(alice_, target), IsError(400, "M_INVALID_PARAM"))
        << target;
  }
}

TEST_F(RouterTest, BodiesThatAreNotJsonAndJsonThatIsNoObject) {
  const std::string url = "/_matrix/client/v3/keys/query";
  for (const std::string_view body :
       {"", "{", "{\"a\":1,}", "\xff", "{\"a\":\"\xc3\x28\"}", "{} {}"}) {
    EXPECT_THAT(server_.Post(alice_, url, std::string(body)),
                IsError(400, "M_NOT_JSON"))
        << body;
  }
  for (const std::string_view body : {"[]", "1", "\"x\"", "null"}) {
    EXPECT_THAT(server_.Post(alice_, url, std::string(body)),
                IsError(400, "M_BAD_JSON"))
        << body;
  }
  const std::string deep(100'000, '[');
  EXPECT_THAT(server_.Post(alice_, url, deep), IsError(400, "M_NOT_JSON"));
}

TEST_F(RouterTest, LargeBodiesAreRefused) {
  std::string body = R"({"x":")";
  body.append(server_.options().max_json_body_bytes, 'a').append("\"}");
  EXPECT_THAT(server_.Post(alice_, "/_matrix/client/v3/keys/query", body),
              IsError(413, "M_TOO_LARGE"));
}

TEST_F(RouterTest, ATokenIsRequired) {
  EXPECT_THAT(server_.Call(HttpMethod::kGet, kWhoami),
              IsError(401, "M_MISSING_TOKEN"));
}

TEST_F(RouterTest, AnUnknownTokenIsNoSoftLogout) {
  const HttpResponse response =
      server_.Call(HttpMethod::kGet, kWhoami, "", "no-such-token");
  EXPECT_THAT(response, IsError(401, "M_UNKNOWN_TOKEN"));
  EXPECT_EQ(At(response, "soft_logout"), "false");
}

TEST_F(RouterTest, TheTokenMayComeInTheQueryOrInAnyCaseOfBearer) {
  EXPECT_EQ(
      server_
          .Call(HttpMethod::kGet,
                std::string(kWhoami) + "?access_token=" + alice_.access_token)
          .status,
      200);
  const auto with_header = [&](std::string value) {
    HttpRequest request;
    request.target = kWhoami;
    request.headers.Add("Authorization", std::move(value));
    std::promise<HttpResponse> promise;
    std::future<HttpResponse> answer = promise.get_future();
    server_.Handle(std::move(request), Responder([&promise](HttpResponse r) {
                     promise.set_value(std::move(r));
                   }));
    return answer.get();
  };
  EXPECT_EQ(with_header("bearer  " + alice_.access_token).status, 200);
  EXPECT_THAT(with_header("Basic abc"), IsError(401, "M_MISSING_TOKEN"));
  EXPECT_THAT(with_header("Bearer "), IsError(401, "M_MISSING_TOKEN"));
}

TEST_F(RouterTest, OldPathsAnswer) {
  EXPECT_EQ(server_.Get(alice_, "/_matrix/client/r0/account/whoami").status,
            200);
}

TEST(RouterLimitsTest, TooManyRequestsAreToldWhenToComeBack) {
  FakeHomeserverOptions options;
  options.homeserver.rate_limits.enabled = true;
  options.homeserver.rate_limits.other = {.per_second = 0.5, .burst = 2};
  FakeHomeserver server(options);
  const User alice = server.Register("alice");
  const HttpResponse first = server.Get(alice, kWhoami);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(HeaderOf(first, "X-RateLimit-Limit"), "2");
  EXPECT_EQ(HeaderOf(first, "X-RateLimit-Remaining"), "1");
  EXPECT_EQ(HeaderOf(first, "X-RateLimit-Reset"), "2");
  EXPECT_EQ(server.Get(alice, kWhoami).status, 200);

  const HttpResponse refused = server.Get(alice, kWhoami);
  EXPECT_THAT(refused, IsError(429, "M_LIMIT_EXCEEDED"));
  EXPECT_EQ(At(refused, "retry_after_ms"), "2000");
  EXPECT_EQ(HeaderOf(refused, "Retry-After"), "2");
  EXPECT_EQ(HeaderOf(refused, "X-RateLimit-Remaining"), "0");
  EXPECT_EQ(HeaderOf(refused, "X-RateLimit-Reset"), "4");
  EXPECT_THAT(HeaderOf(refused, "Access-Control-Expose-Headers"),
              HasSubstr("Retry-After"));

  const User bob = server.Register("bob");
  EXPECT_EQ(server.Get(bob, kWhoami).status, 200);
  server.Advance(seconds(2));
  EXPECT_EQ(server.Get(alice, kWhoami).status, 200);
}

TEST(RouterLimitsTest, AdminsAreNotLimited) {
  FakeHomeserverOptions options;
  options.homeserver.rate_limits.enabled = true;
  options.homeserver.rate_limits.other = {.per_second = 0.5, .burst = 1};
  options.homeserver.admin_users = {"@root:fake.example"};
  FakeHomeserver server(options);
  const User root = server.Register("root");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(server.Get(root, kWhoami).status, 200);
  }
}

TEST(RouterLogTest, RequestsAreLoggedWithoutTheirSecrets) {
  RecordingLogger log;
  FakeHomeserverOptions options;
  options.log = &log;
  FakeHomeserver server(options);
  const User alice = server.Register("alice", "hunter2hunter2");
  server.Get(alice,
             std::string(kWhoami) + "?access_token=" + alice.access_token);
  server.Get(alice, "/_synapse/admin/v1/registration_tokens/sEcRet");
  const std::vector<std::string> lines = log.lines();
  EXPECT_THAT(lines, Contains(HasSubstr(
                         "method=GET path=/_matrix/client/v3/account/whoami "
                         "status=200")));
  EXPECT_THAT(lines, Contains(HasSubstr("user=@alice:fake.example")));
  EXPECT_THAT(lines, Contains(HasSubstr("request_id=r")));
  for (const std::string& line : lines) {
    EXPECT_THAT(line, Not(HasSubstr(alice.access_token)));
    EXPECT_THAT(line, Not(HasSubstr("hunter2")));
    EXPECT_THAT(line, Not(HasSubstr("sEcRet")));
  }
}

TEST(RouterLogTest, WhatIsNotToldIsLogged) {
  RecordingLogger log;
  FakeHomeserverOptions options;
  options.log = &log;
  FakeHomeserver server(options);
  const User alice = server.Register("alice");
  server.FailReads(Status(StatusCode::kDataLoss, "page 7 is damaged"));
  const HttpResponse response = server.Get(alice, "/_matrix/client/v3/devices");
  EXPECT_THAT(response, IsError(500, "M_UNKNOWN"));
  EXPECT_THAT(response.body, Not(HasSubstr("page 7")));
  EXPECT_THAT(log.lines(),
              Contains(testing::AllOf(StartsWith("error api request failed"),
                                      HasSubstr("page 7 is damaged"))));
}

TEST_F(RouterTest, RequestsAreCounted) {
  server_.Get(alice_, kWhoami);
  server_.Get(alice_, "/nothing");
  const std::string text = server_.MetricsText();
  EXPECT_THAT(text, HasSubstr("matrixcore_http_requests_total{operation="
                              "\"getTokenOwner\",status=\"200\"} 1"));
  EXPECT_THAT(text, HasSubstr("matrixcore_http_requests_total{operation="
                              "\"none\",status=\"404\"} 1"));
  EXPECT_THAT(text, HasSubstr("matrixcore_http_request_seconds_count{operation="
                              "\"getTokenOwner\"} 1"));
  EXPECT_THAT(text, HasSubstr("matrixcore_http_requests_in_flight 0"));
}

// Two routes have one operation only if it is the same path in another form.
TEST(RoutesTest, NoTwoRoutesHaveOneMethodAndPath) {
  std::vector<std::string> seen;
  for (const std::span<const Route> table : AllRoutes()) {
    for (const Route& route : table) {
      const std::string name = std::string(HttpMethodName(route.method)) + " " +
                               std::string(route.path);
      EXPECT_THAT(seen, Not(Contains(name)));
      seen.push_back(name);
    }
  }
}

}  // namespace
}  // namespace matrixcore::api
