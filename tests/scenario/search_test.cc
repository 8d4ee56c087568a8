// Spec: client-server API, "Server Side Search".
#include <set>

#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class SearchTest : public ScenarioTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
    ASSERT_TRUE(Join(bob_, room_).ok());
  }
  // `more`: further members of the criteria, with a leading comma.
  Answer Post(const User& user, std::string_view term,
              std::string_view more = "", std::string_view batch = "") {
    return server_.Post(
        user,
        fmt::format("/_matrix/client/v3/search{}{}",
                    batch.empty() ? "" : "?next_batch=", batch),
        fmt::format(R"({{"search_categories":{{"room_events":{{)"
                    R"("search_term":"{}"{}}}}}}})",
                    term, more));
  }
  static json::Value Events(const Answer& answer) {
    return answer["search_categories"]["room_events"];
  }
  // The bodies (names, topics) of the results.
  static std::vector<std::string> Texts(const Answer& answer) {
    EXPECT_TRUE(answer.ok()) << answer.text();
    std::vector<std::string> texts;
    for (const json::Value result : Events(answer)["results"]) {
      const json::Value content = result["result"]["content"];
      for (const std::string_view key : {"body", "name", "topic"}) {
        if (content[key]) texts.emplace_back(content[key].StringOr(""));
      }
    }
    return texts;
  }
  std::vector<std::string> Search(const User& user, std::string_view term,
                                  std::string_view more = kRecent) {
    return Texts(Post(user, term, more));
  }
  std::string Edit(const std::string& event, std::string_view body) {
    const Answer sent = Put(
        alice_, room_, fmt::format("send/m.room.message/e{}", ++transactions_),
        fmt::format(R"({{"body":"* {0}","m.new_content":{{"body":"{0}"}},)"
                    R"("m.relates_to":{{"rel_type":"m.replace",)"
                    R"("event_id":"{1}"}}}})",
                    body, event));
    EXPECT_TRUE(sent.ok()) << sent.text();
    return sent.String("event_id");
  }
  void Redact(const std::string& event) {
    ASSERT_TRUE(
        Put(alice_, room_,
            fmt::format("redact/{}/r{}", PercentEncode(event), ++transactions_),
            "{}")
            .ok());
  }
  std::string InRoom(const std::string& room) {
    return fmt::format(R"(,"order_by":"recent","filter":{{"rooms":["{}"]}})",
                       room);
  }

  static constexpr std::string_view kRecent = R"(,"order_by":"recent")";

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  User eve_ = server_.Register("eve");
  std::string room_ = CreateRoom(alice_);
};

TEST_F(SearchTest, FindsWhatWasJustSaid) {
  const std::string id = Say(alice_, room_, "Hello martians");
  const Answer answer = Post(bob_, "MARTIANS");
  ASSERT_TRUE(answer.ok()) << answer.text();
  EXPECT_EQ(Events(answer)["count"].AsInt(), 1);
  EXPECT_EQ(Events(answer)["highlights"].raw(), R"(["martians"])");
  EXPECT_FALSE(Events(answer)["next_batch"]);
  const json::Value result = Events(answer)["results"].at(0);
  EXPECT_GT(result["rank"].AsDouble().value_or(0), 0);
  EXPECT_EQ(result["result"]["event_id"].StringOr(""), id);
  EXPECT_EQ(result["result"]["room_id"].StringOr(""), room_);
  EXPECT_FALSE(result["context"]);
  EXPECT_FALSE(Events(answer)["state"]);
  EXPECT_FALSE(Events(answer)["groups"]);
}

TEST_F(SearchTest, SearchesBodiesNamesAndTopics) {
  Say(alice_, room_, "word in a body");
  SetState(alice_, room_, "m.room.name", R"({"name":"word in a name"})");
  SetState(alice_, room_, "m.room.topic", R"({"topic":"word in a topic"})");
  Put(alice_, room_, "send/m.other/o", R"({"body":"word in something else"})");
  EXPECT_THAT(
      Search(bob_, "word"),
      ElementsAre("word in a topic", "word in a name", "word in a body"));
  EXPECT_THAT(Search(bob_, "word", R"(,"keys":["content.name"])"),
              ElementsAre("word in a name"));
  EXPECT_THAT(
      Search(bob_, "word", R"(,"keys":["content.body","content.topic"])"),
      UnorderedElementsAre("word in a body", "word in a topic"));
}

TEST_F(SearchTest, RichTopicsAreSearchedByTheirPlainText) {
  SetState(alice_, room_, "m.room.topic",
           R"({"topic":"short","m.topic":{"m.text":[)"
           R"({"mimetype":"text/html","body":"<b>bold</b>"},)"
           R"({"body":"plainly"}]}})");
  EXPECT_THAT(Search(bob_, "plainly"), ElementsAre("short"));
  EXPECT_THAT(Search(bob_, "bold"), IsEmpty());
}

