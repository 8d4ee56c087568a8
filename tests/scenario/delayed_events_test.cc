// MSC4140: Cancellable delayed events.
#include <set>

#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::string_view kUnstable =
    "/_matrix/client/unstable/org.matrix.msc4140/";

class DelayedEventsScenario : public ScenarioTest {
 protected:
  explicit DelayedEventsScenario(FakeHomeserverOptions options = {})
      : ScenarioTest(std::move(options)) {}

  // The delay id.
  std::string Schedule(const User& user, const std::string& room,
                       int64_t delay_ms, std::string_view body,
                       std::string_view more = "") {
    const Answer answer = TrySchedule(
        user, room, "m.room.message",
        fmt::format(R"({{"content":{{"body":"{}","msgtype":"m.text"}},
                         "delay_ms":{}{}}})",
                    body, delay_ms, more));
    EXPECT_TRUE(answer.ok()) << answer.text();
    return answer.String("delay_id");
  }
  Answer TrySchedule(const User& user, const std::string& room,
                     std::string_view type, std::string body) {
    return server_.Put(user,
                       fmt::format("{}rooms/{}/delayed_event/{}/d{}", kUnstable,
                                   PercentEncode(room), type, ++transactions_),
                       std::move(body));
  }
  Answer Manage(const User& user, const std::string& id,
                std::string_view action) {
    return server_.Post(
        user, fmt::format("{}delayed_events/{}/{}", kUnstable, id, action));
  }
  Answer Find(const User& user, const std::string& id) {
    return server_.Get(user, fmt::format("{}delayed_events/{}", kUnstable, id));
  }
  std::string ErrorOf(const std::string& id) {
    return std::string(Find(alice_, id)["error"]["errcode"].StringOr(""));
  }
  // The messages of the room, the oldest first.
  std::vector<std::string> Timeline(const std::string& room) {
    return Bodies(Get(alice_, room, "messages?dir=f&limit=200")["chunk"]);
  }

  // These are about time: what fails when it is due is sent some time later.
  const FaultInjector::Pause pause_{server_.faults()};
  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  std::string room_ = CreateRoom(alice_, R"({"preset":"public_chat"})");
};

// "The homeserver MUST NOT send the event before the scheduled time", and many
// go out in the order of their times, whatever order they were scheduled in.
TEST_F(DelayedEventsScenario, GoOutInTheOrderOfTheirTimes) {
  Schedule(alice_, room_, 3000, "third");
  Schedule(alice_, room_, 1000, "first");
  Schedule(alice_, room_, 2000, "second");
  server_.Advance(milliseconds(999));
  EXPECT_THAT(Timeline(room_), IsEmpty());
  server_.Advance(milliseconds(1));
  EXPECT_THAT(Timeline(room_), ElementsAre("first"));
  server_.Advance(seconds(10));
  EXPECT_THAT(Timeline(room_), ElementsAre("first", "second", "third"));
}

