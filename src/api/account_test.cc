#include <fmt/format.h>

#include "api/test_server.h"
#include "matrixcore/base/bytes.h"
#include "matrixcore/crypto/hash.h"

namespace matrixcore::api {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kRegister = "/_matrix/client/v3/register";
constexpr std::string_view kAvailable =
    "/_matrix/client/v3/register/available?username=";
constexpr std::string_view kValidity =
    "/_matrix/client/v1/register/m.login.registration_token/validity?token=";
constexpr std::string_view kTokens = "/_synapse/admin/v1/registration_tokens";
constexpr std::string_view kSharedSecret = "/_synapse/admin/v1/register";
constexpr std::string_view kWhoami = "/_matrix/client/v3/account/whoami";

HttpResponse Post(FakeHomeserver& server, std::string_view target,
                  std::string body, std::string_view token = "") {
  return server.Call(HttpMethod::kPost, target, std::move(body), token);
}

std::string Registration(std::string_view username,
                         std::string_view more = "") {
  return fmt::format(
      R"({{"username":"{}","password":"sUp3rs3kr1t","auth":{{"type":"m.login.dummy"}}{}}})",
      username, more);
}

FakeHomeserver MakeServer(void (*change)(HomeserverOptions&)) {
  FakeHomeserverOptions options;
  change(options.homeserver);
  return FakeHomeserver(std::move(options));
}

// --- Registration ---

TEST(RegisterTest, AnEmptyRequestIsToldTheFlows) {
  FakeHomeserver server;
  const HttpResponse response = Post(server, kRegister, "{}");
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(At(response, "flows"), R"([{"stages":["m.login.dummy"]}])");
  EXPECT_EQ(At(response, "params"), "{}");
  EXPECT_EQ(At(response, "completed"), "");
  EXPECT_THAT(TextAt(response, "session"), MatchesRegex("[A-Za-z0-9]{24}"));
}

TEST(RegisterTest, TheSecondRequestMayRepeatNothingButAuth) {
  FakeHomeserver server;
  const HttpResponse first = Post(
      server, kRegister,
      R"({"username":"alice","password":"sUp3rs3kr1t","device_id":"DEV"})");
  EXPECT_EQ(first.status, 401);
  const std::string auth =
      fmt::format(R"({{"auth":{{"type":"m.login.dummy","session":"{}"}}}})",
                  TextAt(first, "session"));
  const HttpResponse second = Post(server, kRegister, auth);
  EXPECT_EQ(second.status, 200) << second.body;
  EXPECT_EQ(TextAt(second, "user_id"), "@alice:fake.example");
  EXPECT_EQ(TextAt(second, "device_id"), "DEV");
  // The session has ended, and what it kept with it.
  EXPECT_EQ(Post(server, kRegister, auth).status, 401);
}

TEST(RegisterTest, TheSameRequestAgainGetsTheSameUser) {
  FakeHomeserver server;
  const std::string session = TextAt(
      Post(server, kRegister, R"({"password":"sUp3rs3kr1t"})"), "session");
  const auto request = [&](std::string_view password) {
    return fmt::format(
        R"({{"password":"{}","auth":{{"type":"m.login.dummy","session":"{}"}}}})",
        password, session);
  };
  const HttpResponse first = Post(server, kRegister, request("sUp3rs3kr1t"));
  EXPECT_EQ(first.status, 200) << first.body;
  const HttpResponse again = Post(server, kRegister, request("sUp3rs3kr1t"));
  EXPECT_EQ(again.status, 200) << again.body;
  EXPECT_EQ(TextAt(again, "user_id"), TextAt(first, "user_id"));
  EXPECT_NE(TextAt(again, "access_token"), TextAt(first, "access_token"));
  EXPECT_EQ(Post(server, kRegister, request("another")).status, 401);
}

TEST(RegisterTest, OneRequestWithDummyAndNoSessionRegisters) {
  FakeHomeserver server;
  const HttpResponse response = Post(server, kRegister, Registration("alice"));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(TextAt(response, "user_id"), "@alice:fake.example");
  EXPECT_EQ(TextAt(response, "home_server"), "fake.example");
  EXPECT_THAT(TextAt(response, "device_id"), MatchesRegex("[A-Z]{10}"));
  EXPECT_EQ(At(response, "refresh_token"), "");
  EXPECT_EQ(At(response, "expires_in_ms"), "");
  const HttpResponse who = server.Call(HttpMethod::kGet, kWhoami, "",
                                       TextAt(response, "access_token"));
  EXPECT_THAT(who, IsJson(fmt::format(
                       R"({{"user_id":"@alice:fake.example","device_id":"{}",
                            "is_guest":false}})",
                       TextAt(response, "device_id"))));
}

