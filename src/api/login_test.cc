#include <fmt/format.h>

#include "api/test_server.h"

namespace matrixcore::api {
namespace {

using testing::StartsWith;

constexpr std::string_view kLogin = "/_matrix/client/v3/login";
constexpr std::string_view kWhoami = "/_matrix/client/v3/account/whoami";

class LoginTest : public testing::Test {
 protected:
  // `who` are the members that name the user.
  HttpResponse Login(std::string_view who, std::string_view password,
                     std::string_view more = "") {
    return server_.Call(
        HttpMethod::kPost, kLogin,
        fmt::format(R"({{"type":"m.login.password",{},"password":"{}"{}}})",
                    who, password, more));
  }
  int Whoami(std::string_view token) {
    return server_.Call(HttpMethod::kGet, kWhoami, "", token).status;
  }
  HttpResponse Refresh(std::string_view token) {
    return server_.Call(HttpMethod::kPost, "/_matrix/client/v3/refresh",
                        fmt::format(R"({{"refresh_token":"{}"}})", token));
  }

  static constexpr std::string_view kAlice =
      R"("identifier":{"type":"m.id.user","user":"alice"})";
  FakeHomeserver server_;
  const User alice_ = server_.Register("alice", "pass word");
};

TEST_F(LoginTest, Flows) {
  EXPECT_THAT(server_.Call(HttpMethod::kGet, kLogin),
              IsJson(R"({"flows":[{"type":"m.login.password"}]})"));
}

TEST_F(LoginTest, ByLocalpartByUserIdAndByTheDeprecatedField) {
  for (
      const std::string_view who :
      {kAlice,
       std::string_view(
           R"("identifier":{"type":"m.id.user","user":"@alice:fake.example"})"),
       std::string_view(R"("user":"alice")"),
       std::string_view(R"("user":"@alice:fake.example")")}) {
    const HttpResponse response = Login(who, "pass word");
    EXPECT_EQ(response.status, 200) << who << response.body;
    EXPECT_EQ(TextAt(response, "user_id"), "@alice:fake.example");
    EXPECT_EQ(TextAt(response, "home_server"), "fake.example");
    EXPECT_EQ(Whoami(TextAt(response, "access_token")), 200);
    EXPECT_EQ(At(response, "well_known"), "");
  }
}

TEST_F(LoginTest, WrongPasswordsAndUnknownUsersLookTheSame) {
  const HttpResponse wrong = Login(kAlice, "wrong");
  EXPECT_THAT(wrong, IsError(403, "M_FORBIDDEN"));
  for (const std::string_view who :
       {R"("user":"nobody")", R"("user":"@alice:other.example")",
        R"("user":"")", R"("identifier":{"type":"m.id.thirdparty",
            "medium":"email","address":"a@b.c"})",
        R"("identifier":{"type":"m.id.phone","country":"GB","phone":"1"})",
        R"("identifier":{"medium":"email","address":"a@b.c"})",
        R"("medium":"email","address":"a@b.c")"}) {
    EXPECT_EQ(Login(who, "pass word").body, wrong.body) << who;
  }
}

