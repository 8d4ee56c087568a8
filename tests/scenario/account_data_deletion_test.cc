// MSC3391: API to delete account data.
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class AccountDataDeletionTest : public ScenarioTest {
 protected:
  // Below /user/{userId}.
  std::string Rest(std::string_view room, std::string_view type) const {
    return fmt::format(
        "user/{}/{}account_data/{}", PercentEncode(alice_.user_id),
        room.empty() ? "" : fmt::format("rooms/{}/", PercentEncode(room)),
        type);
  }
  std::string Stable(std::string_view room,
                     std::string_view type = "org.example") const {
    return "/_matrix/client/v3/" + Rest(room, type);
  }
  std::string Unstable(std::string_view room,
                       std::string_view type = "org.example") const {
    return "/_matrix/client/unstable/org.matrix.msc3391/" + Rest(room, type);
  }
  Answer Sync(const User& user, std::string_view since = "") {
    return server_.Get(
        user, fmt::format("/_matrix/client/v3/sync?set_presence=offline{}{}",
                          since.empty() ? "" : "&since=", since));
  }
  // The contents of a type that a sync tells, global or of the room.
  std::vector<std::string> Told(const Answer& sync, std::string_view room) {
    const json::Value where =
        room.empty() ? sync.root() : sync["rooms"]["join"][room];
    std::vector<std::string> contents;
    for (const json::Value event : where["account_data"]["events"]) {
      if (event["type"].StringOr("") == "org.example") {
        contents.emplace_back(event["content"].raw());
      }
    }
    return contents;
  }

  User alice_ = server_.Register("alice");
  User phone_ = server_.Login(alice_);
  std::string room_ = CreateRoom(alice_);
};

// Global data and that of a room, by DELETE and by an empty object.
TEST_F(AccountDataDeletionTest, OtherDevicesHearOfItAndNewOnesOfNothing) {
  for (const std::string& room : {std::string(), room_}) {
    for (const bool by_put : {false, true}) {
      ASSERT_TRUE(Answer(server_.Put(alice_, Stable(room), R"({"a":1})")).ok());
      const Answer before = Sync(phone_);
      EXPECT_THAT(Told(before, room), ElementsAre(R"({"a":1})"));
      const Answer gone = by_put ? server_.Put(alice_, Stable(room), "{}")
                                 : server_.Delete(alice_, Unstable(room));
      EXPECT_EQ(gone.text(), "{}");
      EXPECT_EQ(Answer(server_.Get(phone_, Stable(room))).Outcome(),
                "404 M_NOT_FOUND");
      const Answer after = Sync(phone_, before.String("next_batch"));
      EXPECT_THAT(Told(after, room), ElementsAre("{}"));
      EXPECT_THAT(Told(Sync(phone_, after.String("next_batch")), room),
                  IsEmpty());
      EXPECT_THAT(Told(Sync(phone_), room), IsEmpty());
      EXPECT_THAT(Told(Sync(server_.Login(alice_)), room), IsEmpty());
    }
  }
}

// A parked sync hears of it, too.
TEST_F(AccountDataDeletionTest, EndsTheWaitOfOtherDevices) {
  server_.Put(alice_, Stable(""), R"({"a":1})");
  const std::string since = Sync(phone_).String("next_batch");
  auto waiting = server_.Start(
      HttpMethod::kGet,
      "/_matrix/client/v3/sync?timeout=30000&set_presence=offline&since=" +
          since,
      "", phone_.access_token);
  server_.Settle();
  server_.Delete(alice_, Unstable(""));
  EXPECT_THAT(Told(Answer(waiting.get()), ""), ElementsAre("{}"));
}

TEST_F(AccountDataDeletionTest, WhatIsNotThereIsDeletedInSilence) {
  const std::string since = Sync(phone_).String("next_batch");
  for (const std::string& room : {std::string(), room_}) {
    EXPECT_EQ(Answer(server_.Delete(alice_, Unstable(room))).Outcome(), "200");
    EXPECT_THAT(Told(Sync(phone_, since), room), IsEmpty());
  }
}

TEST_F(AccountDataDeletionTest, DataComesBackWhenItIsWrittenAgain) {
  server_.Put(alice_, Stable(room_), R"({"a":1})");
  server_.Delete(alice_, Unstable(room_));
  server_.Put(alice_, Stable(room_), R"({"a":2})");
  EXPECT_EQ(Answer(server_.Get(alice_, Stable(room_))).text(), R"({"a":2})");
  EXPECT_THAT(Told(Sync(alice_), room_), ElementsAre(R"({"a":2})"));
}

TEST_F(AccountDataDeletionTest, IsRefusedForWhatOthersWriteAndOthersOwn) {
  const User bob = server_.Register("bob");
  for (const std::string& room : {std::string(), room_}) {
    EXPECT_EQ(Answer(server_.Delete(bob, Unstable(room))).Outcome(),
              "403 M_FORBIDDEN");
    for (const char* type : {"m.push_rules", "m.fully_read"}) {
      EXPECT_EQ(Answer(server_.Delete(alice_, Unstable(room, type))).Outcome(),
                "405 M_BAD_JSON");
    }
  }
  EXPECT_EQ(Answer(server_.Delete(alice_, Unstable("@no:room"))).Outcome(),
            "400 M_INVALID_PARAM");
}

// What the server makes of account data ends with it.
TEST_F(AccountDataDeletionTest, EndsWhatTheDataDid) {
  const User bob = server_.Register("bob");
  server_.Put(alice_, Stable("", "m.invite_permission_config"),
              R"({"default_action":"block"})");
  const std::string room = CreateRoom(bob);
  EXPECT_EQ(Invite(bob, room, alice_).Outcome(), "403 M_INVITE_BLOCKED");
  server_.Delete(alice_, Unstable("", "m.invite_permission_config"));
  EXPECT_EQ(Invite(bob, room, alice_).Outcome(), "200");
}

}  // namespace
}  // namespace matrixcore
