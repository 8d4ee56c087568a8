#include "matrixcore/service/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <vector>

namespace matrixcore {
namespace {

using ::testing::ElementsAre;

// Gives prepared answers, one after the other.
class ScriptedClient : public HttpClient {
 public:
  void Send(Outgoing request, Done done) override {
    asked.push_back(std::move(request));
    Result<HttpResponse> answer = std::move(answers.front());
    answers.pop_front();
    done(std::move(answer));
  }
  void Will(int status, std::string body) {
    answers.push_back(HttpResponse{.status = status, .body = std::move(body)});
  }
  std::deque<Result<HttpResponse>> answers;
  std::vector<Outgoing> asked;
};

const ThirdPartyInvitee kAlice{.id_server = "id.example",
                               .id_access_token = "secret",
                               .medium = "email",
                               .address = "Alice@Example.com"};

class IdentityClientTest : public ::testing::Test {
 protected:
  Result<std::optional<std::string>> Lookup(
      const ThirdPartyInvitee& invitee = kAlice) {
    Result<std::optional<std::string>> heard =
        Status(StatusCode::kInternal, "not answered");
    identity_.Lookup(invitee, [&](auto answer) { heard = std::move(answer); });
    return heard;
  }
  Result<IdentityClient::Stored> Store(
      const ThirdPartyInvitation& invitation = {}) {
    Result<IdentityClient::Stored> heard =
        Status(StatusCode::kInternal, "not answered");
    identity_.Store(kAlice, invitation,
                    [&](auto answer) { heard = std::move(answer); });
    return heard;
  }

  ScriptedClient client_;
  IdentityClient identity_{&client_};
};

// The worked example of the identity service API, "sha256".
TEST_F(IdentityClientTest, HashesAddressesAsTheSpecificationSays) {
  const HashDetails details{.pepper = "matrixrocks", .sha256 = true};
  EXPECT_EQ(
      HashAddress(details, {.medium = "email", .address = "alice@example.com"}),
      "4kenr7N9drpCJ4AfalmlGQVsOn3o2RHjkADUpXJWZUc");
  EXPECT_EQ(
      HashAddress(details, {.medium = "email", .address = "bob@example.com"}),
      "LJwSazmv46n0hlMlsb_iYxI0_HXEqy_yj6Jm636cdT8");
  EXPECT_EQ(
      HashAddress(details, {.medium = "msisdn", .address = "18005552067"}),
      "nlo35_T5fzSGZzJApqu8lgIudJvmOQtDaHtr-I4rU7I");
  EXPECT_EQ(HashAddress({.pepper = "x"}, kAlice), "alice@example.com email");
}

// Spec: appendices, "3PID Types".
TEST(CanonicalAddressTest, FoldsTheCaseOfEMailAddresses) {
  EXPECT_EQ(CanonicalAddress("email", "Bob@Example.com"), "bob@example.com");
  EXPECT_EQ(CanonicalAddress("email", "Strauß@Example.com"),
            "strauss@example.com");
  EXPECT_EQ(CanonicalAddress("email", "ΑΊΑΣ@ΠΑΡΆΔΕΙΓΜΑ.GR"),
            "αίασ@παράδειγμα.gr");
  EXPECT_EQ(CanonicalAddress("email", "Łódź+Ж@x.pl"), "łódź+ж@x.pl");
  EXPECT_EQ(CanonicalAddress("email", ""), "");
  // What is no UTF-8 stays as it is.
  EXPECT_EQ(CanonicalAddress("email", "A\xff@x"), "A\xff@x");
  EXPECT_EQ(CanonicalAddress("msisdn", "A"), "A");
}

TEST_F(IdentityClientTest, FindsTheUser) {
  client_.Will(
      200, R"({"lookup_pepper":"matrixrocks","algorithms":["none","sha256"]})");
  client_.Will(200, R"({"mappings":{
      "4kenr7N9drpCJ4AfalmlGQVsOn3o2RHjkADUpXJWZUc":"@alice:example.org"}})");
  const auto found = Lookup();
  ASSERT_TRUE(found.ok()) << found.status().ToString();
  EXPECT_EQ(*found, "@alice:example.org");
  ASSERT_EQ(client_.asked.size(), 2u);
  EXPECT_EQ(client_.asked[0].url,
            "https://id.example/_matrix/identity/v2/hash_details");
  EXPECT_EQ(client_.asked[0].headers.Get("Authorization"), "Bearer secret");
  EXPECT_EQ(client_.asked[1].url,
            "https://id.example/_matrix/identity/v2/lookup");
  EXPECT_EQ(client_.asked[1].body,
            R"({"addresses":["4kenr7N9drpCJ4AfalmlGQVsOn3o2RHjkADUpXJWZUc"],)"
            R"("algorithm":"sha256","pepper":"matrixrocks"})");
}

TEST_F(IdentityClientTest, FindsNobody) {
  client_.Will(200, R"({"lookup_pepper":"p","algorithms":["sha256"]})");
  client_.Will(200, R"({"mappings":{}})");
  const auto found = Lookup();
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(*found, std::nullopt);
}

