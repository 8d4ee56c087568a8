// Spec: client-server API, "Policy Servers"; server-server API, "Policy
// Servers".
#include <algorithm>

#include "matrixcore/base/random.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/event/signing.h"
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The policy server of the rooms is a part of this very server's host.
class PolicyServerTest : public FakeNetwork, public ScenarioTest {
 protected:
  PolicyServerTest() : ScenarioTest(NetworkOptions()) {
    answer_ = [this](const HttpClient::Outgoing& request) {
      return Policy(request);
    };
  }

  Result<HttpResponse> Policy(const HttpClient::Outgoing& request) {
    if (request.url.ends_with("/.well-known/matrix/server")) {
      return HttpResponse{.status = 404};
    }
    EXPECT_EQ(request.url, "https://fake.example:8448/_matrix/policy/v1/sign");
    if (request.body.find("spam") != std::string::npos) {
      return HttpResponse{
          .status = 400,
          .body =
              R"({"errcode":"M_FORBIDDEN","error":"This looks like spam"})"};
    }
    const EventPtr event =
        Event::Parse(request.body, *FindRoomVersion("12")).value();
    types_.emplace_back(event->type());
    const json::Document signed_event =
        SignEvent(*event, "fake.example", key_).value()->Document().value();
    return HttpResponse{
        .body = fmt::format(
            R"({{"fake.example":{{"ed25519:policy_server":"{}"}}}})",
            signed_event
                .root()["signatures"]["fake.example"]["ed25519:policy_server"]
                .StringOr(""))};
  }
  std::string Content() const {
    return fmt::format(
        R"({{"via":"fake.example","public_keys":{{"ed25519":"{}"}}}})",
        Base64Encode(key_.public_key()));
  }

  std::unique_ptr<Random> random_ = NewSeededRandom(5);
  SigningKey key_ = SigningKey::Generate(*random_, "policy_server");
  std::vector<std::string> types_;
  User alice_ = server_.Register("alice");
  User bob_ = server_.Register("bob");
};

TEST_F(PolicyServerTest, EverythingInTheRoomIsShownToIt) {
  const std::string room =
      CreateRoom(alice_, R"({"preset":"public_chat","room_version":"12"})");
  EXPECT_TRUE(SetState(alice_, room, "m.room.policy", Content()).ok());
  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_TRUE(Join(bob_, room).ok());
  Say(bob_, room, "hello");
  EXPECT_TRUE(SetState(alice_, room, "m.room.topic", R"({"topic":"t"})").ok());
  EXPECT_TRUE(Post(bob_, room, "leave").ok());
  if (Faulty())
    types_.erase(std::unique(types_.begin(), types_.end()), types_.end());
  EXPECT_THAT(types_, ElementsAre("m.room.member", "m.room.message",
                                  "m.room.topic", "m.room.member"));
  // The key and where to ask are found once.
  if (!Faulty()) {
    EXPECT_EQ(asked_.size(), 5u);
  }
}

TEST_F(PolicyServerTest, ItsRefusalIsTheClientsAnswer) {
  const std::string room = CreateRoom(alice_, R"({"room_version":"12"})");
  SetState(alice_, room, "m.room.policy", Content());
  const Answer refused =
      Put(alice_, room, "send/m.room.message/t1", R"({"body":"spam"})");
  EXPECT_EQ(refused.Outcome(), "403 M_FORBIDDEN");
  EXPECT_EQ(refused.String("error"), "This looks like spam");
  const Answer messages = Get(alice_, room, "messages?dir=b");
  EXPECT_THAT(Bodies(messages["chunk"]), IsEmpty());
  EXPECT_TRUE(
      Put(alice_, room, "send/m.room.message/t1", R"({"body":"ham"})").ok())
      << "a transaction that failed is free";
}

TEST_F(PolicyServerTest, WhileItIsAwayNothingIsSentUntilItIsDisabled) {
  const std::string room = CreateRoom(alice_, R"({"room_version":"12"})");
  SetState(alice_, room, "m.room.policy", Content());
  answer_ = nullptr;
  EXPECT_EQ(
      Put(alice_, room, "send/m.room.message/t1", R"({"body":"a"})").Outcome(),
      "503 M_UNKNOWN");
  EXPECT_EQ(Invite(alice_, room, bob_).Outcome(), "503 M_UNKNOWN");
  EXPECT_TRUE(SetState(alice_, room, "m.room.policy", "{}").ok());
  Say(alice_, room, "a");
}

TEST_F(PolicyServerTest, ANewRoomMayHaveOne) {
  CreateRoom(alice_, fmt::format(
                         R"({{"room_version":"12","name":"Den","initial_state":[
                            {{"type":"m.room.policy","content":{}}}]}})",
                         Content()));
  if (Faulty())
    types_.erase(std::unique(types_.begin(), types_.end()), types_.end());
  EXPECT_THAT(types_, ElementsAre("m.room.name"));
  EXPECT_EQ(
      Answer(server_.Post(
                 alice_, "/_matrix/client/v3/createRoom",
                 fmt::format(
                     R"({{"room_version":"12","name":"spam","initial_state":[
                        {{"type":"m.room.policy","content":{}}}]}})",
                     Content())))
          .status(),
      400);
}

}  // namespace
}  // namespace matrixcore
