// Rooms with a policy server (spec: server-server API, "Policy Servers").
#include <gmock/gmock.h>

#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <set>

#include "matrixcore/crypto/base64.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/json/value.h"
#include "room/test_room.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Signs what it is asked, but for bodies that are on its list; a test may hold
// its answers back.
class FakePolicy : public PolicySigner {
 public:
  explicit FakePolicy(std::string server)
      : server_(std::move(server)),
        random_(NewSeededRandom(3)),
        key_(SigningKey::Generate(*random_, "policy_server")) {}

  void Sign(const std::string& server, const EventPtr& event,
            Done done) override {
    EXPECT_EQ(server, server_);
    std::unique_lock<std::mutex> lock(mutex_);
    asked_.push_back(event);
    if (hold_) {
      held_.emplace_back(event, std::move(done));
      came_.notify_all();
      return;
    }
    lock.unlock();
    Answer(event, std::move(done));
  }

  std::string PolicyContent() const {
    return fmt::format(R"({{"via":"{}","public_keys":{{"ed25519":"{}"}}}})",
                       server_, Base64Encode(key_.public_key()));
  }
  bool HasSigned(const Event& event) const {
    return VerifyEventSignature(event, server_, kPolicyKeyId,
                                key_.public_key());
  }
  std::vector<std::string> TypesAsked() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::string> types;
    for (const EventPtr& event : asked_) types.emplace_back(event->type());
    return types;
  }
  void Forget() {
    const std::lock_guard<std::mutex> lock(mutex_);
    asked_.clear();
  }
  void Hold() {
    const std::lock_guard<std::mutex> lock(mutex_);
    hold_ = true;
  }
  // Waits until `count` questions are held back.
  void WaitFor(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    came_.wait(lock, [&] { return held_.size() >= count; });
  }
  void Release() {
    std::vector<std::pair<EventPtr, Done>> held;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      hold_ = false;
      held.swap(held_);
    }
    for (auto& [event, done] : held) Answer(event, std::move(done));
  }
  void UseAnotherKey() {
    key_ = SigningKey::Generate(*random_, "policy_server");
  }

  std::set<std::string> refused;  // Bodies.

 private:
  void Answer(const EventPtr& event, Done done) {
    if (refused.contains(std::string(event->content()["body"].StringOr("")))) {
      return done(
          Status(StatusCode::kPermissionDenied, "M_FORBIDDEN", "It is spam"));
    }
    const EventPtr with_signature = SignEvent(*event, server_, key_).value();
    const json::Document document = with_signature->Document().value();
    done(*ParseEd25519Signature(
        document.root()["signatures"][server_][kPolicyKeyId].StringOr("")));
  }

  const std::string server_;
  std::unique_ptr<Random> random_;
  SigningKey key_;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::vector<EventPtr> asked_;
  std::vector<std::pair<EventPtr, Done>> held_;
  bool hold_ = false;
};

class PolicyTest : public ::testing::Test {
 protected:
  // A room of @alice:x with @mod:x, whose server is the policy server.
  std::string MakePolicyRoom(std::string_view version = "11") {
    const std::string room = server_.MakeRoom(version);
    Enable(room);
    return room;
  }
  void Enable(const std::string& room) {
    ASSERT_TRUE(server_
                    .Send(room, MakeDraft(kTypePolicy, "@alice:x", "",
                                          policy_.PolicyContent()))
                    .ok());
  }
  std::future<Result<RoomRequest::Answer>> StartToSay(const std::string& room,
                                                      std::string_view body) {
    auto promise =
        std::make_shared<std::promise<Result<RoomRequest::Answer>>>();
    RoomRequest request;
    request.room_id = room;
    request.user_id = "@alice:x";
    request.prepare = [draft =
                           MakeDraft(kTypeMessage, "@alice:x", std::nullopt,
                                     fmt::format(R"({{"body":"{}"}})", body))](
                          const RoomView&) -> Result<RoomChange> {
      RoomChange change;
      change.drafts.push_back(draft);
      return change;
    };
    request.done = [promise](Result<RoomRequest::Answer> answer) {
      promise->set_value(std::move(answer));
    };
    server_.writer.Send(std::move(request));
    return promise->get_future();
  }
  std::vector<StoredEvent> Timeline(const std::string& room) {
    OpenReader reader(server_);
    return reader->Timeline(reader.Head(room), {}).value();
  }

