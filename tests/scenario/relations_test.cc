// Spec: client-server API, "Forming relationships between events",
// "Aggregations of child events", "Event annotations and reactions", "Event
// replacements", "Reference relations"; GET /rooms/{roomId}/relations/...
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class RelationsTest : public ScenarioTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
    ASSERT_TRUE(Join(bob_, room_).ok());
    root_ = Say(alice_, room_, "root");
  }
  Answer Send(const User& user, std::string_view type, std::string content) {
    return Put(user, room_, fmt::format("send/{}/r{}", type, ++transactions_),
               std::move(content));
  }
  // A message that relates; its event id.
  std::string Relate(const User& user, std::string_view rel_type,
                     std::string_view target, std::string_view body = "x",
                     std::string_view more = "") {
    const Answer sent =
        Send(user, "m.room.message",
             fmt::format(R"({{{}"body":"{}","msgtype":"m.text","m.relates_to":)"
                         R"({{"rel_type":"{}","event_id":"{}"}}}})",
                         more, body, rel_type, target));
    EXPECT_TRUE(sent.ok()) << sent.text();
    return sent.String("event_id");
  }
  std::string Edit(const User& user, std::string_view target,
                   std::string_view body) {
    return Relate(user, "m.replace", target, "fallback",
                  fmt::format(R"("m.new_content":{{"body":"{}"}},)", body));
  }
  Answer React(const User& user, std::string_view target,
               std::string_view key) {
    return Send(user, "m.reaction",
                fmt::format(R"({{"m.relates_to":{{"rel_type":"m.annotation",)"
                            R"("event_id":"{}","key":"{}"}}}})",
                            target, key));
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
  Answer Relations(const User& user, std::string_view event,
                   std::string_view rest = "") {
    return server_.Get(
        user, fmt::format("/_matrix/client/v1/rooms/{}/relations/{}{}",
                          PercentEncode(room_), PercentEncode(event), rest));
  }
  static std::vector<std::string> Ids(json::Value events) {
    std::vector<std::string> ids;
    for (const json::Value event : events) {
      ids.emplace_back(event["event_id"].StringOr(""));
    }
    return ids;
  }
  Answer Event(const User& user, const std::string& event) {
    return Get(user, room_, "event/" + PercentEncode(event));
  }
  // unsigned.m.relations of an event, as JSON.
  std::string Bundle(const User& user, const std::string& event) {
    return std::string(Event(user, event)["unsigned"]["m.relations"].raw());
  }
  // The newest edit of an event.
  std::string EditOf(const User& user, const std::string& event) {
    return std::string(
        Event(user, event)["unsigned"]["m.relations"]["m.replace"]["event_id"]
            .StringOr(""));
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  User eve_ = server_.Register("eve");
  std::string room_ = CreateRoom(alice_);
  std::string root_;
};

TEST_F(RelationsTest, ChildrenAreListedNewestFirstByTypeAndEventType) {
  const std::string a = Relate(bob_, "m.reference", root_);
  const std::string b = React(alice_, root_, "k").String("event_id");
  const std::string c = Relate(alice_, "org.x", root_);
  EXPECT_THAT(Ids(Relations(bob_, root_)["chunk"]), ElementsAre(c, b, a));
  EXPECT_THAT(Ids(Relations(bob_, root_, "?dir=f")["chunk"]),
              ElementsAre(a, b, c));
  EXPECT_THAT(Ids(Relations(bob_, root_, "/m.annotation")["chunk"]),
              ElementsAre(b));
  EXPECT_THAT(Ids(Relations(bob_, root_, "/m.annotation/m.reaction")["chunk"]),
              ElementsAre(b));
  EXPECT_THAT(
      Ids(Relations(bob_, root_, "/m.annotation/m.room.message")["chunk"]),
      IsEmpty());
  EXPECT_THAT(Ids(Relations(bob_, a)["chunk"]), IsEmpty());
  const Answer all = Relations(bob_, root_);
  EXPECT_FALSE(all["next_batch"]);
  EXPECT_FALSE(all["prev_batch"]);
  EXPECT_FALSE(all["recursion_depth"]);
}

TEST_F(RelationsTest, PagesMeetInBothDirections) {
  std::vector<std::string> children;
  for (int i = 0; i < 7; ++i) {
    children.push_back(Relate(bob_, "m.reference", root_));
    Say(bob_, room_, "between");
  }
  for (const std::string dir : {"b", "f"}) {
    std::vector<std::string> seen;
    std::string from;
    int pages = 0;
    do {
      const Answer page =
          Relations(alice_, root_, fmt::format("?limit=3&dir={}{}", dir, from));
      ASSERT_TRUE(page.ok()) << page.text();
      EXPECT_EQ(page["prev_batch"].IsString(), !from.empty());
      for (std::string& id : Ids(page["chunk"])) seen.push_back(id);
      from = page["next_batch"] ? "&from=" + page.String("next_batch") : "";
    } while (!from.empty() && ++pages < 5);
    EXPECT_EQ(pages, 2);
    if (dir == "b") std::reverse(seen.begin(), seen.end());
    EXPECT_EQ(seen, children);
  }
  const std::string from =
      Relations(alice_, root_, "?limit=2").String("next_batch");
  EXPECT_THAT(Ids(Relations(alice_, root_, "?to=" + from)["chunk"]),
              ElementsAre(children[6], children[5]));
}

TEST_F(RelationsTest, BadParametersAndHiddenParentsAreErrors) {
  EXPECT_EQ(Relations(bob_, root_, "?from=x").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Relations(bob_, root_, "?to=x").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Relations(bob_, root_, "?limit=0").Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(Relations(bob_, root_, "?dir=x").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Relations(bob_, root_, "?recurse=x").Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(Relations(bob_, "$none").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(Relations(eve_, root_).Outcome(), "404 M_NOT_FOUND");
  const std::string other = CreateRoom(alice_);
  EXPECT_EQ(Relations(alice_, Say(alice_, other, "elsewhere")).Outcome(),
            "404 M_NOT_FOUND");
}

TEST_F(RelationsTest, RecursionGoesThreeLevelsDeep) {
  const std::string a = Relate(bob_, "m.thread", root_);
  const std::string b = React(alice_, a, "k").String("event_id");
  const std::string c = Relate(bob_, "m.reference", b);
  const std::string d = Relate(bob_, "m.reference", c);
  const Answer all = Relations(bob_, root_, "?recurse=true");
  EXPECT_THAT(Ids(all["chunk"]), ElementsAre(c, b, a));
  EXPECT_EQ(all["recursion_depth"].AsInt(), 3);
  EXPECT_THAT(Ids(Relations(bob_, root_, "?recurse=false")["chunk"]),
              ElementsAre(a));
  EXPECT_EQ(Relations(bob_, root_, "?recurse=false")["recursion_depth"].AsInt(),
            1);
  EXPECT_THAT(
      Ids(Relations(bob_, root_, "/m.annotation?recurse=true")["chunk"]),
      ElementsAre(b));
  EXPECT_THAT(Ids(Relations(bob_, a, "?recurse=true&dir=f&limit=2")["chunk"]),
              ElementsAre(b, c));
  EXPECT_THAT(Ids(Relations(bob_, c)["chunk"]), ElementsAre(d));
}

TEST_F(RelationsTest, ARedactedChildRelatesNoMore) {
  const std::string a = Relate(bob_, "m.reference", root_);
  const std::string b = Relate(bob_, "m.reference", root_);
  Redact(a);
  EXPECT_THAT(Ids(Relations(alice_, root_)["chunk"]), ElementsAre(b));
  EXPECT_THAT(Bundle(alice_, root_), Not(HasSubstr(a)));
  // The children of a redacted parent remain.
  Redact(root_);
  EXPECT_THAT(Ids(Relations(alice_, root_)["chunk"]), ElementsAre(b));
  EXPECT_THAT(Bundle(alice_, root_), HasSubstr(b));
}

TEST_F(RelationsTest, ReferencesAreListedInTheBundle) {
  const std::string a = Relate(bob_, "m.reference", root_);
  const std::string b = Relate(alice_, "m.reference", root_);
  EXPECT_EQ(Bundle(bob_, root_),
            fmt::format(R"({{"m.reference":{{"chunk":[{{"event_id":"{}"}},)"
                        R"({{"event_id":"{}"}}]}}}})",
                        a, b));
  EXPECT_EQ(Bundle(bob_, a), "");
}

TEST_F(RelationsTest, AnnotationsAreNotAggregatedAndNotRepeated) {
  const Answer first = React(bob_, root_, "👍");
  ASSERT_TRUE(first.ok()) << first.text();
  EXPECT_EQ(Bundle(bob_, root_), "");
  EXPECT_EQ(React(bob_, root_, "👍").Outcome(), "400 M_DUPLICATE_ANNOTATION");
  EXPECT_TRUE(React(bob_, root_, "👎").ok());
  EXPECT_TRUE(React(alice_, root_, "👍").ok());
  EXPECT_TRUE(
      Send(bob_, "org.x.reaction",
           fmt::format(R"({{"m.relates_to":{{"rel_type":"m.annotation",)"
                       R"("event_id":"{}","key":"👍"}}}})",
                       root_))
          .ok())
      << "another type is another annotation";
  Redact(first.String("event_id"));
  EXPECT_TRUE(React(bob_, root_, "👍").ok());
}

TEST_F(RelationsTest, ARetriedReactionIsTheSameReaction) {
  const std::string content =
      fmt::format(R"({{"m.relates_to":{{"rel_type":"m.annotation",)"
                  R"("event_id":"{}","key":"k"}}}})",
                  root_);
  const Answer first = Put(bob_, room_, "send/m.reaction/t", content);
  EXPECT_EQ(Put(bob_, room_, "send/m.reaction/t", content).text(),
            first.text());
}

TEST_F(RelationsTest, TheNewestEditIsBundledOnEveryEndpoint) {
  Edit(alice_, root_, "one");
  const std::string edit = Edit(alice_, root_, "two");
  const Answer event = Event(bob_, root_);
  const json::Value bundled = event["unsigned"]["m.relations"]["m.replace"];
  EXPECT_EQ(bundled["event_id"].StringOr(""), edit);
  EXPECT_EQ(bundled["content"]["m.new_content"]["body"].StringOr(""), "two");
  EXPECT_EQ(bundled["room_id"].StringOr(""), room_);
  EXPECT_EQ(bundled["sender"].StringOr(""), alice_.user_id);
  EXPECT_TRUE(bundled["unsigned"]["age"].IsInteger());
  EXPECT_EQ(event["content"]["body"].StringOr(""), "root")
      << "the original is served as it was";

  const auto in = [&](json::Value list) {
    for (const json::Value e : list) {
      if (e["event_id"].StringOr("") == root_) {
        return std::string(
            e["unsigned"]["m.relations"]["m.replace"]["event_id"].StringOr(""));
      }
    }
    return std::string("(not in the list)");
  };
  EXPECT_EQ(in(Get(bob_, room_, "messages?dir=b&limit=50")["chunk"]), edit);
  const std::string last = Say(bob_, room_, "last");
  const Answer context = Get(bob_, room_, "context/" + PercentEncode(last));
  EXPECT_EQ(in(context["events_before"]), edit);
  EXPECT_EQ(
      Get(bob_, room_,
          "context/" + PercentEncode(root_))["event"]["unsigned"]["m.relations"]
                                            ["m.replace"]["event_id"]
                                                .StringOr(""),
      edit);
  // Sync: only where the client misses something.
  const auto sync = [&](int limit) {
    const Answer answer = server_.Get(
        bob_, "/_matrix/client/v3/sync?filter=" +
                  PercentEncode(fmt::format(
                      R"({{"room":{{"timeline":{{"limit":{}}}}}}})", limit)));
    return in(answer["rooms"]["join"][room_]["timeline"]["events"]);
  };
  EXPECT_EQ(sync(4), edit);
  EXPECT_EQ(sync(100), "");
}

TEST_F(RelationsTest, InvalidEditsAreSentButNotBundled) {
  Edit(bob_, root_, "not mine");
  EXPECT_EQ(EditOf(alice_, root_), "");
  Relate(alice_, "m.replace", root_);  // Without new content.
  EXPECT_EQ(EditOf(alice_, root_), "");
  ASSERT_TRUE(
      Send(alice_, "org.x.other",
           fmt::format(R"({{"m.new_content":{{}},"m.relates_to":)"
                       R"({{"rel_type":"m.replace","event_id":"{}"}}}})",
                       root_))
          .ok());
  EXPECT_EQ(EditOf(alice_, root_), "") << "of another type";
  const std::string edit = Edit(alice_, root_, "fine");
  Edit(alice_, edit, "an edit of an edit");
  EXPECT_EQ(EditOf(alice_, edit), "");
  EXPECT_EQ(EditOf(alice_, root_), edit);
  const std::string topic =
      SetState(alice_, room_, "m.room.topic", R"({"topic":"t"})")
          .String("event_id");
  Relate(alice_, "m.reference", topic);
  EXPECT_EQ(Bundle(alice_, topic), "") << "state events have no bundles";
}

TEST_F(RelationsTest, ARedactedEditUncoversTheOneBefore) {
  const std::string first = Edit(alice_, root_, "one");
  const std::string second = Edit(alice_, root_, "two");
  Redact(second);
  EXPECT_EQ(EditOf(bob_, root_), first);
  const std::string third = Edit(alice_, root_, "three");
  Redact(root_);
  EXPECT_EQ(Bundle(bob_, root_), "") << "a redacted event shows no edits";
  EXPECT_THAT(Ids(Relations(bob_, root_)["chunk"]), ElementsAre(third, first));
}

TEST_F(RelationsTest, AnEncryptedEditIsKnownByItsRelation) {
  const std::string original =
      Send(alice_, "m.room.encrypted", R"({"ciphertext":"a"})")
          .String("event_id");
  const std::string edit =
      Send(alice_, "m.room.encrypted",
           fmt::format(R"({{"ciphertext":"b","m.relates_to":)"
                       R"({{"rel_type":"m.replace","event_id":"{}"}}}})",
                       original))
          .String("event_id");
  EXPECT_EQ(EditOf(bob_, original), edit);
}

TEST_F(RelationsTest, IgnoredUsersAreLeftOut) {
  const std::string mine = Relate(alice_, "m.reference", root_);
  const std::string theirs = Relate(bob_, "m.reference", root_);
  const std::string eves = Say(bob_, room_, "of bob");
  Ignore(alice_, bob_);
  EXPECT_THAT(Ids(Relations(alice_, root_)["chunk"]), ElementsAre(mine));
  EXPECT_THAT(Bundle(alice_, root_), Not(HasSubstr(theirs)));
  EXPECT_THAT(Bundle(bob_, root_), HasSubstr(theirs));
  EXPECT_THAT(Bodies(Get(alice_, room_, "messages?dir=b&limit=50")["chunk"]),
              Not(::testing::Contains("of bob")));
}

TEST_F(RelationsTest, ChildrenThatTheUserMayNotSeeAreLeftOut) {
  ASSERT_TRUE(Post(bob_, room_, "leave").ok());
  const std::string after = Relate(alice_, "m.reference", root_);
  EXPECT_THAT(Ids(Relations(bob_, root_)["chunk"]), IsEmpty());
  EXPECT_EQ(Bundle(bob_, root_), "");
  EXPECT_THAT(Ids(Relations(alice_, root_)["chunk"]), ElementsAre(after));
}

// After leaving, the newest edit that can be seen is the one that was there.
TEST_F(RelationsTest, WhoLeftSeesTheEditOfTheirTime) {
  const std::string before = Edit(alice_, root_, "before");
  ASSERT_TRUE(Post(bob_, room_, "leave").ok());
  server_.Advance(milliseconds(1));  // Of edits of one time the ids decide.
  const std::string after = Edit(alice_, root_, "after");
  EXPECT_EQ(EditOf(bob_, root_), before);
  EXPECT_EQ(EditOf(alice_, root_), after);
}

TEST_F(RelationsTest, MessagesAreFilteredByWhatRelatesToThem) {
  const std::string other = Say(alice_, room_, "other");
  Relate(bob_, "m.thread", other);
  React(alice_, root_, "k");
  const auto page = [&](std::string filter) {
    return Bodies(Get(
        alice_, room_,
        "messages?dir=b&limit=50&filter=" + PercentEncode(filter))["chunk"]);
  };
  EXPECT_THAT(page(R"({"related_by_rel_types":["m.thread"]})"),
              ElementsAre("other"));
  EXPECT_THAT(
      page(fmt::format(R"({{"related_by_senders":["{}"]}})", alice_.user_id)),
      ElementsAre("root"));
  EXPECT_THAT(page(fmt::format(R"({{"related_by_senders":["{}"],)"
                               R"("related_by_rel_types":["m.thread"]}})",
                               alice_.user_id)),
              IsEmpty());
}

TEST_F(RelationsTest, EveryRoomVersionHasThem) {
  for (const std::string version :
       {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"}) {
    room_ =
        CreateRoom(alice_, fmt::format(R"({{"room_version":"{}"}})", version));
    const std::string root = Say(alice_, room_, "root");
    const std::string edit = Edit(alice_, root, "edit");
    EXPECT_EQ(EditOf(alice_, root), edit) << version;
    Redact(edit);
    EXPECT_EQ(EditOf(alice_, root), "") << version;
    const Answer redacted = Event(alice_, edit);
    EXPECT_EQ(redacted["content"].raw(), "{}") << version;
    const json::Value because = redacted["unsigned"]["redacted_because"];
    EXPECT_EQ(because["redacts"].StringOr(""), edit) << version;
    EXPECT_EQ(because["content"]["redacts"].StringOr(""), edit) << version;
  }
}

}  // namespace
}  // namespace matrixcore
