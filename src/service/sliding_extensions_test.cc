// What sliding sync tells beside rooms.
#include "service/sliding_test.h"

namespace matrixcore {
namespace {

using ::testing::IsEmpty;

class SlidingExtensionsTest : public SlidingTest {};

TEST_F(SlidingExtensionsTest, ExtensionsTellWhatStandsBesideRooms) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  const std::string said = world_.Say(room, kBob, "hi");
  ASSERT_TRUE(world_.account_data.Put(kAlice, room, "org.a", "{\"n\":1}").ok());
  ASSERT_TRUE(world_.account_data.Put(kAlice, "", "org.g", "{\"n\":2}").ok());
  ASSERT_TRUE(
      world_.ephemeral
          .SetReceipt(SyncWorld::Of(kBob), {room, "m.read", said, std::nullopt})
          .ok());
  ASSERT_TRUE(
      world_.ephemeral.SetTyping(SyncWorld::Of(kBob), room, true, seconds(9))
          .ok());
  const std::string body =
      All(10, "[]",
          R"(,"extensions":{"account_data":{"enabled":true},)"
          R"("receipts":{"enabled":true},"typing":{"enabled":true},)"
          R"("e2ee":{"enabled":true},"to_device":{"enabled":true}})");
  const Slid first = Slide(kAlice, body);
  const auto of_room = [&](const Slid& slid, std::string_view extension) {
    return slid.answer.Raw({"extensions", extension, "rooms", room});
  };
  EXPECT_EQ(of_room(first, "account_data"),
            R"([{"content":{"n":1},"type":"org.a"}])");
  EXPECT_THAT(first.answer.Raw({"extensions", "account_data", "global"}),
              ::testing::HasSubstr(R"({"content":{"n":2},"type":"org.g"})"));
  EXPECT_THAT(of_room(first, "receipts"), ::testing::HasSubstr(said));
  EXPECT_EQ(of_room(first, "typing"),
            R"({"content":{"user_ids":["@bob:x"]},"type":"m.typing"})");
  EXPECT_TRUE(
      first.answer.At({"extensions", "e2ee", "device_one_time_keys_count"}));
  EXPECT_TRUE(first.answer.At({"extensions", "to_device", "next_batch"}));

