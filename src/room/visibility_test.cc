// History visibility through RoomReader::Visible and EndOfStay.
#include <gmock/gmock.h>

#include "room/test_room.h"

namespace matrixcore {
namespace {

class VisibilityTest : public ::testing::Test {
 protected:
  void SetVisibility(std::string_view visibility) {
    ASSERT_TRUE(
        server_
            .Send(room_,
                  MakeDraft(kTypeHistoryVisibility, "@alice:x", "",
                            fmt::format(R"({{"history_visibility":"{}"}})",
                                        visibility)))
            .ok());
  }
  void Member(std::string_view sender, std::string_view membership) {
    ASSERT_TRUE(server_.SetMember(room_, sender, "@bob:x", membership).ok());
  }
  void Say(std::string_view body) {
    ASSERT_TRUE(server_.Say(room_, "@alice:x", body).ok());
  }
  // The bodies of the messages that @bob:x may see.
  std::string Seen() {
    OpenReader reader(server_);
    const RoomHead head = reader.Head(room_);
    const auto events = reader->Timeline(head, {}).value();
    const auto visible = reader->Visible(head, "@bob:x", events).value();
    std::string seen;
    for (size_t i = 0; i < events.size(); ++i) {
      if (events[i].event->type() == kTypeMessage && visible[i]) {
        seen += events[i].event->content()["body"].StringOr("");
      }
    }
    return seen;
  }

  std::unique_ptr<Store> store_ = NewMemoryStore(RoomSchema());
  RoomServer server_{*store_};
  std::string room_ = server_.MakeRoom("11");
};

TEST_F(VisibilityTest, SharedShowsEverythingToMembersAndNothingToStrangers) {
  SetVisibility("shared");
  Say("a");
  EXPECT_EQ(Seen(), "");
  Member("@bob:x", "join");
  Say("b");
  EXPECT_EQ(Seen(), "ab");
}

TEST_F(VisibilityTest, SharedEndsWithTheStay) {
  SetVisibility("shared");
  Say("a");
  Member("@bob:x", "join");
  Say("b");
  Member("@bob:x", "leave");
  Say("c");
  EXPECT_EQ(Seen(), "ab");
  Member("@bob:x", "join");
  EXPECT_EQ(Seen(), "abc");
}

TEST_F(VisibilityTest, JoinedShowsOnlyTimesOfBeingIn) {
  SetVisibility("joined");
  Say("a");
  Member("@alice:x", "invite");
  Say("b");
  Member("@bob:x", "join");
  Say("c");
  Member("@alice:x", "leave");
  Say("d");
  EXPECT_EQ(Seen(), "c");
}

TEST_F(VisibilityTest, InvitedShowsFromTheInviteOn) {
  SetVisibility("invited");
  Say("a");
  Member("@alice:x", "invite");
  Say("b");
  Member("@bob:x", "join");
  Say("c");
  EXPECT_EQ(Seen(), "bc");
}

TEST_F(VisibilityTest, WorldReadableShowsToAll) {
  SetVisibility("world_readable");
  Say("a");
  EXPECT_EQ(Seen(), "a");
  SetVisibility("joined");
  Say("b");
  EXPECT_EQ(Seen(), "a");
}

TEST_F(VisibilityTest, EndOfStayIsTheFirstEventAfterTheLastJoin) {
  Member("@bob:x", "join");
  Member("@alice:x", "leave");
  const Position kicked = store_->LastPosition();
  Member("@alice:x", "ban");
  OpenReader reader(server_);
  const auto end = reader->EndOfStay(reader.Head(room_), "@bob:x").value();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->pos, kicked);
}

TEST_F(VisibilityTest, RejectedInviteIsNoStay) {
  Member("@alice:x", "invite");
  Member("@bob:x", "leave");
  OpenReader reader(server_);
  EXPECT_FALSE(reader->EndOfStay(reader.Head(room_), "@bob:x")->has_value());
}

}  // namespace
}  // namespace matrixcore