// "When a homeserver restarts, it MUST ... send those delayed events as soon as
// possible, in chronological order".
TEST_F(DelayedEventsScenario, WhatFellDueWhileTheServerWasAwayIsSentInOrder) {
  Schedule(alice_, room_, 2000, "second");
  Schedule(alice_, room_, 1000, "first");
  const std::string later = Schedule(alice_, room_, 60'000, "later");
  server_.FailCommits(Status(StatusCode::kUnavailable, "away"));
  server_.Advance(seconds(30));
  server_.FailCommits(OkStatus());
  EXPECT_THAT(Timeline(room_), IsEmpty());
  server_.Restart();
  server_.Advance(milliseconds(1));
  EXPECT_THAT(Timeline(room_), ElementsAre("first", "second"));
  EXPECT_TRUE(Find(alice_, later)["finalised_ts"].IsMissing());
  server_.Advance(seconds(30));
  EXPECT_THAT(Timeline(room_), ElementsAre("first", "second", "later"));
}

// "MUST be included ... if, and only if, the client being given the event is
// authenticated as the event's sender": on every device, and nobody else's.
TEST_F(DelayedEventsScenario, SendersSeeTheDelayIdOnAllTheirDevices) {
  Join(bob_, room_);
  const User other = server_.Login(alice_);
  const std::string id = Schedule(alice_, room_, 1000, "late");
  server_.Advance(seconds(1));
  const std::string event_id = Find(alice_, id).String("event_id");
  const std::string path = "event/" + PercentEncode(event_id);
  const auto shown = [&](const User& user) {
    return Get(user, room_, path)["unsigned"]["org.matrix.msc4140.delay_id"]
        .StringOr("");
  };
  EXPECT_EQ(shown(alice_), id);
  EXPECT_EQ(shown(other), id);
  EXPECT_EQ(shown(bob_), "");
  for (const User& user : {alice_, other, bob_}) {
    const std::string sync =
        Answer(server_.Get(user, "/_matrix/client/v3/sync")).text();
    EXPECT_EQ(sync.find(id) != std::string::npos, user.user_id != bob_.user_id);
  }
}

// "Power levels are evaluated at the point of sending": both ways.
TEST_F(DelayedEventsScenario, PowerIsThatOfTheTimeOfSending) {
  Join(bob_, room_);
  const auto schedule = [&](const User& user) {
    const Answer answer = TrySchedule(
        user, room_, "m.room.name",
        R"({"content":{"name":"N"},"delay_ms":1000,"state_key":""})");
    EXPECT_TRUE(answer.ok()) << answer.text();
    return answer.String("delay_id");
  };
  const std::string refused = schedule(bob_);
  server_.Advance(seconds(1));
  EXPECT_EQ(Find(bob_, refused)["error"]["errcode"].StringOr(""),
            "M_FORBIDDEN");
  const std::string allowed = schedule(bob_);
  ASSERT_TRUE(SetState(alice_, room_, "m.room.power_levels",
                       fmt::format(R"({{"users":{{"{}":50}}}})", bob_.user_id))
                  .ok());
  server_.Advance(seconds(1));
  EXPECT_EQ(State(alice_, room_, "m.room.name"), R"({"name":"N"})");
  EXPECT_EQ(Find(bob_, allowed)["state_key"].raw(), R"("")");
  const std::string left = Schedule(bob_, room_, 1000, "gone");
  Post(bob_, room_, "leave");
  server_.Advance(seconds(1));
  EXPECT_EQ(Find(bob_, left)["error"]["errcode"].StringOr(""), "M_FORBIDDEN");
}

// A redaction can be scheduled, as for messages that vanish.
TEST_F(DelayedEventsScenario, MessagesCanVanish) {
  const std::string id = Say(alice_, room_, "secret");
  const Answer answer = TrySchedule(
      alice_, room_, "m.room.redaction",
      fmt::format(R"({{"content":{{"redacts":"{}"}},"delay_ms":5000}})", id));
  ASSERT_TRUE(answer.ok()) << answer.text();
  server_.Advance(seconds(5));
  EXPECT_THAT(Timeline(room_), ElementsAre("(redacted)"));
}

// "If action is `send` and the delayed event is unable to be sent due to an
// error ... SHOULD keep the delayed event scheduled".
TEST_F(DelayedEventsScenario, AFailedSendCanBeTriedAgain) {
  const std::string id = Schedule(bob_, room_, 60'000, "hello");
  EXPECT_EQ(Manage(bob_, id, "send").Outcome(), "403 M_FORBIDDEN");
  Join(bob_, room_);
  EXPECT_EQ(Manage(bob_, id, "send").Outcome(), "200");
  EXPECT_THAT(Timeline(room_), ElementsAre("hello"));
  const Answer details = Find(bob_, id);
  EXPECT_LT(details["finalised_ts"].AsInt(),
            *details["scheduled_at"].AsInt() + 60'000);
}

// "Success if ... already finalised with an outcome that matches".
TEST_F(DelayedEventsScenario, WhatFailedCountsAsCancelled) {
  const std::string id = Schedule(bob_, room_, 1000, "x");
  server_.Advance(seconds(1));
  EXPECT_EQ(Manage(bob_, id, "cancel").Outcome(), "200");
  EXPECT_EQ(Manage(bob_, id, "send").Outcome(), "409 M_UNKNOWN");
  EXPECT_EQ(Manage(bob_, id, "restart").Outcome(), "409 M_UNKNOWN");
}

// A user's restrictions hold when the event is sent, whatever they were before.
TEST_F(DelayedEventsScenario, SuspendedSendersSendNothing) {
  FakeHomeserverOptions options;
  options.homeserver.admin_users = {"@root:" + options.homeserver.server_name};
  FakeHomeserver server(options);
  const FaultInjector::Pause pause(server.faults());
  const User root = server.Register("root");
  const User carol = server.Register("carol");
  const std::string room =
      Answer(server.Post(carol, "/_matrix/client/v3/createRoom"))
          .String("room_id");
  const auto flag = [&](std::string_view what, std::string_view body) {
    const Answer answer =
        server.Put(root,
                   fmt::format("/_matrix/client/v1/admin/{}/{}", what,
                               PercentEncode(carol.user_id)),
                   std::string(body));
    EXPECT_TRUE(answer.ok()) << answer.text();
  };
  const auto schedule = [&](std::string_view txn) {
    return Answer(server.Put(
                      carol,
                      fmt::format("{}rooms/{}/delayed_event/m.room.message/{}",
                                  kUnstable, PercentEncode(room), txn),
                      R"({"content":{"body":"x"},"delay_ms":1000})"))
        .String("delay_id");
  };
  const auto error_of = [&](const std::string& id) {
    return std::string(
        Answer(server.Get(carol, fmt::format("{}delayed_events/{}", kUnstable,
                                             id)))["error"]["errcode"]
            .StringOr(""));
  };
  const std::string suspended = schedule("1");
  flag("suspend", R"({"suspended":true})");
  server.Advance(seconds(1));
  EXPECT_EQ(error_of(suspended), "M_USER_SUSPENDED");
  flag("suspend", R"({"suspended":false})");
  const std::string locked = schedule("2");
  flag("lock", R"({"locked":true})");
  server.Advance(seconds(1));
  flag("lock", R"({"locked":false})");
  EXPECT_EQ(error_of(locked), "M_USER_LOCKED");
}

// Guests may use delayed events, but come into no room that way.
TEST(DelayedEventsOfGuests, JoinNoRoomThatIsClosedToThem) {
  FakeHomeserverOptions options;
  options.homeserver.registration.guests = true;
  FakeHomeserver server(options);
  const FaultInjector::Pause pause(server.faults());
  const auto alice = server.Register("alice");
  const std::string room =
      Answer(server.Post(alice, "/_matrix/client/v3/createRoom",
                         R"({"preset":"public_chat"})"))
          .String("room_id");
  const Answer guest = server.Call(
      HttpMethod::kPost, "/_matrix/client/v3/register?kind=guest", "{}");
  ASSERT_TRUE(guest.ok()) << guest.text();
  const std::string token = guest.String("access_token");
  const Answer scheduled = server.Call(
      HttpMethod::kPut,
      fmt::format("{}rooms/{}/delayed_event/m.room.member/1", kUnstable,
                  PercentEncode(room)),
      fmt::format(R"({{"content":{{"membership":"join"}},"delay_ms":1000,
                       "state_key":"{}"}})",
                  guest.String("user_id")),
      token);
  ASSERT_TRUE(scheduled.ok()) << scheduled.text();
  server.Advance(seconds(1));
  const Answer details =
      server.Call(HttpMethod::kGet,
                  fmt::format("{}delayed_events/{}", kUnstable,
                              scheduled.String("delay_id")),
                  "", token);
  EXPECT_EQ(details["error"]["errcode"].StringOr(""),
            "M_GUEST_ACCESS_FORBIDDEN");
}

