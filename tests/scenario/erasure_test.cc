// Spec: client-server API, POST /account/deactivate, `erase`.
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class ErasureTest : public ScenarioTest {
 protected:
  void Deactivate(const User& user, bool erase) {
    const Answer answer = server_.Post(
        user, "/_matrix/client/v3/account/deactivate",
        fmt::format(
            R"({{"erase":{},"auth":{{"type":"m.login.password","password":"{}",
                "identifier":{{"type":"m.id.user","user":"{}"}}}}}})",
            erase, user.password, user.user_id));
    EXPECT_TRUE(answer.ok()) << answer.text();
  }
  std::vector<std::string> Seen(const User& user) {
    return Bodies(Get(user, room_, "messages?dir=b&limit=50")["chunk"]);
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  User carol_ = server_.Register("carol");
  User dave_ = server_.Register("dave");
  std::string room_ = CreateRoom(
      alice_, R"({"preset":"public_chat","name":"Den","room_version":"11"})");
};

TEST_F(ErasureTest, WhoJoinsLaterGetsRedactedCopies) {
  Join(bob_, room_);
  const std::string id = Say(alice_, room_, "a secret");
  Join(carol_, room_);  // Sees it from here on, by shared history.
  Say(bob_, room_, "an answer");
  Deactivate(alice_, true);
  Join(dave_, room_);

  EXPECT_THAT(Seen(bob_), ElementsAre("an answer", "a secret"));
  EXPECT_THAT(Seen(carol_), ElementsAre("an answer", "a secret"));
  EXPECT_THAT(Seen(dave_), ElementsAre("an answer", "(redacted)"));
  const Answer event = Get(dave_, room_, "event/" + PercentEncode(id));
  EXPECT_EQ(event["content"].raw(), "{}");
  EXPECT_TRUE(event["unsigned"]["redacted_because"].IsMissing());
  const Answer context = Get(dave_, room_, "context/" + PercentEncode(id));
  EXPECT_EQ(context["event"]["content"].raw(), "{}");
  // What the room is stays: its name is no word of the person.
  EXPECT_THAT(State(dave_, room_, "m.room.name"), HasSubstr("Den"));

  const Answer sync = server_.Get(dave_, "/_matrix/client/v3/sync");
  EXPECT_THAT(sync.text(), Not(HasSubstr("a secret")));
  EXPECT_THAT(Answer(server_.Get(bob_, "/_matrix/client/v3/sync")).text(),
              HasSubstr("a secret"));
}

TEST_F(ErasureTest, WhoHadLeftBeforeSeesWhatTheySawThen) {
  Join(bob_, room_);
  Say(alice_, room_, "one");
  Post(bob_, room_, "leave");
  Say(alice_, room_, "two");
  Deactivate(alice_, true);
  EXPECT_THAT(Seen(bob_), ElementsAre("one"));
  Join(bob_, room_);
  EXPECT_THAT(Seen(bob_), ElementsAre("(redacted)", "one"));
}

TEST_F(ErasureTest, AlsoNamesOfMembersAndEdits) {
  server_.Put(alice_,
              fmt::format("/_matrix/client/v3/profile/{}/displayname",
                          PercentEncode(alice_.user_id)),
              R"({"displayname":"Alice Liddell"})");
  server_.Settle();
  const std::string id = Say(alice_, room_, "first");
  Put(alice_, room_, "send/m.room.message/edit",
      fmt::format(R"({{"body":"* second","m.new_content":{{"body":"second"}},
          "m.relates_to":{{"rel_type":"m.replace","event_id":"{}"}}}})",
                  id));
  Deactivate(alice_, true);
  Join(bob_, room_);
  const Answer all = Get(bob_, room_, "messages?dir=b&limit=50");
  EXPECT_THAT(all.text(), Not(HasSubstr("Liddell")));
  EXPECT_THAT(all.text(), Not(HasSubstr("second")));
  EXPECT_THAT(Get(bob_, room_, "members").text(), Not(HasSubstr("Liddell")));
}

TEST_F(ErasureTest, WithoutErasureNothingIsHidden) {
  Say(alice_, room_, "a secret");
  Deactivate(alice_, false);
  Join(bob_, room_);
  EXPECT_THAT(Seen(bob_), ElementsAre("a secret"));
}

TEST_F(ErasureTest, SearchFindsNoWordsThatAreNotShown) {
  Join(bob_, room_);
  Say(alice_, room_, "a secret");
  Say(bob_, room_, "no secret");
  Deactivate(alice_, true);
  Join(dave_, room_);
  const auto found = [&](const User& user) {
    const Answer answer = server_.Post(
        user, "/_matrix/client/v3/search",
        R"({"search_categories":{"room_events":{"search_term":"secret"}}})");
    const json::Value events = answer["search_categories"]["room_events"];
    std::vector<std::string> bodies;
    for (const json::Value result : events["results"]) {
      bodies.emplace_back(result["result"]["content"]["body"].StringOr(""));
    }
    EXPECT_EQ(events["count"].AsInt(), static_cast<int64_t>(bodies.size()));
    return bodies;
  };
  EXPECT_THAT(found(dave_), ElementsAre("no secret"));
  EXPECT_THAT(found(bob_), UnorderedElementsAre("no secret", "a secret"));
}

TEST_F(ErasureTest, TheUserDirectoryKnowsTheErasedNoMore) {
  Join(bob_, room_);
  const auto found = [&] {
    return server_
        .Post(bob_, "/_matrix/client/v3/user_directory/search",
              R"({"search_term":"alice"})")
        .body;
  };
  EXPECT_THAT(found(), HasSubstr(alice_.user_id));
  Deactivate(alice_, true);
  server_.Settle();
  EXPECT_THAT(found(), Not(HasSubstr(alice_.user_id)));
}

TEST_F(ErasureTest, LastsOverARestart) {
  Say(alice_, room_, "a secret");
  Deactivate(alice_, true);
  server_.Restart();
  Join(bob_, room_);
  EXPECT_THAT(Seen(bob_), ElementsAre("(redacted)"));
}

}  // namespace
}  // namespace matrixcore
