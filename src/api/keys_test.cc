#include <fmt/format.h>

#include <future>
#include <set>
#include <vector>

#include "api/test_server.h"
#include "matrixcore/base/random.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/json/object.h"

namespace matrixcore::api {
namespace {

constexpr std::string_view kUpload = "/_matrix/client/v3/keys/upload";
constexpr std::string_view kQuery = "/_matrix/client/v3/keys/query";
constexpr std::string_view kClaim = "/_matrix/client/v3/keys/claim";

class KeysTest : public testing::Test {
 protected:
  // Device keys as a client makes them, signed by the device's own key.
  std::string SignedKeys(const User& user) {
    auto random = NewSeededRandom(1);
    const SigningKey key = SigningKey::Generate(*random, user.device_id);
    const std::string text = fmt::format(
        R"({{"user_id":"{}","device_id":"{}","algorithms":["m.olm.v1"],
            "keys":{{"ed25519:{}":"{}","curve25519:{}":"x"}}}})",
        user.user_id, user.device_id, user.device_id,
        Base64Encode(ByteView(key.public_key())), user.device_id);
    const auto document = json::Document::Parse(text);
    json::Object object = json::Object::From(document->root());
    EXPECT_TRUE(SignJson(&object, user.user_id, key).ok());
    return object.ToJson();
  }
  HttpResponse Upload(const User& user, std::string body) {
    return server_.Post(user, kUpload, std::move(body));
  }
  HttpResponse Query(std::string_view devices) {
    return server_.Post(bob_, kQuery,
                        fmt::format(R"({{"device_keys":{}}})", devices));
  }
  HttpResponse Claim(const User& user,
                     std::string_view algorithm = "signed_curve25519") {
    return server_.Post(
        bob_, kClaim,
        fmt::format(R"({{"one_time_keys":{{"{}":{{"{}":"{}"}}}}}})",
                    user.user_id, user.device_id, algorithm));
  }
  // The key ids that a claim was given.
  std::string Given(const HttpResponse& claim, const User& user) {
    const json::Document body = BodyOf(claim);
    const json::Value keys =
        body.root()["one_time_keys"][user.user_id][user.device_id];
    std::string ids;
    for (const auto& [id, key] : keys.members()) ids.append(id);
    return ids;
  }

  FakeHomeserver server_;
  const User alice_ = server_.Register("alice");
  const User bob_ = server_.Register("bob");
};

TEST_F(KeysTest, DeviceKeysAreStoredAndQueriedWithTheDevicesName) {
  const std::string keys = SignedKeys(alice_);
  EXPECT_THAT(Upload(alice_, fmt::format(R"({{"device_keys":{}}})", keys)),
              IsJson(R"({"one_time_key_counts":{}})"));
  const HttpResponse all = Query(fmt::format(R"({{"{}":[]}})", alice_.user_id));
  const auto document = json::Document::Parse(keys);
  json::Object expected = json::Object::From(document->root());
  expected.SetRaw("unsigned", "{}");
  EXPECT_THAT(all,
              IsJson(fmt::format(
                  R"({{"device_keys":{{"{}":{{"{}":{}}}}},"failures":{{}}}})",
                  alice_.user_id, alice_.device_id, expected.ToJson())));
  server_.Put(alice_, "/_matrix/client/v3/devices/" + alice_.device_id,
              R"({"display_name":"Laptop"})");
  EXPECT_EQ(TextAt(Query(fmt::format(R"({{"{}":["{}"]}})", alice_.user_id,
                                     alice_.device_id)),
                   fmt::format("device_keys/{}/{}/unsigned/device_display_name",
                               alice_.user_id, alice_.device_id)),
            "Laptop");
}

TEST_F(KeysTest, QueriesOfOthers) {
  EXPECT_THAT(Query(R"({"@nobody:fake.example":[],"@carol:far.example":[],
      "not a user":[]})"),
              IsJson(R"({"device_keys":{"@nobody:fake.example":{}},
                         "failures":{"far.example":{}}})"));
  Upload(alice_, fmt::format(R"({{"device_keys":{}}})", SignedKeys(alice_)));
  EXPECT_THAT(Query(fmt::format(R"({{"{}":["OTHER"]}})", alice_.user_id)),
              IsJson(fmt::format(R"({{"device_keys":{{"{}":{{}}}},
                                      "failures":{{}}}})",
                                 alice_.user_id)));
  // Clients send an empty object for an empty list.
  EXPECT_NE(
      At(Query(fmt::format(R"({{"{}":{{}}}})", alice_.user_id)),
         fmt::format("device_keys/{}/{}", alice_.user_id, alice_.device_id)),
      "");
}