TEST_F(IdentityClientTest, TakesANewPepperOnce) {
  client_.Will(200, R"({"lookup_pepper":"old","algorithms":["none"]})");
  client_.Will(400, R"({"errcode":"M_INVALID_PEPPER","error":"rotated"})");
  client_.Will(200, R"({"lookup_pepper":"new","algorithms":["none"]})");
  client_.Will(200,
               R"({"mappings":{"alice@example.com email":"@a:b.example"}})");
  const auto found = Lookup();
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(*found, "@a:b.example");

  for (int i = 0; i < 2; ++i) {
    client_.Will(200, R"({"lookup_pepper":"p","algorithms":["none"]})");
    client_.Will(400, R"({"errcode":"M_INVALID_PEPPER","error":"rotated"})");
  }
  EXPECT_EQ(Lookup().status().errcode(), "M_CONNECTION_FAILED");
  EXPECT_TRUE(client_.answers.empty());
}

TEST_F(IdentityClientTest, ErrorsOfTheServerDoNotEndTheClientsSession) {
  client_.Will(401, R"({"errcode":"M_UNAUTHORIZED","error":"who?"})");
  EXPECT_EQ(Lookup().status().errcode(), "M_FORBIDDEN");
  client_.Will(403, R"({"errcode":"M_TERMS_NOT_SIGNED","error":"terms"})");
  EXPECT_EQ(Lookup().status().errcode(), "M_TERMS_NOT_SIGNED");
  client_.Will(500, "");
  EXPECT_EQ(Lookup().status().errcode(), "M_CONNECTION_FAILED");
  client_.answers.push_back(Status(StatusCode::kUnavailable, "refused"));
  EXPECT_EQ(Lookup().status().errcode(), "M_CONNECTION_FAILED");
}

TEST_F(IdentityClientTest, RefusesAnswersThatAreNotUsable) {
  for (const char* body :
       {"", "[]", R"({"lookup_pepper":7,"algorithms":["none"]})",
        R"({"lookup_pepper":"p"})",
        R"({"lookup_pepper":"p","algorithms":["md5"]})"}) {
    EXPECT_EQ(ReadHashDetails(body).status().errcode(), "M_CONNECTION_FAILED")
        << body;
  }
  EXPECT_FALSE(ReadMapping("{}", "x").ok());
  EXPECT_FALSE(ReadMapping(R"({"mappings":{"x":"not a user"}})", "x").ok());
  for (
      const char* body :
      {"null", R"({"token":"","display_name":"a"})",
       R"({"token":"t","public_keys":[{"public_key":"k","key_validity_url":"u"}]})",
       R"({"token":"t","display_name":"a","public_keys":[]})",
       R"({"token":"t","display_name":"a","public_keys":[{"public_key":"k"}]})"}) {
    EXPECT_FALSE(ReadStoredInvite(body).ok()) << body;
  }
}

TEST_F(IdentityClientTest, AsksOnlyServerNamesAndSendsNoBrokenToken) {
  EXPECT_EQ(Lookup({.id_server = "id.example/path"}).status().errcode(),
            "M_INVALID_PARAM");
  EXPECT_EQ(Lookup({.id_server = "user@id.example"}).status().errcode(),
            "M_INVALID_PARAM");
  EXPECT_EQ(Lookup({.id_server = "id.example", .id_access_token = "a\r\nX: y"})
                .status()
                .errcode(),
            "M_INVALID_PARAM");
  EXPECT_TRUE(client_.asked.empty());
}

TEST_F(IdentityClientTest, StoresAnInvitation) {
  client_.Will(200, R"({"token":"tok","display_name":"a...@e...",
      "public_keys":[{"public_key":"long","key_validity_url":"https://id/1"},
                     {"public_key":"short","key_validity_url":"https://id/2"}]})");
  const auto stored = Store({.room_id = "!r",
                             .sender = "@bob:example.org",
                             .room_name = "Room",
                             .sender_display_name = "Bob"});
  ASSERT_TRUE(stored.ok()) << stored.status().ToString();
  EXPECT_EQ(stored->token, "tok");
  EXPECT_EQ(stored->content,
            R"({"display_name":"a...@e...","key_validity_url":"https://id/1",)"
            R"("public_key":"long","public_keys":[)"
            R"({"key_validity_url":"https://id/1","public_key":"long"},)"
            R"({"key_validity_url":"https://id/2","public_key":"short"}]})");
  EXPECT_EQ(client_.asked[0].body,
            R"({"address":"alice@example.com","medium":"email","room_id":"!r",)"
            R"("room_name":"Room","sender":"@bob:example.org",)"
            R"("sender_display_name":"Bob"})");

  client_.Will(400, R"({"errcode":"M_THREEPID_IN_USE","mxid":"@a:b.example"})");
  EXPECT_EQ(Store()->user_id, "@a:b.example");
  client_.Will(400, R"({"errcode":"M_UNRECOGNIZED"})");
  EXPECT_EQ(Store().status().errcode(), "M_INVALID_PARAM");
}

}  // namespace
}  // namespace matrixcore