TEST_F(LoginTest, BadRequests) {
  const auto post = [&](std::string body) {
    return server_.Call(HttpMethod::kPost, kLogin, std::move(body));
  };
  EXPECT_THAT(post("{}"), IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(post(R"({"type":5})"), IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(post(R"({"type":"m.login.magic"})"), IsError(400, "M_UNKNOWN"));
  EXPECT_THAT(post(R"({"type":"m.login.password","password":"x"})"),
              IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(post(R"({"type":"m.login.password","user":"alice"})"),
              IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(
      post(R"({"type":"m.login.password","identifier":"x","password":"x"})"),
      IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Login(R"("identifier":{"type":"m.id.soul"})", "x"),
              IsError(400, "M_UNKNOWN"));
  EXPECT_THAT(Login(R"("identifier":{"type":"m.id.user"})", "x"),
              IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(Login(kAlice, "pass word", R"(,"device_id":5)"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Login(kAlice, "pass word", R"(,"refresh_token":"yes")"),
              IsError(400, "M_BAD_JSON"));
}

TEST_F(LoginTest, TheServersUrlIsTold) {
  FakeHomeserverOptions options;
  options.homeserver.public_base_url = "https://matrix.fake.example";
  FakeHomeserver server(options);
  server.Register("alice", "pw");
  EXPECT_EQ(At(server.Call(HttpMethod::kPost, kLogin,
                           R"({"type":"m.login.password","user":"alice",
                               "password":"pw"})"),
               "well_known"),
            R"({"m.homeserver":{"base_url":"https://matrix.fake.example"}})");
}

TEST_F(LoginTest, ANamedDeviceIsUsedAgainAndItsOldTokenIsUnknown) {
  const std::string device = R"(,"device_id":"PHONE",
      "initial_device_display_name":"First")";
  const HttpResponse first = Login(kAlice, "pass word", device);
  EXPECT_EQ(TextAt(first, "device_id"), "PHONE");
  const std::string old = TextAt(first, "access_token");
  EXPECT_EQ(Whoami(old), 200);
  const HttpResponse second =
      Login(kAlice, "pass word",
            R"(,"device_id":"PHONE","initial_device_display_name":"Second")");
  EXPECT_EQ(Whoami(old), 401);
  EXPECT_EQ(Whoami(TextAt(second, "access_token")), 200);
  EXPECT_EQ(TextAt(server_.Get(alice_, "/_matrix/client/v3/devices/PHONE"),
                   "display_name"),
            "First");
}

TEST_F(LoginTest, LogoutEndsOneDeviceLogoutAllEvery) {
  const User phone = server_.Login(alice_);
  const User tablet = server_.Login(alice_);
  EXPECT_THAT(server_.Post(phone, "/_matrix/client/v3/logout"), IsJson("{}"));
  EXPECT_EQ(Whoami(phone.access_token), 401);
  EXPECT_EQ(Whoami(tablet.access_token), 200);
  EXPECT_THAT(
      server_.Get(tablet, "/_matrix/client/v3/devices/" + phone.device_id),
      IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(server_.Post(tablet, "/_matrix/client/v3/logout/all"),
              IsJson("{}"));
  EXPECT_EQ(Whoami(tablet.access_token), 401);
  EXPECT_EQ(Whoami(alice_.access_token), 401);
}

TEST_F(LoginTest, LogoutOutlivesARestart) {
  const User phone = server_.Login(alice_);
  server_.Post(phone, "/_matrix/client/v3/logout");
  server_.Restart();
  EXPECT_EQ(Whoami(phone.access_token), 401);
  EXPECT_EQ(Whoami(alice_.access_token), 200);
}

// --- Refresh tokens ---

class RefreshTest : public LoginTest {
 protected:
  RefreshTest() {
    const HttpResponse login =
        Login(kAlice, "pass word", R"(,"refresh_token":true)");
    EXPECT_EQ(At(login, "expires_in_ms"), "300000");
    access_ = TextAt(login, "access_token");
    refresh_ = TextAt(login, "refresh_token");
  }
  std::string access_, refresh_;
};

TEST_F(RefreshTest, AccessTokensExpireIntoASoftLogout) {
  EXPECT_EQ(Whoami(access_), 200);
  server_.Advance(milliseconds(299'999));
  EXPECT_EQ(Whoami(access_), 200);
  server_.Advance(milliseconds(1));
  const HttpResponse expired =
      server_.Call(HttpMethod::kGet, kWhoami, "", access_);
  EXPECT_THAT(expired, IsError(401, "M_UNKNOWN_TOKEN"));
  EXPECT_EQ(At(expired, "soft_logout"), "true");
}

TEST_F(RefreshTest, NewTokensForTheSameDevice) {
  server_.Advance(seconds(300));
  const HttpResponse fresh = Refresh(refresh_);
  EXPECT_EQ(fresh.status, 200) << fresh.body;
  EXPECT_THAT(TextAt(fresh, "access_token"), StartsWith("mca_"));
  EXPECT_THAT(TextAt(fresh, "refresh_token"), StartsWith("mcr_"));
  EXPECT_EQ(At(fresh, "expires_in_ms"), "300000");
  EXPECT_EQ(Whoami(TextAt(fresh, "access_token")), 200);
}

TEST_F(RefreshTest, TheOldRefreshTokenIsGoodUntilANewTokenIsUsed) {
  const HttpResponse lost = Refresh(refresh_);
  EXPECT_EQ(Whoami(access_), 200);  // Nothing was used yet.
  const HttpResponse again = Refresh(refresh_);
  ASSERT_EQ(again.status, 200);
  // What was lost is void.
  EXPECT_EQ(Whoami(TextAt(lost, "access_token")), 401);
  EXPECT_THAT(Refresh(TextAt(lost, "refresh_token")),
              IsError(401, "M_UNKNOWN_TOKEN"));
  // The first use of a new token ends the old ones.
  EXPECT_EQ(Whoami(TextAt(again, "access_token")), 200);
  EXPECT_THAT(Refresh(refresh_), IsError(401, "M_UNKNOWN_TOKEN"));
  EXPECT_EQ(Whoami(access_), 401);
  EXPECT_EQ(Whoami(TextAt(again, "access_token")), 200);
}

TEST_F(RefreshTest, UsingTheNewRefreshTokenEndsTheOldOneToo) {
  const HttpResponse second = Refresh(refresh_);
  const HttpResponse third = Refresh(TextAt(second, "refresh_token"));
  ASSERT_EQ(third.status, 200);
  EXPECT_THAT(Refresh(refresh_), IsError(401, "M_UNKNOWN_TOKEN"));
  EXPECT_EQ(Whoami(TextAt(third, "access_token")), 200);
  EXPECT_EQ(Whoami(TextAt(second, "access_token")), 401);
}

TEST_F(RefreshTest, ALongChainOutlivesARestart) {
  std::string token = refresh_;
  std::string access;
  for (int i = 0; i < 5; ++i) {
    const HttpResponse fresh = Refresh(token);
    ASSERT_EQ(fresh.status, 200) << i;
    token = TextAt(fresh, "refresh_token");
    access = TextAt(fresh, "access_token");
    if (i % 2 == 0) {
      EXPECT_EQ(Whoami(access), 200);
    }
    server_.Restart();
  }
  EXPECT_EQ(Whoami(access), 200);
}

TEST_F(RefreshTest, LogoutEndsTheRefreshToken) {
  server_.Call(HttpMethod::kPost, "/_matrix/client/v3/logout", "", access_);
  EXPECT_THAT(Refresh(refresh_), IsError(401, "M_UNKNOWN_TOKEN"));
}

TEST_F(RefreshTest, BadRefreshTokens) {
  EXPECT_THAT(Refresh("nonsense"), IsError(401, "M_UNKNOWN_TOKEN"));
  EXPECT_THAT(Refresh(access_), IsError(401, "M_UNKNOWN_TOKEN"));
  EXPECT_THAT(
      server_.Call(HttpMethod::kPost, "/_matrix/client/v3/refresh", "{}"),
      IsError(400, "M_MISSING_PARAM"));
}

}  // namespace
}  // namespace matrixcore::api
