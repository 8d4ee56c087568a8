// Spec: client-server API, "Creation".
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CreateRoomTest : public ScenarioTest {
 protected:
  Answer Create(std::string body) {
    return server_.Post(alice_, "/_matrix/client/v3/createRoom",
                        std::move(body));
  }
  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
};

TEST_F(CreateRoomTest, EventsComeInTheOrderOfTheSpecification) {
  const std::string room = CreateRoom(alice_, fmt::format(R"({{
      "preset":"private_chat","room_alias_name":"den","name":"Den","topic":"t",
      "initial_state":[{{"type":"org.test","state_key":"k","content":{{"a":1}}}}],
      "invite":["{}"]}})",
                                                          bob_.user_id));
  EXPECT_THAT(
      StateTypes(alice_, room),
      ElementsAre("m.room.create", "m.room.member", "m.room.power_levels",
                  "m.room.canonical_alias", "m.room.join_rules",
                  "m.room.history_visibility", "m.room.guest_access",
                  "org.test", "m.room.name", "m.room.topic", "m.room.member"));
  EXPECT_EQ(State(alice_, room, "m.room.canonical_alias"),
            fmt::format(R"({{"alias":"#den:{}"}})", server_.server_name()));
  EXPECT_EQ(State(alice_, room, "org.test", "k"), R"({"a":1})");
}

TEST_F(CreateRoomTest, PresetsDecideJoinRulesAndGuests) {
  const std::string open = CreateRoom(alice_, R"({"preset":"public_chat"})");
  EXPECT_EQ(State(alice_, open, "m.room.join_rules"),
            R"({"join_rule":"public"})");
  EXPECT_EQ(State(alice_, open, "m.room.guest_access"),
            R"({"guest_access":"forbidden"})");
  const std::string closed = CreateRoom(alice_);
  EXPECT_EQ(State(alice_, closed, "m.room.join_rules"),
            R"({"join_rule":"invite"})");
  EXPECT_EQ(State(alice_, closed, "m.room.guest_access"),
            R"({"guest_access":"can_join"})");
  const std::string listed = CreateRoom(alice_, R"({"visibility":"public"})");
  EXPECT_EQ(State(alice_, listed, "m.room.join_rules"),
            R"({"join_rule":"public"})");
}

TEST_F(CreateRoomTest, TrustedPrivateChatSharesThePower) {
  const std::string body = fmt::format(
      R"({{"preset":"trusted_private_chat","room_version":"{{}}","invite":["{}"]}})",
      bob_.user_id);
  const auto with = [&](std::string_view version) {
    std::string text = body;
    text.replace(text.find("{}"), 2, version);
    return CreateRoom(alice_, text);
  };
  const std::string v11 = with("11");
  EXPECT_THAT(State(alice_, v11, "m.room.power_levels"),
              HasSubstr(fmt::format(R"("{}":100)", bob_.user_id)));
  const std::string v12 = with("12");
  EXPECT_THAT(
      State(alice_, v12, "m.room.create"),
      HasSubstr(fmt::format(R"("additional_creators":["{}"])", bob_.user_id)));
  EXPECT_THAT(State(alice_, v12, "m.room.power_levels"),
              HasSubstr(R"("users":{})"));
}

TEST_F(CreateRoomTest, Version12ProtectsTheTombstone) {
  const std::string room = CreateRoom(alice_, R"({"room_version":"12"})");
  EXPECT_THAT(State(alice_, room, "m.room.power_levels"),
              HasSubstr(R"("m.room.tombstone":150)"));
  EXPECT_EQ(room.find(':'), std::string::npos);
}

// Also where the client overrides levels and knows nothing of tombstones.
TEST_F(CreateRoomTest, Version12ProtectsTheTombstoneFromOverrides) {
  const auto levels = [&](std::string_view override) {
    return State(alice_,
                 CreateRoom(alice_, fmt::format(R"({{"room_version":"12",
                   "power_level_content_override":{}}})",
                                                override)),
                 "m.room.power_levels");
  };
  EXPECT_THAT(levels(R"({"events":{"m.room.name":1}})"),
              HasSubstr(R"({"m.room.name":1,"m.room.tombstone":150})"));
  EXPECT_THAT(levels(R"({"state_default":200})"),
              HasSubstr(R"("m.room.tombstone":201)"));
  EXPECT_THAT(levels(R"({"events":{"m.room.tombstone":60}})"),
              HasSubstr(R"({"m.room.tombstone":60})"));
}

TEST_F(CreateRoomTest, NameReplacesThatOfInitialState) {
  const std::string room = CreateRoom(alice_, R"({"name":"new","initial_state":[
      {"type":"m.room.name","content":{"name":"old"}},
      {"type":"m.room.join_rules","content":{"join_rule":"knock"}}]})");
  EXPECT_EQ(State(alice_, room, "m.room.name"), R"({"name":"new"})");
  EXPECT_EQ(State(alice_, room, "m.room.join_rules"),
            R"({"join_rule":"knock"})");
}