TEST(RegisterTest, TheSessionOfTheFirstAnswerServesTheSecondRequest) {
  FakeHomeserver server;
  const std::string first = R"({"username":"alice","password":"sUp3rs3kr1t"})";
  const std::string session = TextAt(Post(server, kRegister, first), "session");
  const HttpResponse response =
      Post(server, kRegister,
           fmt::format(R"({{"username":"alice","password":"sUp3rs3kr1t",
          "auth":{{"type":"m.login.dummy","session":"{}"}}}})",
                       session));
  EXPECT_EQ(response.status, 200) << response.body;
}

TEST(RegisterTest, ASessionIsBoundToItsRequest) {
  FakeHomeserver server;
  const std::string first = R"({"username":"alice","password":"sUp3rs3kr1t"})";
  const std::string session = TextAt(Post(server, kRegister, first), "session");
  EXPECT_THAT(
      Post(server, kRegister,
           fmt::format(R"({{"username":"mallory","password":"sUp3rs3kr1t",
               "auth":{{"type":"m.login.dummy","session":"{}"}}}})",
                       session)),
      IsError(403, "M_FORBIDDEN"));
}

TEST(RegisterTest, NamesAreDowncasedAndJudged) {
  FakeHomeserver server;
  EXPECT_EQ(TextAt(Post(server, kRegister, Registration("ALIce")), "user_id"),
            "@alice:fake.example");
  EXPECT_THAT(Post(server, kRegister, Registration("alice")),
              IsError(400, "M_USER_IN_USE"));
  for (const std::string_view name :
       {"", "a b", "a:b", "a@b", "\\u00e9", "a?", "a{"}) {
    EXPECT_THAT(Post(server, kRegister, Registration(name)),
                IsError(400, "M_INVALID_USERNAME"))
        << name;
  }
  // "@" + name + ":fake.example" may have 255 bytes.
  EXPECT_EQ(Post(server, kRegister, Registration(std::string(241, 'a'))).status,
            200);
  EXPECT_THAT(Post(server, kRegister, Registration(std::string(242, 'a'))),
              IsError(400, "M_INVALID_USERNAME"));
}

TEST(RegisterTest, NamesAreJudgedBeforeAuthentication) {
  FakeHomeserver server;
  server.Register("alice");
  EXPECT_THAT(Post(server, kRegister, R"({"username":"alice"})"),
              IsError(400, "M_USER_IN_USE"));
}

TEST(RegisterTest, WithoutANameTheServerPicksOne) {
  FakeHomeserver server;
  const HttpResponse response =
      Post(server, kRegister,
           R"({"password":"sUp3rs3kr1t","auth":{"type":"m.login.dummy"}})");
  EXPECT_THAT(TextAt(response, "user_id"),
              MatchesRegex("@[a-z]{10}:fake\\.example"));
}