TEST_F(SearchTest, OrdersByRankOrTime) {
  Say(alice_, room_, "cat cat cat");
  Say(alice_, room_, "a cat among many other words that are not about it");
  EXPECT_THAT(
      Search(bob_, "cat", R"(,"order_by":"rank")"),
      ElementsAre("cat cat cat",
                  "a cat among many other words that are not about it"));
  EXPECT_THAT(Search(bob_, "cat", "").front(), "cat cat cat")
      << "rank is the default";
  EXPECT_THAT(Search(bob_, "cat").front(), ::testing::HasSubstr("among"));
}

TEST_F(SearchTest, WordsWithoutSpacesShortWordsAndPunctuation) {
  Say(alice_, room_, "私は東京に住んでいます");
  Say(alice_, room_, "oh no, C++ again");
  EXPECT_THAT(Search(bob_, "東京"), ElementsAre("私は東京に住んでいます"));
  EXPECT_THAT(Search(bob_, "no"), ElementsAre("oh no, C++ again"));
  EXPECT_THAT(Search(bob_, "c++ (again*) \\\"oh\\\""),
              ElementsAre("oh no, C++ again"));
  EXPECT_THAT(Search(bob_, "?!*"), IsEmpty());
  EXPECT_THAT(Search(bob_, ""), IsEmpty());
}

TEST_F(SearchTest, OnlyInRoomsOfTheUser) {
  Say(alice_, room_, "secret");
  EXPECT_THAT(Search(eve_, "secret"), IsEmpty());
  EXPECT_THAT(Search(eve_, "secret", InRoom(room_)), IsEmpty());
  ASSERT_TRUE(Invite(alice_, room_, eve_).ok());
  EXPECT_THAT(Search(eve_, "secret"), IsEmpty()) << "invited only";
}

TEST_F(SearchTest, OnlyWhatTheUserMaySee) {
  SetState(alice_, room_, "m.room.history_visibility",
           R"({"history_visibility":"joined"})");
  Say(alice_, room_, "word before");
  ASSERT_TRUE(Invite(alice_, room_, eve_).ok());
  ASSERT_TRUE(Join(eve_, room_).ok());
  Say(alice_, room_, "word between");
  ASSERT_TRUE(ScenarioTest::Post(eve_, room_, "leave").ok());
  Say(alice_, room_, "word after");
  const Answer answer = Post(eve_, "word", kRecent);
  EXPECT_THAT(Texts(answer), ElementsAre("word between"));
  EXPECT_EQ(Events(answer)["count"].AsInt(), 1);
  ASSERT_TRUE(ScenarioTest::Post(eve_, room_, "forget").ok());
  EXPECT_THAT(Search(eve_, "word"), IsEmpty());
}

TEST_F(SearchTest, WorldReadableRoomsAreSearchedWhenNamed) {
  SetState(alice_, room_, "m.room.history_visibility",
           R"({"history_visibility":"world_readable"})");
  Say(alice_, room_, "open word");
  EXPECT_THAT(Search(eve_, "word"), IsEmpty());
  EXPECT_THAT(Search(eve_, "word", InRoom(room_)), ElementsAre("open word"));
}

TEST_F(SearchTest, FilteredByRoomSenderAndType) {
  const std::string other = CreateRoom(alice_);
  Say(alice_, room_, "word of alice");
  Say(bob_, room_, "word of bob");
  Say(alice_, other, "word elsewhere");
  EXPECT_THAT(Search(alice_, "word", InRoom(other)),
              ElementsAre("word elsewhere"));
  EXPECT_THAT(Search(alice_, "word",
                     fmt::format(R"(,"order_by":"recent","filter":{{)"
                                 R"("not_rooms":["{}"]}})",
                                 other)),
              ElementsAre("word of bob", "word of alice"));
  EXPECT_THAT(
      Search(alice_, "word",
             fmt::format(R"(,"filter":{{"senders":["{}"]}})", bob_.user_id)),
      ElementsAre("word of bob"));
  EXPECT_THAT(Search(alice_, "word", R"(,"filter":{"types":["m.room.name"]})"),
              IsEmpty());
}

