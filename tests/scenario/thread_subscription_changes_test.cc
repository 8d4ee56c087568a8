// MSC4308: Thread Subscriptions extension to Sliding Sync, and its companion
// endpoint.
#include <map>

#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kName = "io.element.msc4308.thread_subscriptions";

class ThreadSubscriptionChangesTest : public ScenarioTest {
 protected:
  std::string Path(const std::string& root) const {
    return fmt::format(
        "/_matrix/client/unstable/io.element.msc4306/rooms/{}/thread/{}/"
        "subscription",
        PercentEncode(room_), PercentEncode(root));
  }
  // A new thread root that the user subscribes to.
  std::string Follow() {
    const std::string root = Say(alice_, room_, "root");
    EXPECT_TRUE(Answer(server_.Put(alice_, Path(root))).ok());
    return root;
  }
  void Unfollow(const std::string& root) {
    EXPECT_TRUE(Answer(server_.Delete(alice_, Path(root))).ok());
  }
  Answer List(std::string_view query) {
    return server_.Get(alice_, fmt::format("/_matrix/client/unstable/"
                                           "io.element.msc4308/"
                                           "thread_subscriptions?{}",
                                           query));
  }
  Answer Sync(std::string_view pos, std::string_view extension) {
    return server_.Post(
        alice_,
        fmt::format("/_matrix/client/unstable/org.matrix.simplified_msc3575/"
                    "sync?timeout=0{}{}",
                    pos.empty() ? "" : "&pos=", PercentEncode(pos)),
        fmt::format(R"({{"extensions":{{"{}":{}}}}})", kName, extension));
  }
  // Thread root to whether it is subscribed, of a list or an extension.
  std::map<std::string, bool> Threads(json::Value value) {
    std::map<std::string, bool> threads;
    for (const bool subscribed : {true, false}) {
      const json::Value room =
          value[subscribed ? "subscribed" : "unsubscribed"][room_];
      for (const auto [root, entry] : room.members()) {
        EXPECT_TRUE(entry["bump_stamp"].AsInt().has_value());
        EXPECT_EQ(entry["automatic"].IsBool(), subscribed);
        threads.emplace(root, subscribed);
      }
    }
    return threads;
  }

  User alice_ = server_.Register("alice");
  std::string room_ = CreateRoom(alice_);
};

// "If two changes occur to the same subscription, only the latter change ever
// needs to be sent"; "bump_stamp": the higher one is later.
TEST_F(ThreadSubscriptionChangesTest, OnlyTheLastChangeOfAThreadIsListed) {
  const std::string root = Follow();
  const auto stamp = [&](std::string_view state) {
    return List("dir=b")[state][room_][root]["bump_stamp"].AsInt().value_or(-1);
  };
  const int64_t subscribed = stamp("subscribed");
  Unfollow(root);
  EXPECT_THAT(Threads(List("dir=b").root()), ElementsAre(Pair(root, false)));
  EXPECT_GT(stamp("unsubscribed"), subscribed);
}

TEST_F(ThreadSubscriptionChangesTest, PagesMeetAndEnd) {
  std::map<std::string, bool> expected;
  for (int i = 0; i < 5; ++i) expected.emplace(Follow(), true);
  std::map<std::string, bool> found;
  std::string from;
  int pages = 0;
  do {
    const Answer page =
        List("dir=b&limit=2" + (from.empty() ? "" : "&from=" + from));
    ASSERT_TRUE(page.ok()) << page.text();
    for (const auto& [root, state] : Threads(page.root())) {
      EXPECT_TRUE(found.emplace(root, state).second) << "told twice";
    }
    from = page.String("end");
    ++pages;
  } while (!from.empty() && pages < 10);
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(found, expected);
}

TEST_F(ThreadSubscriptionChangesTest, SyncsTellOfChanges) {
  const std::string root = Follow();
  const Answer first = Sync("", R"({"enabled":true})");
  EXPECT_THAT(Threads(first["extensions"][kName]),
              ElementsAre(Pair(root, true)));
  const Answer quiet = Sync(first.String("pos"), R"({"enabled":true})");
  EXPECT_THAT(Threads(quiet["extensions"][kName]), IsEmpty());
  Unfollow(root);
  const std::string other = Follow();
  const Answer next = Sync(quiet.String("pos"), R"({"enabled":true})");
  EXPECT_THAT(Threads(next["extensions"][kName]),
              UnorderedElementsAre(Pair(root, false), Pair(other, true)));
  const Answer off = Sync(next.String("pos"), R"({"enabled":false})");
  EXPECT_TRUE(off["extensions"][kName].IsMissing()) << off.text();
}

// What a sync leaves out is found between its `prev_batch` and the `pos` that
// was asked with.
TEST_F(ThreadSubscriptionChangesTest, WhatASyncLeavesOutIsFoundBehindIt) {
  const std::string before = Follow();
  const Answer first = Sync("", R"({"enabled":true,"limit":1})");
  const std::string pos = first.String("pos");
  std::map<std::string, bool> expected;
  for (int i = 0; i < 4; ++i) expected.emplace(Follow(), true);
  const Answer next = Sync(pos, R"({"enabled":true,"limit":1})");
  const json::Value news = next["extensions"][kName];
  std::map<std::string, bool> found = Threads(news);
  EXPECT_EQ(found.size(), 1u);
  const Answer rest =
      List(fmt::format("dir=b&from={}&to={}", news["prev_batch"].StringOr(""),
                       PercentEncode(pos)));
  ASSERT_TRUE(rest.ok()) << rest.text();
  EXPECT_TRUE(rest["end"].IsMissing());
  found.merge(Threads(rest.root()));
  EXPECT_EQ(found, expected);
  EXPECT_FALSE(found.contains(before));
}

TEST_F(ThreadSubscriptionChangesTest, BadRequests) {
  EXPECT_EQ(List("").Outcome(), "400 M_MISSING_PARAM");
  EXPECT_EQ(List("dir=f").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(List("dir=b&limit=0").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(List("dir=b&from=nonsense").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(List("dir=b&to=nonsense").Outcome(), "400 M_INVALID_PARAM");
  EXPECT_EQ(Sync("", R"({"enabled":true,"limit":0})").Outcome(),
            "400 M_INVALID_PARAM");
}

}  // namespace
}  // namespace matrixcore
