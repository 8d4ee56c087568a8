// MSC4306: Thread Subscriptions.
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;

class ThreadSubscriptionScenario : public ScenarioTest {
 protected:
  ThreadSubscriptionScenario() {
    for (const User& user : {bob_, carol_}) Join(user, room_);
  }

  // A message; `relates_to` is m.relates_to, or "".
  std::string Send(const User& user, std::string_view body,
                   std::string_view relates_to = "",
                   std::string_view more = "") {
    const Answer answer = Put(
        user, room_, fmt::format("send/m.room.message/t{}", ++transactions_),
        fmt::format(R"({{"body":"{}","msgtype":"m.text"{}{}{}}})", body,
                    relates_to.empty() ? "" : R"(,"m.relates_to":)", relates_to,
                    more));
    EXPECT_TRUE(answer.ok()) << answer.text();
    return answer.String("event_id");
  }
  static std::string InThread(const std::string& root) {
    return fmt::format(R"({{"rel_type":"m.thread","event_id":"{}"}})", root);
  }
  std::string Path(const std::string& room, const std::string& root) const {
    return fmt::format(
        "/_matrix/client/unstable/io.element.msc4306/rooms/{}/thread/{}/"
        "subscription",
        PercentEncode(room), PercentEncode(root));
  }
  Answer Subscribe(const User& user, const std::string& root,
                   const std::string& cause = "") {
    return server_.Put(
        user, Path(room_, root),
        cause.empty() ? "{}" : fmt::format(R"({{"automatic":"{}"}})", cause));
  }
  Answer Unsubscribe(const User& user, const std::string& root) {
    return server_.Delete(user, Path(room_, root));
  }
  Answer Find(const User& user, const std::string& root) {
    return server_.Get(user, Path(room_, root));
  }
  // The bodies of what the user was notified of, the newest first.
  std::vector<std::string> Notified(const User& user) {
    const Answer list =
        server_.Get(user, "/_matrix/client/v3/notifications?limit=100");
    std::vector<std::string> bodies;
    for (const json::Value notice : list["notifications"]) {
      bodies.emplace_back(
          notice["event"]["content"]["body"].StringOr("(none)"));
    }
    return bodies;
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  User carol_ = server_.Register("carol");
  std::string room_ = CreateRoom(alice_, R"({"preset":"public_chat"})");
};

// A subscription is its user's own.
TEST_F(ThreadSubscriptionScenario, BelongsToItsUser) {
  const std::string root = Send(alice_, "root");
  ASSERT_TRUE(Subscribe(bob_, root).ok());
  EXPECT_EQ(Find(bob_, root).text(), R"({"automatic":false})");
  EXPECT_EQ(Find(carol_, root).Outcome(), "404 M_NOT_FOUND");
  EXPECT_TRUE(Unsubscribe(carol_, root).ok());
  EXPECT_TRUE(Find(bob_, root).ok());
  server_.Restart();
  EXPECT_EQ(Find(bob_, root).text(), R"({"automatic":false})");
}

// "Messages in unsubscribed threads should not count as activity at all",
// except mentions; "messages in subscribed threads should always count".
TEST_F(ThreadSubscriptionScenario, DecidesWhatTheUserIsNotifiedOf) {
  const std::string followed = Send(alice_, "one");
  const std::string other = Send(alice_, "two");
  ASSERT_TRUE(Subscribe(bob_, followed).ok());
  Send(alice_, "in one", InThread(followed));
  Send(alice_, "in two", InThread(other));
  Send(alice_, "bob!", InThread(other),
       fmt::format(R"(,"m.mentions":{{"user_ids":["{}"]}})", bob_.user_id));
  Send(alice_, "three");
  EXPECT_THAT(Notified(bob_),
              ElementsAre("three", "bob!", "in one", "two", "one"));
  // Who has no subscriptions hears of every thread, as without the proposal.
  EXPECT_THAT(Notified(carol_),
              ElementsAre("three", "bob!", "in two", "in one", "two", "one"));
  ASSERT_TRUE(Unsubscribe(bob_, followed).ok());
  Send(alice_, "again in one", InThread(followed));
  EXPECT_EQ(Notified(bob_)[0], "three");
}

// "The (effective) room notification settings should not matter at all."
TEST_F(ThreadSubscriptionScenario, IsHeardOfInAMutedRoom) {
  const std::string root = Send(alice_, "root");
  ASSERT_TRUE(Subscribe(bob_, root).ok());
  ASSERT_TRUE(Answer(server_.Put(bob_,
                                 "/_matrix/client/v3/pushrules/global/room/" +
                                     PercentEncode(room_),
                                 R"({"actions":[]})"))
                  .ok());
  Send(alice_, "main");
  Send(alice_, "in thread", InThread(root));
  EXPECT_EQ(Notified(bob_)[0], "in thread");
}

// What relates to an event of the thread is in it, and may be a cause.
TEST_F(ThreadSubscriptionScenario, CausesAreInTheThreadAlsoIndirectly) {
  const std::string root = Send(alice_, "root");
  const std::string reply = Send(alice_, "reply", InThread(root));
  const std::string edit =
      Send(alice_, "edit",
           fmt::format(R"({{"rel_type":"m.replace","event_id":"{}"}})", reply),
           R"(,"m.new_content":{"body":"x","msgtype":"m.text"})");
  ASSERT_TRUE(Subscribe(bob_, root, edit).ok());
  EXPECT_EQ(Find(bob_, root).text(), R"({"automatic":true})");
  EXPECT_EQ(Subscribe(carol_, root, root).Outcome(),
            "400 IO.ELEMENT.MSC4306.M_NOT_IN_THREAD");
}

// "Servers must ensure that an automatic subscription cannot keep getting
// retriggered by clients", but the user may always change their mind.
TEST_F(ThreadSubscriptionScenario, AnUnsubscriptionOutlivesOldCauses) {
  const std::string root = Send(alice_, "root");
  const std::string first = Send(alice_, "first", InThread(root));
  const std::string second = Send(alice_, "second", InThread(root));
  ASSERT_TRUE(Subscribe(bob_, root, first).ok());
  ASSERT_TRUE(Unsubscribe(bob_, root).ok());
  for (const std::string& cause : {first, second}) {
    EXPECT_EQ(Subscribe(bob_, root, cause).Outcome(),
              "409 IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION");
  }
  EXPECT_EQ(Find(bob_, root).Outcome(), "404 M_NOT_FOUND");
  ASSERT_TRUE(Subscribe(bob_, root).ok());
  ASSERT_TRUE(Unsubscribe(bob_, root).ok());
  const std::string third = Send(alice_, "third", InThread(root));
  EXPECT_TRUE(Subscribe(bob_, root, third).ok());
}

// "If the thread does not exist, or is inaccessible, returns 404".
TEST_F(ThreadSubscriptionScenario, HiddenThreadsAreNotThere) {
  const User dave = server_.Register("dave");
  const std::string root = Send(alice_, "root");
  const std::string elsewhere = CreateRoom(alice_);
  const std::string hidden = Say(alice_, elsewhere, "hidden");
  const auto all = [&](const User& user, const std::string& room,
                       const std::string& event) {
    return std::vector<std::string>{
        Answer(server_.Put(user, Path(room, event))).Outcome(),
        Answer(server_.Delete(user, Path(room, event))).Outcome(),
        Answer(server_.Get(user, Path(room, event))).Outcome()};
  };
  const std::string no = "404 M_NOT_FOUND";
  EXPECT_THAT(all(dave, room_, root), ElementsAre(no, no, no));
  EXPECT_THAT(all(bob_, elsewhere, hidden), ElementsAre(no, no, no));
  EXPECT_THAT(all(bob_, room_, hidden), ElementsAre(no, no, no));
  EXPECT_THAT(all(bob_, room_, "$nothing"), ElementsAre(no, no, no));
  EXPECT_THAT(all(bob_, "!nowhere:x", root), ElementsAre(no, no, no));
}

// "Servers MUST ensure that clients MUST NOT be able to create custom rules
// with this push rule kind."
TEST_F(ThreadSubscriptionScenario, ItsKindOfPushRulesIsTheServersOwn) {
  const std::string root = Send(alice_, "root");
  ASSERT_TRUE(Subscribe(bob_, root).ok());
  EXPECT_EQ(
      Answer(server_.Put(bob_,
                         "/_matrix/client/v3/pushrules/global/postcontent/mine",
                         R"({"actions":["notify"],"conditions":[]})"))
          .Outcome(),
      "400 M_INVALID_PARAM");
  const Answer rules = server_.Get(bob_, "/_matrix/client/v3/pushrules/");
  std::vector<std::string> ids;
  for (const json::Value rule : rules["global"]["postcontent"]) {
    ids.emplace_back(rule["rule_id"].StringOr(""));
  }
  EXPECT_THAT(ids, ElementsAre(".io.element.msc4306.rule.unsubscribed_thread",
                               ".io.element.msc4306.rule.subscribed_thread"));
  EXPECT_EQ(Answer(server_.Get(
                bob_, "/_matrix/client/versions"))["unstable_features"]
                                                  ["org.matrix.msc4306"]
                                                      .raw(),
            "true");
}

}  // namespace
}  // namespace matrixcore
