#include "admin_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <utility>
#include <vector>

namespace matrixcore::admin {
namespace {

using ::testing::HasSubstr;

// Answers requests from a script, at once.
class ScriptedClient : public HttpClient {
 public:
  void Send(Outgoing request, Done done) override {
    requests.push_back(std::move(request));
    if (answers.empty()) {
      return done(Status(StatusCode::kUnavailable, "connection refused"));
    }
    HttpResponse response;
    response.status = answers.front().first;
    response.body = answers.front().second;
    answers.pop_front();
    done(std::move(response));
  }
  std::deque<std::pair<int, std::string>> answers;
  std::vector<Outgoing> requests;
};

class AdminApiTest : public ::testing::Test {
 protected:
  ScriptedClient client_;
  AdminApi api_{client_, "http://localhost:8008"};
};

TEST(RegistrationMac, CoversEveryPart) {
  // hmac.new(b"secret", b"nonce\0alice\0pw\0notadmin", sha1) of Python.
  const NewUser user{.username = "alice", .password = "pw"};
  EXPECT_EQ(RegistrationMac("secret", "nonce", user),
            "f9b5e1dbfecb7b1d1b89cbd7a2fd60853cf609f4");
  const NewUser admin{.username = "alice",
                      .password = "pw",
                      .admin = true,
                      .user_type = "support"};
  EXPECT_EQ(RegistrationMac("secret", "nonce", admin),
            "f6bd32698a2e9d229651f5607857f6c5ed068901");
}

TEST_F(AdminApiTest, RegistersWithTheNonceOfTheServer) {
  client_.answers = {
      {200, R"({"nonce":"n1"})"},
      {200, R"({"user_id":"@a:b","access_token":"t","device_id":"D"})"}};
  const auto user = api_.Register(
      {.username = "a\"b", .password = "p", .displayname = "A"}, "secret");
  ASSERT_TRUE(user.ok()) << user.status().message();
  EXPECT_EQ(user->user_id, "@a:b");
  EXPECT_EQ(user->access_token, "t");
  ASSERT_EQ(client_.requests.size(), 2u);
  EXPECT_EQ(client_.requests[0].method, HttpMethod::kGet);
  EXPECT_EQ(client_.requests[0].url,
            "http://localhost:8008/_synapse/admin/v1/register");
  EXPECT_EQ(client_.requests[1].method, HttpMethod::kPost);
  const std::string mac =
      RegistrationMac("secret", "n1", {.username = "a\"b", .password = "p"});
  EXPECT_EQ(client_.requests[1].body,
            R"({"nonce":"n1","username":"a\"b","password":"p","admin":false,)"
            R"("displayname":"A","mac":")" +
                mac + R"("})");
}

TEST_F(AdminApiTest, PassesOnWhatTheServerSays) {
  client_.answers = {{200, R"({"nonce":"n1"})"},
                     {400, R"({"errcode":"M_USER_IN_USE","error":"Taken"})"}};
  EXPECT_EQ(api_.Register({.username = "a"}, "s").status().message(), "Taken");
}

TEST_F(AdminApiTest, SaysWhenItIsNoHomeserver) {
  client_.answers = {{404, "<html>"}};
  EXPECT_THAT(api_.Register({.username = "a"}, "s").status().message(),
              HasSubstr("answered 404"));
  client_.answers = {{200, "<html>"}};
  EXPECT_THAT(api_.Register({.username = "a"}, "s").status().message(),
              HasSubstr("not understood"));
  EXPECT_THAT(api_.Register({.username = "a"}, "s").status().message(),
              HasSubstr("cannot reach http://localhost:8008"));
}

TEST_F(AdminApiTest, ManagesTokens) {
  client_.answers = {
      {200,
       R"({"token":"x","uses_allowed":3,"pending":0,"completed":1,"expiry_time":null})"},
      {200,
       R"({"registration_tokens":[{"token":"y","uses_allowed":null,"pending":1,"completed":2,"expiry_time":5}]})"},
      {200, "{}"},
      {404, R"({"errcode":"M_NOT_FOUND","error":"No such token"})"}};
  const auto made = api_.NewToken({.uses_allowed = 3}, "secret-token");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->token, "x");
  EXPECT_EQ(made->uses_allowed, 3);
  EXPECT_EQ(made->expiry_time_ms, std::nullopt);
  EXPECT_EQ(client_.requests[0].headers.Get("Authorization"),
            "Bearer secret-token");
  EXPECT_EQ(client_.requests[0].body, R"({"uses_allowed":3})");
  const auto list = api_.ListTokens("t");
  ASSERT_TRUE(list.ok() && list->size() == 1);
  EXPECT_EQ((*list)[0].token, "y");
  EXPECT_EQ((*list)[0].uses_allowed, std::nullopt);
  EXPECT_EQ((*list)[0].expiry_time_ms, 5);
  EXPECT_TRUE(api_.DeleteToken("a/b", "t").ok());
  EXPECT_THAT(client_.requests[2].url, HasSubstr("/registration_tokens/a%2Fb"));
  EXPECT_EQ(api_.DeleteToken("z", "t").message(), "No such token");
}

}  // namespace
}  // namespace matrixcore::admin
