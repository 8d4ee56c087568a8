#include <fmt/format.h>

#include "api/test_server.h"

namespace matrixcore::api {
namespace {

constexpr std::string_view kProfile =
    "/_matrix/client/v3/profile/@alice:fake.example";

class ProfileTest : public testing::Test {
 protected:
  std::string Url(std::string_view key) {
    return fmt::format("{}/{}", kProfile, key);
  }
  HttpResponse Set(std::string_view key, std::string_view value) {
    return server_.Put(alice_, Url(key),
                       fmt::format(R"({{"{}":{}}})", key, value));
  }
  // Nobody is logged in.
  HttpResponse Read(std::string_view target) {
    return server_.Call(HttpMethod::kGet, target);
  }

  FakeHomeserver server_;
  const User alice_ = server_.Register("alice");
};

TEST_F(ProfileTest, FieldsAreSetReadAndDeleted) {
  EXPECT_THAT(Read(kProfile), IsJson("{}"));
  EXPECT_THAT(Read(Url("displayname")), IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(Set("displayname", R"("Alice")"), IsJson("{}"));
  EXPECT_THAT(Set("avatar_url", R"("mxc://x/y")"), IsJson("{}"));
  EXPECT_THAT(Set("m.tz", R"("Europe/Berlin")"), IsJson("{}"));
  EXPECT_THAT(Set("com.example.mood", R"({"a":[1,null]})"), IsJson("{}"));
  EXPECT_THAT(Read(kProfile),
              IsJson(R"({"displayname":"Alice","avatar_url":"mxc://x/y",
                         "m.tz":"Europe/Berlin",
                         "com.example.mood":{"a":[1,null]}})"));
  EXPECT_THAT(Read(Url("com.example.mood")),
              IsJson(R"({"com.example.mood":{"a":[1,null]}})"));
  for (const std::string_view key : {"displayname", "com.example.mood"}) {
    EXPECT_THAT(server_.Delete(alice_, Url(key)), IsJson("{}"));
    EXPECT_THAT(server_.Delete(alice_, Url(key)), IsJson("{}"));
    EXPECT_THAT(Read(Url(key)), IsError(404, "M_NOT_FOUND"));
  }
}

TEST_F(ProfileTest, AnEmptyNameIsAsGoodAsNone) {
  Set("displayname", R"("Alice")");
  EXPECT_THAT(Set("displayname", R"("")"), IsJson("{}"));
  EXPECT_THAT(Read(kProfile), IsJson("{}"));
}

// Spec: PUT /profile/{userId}/{keyName}: an MXC URI.  Clients that remove an
// avatar by "" are understood, too.
TEST_F(ProfileTest, AvatarsAreMxcUris) {
  for (const char* value :
       {R"("https://example.org/a.png")", R"("mxc://example.org")",
        R"("mxc://example.org/../a")", R"(" ")", "null", "7"}) {
    EXPECT_THAT(Set("avatar_url", value), IsError(400, "M_INVALID_PARAM"))
        << value;
  }
  EXPECT_THAT(Set("avatar_url", R"("mxc://example.org/a-B_9")"), IsJson("{}"));
  EXPECT_THAT(Set("avatar_url", R"("")"), IsJson("{}"));
  EXPECT_THAT(Read(kProfile), IsJson("{}"));
}

TEST_F(ProfileTest, NullIsAValueOfACustomField) {
  EXPECT_THAT(Set("com.example.x", "null"), IsJson("{}"));
  EXPECT_THAT(Read(kProfile), IsJson(R"({"com.example.x":null})"));
}

TEST_F(ProfileTest, UnknownUsersAreNotFound) {
  EXPECT_THAT(Read("/_matrix/client/v3/profile/@nobody:fake.example"),
              IsError(404, "M_NOT_FOUND"));
  EXPECT_THAT(
      Read("/_matrix/client/v3/profile/@nobody:fake.example/displayname"),
      IsError(404, "M_NOT_FOUND"));
}

TEST_F(ProfileTest, OnlyOnesOwn) {
  const User bob = server_.Register("bob");
  EXPECT_THAT(server_.Put(bob, Url("displayname"), R"({"displayname":"x"})"),
              IsError(403, "M_FORBIDDEN"));
  EXPECT_THAT(server_.Delete(bob, Url("displayname")),
              IsError(403, "M_FORBIDDEN"));
}

TEST_F(ProfileTest, BadKeysAndValues) {
  for (const std::string_view key :
       {"plain", "Upper.case", "1.digit", "sp%20ace.x", ".dot", "dot."}) {
    EXPECT_THAT(server_.Put(alice_, Url(key), R"({"plain":1,"Upper.case":1,
        "1.digit":1,"sp ace.x":1,".dot":1,"dot.":1})"),
                IsError(400, "M_INVALID_PARAM"))
        << key;
  }
  const std::string long_key = "a." + std::string(254, 'x');
  EXPECT_THAT(Set(long_key, "1"), IsError(400, "M_KEY_TOO_LARGE"));
  EXPECT_EQ(Set(long_key.substr(0, 255), "1").status, 200);
  EXPECT_THAT(server_.Put(alice_, Url("displayname"), "{}"),
              IsError(400, "M_MISSING_PARAM"));
  EXPECT_THAT(Set("displayname", "5"), IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(Set("m.tz", "[]"), IsError(400, "M_INVALID_PARAM"));
  EXPECT_THAT(Set("displayname", "\"" + std::string(1025, 'x') + "\""),
              IsError(400, "M_INVALID_PARAM"));
}

TEST_F(ProfileTest, TheWholeHasALimit) {
  const std::string half = "\"" + std::string(32'700, 'x') + "\"";
  EXPECT_EQ(Set("com.example.a", half).status, 200);
  EXPECT_EQ(Set("com.example.b", half).status, 200);
  EXPECT_THAT(Set("com.example.c", half), IsError(400, "M_PROFILE_TOO_LARGE"));
  // Replacing counts the new value only.
  EXPECT_EQ(Set("com.example.a", half).status, 200);
}

TEST_F(ProfileTest, NamesGoIntoTheRoomsOfTheUser) {
  const std::string room = TextAt(
      server_.Post(alice_, "/_matrix/client/v3/createRoom", "{}"), "room_id");
  const std::string member = "/_matrix/client/v3/rooms/" + room +
                             "/state/m.room.member/@alice:fake.example";
  EXPECT_THAT(server_.Get(alice_, member), IsJson(R"({"membership":"join"})"));
  Set("displayname", R"("Alice")");
  Set("avatar_url", R"("mxc://x/y")");
  EXPECT_THAT(server_.Get(alice_, member),
              IsJson(R"({"membership":"join","displayname":"Alice",
                         "avatar_url":"mxc://x/y"})"));
  server_.Delete(alice_, Url("displayname"));
  EXPECT_THAT(server_.Get(alice_, member),
              IsJson(R"({"membership":"join","avatar_url":"mxc://x/y"})"));
  Set("com.example.x", "1");
  EXPECT_THAT(server_.Get(alice_, member),
              IsJson(R"({"membership":"join","avatar_url":"mxc://x/y"})"));
}

TEST_F(ProfileTest, ARoomThatTheUserLeftIsLeftAlone) {
  const std::string room = TextAt(
      server_.Post(alice_, "/_matrix/client/v3/createRoom", "{}"), "room_id");
  server_.Post(alice_, "/_matrix/client/v3/rooms/" + room + "/leave");
  EXPECT_THAT(Set("displayname", R"("Alice")"), IsJson("{}"));
  EXPECT_EQ(At(server_.Get(alice_, "/_matrix/client/v3/rooms/" + room +
                                       "/state/m.room.member/"
                                       "@alice:fake.example"),
               "membership"),
            R"("leave")");
}

TEST_F(ProfileTest, TheSameNameAgainSendsNothing) {
  const std::string room = TextAt(
      server_.Post(alice_, "/_matrix/client/v3/createRoom", "{}"), "room_id");
  Set("displayname", R"("Alice")");
  const Position before = server_.store().LastPosition();
  Set("displayname", R"("Alice")");
  EXPECT_EQ(server_.store().LastPosition(), before);
}

}  // namespace
}  // namespace matrixcore::api