TEST(RegisterTest, ParametersOfTheSession) {
  FakeHomeserver server;
  const HttpResponse response =
      Post(server, kRegister,
           Registration("alice", R"(,"device_id":"PHONE","refresh_token":true,
          "initial_device_display_name":"My phone")"));
  EXPECT_EQ(TextAt(response, "device_id"), "PHONE");
  EXPECT_THAT(TextAt(response, "refresh_token"), StartsWith("mcr_"));
  EXPECT_EQ(At(response, "expires_in_ms"), "300000");
  const HttpResponse device =
      server.Call(HttpMethod::kGet, "/_matrix/client/v3/devices/PHONE", "",
                  TextAt(response, "access_token"));
  EXPECT_EQ(TextAt(device, "display_name"), "My phone");
}

TEST(RegisterTest, InhibitLoginOpensNoSession) {
  FakeHomeserver server;
  EXPECT_THAT(Post(server, kRegister,
                   Registration("alice", R"(,"inhibit_login":true)")),
              IsJson(R"({"user_id":"@alice:fake.example",
                         "home_server":"fake.example"})"));
}

TEST(RegisterTest, BadRequestsAreRefused) {
  FakeHomeserver server;
  EXPECT_THAT(Post(server, kRegister, R"({"username":5})"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Post(server, kRegister, R"({"auth":"m.login.dummy"})"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Post(server, kRegister, R"({"auth":{"type":7}})"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Post(server, kRegister, R"({"auth":{"session":7}})"),
              IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Post(server, kRegister, R"({"auth":{"type":"m.login.dummy"}})"),
              IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(Post(server, std::string(kRegister) + "?kind=robot", "{}"),
              IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(Post(server, kRegister,
                   Registration("x", R"(,"device_id":")" +
                                         std::string(256, 'D') + "\"")),
              IsError(400, "M_INVALID_PARAM"));
}

TEST(RegisterTest, WeakPasswordsAreRefused) {
  auto server = MakeServer(
      [](HomeserverOptions& o) { o.registration.min_password_length = 8; });
  EXPECT_THAT(Post(server, kRegister, R"({"password":"1234567"})"),
              IsError(400, "M_WEAK_PASSWORD"));
  EXPECT_EQ(Post(server, kRegister, R"({"password":"12345678"})").status, 401);
}

TEST(RegisterTest, UnknownStagesAndSessionsStartAgain) {
  FakeHomeserver server;
  const HttpResponse stage =
      Post(server, kRegister,
           R"({"password":"sUp3rs3kr1t","auth":{"type":"m.login.recaptcha"}})");
  EXPECT_THAT(stage, IsError(401, "M_UNRECOGNIZED"));
  EXPECT_NE(TextAt(stage, "session"), "");
  const HttpResponse session =
      Post(server, kRegister,
           R"({"auth":{"type":"m.login.dummy","session":"gone"}})");
  EXPECT_THAT(session, IsError(401, "M_UNKNOWN"));
  EXPECT_NE(TextAt(session, "session"), "gone");
}

TEST(RegisterTest, DisabledRegistrationIsForbidden) {
  auto server =
      MakeServer([](HomeserverOptions& o) { o.registration.enabled = false; });
  EXPECT_THAT(Post(server, kRegister, "{}"), IsError(403, "M_FORBIDDEN"));
  EXPECT_THAT(server.Call(HttpMethod::kGet, std::string(kValidity) + "x"),
              IsError(403, "M_FORBIDDEN"));
}

TEST(RegisterTest, Availability) {
  FakeHomeserver server;
  server.Register("alice");
  const auto ask = [&](std::string_view name) {
    return server.Call(HttpMethod::kGet, std::string(kAvailable).append(name));
  };
  EXPECT_THAT(ask("bob"), IsJson(R"({"available":true})"));
  EXPECT_THAT(ask("alice"), IsError(400, "M_USER_IN_USE"));
  EXPECT_THAT(ask("ALICE"), IsError(400, "M_USER_IN_USE"));
  EXPECT_THAT(ask("a%20b"), IsError(400, "M_INVALID_USERNAME"));
  EXPECT_THAT(
      server.Call(HttpMethod::kGet, "/_matrix/client/v3/register/available"),
      IsError(400, "M_MISSING_PARAM"));
}

// --- Guests ---

constexpr std::string_view kGuest = "/_matrix/client/v3/register?kind=guest";

TEST(GuestTest, GuestsAreForbiddenUnlessEnabled) {
  FakeHomeserver server;
  EXPECT_THAT(Post(server, kGuest, "{}"), IsError(403, "M_FORBIDDEN"));
}

class EnabledGuestTest : public testing::Test {
 protected:
  FakeHomeserver server_ =
      MakeServer([](HomeserverOptions& o) { o.registration.guests = true; });
};

TEST_F(EnabledGuestTest, GuestsGetASessionAndAFewEndpoints) {
  const HttpResponse guest = Post(server_, kGuest, R"({"device_id":"MINE"})");
  ASSERT_EQ(guest.status, 200) << guest.body;
  EXPECT_NE(TextAt(guest, "device_id"), "MINE");
  const std::string token = TextAt(guest, "access_token");
  EXPECT_EQ(At(server_.Call(HttpMethod::kGet, kWhoami, "", token), "is_guest"),
            "true");
  EXPECT_THAT(server_.Call(HttpMethod::kGet, "/_matrix/client/v3/pushrules/",
                           "", token),
              IsError(403, "M_GUEST_ACCESS_FORBIDDEN"));
  const std::string profile =
      "/_matrix/client/v3/profile/" + TextAt(guest, "user_id");
  EXPECT_EQ(server_
                .Call(HttpMethod::kPut, profile + "/displayname",
                      R"({"displayname":"Guest"})", token)
                .status,
            200);
  EXPECT_THAT(server_.Call(HttpMethod::kPut, profile + "/avatar_url",
                           R"({"avatar_url":"mxc://a/b"})", token),
              IsError(403, "M_GUEST_ACCESS_FORBIDDEN"));
}

TEST_F(EnabledGuestTest, AGuestBecomesAUserWithTheGuestsToken) {
  const HttpResponse guest = Post(server_, kGuest, "{}");
  const std::string user = TextAt(guest, "user_id");
  const std::string name = user.substr(1, user.find(':') - 1);
  const std::string token = TextAt(guest, "access_token");
  const auto upgrade = [&](std::string_view proof) {
    return Post(server_, kRegister,
                Registration(
                    name, fmt::format(R"(,"guest_access_token":"{}")", proof)));
  };
  EXPECT_THAT(upgrade("wrong"), IsError(403, "M_FORBIDDEN"));
  const HttpResponse upgraded = upgrade(token);
  ASSERT_EQ(upgraded.status, 200) << upgraded.body;
  EXPECT_EQ(TextAt(upgraded, "user_id"), user);
  EXPECT_EQ(At(server_.Call(HttpMethod::kGet, kWhoami, "",
                            TextAt(upgraded, "access_token")),
               "is_guest"),
            "false");
  EXPECT_THAT(upgrade(token), IsError(403, "M_FORBIDDEN"));
}

// --- Registration tokens ---

class RegistrationTokenTest : public testing::Test {
 protected:
  RegistrationTokenTest() {
    const HttpResponse nonce = server_.Call(HttpMethod::kGet, kSharedSecret);
    std::string message = TextAt(nonce, "nonce");
    message.append("\0root\0toor-toor\0admin", 21);
    const std::string mac =
        HexEncode(HmacSha1(AsBytes("shared"), AsBytes(message)));
    admin_ = TextAt(
        Post(server_, kSharedSecret,
             fmt::format(R"({{"nonce":"{}","username":"root","admin":true,
                 "password":"toor-toor","mac":"{}"}})",
                         TextAt(nonce, "nonce"), mac)),
        "access_token");
  }
  HttpResponse Create(std::string body) {
    return Post(server_, std::string(kTokens) + "/new", std::move(body),
                admin_);
  }
  HttpResponse Get(std::string_view token) {
    return server_.Call(HttpMethod::kGet, fmt::format("{}/{}", kTokens, token),
                        "", admin_);
  }
  HttpResponse RegisterWith(std::string_view name, std::string_view token) {
    return Post(
        server_, kRegister,
        fmt::format(R"({{"username":"{}","password":"sUp3rs3kr1t","auth":
                    {{"type":"m.login.registration_token","token":"{}"}}}})",
                    name, token));
  }
  std::string Valid(std::string_view token) {
    return At(
        server_.Call(HttpMethod::kGet, std::string(kValidity).append(token)),
        "valid");
  }

  FakeHomeserver server_ = MakeServer([](HomeserverOptions& o) {
    o.registration.require_token = true;
    o.registration.shared_secret = "shared";
  });
  std::string admin_;
};