TEST_F(KeysTest, DeviceKeysMustBeTheDevicesOwn) {
  const std::string keys = SignedKeys(alice_);
  EXPECT_THAT(Upload(bob_, fmt::format(R"({{"device_keys":{}}})", keys)),
              IsError(400, "M_INVALID_PARAM"));
  const User other = server_.Login(alice_);
  EXPECT_THAT(Upload(other, fmt::format(R"({{"device_keys":{}}})", keys)),
              IsError(400, "M_INVALID_PARAM"));
}

TEST_F(KeysTest, ASignatureThatIsNotGoodIsRefused) {
  const auto document = json::Document::Parse(SignedKeys(alice_));
  json::Object object = json::Object::From(document->root());
  object.SetRaw("algorithms", R"(["m.other"])");
  EXPECT_THAT(
      Upload(alice_, fmt::format(R"({{"device_keys":{}}})", object.ToJson())),
      IsError(400, "M_INVALID_PARAM"));
  object.Erase("signatures");
  EXPECT_THAT(
      Upload(alice_, fmt::format(R"({{"device_keys":{}}})", object.ToJson())),
      IsError(400, "M_INVALID_PARAM"));
}

TEST_F(KeysTest, OneTimeKeysAreCountedAndGivenOnceOldestFirst) {
  EXPECT_THAT(Upload(alice_, R"({"one_time_keys":{
      "signed_curve25519:B":{"key":"b"},"signed_curve25519:A":{"key":"a"},
      "curve25519:C":"c"}})"),
              IsJson(R"({"one_time_key_counts":
                         {"signed_curve25519":2,"curve25519":1}})"));
  Upload(alice_, R"({"one_time_keys":{"signed_curve25519:0":{"key":"0"}}})");
  EXPECT_THAT(Claim(alice_), IsJson(fmt::format(
                                 R"({{"one_time_keys":{{"{}":{{"{}":
                      {{"signed_curve25519:B":{{"key":"b"}}}}}}}},
                      "failures":{{}}}})",
                                 alice_.user_id, alice_.device_id)));
  EXPECT_EQ(Given(Claim(alice_), alice_), "signed_curve25519:A");
  EXPECT_EQ(Given(Claim(alice_), alice_), "signed_curve25519:0");
  EXPECT_THAT(Claim(alice_), IsJson(R"({"one_time_keys":{},"failures":{}})"));
  EXPECT_EQ(Given(Claim(alice_, "curve25519"), alice_), "curve25519:C");
  EXPECT_THAT(Upload(alice_, "{}"), IsJson(R"({"one_time_key_counts":
                         {"signed_curve25519":0,"curve25519":0}})"));
}

TEST_F(KeysTest, UploadingAKeyTwice) {
  const std::string body =
      R"({"one_time_keys":{"signed_curve25519:A":{"key":"a","x":1}}})";
  Upload(alice_, body);
  EXPECT_THAT(Upload(alice_, R"({"one_time_keys":
      {"signed_curve25519:A":{"x":1,"key":"a"}}})"),
              IsJson(R"({"one_time_key_counts":{"signed_curve25519":1}})"));
  EXPECT_THAT(Upload(alice_, R"({"one_time_keys":
      {"signed_curve25519:Z":{"key":"z"},
       "signed_curve25519:A":{"key":"other"}}})"),
              IsError(400, "M_INVALID_PARAM"));
  // All of it or nothing.
  EXPECT_THAT(Upload(alice_, "{}"),
              IsJson(R"({"one_time_key_counts":{"signed_curve25519":1}})"));
  // A repeated name in one request is one key.
  EXPECT_THAT(Upload(alice_, R"({"one_time_keys":
      {"signed_curve25519:D":{"key":"1"},"signed_curve25519:D":{"key":"2"}}})"),
              IsJson(R"({"one_time_key_counts":{"signed_curve25519":2}})"));
}

