// Spec: client-server API, GET /rooms/{roomId}/timestamp_to_event, /members,
// /context and /messages in detail; "Lazy-loading room members"; the endpoints
// from before /sync: /initialSync, /rooms/{roomId}/initialSync, /events.
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class HistoryTest : public ScenarioTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
    ASSERT_TRUE(Join(bob_, room_).ok());
  }
  Answer ByTime(const User& user, std::string_view query) {
    return server_.Get(
        user, fmt::format("/_matrix/client/v1/rooms/{}/timestamp_to_event?{}",
                          PercentEncode(room_), query));
  }
  int64_t Now() { return server_.time().Now().ms; }
  std::vector<std::string> Members(std::string_view query) {
    const Answer answer = Get(alice_, room_, fmt::format("members?{}", query));
    EXPECT_TRUE(answer.ok()) << answer.text();
    std::vector<std::string> users;
    for (const json::Value event : answer["chunk"]) {
      users.emplace_back(event["state_key"].StringOr(""));
    }
    return users;
  }
  Answer GetPath(const User& user, std::string_view path) {
    return server_.Get(user, fmt::format("/_matrix/client/v3/{}", path));
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  User eve_ = server_.Register("eve");
  std::string room_ = CreateRoom(alice_);
};

TEST_F(HistoryTest, TheNearestEventInADirectionIsFound) {
  server_.Advance(seconds(10));
  const int64_t first_ts = Now();
  const std::string first = Say(alice_, room_, "first");
  server_.Advance(seconds(10));
  const std::string second = Say(alice_, room_, "second");
  const auto find = [&](int64_t ts, std::string_view dir) {
    return ByTime(bob_, fmt::format("ts={}&dir={}", ts, dir))
        .String("event_id");
  };
  EXPECT_EQ(find(first_ts, "f"), first);
  EXPECT_EQ(find(first_ts, "b"), first);
  EXPECT_EQ(find(first_ts + 1, "f"), second);
  EXPECT_EQ(find(first_ts + 9999, "b"), first);
  EXPECT_EQ(find(first_ts - 1, "f"), first);
  EXPECT_EQ(find(Now() + 100'000, "b"), second);
  const Answer found = ByTime(bob_, fmt::format("ts={}&dir=f", first_ts));
  EXPECT_EQ(found["origin_server_ts"].AsInt(), first_ts);
  EXPECT_EQ(ByTime(bob_, fmt::format("ts={}&dir=f", Now() + 1)).Outcome(),
            "404 M_NOT_FOUND");
  EXPECT_EQ(ByTime(bob_, "ts=0&dir=b").Outcome(), "404 M_NOT_FOUND");
}

TEST_F(HistoryTest, TimesAreCheckedAndHiddenEventsSkipped) {
  EXPECT_EQ(ByTime(bob_, "dir=f").Outcome(), "400 M_MISSING_PARAM");
  EXPECT_EQ(ByTime(bob_, "ts=1").Outcome(), "400 M_MISSING_PARAM");
  EXPECT_EQ(ByTime(bob_, "ts=x&dir=f").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(ByTime(bob_, "ts=1&dir=x").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(ByTime(eve_, "ts=1&dir=f").Outcome(), "403 M_FORBIDDEN");

  SetState(alice_, room_, "m.room.history_visibility",
           R"({"history_visibility":"joined"})");
  server_.Advance(seconds(10));
  const int64_t ts = Now();
  for (int i = 0; i < 50; ++i) Say(alice_, room_, "hidden");
  ASSERT_TRUE(Invite(alice_, room_, eve_).ok());
  ASSERT_TRUE(Join(eve_, room_).ok());
  const std::string seen = Say(alice_, room_, "seen");
  const std::string found =
      ByTime(eve_, fmt::format("ts={}&dir=f", ts)).String("event_id");
  const Answer event = Get(eve_, room_, "event/" + PercentEncode(found));
  EXPECT_EQ(event["state_key"].StringOr(""), eve_.user_id)
      << "the first that eve may see is her own invitation";
}

TEST_F(HistoryTest, MembersAreFilteredByEitherOfTheTwo) {
  ASSERT_TRUE(Invite(alice_, room_, eve_).ok());
  ASSERT_TRUE(Post(bob_, room_, "leave").ok());
  EXPECT_THAT(Members("membership=join"), ElementsAre(alice_.user_id));
  EXPECT_THAT(Members("not_membership=join"),
              UnorderedElementsAre(bob_.user_id, eve_.user_id));
  EXPECT_THAT(Members("membership=join&not_membership=leave"),
              UnorderedElementsAre(alice_.user_id, eve_.user_id))
      << "together they are an 'or'";
  EXPECT_THAT(Members("membership=knock"), IsEmpty());
  EXPECT_EQ(Get(alice_, room_, "members?membership=x").Outcome(),
            "400 M_INVALID_PARAM");
}

TEST_F(HistoryTest, ContextFiltersWhatIsAroundAndTheState) {
  Say(alice_, room_, "a");
  const std::string middle = Say(bob_, room_, "b");
  Say(alice_, room_, "c");
  const auto context = [&](std::string_view query, std::string_view filter) {
    return Get(alice_, room_,
               fmt::format("context/{}?{}&filter={}", PercentEncode(middle),
                           query, PercentEncode(filter)));
  };
  const Answer none = context("limit=0", "{}");
  EXPECT_THAT(Bodies(none["events_before"]), IsEmpty());
  EXPECT_THAT(Bodies(none["events_after"]), IsEmpty());
  EXPECT_EQ(none["event"]["event_id"].StringOr(""), middle);
  const Answer typed =
      context("limit=10", R"({"types":["m.room.topic","m.room.mem*"]})");
  EXPECT_THAT(Bodies(typed["events_before"]), IsEmpty());
  EXPECT_EQ(typed["event"]["content"]["body"].StringOr(""), "b")
      << "the event itself is not filtered";
  for (const json::Value event : typed["state"]) {
    EXPECT_EQ(event["type"].StringOr(""), "m.room.member");
  }
  EXPECT_EQ(typed["state"].size(), 2u);
  const Answer lazy = context("limit=2", R"({"lazy_load_members":true})");
  int members = 0;
  for (const json::Value event : lazy["state"]) {
    members += event["type"].StringOr("") == "m.room.member";
  }
  EXPECT_EQ(members, 2);
  const Answer own = context("limit=0", R"({"lazy_load_members":true})");
  members = 0;
  for (const json::Value event : own["state"]) {
    members += event["type"].StringOr("") == "m.room.member";
  }
  EXPECT_EQ(members, 1) << "only the sender of the event";
  EXPECT_THAT(context("limit=10", fmt::format(R"({{"not_rooms":["{}"]}})",
                                              room_))["events_before"]
                  .raw(),
              "[]");
}

TEST_F(HistoryTest, MessagesHeedEveryFieldOfTheFilter) {
  Say(alice_, room_, "a");
  Say(bob_, room_, "b");
  Put(bob_, room_, "send/m.room.message/u",
      R"({"body":"pic","msgtype":"m.image","url":"mxc://x/y"})");
  Put(bob_, room_, "send/m.sticker/s",
      R"({"body":"sticker","info":{},"url":"mxc://x/z"})");
  const auto types = [&](std::string_view filter) {
    std::vector<std::string> found;
    const Answer page =
        Get(alice_, room_,
            "messages?dir=f&limit=50&filter=" + PercentEncode(filter));
    EXPECT_TRUE(page.ok()) << page.text();
    for (const json::Value event : page["chunk"]) {
      found.emplace_back(event["content"]["body"].StringOr("-"));
    }
    return found;
  };
  EXPECT_THAT(types(R"({"contains_url":true})"), ElementsAre("pic", "sticker"));
  EXPECT_THAT(types(R"({"contains_url":false,"types":["m.room.message"]})"),
              ElementsAre("a", "b"));
  EXPECT_THAT(types(R"({"types":["m.s*"]})"), ElementsAre("sticker"));
  EXPECT_THAT(types(R"({"not_types":["m.room*"]})"), ElementsAre("sticker"));
  EXPECT_THAT(
      types(fmt::format(R"({{"not_senders":["{}"],"types":["m.*age"]}})",
                        bob_.user_id)),
      ElementsAre("a"));
  EXPECT_THAT(types(R"({"types":[]})"), IsEmpty());
  EXPECT_THAT(types(R"({"rooms":["!other:x"]})"), IsEmpty());
  EXPECT_THAT(types(fmt::format(R"({{"not_rooms":["{}"]}})", room_)),
              IsEmpty());
  EXPECT_EQ(Get(alice_, room_,
                "messages?dir=b&filter=" +
                    PercentEncode(
                        R"({"limit":2,"types":["m.room.message"]})"))["chunk"]
                .size(),
            2u)
      << "the filter's limit";
}

TEST_F(HistoryTest, ThePageBetweenTwoTokensIsBounded) {
  Say(alice_, room_, "a");
  const std::string from = Get(alice_, room_, "messages?dir=b").String("start");
  Say(alice_, room_, "b");
  Say(alice_, room_, "c");
  const std::string to = Get(alice_, room_, "messages?dir=b").String("start");
  Say(alice_, room_, "d");
  EXPECT_THAT(Bodies(Get(alice_, room_,
                         fmt::format("messages?dir=f&from={}&to={}", from,
                                     to))["chunk"]),
              ElementsAre("b", "c"));
  EXPECT_THAT(Bodies(Get(alice_, room_,
                         fmt::format("messages?dir=b&from={}&to={}", to,
                                     from))["chunk"]),
              ElementsAre("c", "b"));
  EXPECT_EQ(Get(alice_, room_, "messages?dir=f&from=" + from).String("start"),
            from);
}

TEST_F(HistoryTest, LargeEventsAreRefusedAndOddOnesPass) {
  const auto send = [&](std::string content, int txn) {
    return Put(alice_, room_, fmt::format("send/m.room.message/s{}", txn),
               std::move(content))
        .Outcome();
  };
  EXPECT_EQ(
      send(fmt::format(R"({{"body":"{}"}})", std::string(60'000, 'x')), 1),
      "200");
  EXPECT_EQ(
      send(fmt::format(R"({{"body":"{}"}})", std::string(65'536, 'x')), 2),
      "413 M_TOO_LARGE");
  EXPECT_EQ(
      Put(alice_, room_, fmt::format("send/{}/t", std::string(256, 't')), "{}")
          .Outcome(),
      "413 M_TOO_LARGE");
  EXPECT_EQ(
      SetState(alice_, room_, "m.x", "{}", std::string(256, 'k')).Outcome(),
      "413 M_TOO_LARGE");
  EXPECT_EQ(send(R"({"n":1e300})", 3), "400 M_BAD_JSON");
  EXPECT_EQ(send(R"({"n":9007199254740992})", 4), "400 M_BAD_JSON");
  EXPECT_EQ(send(R"({"n":-9007199254740991})", 5), "200");
  EXPECT_EQ(send(R"("text")", 6), "400 M_BAD_JSON");
  EXPECT_EQ(send(R"({"msgtype":7,"body":null})", 7), "200")
      << "the content of messages is the clients' business";
}

TEST_F(HistoryTest, AnInitialSyncGivesRoomsInvitationsAndOnRequestLeftRooms) {
  Say(alice_, room_, "a");
  Say(alice_, room_, "b");
  const std::string invited = CreateRoom(alice_);
  ASSERT_TRUE(Invite(alice_, invited, bob_).ok());
  const std::string left = CreateRoom(alice_, R"({"preset":"public_chat"})");
  ASSERT_TRUE(Join(bob_, left).ok());
  ASSERT_TRUE(Post(bob_, left, "leave").ok());
  server_.Put(bob_,
              fmt::format("/_matrix/client/v3/user/{}/account_data/org.x",
                          PercentEncode(bob_.user_id)),
              R"({"k":1})");
  ASSERT_EQ(server_
                .Put(alice_,
                     fmt::format("/_matrix/client/v3/presence/{}/status",
                                 PercentEncode(alice_.user_id)),
                     R"({"presence":"online","status_msg":"here"})")
                .status,
            200);
  const Answer sync = GetPath(bob_, "initialSync?limit=1");
  ASSERT_TRUE(sync.ok()) << sync.text();
  ASSERT_EQ(sync["presence"].size(), 2u) << sync.text();
  EXPECT_EQ(sync["presence"].at(1)["sender"].StringOr(""), bob_.user_id);
  EXPECT_EQ(sync["presence"].at(0)["sender"].StringOr(""), alice_.user_id);
  EXPECT_EQ(sync["presence"].at(0)["content"]["user_id"].StringOr(""),
            alice_.user_id);
  EXPECT_EQ(sync["presence"].at(0)["content"]["status_msg"].StringOr(""),
            "here");
  std::map<std::string, std::string> memberships;
  for (const json::Value room : sync["rooms"]) {
    const std::string id(room["room_id"].StringOr(""));
    memberships[id] = room["membership"].StringOr("");
    if (id == room_) {
      EXPECT_THAT(Bodies(room["messages"]["chunk"]), ElementsAre("b"));
      EXPECT_EQ(room["visibility"].StringOr(""), "private");
      EXPECT_FALSE(room["state"].empty());
      EXPECT_THAT(
          Bodies(Get(
              bob_, room_,
              fmt::format("messages?dir=b&limit=1&from={}",
                          room["messages"]["start"].StringOr("")))["chunk"]),
          ElementsAre("a"));
    }
    if (id == invited) {
      EXPECT_EQ(room["invite"]["content"]["membership"].StringOr(""), "invite");
      EXPECT_FALSE(room["state"]);
    }
  }
  EXPECT_THAT(
      memberships,
      UnorderedElementsAre(
          std::pair<const std::string, std::string>(room_, "join"),
          std::pair<const std::string, std::string>(invited, "invite")));
  bool found = false;
  for (const json::Value datum : sync["account_data"]) {
    found = found || datum["type"].StringOr("") == "org.x";
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(GetPath(bob_, "initialSync?archived=true")["rooms"].size(), 3u);
  const std::string end = sync.String("end");
  Say(alice_, room_, "c");
  EXPECT_THAT(Bodies(GetPath(bob_, "events?from=" + end)["chunk"]),
              ElementsAre("c"));
}

// Spec: "Ignoring Users", "Invite permission".
TEST_F(HistoryTest, OldSyncsTellOfNoInvitesThatOneDoesNotWant) {
  const std::string from = GetPath(bob_, "initialSync").String("end");
  const std::string invited = CreateRoom(alice_);
  ASSERT_TRUE(Invite(alice_, invited, bob_).ok());
  const auto told = [&] {
    const auto names_it = [&](json::Value list) {
      bool found = false;
      for (const json::Value each : list) {
        found = found || each["room_id"].StringOr("") == invited;
      }
      return found;
    };
    const bool found = names_it(GetPath(bob_, "initialSync")["rooms"]);
    EXPECT_EQ(names_it(GetPath(bob_, "events?from=" + from)["chunk"]), found);
    return found;
  };
  const auto set = [&](std::string_view type, std::string content) {
    EXPECT_EQ(server_
                  .Put(bob_,
                       fmt::format("/_matrix/client/v3/user/{}/account_data/{}",
                                   PercentEncode(bob_.user_id), type),
                       std::move(content))
                  .status,
              200);
  };
  EXPECT_TRUE(told());
  set("m.invite_permission_config", R"({"default_action":"block"})");
  EXPECT_FALSE(told());
  set("m.invite_permission_config", "{}");
  EXPECT_TRUE(told());
  set("m.ignored_user_list",
      fmt::format(R"({{"ignored_users":{{"{}":{{}}}}}})", alice_.user_id));
  EXPECT_FALSE(told());
}

TEST_F(HistoryTest, ARoomsInitialSyncIsForMembersAndPeekers) {
  Say(alice_, room_, "a");
  const auto path = "rooms/" + PercentEncode(room_) + "/initialSync";
  const Answer mine = GetPath(bob_, path);
  ASSERT_TRUE(mine.ok()) << mine.text();
  EXPECT_EQ(mine["membership"].StringOr(""), "join");
  EXPECT_TRUE(mine["presence"].IsArray());
  // As clients of that time know events.
  for (const char* list : {"state", "messages"}) {
    const json::Value events =
        mine[list].IsArray() ? mine[list] : mine[list]["chunk"];
    EXPECT_FALSE(events.empty());
    for (const json::Value event : events) {
      EXPECT_EQ(event["user_id"].StringOr("-"), event["sender"].StringOr(""));
    }
  }
  EXPECT_EQ(GetPath(eve_, path).Outcome(), "403 M_FORBIDDEN");
  SetState(alice_, room_, "m.room.history_visibility",
           R"({"history_visibility":"world_readable"})");
  Say(alice_, room_, "b");
  const Answer peek = GetPath(eve_, path);
  ASSERT_TRUE(peek.ok()) << peek.text();
  EXPECT_FALSE(peek["membership"]);
  EXPECT_THAT(Bodies(peek["messages"]["chunk"]), ElementsAre("b"));
  ASSERT_TRUE(Post(bob_, room_, "leave").ok());
  Say(alice_, room_, "c");
  EXPECT_EQ(GetPath(bob_, path)["membership"].StringOr(""), "leave");
}

TEST_F(HistoryTest, EventsWaitsForNews) {
  Say(alice_, room_, "before");  // From here on she is present.
  server_.Settle();
  const std::string now = GetPath(bob_, "events").String("end");
  EXPECT_THAT(GetPath(bob_, "events?from=" + now)["chunk"].raw(), "[]");
  EXPECT_EQ(GetPath(bob_, "events?from=x").Outcome(), "400 M_INVALID_PARAM");
  auto waiting = server_.Start(
      HttpMethod::kGet, "/_matrix/client/v3/events?timeout=30000&from=" + now,
      "", bob_.access_token);
  server_.Settle();
  Say(alice_, room_, "news");
  const Answer woken = waiting.get();
  EXPECT_THAT(Bodies(woken["chunk"]), ElementsAre("news"));
  EXPECT_EQ(woken["chunk"].at(0)["user_id"].StringOr(""), alice_.user_id);
  EXPECT_EQ(woken.String("start"), now);
  waiting = server_.Start(
      HttpMethod::kGet,
      "/_matrix/client/v3/events?timeout=30000&from=" + woken.String("end"), "",
      bob_.access_token);
  server_.Advance(seconds(31));
  EXPECT_THAT(Bodies(Answer(waiting.get())["chunk"]), IsEmpty());
}

TEST_F(HistoryTest, EventsTellsOfReceiptsAccountDataAndPresenceToo) {
  const std::string event = Say(alice_, room_, "read me");
  const std::string now = GetPath(bob_, "events").String("end");
  const std::string user =
      "/_matrix/client/v3/user/" + PercentEncode(bob_.user_id);
  server_.Put(bob_, user + "/account_data/org.global", R"({"a":1})");
  server_.Put(bob_, user + "/rooms/" + PercentEncode(room_) + "/tags/u.work",
              R"({"order":0.5})");
  Put(alice_, room_, "typing/" + PercentEncode(alice_.user_id),
      R"({"typing":true,"timeout":20000})");
  Post(alice_, room_, "receipt/m.read/" + PercentEncode(event));
  Post(alice_, room_, "receipt/m.read.private/" + PercentEncode(event));
  server_.Put(alice_,
              "/_matrix/client/v3/presence/" + PercentEncode(alice_.user_id) +
                  "/status",
              R"({"presence":"online","status_msg":"hi"})");
  const Answer answer = GetPath(bob_, "events?from=" + now);
  const auto find = [&answer](std::string_view type) {
    for (const json::Value entry : answer["chunk"]) {
      if (entry["type"].StringOr("") == type) return entry;
    }
    return json::Value();
  };
  EXPECT_EQ(find("m.typing").raw(),
            fmt::format(R"({{"content":{{"user_ids":["{}"]}},)"
                        R"("room_id":"{}","type":"m.typing"}})",
                        alice_.user_id, room_));
  EXPECT_EQ(find("org.global").raw(),
            R"({"content":{"a":1},"type":"org.global"})");
  EXPECT_EQ(find("m.tag")["room_id"].StringOr(""), room_);
  const json::Value receipt = find("m.receipt");
  EXPECT_EQ(receipt["room_id"].StringOr(""), room_);
  EXPECT_TRUE(receipt["content"][event]["m.read"][alice_.user_id].IsObject());
  EXPECT_TRUE(receipt["content"][event]["m.read.private"].IsMissing());
  EXPECT_EQ(find("m.presence")["content"]["user_id"].StringOr(""),
            alice_.user_id);
  EXPECT_EQ(GetPath(bob_, "events?from=" + answer.String("end"))["chunk"].raw(),
            "[]");

  const Answer sync = GetPath(bob_, "initialSync");
  ASSERT_EQ(sync["receipts"].size(), 1u);
  EXPECT_EQ(sync["receipts"].at(0)["room_id"].StringOr(""), room_);
  const Answer room =
      GetPath(bob_, "rooms/" + PercentEncode(room_) + "/initialSync");
  EXPECT_EQ(room["receipts"].size(), 1u);
  EXPECT_TRUE(room["messages"]["start"].IsString());
  EXPECT_EQ(GetPath(bob_, "events?limit=x").Outcome(), "400 M_INVALID_PARAM");
}

TEST_F(HistoryTest, PeekersHearOfWorldReadableRooms) {
  const std::string query =
      "events?timeout=30000&room_id=" + PercentEncode(room_) +
      "&from=" + GetPath(eve_, "events").String("end");
  EXPECT_EQ(GetPath(eve_, query).Outcome(), "403 M_FORBIDDEN");
  SetState(alice_, room_, "m.room.history_visibility",
           R"({"history_visibility":"world_readable"})");
  const std::string now = GetPath(eve_, "events").String("end");
  auto waiting = server_.Start(
      HttpMethod::kGet,
      fmt::format("/_matrix/client/v3/events?timeout=30000&room_id={}&from={}",
                  PercentEncode(room_), now),
      "", eve_.access_token);
  server_.Settle();
  Say(alice_, room_, "hello");
  server_.Advance(seconds(2));
  EXPECT_THAT(Bodies(Answer(waiting.get())["chunk"]), ElementsAre("hello"));
}

}  // namespace
}  // namespace matrixcore