TEST_F(RegistrationTokenTest, RegistrationAsksForTheToken) {
  EXPECT_EQ(At(Post(server_, kRegister, "{}"), "flows"),
            R"([{"stages":["m.login.registration_token"]}])");
  EXPECT_THAT(Post(server_, kRegister, Registration("alice")),
              IsError(401, "M_UNRECOGNIZED"));
  EXPECT_THAT(RegisterWith("alice", "wrong"), IsError(401, "M_UNAUTHORIZED"));
}

TEST_F(RegistrationTokenTest, UsesAreCounted) {
  EXPECT_THAT(Create(R"({"token":"once","uses_allowed":1})"),
              IsJson(R"({"token":"once","uses_allowed":1,"pending":0,
                         "completed":0,"expiry_time":null})"));
  EXPECT_EQ(Valid("once"), "true");
  EXPECT_EQ(RegisterWith("alice", "once").status, 200);
  EXPECT_EQ(Valid("once"), "false");
  EXPECT_THAT(RegisterWith("bob", "once"), IsError(401, "M_UNAUTHORIZED"));
  EXPECT_EQ(At(Get("once"), "completed"), "1");
}

TEST_F(RegistrationTokenTest, ARegistrationUnderWayHoldsItsUse) {
  Create(R"({"token":"once","uses_allowed":1})");
  // The stage is complete; the registration fails for want of a password.
  const std::string body = R"({"username":"alice","auth":
      {"type":"m.login.registration_token","token":"once"}})";
  EXPECT_THAT(Post(server_, kRegister, body), IsError(400, "M_MISSING_PARAM"));
  EXPECT_EQ(At(Get("once"), "pending"), "1");
  EXPECT_EQ(Valid("once"), "false");
  server_.Advance(seconds(31 * 60));  // The session ends.
  EXPECT_EQ(At(Get("once"), "pending"), "0");
  EXPECT_EQ(Valid("once"), "true");
}

