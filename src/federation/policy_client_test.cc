#include "matrixcore/federation/policy_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/crypto/base64.h"
#include "matrixcore/event/builder.h"
#include "matrixcore/json/value.h"
#include "matrixcore/testing/sim.h"

namespace matrixcore {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kSignature = [] {
  Ed25519Signature signature{};
  signature.fill(1);
  return Base64Encode(signature);
}();

class OneAnswer : public HttpClient {
 public:
  void Send(Outgoing request, Done done) override {
    asked = std::move(request);
    done(answer);
  }
  Outgoing asked;
  Result<HttpResponse> answer = HttpResponse{};
};

Result<Ed25519Signature> Read(int status, std::string body) {
  return ReadPolicyAnswer({.status = status, .body = std::move(body)},
                          "policy.example");
}

TEST(PolicyClientTest, ShowsTheEventInASignedRequest) {
  SimTime time;
  OneAnswer client;
  const auto random = NewSeededRandom(1);
  const SigningKey key = SigningKey::Generate(*random, "k");
  CacheBudget caches(1 << 20);
  ServerResolver resolver({}, client, time, caches);
  PolicyClient policy(
      {.server_name = "us.example"},
      {.client = client, .resolver = resolver, .signing_key = key});
  EventDraft draft{.type = "m.room.create",
                   .sender = "@a:us.example",
                   .state_key = "",
                   .content = R"({"room_version":"12"})"};
  const EventPtr event =
      BuildEvent(draft, EventPlace{}, "us.example", key, *FindRoomVersion("12"))
          .value();
  client.answer = HttpResponse{
      .body = R"({"policy.example:99":{"ed25519:policy_server":")" +
              kSignature + R"("}})"};
  std::optional<Result<Ed25519Signature>> heard;
  policy.Sign("policy.example:99", event,
              [&](Result<Ed25519Signature> answer) { heard = answer; });
  ASSERT_TRUE(heard.has_value());
  ASSERT_TRUE(heard->ok()) << heard->status().ToString();
  EXPECT_EQ((**heard)[5], 1);
  EXPECT_EQ(client.asked.url,
            "https://policy.example:99/_matrix/policy/v1/sign");
  EXPECT_EQ(client.asked.method, HttpMethod::kPost);
  EXPECT_EQ(client.asked.body, event->json());
  EXPECT_THAT(std::string(*client.asked.headers.Get("Authorization")),
              StartsWith(R"(X-Matrix origin="us.example",)"
                         R"(destination="policy.example:99",key="ed25519:k")"));
  EXPECT_EQ(client.asked.headers.Get("Host"), "policy.example:99");

  client.answer = Status(StatusCode::kDeadlineExceeded, "too slow");
  policy.Sign("policy.example:99", event,
              [&](Result<Ed25519Signature> answer) { heard = answer; });
  EXPECT_EQ(heard->status().code(), StatusCode::kUnavailable);
}

TEST(PolicyClientTest, PassesRefusalsOn) {
  const auto spam =
      Read(400, R"({"errcode":"M_FORBIDDEN","error":"This is spam"})");
  EXPECT_EQ(spam.status().errcode(), "M_FORBIDDEN");
  EXPECT_EQ(spam.status().message(), "This is spam");
  EXPECT_EQ(Read(429, R"({"errcode":"M_LIMIT_EXCEEDED"})").status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(Read(404, R"({"errcode":"M_NOT_FOUND","error":"Unknown room"})")
                .status()
                .errcode(),
            "M_NOT_FOUND");
  // What the specification does not define means no all the same.
  EXPECT_EQ(Read(418, "short and stout").status().errcode(), "M_FORBIDDEN");
  EXPECT_EQ(Read(502, "{}").status().code(), StatusCode::kUnavailable);
  EXPECT_LE(Read(400, R"({"error":")" + std::string(5000, 'x') + R"("})")
                .status()
                .message()
                .size(),
            1000u);
}

TEST(PolicyClientTest, AnAnswerWithoutASignatureIsARefusal) {
  EXPECT_EQ(Read(200, "{}").status().errcode(), "M_FORBIDDEN");
  EXPECT_EQ(Read(200, R"({"other.example":{"ed25519:policy_server":")" +
                          kSignature + R"("}})")
                .status()
                .errcode(),
            "M_FORBIDDEN");
  EXPECT_EQ(Read(200, R"({"policy.example":{"ed25519:policy_server":"x"}})")
                .status()
                .errcode(),
            "M_FORBIDDEN");
  EXPECT_EQ(Read(200, "not json").status().code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace matrixcore
