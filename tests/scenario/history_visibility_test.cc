// Spec: client-server API, "Room History Visibility": each case through every
// endpoint that shows events.
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What one user sees of a room in which things happened in this order:
// visibility set, "stranger" said, invited, "invited" said, joined, "joined"
// said, left, "left" said, joined again, "rejoined" said, left for good, "gone"
// said.
class HistoryVisibilityTest : public ScenarioTest {
 protected:
  void Live(std::string_view visibility) {
    SetState(alice_, room_, "m.room.history_visibility",
             fmt::format(R"({{"history_visibility":"{}"}})", visibility));
    Speak("stranger");
    ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
    Speak("invited");
    ASSERT_TRUE(Join(bob_, room_).ok());
    Speak("joined");
    ASSERT_TRUE(Post(bob_, room_, "leave").ok());
    Speak("left");
    ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
    ASSERT_TRUE(Join(bob_, room_).ok());
    Speak("rejoined");
  }
  void Speak(const std::string& body) {
    said_.emplace_back(body, Say(alice_, room_, body));
  }
  // Through each endpoint; all must agree.
  std::vector<std::string> Seen(const User& user) {
    const std::vector<std::string> back =
        Reversed(Bodies(Get(user, room_, "messages?dir=b&limit=99")["chunk"]));
    EXPECT_EQ(Bodies(Get(user, room_, "messages?dir=f&limit=99")["chunk"]),
              back)
        << "forwards";
    std::vector<std::string> single;
    std::vector<std::string> any;
    std::vector<std::string> middle;
    std::vector<std::string> related;
    for (const auto& [body, id] : said_) {
      const std::string path = PercentEncode(id);
      if (Get(user, room_, "event/" + path).ok()) single.push_back(body);
      if (Answer(server_.Get(user, "/_matrix/client/v3/events/" + path)).ok()) {
        any.push_back(body);
      }
      const Answer context = Get(user, room_, "context/" + path + "?limit=50");
      if (context.ok()) {
        middle.push_back(body);
        std::vector<std::string> around =
            Reversed(Bodies(context["events_before"]));
        around.push_back(body);
        for (std::string& after : Bodies(context["events_after"])) {
          around.push_back(after);
        }
        EXPECT_EQ(around, back) << "around " << body;
      }
      if (Answer(
              server_.Get(
                  user, fmt::format("/_matrix/client/v1/rooms/{}/relations/{}",
                                    PercentEncode(room_), path)))
              .ok()) {
        related.push_back(body);
      }
    }
    EXPECT_EQ(single, back) << "single events";
    EXPECT_EQ(any, back) << "events without a room";
    EXPECT_EQ(middle, back) << "contexts";
    EXPECT_EQ(related, back) << "relations";
    EXPECT_EQ(Searched(user), back) << "search";
    return back;
  }
  std::vector<std::string> Searched(const User& user) {
    std::vector<std::string> found;
    for (const auto& [body, id] : said_) {
      const Answer answer = server_.Post(
          user, "/_matrix/client/v3/search",
          fmt::format(R"({{"search_categories":{{"room_events":{{)"
                      R"("search_term":"{}","filter":{{"rooms":["{}"]}}}}}}}})",
                      body, room_));
      for (const json::Value result :
           answer["search_categories"]["room_events"]["results"]) {
        if (result["result"]["event_id"].StringOr("") == id) {
          found.push_back(body);
        }
      }
    }
    return found;
  }
  static std::vector<std::string> Reversed(std::vector<std::string> list) {
    std::reverse(list.begin(), list.end());
    return list;
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  User eve_ = server_.Register("eve");
  std::string room_ = CreateRoom(alice_);
  std::vector<std::pair<std::string, std::string>> said_;
};

TEST_F(HistoryVisibilityTest, JoinedShowsTheTimesOfBeingJoined) {
  Live("joined");
  EXPECT_THAT(Seen(bob_), ElementsAre("joined", "rejoined"));
  EXPECT_EQ(Get(eve_, room_, "messages?dir=b").Outcome(), "403 M_FORBIDDEN");
}

TEST_F(HistoryVisibilityTest, InvitedShowsTheTimeFromTheInvitationOn) {
  Live("invited");
  EXPECT_THAT(Seen(bob_), ElementsAre("invited", "joined", "rejoined"));
}

TEST_F(HistoryVisibilityTest, SharedShowsEverythingToMembers) {
  Live("shared");
  EXPECT_THAT(Seen(bob_),
              ElementsAre("stranger", "invited", "joined", "left", "rejoined"));
  EXPECT_EQ(Get(eve_, room_, "messages?dir=b").Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Get(eve_, room_, "state").Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Get(eve_, room_, "members").Outcome(), "403 M_FORBIDDEN");
}

TEST_F(HistoryVisibilityTest, WorldReadableShowsEverythingToEverybody) {
  Live("world_readable");
  EXPECT_THAT(Seen(bob_),
              ElementsAre("stranger", "invited", "joined", "left", "rejoined"));
  EXPECT_THAT(Seen(eve_),
              ElementsAre("stranger", "invited", "joined", "left", "rejoined"));
  EXPECT_TRUE(Get(eve_, room_, "state").ok());
  EXPECT_TRUE(Get(eve_, room_, "members").ok());
}

TEST_F(HistoryVisibilityTest, NothingIsSeenAfterLeavingForGood) {
  Live("shared");
  ASSERT_TRUE(Post(bob_, room_, "leave").ok());
  Speak("gone");
  EXPECT_THAT(Seen(bob_),
              ElementsAre("stranger", "invited", "joined", "left", "rejoined"));
}

TEST_F(HistoryVisibilityTest, NothingIsSeenAfterABan) {
  Live("shared");
  ASSERT_TRUE(Post(alice_, room_, "ban",
                   fmt::format(R"({{"user_id":"{}"}})", bob_.user_id))
                  .ok());
  Speak("gone");
  EXPECT_EQ(Seen(bob_).back(), "rejoined");
}

TEST_F(HistoryVisibilityTest, OnlyInvitedUsersSeeNoHistoryOfASharedRoom) {
  SetState(alice_, room_, "m.room.history_visibility",
           R"({"history_visibility":"shared"})");
  Speak("before");
  ASSERT_TRUE(Invite(alice_, room_, eve_).ok());
  Speak("after");
  EXPECT_EQ(Get(eve_, room_, "messages?dir=b").Outcome(), "403 M_FORBIDDEN");
  for (const auto& [body, id] : said_) {
    EXPECT_EQ(Get(eve_, room_, "event/" + PercentEncode(id)).Outcome(),
              "404 M_NOT_FOUND");
  }
}

TEST_F(HistoryVisibilityTest, ChangesApplyFromTheirTimeOn) {
  SetState(alice_, room_, "m.room.history_visibility",
           R"({"history_visibility":"world_readable"})");
  Speak("open");
  const std::string closing =
      SetState(alice_, room_, "m.room.history_visibility",
               R"({"history_visibility":"joined"})")
          .String("event_id");
  Speak("closed");
  // The room is closed now, but what was open stays so for single events.
  EXPECT_EQ(Get(eve_, room_, "messages?dir=b").Outcome(), "403 M_FORBIDDEN");
  EXPECT_TRUE(Get(eve_, room_, "event/" + PercentEncode(said_[0].second)).ok());
  EXPECT_TRUE(Get(eve_, room_, "event/" + PercentEncode(closing)).ok())
      << "the change itself is seen by whoever sees either side of it";
  EXPECT_EQ(
      Get(eve_, room_, "event/" + PercentEncode(said_[1].second)).Outcome(),
      "404 M_NOT_FOUND");
  ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
  ASSERT_TRUE(Join(bob_, room_).ok());
  EXPECT_THAT(Seen(bob_), ElementsAre("open"));
}

TEST_F(HistoryVisibilityTest, UnknownValuesCountAsShared) {
  Live("nonsense");
  EXPECT_EQ(Seen(bob_).size(), 5u);
}

TEST_F(HistoryVisibilityTest, OnesOwnMembershipIsAlwaysSeen) {
  SetState(alice_, room_, "m.room.history_visibility",
           R"({"history_visibility":"joined"})");
  ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
  ASSERT_TRUE(Join(bob_, room_).ok());
  ASSERT_TRUE(Post(bob_, room_, "leave").ok());
  std::vector<std::string> seen;
  const Answer page = Get(bob_, room_, "messages?dir=f&limit=50");
  for (const json::Value event : page["chunk"]) {
    if (event["state_key"].StringOr("") == bob_.user_id) {
      seen.emplace_back(event["content"]["membership"].StringOr(""));
    }
  }
  EXPECT_THAT(seen, ElementsAre("invite", "join", "leave"));
}

// The state of a time that the user could not see.
TEST_F(HistoryVisibilityTest, MembersOfAHiddenTimeAreNotTold) {
  SetState(alice_, room_, "m.room.history_visibility",
           R"({"history_visibility":"joined"})");
  Speak("hidden");
  const std::string hidden =
      Get(alice_, room_, "messages?dir=b&limit=1").String("start");
  ASSERT_TRUE(Invite(alice_, room_, bob_).ok());
  ASSERT_TRUE(Join(bob_, room_).ok());
  EXPECT_EQ(Get(bob_, room_, "members?at=" + hidden).Outcome(),
            "403 M_FORBIDDEN");
  EXPECT_TRUE(Get(alice_, room_, "members?at=" + hidden).ok());
}

}  // namespace
}  // namespace matrixcore
