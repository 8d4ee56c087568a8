#include <fmt/format.h>

#include <chrono>
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
  static bool IsWaiting(const std::future<HttpResponse>& answer) {
    return answer.wait_for(std::chrono::seconds(0)) !=
           std::future_status::ready;
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
      "@bob:fake.example":[],"not a user":[]})"),
              IsJson(R"({"device_keys":{"@bob:fake.example":{}},
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

TEST_F(KeysTest, DeviceKeysWithoutAGoodSignatureOfTheirOwnAreRefused) {
  const auto document = json::Document::Parse(SignedKeys(alice_));
  json::Object object = json::Object::From(document->root());
  const auto upload = [&] {
    return Upload(alice_,
                  fmt::format(R"({{"device_keys":{}}})", object.ToJson()));
  };
  object.SetRaw("algorithms", R"(["m.other"])");
  EXPECT_THAT(upload(), IsError(400, "M_INVALID_SIGNATURE"));
  object.SetRaw("signatures", "{}");
  EXPECT_THAT(upload(), IsError(400, "M_INVALID_SIGNATURE"));
  EXPECT_THAT(Query(fmt::format(R"({{"{}":[]}})", alice_.user_id)),
              IsJson(fmt::format(R"({{"device_keys":{{"{}":{{}}}},
                                      "failures":{{}}}})",
                                 alice_.user_id)));
}

TEST_F(KeysTest, DeviceKeysHaveAllThatTheyMust) {
  const auto document = json::Document::Parse(SignedKeys(alice_));
  for (const std::string_view field :
       {"user_id", "device_id", "algorithms", "keys", "signatures"}) {
    json::Object object = json::Object::From(document->root());
    object.SetRaw(field, "[[]]");
    EXPECT_THAT(
        Upload(alice_, fmt::format(R"({{"device_keys":{}}})", object.ToJson())),
        IsError(400, "M_BAD_JSON"))
        << field;
    object.Erase(field);
    EXPECT_THAT(
        Upload(alice_, fmt::format(R"({{"device_keys":{}}})", object.ToJson())),
        IsError(400, "M_BAD_JSON"))
        << field;
  }
  json::Object large = json::Object::From(document->root());
  large.SetString("more", std::string(70'000, 'x'));
  EXPECT_THAT(
      Upload(alice_, fmt::format(R"({{"device_keys":{}}})", large.ToJson())),
      IsError(413, "M_TOO_LARGE"));
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

// A client that never had an answer uploads the same keys again.
TEST_F(KeysTest, AKeyThatWasGivenIsNotTakenInAgain) {
  const std::string body =
      R"({"one_time_keys":{"signed_curve25519:A":{"key":"a"},
                           "signed_curve25519:B":{"key":"b"}}})";
  Upload(alice_, body);
  EXPECT_EQ(Given(Claim(alice_), alice_), "signed_curve25519:A");
  EXPECT_THAT(Upload(alice_, body),
              IsJson(R"({"one_time_key_counts":{"signed_curve25519":1}})"));
  EXPECT_EQ(Given(Claim(alice_), alice_), "signed_curve25519:B");
  EXPECT_EQ(Given(Claim(alice_), alice_), "");
  // Another key of that name is another key.
  EXPECT_THAT(
      Upload(alice_,
             R"({"one_time_keys":{"signed_curve25519:A":{"key":"other"}}})"),
      IsJson(R"({"one_time_key_counts":{"signed_curve25519":1}})"));
  EXPECT_EQ(Given(Claim(alice_), alice_), "signed_curve25519:A");
}

TEST_F(KeysTest, WhatWasGivenIsRememberedForAWeek) {
  const std::string body =
      R"({"one_time_keys":{"signed_curve25519:A":{"key":"a"}}})";
  Upload(alice_, body);
  Claim(alice_);
  server_.Advance(std::chrono::hours(6 * 24));
  Upload(alice_, R"({"one_time_keys":{"curve25519:X":"x"}})");
  EXPECT_THAT(Upload(alice_, body),
              IsJson(R"({"one_time_key_counts":{"signed_curve25519":0,
                                                "curve25519":1}})"));
  server_.Advance(std::chrono::hours(2 * 24));
  Upload(alice_, R"({"one_time_keys":{"curve25519:Y":"y"}})");
  EXPECT_THAT(Upload(alice_, body),
              IsJson(R"({"one_time_key_counts":{"signed_curve25519":1,
                                                "curve25519":2}})"));
}

TEST_F(KeysTest, OneClaimForManyDevices) {
  const User phone = server_.Login(alice_);
  Upload(alice_, R"({"one_time_keys":{"a:1":"x"}})");
  Upload(phone, R"({"one_time_keys":{"a:2":"y"}})");
  Upload(bob_, R"({"fallback_keys":{"a:3":"z"}})");
  EXPECT_THAT(
      server_.Post(bob_, kClaim,
                   fmt::format(R"({{"one_time_keys":{{
              "{}":{{"{}":"a","{}":"a","NONE":"a"}},"{}":{{"{}":"a"}},
              "@nobody:fake.example":{{"D":"a"}},"@x:far.example":{{}}}}}})",
                               alice_.user_id, alice_.device_id,
                               phone.device_id, bob_.user_id, bob_.device_id)),
      IsJson(fmt::format(R"({{"one_time_keys":{{
          "{}":{{"{}":{{"a:1":"x"}},"{}":{{"a:2":"y"}}}},
          "{}":{{"{}":{{"a:3":"z"}}}}}},"failures":{{"far.example":{{}}}}}})",
                         alice_.user_id, alice_.device_id, phone.device_id,
                         bob_.user_id, bob_.device_id)));
}