  FakePolicy policy_{"x"};
  std::unique_ptr<Store> store_ = NewMemoryStore(RoomSchema());
  RoomServer server_{*store_, &policy_};
};

class PolicyVersionTest : public PolicyTest,
                          public ::testing::WithParamInterface<std::string> {};

TEST_P(PolicyVersionTest, EveryEventButThePolicyItselfCarriesItsSignature) {
  const std::string room = MakePolicyRoom(GetParam());
  EXPECT_THAT(policy_.TypesAsked(), IsEmpty());
  ASSERT_TRUE(server_.SetMember(room, "@bob:x", "@bob:x", "join").ok());
  const auto sent = server_.Say(room, "@bob:x", "hello");
  ASSERT_TRUE(sent.ok()) << sent.status().ToString();
  EXPECT_THAT(policy_.TypesAsked(),
              ElementsAre("m.room.member", "m.room.message"));

  const auto events = Timeline(room);
  ASSERT_THAT(events, SizeIs(7));
  EXPECT_FALSE(policy_.HasSigned(*events[4].event));  // m.room.policy
  EXPECT_TRUE(policy_.HasSigned(*events[5].event));
  EXPECT_TRUE(policy_.HasSigned(*events[6].event));
  EXPECT_EQ(events[6].event->event_id(), sent->event_ids[0]);
  // Our own signature is still there.
  EXPECT_TRUE(VerifyEventSignature(*events[6].event, "x", server_.key.key_id(),
                                   server_.key.public_key()));
}

INSTANTIATE_TEST_SUITE_P(Versions, PolicyVersionTest,
                         ::testing::Values("1", "6", "11", "12"),
                         [](const auto& test) { return "v" + test.param; });

TEST_F(PolicyTest, WhatItRefusesIsNotSentAndItsErrorIsPassedOn) {
  const std::string room = MakePolicyRoom();
  policy_.refused = {"buy"};
  const auto refused = server_.Say(room, "@alice:x", "buy");
  EXPECT_EQ(refused.status().errcode(), "M_FORBIDDEN");
  EXPECT_EQ(refused.status().message(), "It is spam");
  EXPECT_THAT(Timeline(room), SizeIs(5));
  EXPECT_TRUE(server_.Say(room, "@alice:x", "hello").ok());
}

TEST_F(PolicyTest, OthersOfTheBatchAreShownAgainAfterARefusal) {
  const std::string room = MakePolicyRoom();
  policy_.refused = {"buy"};
  policy_.Hold();
  auto first = StartToSay(room, "one");
  policy_.WaitFor(1);
  auto second = StartToSay(room, "buy");
  auto third = StartToSay(room, "two");
  policy_.Release();
  EXPECT_TRUE(first.get().ok());
  EXPECT_EQ(second.get().status().message(), "It is spam");
  EXPECT_TRUE(third.get().ok());
  const auto events = Timeline(room);
  ASSERT_THAT(events, SizeIs(7));
  EXPECT_EQ(events[5].event->content_json(), R"({"body":"one"})");
  EXPECT_EQ(events[6].event->content_json(), R"({"body":"two"})");
  EXPECT_TRUE(policy_.HasSigned(*events[6].event));
}

TEST_F(PolicyTest, ASignatureByAnotherKeyIsRefused) {
  const std::string room = MakePolicyRoom();
  policy_.UseAnotherKey();
  EXPECT_EQ(server_.Say(room, "@alice:x", "hello").status().errcode(),
            "M_FORBIDDEN");
  // The room gets the new key without asking anybody.
  Enable(room);
  EXPECT_TRUE(server_.Say(room, "@alice:x", "hello").ok());
}

TEST_F(PolicyTest, IsNotAskedWithoutAJoinedUserOfItsServer) {
  FakePolicy elsewhere("policy.example");
  RoomServer server(*store_, &elsewhere);
  const std::string room = server.MakeRoom("11");
  ASSERT_TRUE(server
                  .Send(room, MakeDraft(kTypePolicy, "@alice:x", "",
                                        elsewhere.PolicyContent()))
                  .ok());
  EXPECT_TRUE(server.Say(room, "@alice:x", "hello").ok());
  EXPECT_THAT(elsewhere.TypesAsked(), IsEmpty());

  ASSERT_TRUE(
      server
          .SetMember(room, "@mod:policy.example", "@mod:policy.example", "join")
          .ok());
  EXPECT_THAT(elsewhere.TypesAsked(), IsEmpty());  // Not in the room before.
  EXPECT_TRUE(server.Say(room, "@alice:x", "hello").ok());
  EXPECT_THAT(elsewhere.TypesAsked(), ElementsAre("m.room.message"));

  ASSERT_TRUE(server
                  .SetMember(room, "@mod:policy.example", "@mod:policy.example",
                             "leave")
                  .ok());
  elsewhere.Forget();
  EXPECT_TRUE(server.Say(room, "@alice:x", "hello").ok());
  EXPECT_THAT(elsewhere.TypesAsked(), IsEmpty());
}

