// Commits that were made and whose answer was lost: the client is told that it
// may ask again, and everybody sees what was written.
#include <future>
#include <optional>
#include <string>

#include "scenario/scenario.h"

namespace matrixcore {
namespace {

FakeHomeserverOptions LosesAnswers() {
  FakeHomeserverOptions options;
  options.homeserver.presence = false;
  options.faults = {.seed = 1,
                    .rates = FaultRates().Set(Fault::kCommitAnswerLost, 1),
                    .repeats = 0};
  return options;
}

class LostAnswersTest : public ScenarioTest {
 protected:
  LostAnswersTest() : ScenarioTest(LosesAnswers()) {}

  // A request whose every commit is made and not answered.
  Answer Losing(const User& user, HttpMethod method, const std::string& target,
                const std::string& body) {
    pause_.reset();
    Answer answer = server_.Call(method, target, body, user.access_token);
    server_.Settle();
    pause_.emplace(server_.faults());
    return answer;
  }
  std::string Since(const User& user) {
    server_.Settle();
    const Answer sync = server_.Get(user, "/_matrix/client/v3/sync");
    return sync.String("next_batch");
  }
  // Waits for news.
  std::future<HttpResponse> Wait(const User& user) {
    const std::string since = Since(user);
    auto news =
        server_.Start(HttpMethod::kGet,
                      "/_matrix/client/v3/sync?timeout=30000&since=" + since,
                      "", user.access_token);
    server_.Settle();
    return news;
  }
  // The bodies of the messages that a sync tells; time passes if need be.
  std::vector<std::string> News(std::future<HttpResponse> news) {
    server_.Settle();
    if (news.wait_for(seconds(0)) != std::future_status::ready) {
      ADD_FAILURE() << "nobody woke the sync";
      server_.Advance(seconds(31));
    }
    const Answer answer = news.get();
    return Bodies(answer["rooms"]["join"][room_]["timeline"]["events"]);
  }

  std::optional<FaultInjector::Pause> pause_{std::in_place, server_.faults()};
  const User alice_ = server_.Register("alice");
  const User bob_ = server_.Register("bob");
  const std::string room_ = CreateRoom(alice_, R"({"preset":"public_chat"})");
};

TEST_F(LostAnswersTest, AMessageIsThereOnceAndWakesWhoWaits) {
  Join(bob_, room_);
  auto news = Wait(bob_);
  const std::string target = RoomPath(room_, "send/m.room.message/t");
  const std::string body = R"({"msgtype":"m.text","body":"hello"})";
  EXPECT_EQ(Losing(alice_, HttpMethod::kPut, target, body).Outcome(),
            "503 M_UNKNOWN");
  EXPECT_THAT(News(std::move(news)), ::testing::ElementsAre("hello"));
  EXPECT_TRUE(Answer(server_.Put(alice_, target, body)).ok());
  const Answer all = Get(alice_, room_, "messages?dir=f&limit=100");
  EXPECT_THAT(Bodies(all["chunk"]), ::testing::ElementsAre("hello"));
}

TEST_F(LostAnswersTest, WhoJoinedIsWokenByWhatComesNext) {
  EXPECT_EQ(
      Losing(bob_, HttpMethod::kPost, RoomPath(room_, "join"), "{}").Outcome(),
      "503 M_UNKNOWN");
  auto news = Wait(bob_);
  Say(alice_, room_, "welcome");
  EXPECT_THAT(News(std::move(news)), ::testing::ElementsAre("welcome"));
}

TEST_F(LostAnswersTest, WhoLeftIsNotCountedAsAMember) {
  Join(bob_, room_);
  EXPECT_EQ(
      Losing(bob_, HttpMethod::kPost, RoomPath(room_, "leave"), "{}").Outcome(),
      "503 M_UNKNOWN");
  Say(alice_, room_, "gone?");
  const Answer members = Get(alice_, room_, "joined_members");
  EXPECT_TRUE(members["joined"][bob_.user_id].IsMissing());
  EXPECT_FALSE(members["joined"][alice_.user_id].IsMissing());
}

TEST_F(LostAnswersTest, ARedactionHidesWhatWasReadBefore) {
  const std::string event = Say(alice_, room_, "secret");
  const std::string path = "event/" + PercentEncode(event);
  EXPECT_EQ(Get(alice_, room_, path)["content"]["body"].StringOr(""), "secret");
  const std::string target =
      RoomPath(room_, "redact/" + PercentEncode(event) + "/r");
  EXPECT_EQ(Losing(alice_, HttpMethod::kPut, target, "{}").Outcome(),
            "503 M_UNKNOWN");
  EXPECT_EQ(Get(alice_, room_, path)["content"].raw(), "{}");
}

// What the store in front remembers of account data, too.
TEST_F(LostAnswersTest, AccountDataIsTheNewest) {
  const std::string target =
      "/_matrix/client/v3/user/%40alice%3Afake.example/account_data/org.x";
  server_.Put(alice_, target, R"({"v":1})");
  EXPECT_EQ(Answer(server_.Get(alice_, target)).text(), R"({"v":1})");
  const std::string since = Since(alice_);
  EXPECT_EQ(Losing(alice_, HttpMethod::kPut, target, R"({"v":2})").Outcome(),
            "504 M_UNKNOWN");
  EXPECT_EQ(Answer(server_.Get(alice_, target)).text(), R"({"v":2})");
  const Answer sync =
      server_.Get(alice_, "/_matrix/client/v3/sync?since=" + since);
  EXPECT_EQ(sync["account_data"]["events"].at(0)["content"].raw(),
            R"({"v":2})");
}

TEST_F(LostAnswersTest, AfterALogoutTheTokenIsVoid) {
  const User phone = server_.Login(alice_);
  server_.Get(phone, "/_matrix/client/v3/account/whoami");
  const Answer lost =
      Losing(phone, HttpMethod::kPost, "/_matrix/client/v3/logout", "{}");
  EXPECT_EQ(lost.Outcome(), "504 M_UNKNOWN");
  EXPECT_EQ(server_.Get(phone, "/_matrix/client/v3/account/whoami").status,
            401);
}

}  // namespace
}  // namespace matrixcore
