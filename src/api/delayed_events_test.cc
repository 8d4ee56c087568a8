// MSC4140: delayed events.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/test_server.h"
#include "matrixcore/http/url.h"

namespace matrixcore::api {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kEvents[] =
    "/_matrix/client/unstable/org.matrix.msc4140/delayed_events";

class DelayedEventsTest : public ::testing::Test {
 protected:
  DelayedEventsTest()
      : server_(Options()),
        alice_(server_.Register("alice")),
        bob_(server_.Register("bob")) {
    room_ = TextAt(server_.Post(alice_, "/_matrix/client/v3/createRoom"),
                   "room_id");
  }
  static FakeHomeserverOptions Options() {
    FakeHomeserverOptions options;
    options.homeserver.delayed_events.max_delay = seconds(3600);
    options.homeserver.delayed_events.max_scheduled = 3;
    return options;
  }

  HttpResponse Schedule(const User& user, int64_t delay_ms,
                        std::string_view txn = "1",
                        std::string_view more = "") {
    return server_.Put(
        user,
        fmt::format("/_matrix/client/unstable/org.matrix.msc4140/rooms/{}/"
                    "delayed_event/m.room.message/{}",
                    PercentEncode(room_), txn),
        fmt::format(R"({{"content":{{"body":"late"}},"delay_ms":{}{}}})",
                    delay_ms, more));
  }
  std::string Id(const HttpResponse& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    return TextAt(response, "delay_id");
  }
  HttpResponse Manage(const User& user, const std::string& id,
                      std::string_view action) {
    return server_.Post(user, fmt::format("{}/{}/{}", kEvents, id, action));
  }
  HttpResponse Get(const User& user, const std::string& id) {
    return server_.Get(user, fmt::format("{}/{}", kEvents, id));
  }
  std::string Messages(const User& user) {
    return server_
        .Get(user,
             fmt::format("/_matrix/client/v3/rooms/{}/messages?dir=b&limit=50",
                         PercentEncode(room_)))
        .body;
  }

