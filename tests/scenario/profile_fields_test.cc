// MSC4133: Extending User Profile API with Custom Key:Value Pairs (spec:
// client- server API, "Profiles").
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ProfileFieldsTest : public ScenarioTest {
 protected:
  std::string Path(const User& user, std::string_view field) const {
    return fmt::format("/_matrix/client/v3/profile/{}{}{}",
                       PercentEncode(user.user_id), field.empty() ? "" : "/",
                       field);
  }
  Answer Set(const User& user, std::string_view field, std::string_view value) {
    return server_.Put(user, Path(user, field),
                       fmt::format(R"({{"{}":{}}})", field, value));
  }
  // As somebody who is not logged in.
  std::string Read(const User& user, std::string_view field = "") {
    return Answer(server_.Call(HttpMethod::kGet, Path(user, field))).text();
  }
  // Membership events of the user in the room, the newest first.
  std::vector<std::string> MemberEvents(const std::string& room,
                                        const User& user) {
    std::vector<std::string> contents;
    const Answer page = Get(alice_, room, "messages?dir=b&limit=100");
    for (const json::Value event : page["chunk"]) {
      if (event["state_key"].StringOr("") == user.user_id) {
        contents.emplace_back(event["content"].raw());
      }
    }
    return contents;
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
};

// "Custom fields MUST NOT trigger state events in rooms; their data MUST NOT be
// replicated to m.room.member events".
TEST_F(ProfileFieldsTest, CustomFieldsStayOutOfRooms) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat"})");
  ASSERT_TRUE(Set(bob_, "org.example.job_title", R"("Baker")").ok());
  ASSERT_TRUE(Set(bob_, "m.tz", R"("Europe/Berlin")").ok());
  ASSERT_TRUE(Set(bob_, "displayname", R"("Bob")").ok());
  Join(bob_, room);
  ASSERT_TRUE(Set(bob_, "org.example.job_title", R"("Miller")").ok());
  ASSERT_TRUE(Set(bob_, "displayname", R"("Bobby")").ok());
  EXPECT_THAT(MemberEvents(room, bob_),
              ElementsAre(R"({"displayname":"Bobby","membership":"join"})",
                          R"({"displayname":"Bob","membership":"join"})"));
  Post(bob_, room, "leave");
  Invite(alice_, room, bob_);
  EXPECT_THAT(MemberEvents(room, bob_)[0], Not(HasSubstr("example")));
}

