// Every route against requests that no good client makes: each is answered with
// JSON and an errcode, none with a 500, and the server keeps serving.
#include <set>

#include "matrixcore/api/router.h"
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

class HostileTest : public ScenarioTest {
 protected:
  // The path of a route with each placeholder replaced.
  static std::string PathOf(const api::Route& route,
                            const std::function<std::string(size_t)>& fill) {
    std::string path;
    size_t count = 0;
    for (size_t i = 0; i < route.path.size(); ++i) {
      if (route.path[i] != '{') {
        path += route.path[i];
        continue;
      }
      path += fill(count++);
      i = route.path.find('}', i);
    }
    return path;
  }

  // Sends it, and judges the answer.
  void Try(const api::Route& route, const std::string& target,
           const std::string& body, std::string_view token) {
    std::future<HttpResponse> pending =
        server_.Start(route.method, target, body, token);
    // A long poll is answered when its time is over.
    server_.Advance(seconds(1));
    const HttpResponse response = pending.get();
    const std::string what = fmt::format(
        "{} {} <- {:.80}", HttpMethodName(route.method), target, body);
    EXPECT_NE(response.status, 500) << what << "\n" << response.body;
    EXPECT_LT(response.status, 503) << what << "\n" << response.body;
    ++tried_;
    if (response.status < 400) return;
    const Answer answer = response;
    // A user-interactive dialogue is not an error.
    if (response.status == 401 && answer["flows"].IsArray()) return;
    EXPECT_THAT(answer.String("errcode"), ::testing::StartsWith("M_")) << what;
    EXPECT_FALSE(answer.String("error").empty()) << what;
    EXPECT_EQ(response.headers.Get("Access-Control-Allow-Origin"), "*") << what;
  }

  template <typename Visit>
  void ForEachRoute(Visit visit) {
    for (const std::span<const api::Route> table : api::AllRoutes()) {
      for (const api::Route& route : table) visit(route);
    }
  }

  // The user who does all this is made anew when a route has logged him out.
  const std::string& Token() {
    const Answer answer =
        server_.Get(user_, "/_matrix/client/v3/account/whoami");
    if (!answer.ok()) user_ = server_.Register(fmt::format("u{}", ++users_));
    return user_.access_token;
  }

  User user_ = server_.Register("user");
  int users_ = 0;
  int tried_ = 0;
};

TEST_F(HostileTest, BodiesThatAreNotWhatTheyShouldBe) {
  const std::string deep = std::string(100'000, '[');
  const std::string bodies[] = {
      "",
      "{",
      "null",
      "[]",
      "\"text\"",
      "12345678901234567890123456789",
      "{\"a\":1,\"a\":2}",
      "{\"user_id\":null,\"reason\":[],\"room_id\":7}",
      "{\"auth\":[]}",
      "{\"auth\":{\"type\":7,\"session\":{}}}",
      "{\"membership\":{},\"displayname\":{},\"typing\":\"yes\",\"timeout\":-"
      "1}",
      "{\"type\":\"m.login.password\",\"identifier\":7,\"password\":[]}",
      "{\"username\":\"\\u0000\",\"password\":\"\"}",
      "{\"device_keys\":[],\"one_time_keys\":7,\"fallback_keys\":{\"x\":null}}",
      "{\"device_keys\":{\"@a:b\":7},\"timeout\":\"x\"}",
      "{\"initial_state\":[7],\"invite\":{},\"creation_content\":[]}",
      "{\"room\":{\"timeline\":{\"limit\":\"x\"}}}",
      "{\"conditions\":[7],\"actions\":{},\"enabled\":\"yes\"}",
      "{\"m.read\":7,\"m.fully_read\":{}}",
      "{\"n\":1e400}",
      "{\"n\":-0.5}",
      "{\"s\":\"\\ud800\"}",
      "{\"s\":\"\xff\xfe\"}",
      deep,
  };
  ForEachRoute([&](const api::Route& route) {
    for (const std::string& body : bodies) {
      const std::string target = PathOf(route, [&](size_t place) {
        return place == 0 ? PercentEncode(user_.user_id) : std::string("x");
      });
      Try(route, target, body, Token());
    }
  });
  EXPECT_GT(tried_, 1000);
  EXPECT_TRUE(Answer(server_.Call(HttpMethod::kGet, "/health")).ok());
}

TEST_F(HostileTest, PathsAndParametersThatAreNotWhatTheyShouldBe) {
  const std::string room = CreateRoom(user_);
  const std::string segments[] = {"",
                                  "%00",
                                  "%ff",
                                  "%2F..%2F",
                                  "%",
                                  "@",
                                  "!",
                                  "#:",
                                  PercentEncode("@:" + std::string(300, 'x')),
                                  PercentEncode("!" + std::string(5000, 'y')),
                                  PercentEncode(room),
                                  "m.room.member",
                                  "' OR 1=1 --"};
  const std::string queries[] = {
      "",
      "?since=s-1&timeout=99999999999999999999&filter={",
      "?since=s99999999999_1&timeout=0&filter={\"room\":7}&full_state=maybe",
      "?from=x&to=&dir=sideways&limit=-5",
      "?dir=b&limit=99999999999&from=s1&filter=[]",
      "?membership=all&at=s&%zz=%",
      "?access_token=&kind=other&username=%F0%9F%98%80"};
  ForEachRoute([&](const api::Route& route) {
    for (const std::string& segment : segments) {
      for (const std::string& query : queries) {
        Try(route, PathOf(route, [&](size_t) { return segment; }) + query, "{}",
            Token());
      }
    }
  });
  EXPECT_TRUE(Answer(server_.Call(HttpMethod::kGet, "/health")).ok());
}

TEST_F(HostileTest, TokensThatAreNone) {
  ForEachRoute([&](const api::Route& route) {
    if (route.auth != api::Auth::kUser) return;
    const std::string target =
        PathOf(route, [](size_t) { return std::string("x"); });
    const auto outcome = [&](std::string_view token) {
      return Answer(server_.Call(route.method, target, "{}", token)).Outcome();
    };
    EXPECT_EQ(outcome(""), "401 M_MISSING_TOKEN") << target;
    EXPECT_EQ(outcome("nonsense"), "401 M_UNKNOWN_TOKEN") << target;
  });
}

TEST_F(HostileTest, UnknownPathsAndMethods) {
  for (const std::string_view path :
       {"/", "/_matrix", "/_matrix/client/v3/none", "/_matrix/client/v9/sync",
        "//", "/%2e%2e/etc/passwd", "/_matrix/client/v3/rooms"}) {
    EXPECT_EQ(Answer(server_.Call(HttpMethod::kGet, path)).Outcome(),
              "404 M_UNRECOGNIZED")
        << path;
  }
  ForEachRoute([&](const api::Route& route) {
    const std::string target =
        PathOf(route, [](size_t) { return std::string("x"); });
    EXPECT_EQ(Answer(server_.Call(HttpMethod::kPatch, target)).Outcome(),
              "405 M_UNRECOGNIZED")
        << target;
    EXPECT_EQ(server_.Call(HttpMethod::kOptions, target).status, 200) << target;
  });
}

}  // namespace
}  // namespace matrixcore