TEST_F(RegistrationTokenTest, TokensExpire) {
  const int64_t expiry = server_.time().Now().ms + 1000;
  Create(fmt::format(R"({{"token":"brief","expiry_time":{}}})", expiry));
  EXPECT_EQ(Valid("brief"), "true");
  server_.Advance(seconds(1));
  EXPECT_EQ(Valid("brief"), "false");
  EXPECT_THAT(RegisterWith("alice", "brief"), IsError(401, "M_UNAUTHORIZED"));
}

TEST_F(RegistrationTokenTest, OperatorsListChangeAndDelete) {
  Create(R"({"token":"a","uses_allowed":0})");
  Create(R"({"token":"b"})");
  const auto list = [&](std::string_view query) {
    return server_.Call(HttpMethod::kGet, std::string(kTokens).append(query),
                        "", admin_);
  };
  EXPECT_THAT(list("").body, testing::AllOf(HasSubstr(R"("token":"a")"),
                                            HasSubstr(R"("token":"b")")));
  EXPECT_THAT(list("?valid=true").body, Not(HasSubstr(R"("token":"a")")));
  EXPECT_THAT(list("?valid=false").body, Not(HasSubstr(R"("token":"b")")));
  const std::string url = std::string(kTokens) + "/a";
  EXPECT_EQ(At(server_.Call(HttpMethod::kPut, url, R"({"uses_allowed":null})",
                            admin_),
               "uses_allowed"),
            "null");
  EXPECT_EQ(Valid("a"), "true");
  EXPECT_EQ(server_.Call(HttpMethod::kDelete, url, "", admin_).status, 200);
  EXPECT_THAT(server_.Call(HttpMethod::kDelete, url, "", admin_),
              IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(Get("a"), IsError(404, "M_NOT_FOUND"));
}

TEST_F(RegistrationTokenTest, BadTokensAreRefused) {
  EXPECT_THAT(TextAt(Create("{}"), "token"), MatchesRegex("[A-Za-z0-9]{16}"));
  EXPECT_EQ(TextAt(Create(R"({"length":64})"), "token").size(), 64U);
  Create(R"({"token":"taken"})");
  for (const std::string_view body :
       {R"({"token":"taken"})", R"({"token":"a b"})", R"({"length":65})",
        R"({"length":0})", R"({"uses_allowed":-1})", R"({"expiry_time":1})",
        R"({"token":""})"}) {
    EXPECT_THAT(Create(std::string(body)), IsError(400, "M_INVALID_PARAM"))
        << body;
  }
  EXPECT_THAT(Create(R"({"uses_allowed":"many"})"), IsError(400, "M_BAD_JSON"));
}

TEST_F(RegistrationTokenTest, OnlyAdminsMayLook) {
  Create(R"({"token":"x"})");
  const std::string user = TextAt(RegisterWith("alice", "x"), "access_token");
  EXPECT_THAT(server_.Call(HttpMethod::kGet, kTokens, "", user),
              IsError(403, "M_FORBIDDEN"));
  EXPECT_THAT(server_.Call(HttpMethod::kGet, kTokens),
              IsError(401, "M_MISSING_TOKEN"));
}

// --- Shared secret ---

TEST(SharedSecretTest, DisabledWithoutASecret) {
  FakeHomeserver server;
  EXPECT_THAT(server.Call(HttpMethod::kGet, kSharedSecret),
              IsError(400, "M_UNKNOWN"));
}

class SharedSecretRegistrationTest : public testing::Test {
 protected:
  std::string Nonce() {
    return TextAt(server_.Call(HttpMethod::kGet, kSharedSecret), "nonce");
  }
  HttpResponse RegisterAs(const std::string& nonce, std::string_view mac) {
    return Post(server_, kSharedSecret,
                fmt::format(R"({{"nonce":"{}","username":"bob","password":"pw",
                    "displayname":"Bob","mac":"{}"}})",
                            nonce, mac));
  }
  std::string Mac(const std::string& nonce) {
    std::string message = nonce;
    message.append("\0bob\0pw\0notadmin", 16);
    return HexEncode(HmacSha1(AsBytes("shared"), AsBytes(message)));
  }

  FakeHomeserver server_ = MakeServer([](HomeserverOptions& o) {
    o.registration.enabled = false;
    o.registration.shared_secret = "shared";
  });
};

