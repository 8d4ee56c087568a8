// Spec: client-server API, "Published room directory", "Room summary".
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kPublicRooms = "/_matrix/client/v3/publicRooms";

class RoomsDirectoryTest : public ScenarioTest {
 protected:
  // A listed room with so many members.
  std::string Listed(std::string_view name, int members = 1,
                     std::string_view more = "") {
    const std::string room = CreateRoom(
        alice_,
        fmt::format(R"({{"visibility":"public","name":"{}"{}}})", name, more));
    const User others[] = {bob_, carol_};
    for (int i = 1; i < members; ++i) {
      EXPECT_TRUE(Join(others[i - 1], room).ok());
    }
    return room;
  }
  Answer Public(std::string_view query = "") {
    return server_.Call(HttpMethod::kGet,
                        fmt::format("{}{}", kPublicRooms, query));
  }
  Answer Query(std::string body) {
    return server_.Post(bob_, kPublicRooms, std::move(body));
  }
  Answer Summary(const User& user, const std::string& room) {
    return server_.Get(
        user, "/_matrix/client/v1/room_summary/" + PercentEncode(room));
  }
  Answer AnonymousSummary(const std::string& room) {
    return server_.Call(HttpMethod::kGet, "/_matrix/client/v1/room_summary/" +
                                              PercentEncode(room));
  }
  static std::vector<std::string> Names(const Answer& answer) {
    std::vector<std::string> names;
    for (const json::Value room : answer["chunk"]) {
      names.emplace_back(room["name"].StringOr("?"));
    }
    return names;
  }

  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  User carol_ = server_.Register("carol");
};

TEST_F(RoomsDirectoryTest, PublicRoomsAreListedWithAllThatIsKnown) {
  const std::string room =
      Listed("Den", 2, R"(,"topic":"t","room_alias_name":"den",
      "creation_content":{"type":"m.space"},
      "initial_state":[
        {"type":"m.room.avatar","content":{"url":"mxc://x/a"}},
        {"type":"m.room.guest_access","content":{"guest_access":"can_join"}},
        {"type":"m.room.history_visibility",
         "content":{"history_visibility":"world_readable"}}])");
  CreateRoom(alice_, R"({"preset":"public_chat","name":"not listed"})");
  const Answer answer = Public();
  EXPECT_EQ(
      answer.text(),
      fmt::format(R"({{"chunk":[{{"avatar_url":"mxc://x/a",)"
                  R"("canonical_alias":"#den:{}","guest_can_join":true,)"
                  R"("join_rule":"public","name":"Den","num_joined_members":2,)"
                  R"("room_id":"{}","room_type":"m.space","topic":"t",)"
                  R"("world_readable":true}}],"total_room_count_estimate":1}})",
                  server_.server_name(), room));
}

TEST_F(RoomsDirectoryTest, LeavingTheDirectoryTakesEffectAtOnceAndForGood) {
  const std::string room = Listed("Den");
  const std::string path =
      "/_matrix/client/v3/directory/list/room/" + PercentEncode(room);
  ASSERT_TRUE(
      Answer(server_.Put(alice_, path, R"({"visibility":"private"})")).ok());
  EXPECT_THAT(Names(Public()), IsEmpty());
  EXPECT_EQ(Public()["total_room_count_estimate"].AsInt(), 0);
  server_.Restart();
  EXPECT_THAT(Names(Public()), IsEmpty());
  ASSERT_TRUE(Answer(server_.Put(alice_, path)).ok());
  EXPECT_THAT(Names(Public()), ElementsAre("Den"));
}

TEST_F(RoomsDirectoryTest, ADeletedAliasLeavesTheCanonicalAliasesToo) {
  const std::string room =
      CreateRoom(alice_, R"({"preset":"public_chat","room_alias_name":"den"})");
  const std::string path = "/_matrix/client/v3/directory/room/";
  const std::string den = fmt::format("#den:{}", server_.server_name());
  const std::string lair = fmt::format("#lair:{}", server_.server_name());
  ASSERT_TRUE(Answer(server_.Put(alice_, path + PercentEncode(lair),
                                 fmt::format(R"({{"room_id":"{}"}})", room)))
                  .ok());
  ASSERT_TRUE(SetState(alice_, room, "m.room.canonical_alias",
                       fmt::format(R"({{"alias":"{}","alt_aliases":["{}"]}})",
                                   den, lair))
                  .ok());
  ASSERT_TRUE(Answer(server_.Delete(alice_, path + PercentEncode(lair))).ok());
  EXPECT_EQ(State(alice_, room, "m.room.canonical_alias"),
            fmt::format(R"({{"alias":"{}"}})", den));
  ASSERT_TRUE(Answer(server_.Delete(alice_, path + PercentEncode(den))).ok());
  EXPECT_EQ(State(alice_, room, "m.room.canonical_alias"), "{}");

  // Who may not change it takes away their alias all the same.
  ASSERT_TRUE(Join(bob_, room).ok());
  ASSERT_TRUE(Answer(server_.Put(bob_, path + PercentEncode(lair),
                                 fmt::format(R"({{"room_id":"{}"}})", room)))
                  .ok());
  const std::string content = fmt::format(R"({{"alias":"{}"}})", lair);
  ASSERT_TRUE(SetState(alice_, room, "m.room.canonical_alias", content).ok());
  EXPECT_TRUE(Answer(server_.Delete(bob_, path + PercentEncode(lair))).ok());
  EXPECT_EQ(State(alice_, room, "m.room.canonical_alias"), content);
}

