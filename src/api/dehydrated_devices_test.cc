// MSC3814, dehydrated devices.
#include <fmt/format.h>

#include <future>
#include <vector>

#include "api/test_server.h"
#include "matrixcore/base/random.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/json/object.h"

namespace matrixcore::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kUrl =
    "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device";

class DehydratedDevicesTest : public testing::Test {
 protected:
  std::string Keys(const std::string& device) {
    auto random = NewSeededRandom(1);
    const SigningKey key = SigningKey::Generate(*random, device);
    const auto document = json::Document::Parse(fmt::format(
        R"({{"user_id":"{}","device_id":"{}","algorithms":["a"],
             "dehydrated":true,"keys":{{"ed25519:{}":"{}"}}}})",
        alice_.user_id, device, device,
        Base64Encode(ByteView(key.public_key()))));
    json::Object object = json::Object::From(document->root());
    EXPECT_TRUE(SignJson(&object, alice_.user_id, key).ok());
    return object.ToJson();
  }
  std::string Body(const std::string& device) {
    return fmt::format(
        R"({{"device_id":"{}","device_data":{{"algorithm":"a",
            "n":1}},"initial_device_display_name":"Spare","device_keys":{},
            "one_time_keys":{{"signed_curve25519:A":{{"key":"a"}}}},
            "fallback_keys":{{"signed_curve25519:F":{{"key":"f"}}}}}})",
        device, Keys(device));
  }
  HttpResponse Put(const std::string& device) {
    return server_.Put(alice_, kUrl, Body(device));
  }
  HttpResponse Events(const std::string& device, const std::string& next = {}) {
    return server_.Post(
        alice_, fmt::format("{}/{}/events", kUrl, device),
        next.empty() ? "{}" : fmt::format(R"({{"next_batch":"{}"}})", next));
  }
  void Send(const std::string& device, int n) {
    EXPECT_EQ(
        server_
            .Put(bob_,
                 fmt::format("/_matrix/client/v3/sendToDevice/t/{}{}", device,
                             n),
                 fmt::format(R"({{"messages":{{"{}":{{"{}":{{"n":{}}}}}}}}})",
                             alice_.user_id, device, n))
            .status,
        200);
  }
  static std::vector<int64_t> Numbers(const HttpResponse& events) {
    std::vector<int64_t> numbers;
    const json::Document body = BodyOf(events);
    for (const json::Value event : body.root()["events"]) {
      numbers.push_back(event["content"]["n"].AsInt().value_or(-1));
    }
    return numbers;
  }
  HttpResponse QueryKeys() {
    return server_.Post(
        bob_, "/_matrix/client/v3/keys/query",
        fmt::format(R"({{"device_keys":{{"{}":[]}}}})", alice_.user_id));
  }

  FakeHomeserver server_;
  const User alice_ = server_.Register("alice");
  const User bob_ = server_.Register("bob");
};