  FakeHomeserver server_;
  // These are about time: what fails when it is due is sent some time later.
  const FaultInjector::Pause pause_{server_.faults()};
  const User alice_;
  const User bob_;
  std::string room_;
};

TEST_F(DelayedEventsTest, AreSentWhenDue) {
  const std::string id = Id(Schedule(alice_, 10'000));
  server_.Advance(seconds(9));
  EXPECT_THAT(Messages(alice_), Not(HasSubstr("late")));
  server_.Advance(seconds(1));
  EXPECT_THAT(Messages(alice_), HasSubstr("late"));
  const HttpResponse details = Get(alice_, id);
  EXPECT_THAT(TextAt(details, "event_id"), HasSubstr("$"));
  EXPECT_EQ(At(details, "finalised_ts"), "1700000010000");
  EXPECT_EQ(At(server_.Get(alice_, kEvents), "delayed_events"), "[]");
}

TEST_F(DelayedEventsTest, AreListedUntilThen) {
  const std::string late = Id(Schedule(alice_, 20'000, "1"));
  const std::string soon = Id(Schedule(alice_, 10'000, "2"));
  EXPECT_THAT(server_.Get(alice_, kEvents), IsJson(fmt::format(
                                                R"({{"delayed_events":[
            {{"delay_id":"{0}","room_id":"{2}","type":"m.room.message",
              "delay_ms":10000,"delay":10000,"scheduled_at":1700000000000,
              "running_since":1700000000000,"content":{{"body":"late"}}}},
            {{"delay_id":"{1}","room_id":"{2}","type":"m.room.message",
              "delay_ms":20000,"delay":20000,"scheduled_at":1700000000000,
              "running_since":1700000000000,"content":{{"body":"late"}}}}]}})",
                                                soon, late, room_)));
  EXPECT_EQ(At(server_.Get(bob_, kEvents), "delayed_events"), "[]");
  EXPECT_THAT(Get(bob_, soon), IsError(404, "M_NOT_FOUND"));
}

TEST_F(DelayedEventsTest, TheSenderSeesTheDelayId) {
  const std::string id = Id(Schedule(alice_, 1000));
  server_.Post(
      alice_,
      fmt::format("/_matrix/client/v3/rooms/{}/invite", PercentEncode(room_)),
      fmt::format(R"({{"user_id":"{}"}})", bob_.user_id));
  server_.Post(bob_, "/_matrix/client/v3/join/" + PercentEncode(room_));
  server_.Advance(seconds(1));
  EXPECT_THAT(Messages(alice_), HasSubstr(id));
  EXPECT_THAT(Messages(bob_), HasSubstr("late"));
  EXPECT_THAT(Messages(bob_), Not(HasSubstr(id)));
}

TEST_F(DelayedEventsTest, CanBeCancelled) {
  const std::string id = Id(Schedule(alice_, 1000));
  EXPECT_THAT(Manage(bob_, id, "cancel"), IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(Manage(alice_, id, "cancel"), IsJson("{}"));
  EXPECT_THAT(Manage(alice_, id, "cancel"), IsJson("{}"));
  EXPECT_THAT(Manage(alice_, id, "send"), IsError(409, "M_UNKNOWN"));
  EXPECT_THAT(Manage(alice_, id, "restart"), IsError(409, "M_UNKNOWN"));
  server_.Advance(seconds(2));
  EXPECT_THAT(Messages(alice_), Not(HasSubstr("late")));
  EXPECT_NE(At(Get(alice_, id), "finalised_ts"), "");
}

TEST_F(DelayedEventsTest, CanBeSentAtOnce) {
  const std::string id = Id(Schedule(alice_, 60'000));
  EXPECT_THAT(Manage(alice_, id, "send"), IsJson("{}"));
  EXPECT_THAT(Messages(alice_), HasSubstr("late"));
  EXPECT_THAT(Manage(alice_, id, "send"), IsJson("{}"));
  EXPECT_THAT(Manage(alice_, id, "cancel"), IsError(409, "M_UNKNOWN"));
  EXPECT_THAT(Manage(alice_, id, "explode"), IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(Manage(alice_, "unknown", "send"), IsError(404, "M_NOT_FOUND"));
}

TEST_F(DelayedEventsTest, CanBeRestarted) {
  const std::string id = Id(Schedule(alice_, 10'000));
  for (int i = 0; i < 5; ++i) {
    server_.Advance(seconds(9));
    // As clients of the first version do it.
    EXPECT_THAT(server_.Post(alice_, fmt::format("{}/{}", kEvents, id),
                             R"({"action":"restart"})"),
                IsJson("{}"));
  }
  EXPECT_THAT(Messages(alice_), Not(HasSubstr("late")));
  server_.Advance(seconds(10));
  EXPECT_THAT(Messages(alice_), HasSubstr("late"));
}

TEST_F(DelayedEventsTest, SurviveARestartOfTheServer) {
  Id(Schedule(alice_, 10'000, "1"));
  server_.Advance(seconds(5));
  server_.Restart();
  server_.Advance(seconds(5));
  EXPECT_THAT(Messages(alice_), HasSubstr("late"));
}

TEST_F(DelayedEventsTest, StateIsSentToo) {
  const std::string id = Id(server_.Put(
      alice_,
      fmt::format("/_matrix/client/v3/rooms/{}/state/org.example.call/{}"
                  "?org.matrix.msc4140.delay=5000",
                  PercentEncode(room_), PercentEncode(alice_.user_id)),
      R"({"left":true})"));
  EXPECT_EQ(TextAt(Get(alice_, id), "state_key"), alice_.user_id);
  server_.Advance(seconds(5));
  EXPECT_THAT(
      server_.Get(alice_, fmt::format("/_matrix/client/v3/rooms/{}/state/"
                                      "org.example.call/{}",
                                      PercentEncode(room_),
                                      PercentEncode(alice_.user_id))),
      IsJson(R"({"left":true})"));
}

TEST_F(DelayedEventsTest, TheQueryParameterOfTheFirstVersionWorks) {
  Id(server_.Put(alice_,
                 fmt::format("/_matrix/client/v3/rooms/{}/send/m.room.message/"
                             "1?org.matrix.msc4140.delay=5000",
                             PercentEncode(room_)),
                 R"({"body":"late"})"));
  EXPECT_THAT(Messages(alice_), Not(HasSubstr("late")));
  server_.Advance(seconds(5));
  EXPECT_THAT(Messages(alice_), HasSubstr("late"));
}

TEST_F(DelayedEventsTest, PowerCountsWhenItIsSent) {
  const std::string id = Id(Schedule(bob_, 1000));
  EXPECT_THAT(Manage(bob_, id, "send"), IsError(403, "M_FORBIDDEN"));
  EXPECT_EQ(At(Get(bob_, id), "finalised_ts"), "");
  server_.Advance(seconds(1));
  EXPECT_EQ(TextAt(Get(bob_, id), "error/errcode"), "M_FORBIDDEN");
  EXPECT_EQ(At(Get(bob_, id), "event_id"), "");
}

TEST_F(DelayedEventsTest, TransactionsAreRepeatable) {
  const std::string id = Id(Schedule(alice_, 1000, "same"));
  EXPECT_EQ(Id(Schedule(alice_, 1000, "same")), id);
  EXPECT_NE(Id(Schedule(alice_, 1000, "other")), id);
}

TEST_F(DelayedEventsTest, GuestsMayUseThem) {
  FakeHomeserverOptions options;
  options.homeserver.registration.guests = true;
  FakeHomeserver server(options);
  const HttpResponse guest = server.Call(
      HttpMethod::kPost, "/_matrix/client/v3/register?kind=guest", "{}");
  ASSERT_EQ(guest.status, 200) << guest.body;
  EXPECT_THAT(
      server.Call(HttpMethod::kGet, kEvents, "", TextAt(guest, "access_token")),
      IsJson(R"({"delayed_events":[]})"));
}

TEST_F(DelayedEventsTest, RefusesBadRequests) {
  EXPECT_THAT(Schedule(alice_, 0), IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(Schedule(alice_, 3'600'001), IsError(403, "M_FORBIDDEN"));
  EXPECT_THAT(Schedule(alice_, 1000, "1", R"(,"state_key":7)"),
              IsError(400, "M_BAD_JSON"));
  for (int i = 0; i < 3; ++i) Id(Schedule(alice_, 5000 + i, std::to_string(i)));
  const HttpResponse full = Schedule(alice_, 1000, "4");
  EXPECT_THAT(full, IsError(429, "M_LIMIT_EXCEEDED"));
  EXPECT_EQ(HeaderOf(full, "Retry-After"), "5");
  EXPECT_THAT(server_.Get(alice_, "/_matrix/client/v3/capabilities").body,
              HasSubstr(R"("org.matrix.msc4140.delayed_events":{)"
                        R"("max_delay_ms":3600000,"max_scheduled":3})"));
}

}  // namespace
}  // namespace matrixcore::api