  const Slid quiet = Slide(kAlice, body, first.pos());
  for (const char* name : {"account_data", "receipts", "typing"}) {
    EXPECT_FALSE(quiet.answer.At({"extensions", name})) << name;
  }
  ASSERT_TRUE(world_.account_data.Put(kAlice, room, "org.a", "{\"n\":3}").ok());
  ASSERT_TRUE(
      world_.ephemeral.SetTyping(SyncWorld::Of(kBob), room, false, seconds(0))
          .ok());
  const Slid news = Slide(kAlice, body, quiet.pos());
  EXPECT_EQ(of_room(news, "account_data"),
            R"([{"content":{"n":3},"type":"org.a"}])");
  EXPECT_EQ(of_room(news, "typing"),
            R"({"content":{"user_ids":[]},"type":"m.typing"})");
  EXPECT_THAT(news.Rooms(), IsEmpty());
}

TEST_F(SlidingExtensionsTest, ExtensionsThatComeLaterTellEverything) {
  const std::string room = world_.MakeRoom(kAlice);
  ASSERT_TRUE(world_.account_data.Put(kAlice, room, "org.a", "{\"n\":1}").ok());
  const Slid first = Slide(kAlice, All());
  const std::string with =
      All(10, "[{}]", R"(,"extensions":{"account_data":{"enabled":true}})");
  const Slid second = Slide(kAlice, with, first.pos());
  EXPECT_EQ(second.answer.Raw({"extensions", "account_data", "rooms", room}),
            R"([{"content":{"n":1},"type":"org.a"}])");
  EXPECT_FALSE(Slide(kAlice, with, second.pos())
                   .answer.At({"extensions", "account_data"}));
}

TEST_F(SlidingExtensionsTest, ExtensionsHaveAScope) {
  const std::string room = world_.MakeRoom(kAlice);
  ASSERT_TRUE(world_.account_data.Put(kAlice, room, "org.a", "{\"n\":1}").ok());
  const auto rooms = [&](std::string_view scope) {
    return bool{
        Slide(kAlice, All(1, "[]",
                          fmt::format(R"(,"extensions":{{"account_data":)"
                                      R"({{"enabled":true{}}}}})",
                                      scope)))
            .answer.At({"extensions", "account_data", "rooms", room})};
  };
  EXPECT_TRUE(rooms(""));
  EXPECT_TRUE(rooms(R"(,"lists":["*"])"));
  EXPECT_TRUE(rooms(R"(,"lists":["all"])"));
  EXPECT_FALSE(rooms(R"(,"lists":[])"));
  EXPECT_FALSE(rooms(R"(,"lists":["other"],"rooms":["*"])"));
}

TEST_F(SlidingExtensionsTest, ThreadSubscriptionsAreAnExtension) {
  const std::string room = world_.MakeRoom(kAlice);
  const std::string root = world_.Say(room, kAlice, "root");
  world_.Send(room, kAlice, kTypeMessage, std::nullopt,
              fmt::format(R"({{"body":"r","m.relates_to":{{)"
                          R"("rel_type":"m.thread","event_id":"{}"}}}})",
                          root));
  ASSERT_TRUE(world_.threads
                  .Subscribe(SyncWorld::Of(kAlice), {room, root}, std::nullopt)
                  .ok());
  const std::string body =
      R"({"extensions":{"io.element.msc4308.thread_subscriptions":)"
      R"({"enabled":true}}})";
  constexpr std::string_view kName = "io.element.msc4308.thread_subscriptions";
  const Slid first = Slide(kAlice, body);
  EXPECT_EQ(
      first.answer
          .At({"extensions", kName, "subscribed", room, root, "automatic"})
          .AsBool(),
      false);
  const Slid second = Slide(kAlice, body, first.pos());
  EXPECT_FALSE(second.answer.At({"extensions", kName}));
  ASSERT_TRUE(
      world_.threads.Unsubscribe(SyncWorld::Of(kAlice), {room, root}).ok());
  EXPECT_TRUE(
      Slide(kAlice, body, second.pos())
          .answer.At({"extensions", kName, "unsubscribed", room, root}));
}

TEST_F(SlidingExtensionsTest, NewRoomsTellTheOwnReceiptsAndThoseOfTheTimeline) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  world_.Join(room, kCarol);
  const std::string old = world_.Say(room, kBob, "old");
  const std::string said = world_.Say(room, kBob, "new");
  const std::pair<std::string, std::string> receipts[] = {
      {kAlice, old}, {kBob, said}, {kCarol, old}};
  for (const auto& [user, event] : receipts) {
    ASSERT_TRUE(world_.ephemeral
                    .SetReceipt(SyncWorld::Of(user),
                                {room, "m.read", event, std::nullopt})
                    .ok());
  }
  const std::string body =
      All(1, "[]", R"(,"extensions":{"receipts":{"enabled":true}})");
  const Slid slid = Slide(kAlice, body);
  const json::Value content =
      slid.answer.At({"extensions", "receipts", "rooms", room, "content"});
  EXPECT_TRUE(content[old]["m.read"][kAlice]);
  EXPECT_TRUE(content[said]["m.read"][kBob]);
  EXPECT_FALSE(content[old]["m.read"][kCarol]);
  // What comes later comes from everybody.
  ASSERT_TRUE(world_.ephemeral
                  .SetReceipt(SyncWorld::Of(kCarol),
                              {room, "m.read", said, std::nullopt})
                  .ok());
  const Slid news = Slide(kAlice, body, slid.pos());
  EXPECT_TRUE(news.answer.At({"extensions", "receipts", "rooms", room,
                              "content", said, "m.read", kCarol}));
}

TEST_F(SlidingExtensionsTest, OlderEventsThatComeLaterBringTheirReceipts) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  const std::string old = world_.Say(room, kBob, "old");
  world_.Say(room, kBob, "new");
  ASSERT_TRUE(
      world_.ephemeral
          .SetReceipt(SyncWorld::Of(kBob), {room, "m.read", old, std::nullopt})
          .ok());
  const auto body = [](size_t limit) {
    return All(limit, "[]", R"(,"extensions":{"receipts":{"enabled":true}})");
  };
  const Slid first = Slide(kAlice, body(1));
  EXPECT_FALSE(first.answer.At({"extensions", "receipts"}));
  const Slid second = Slide(kAlice, body(2), first.pos());
  EXPECT_TRUE(second.answer.At({"extensions", "receipts", "rooms", room,
                                "content", old, "m.read", kBob}));
  EXPECT_FALSE(Slide(kAlice, body(2), second.pos())
                   .answer.At({"extensions", "receipts"}));
}