TEST_F(PolicyTest, AnIncompletePolicyEventMeansNone) {
  const std::string room = server_.MakeRoom("11");
  for (const char* content :
       {R"({})", R"({"via":"x"})", R"({"via":"x","public_keys":{}})",
        R"({"via":7,"public_keys":{"ed25519":"a"}})",
        R"({"via":"x","public_keys":{"ed25519":7}})"}) {
    ASSERT_TRUE(
        server_.Send(room, MakeDraft(kTypePolicy, "@alice:x", "", content))
            .ok());
    EXPECT_TRUE(server_.Say(room, "@alice:x", "hello").ok()) << content;
  }
  EXPECT_THAT(policy_.TypesAsked(), IsEmpty());
  // A policy with another state key is an event like any other.
  Enable(room);
  ASSERT_TRUE(server_
                  .Send(room, MakeDraft(kTypePolicy, "@alice:x", "other",
                                        policy_.PolicyContent()))
                  .ok());
  EXPECT_THAT(policy_.TypesAsked(), ElementsAre("m.room.policy"));
}

TEST_F(PolicyTest, ARoomThatChangesWhileItIsAskedIsShownAgain) {
  const std::string room = MakePolicyRoom();
  RoomServer other(*store_, &policy_);  // Another process on the same store.
  policy_.Hold();
  auto first = StartToSay(room, "one");
  policy_.WaitFor(1);
  std::thread second(
      [&] { EXPECT_TRUE(other.Say(room, "@alice:x", "two").ok()); });
  policy_.WaitFor(2);
  policy_.Release();
  second.join();
  EXPECT_TRUE(first.get().ok());
  const auto events = Timeline(room);
  ASSERT_THAT(events, SizeIs(7));
  EXPECT_EQ(events[6].event->prev_events()[0], events[5].event->event_id());
  EXPECT_TRUE(policy_.HasSigned(*events[5].event));
  EXPECT_TRUE(policy_.HasSigned(*events[6].event));
}

TEST_F(PolicyTest, ANewRoomMayHaveOneFromTheStart) {
  CreateRoomRequest request;
  request.rules = FindRoomVersion("12");
  request.creator = "@alice:x";
  request.drafts = {
      MakeDraft(kTypeCreate, "@alice:x", "", R"({"room_version":"12"})"),
      MakeDraft(kTypeMember, "@alice:x", "@alice:x",
                R"({"membership":"join"})"),
      MakeDraft(kTypePolicy, "@alice:x", "", policy_.PolicyContent()),
      MakeDraft(kTypeName, "@alice:x", "", R"({"name":"n"})")};
  const auto made = server_.writer.CreateAndWait(std::move(request));
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_THAT(policy_.TypesAsked(), ElementsAre("m.room.name"));
  const auto events = Timeline(made->room_id);
  ASSERT_THAT(events, SizeIs(4));
  EXPECT_TRUE(policy_.HasSigned(*events[3].event));
}

TEST_F(PolicyTest, NothingIsSentWhenNobodyCanAsk) {
  RoomServer alone(*store_);
  const std::string room = alone.MakeRoom("11");
  ASSERT_TRUE(alone
                  .Send(room, MakeDraft(kTypePolicy, "@alice:x", "",
                                        policy_.PolicyContent()))
                  .ok());
  EXPECT_EQ(alone.Say(room, "@alice:x", "hello").status().code(),
            StatusCode::kUnavailable);
  ASSERT_TRUE(
      alone.Send(room, MakeDraft(kTypePolicy, "@alice:x", "", "{}")).ok());
  EXPECT_TRUE(alone.Say(room, "@alice:x", "hello").ok());
}

}  // namespace
}  // namespace matrixcore
