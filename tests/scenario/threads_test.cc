// Spec: client-server API, "Threading"; GET /rooms/{roomId}/threads.
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ThreadsTest : public ScenarioTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
    ASSERT_TRUE(Join(bob_, room_).ok());
  }
  Answer TryReply(const User& user, std::string_view root,
                  std::string_view body = "reply") {
    return Put(user, room_,
               fmt::format("send/m.room.message/r{}", ++transactions_),
               fmt::format(R"({{"body":"{}","msgtype":"m.text","m.relates_to":)"
                           R"({{"rel_type":"m.thread","event_id":"{}"}}}})",
                           body, root));
  }
  std::string Reply(const User& user, std::string_view root,
                    std::string_view body = "reply") {
    const Answer sent = TryReply(user, root, body);
    EXPECT_TRUE(sent.ok()) << sent.text();
    return sent.String("event_id");
  }
  Answer Threads(const User& user, std::string_view query = "") {
    return server_.Get(user,
                       fmt::format("/_matrix/client/v1/rooms/{}/threads{}",
                                   PercentEncode(room_), query));
  }
  std::vector<std::string> Roots(const User& user,
                                 std::string_view query = "") {
    const Answer answer = Threads(user, query);
    EXPECT_TRUE(answer.ok()) << answer.text();
    return Bodies(answer["chunk"]);
  }
  Answer Event(const User& user, const std::string& event) {
    return Get(user, room_, "event/" + PercentEncode(event));
  }
  void Redact(const std::string& event) {
    ASSERT_TRUE(
        Put(alice_, room_,
            fmt::format("redact/{}/r{}", PercentEncode(event), ++transactions_),
            "{}")
            .ok());
  }
  void Ignore(const User& user, const User& whom) {
    ASSERT_EQ(server_
                  .Put(user,
                       fmt::format("/_matrix/client/v3/user/{}/account_data/"
                                   "m.ignored_user_list",
                                   PercentEncode(user.user_id)),
                       fmt::format(R"({{"ignored_users":{{"{}":{{}}}}}})",
                                   whom.user_id))
                  .status,
              200);
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  User eve_ = server_.Register("eve");
  std::string room_ = CreateRoom(alice_);
};

TEST_F(ThreadsTest, TheRootTellsOfItsThread) {
  const std::string root = Say(alice_, room_, "root");
  Reply(bob_, root);
  const std::string last = Reply(bob_, root, "last");
  const Answer event = Event(alice_, root);
  const json::Value thread = event["unsigned"]["m.relations"]["m.thread"];
  EXPECT_EQ(thread["count"].AsInt(), 2);
  EXPECT_EQ(thread["latest_event"]["event_id"].StringOr(""), last);
  EXPECT_EQ(thread["latest_event"]["room_id"].StringOr(""), room_);
  EXPECT_EQ(thread["current_user_participated"].AsBool(), true)
      << "the sender of the root takes part";
}

TEST_F(ThreadsTest, ParticipationIsOnesOwn) {
  const std::string root = Say(alice_, room_, "root");
  Reply(alice_, root);
  const auto participated = [&](const User& user) {
    const Answer event = Event(user, root);
    return event["unsigned"]["m.relations"]["m.thread"]
                ["current_user_participated"]
                    .AsBool();
  };
  EXPECT_EQ(participated(bob_), false);
  const std::string reply = Reply(bob_, root);
  EXPECT_EQ(participated(bob_), true);
  Redact(reply);
  EXPECT_EQ(participated(bob_), false);
}

TEST_F(ThreadsTest, TheLastEventBringsItsOwnBundle) {
  const std::string root = Say(alice_, room_, "root");
  const std::string reply = Reply(bob_, root);
  const Answer edit =
      Put(bob_, room_, "send/m.room.message/e",
          fmt::format(R"({{"body":"* e","m.new_content":{{"body":"e"}},)"
                      R"("m.relates_to":{{"rel_type":"m.replace",)"
                      R"("event_id":"{}"}}}})",
                      reply));
  const Answer event = Event(alice_, root);
  EXPECT_EQ(event["unsigned"]["m.relations"]["m.thread"]["latest_event"]
                 ["unsigned"]["m.relations"]["m.replace"]["event_id"]
                     .StringOr(""),
            edit.String("event_id"));
}

TEST_F(ThreadsTest, ThreadsDoNotNest) {
  const std::string root = Say(alice_, room_, "root");
  const std::string reply = Reply(bob_, root);
  EXPECT_EQ(TryReply(alice_, reply).Outcome(), "400 M_UNKNOWN");
  const Answer rich =
      Put(bob_, room_, "send/m.room.message/rich",
          fmt::format(R"({{"body":"r","m.relates_to":{{"m.in_reply_to":)"
                      R"({{"event_id":"{}"}}}}}})",
                      root));
  EXPECT_TRUE(TryReply(alice_, rich.String("event_id")).ok())
      << "a rich reply has no rel_type";
}