TEST_F(DehydratedDevicesTest, ADeviceIsKeptAndShownToOthers) {
  EXPECT_THAT(server_.Get(alice_, kUrl), IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(Put("DEHY"), IsJson(R"({"device_id":"DEHY"})"));
  server_.Restart();
  EXPECT_THAT(server_.Get(alice_, kUrl), IsJson(R"({"device_id":"DEHY",
                         "device_data":{"algorithm":"a","n":1}})"));
  const HttpResponse keys = QueryKeys();
  EXPECT_THAT(keys.body, HasSubstr("\"dehydrated\":true"));
  EXPECT_THAT(keys.body, HasSubstr("\"device_display_name\":\"Spare\""));
  const HttpResponse claim = server_.Post(
      bob_, "/_matrix/client/v3/keys/claim",
      fmt::format(
          R"({{"one_time_keys":{{"{}":{{"DEHY":"signed_curve25519"}}}}}})",
          alice_.user_id));
  EXPECT_THAT(claim.body, HasSubstr("signed_curve25519:A"));
  EXPECT_THAT(server_.Get(bob_, kUrl), IsError(404, "M_NOT_FOUND"));
}

TEST_F(DehydratedDevicesTest, MessagesComeInPagesAndStay) {
  Put("DEHY");
  for (int n = 0; n < 103; ++n) Send("DEHY", n);
  const HttpResponse first = Events("DEHY");
  EXPECT_EQ(Numbers(first).size(), 100u);
  const HttpResponse second = Events("DEHY", TextAt(first, "next_batch"));
  EXPECT_THAT(Numbers(second), ElementsAre(100, 101, 102));
  EXPECT_THAT(Numbers(Events("DEHY", TextAt(second, "next_batch"))), IsEmpty());
  EXPECT_EQ(Numbers(Events("DEHY")).size(), 100u);
  for (const char* name : {"next_batch", "from"}) {
    const auto page = [&](const HttpResponse& before) {
      return server_.Get(alice_, fmt::format("{}/DEHY/events?{}={}", kUrl, name,
                                             TextAt(before, "next_batch")));
    };
    EXPECT_EQ(page(first).body, second.body);
    EXPECT_THAT(page(second), IsJson(R"({"events":[]})"));
  }
  EXPECT_EQ(server_.Get(alice_, fmt::format("{}/DEHY/events", kUrl)).body,
            first.body);
  EXPECT_THAT(Events("OTHER"), IsError(403, "M_FORBIDDEN"));
  EXPECT_THAT(Events("DEHY", "nonsense"), IsError(400, "M_INVALID_PARAM"));
}

TEST_F(DehydratedDevicesTest, ANewDeviceReplacesTheOldOne) {
  Put("OLD");
  Send("OLD", 1);
  EXPECT_THAT(Put("NEW"), IsJson(R"({"device_id":"NEW"})"));
  EXPECT_EQ(TextAt(server_.Get(alice_, kUrl), "device_id"), "NEW");
  EXPECT_EQ(At(QueryKeys(), "device_keys/" + alice_.user_id + "/OLD"), "");
  EXPECT_THAT(Numbers(Events("NEW")), IsEmpty());
  // The same id again begins anew, too.
  Send("NEW", 2);
  Put("NEW");
  EXPECT_THAT(Numbers(Events("NEW")), IsEmpty());
  EXPECT_NE(At(QueryKeys(), "device_keys/" + alice_.user_id + "/NEW"), "");
}

TEST_F(DehydratedDevicesTest, DeletingIt) {
  EXPECT_THAT(server_.Delete(alice_, kUrl), IsError(404, "M_NOT_FOUND"));
  Put("DEHY");
  Send("DEHY", 1);
  EXPECT_THAT(server_.Delete(alice_, kUrl), IsJson(R"({"device_id":"DEHY"})"));
  EXPECT_THAT(server_.Get(alice_, kUrl), IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(Events("DEHY"), IsError(404, "M_NOT_FOUND"));
  EXPECT_EQ(At(QueryKeys(), "device_keys/" + alice_.user_id), "{}");
}

TEST_F(DehydratedDevicesTest,
       AnIdThatAnotherDeviceTakesOverIsDehydratedNoMore) {
  Put("DEHY");
  const std::string devices = "/_matrix/client/v3/devices/DEHY";
  const json::Document challenge = BodyOf(server_.Delete(alice_, devices));
  EXPECT_EQ(server_
                .Call(HttpMethod::kDelete, devices,
                      fmt::format(R"({{"auth":{{"type":"m.login.password",
                          "session":"{}","user":"alice","password":"{}"}}}})",
                                  challenge.root()["session"].StringOr(""),
                                  alice_.password),
                      alice_.access_token)
                .status,
            200);
  EXPECT_THAT(server_.Get(alice_, kUrl), IsError(404, "M_NOT_FOUND"));
  EXPECT_EQ(server_
                .Post({}, "/_matrix/client/v3/login",
                      fmt::format(R"({{"type":"m.login.password","user":"alice",
                          "password":"{}","device_id":"DEHY"}})",
                                  alice_.password))
                .status,
            200);
  EXPECT_THAT(server_.Get(alice_, kUrl), IsError(404, "M_NOT_FOUND"));
}

TEST_F(DehydratedDevicesTest, OfManyAtOnceOneRemains) {
  std::vector<std::future<HttpResponse>> puts;
  for (int i = 0; i < 8; ++i) {
    const std::string id = fmt::format("DEHY{}", i);
    puts.push_back(
        server_.Start(HttpMethod::kPut, kUrl, Body(id), alice_.access_token));
  }
  for (std::future<HttpResponse>& put : puts) {
    EXPECT_EQ(put.get().status, 200);
  }
  const json::Document body =
      BodyOf(server_.Get(alice_, "/_matrix/client/v3/devices"));
  EXPECT_EQ(body.root()["devices"].size(), 2u);
}

TEST_F(DehydratedDevicesTest, BadRequests) {
  EXPECT_THAT(server_.Put(alice_, kUrl, "{}"), IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(server_.Put(alice_, kUrl,
                          R"({"device_id":1,"device_data":{},
                              "device_keys":{}})"),
              IsError(400, "M_BAD_JSON"));
  // No keys, and the keys of another device.
  EXPECT_THAT(server_.Put(alice_, kUrl,
                          R"({"device_id":"D","device_data":{},
                              "device_keys":{}})"),
              IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(server_.Put(alice_, kUrl,
                          fmt::format(R"({{"device_id":"D","device_data":{{}},
                                   "device_keys":{}}})",
                                      Keys("OTHER"))),
              IsError(400, "M_INVALID_PARAM"));
  // The id of a device with a session.
  EXPECT_THAT(Put(alice_.device_id), IsError(400, "M_INVALID_PARAM"));
  EXPECT_EQ(server_.Get(alice_, "/_matrix/client/v3/devices").status, 200);
}

TEST_F(DehydratedDevicesTest, VersionsSaySo) {
  const json::Document body =
      BodyOf(server_.Call(HttpMethod::kGet, "/_matrix/client/versions"));
  EXPECT_TRUE(
      body.root()["unstable_features"]["org.matrix.msc3814"].AsBool().value_or(
          false));
}

}  // namespace
}  // namespace matrixcore::api
