// What is told of rooms to who is not in them, and the order of the directory.
#include "matrixcore/room/room_preview.h"

#include <gmock/gmock.h>

#include "room/test_room.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;

constexpr std::string_view kAlice = "@alice:x";

class RoomPreviewTest : public ::testing::Test {
 protected:
  RoomPreviewTest() {
    WriteBatch batch;
    batch.InsertRow(tables::kRoomCounters,
                    {std::string(tables::kListedRooms), int64_t{0}});
    EXPECT_TRUE(store_->Commit(std::move(batch)).ok());
  }
  void Set(const std::string& room, std::string_view type,
           std::string content) {
    EXPECT_TRUE(
        server_.Send(room, MakeDraft(type, kAlice, "", std::move(content)))
            .ok());
  }
  RoomPreview Summary(const std::string& room) {
    OpenReader reader(server_);
    const RoomNid nid = reader.Head(room).nid;
    return reader->Previews({&nid, 1}).value()[0];
  }
  std::string MakeListed(int members) {
    CreateRoomRequest request;
    request.rules = FindRoomVersion("12");
    request.creator = kAlice;
    request.listed = true;
    request.drafts = {
        MakeDraft(kTypeCreate, kAlice, "", R"({"room_version":"12"})"),
        MakeDraft(kTypeMember, kAlice, std::string(kAlice),
                  R"({"membership":"join"})"),
        MakeDraft(kTypeJoinRules, kAlice, "", R"({"join_rule":"public"})")};
    const std::string room =
        server_.writer.CreateAndWait(std::move(request))->room_id;
    for (int i = 1; i < members; ++i) {
      const std::string user = fmt::format("@u{}:x", i);
      EXPECT_TRUE(server_.SetMember(room, user, user, "join").ok());
    }
    return room;
  }

  std::unique_ptr<Store> store_ = NewMemoryStore(RoomSchema());
  RoomServer server_{*store_};
};

TEST_F(RoomPreviewTest, ItFollowsTheState) {
  const std::string room = server_.MakeRoom("10");
  RoomPreview expected;
  expected.join_rule = "public";
  EXPECT_EQ(Summary(room), expected);
  Set(room, kTypeName, R"({"name":"Den"})");
  Set(room, kTypeAvatar, R"({"url":"mxc://x/a"})");
  Set(room, kTypeCanonicalAlias, R"({"alias":"#den:x"})");
  Set(room, kTypeHistoryVisibility,
      R"({"history_visibility":"world_readable"})");
  Set(room, kTypeGuestAccess, R"({"guest_access":"can_join"})");
  Set(room, kTypeEncryption, R"({"algorithm":"m.megolm.v1.aes-sha2"})");
  Set(room, kTypeJoinRules, R"({"join_rule":"restricted","allow":[
      {"type":"m.room_membership","room_id":"!a:x"},
      {"type":"m.room_membership","room_id":"!a:x"},
      {"type":"other","room_id":"!b:x"}]})");
  expected.name = "Den";
  expected.avatar_url = "mxc://x/a";
  expected.canonical_alias = "#den:x";
  expected.world_readable = true;
  expected.guest_can_join = true;
  expected.encryption = "m.megolm.v1.aes-sha2";
  expected.join_rule = "restricted";
  expected.allowed_room_ids = {"!a:x"};
  EXPECT_EQ(Summary(room), expected);
}

// Spec: m.room.topic: the plain text of a topic with several representations.
TEST_F(RoomPreviewTest, TheTopicIsThePlainText) {
  const std::string room = server_.MakeRoom("10");
  Set(room, kTypeTopic, R"({"topic":"old"})");
  EXPECT_EQ(Summary(room).topic, "old");
  Set(room, kTypeTopic, R"({"topic":"old","m.topic":{"m.text":[
      {"mimetype":"text/html","body":"<b>new</b>"},{"body":"new"}]}})");
  EXPECT_EQ(Summary(room).topic, "new");
  Set(room, kTypeTopic, R"({"topic":"old","m.topic":{"m.text":[
      {"mimetype":"text/html","body":"<b>new</b>"}]}})");
  EXPECT_EQ(Summary(room).topic, "");
  Set(room, kTypeTopic, R"({"topic":"","m.topic":{"m.text":[{"body":"x"}]}})");
  EXPECT_EQ(Summary(room).topic, "");
}

