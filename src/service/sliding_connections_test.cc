// Connections of sliding sync and their positions.
#include "service/sliding_test.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class SlidingConnectionsTest : public SlidingTest {};

TEST_F(SlidingConnectionsTest, RepeatsTheAnswerThatWasLost) {
  const std::string room = world_.MakeRoom(kAlice);
  const Slid first = Slide(kAlice, All());
  world_.Say(room, kAlice, "one");
  const std::string late = world_.MakeRoom(kAlice);
  const Slid lost = Slide(kAlice, All(), first.pos());
  EXPECT_THAT(lost.Rooms(), UnorderedElementsAre(room, late));
  world_.Say(room, kAlice, "two");
  const Slid again = Slide(kAlice, All(), first.pos());
  EXPECT_THAT(again.Timeline(room), ElementsAre("one", "two"));
  EXPECT_EQ(again.Room(late)["initial"].AsBool(), true);
  // What came with the lost answer is not known any more.
  EXPECT_EQ(Slide(kAlice, All(), lost.pos()).status.errcode(), "M_UNKNOWN_POS");
  EXPECT_THAT(Slide(kAlice, All(), again.pos()).Rooms(), IsEmpty());
}

TEST_F(SlidingConnectionsTest, APositionBelongsToItsConnection) {
  world_.MakeRoom(kAlice);
  const std::string pos = Slide(kAlice, All()).pos();
  EXPECT_EQ(Slide(kBob, All(), pos).status.errcode(), "M_UNKNOWN_POS");
  EXPECT_EQ(Slide(kAlice, All(10, "[{}]", R"(,"conn_id":"two")"), pos)
                .status.errcode(),
            "M_UNKNOWN_POS");
  EXPECT_EQ(Slide(kAlice, All(), "nonsense").status.errcode(), "M_UNKNOWN_POS");
  EXPECT_TRUE(Slide(kAlice, All(), pos).status.ok());
  Slide(kAlice, All());  // Begins anew.
  EXPECT_EQ(Slide(kAlice, All(), pos).status.errcode(), "M_UNKNOWN_POS");
}

TEST_F(SlidingConnectionsTest, ConnectionsOfADeviceAreTheirOwn) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string two = All(10, "[{}]", R"(,"conn_id":"two")");
  const std::string pos = Slide(kAlice, All()).pos();
  EXPECT_THAT(Slide(kAlice, two).Rooms(), ElementsAre(room));
  EXPECT_THAT(Slide(kAlice, All(), pos).Rooms(), IsEmpty());
}

TEST_F(SlidingConnectionsTest, ADeviceHasSoManyConnections) {
  std::vector<std::string> positions;
  const auto body = [](int n) {
    return All(10, "[{}]", fmt::format(R"(,"conn_id":"c{}")", n));
  };
  for (int n = 0; n < 17; ++n) {
    world_.timers.Advance(milliseconds(1));
    positions.push_back(Slide(kAlice, body(n)).pos());
    world_.MakeRoom(kAlice);  // What was queued is committed before that.
  }
  EXPECT_EQ(Slide(kAlice, body(0), positions[0]).status.errcode(),
            "M_UNKNOWN_POS");
  EXPECT_TRUE(Slide(kAlice, body(1), positions[1]).status.ok());
}

TEST_F(SlidingConnectionsTest, ConnectionsSurviveARestartOfTheService) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string other = world_.MakeRoom(kAlice);
  std::unique_ptr<SyncService> service;
  const auto restart = [&] {
    world_.MakeRoom(kBob);  // What was queued is committed before that.
    service = std::make_unique<SyncService>(
        SyncService::Options(),
        SyncService::Deps{*world_.store, world_.clock, world_.caches,
                          world_.activity, world_.notifier, world_.ephemeral,
                          FilterLookup(), *world_.log, *world_.metrics});
  };
  const auto slide = [&](std::string_view body, std::string_view pos) {
    Slid slid;
    service->SlidingSync(Parse(kAlice, body, pos, SlidingForm::kMsc4186),
                         [&slid](Result<std::string> got) {
                           if (!got.ok()) slid.status = got.status();
                           if (got.ok()) slid.answer = Answer(*got);
                         });
    return slid;
  };
  restart();
  const Slid first = slide(Window(0, 0), "");
  EXPECT_THAT(first.Rooms(), ElementsAre(other));
  restart();
  EXPECT_THAT(slide(Window(0, 0), first.pos()).Rooms(), IsEmpty());
  const Slid lost = slide(Window(0, 1), first.pos());
  EXPECT_THAT(lost.Rooms(), ElementsAre(room));
  restart();
  const Slid again = slide(Window(0, 1), first.pos());
  EXPECT_THAT(again.Rooms(), ElementsAre(room));
  restart();
  EXPECT_THAT(slide(Window(0, 1), again.pos()).Rooms(), IsEmpty());
  EXPECT_EQ(slide(Window(0, 1), lost.pos()).status.errcode(), "M_UNKNOWN_POS");
}

TEST_F(SlidingConnectionsTest, APositionEndsWhenANewerOneWasUsed) {
  world_.MakeRoom(kAlice);
  const Slid first = Slide(kAlice, Window(0, 0));
  world_.MakeRoom(kAlice);
  const Slid second = Slide(kAlice, Window(0, 0), first.pos());
  EXPECT_TRUE(Slide(kAlice, Window(0, 0), second.pos()).status.ok());
  EXPECT_EQ(Slide(kAlice, Window(0, 0), first.pos()).status.errcode(),
            "M_UNKNOWN_POS");
}

TEST_F(SlidingConnectionsTest, APositionOfTheFutureIsUnknown) {
  world_.MakeRoom(kAlice);
  SlidingToken token = *SlidingToken::Parse(Slide(kAlice, All()).pos());
  token.stream.position += 1000;
  EXPECT_EQ(Slide(kAlice, All(), token.ToString()).status.errcode(),
            "M_UNKNOWN_POS");
}

TEST_F(SlidingConnectionsTest, ARepeatedRequestMayAskForSomethingElse) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string other = world_.MakeRoom(kAlice);
  const std::string pos = Slide(kAlice, Window(9, 9)).pos();
  EXPECT_THAT(Slide(kAlice, Window(0, 0), pos).Rooms(), ElementsAre(other));
  EXPECT_THAT(Slide(kAlice, Window(1, 1), pos).Rooms(), ElementsAre(room));
  EXPECT_THAT(Slide(kAlice, Window(0, 0), pos).Rooms(), ElementsAre(other));
}

}  // namespace
}  // namespace matrixcore
