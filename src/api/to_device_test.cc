// Spec: client-server API, "Send-to-Device messaging".
#include <fmt/format.h>

#include <future>
#include <vector>

#include "api/test_server.h"
#include "matrixcore/base/time.h"

namespace matrixcore::api {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ToDeviceApiTest : public testing::Test {
 protected:
  HttpResponse Send(const User& from, const std::string& to,
                    const std::string& device, int n, std::string txn = {},
                    std::string_view type = "org.example") {
    if (txn.empty()) txn = fmt::format("txn{}", ++transactions_);
    return server_.Put(
        from, fmt::format("/_matrix/client/v3/sendToDevice/{}/{}", type, txn),
        fmt::format(R"({{"messages":{{"{}":{{"{}":{{"n":{}}}}}}}}})", to,
                    device, n));
  }
  HttpResponse Sync(const User& user, const std::string& since = {}) {
    return server_.Get(user,
                       "/_matrix/client/v3/sync" +
                           (since.empty() ? std::string() : "?since=" + since));
  }
  static std::string Next(const HttpResponse& sync) {
    return TextAt(sync, "next_batch");
  }
  // The numbers of the messages of an answer.
  static std::vector<int64_t> Numbers(const HttpResponse& sync) {
    std::vector<int64_t> numbers;
    const json::Document body = BodyOf(sync);
    for (const json::Value event : body.root()["to_device"]["events"]) {
      numbers.push_back(event["content"]["n"].AsInt().value_or(-1));
    }
    return numbers;
  }

