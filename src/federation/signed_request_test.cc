#include "matrixcore/federation/signed_request.h"

#include <gtest/gtest.h>

#include <optional>

#include "matrixcore/event/signing.h"
#include "matrixcore/json/object.h"

namespace matrixcore {
namespace {

SigningKey TestKey() {
  Ed25519Seed seed{};
  seed.fill(7);
  return SigningKey::FromSeed(seed, "a1");
}

TEST(SignedRequestTest, NamesBothServersAndTheKey) {
  const SigningKey key = TestKey();
  const auto header = AuthorizationOf({.method = HttpMethod::kPost,
                                       .target = "/_matrix/x?y=1",
                                       .origin = "a.example",
                                       .destination = "b.example:1",
                                       .content = R"({"k":[1,"v"]})"},
                                      key);
  ASSERT_TRUE(header.ok());
  const std::string prefix =
      R"(X-Matrix origin="a.example",destination="b.example:1",key="ed25519:a1",sig=")";
  ASSERT_EQ(header->substr(0, prefix.size()), prefix);
  const std::string signature =
      header->substr(prefix.size(), header->size() - prefix.size() - 1);

  // The other side puts the same object together.
  json::Object object;
  object.SetString("method", "POST");
  object.SetString("uri", "/_matrix/x?y=1");
  object.SetString("origin", "a.example");
  object.SetString("destination", "b.example:1");
  object.SetRaw("content", R"({"k":[1,"v"]})");
  object.SetRaw("signatures",
                R"({"a.example":{"ed25519:a1":")" + signature + R"("}})");
  const auto document = json::Document::Parse(object.ToJson());
  ASSERT_TRUE(document.ok());
  EXPECT_TRUE(VerifyJson(document->root(), "a.example", "ed25519:a1",
                         key.public_key()));
}

TEST(SignedRequestTest, RefusesContentThatIsNotCanonicalJson) {
  EXPECT_EQ(
      AuthorizationOf({.content = R"({"k":1.5})"}, TestKey()).status().code(),
      StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace matrixcore
