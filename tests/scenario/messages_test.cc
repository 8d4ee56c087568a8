// Spec: client-server API, "Sending events to a room", "Redactions", "Getting
// events for a room", "Event context", "History visibility".
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class MessagesTest : public ScenarioTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
    ASSERT_TRUE(Join(bob_, room_).ok());
  }
  Answer Redact(const User& user, const std::string& event,
                std::string_view txn, std::string body = "{}") {
    return Put(user, room_,
               fmt::format("redact/{}/{}", PercentEncode(event), txn),
               std::move(body));
  }
  Answer Event(const User& user, const std::string& event) {
    return Get(user, room_, "event/" + PercentEncode(event));
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  User eve_ = server_.Register("eve");
  std::string room_ = CreateRoom(alice_);
};

TEST_F(MessagesTest, ATransactionHappensOnce) {
  const std::string body = R"({"body":"x","msgtype":"m.text"})";
  const Answer first = Put(alice_, room_, "send/m.room.message/t", body);
  EXPECT_EQ(Put(alice_, room_, "send/m.room.message/t", body).text(),
            first.text());
  EXPECT_NE(Put(alice_, room_, "send/m.room.notice/t", body).text(),
            first.text())
      << "another path is another transaction";
  const User phone = server_.Login(alice_);
  EXPECT_NE(Put(phone, room_, "send/m.room.message/t", body).text(),
            first.text());
  server_.Restart();
  EXPECT_EQ(Put(alice_, room_, "send/m.room.message/t", body).text(),
            first.text());
}

TEST_F(MessagesTest, WithoutATransactionEveryPostIsAnotherMessage) {
  const std::string body = R"({"body":"x","msgtype":"m.text"})";
  const Answer first = Post(alice_, room_, "send/m.room.message", body);
  ASSERT_TRUE(first.ok()) << first.text();
  EXPECT_NE(Post(alice_, room_, "send/m.room.message", body).text(),
            first.text());
  EXPECT_FALSE(
      Event(alice_, first.String("event_id"))["unsigned"]["transaction_id"]);
  EXPECT_EQ(Post(alice_, room_, "send/m.x", R"({"n":1.5})").Outcome(),
            "400 M_BAD_JSON");
}

TEST_F(MessagesTest, OnlyTheSendingDeviceSeesItsTransactionId) {
  const Answer sent = Put(alice_, room_, "send/m.room.message/abc",
                          R"({"body":"x","msgtype":"m.text"})");
  const std::string id = sent.String("event_id");
  EXPECT_EQ(Event(alice_, id)["unsigned"]["transaction_id"].StringOr(""),
            "abc");
  EXPECT_FALSE(Event(bob_, id)["unsigned"]["transaction_id"]);
  EXPECT_FALSE(Event(server_.Login(alice_), id)["unsigned"]["transaction_id"]);
}