TEST_F(RoomsDirectoryTest, PagesGoBothWays) {
  Listed("two", 2);
  Listed("three", 3);
  Listed("one");
  const Answer first = Public("?limit=1");
  EXPECT_THAT(Names(first), ElementsAre("three"));
  EXPECT_EQ(first["total_room_count_estimate"].AsInt(), 3);
  EXPECT_FALSE(first["prev_batch"]);
  const Answer second = Public("?limit=1&since=" + first.String("next_batch"));
  EXPECT_THAT(Names(second), ElementsAre("two"));
  const Answer third = Public("?limit=1&since=" + second.String("next_batch"));
  EXPECT_THAT(Names(third), ElementsAre("one"));
  EXPECT_FALSE(third["next_batch"]);
  const Answer back = Public("?limit=2&since=" + third.String("prev_batch"));
  EXPECT_THAT(Names(back), ElementsAre("three", "two"));
  EXPECT_FALSE(back["prev_batch"]);
  EXPECT_THAT(Names(Public("?since=" + back.String("next_batch"))),
              ElementsAre("one"));
}

TEST_F(RoomsDirectoryTest, TheFilterSearchesNameTopicAndAlias) {
  Listed("Cheese lovers");
  Listed("other", 1, R"(,"topic":"All about CHEESE")");
  Listed("third", 1, R"(,"room_alias_name":"cheesecake")");
  Listed("unrelated");
  const auto search = [&](std::string_view term) {
    return Names(Query(
        fmt::format(R"({{"filter":{{"generic_search_term":"{}"}}}})", term)));
  };
  EXPECT_THAT(search("cheese"),
              UnorderedElementsAre("Cheese lovers", "other", "third"));
  EXPECT_THAT(search("LOVE cheese"), ElementsAre("Cheese lovers"));
  EXPECT_THAT(search("%"), IsEmpty());
  EXPECT_THAT(search("  "), testing::SizeIs(4));
}

// Spec: room_types: null stands for rooms without a type.
TEST_F(RoomsDirectoryTest, TheFilterSelectsRoomTypes) {
  Listed("space", 1, R"(,"creation_content":{"type":"m.space"})");
  Listed("plain");
  const auto of = [&](std::string_view types) {
    return Names(
        Query(fmt::format(R"({{"filter":{{"room_types":{}}}}})", types)));
  };
  EXPECT_THAT(of(R"(["m.space"])"), ElementsAre("space"));
  EXPECT_THAT(of("[null]"), ElementsAre("plain"));
  EXPECT_THAT(of(R"([null,"m.space"])"), testing::SizeIs(2));
  EXPECT_THAT(of("[]"), IsEmpty());
  EXPECT_EQ(Query(R"({"filter":{"room_types":[1]}})").Outcome(),
            "400 M_BAD_JSON");
}

TEST_F(RoomsDirectoryTest, APageOfFewMatchesGoesOn) {
  for (int i = 0; i < 5; ++i) Listed(i % 2 == 0 ? "even" : "odd");
  const Answer first =
      Query(R"({"limit":2,"filter":{"generic_search_term":"even"}})");
  EXPECT_THAT(Names(first), ElementsAre("even", "even"));
  const Answer next = Query(fmt::format(
      R"({{"limit":2,"since":"{}","filter":{{"generic_search_term":"even"}}}})",
      first.String("next_batch")));
  EXPECT_THAT(Names(next), ElementsAre("even"));
  EXPECT_FALSE(next["next_batch"]);
}