TEST_F(SharedSecretRegistrationTest, RegistersThoughRegistrationIsClosed) {
  const std::string nonce = Nonce();
  const HttpResponse response = RegisterAs(nonce, Mac(nonce));
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(TextAt(response, "user_id"), "@bob:fake.example");
  EXPECT_EQ(TextAt(response, "home_server"), "fake.example");
  EXPECT_EQ(
      server_
          .Call(HttpMethod::kGet, kWhoami, "", TextAt(response, "access_token"))
          .status,
      200);
  EXPECT_THAT(
      server_.Call(HttpMethod::kGet,
                   "/_matrix/client/v3/profile/@bob:fake.example/displayname"),
      IsJson(R"({"displayname":"Bob"})"));
}

TEST_F(SharedSecretRegistrationTest, ANonceIsGoodOnceAndForAMinute) {
  const std::string used = Nonce();
  RegisterAs(used, Mac(used));
  EXPECT_THAT(RegisterAs(used, Mac(used)), IsError(400, "M_UNKNOWN"));
  const std::string old = Nonce();
  server_.Advance(seconds(60));
  EXPECT_THAT(RegisterAs(old, Mac(old)), IsError(400, "M_UNKNOWN"));
  EXPECT_THAT(RegisterAs("invented", Mac("invented")),
              IsError(400, "M_UNKNOWN"));
}

TEST_F(SharedSecretRegistrationTest, AWrongMacIsForbidden) {
  EXPECT_THAT(RegisterAs(Nonce(), std::string(40, '0')),
              IsError(403, "M_FORBIDDEN"));
  EXPECT_THAT(RegisterAs(Nonce(), "no hex"), IsError(403, "M_FORBIDDEN"));
}

TEST_F(SharedSecretRegistrationTest, NulsCannotMovePartsOfTheMessage) {
  EXPECT_THAT(Post(server_, kSharedSecret,
                   R"({"nonce":"n","username":"bob","mac":"00",
                       "password":"pw\u0000admin"})"),
              IsError(400, "M_INVALID_PARAM"));
}

// --- Passwords and deactivation ---

class AccountTest : public testing::Test {
 protected:
  HttpResponse Login(std::string_view password) {
    return Post(server_, "/_matrix/client/v3/login",
                fmt::format(R"({{"type":"m.login.password","password":"{}",
                    "identifier":{{"type":"m.id.user","user":"alice"}}}})",
                            password));
  }
  // The auth object of the password stage.
  std::string Auth(std::string_view password, std::string_view user = "alice") {
    return fmt::format(R"("auth":{{"type":"m.login.password","password":"{}",
        "identifier":{{"type":"m.id.user","user":"{}"}}}})",
                       password, user);
  }
  HttpResponse ChangePassword(std::string_view fields) {
    return server_.Post(alice_, "/_matrix/client/v3/account/password",
                        fmt::format("{{{}}}", fields));
  }

  FakeHomeserver server_;
  const User alice_ = server_.Register("alice", "old password");
};