TEST_F(CreateRoomTest, PowerLevelsAreOverriddenKeyByKey) {
  const std::string room = CreateRoom(
      alice_, R"({"power_level_content_override":{"events_default":7}})");
  const std::string levels = State(alice_, room, "m.room.power_levels");
  EXPECT_THAT(levels, HasSubstr(R"("events_default":7)"));
  EXPECT_THAT(levels, HasSubstr(R"("state_default":50)"));
}

TEST_F(CreateRoomTest, DirectInvitesSaySo) {
  const std::string room = CreateRoom(
      alice_,
      fmt::format(R"({{"is_direct":true,"invite":["{}"]}})", bob_.user_id));
  EXPECT_THAT(State(alice_, room, "m.room.member", bob_.user_id),
              HasSubstr(R"("is_direct":true)"));
}

// initial_state is held to what PUT /state is.
TEST_F(CreateRoomTest, InitialStateInvitesNobodyWhoBlocksInvites) {
  server_.Put(bob_,
              fmt::format("/_matrix/client/v3/user/{}/account_data/"
                          "m.invite_permission_config",
                          PercentEncode(bob_.user_id)),
              R"({"default_action":"block"})");
  const std::string body = fmt::format(
      R"({{"initial_state":[{{"type":"m.room.member","state_key":"{}",
           "content":{{"membership":"invite"}}}}]}})",
      bob_.user_id);
  EXPECT_EQ(Create(body).Outcome(), "403 M_INVITE_BLOCKED");
}

TEST_F(CreateRoomTest, InitialStateNamesNoAliasesOfOtherRooms) {
  const auto with = [&](std::string_view alias, std::string_view key) {
    return Create(fmt::format(R"({{"room_alias_name":"{}","initial_state":[
        {{"type":"m.room.canonical_alias","content":{{"{}":"#den:{}"}}}}]}})",
                              alias, key, server_.server_name()))
        .Outcome();
  };
  EXPECT_EQ(with("other", "alias"), "400 M_BAD_ALIAS");
  EXPECT_EQ(with("den", "alt_aliases"), "400 M_INVALID_PARAM");
  EXPECT_EQ(with("den", "alias"), "200");
}

TEST_F(CreateRoomTest, BadRequestsGetTheirErrcodes) {
  EXPECT_EQ(Create(R"({"room_version":"99"})").Outcome(),
            "400 M_UNSUPPORTED_ROOM_VERSION");
  EXPECT_EQ(Create(R"({"preset":"other"})").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Create(R"({"invite":["bob"]})").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Create(R"({"name":1})").Outcome(), "400 M_BAD_JSON");
  EXPECT_EQ(Create(R"({"initial_state":[{"type":"x"}]})").Outcome(),
            "400 M_BAD_JSON");
  EXPECT_EQ(Create("[").Outcome(), "400 M_NOT_JSON");
  EXPECT_EQ(Create(R"({"room_alias_name":"a:b"})").Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(Create(R"({"power_level_content_override":{"users":{},
                       "events":{"m.room.join_rules":"x"}}})")
                .Outcome(),
            "400 M_INVALID_ROOM_STATE");
}

TEST_F(CreateRoomTest, AnAliasIsTakenOnce) {
  CreateRoom(alice_, R"({"room_alias_name":"den"})");
  EXPECT_EQ(Create(R"({"room_alias_name":"den"})").Outcome(),
            "400 M_ROOM_IN_USE");
}

TEST_F(CreateRoomTest, AliasesLeadToRooms) {
  const std::string room =
      CreateRoom(alice_, R"({"preset":"public_chat","room_alias_name":"den"})");
  const std::string alias = "#den:" + server_.server_name();
  const std::string path =
      "/_matrix/client/v3/directory/room/" + PercentEncode(alias);
  EXPECT_EQ(Answer(server_.Call(HttpMethod::kGet, path)).String("room_id"),
            room);
  EXPECT_EQ(Join(bob_, alias).String("room_id"), room);
  EXPECT_EQ(Answer(server_.Delete(bob_, path)).Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(Answer(server_.Delete(alice_, path)).Outcome(), "200");
  EXPECT_EQ(Answer(server_.Call(HttpMethod::kGet, path)).Outcome(),
            "404 M_NOT_FOUND");
}

TEST_F(CreateRoomTest, ARoomsDirectoryEntryIsTheModeratorsToChange) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat"})");
  ASSERT_TRUE(Join(bob_, room).ok());
  const std::string path =
      "/_matrix/client/v3/directory/list/room/" + PercentEncode(room);
  EXPECT_EQ(Answer(server_.Get(bob_, path)).String("visibility"), "private");
  EXPECT_EQ(
      Answer(server_.Put(bob_, path, R"({"visibility":"public"})")).Outcome(),
      "403 M_FORBIDDEN");
  EXPECT_TRUE(
      Answer(server_.Put(alice_, path, R"({"visibility":"public"})")).ok());
  EXPECT_EQ(Answer(server_.Get(bob_, path)).String("visibility"), "public");
  server_.Restart();
  EXPECT_EQ(Answer(server_.Get(bob_, path)).String("visibility"), "public");
}

}  // namespace
}  // namespace matrixcore