  FakeHomeserver server_;
  const User alice_ = server_.Register("alice");
  const User bob_ = server_.Register("bob");
  int transactions_ = 0;
};

TEST_F(ToDeviceApiTest, AMessageReachesItsDeviceAndNoOther) {
  const User phone = server_.Login(bob_);
  EXPECT_THAT(Send(alice_, bob_.user_id, bob_.device_id, 1), IsJson("{}"));
  EXPECT_THAT(At(Sync(bob_), "to_device/events"),
              R"([{"content":{"n":1},"sender":"@alice:fake.example",)"
              R"("type":"org.example"}])");
  EXPECT_EQ(At(Sync(phone), "to_device"), "");
  EXPECT_EQ(At(Sync(alice_), "to_device"), "");
}

TEST_F(ToDeviceApiTest, TheWildcardReachesAllDevices) {
  const User phone = server_.Login(bob_);
  Send(alice_, bob_.user_id, "*", 1);
  EXPECT_THAT(Numbers(Sync(bob_)), ElementsAre(1));
  EXPECT_THAT(Numbers(Sync(phone)), ElementsAre(1));
  const User later = server_.Login(bob_);
  EXPECT_THAT(Numbers(Sync(later)), IsEmpty());
}

// Messages stay until the next `since` shows that they arrived.
TEST_F(ToDeviceApiTest, ALostAnswerIsRepeated) {
  const std::string start = Next(Sync(bob_));
  Send(alice_, bob_.user_id, bob_.device_id, 1);
  Send(alice_, bob_.user_id, bob_.device_id, 2);
  const HttpResponse lost = Sync(bob_, start);
  EXPECT_THAT(Numbers(lost), ElementsAre(1, 2));
  const HttpResponse again = Sync(bob_, start);
  EXPECT_THAT(Numbers(again), ElementsAre(1, 2));
  server_.Restart();
  EXPECT_THAT(Numbers(Sync(bob_, start)), ElementsAre(1, 2));
  Send(alice_, bob_.user_id, bob_.device_id, 3);
  EXPECT_THAT(Numbers(Sync(bob_, Next(again))), ElementsAre(3));
  server_.Settle();
  // Deleted, by now, also for who begins anew or goes back.
  EXPECT_THAT(Numbers(Sync(bob_)), ElementsAre(3));
  EXPECT_THAT(Numbers(Sync(bob_, start)), ElementsAre(3));
}

TEST_F(ToDeviceApiTest, ATransactionCountsOnceForItsDeviceAndType) {
  const User laptop = server_.Login(alice_);
  Send(alice_, bob_.user_id, bob_.device_id, 1, "t");
  EXPECT_THAT(Send(alice_, bob_.user_id, bob_.device_id, 2, "t"), IsJson("{}"));
  Send(alice_, bob_.user_id, bob_.device_id, 3, "t", "org.other");
  Send(laptop, bob_.user_id, bob_.device_id, 4, "t");
  server_.Restart();
  Send(alice_, bob_.user_id, bob_.device_id, 5, "t");
  EXPECT_THAT(Numbers(Sync(bob_)), ElementsAre(1, 3, 4));
}

TEST_F(ToDeviceApiTest, UnknownUsersAndDevicesAreIgnored) {
  EXPECT_THAT(Send(alice_, "@nobody:fake.example", "*", 1), IsJson("{}"));
  EXPECT_THAT(Send(alice_, "@nobody:far.example", "*", 1), IsJson("{}"));
  EXPECT_THAT(Send(alice_, bob_.user_id, "NOWHERE", 1), IsJson("{}"));
  EXPECT_THAT(Send(alice_, "no user id", "*", 1), IsJson("{}"));
}

TEST_F(ToDeviceApiTest, AWaitingSyncIsWoken) {
  const std::string since = Next(Sync(bob_));
  std::future<HttpResponse> waiting = server_.Start(
      HttpMethod::kGet, "/_matrix/client/v3/sync?timeout=30000&since=" + since,
      "", bob_.access_token);
  server_.Settle();
  Send(alice_, bob_.user_id, "*", 1);
  server_.Settle();
  ASSERT_EQ(waiting.wait_for(std::chrono::seconds(10)),
            std::future_status::ready);
  EXPECT_THAT(Numbers(waiting.get()), ElementsAre(1));
}

// "100 messages is recommended as a reasonable limit."
TEST_F(ToDeviceApiTest, ALongQueueComesInPartsWithoutWaiting) {
  std::string since = Next(Sync(bob_));
  std::vector<int64_t> sent;
  for (int n = 0; n < 250; ++n) {
    Send(alice_, bob_.user_id, bob_.device_id, n);
    sent.push_back(n);
  }
  std::vector<int64_t> got;
  for (const size_t expected : {100u, 100u, 50u}) {
    // Would wait for simulated time that does not pass.
    const HttpResponse part = server_.Get(
        bob_, "/_matrix/client/v3/sync?timeout=30000&since=" + since);
    const std::vector<int64_t> numbers = Numbers(part);
    EXPECT_EQ(numbers.size(), expected);
    got.insert(got.end(), numbers.begin(), numbers.end());
    // A lost part is repeated.
    EXPECT_EQ(Numbers(Sync(bob_, since)), numbers);
    since = Next(part);
  }
  EXPECT_EQ(got, sent);
  EXPECT_THAT(Numbers(Sync(bob_, since)), IsEmpty());
}

// What happens between two parts comes with the next part, once.
TEST_F(ToDeviceApiTest, OtherNewsAreNotLostBetweenParts) {
  const std::string start = Next(Sync(bob_));
  for (int n = 0; n < 101; ++n) Send(alice_, bob_.user_id, "*", n);
  const std::string url =
      "/_matrix/client/v3/user/" + bob_.user_id + "/account_data/";
  server_.Put(bob_, url + "first", R"({"a":1})");
  const HttpResponse one = Sync(bob_, start);
  EXPECT_THAT(one.body, testing::HasSubstr("\"first\""));
  server_.Put(bob_, url + "second", R"({"a":1})");
  const HttpResponse two = Sync(bob_, Next(one));
  EXPECT_THAT(Numbers(two), ElementsAre(100));
  EXPECT_THAT(two.body, testing::HasSubstr("\"second\""));
  EXPECT_THAT(two.body, testing::Not(testing::HasSubstr("\"first\"")));
}

TEST_F(ToDeviceApiTest, MessagesGoWithTheirDevice) {
  const User phone = server_.Login(bob_);
  Send(alice_, bob_.user_id, phone.device_id, 1);
  server_.Post(phone, "/_matrix/client/v3/logout");
  const HttpResponse login =
      server_.Call(HttpMethod::kPost, "/_matrix/client/v3/login",
                   fmt::format(R"({{"type":"m.login.password","device_id":"{}",
          "identifier":{{"type":"m.id.user","user":"bob"}},
          "password":"{}"}})",
                               phone.device_id, bob_.password));
  User again = phone;
  again.access_token = TextAt(login, "access_token");
  EXPECT_THAT(Numbers(Sync(again)), IsEmpty());
}

TEST_F(ToDeviceApiTest, BadRequests) {
  const std::string url = "/_matrix/client/v3/sendToDevice/t/";
  EXPECT_THAT(server_.Put(alice_, url + "1", "{}"),
              IsError(400, "M_MISSING_PARAM"));
  for (const std::string_view body :
       {R"({"messages":[]})", R"({"messages":{"@a:b":[]}})",
        R"({"messages":{"@a:b":{"D":"text"}}})"}) {
    EXPECT_THAT(server_.Put(alice_, url + "2", std::string(body)),
                IsError(400, "M_BAD_JSON"))
        << body;
  }
  EXPECT_THAT(Send(alice_, bob_.user_id, "*", 1, "x", std::string(256, 't')),
              IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(
      server_.Put(alice_, url + "3",
                  fmt::format(R"({{"messages":{{"{}":{{"*":{{"n":"{}"}}}}}}}})",
                              bob_.user_id, std::string(70'000, 'x'))),
      IsError(413, "M_TOO_LARGE"));
}

}  // namespace
}  // namespace matrixcore::api