TEST_F(MessagesTest, BadMessagesGetTheirErrcodes) {
  EXPECT_EQ(Put(alice_, room_, "send/m.x/1", "[]").Outcome(), "400 M_BAD_JSON");
  EXPECT_EQ(Put(alice_, room_, "send/m.x/2", "{").Outcome(), "400 M_NOT_JSON");
  EXPECT_EQ(Put(alice_, room_, "send/m.x/3", R"({"n":1.5})").Outcome(),
            "400 M_BAD_JSON");
  EXPECT_EQ(Put(eve_, room_, "send/m.x/4", "{}").Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Put(alice_, "!no:x", "send/m.x/5", "{}").Outcome(),
            "403 M_FORBIDDEN");
  EXPECT_EQ(Put(alice_, room_, "send/m.x/6",
                fmt::format(R"({{"body":"{}"}})", std::string(70'000, 'x')))
                .Outcome(),
            "413 M_TOO_LARGE");
  EXPECT_EQ(Put(alice_, room_, "send/m.x/7", "{\"a\":\"\xff\"}").Outcome(),
            "400 M_NOT_JSON");
  EXPECT_EQ(Put(alice_, room_, "send/m.x/8",
                std::string(3000, '[') + std::string(3000, ']'))
                .Outcome(),
            "400 M_NOT_JSON");
  EXPECT_EQ(Put(alice_, room_, "send/m.x/9", "{}").Outcome(), "200");
}

TEST_F(MessagesTest, StateIsSetAndRead) {
  EXPECT_EQ(SetState(bob_, room_, "m.room.topic", R"({"topic":"b"})").Outcome(),
            "403 M_FORBIDDEN");
  const Answer first =
      SetState(alice_, room_, "m.room.topic", R"({"topic":"a"})");
  EXPECT_TRUE(first.ok());
  EXPECT_EQ(
      SetState(alice_, room_, "m.room.topic", R"({ "topic": "a" })").text(),
      first.text())
      << "the same state again is the same event";
  EXPECT_EQ(State(bob_, room_, "m.room.topic"), R"({"topic":"a"})");
  EXPECT_EQ(Get(bob_, room_, "state/m.room.topic").text(), R"({"topic":"a"})");
  EXPECT_EQ(
      Get(bob_, room_, "state/m.room.topic/?format=event").String("event_id"),
      first.String("event_id"));
  EXPECT_EQ(Get(bob_, room_, "state/m.none/").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(
      Put(bob_, room_, "state/org.x/" + PercentEncode(alice_.user_id), "{}")
          .Outcome(),
      "403 M_FORBIDDEN");
}

TEST_F(MessagesTest, ReplacedStateSaysWhatItReplaced) {
  const Answer first =
      SetState(alice_, room_, "m.room.topic", R"({"topic":"a"})");
  const Answer second =
      SetState(alice_, room_, "m.room.topic", R"({"topic":"b"})");
  const Answer event = Event(bob_, second.String("event_id"));
  EXPECT_EQ(event["unsigned"]["replaces_state"].StringOr(""),
            first.String("event_id"));
  EXPECT_EQ(event["unsigned"]["prev_content"].raw(), R"({"topic":"a"})");
}

TEST_F(MessagesTest, CanonicalAliasesMustLeadHere) {
  EXPECT_EQ(SetState(alice_, room_, "m.room.canonical_alias",
                     R"({"alias":"#none:localhost"})")
                .Outcome(),
            "400 M_BAD_ALIAS");
  EXPECT_EQ(SetState(alice_, room_, "m.room.canonical_alias",
                     R"({"alt_aliases":["nonsense"]})")
                .Outcome(),
            "400 M_INVALID_PARAM");
}

TEST_F(MessagesTest, RedactionTakesTheContentAway) {
  const std::string id = Say(bob_, room_, "oops");
  EXPECT_EQ(Redact(eve_, id, "1").Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Redact(alice_, "$none", "1").Outcome(), "404 M_NOT_FOUND");
  const std::string elsewhere = Say(alice_, CreateRoom(alice_), "other room");
  EXPECT_EQ(Redact(alice_, elsewhere, "1").Outcome(), "400 M_INVALID_PARAM");
  const Answer redaction = Redact(alice_, id, "1", R"({"reason":"rude"})");
  ASSERT_TRUE(redaction.ok()) << redaction.text();
  EXPECT_EQ(Redact(alice_, id, "1", R"({"reason":"rude"})").text(),
            redaction.text());
  const Answer event = Event(bob_, id);
  EXPECT_EQ(event["content"].raw(), "{}");
  const json::Value because = event["unsigned"]["redacted_because"];
  EXPECT_EQ(because["event_id"].StringOr(""), redaction.String("event_id"));
  EXPECT_EQ(because["content"]["reason"].StringOr(""), "rude");
  EXPECT_EQ(because["redacts"].StringOr(""), id);
  EXPECT_EQ(because["content"]["redacts"].StringOr(""), id);
  server_.Restart();
  EXPECT_THAT(Event(bob_, id).text(), Not(HasSubstr("oops")));
}

TEST_F(MessagesTest, OthersMayNotRedactWithoutPower) {
  const std::string id = Say(alice_, room_, "mine");
  EXPECT_EQ(Redact(bob_, id, "1").Outcome(), "403 M_FORBIDDEN");
  const std::string own = Say(bob_, room_, "own");
  EXPECT_TRUE(Redact(bob_, own, "2").ok());
}

// Spec: PUT /redact: administrators may redact events of their server's users.
TEST(AdminRedactionTest, AdministratorsRedactWithoutPower) {
  FakeHomeserverOptions options;
  options.homeserver.admin_users = {"@root:" + options.homeserver.server_name};
  FakeHomeserver server(options);
  const auto root = server.Register("root");
  const auto alice = server.Register("alice");
  const auto bob = server.Register("bob");
  const std::string room =
      Answer(server.Post(alice, "/_matrix/client/v3/createRoom",
                         R"({"preset":"public_chat"})"))
          .String("room_id");
  const std::string path =
      "/_matrix/client/v3/rooms/" + PercentEncode(room) + "/";
  const std::string id =
      Answer(server.Put(alice, path + "send/m.room.message/1",
                        R"({"body":"bad"})"))
          .String("event_id");
  const auto redact = [&](const FakeHomeserver::User& user) {
    return Answer(server.Put(user, path + "redact/" + id + "/1")).Outcome();
  };
  EXPECT_EQ(redact(root), "403 M_FORBIDDEN");  // Not in the room.
  for (const auto& user : {root, bob}) server.Post(user, path + "join");
  EXPECT_EQ(redact(bob), "403 M_FORBIDDEN");
  EXPECT_EQ(redact(root), "200");
  EXPECT_EQ(Answer(server.Get(bob, path + "event/" + id))["content"].raw(),
            "{}");
}

TEST_F(MessagesTest, PagesMeetWithoutGapOrRepeat) {
  std::vector<std::string> all;
  for (int i = 0; i < 23; ++i) {
    all.push_back(fmt::format("m{}", i));
    Say(i % 2 == 0 ? alice_ : bob_, room_, all.back());
  }
  std::vector<std::string> seen;
  std::string from;
  int pages = 0;
  do {
    const Answer page =
        Get(bob_, room_, fmt::format("messages?dir=b&limit=5{}", from));
    ASSERT_TRUE(page.ok()) << page.text();
    for (std::string& body : Bodies(page["chunk"])) seen.push_back(body);
    from = page.String("end").empty() ? "" : "&from=" + page.String("end");
    ASSERT_LT(++pages, 20);
  } while (!from.empty());
  std::reverse(seen.begin(), seen.end());
  EXPECT_EQ(seen, all);

  seen.clear();
  from = "";
  do {
    const Answer page =
        Get(bob_, room_, fmt::format("messages?dir=f&limit=7{}", from));
    for (std::string& body : Bodies(page["chunk"])) seen.push_back(body);
    from = page.String("end").empty() ? "" : "&from=" + page.String("end");
    ASSERT_LT(++pages, 40);
  } while (!from.empty());
  EXPECT_EQ(seen, all);
}

TEST_F(MessagesTest, TheTokenAtTheLiveEndLeadsToWhatComesNext) {
  Say(alice_, room_, "one");
  const Answer first = Get(bob_, room_, "messages?dir=f&limit=50");
  const std::string end = first.String("end");
  ASSERT_FALSE(end.empty());
  const Answer nothing = Get(bob_, room_, "messages?dir=f&from=" + end);
  EXPECT_EQ(nothing["chunk"].size(), 0u);
  EXPECT_TRUE(nothing["end"].IsMissing());
  Say(alice_, room_, "two");
  EXPECT_THAT(Bodies(Get(bob_, room_, "messages?dir=f&from=" + end)["chunk"]),
              ElementsAre("two"));
}

TEST_F(MessagesTest, PagesAreFilteredAndBounded) {
  Say(alice_, room_, "a");
  Say(bob_, room_, "b");
  const auto page = [&](std::string_view query, std::string_view filter = "") {
    return Get(
        bob_, room_,
        fmt::format("messages?{}&filter={}", query, PercentEncode(filter)));
  };
  const std::string senders = fmt::format(
      R"({{"senders":["{}"],"types":["m.room.message"]}})", alice_.user_id);
  EXPECT_THAT(Bodies(page("dir=b&limit=50", senders)["chunk"]),
              ElementsAre("a"));
  EXPECT_EQ(page("dir=b", R"({"lazy_load_members":true})")["state"].size(), 2u);
  EXPECT_EQ(page("dir=x").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(page("limit=3").Outcome(), "400 M_MISSING_PARAM");
  EXPECT_EQ(page("dir=b&from=nonsense").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(page("dir=b", "{").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(page("dir=b&limit=-1").Outcome(), "400 M_INVALID_PARAM");
}

TEST_F(MessagesTest, ContextShowsBothSides) {
  for (int i = 0; i < 5; ++i) Say(alice_, room_, fmt::format("before{}", i));
  const std::string middle = Say(bob_, room_, "middle");
  for (int i = 0; i < 5; ++i) Say(alice_, room_, fmt::format("after{}", i));
  const Answer context = Get(
      bob_, room_, fmt::format("context/{}?limit=4", PercentEncode(middle)));
  ASSERT_TRUE(context.ok()) << context.text();
  EXPECT_EQ(context["event"]["event_id"].StringOr(""), middle);
  EXPECT_THAT(Bodies(context["events_before"]),
              ElementsAre("before4", "before3"));
  EXPECT_THAT(Bodies(context["events_after"]), ElementsAre("after0", "after1"));
  EXPECT_THAT(Bodies(Get(bob_, room_,
                         "messages?dir=b&limit=1&from=" +
                             context.String("start"))["chunk"]),
              ElementsAre("before2"));
  EXPECT_THAT(Bodies(Get(bob_, room_,
                         "messages?dir=f&limit=1&from=" +
                             context.String("end"))["chunk"]),
              ElementsAre("after2"));
  EXPECT_FALSE(context["state"].empty());
  EXPECT_EQ(Get(bob_, room_, "context/$none").Outcome(), "404 M_NOT_FOUND");
}

TEST_F(MessagesTest, WhoLeftSeesNothingNew) {
  const std::string before = Say(alice_, room_, "before");
  ASSERT_TRUE(Post(bob_, room_, "leave").ok());
  const std::string after = Say(alice_, room_, "after");
  EXPECT_TRUE(Event(bob_, before).ok());
  EXPECT_EQ(Event(bob_, after).Outcome(), "404 M_NOT_FOUND");
  EXPECT_THAT(Bodies(Get(bob_, room_, "messages?dir=b&limit=50")["chunk"]),
              ElementsAre("before"));
}

TEST_F(MessagesTest, EventsSayHowOldTheyAre) {
  const std::string id = Say(alice_, room_, "x");
  server_.Advance(seconds(5));
  EXPECT_EQ(Event(bob_, id)["unsigned"]["age"].AsInt(), 5000);
  EXPECT_EQ(Event(bob_, id)["unsigned"]["membership"].StringOr(""), "join");
}

TEST_F(MessagesTest, MembersOfAnEarlierTime) {
  const Answer page = Get(alice_, room_, "messages?dir=b&limit=1");
  ASSERT_TRUE(Invite(alice_, room_, eve_).ok());
  EXPECT_EQ(Get(alice_, room_, "members")["chunk"].size(), 3u);
  EXPECT_EQ(
      Get(alice_, room_, "members?at=" + page.String("start"))["chunk"].size(),
      2u);
}

// Before the first event the room had no members.
TEST_F(MessagesTest, MembersBeforeTheBeginning) {
  const Answer page = Get(alice_, room_, "messages?dir=f&limit=1");
  const Answer members =
      Get(alice_, room_, "members?at=" + page.String("start"));
  EXPECT_TRUE(members.ok()) << members.text();
  EXPECT_EQ(members["chunk"].size(), 0u);
  EXPECT_EQ(Get(eve_, room_, "members?at=" + page.String("start")).Outcome(),
            "403 M_FORBIDDEN");
}

// Spec: GET /messages: `start` is what was given as `from`, and without `end`
// there is nothing more.
TEST_F(MessagesTest, PagesSayWhereTheyBeganAndThatMoreMayCome) {
  Say(alice_, room_, "x");
  const std::string since =
      Answer(server_.Get(alice_, "/_matrix/client/v3/sync"))
          .String("next_batch");
  Put(alice_, room_, "typing/" + PercentEncode(alice_.user_id),
      R"({"typing":true})");
  const std::string typing =
      Answer(server_.Get(alice_, "/_matrix/client/v3/sync?since=" + since))
          .String("next_batch");
  for (const std::string& from : {since, typing}) {
    EXPECT_EQ(Get(alice_, room_, "messages?dir=b&from=" + from).String("start"),
              from);
  }
  for (const char* dir : {"b", "f"}) {
    const Answer none =
        Get(alice_, room_,
            fmt::format("messages?dir={}&limit=0&from={}", dir, since));
    EXPECT_EQ(none["chunk"].size(), 0u);
    EXPECT_EQ(none.String("end"), since) << none.text();
  }
}

// A store that fails for a while loses nothing that was acknowledged, and the
// server goes on.
TEST_F(MessagesTest, AFailingStoreIsAClearError) {
  Say(alice_, room_, "kept");
  server_.FailCommits(Status(StatusCode::kUnavailable, "disk full"));
  const Answer refused = Put(alice_, room_, "send/m.x/f", "{}");
  EXPECT_EQ(refused.status(), 503);
  EXPECT_THAT(refused.text(), Not(HasSubstr("disk")));
  server_.FailCommits(OkStatus());
  Say(alice_, room_, "again");
  EXPECT_THAT(Bodies(Get(bob_, room_, "messages?dir=f&limit=50")["chunk"]),
              ElementsAre("kept", "again"));
}

}  // namespace
}  // namespace matrixcore