// A device need not ask to learn that it should upload more.
TEST_F(KeysTest, AClaimEndsTheWaitOfTheDeviceThatLostAKey) {
  // A poll that a fault ends and that begins again may end with other news.
  const FaultInjector::Pause pause(server_.faults());
  const User phone = server_.Login(alice_);
  Upload(alice_, R"({"one_time_keys":{"a:1":"x","a:2":"y"},
                     "fallback_keys":{"a:3":"z"}})");
  const auto since = [&](const User& user) {
    return TextAt(server_.Get(user, "/_matrix/client/v3/sync"), "next_batch");
  };
  const auto wait = [&](const User& user, const std::string& from) {
    return server_.Start(HttpMethod::kGet,
                         "/_matrix/client/v3/sync?timeout=60000&since=" + from,
                         "", user.access_token);
  };
  std::string from = since(alice_);
  auto waits = wait(alice_, from);
  auto other = wait(phone, since(phone));
  server_.Settle();
  Claim(alice_, "a");
  HttpResponse answer = waits.get();
  EXPECT_EQ(At(answer, "device_one_time_keys_count"), R"({"a":1})");
  // It is no news for the other device, nor a second time.
  from = TextAt(answer, "next_batch");
  waits = wait(alice_, from);
  server_.Settle();
  EXPECT_TRUE(IsWaiting(waits));
  EXPECT_TRUE(IsWaiting(other));
  // Neither is a claim missed that came before the wait.
  server_.Advance(std::chrono::minutes(1));
  from = TextAt(waits.get(), "next_batch");
  Claim(alice_, "a");
  answer = wait(alice_, from).get();
  EXPECT_EQ(At(answer, "device_one_time_keys_count"), R"({"a":0})");
  EXPECT_EQ(At(answer, "device_unused_fallback_key_types"), R"(["a"])");
  // The first use of a fallback key is news, the second is not.
  waits = wait(alice_, TextAt(answer, "next_batch"));
  server_.Settle();
  Claim(alice_, "a");
  answer = waits.get();
  EXPECT_EQ(At(answer, "device_unused_fallback_key_types"), "[]");
  waits = wait(alice_, TextAt(answer, "next_batch"));
  server_.Settle();
  Claim(alice_, "a");
  server_.Settle();
  EXPECT_TRUE(IsWaiting(waits));
  server_.Advance(std::chrono::minutes(1));
  EXPECT_EQ(waits.get().status, 200);
  EXPECT_EQ(At(other.get(), "device_one_time_keys_count"), "{}");
}

// Nobody else has to look again.
TEST_F(KeysTest, UploadingTheSameDeviceKeysIsNoNews) {
  const std::string body =
      fmt::format(R"({{"device_keys":{}}})", SignedKeys(alice_));
  Upload(alice_, body);
  const std::string before = server_.MetricsText();
  Upload(alice_, body);
  const auto publications = [](const std::string& text) {
    const size_t at = text.find("\nmatrixcore_notifier_publications_total ");
    return text.substr(at, text.find('\n', at + 1) - at);
  };
  EXPECT_EQ(publications(server_.MetricsText()), publications(before));
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
  // Whatever their algorithm.
  EXPECT_THAT(Upload(alice_, R"({"one_time_keys":{"other:1":"k"}})"),
              IsError(413, "M_TOO_LARGE"));
  Claim(alice_, "curve25519");
  EXPECT_EQ(Upload(alice_, R"({"one_time_keys":{"other:1":"k"}})").status, 200);
}

TEST_F(KeysTest, ThereIsALimitOfFallbackKeys) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(
        Upload(alice_, fmt::format(R"({{"fallback_keys":{{"a{}:1":"k"}}}})", i))
            .status,
        200);
  }
  EXPECT_THAT(Upload(alice_, R"({"fallback_keys":{"b:1":"k"}})"),
              IsError(413, "M_TOO_LARGE"));
  EXPECT_EQ(Upload(alice_, R"({"fallback_keys":{"a1:2":"k"}})").status, 200);
}

TEST_F(KeysTest, ThereIsALimitOfClaims) {
  std::string devices;
  for (int i = 0; i <= 10'000; ++i) {
    devices += fmt::format(R"({}"{}":"a")", i == 0 ? "" : ",", i);
  }
  EXPECT_THAT(server_.Post(bob_, kClaim,
                           fmt::format(R"({{"one_time_keys":{{"{}":{{{}}}}}}})",
                                       alice_.user_id, devices)),
              IsError(413, "M_TOO_LARGE"));
}

TEST_F(KeysTest, BadRequests) {
  for (const std::string_view body :
       {R"({"device_keys":[]})", R"({"one_time_keys":[]})",
        R"({"one_time_keys":{"nocolon":"k"}})",
        R"({"one_time_keys":{":x":"k"}})", R"({"one_time_keys":{"a:":"k"}})",
        R"({"one_time_keys":{"a:b":5}})",
        R"({"one_time_keys":{"a:b":{"nokey":1}}})",
        R"({"one_time_keys":{"a:b":{"key":"k","signatures":1}}})",
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
        R"({"one_time_keys":{},"timeout":"x"})",
        R"({"one_time_keys":{"@a:b":{"D":5}}})"}) {
    EXPECT_THAT(server_.Post(bob_, kClaim, std::string(body)),
                IsError(400, "M_BAD_JSON"))
        << body;
  }
}

}  // namespace
}  // namespace matrixcore::api