// "The homeserver SHOULD apply rate limiting to the sending of delayed messages
// at the point that they are inserted into the DAG ... SHOULD NOT retry".
class LimitedDelayedEvents : public DelayedEventsScenario {
 protected:
  LimitedDelayedEvents() : DelayedEventsScenario(Options()) {}
  static FakeHomeserverOptions Options() {
    FakeHomeserverOptions options;
    options.homeserver.rate_limits.enabled = true;
    options.homeserver.rate_limits.message = {1, 5};
    return options;
  }
};

TEST_F(LimitedDelayedEvents, AStoredFloodIsNotSent) {
  std::vector<std::string> ids;
  for (int i = 0; i < 12; ++i) {
    ids.push_back(
        Schedule(alice_, room_, 120'000 - i * 5000, std::to_string(i)));
    server_.Advance(seconds(5));
  }
  server_.Advance(seconds(120));
  // They were all due at once.
  EXPECT_THAT(Timeline(room_).size(), 5u);
  std::multiset<std::string> errors;
  for (const std::string& id : ids) errors.insert(ErrorOf(id));
  EXPECT_EQ(errors.count(""), 5u);
  EXPECT_EQ(errors.count("M_LIMIT_EXCEEDED"), 7u);
}

// "Retain finalised events for up to 7 days or 1000 events per user".
TEST_F(DelayedEventsScenario, OnlySoManyFinalisedOnesAreKept) {
  std::vector<std::string> ids;
  for (int i = 0; i < 1101; ++i) {
    ids.push_back(Schedule(alice_, room_, 60'000, "x"));
    EXPECT_TRUE(Manage(alice_, ids.back(), "cancel").ok());
    server_.Advance(milliseconds(1));
  }
  EXPECT_EQ(Find(alice_, ids[0]).Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(Find(alice_, ids[99]).Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(Find(alice_, ids[100]).Outcome(), "200");
  EXPECT_EQ(Find(alice_, ids[1100]).Outcome(), "200");
}

TEST_F(DelayedEventsScenario, FinalisedOnesAreForgottenAfterAWeek) {
  const std::string id = Schedule(alice_, room_, 1000, "x");
  server_.Advance(seconds(1));
  server_.Advance(std::chrono::hours(7 * 24));
  EXPECT_EQ(Find(alice_, id).Outcome(), "200");
  server_.Advance(seconds(1));
  Schedule(alice_, room_, 1000, "y");
  EXPECT_EQ(Find(alice_, id).Outcome(), "404 M_NOT_FOUND");
}

// The errors that the proposal names for scheduling.
TEST_F(DelayedEventsScenario, BadRequests) {
  const auto outcome = [&](std::string body) {
    return TrySchedule(alice_, room_, "m.room.message", std::move(body))
        .Outcome();
  };
  EXPECT_EQ(outcome(R"({"content":{}})"), "400 M_MISSING_PARAM");
  EXPECT_EQ(outcome(R"({"delay_ms":1})"), "400 M_MISSING_PARAM");
  EXPECT_EQ(outcome(R"({"content":{},"delay_ms":0})"), "400 M_INVALID_PARAM");
  EXPECT_EQ(outcome(R"({"content":{},"delay_ms":-1})"), "400 M_INVALID_PARAM");
  EXPECT_EQ(outcome(R"({"content":{},"delay_ms":1.5})"), "400 M_BAD_JSON");
  EXPECT_EQ(outcome(R"({"content":[],"delay_ms":1})"), "400 M_BAD_JSON");
  EXPECT_EQ(outcome(R"({"content":{},"delay_ms":604800001})"),
            "403 M_FORBIDDEN");
  EXPECT_EQ(TrySchedule(alice_, "room", "m.room.message",
                        R"({"content":{},"delay_ms":1})")
                .Outcome(),
            "400 M_INVALID_PARAM");
}

}  // namespace
}  // namespace matrixcore