TEST_F(AccountTest, ChangingThePasswordTakesTheOldOne) {
  const HttpResponse challenge =
      ChangePassword(R"("new_password":"new password")");
  EXPECT_EQ(challenge.status, 401);
  EXPECT_EQ(At(challenge, "flows"), R"([{"stages":["m.login.password"]}])");
  const HttpResponse wrong = ChangePassword(
      R"("new_password":"new password",)" + Auth("not the password"));
  EXPECT_THAT(wrong, IsError(401, "M_FORBIDDEN"));
  EXPECT_NE(TextAt(wrong, "session"), "");
  EXPECT_THAT(ChangePassword(R"("new_password":"new password",)" +
                             Auth("old password")),
              IsJson("{}"));
  EXPECT_EQ(Login("new password").status, 200);
  EXPECT_THAT(Login("old password"), IsError(403, "M_FORBIDDEN"));
}

TEST_F(AccountTest, ChangingThePasswordLogsOtherDevicesOut) {
  const User other = server_.Login(alice_);
  ChangePassword(R"("new_password":"new password",)" + Auth("old password"));
  EXPECT_EQ(server_.Get(alice_, kWhoami).status, 200);
  EXPECT_THAT(server_.Get(other, kWhoami), IsError(401, "M_UNKNOWN_TOKEN"));
}

TEST_F(AccountTest, UnlessAskedNotTo) {
  const User other = server_.Login(alice_);
  ChangePassword(R"("new_password":"new password","logout_devices":false,)" +
                 Auth("old password"));
  EXPECT_EQ(server_.Get(other, kWhoami).status, 200);
}

TEST_F(AccountTest, TheCredentialsOfAnotherUserAreNoProof) {
  server_.Register("bob", "bobs password");
  EXPECT_THAT(ChangePassword(R"("new_password":"new password",)" +
                             Auth("bobs password", "bob")),
              IsError(403, "M_FORBIDDEN"));
}

TEST_F(AccountTest, ChangePasswordNeedsANewOne) {
  EXPECT_THAT(ChangePassword(Auth("old password")),
              IsError(400, "M_MISSING_PARAM"));
}

TEST_F(AccountTest, DeactivationIsForGood) {
  server_.Put(alice_,
              "/_matrix/client/v3/profile/@alice:fake.example/displayname",
              R"({"displayname":"Alice"})");
  const HttpResponse done =
      server_.Post(alice_, "/_matrix/client/v3/account/deactivate",
                   fmt::format("{{{}}}", Auth("old password")));
  EXPECT_THAT(done, IsJson(R"({"id_server_unbind_result":"success"})"));
  EXPECT_THAT(server_.Get(alice_, kWhoami), IsError(401, "M_UNKNOWN_TOKEN"));
  EXPECT_THAT(Login("old password"), IsError(403, "M_USER_DEACTIVATED"));
  EXPECT_THAT(Post(server_, kRegister, Registration("alice")),
              IsError(400, "M_USER_IN_USE"));
  EXPECT_EQ(server_
                .Call(HttpMethod::kGet,
                      "/_matrix/client/v3/profile/@alice:fake.example")
                .body,
            R"({"displayname":"Alice"})");
}

TEST_F(AccountTest, ErasureTakesTheProfileToo) {
  server_.Put(alice_,
              "/_matrix/client/v3/profile/@alice:fake.example/displayname",
              R"({"displayname":"Alice"})");
  server_.Post(alice_, "/_matrix/client/v3/account/deactivate",
               fmt::format(R"({{"erase":true,{}}})", Auth("old password")));
  EXPECT_EQ(server_
                .Call(HttpMethod::kGet,
                      "/_matrix/client/v3/profile/@alice:fake.example")
                .body,
            "{}");
}

TEST_F(AccountTest, ADeactivatedUserLeavesTheirRooms) {
  const User bob = server_.Register("bob");
  const std::string room =
      TextAt(server_.Post(bob, "/_matrix/client/v3/createRoom",
                          R"({"preset":"public_chat"})"),
             "room_id");
  ASSERT_EQ(server_.Post(alice_, "/_matrix/client/v3/join/" + room).status,
            200);
  server_.Post(alice_, "/_matrix/client/v3/account/deactivate",
               fmt::format("{{{}}}", Auth("old password")));
  const HttpResponse member =
      server_.Get(bob, "/_matrix/client/v3/rooms/" + room +
                           "/state/m.room.member/@alice:fake.example");
  EXPECT_EQ(TextAt(member, "membership"), "leave") << member.body;
}

}  // namespace
}  // namespace matrixcore::api