TEST_F(KeysTest, ManyClaimsAtOnceNeverGetTheSameKey) {
  constexpr int kKeys = 54;  // And 64 claims.
  std::string keys;
  for (int i = 0; i < kKeys; ++i) {
    keys += fmt::format(R"({}"signed_curve25519:{}":{{"key":"{}"}})",
                        i == 0 ? "" : ",", i, i);
  }
  Upload(alice_, "{\"one_time_keys\":{" + keys + "}}");
  std::vector<std::future<HttpResponse>> claims;
  const std::string body = fmt::format(
      R"({{"one_time_keys":{{"{}":{{"{}":"signed_curve25519"}}}}}})",
      alice_.user_id, alice_.device_id);
  for (int i = 0; i < kKeys + 10; ++i) {
    claims.push_back(
        server_.Start(HttpMethod::kPost, kClaim, body, bob_.access_token));
  }
  std::set<std::string> given;
  int none = 0;
  for (std::future<HttpResponse>& claim : claims) {
    const std::string id = Given(claim.get(), alice_);
    if (id.empty()) {
      ++none;
    } else {
      EXPECT_TRUE(given.insert(id).second) << id;
    }
  }
  EXPECT_EQ(given.size(), static_cast<size_t>(kKeys));
  EXPECT_EQ(none, 10);
}

TEST_F(KeysTest, TheFallbackKeyIsGivenAgainAndAgain) {
  Upload(alice_, R"({"fallback_keys":{"signed_curve25519:F":
      {"key":"f","fallback":true}},
      "one_time_keys":{"signed_curve25519:A":{"key":"a"}}})");
  EXPECT_EQ(Given(Claim(alice_), alice_), "signed_curve25519:A");
  EXPECT_EQ(Given(Claim(alice_), alice_), "signed_curve25519:F");
  EXPECT_EQ(Given(Claim(alice_), alice_), "signed_curve25519:F");
  Upload(alice_, R"({"fallback_keys":{"signed_curve25519:G":{"key":"g"}}})");
  EXPECT_EQ(Given(Claim(alice_), alice_), "signed_curve25519:G");
}

TEST_F(KeysTest, KeysGoWithTheirDevice) {
  const User phone = server_.Login(alice_);
  Upload(phone, fmt::format(R"({{"device_keys":{},"one_time_keys":
      {{"signed_curve25519:A":{{"key":"a"}}}},"fallback_keys":
      {{"signed_curve25519:F":{{"key":"f"}}}}}})",
                            SignedKeys(phone)));
  server_.Post(phone, "/_matrix/client/v3/logout");
  EXPECT_THAT(Query(fmt::format(R"({{"{}":[]}})", alice_.user_id)),
              IsJson(fmt::format(R"({{"device_keys":{{"{}":{{}}}},
                                      "failures":{{}}}})",
                                 alice_.user_id)));
  EXPECT_EQ(Given(Claim(phone), phone), "");
}

TEST_F(KeysTest, ThereIsALimitOfOneTimeKeys) {
  const auto batch = [](int from, int count) {
    std::string keys;
    for (int i = from; i < from + count; ++i) {
      keys += fmt::format(R"({}"curve25519:{}":"k")", i == from ? "" : ",", i);
    }
    return "{\"one_time_keys\":{" + keys + "}}";
  };
  EXPECT_EQ(Upload(alice_, batch(0, 1000)).status, 200);
  EXPECT_THAT(Upload(alice_, batch(1000, 1)), IsError(413, "M_TOO_LARGE"));
}

TEST_F(KeysTest, BadRequests) {
  for (const std::string_view body :
       {R"({"device_keys":[]})", R"({"one_time_keys":[]})",
        R"({"one_time_keys":{"nocolon":"k"}})",
        R"({"one_time_keys":{":x":"k"}})", R"({"one_time_keys":{"a:":"k"}})",
        R"({"one_time_keys":{"a:b":5}})",
        R"({"one_time_keys":{"a:b":{"nokey":1}}})",
        R"({"fallback_keys":"x"})"}) {
    EXPECT_THAT(Upload(alice_, std::string(body)), IsError(400, "M_BAD_JSON"))
        << body;
  }
  EXPECT_THAT(server_.Post(bob_, kQuery), IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Query("[]"), IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Query(R"({"@a:b":"x"})"), IsError(400, "M_BAD_JSON"));
  EXPECT_THAT(Query(R"({"@a:b":[5]})"), IsError(400, "M_BAD_JSON"));
  for (const std::string_view body :
       {"{}", R"({"one_time_keys":[]})", R"({"one_time_keys":{"@a:b":"x"}})",
        R"({"one_time_keys":{"@a:b":{"D":5}}})"}) {
    EXPECT_THAT(server_.Post(bob_, kClaim, std::string(body)),
                IsError(400, "M_BAD_JSON"))
        << body;
  }
}

}  // namespace
}  // namespace matrixcore::api