TEST_F(RoomPreviewTest, ARedactionTakesOutWhatItRedacts) {
  for (const std::string_view version : {"2", "12"}) {
    const std::string room = server_.MakeRoom(version);
    const auto name =
        server_.Send(room, MakeDraft(kTypeName, kAlice, "", R"({"name":"N"})"));
    ASSERT_TRUE(name.ok());
    EXPECT_EQ(Summary(room).name, "N");
    EventDraft redaction =
        MakeDraft(kTypeRedaction, kAlice, std::nullopt, "{}");
    redaction.redacts = name->event_ids[0];
    ASSERT_TRUE(server_.Send(room, redaction).ok());
    EXPECT_EQ(Summary(room).name, "") << version;
  }
}

TEST_F(RoomPreviewTest, ListedRoomsComeLargestFirstFromAnyPlace) {
  const std::string one = MakeListed(1);
  const std::string three = MakeListed(3);
  const std::string other_one = MakeListed(1);
  server_.MakeRoom("12");
  OpenReader reader(server_);
  EXPECT_EQ(reader->CountListedRooms().value(), 3);
  const auto ids = [&](std::optional<RoomReader::ListedPlace> place,
                       bool backwards, size_t limit) {
    std::vector<std::string> rooms;
    const auto heads = reader->ListedRooms(place, backwards, limit);
    for (const RoomHead& head : heads.value()) {
      rooms.push_back(head.room_id);
    }
    return rooms;
  };
  const auto place = [&](const std::string& room) {
    const RoomHead head = reader.Head(room);
    return RoomReader::ListedPlace{head.joined, head.nid};
  };
  EXPECT_THAT(ids({}, false, 9), ElementsAre(three, other_one, one));
  EXPECT_THAT(ids({}, false, 2), ElementsAre(three, other_one));
  EXPECT_THAT(ids(place(three), false, 9), ElementsAre(other_one, one));
  EXPECT_THAT(ids(place(other_one), false, 9), ElementsAre(one));
  EXPECT_THAT(ids(place(one), true, 9), ElementsAre(other_one, three));
  EXPECT_THAT(ids(place(other_one), true, 9), ElementsAre(three));
  EXPECT_THAT(ids(place(three), true, 9), ElementsAre());
}

TEST_F(RoomPreviewTest, TheCountOfListedRoomsFollows) {
  const std::string room = server_.MakeRoom("12");
  const auto set = [&](bool listed) {
    RoomRequest request;
    request.room_id = room;
    request.user_id = kAlice;
    request.prepare = [listed](const RoomView&) -> Result<RoomChange> {
      RoomChange change;
      change.listed = listed;
      return change;
    };
    EXPECT_TRUE(server_.writer.SendAndWait(std::move(request)).ok());
    return OpenReader(server_)->CountListedRooms().value();
  };
  EXPECT_EQ(set(true), 1);
  EXPECT_EQ(set(true), 1);
  EXPECT_EQ(set(false), 0);
}

TEST_F(RoomPreviewTest, StateOfOneTypeIsFoundByItsType) {
  const std::string room = server_.MakeRoom("12");
  for (const std::string key : {"!b", "!a", "!c"}) {
    ASSERT_TRUE(
        server_.Send(room, MakeDraft("m.space.child", kAlice, key, "{}")).ok());
  }
  OpenReader reader(server_);
  const RoomHead head = reader.Head(room);
  std::vector<std::string> keys;
  const auto children =
      reader->StateEventsOfType(head, head.state, "m.space.child");
  for (const EventPtr& event : children.value()) {
    keys.emplace_back(*event->state_key());
  }
  EXPECT_THAT(keys, ElementsAre("!a", "!b", "!c"));
}

}  // namespace
}  // namespace matrixcore