TEST_F(SearchTest, EditedMessagesAreFoundByTheirNewText) {
  const std::string id = Say(alice_, room_, "original text");
  EXPECT_THAT(Search(bob_, "original"), ElementsAre("original text"));
  const std::string edit = Edit(id, "improved words");
  EXPECT_THAT(Search(bob_, "original"), IsEmpty());
  const Answer answer = Post(bob_, "improved");
  ASSERT_EQ(Events(answer)["results"].size(), 1u) << answer.text();
  const json::Value result = Events(answer)["results"].at(0)["result"];
  EXPECT_EQ(result["event_id"].StringOr(""), id);
  EXPECT_EQ(
      result["unsigned"]["m.relations"]["m.replace"]["event_id"].StringOr(""),
      edit);
  Redact(edit);
  EXPECT_THAT(Search(bob_, "improved"), IsEmpty());
  EXPECT_THAT(Search(bob_, "original"), ElementsAre("original text"));
}

TEST_F(SearchTest, RedactedMessagesAreNotFound) {
  const std::string early = Say(alice_, room_, "early regret");
  EXPECT_THAT(Search(bob_, "regret"), ElementsAre("early regret"));
  const std::string late = Say(alice_, room_, "late regret");
  Redact(early);
  Redact(late);
  const Answer answer = Post(bob_, "regret");
  EXPECT_THAT(Texts(answer), IsEmpty());
  EXPECT_EQ(Events(answer)["count"].AsInt(), 0);
}

TEST_F(SearchTest, EncryptedRoomsAreNotSearched) {
  Say(alice_, room_, "plain word");
  EXPECT_THAT(Search(bob_, "word"), ElementsAre("plain word"));
  SetState(alice_, room_, "m.room.encryption",
           R"({"algorithm":"m.megolm.v1.aes-sha2"})");
  Say(alice_, room_, "later word");
  EXPECT_THAT(Search(bob_, "word"), IsEmpty());
}

TEST_F(SearchTest, ContextComesWithTokensAndProfiles) {
  SetState(alice_, room_, "m.room.member",
           R"({"membership":"join","displayname":"Alice"})", alice_.user_id);
  for (int i = 0; i < 3; ++i) Say(bob_, room_, fmt::format("before{}", i));
  Say(alice_, room_, "needle");
  for (int i = 0; i < 3; ++i) Say(bob_, room_, fmt::format("after{}", i));
  const Answer answer =
      Post(bob_, "needle",
           R"(,"event_context":{"before_limit":2,"after_limit":1,)"
           R"("include_profile":true})");
  ASSERT_EQ(Events(answer)["results"].size(), 1u) << answer.text();
  const json::Value context = Events(answer)["results"].at(0)["context"];
  EXPECT_THAT(Bodies(context["events_before"]),
              ElementsAre("before2", "before1"));
  EXPECT_THAT(Bodies(context["events_after"]), ElementsAre("after0"));
  EXPECT_EQ(context["profile_info"][alice_.user_id]["displayname"].StringOr(""),
            "Alice");
  EXPECT_TRUE(context["profile_info"][bob_.user_id].IsObject());
  EXPECT_THAT(Bodies(Get(bob_, room_,
                         fmt::format("messages?dir=b&limit=1&from={}",
                                     context["start"].StringOr("")))["chunk"]),
              ElementsAre("before0"));
  EXPECT_THAT(Bodies(Get(bob_, room_,
                         fmt::format("messages?dir=f&limit=1&from={}",
                                     context["end"].StringOr("")))["chunk"]),
              ElementsAre("after1"));
  const Answer whole = Post(bob_, "needle", R"(,"event_context":{})");
  EXPECT_EQ(Events(whole)["results"].at(0)["context"]["events_before"].size(),
            5u)
      << "five by default";
}

TEST_F(SearchTest, StateComesOnRequest) {
  Say(alice_, room_, "word");
  const Answer answer = Post(bob_, "word", R"(,"include_state":true)");
  EXPECT_GT(Events(answer)["state"][room_].size(), 3u);
}

TEST_F(SearchTest, PagesMeetInBothOrders) {
  for (int i = 0; i < 7; ++i) {
    Say(alice_, room_, fmt::format("word {}", std::string(i + 1, 'x')));
  }
  for (const std::string order : {"rank", "recent"}) {
    const std::string more =
        fmt::format(R"(,"order_by":"{}","filter":{{"limit":3}})", order);
    std::vector<std::string> seen;
    std::string batch;
    for (int pages = 0; pages < 5; ++pages) {
      const Answer page = Post(bob_, "word", more, batch);
      for (std::string& text : Texts(page)) seen.push_back(text);
      EXPECT_EQ(Events(page)["count"].AsInt(), 7) << "of all pages";
      batch = Events(page)["next_batch"].StringOr("");
      if (batch.empty()) break;
      // What comes meanwhile does not move the pages.
      Say(alice_, room_, "unrelated");
    }
    EXPECT_EQ(seen.size(), 7u) << order;
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 7u)
        << order;
  }
  EXPECT_EQ(Post(bob_, "word", "", "nonsense").Outcome(),
            "400 M_INVALID_PARAM");
}