// "The existing fields will continue to trigger state events in each room", and
// an m.presence with the new names.
TEST_F(ProfileFieldsTest, NamesGoIntoEveryRoomAndPresence) {
  std::vector<std::string> rooms;
  for (int i = 0; i < 3; ++i) {
    rooms.push_back(CreateRoom(bob_, R"({"preset":"public_chat"})"));
    Join(alice_, rooms.back());
  }
  server_.Get(bob_, "/_matrix/client/v3/sync");
  const std::string since =
      Answer(server_.Get(alice_, "/_matrix/client/v3/sync"))
          .String("next_batch");
  ASSERT_TRUE(Set(bob_, "avatar_url", R"("mxc://x/y")").ok());
  ASSERT_TRUE(Set(bob_, "displayname", R"("Bob")").ok());
  server_.Settle();
  // Presence that could not be written is after a while.
  if (Faulty()) server_.Advance(seconds(10));
  for (const std::string& room : rooms) {
    EXPECT_EQ(
        State(alice_, room, "m.room.member", bob_.user_id),
        R"({"avatar_url":"mxc://x/y","displayname":"Bob","membership":"join"})");
  }
  const Answer sync =
      server_.Get(alice_, "/_matrix/client/v3/sync?since=" + since);
  json::Value presence;
  for (const json::Value event : sync["presence"]["events"]) {
    if (event["sender"].StringOr("") == bob_.user_id) {
      presence = event["content"];
    }
  }
  EXPECT_EQ(presence["displayname"].StringOr(""), "Bob") << sync.text();
  EXPECT_EQ(presence["avatar_url"].StringOr(""), "mxc://x/y");
}

// "A null value SHOULD NOT delete the key"; DELETE does, twice over.
TEST_F(ProfileFieldsTest, NullIsKeptAndDeletionIsDeletion) {
  const std::string field = "org.example.x";
  ASSERT_TRUE(Set(bob_, field, "null").ok());
  EXPECT_EQ(Read(bob_, field), R"({"org.example.x":null})");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Answer(server_.Delete(bob_, Path(bob_, field))).Outcome(), "200");
    EXPECT_EQ(
        Answer(server_.Call(HttpMethod::kGet, Path(bob_, field))).Outcome(),
        "404 M_NOT_FOUND");
  }
  EXPECT_EQ(Read(bob_), "{}");
}

// "Keys MUST follow the Common Namespaced Identifier Grammar".
TEST_F(ProfileFieldsTest, KeysHaveAGrammar) {
  for (const char* key : {"m.tz", "m.unknown_yet", "org.example.a-b_9"}) {
    EXPECT_EQ(Set(bob_, key, R"("v")").Outcome(), "200") << key;
  }
  for (const char* key : {"Org.example", "org.Example", "9.example", ".example",
                          "example", "org.exa%20mple", "org.%C3%A9"}) {
    const Answer answer = server_.Put(bob_, Path(bob_, key), R"({"x":1})");
    EXPECT_EQ(answer.status(), 400) << key << " " << answer.text();
    EXPECT_EQ(Answer(server_.Delete(bob_, Path(bob_, key))).Outcome(),
              "400 M_INVALID_PARAM")
        << key;
  }
  const std::string longest = "a." + std::string(253, 'b');
  EXPECT_EQ(Set(bob_, longest, "1").Outcome(), "200");
  EXPECT_EQ(Set(bob_, longest + "b", "1").Outcome(), "400 M_KEY_TOO_LARGE");
}

// "The total profile MUST be under 64 KiB": of all fields together.
TEST_F(ProfileFieldsTest, AProfileHasALimit) {
  const std::string half = '"' + std::string(32'000, 'x') + '"';
  ASSERT_TRUE(Set(bob_, "org.example.a", half).ok());
  ASSERT_TRUE(Set(bob_, "org.example.b", half).ok());
  EXPECT_EQ(Set(bob_, "org.example.c", half).Outcome(),
            "400 M_PROFILE_TOO_LARGE");
  // What is there may be replaced, and shrunk.
  EXPECT_EQ(Set(bob_, "org.example.b", half).Outcome(), "200");
  EXPECT_EQ(Set(bob_, "org.example.a", "1").Outcome(), "200");
  EXPECT_EQ(Set(bob_, "org.example.c", half).Outcome(), "200");
}

TEST_F(ProfileFieldsTest, BadRequestsAndStrangers) {
  EXPECT_EQ(Answer(server_.Put(bob_, Path(bob_, "org.example.x"),
                               R"({"org.example.y":1})"))
                .Outcome(),
            "400 M_MISSING_PARAM");
  EXPECT_EQ(
      Answer(server_.Put(bob_, Path(bob_, "org.example.x"), "{")).Outcome(),
      "400 M_NOT_JSON");
  EXPECT_EQ(Answer(server_.Put(alice_, Path(bob_, "org.example.x"),
                               R"({"org.example.x":1})"))
                .Outcome(),
            "403 M_FORBIDDEN");
  EXPECT_EQ(
      Answer(server_.Delete(alice_, Path(bob_, "org.example.x"))).Outcome(),
      "403 M_FORBIDDEN");
  EXPECT_EQ(Answer(server_.Call(HttpMethod::kPut, Path(bob_, "org.example.x"),
                                R"({"org.example.x":1})"))
                .Outcome(),
            "401 M_MISSING_TOKEN");
}

// The names of before the proposal was accepted, and the capability.
TEST_F(ProfileFieldsTest, UnstableNamesAndTheCapability) {
  const std::string unstable = fmt::format(
      "/_matrix/client/unstable/uk.tcpip.msc4133/profile/{}/org.example.x",
      PercentEncode(bob_.user_id));
  EXPECT_TRUE(
      Answer(server_.Put(bob_, unstable, R"({"org.example.x":1})")).ok());
  EXPECT_EQ(Read(bob_), R"({"org.example.x":1})");
  const Answer capabilities =
      server_.Get(bob_, "/_matrix/client/v3/capabilities");
  EXPECT_EQ(capabilities["capabilities"]["m.profile_fields"]["enabled"].raw(),
            "true");
}

}  // namespace
}  // namespace matrixcore