TEST_F(ThreadsTest, ThreadsAreListedByTheirLastEvent) {
  const std::string a = Say(alice_, room_, "a");
  const std::string b = Say(bob_, room_, "b");
  Say(alice_, room_, "no thread");
  Reply(alice_, a);
  Reply(alice_, b);
  EXPECT_THAT(Roots(bob_), ElementsAre("b", "a"));
  const std::string last = Reply(alice_, a);
  EXPECT_THAT(Roots(bob_), ElementsAre("a", "b"));
  EXPECT_EQ(Threads(bob_)["chunk"]
                .at(0)["unsigned"]["m.relations"]["m.thread"]["latest_event"]
                      ["event_id"]
                .StringOr(""),
            last);
  Redact(last);
  EXPECT_THAT(Roots(bob_), ElementsAre("b", "a"));
}

TEST_F(ThreadsTest, OnlyThoseWithTheUserIfAsked) {
  const std::string a = Say(alice_, room_, "a");
  const std::string b = Say(alice_, room_, "b");
  Reply(bob_, a);
  Reply(alice_, b);
  EXPECT_THAT(Roots(bob_, "?include=participated"), ElementsAre("a"));
  EXPECT_THAT(Roots(alice_, "?include=participated"), ElementsAre("b", "a"));
  EXPECT_THAT(Roots(bob_, "?include=all"), ElementsAre("b", "a"));
}

TEST_F(ThreadsTest, PagesMeet) {
  for (int i = 0; i < 5; ++i) {
    Reply(bob_, Say(alice_, room_, fmt::format("t{}", i)));
  }
  std::vector<std::string> seen;
  std::string from;
  for (int pages = 0; pages < 5; ++pages) {
    const Answer page = Threads(alice_, "?limit=2" + from);
    for (std::string& body : Bodies(page["chunk"])) seen.push_back(body);
    if (!page["next_batch"]) break;
    from = "&from=" + page.String("next_batch");
  }
  EXPECT_THAT(seen, ElementsAre("t4", "t3", "t2", "t1", "t0"));
}

TEST_F(ThreadsTest, BadParametersAndClosedRoomsAreErrors) {
  EXPECT_EQ(Threads(bob_, "?from=x").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Threads(bob_, "?limit=0").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Threads(bob_, "?include=some").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Threads(eve_).Outcome(), "403 M_FORBIDDEN");
  room_ = "!no:where";
  EXPECT_EQ(Threads(bob_).Outcome(), "403 M_FORBIDDEN");
}

TEST_F(ThreadsTest, IgnoredUsersDoNotCount) {
  const std::string root = Say(alice_, room_, "root");
  const std::string first = Reply(alice_, root, "first");
  Reply(bob_, root, "second");
  const std::string theirs = Say(bob_, room_, "of bob");
  Reply(alice_, theirs);
  const std::string alone = Say(alice_, room_, "only bob replies");
  Reply(bob_, alone);
  Ignore(alice_, bob_);
  const Answer event = Event(alice_, root);
  const json::Value thread = event["unsigned"]["m.relations"]["m.thread"];
  EXPECT_EQ(thread["count"].AsInt(), 1);
  EXPECT_EQ(thread["latest_event"]["event_id"].StringOr(""), first);
  EXPECT_THAT(Roots(alice_), ElementsAre("(redacted)", "root"))
      << "a root of an ignored user comes redacted";
}

TEST_F(ThreadsTest, WhoLeftSeesTheThreadOfTheirTime) {
  const std::string root = Say(alice_, room_, "root");
  const std::string seen = Reply(alice_, root);
  const std::string later = Say(alice_, room_, "later");
  ASSERT_TRUE(Post(bob_, room_, "leave").ok());
  Reply(alice_, root);
  Reply(alice_, later);
  EXPECT_THAT(Roots(bob_), ElementsAre("root"));
  const Answer event = Event(bob_, root);
  const json::Value thread = event["unsigned"]["m.relations"]["m.thread"];
  EXPECT_EQ(thread["count"].AsInt(), 1);
  EXPECT_EQ(thread["latest_event"]["event_id"].StringOr(""), seen);
}

TEST_F(ThreadsTest, ARoomWithoutThreadsHasNone) {
  Say(alice_, room_, "a");
  const Answer answer = Threads(alice_);
  EXPECT_THAT(Bodies(answer["chunk"]), IsEmpty());
  EXPECT_FALSE(answer["next_batch"]);
}

}  // namespace
}  // namespace matrixcore