TEST_F(SearchTest, GroupsByRoomAndSenderCanBePaged) {
  const std::string other = CreateRoom(alice_);
  for (int i = 0; i < 3; ++i) {
    Say(alice_, room_, fmt::format("word here{}", i));
    Say(alice_, other, fmt::format("word there{}", i));
  }
  for (const std::string order : {"rank", "recent"}) {
    const std::string more = fmt::format(
        R"(,"order_by":"{}","filter":{{"limit":2}},)"
        R"("groupings":{{"group_by":[{{"key":"room_id"}},{{"key":"sender"}}]}})",
        order);
    const Answer first = Post(alice_, "word", more);
    const json::Value groups = Events(first)["groups"];
    EXPECT_EQ(groups["sender"][alice_.user_id]["results"].size(), 2u);
    EXPECT_EQ(groups["sender"][alice_.user_id]["order"].AsInt(), 1);
    std::set<std::string> in_room;
    json::Value group = groups["room_id"][room_];
    if (!group) continue;  // By rank, both may be of the other room.
    for (const json::Value id : group["results"]) {
      in_room.emplace(id.StringOr(""));
    }
    std::string batch(group["next_batch"].StringOr(""));
    ASSERT_FALSE(batch.empty()) << order;
    for (int pages = 0; pages < 4 && !batch.empty(); ++pages) {
      const Answer page = Post(alice_, "word", more, batch);
      for (const json::Value result : Events(page)["results"]) {
        EXPECT_EQ(result["result"]["room_id"].StringOr(""), room_);
        in_room.emplace(result["result"]["event_id"].StringOr(""));
      }
      batch = Events(page)["next_batch"].StringOr("");
    }
    EXPECT_EQ(in_room.size(), 3u) << order;
  }
}

TEST_F(SearchTest, AnUpgradedRoomIsSearchedWithItsPredecessor) {
  Say(alice_, room_, "old word");
  const std::string fresh = CreateRoom(
      alice_, fmt::format(R"({{"creation_content":{{"predecessor":{{)"
                          R"("room_id":"{}","event_id":"$x"}}}}}})",
                          room_));
  Say(alice_, fresh, "new word");
  EXPECT_THAT(Search(alice_, "word", InRoom(fresh)),
              ElementsAre("new word", "old word"));
  EXPECT_THAT(Search(alice_, "word", InRoom(room_)), ElementsAre("old word"));
}

TEST_F(SearchTest, IgnoredUsersAreNotFound) {
  Say(bob_, room_, "word of bob");
  server_.Put(
      alice_,
      fmt::format("/_matrix/client/v3/user/{}/account_data/"
                  "m.ignored_user_list",
                  PercentEncode(alice_.user_id)),
      fmt::format(R"({{"ignored_users":{{"{}":{{}}}}}})", bob_.user_id));
  EXPECT_THAT(Search(alice_, "word"), IsEmpty());
}

TEST_F(SearchTest, BadRequestsAreErrors) {
  const auto post = [&](std::string body) {
    return Answer(server_.Post(alice_, "/_matrix/client/v3/search", body))
        .Outcome();
  };
  EXPECT_EQ(post("{}"), "400 M_MISSING_PARAM");
  EXPECT_EQ(post(R"({"search_categories":{"room_events":{}}})"),
            "400 M_MISSING_PARAM");
  EXPECT_EQ(post(R"({"search_categories":{"room_events":)"
                 R"({"search_term":7}}})"),
            "400 M_BAD_JSON");
  EXPECT_EQ(Post(alice_, "x", R"(,"keys":["content.x"])").Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(Post(alice_, "x", R"(,"order_by":"x")").Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(Post(alice_, "x", R"(,"groupings":{"group_by":[{"key":"type"}]})")
                .Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(
      Post(alice_, "x", R"(,"event_context":{"before_limit":-1})").Outcome(),
      "400 M_INVALID_PARAM");
  EXPECT_EQ(Post(alice_, "x", R"(,"filter":{"types":7})").Outcome(),
            "400 M_BAD_JSON");
  EXPECT_EQ(post(R"({"search_categories":{}})"), "200");
}

// The index follows behind the commits, and goes on where it was after a
// restart.
TEST_F(SearchTest, TheIndexFollowsInTheBackground) {
  Say(alice_, room_, "word one");
  server_.Advance(seconds(2));
  EXPECT_THAT(server_.MetricsText(),
              ::testing::HasSubstr("matrixcore_search_events_total"));
  Say(alice_, room_, "word two");
  server_.Restart();
  server_.Advance(seconds(2));
  EXPECT_THAT(Search(bob_, "word"), ElementsAre("word two", "word one"));
}

}  // namespace
}  // namespace matrixcore