TEST_F(RoomsDirectoryTest, BadQueriesGetTheirErrcodes) {
  EXPECT_EQ(Public("?limit=-1").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Public("?since=x").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Query(R"({"limit":-1})").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Query(R"({"filter":1})").Outcome(), "400 M_BAD_JSON");
  EXPECT_EQ(Public("?server=elsewhere.example").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(Public("?server=%20").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_TRUE(Public("?server=" + server_.server_name()).ok());
  EXPECT_EQ(
      Answer(server_.Call(HttpMethod::kPost, kPublicRooms, "{}")).Outcome(),
      "401 M_MISSING_TOKEN");
}

TEST_F(RoomsDirectoryTest, NetworksOfApplicationServicesListNothingWithoutOne) {
  Listed("Den");
  EXPECT_THAT(Names(Query(R"({"third_party_instance_id":"irc"})")), IsEmpty());
  EXPECT_THAT(Names(Query(R"({"include_all_networks":true})")),
              ElementsAre("Den"));
  EXPECT_EQ(Query(R"({"third_party_instance_id":"irc",
                      "include_all_networks":true})")
                .Outcome(),
            "400 M_INVALID_PARAM");
  const std::string path =
      "/_matrix/client/v3/directory/list/appservice/irc/!r:x";
  EXPECT_EQ(
      Answer(server_.Put(alice_, path, R"({"visibility":"public"})")).Outcome(),
      "403 M_FORBIDDEN");
}

// --- Room summary ---

TEST_F(RoomsDirectoryTest, ASummaryTellsOfARoomWithoutJoining) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat",
      "name":"Den","room_version":"11","room_alias_name":"den","initial_state":[
        {"type":"m.room.encryption",
         "content":{"algorithm":"m.megolm.v1.aes-sha2"}}]})");
  const Answer summary = Summary(bob_, room);
  EXPECT_EQ(summary.String("name"), "Den");
  EXPECT_EQ(summary.String("room_version"), "11");
  EXPECT_EQ(summary.String("encryption"), "m.megolm.v1.aes-sha2");
  EXPECT_EQ(summary.String("membership"), "leave");
  EXPECT_EQ(summary["num_joined_members"].AsInt(), 1);
  EXPECT_EQ(
      Summary(alice_, "#den:" + server_.server_name()).String("membership"),
      "join");
  const Answer anonymous = AnonymousSummary(room);
  EXPECT_EQ(anonymous.String("room_id"), room);
  EXPECT_FALSE(anonymous["membership"]);
  EXPECT_EQ(
      Answer(server_.Get(bob_,
                         "/_matrix/client/unstable/im.nheko.summary/summary/" +
                             PercentEncode(room)))
          .String("name"),
      "Den");
}

TEST_F(RoomsDirectoryTest, ASummaryIsOnlyForWhoMayFindTheRoom) {
  const std::string hidden = CreateRoom(alice_);
  EXPECT_EQ(Summary(bob_, hidden).Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(AnonymousSummary(hidden).Outcome(), "404 M_NOT_FOUND");
  ASSERT_TRUE(Invite(alice_, hidden, bob_).ok());
  EXPECT_EQ(Summary(bob_, hidden).String("membership"), "invite");
  EXPECT_EQ(Summary(bob_, "!nowhere:x").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(Summary(bob_, "#nowhere:x").Outcome(), "404 M_NOT_FOUND");
  EXPECT_EQ(Summary(bob_, "nowhere").Outcome(), "400 M_INVALID_PARAM");
  const std::string knockable = CreateRoom(alice_, R"({"initial_state":[
      {"type":"m.room.join_rules","content":{"join_rule":"knock"}}]})");
  EXPECT_EQ(Summary(bob_, knockable).String("join_rule"), "knock");
  ASSERT_TRUE(Post(alice_, knockable, "ban",
                   fmt::format(R"({{"user_id":"{}"}})", bob_.user_id))
                  .ok());
  EXPECT_EQ(Summary(bob_, knockable).Outcome(), "404 M_NOT_FOUND");
}

TEST_F(RoomsDirectoryTest, ARestrictedRoomIsFoundByThoseWhoMayJoinIt) {
  const std::string club = CreateRoom(alice_, R"({"preset":"public_chat"})");
  const std::string room = CreateRoom(
      alice_,
      fmt::format(
          R"({{"initial_state":[{{"type":"m.room.join_rules","content":{{
          "join_rule":"restricted","allow":[
            {{"type":"m.room_membership","room_id":"{}"}}]}}}}]}})",
          club));
  EXPECT_EQ(Summary(bob_, room).Outcome(), "404 M_NOT_FOUND");
  ASSERT_TRUE(Join(bob_, club).ok());
  const Answer summary = Summary(bob_, room);
  EXPECT_EQ(summary["allowed_room_ids"].raw(), fmt::format(R"(["{}"])", club));
  EXPECT_EQ(AnonymousSummary(room).Outcome(), "404 M_NOT_FOUND");
}

}  // namespace
}  // namespace matrixcore