TEST_F(SlidingExtensionsTest, PrivateReceiptsAreForTheirOwnersOnly) {
  const std::string room = world_.MakeRoom(kAlice);
  world_.Join(room, kBob);
  const std::string said = world_.Say(room, kAlice, "hi");
  ASSERT_TRUE(world_.ephemeral
                  .SetReceipt(SyncWorld::Of(kBob),
                              {room, "m.read.private", said, std::nullopt})
                  .ok());
  const std::string body =
      All(1, "[]", R"(,"extensions":{"receipts":{"enabled":true}})");
  EXPECT_FALSE(Slide(kAlice, body).answer.At({"extensions", "receipts"}));
  EXPECT_TRUE(Slide(kBob, body)
                  .answer.At({"extensions", "receipts", "rooms", room,
                              "content", said, "m.read.private", kBob}));
}

TEST_F(SlidingExtensionsTest, NothingIsSaidOfWhatIsOff) {
  const std::string room = world_.MakeRoom(kAlice);
  ASSERT_TRUE(world_.account_data.Put(kAlice, room, "org.a", "{\"n\":1}").ok());
  const Slid slid = Slide(kAlice, All());
  EXPECT_EQ(slid.answer.Raw({"extensions"}), "{}");
}

TEST_F(SlidingExtensionsTest, TypingOfRoomsThatCameBackIntoViewIsTold) {
  const std::string quiet = world_.MakeRoom(kAlice);
  const std::string busy = world_.MakeRoom(kAlice);
  world_.Join(quiet, kBob);
  world_.Say(busy, kAlice, "first");
  const auto body = [](size_t last) {
    return fmt::format(R"({{"lists":{{"w":{{"range":[0,{}],)"
                       R"("timeline_limit":1,"required_state":{{}}}}}},)"
                       R"("extensions":{{"typing":{{"enabled":true}}}}}})",
                       last);
  };
  const Slid first = Slide(kAlice, body(1));
  ASSERT_TRUE(
      world_.ephemeral.SetTyping(SyncWorld::Of(kBob), quiet, true, seconds(20))
          .ok());
  const Slid second = Slide(kAlice, body(0), first.pos());
  EXPECT_FALSE(second.answer.At({"extensions", "typing"}));
  const Slid third = Slide(kAlice, body(1), second.pos());
  EXPECT_EQ(third.answer.Raw({"extensions", "typing", "rooms", quiet, "content",
                              "user_ids"}),
            R"(["@bob:x"])");
}

TEST_F(SlidingExtensionsTest, SubscriptionsHaveAScopeOfTheirOwn) {
  const std::string room = world_.MakeRoom(kAlice);
  ASSERT_TRUE(world_.account_data.Put(kAlice, room, "org.a", "{\"n\":1}").ok());
  const auto told = [&](std::string_view rooms) {
    return bool{
        Slide(kAlice,
              fmt::format(
                  R"({{"room_subscriptions":{{"{}":{{"timeline_limit":0,)"
                  R"("required_state":{{}}}}}},"extensions":{{"account_data":)"
                  R"({{"enabled":true,"lists":[],"rooms":[{}]}}}}}})",
                  room, rooms))
            .answer.At({"extensions", "account_data", "rooms", room})};
  };
  EXPECT_TRUE(told(fmt::format(R"("{}")", room)));
  EXPECT_TRUE(told(R"("*")"));
  EXPECT_FALSE(told(R"("!other:x")"));
}

// MSC4308: what does not fit can be paged to.
TEST_F(SlidingExtensionsTest, ThreadSubscriptionsComeInPages) {
  const std::string room = world_.MakeRoom(kAlice);
  std::vector<std::string> roots;
  for (int i = 0; i < 3; ++i) {
    roots.push_back(world_.Say(room, kAlice, "root"));
    world_.Send(room, kAlice, kTypeMessage, std::nullopt,
                fmt::format(R"({{"body":"r","m.relates_to":{{)"
                            R"("rel_type":"m.thread","event_id":"{}"}}}})",
                            roots.back()));
    ASSERT_TRUE(world_.threads
                    .Subscribe(SyncWorld::Of(kAlice), {room, roots.back()},
                               std::nullopt)
                    .ok());
  }
  constexpr std::string_view kName = "io.element.msc4308.thread_subscriptions";
  const Slid slid = Slide(
      kAlice, R"({"extensions":{"io.element.msc4308.thread_subscriptions":)"
              R"({"enabled":true,"limit":2}}})");
  const json::Value told = slid.answer.At({"extensions", kName});
  EXPECT_FALSE(told["subscribed"][room][roots[0]]);
  EXPECT_TRUE(told["subscribed"][room][roots[1]]);
  EXPECT_TRUE(told["subscribed"][room][roots[2]]);
  EXPECT_TRUE(told["prev_batch"].IsString());
}

}  // namespace
}  // namespace matrixcore
