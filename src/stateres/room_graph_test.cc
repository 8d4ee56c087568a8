#include "matrixcore/stateres/room_graph.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "stateres/test_room.h"

namespace matrixcore {
namespace {

const RoomVersionRules& Version(std::string_view id) {
  return *FindRoomVersion(id);
}

EventPtr MakeEvent(const std::string& id, const std::string& type,
                   const std::string& auth, const char* version = "11",
                   const std::string& more = "\"state_key\":\"\",") {
  Result<EventPtr> event = Event::FromTrusted(
      R"({"sender":"@a:x","room_id":"!r:x","origin_server_ts":5,)" + more +
          R"("content":{},"type":")" + type + R"(","auth_events":)" + auth +
          "}",
      Version(version), id);
  EXPECT_TRUE(event.ok()) << event.status().message();
  return event.ok() ? *event : nullptr;
}

TEST(RoomGraphTest, KnowsWhatWasAdded) {
  RoomGraph graph(Version("11"));
  const EventPtr create = MakeEvent("$create", "m.room.create", "[]");
  const EventPtr topic = MakeEvent("$topic", "m.room.topic", R"(["$create"])");
  const EventIdx c = graph.Add(*create);
  const EventIdx t = graph.Add(*topic, /*rejected=*/true);
  EXPECT_EQ(graph.event_count(), 2u);
  EXPECT_EQ(graph.Find("$create"), c);
  EXPECT_EQ(graph.Find("$topic"), t);
  EXPECT_EQ(graph.Find("$other"), kNoIndex);
  EXPECT_EQ(graph.event_id(t), "$topic");
  EXPECT_EQ(graph.sender(t), "@a:x");
  EXPECT_EQ(graph.origin_server_ts(t), 5);
  EXPECT_EQ(graph.type(graph.key_of(t)), "m.room.topic");
  EXPECT_EQ(graph.state_key(graph.key_of(t)), "");
  EXPECT_EQ(graph.key_of(t), graph.FindKey("m.room.topic", ""));
  EXPECT_EQ(graph.FindKey("m.room.topic", "x"), kNoIndex);
  ASSERT_EQ(graph.auth_events(t).size(), 1u);
  EXPECT_EQ(graph.auth_events(t)[0], c);
  EXPECT_FALSE(graph.IsRejected(c));
  EXPECT_TRUE(graph.IsRejected(t));
  graph.SetRejected(t, false);
  EXPECT_FALSE(graph.IsRejected(t));
}

TEST(RoomGraphTest, AddingTwiceChangesNothing) {
  RoomGraph graph(Version("11"));
  const EventPtr create = MakeEvent("$create", "m.room.create", "[]");
  const EventIdx first = graph.Add(*create);
  EXPECT_EQ(graph.Add(*create, true), first);
  EXPECT_EQ(graph.event_count(), 1u);
  EXPECT_FALSE(graph.IsRejected(first));
}

TEST(RoomGraphTest, UnknownAuthEventsAreLeftOut) {
  RoomGraph graph(Version("11"));
  const EventIdx event =
      graph.Add(*MakeEvent("$e", "m.room.topic", R"(["$gone","$e"])"));
  EXPECT_TRUE(graph.auth_events(event).empty());
}

TEST(RoomGraphTest, MessagesHaveNoKey) {
  RoomGraph graph(Version("11"));
  const EventIdx event =
      graph.Add(*MakeEvent("$e", "m.room.message", "[]", "11", ""));
  EXPECT_EQ(graph.key_of(event), kNoIndex);
  StateTree state;
  graph.Apply(event, &state);
  EXPECT_TRUE(state.empty());
}

TEST(RoomGraphTest, AddAllPutsAuthEventsFirst) {
  const std::vector<EventPtr> events = {MakeEvent("$d", "d", R"(["$c","$b"])"),
                                        MakeEvent("$b", "b", R"(["$a"])"),
                                        MakeEvent("$c", "c", R"(["$b"])"),
                                        MakeEvent("$a", "m.room.create", "[]")};
  std::vector<RoomGraph::Source> sources;
  for (const EventPtr& event : events) sources.push_back({event.get(), false});
  RoomGraph graph(Version("11"));
  ASSERT_TRUE(graph.AddAll(sources).ok());
  EXPECT_EQ(graph.event_count(), 4u);
  for (EventIdx event = 0; event < graph.event_count(); ++event) {
    for (const EventIdx auth : graph.auth_events(event)) EXPECT_LT(auth, event);
  }
  EXPECT_EQ(graph.auth_events(graph.Find("$d")).size(), 2u);
}

TEST(RoomGraphTest, CyclesAreLeftOut) {
  const std::vector<EventPtr> events = {
      MakeEvent("$fine", "fine", R"(["$create"])", "1"),
      MakeEvent("$leads", "leads", R"(["$x"])", "1"),
      MakeEvent("$x", "x", R"(["$y"])", "1"),
      MakeEvent("$y", "y", R"(["$z"])", "1"),
      MakeEvent("$z", "z", R"(["$x","$create"])", "1"),
      MakeEvent("$leads2", "leads2", R"(["$create","$leads"])", "1"),
      MakeEvent("$create", "m.room.create", "[]", "1")};
  std::vector<RoomGraph::Source> sources;
  for (const EventPtr& event : events) sources.push_back({event.get(), false});
  RoomGraph graph(Version("1"));
  EXPECT_EQ(graph.AddAll(sources).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(graph.event_count(), 2u);
  EXPECT_NE(graph.Find("$fine"), kNoIndex);
  EXPECT_NE(graph.Find("$create"), kNoIndex);
}

TEST(RoomGraphTest, LongChainsNeedNoStack) {
  std::vector<EventPtr> events;
  for (int i = 0; i < 50000; ++i) {
    events.push_back(
        MakeEvent("$" + std::to_string(i), "t",
                  i == 0 ? "[]" : "[\"$" + std::to_string(i - 1) + "\"]"));
  }
  std::vector<RoomGraph::Source> sources;
  for (size_t i = events.size(); i-- > 0;) {
    sources.push_back({events[i].get(), false});
  }
  RoomGraph graph(Version("11"));
  ASSERT_TRUE(graph.AddAll(sources).ok());
  EXPECT_EQ(graph.Find("$49999"), 49999u);
}

TEST(RoomGraphTest, HoldsLessThanTwoHundredBytesAnEvent) {
  RoomGraph graph(Version("11"));
  const std::string filler(30, 'x');
  for (int i = 0; i < 20000; ++i) {
    const std::string id = "$" + filler + std::to_string(1000000000 + i);
    const std::string before = "$" + filler + std::to_string(999999999 + i);
    graph.Add(*MakeEvent(
        id, "m.room.member", i == 0 ? "[]" : "[\"" + before + "\"]", "11",
        "\"state_key\":\"@user" + std::to_string(i / 5) + ":example.org\","));
  }
  EXPECT_LT(graph.ByteSize() / graph.event_count(), 200u);
}

}  // namespace
}  // namespace matrixcore
