// Spec: client-server API, "Room Tagging".
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

class TagsTest : public ScenarioTest {
 protected:
  std::string Path(const User& user, std::string_view tag = "") {
    return fmt::format("/_matrix/client/v3/user/{}/rooms/{}/tags{}{}",
                       PercentEncode(user.user_id), PercentEncode(room_),
                       tag.empty() ? "" : "/", PercentEncode(tag));
  }
  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
  std::string room_ = CreateRoom(alice_);
};

TEST_F(TagsTest, TagsAreSetListedAndRemoved) {
  EXPECT_EQ(Answer(server_.Get(alice_, Path(alice_))).text(), R"({"tags":{}})");
  EXPECT_TRUE(
      Answer(server_.Put(alice_, Path(alice_, "u.w"), R"({"order":0.5})"))
          .ok());
  EXPECT_TRUE(
      Answer(server_.Put(alice_, Path(alice_, "m.favourite"), "{}")).ok());
  EXPECT_EQ(Answer(server_.Get(alice_, Path(alice_))).text(),
            R"({"tags":{"m.favourite":{},"u.w":{"order":0.5}}})");
  EXPECT_TRUE(Answer(server_.Delete(alice_, Path(alice_, "u.w"))).ok());
  server_.Restart();
  EXPECT_EQ(Answer(server_.Get(alice_, Path(alice_))).text(),
            R"({"tags":{"m.favourite":{}}})");
}

TEST_F(TagsTest, TagsComeThroughSync) {
  const Answer first = server_.Get(alice_, "/_matrix/client/v3/sync");
  ASSERT_TRUE(Answer(server_.Put(alice_, Path(alice_, "u.w"), "{}")).ok());
  const Answer second = server_.Get(
      alice_, "/_matrix/client/v3/sync?since=" + first.String("next_batch"));
  EXPECT_EQ(second["rooms"]["join"][room_]["account_data"]["events"].raw(),
            R"([{"content":{"tags":{"u.w":{}}},"type":"m.tag"}])");
}

TEST_F(TagsTest, BadRequests) {
  EXPECT_EQ(Answer(server_.Put(bob_, Path(alice_, "u.w"), "{}")).Outcome(),
            "403 M_FORBIDDEN");
  EXPECT_EQ(Answer(server_.Put(alice_, Path(alice_, "u.w"), R"({"order":"x"})"))
                .Outcome(),
            "400 M_BAD_JSON");
  EXPECT_EQ(
      Answer(server_.Put(alice_, Path(alice_, std::string(256, 't')), "{}"))
          .Outcome(),
      "400 M_INVALID_PARAM");
}

}  // namespace
}  // namespace matrixcore
