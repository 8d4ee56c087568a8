// Sliding sync through the real handlers, in both forms (MSC4186 "Simplified
// Sliding Sync", and the simplified form of MSC3575 that came before it).
#include "matrixcore/base/random.h"
#include "matrixcore/testing/client_keys.h"
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kOld =
    "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
constexpr std::string_view kNew = "/_matrix/client/v4/sync";

class SlidingSyncScenario : public ScenarioTest {
 protected:
  // `members`: of the body, beside the position.
  Answer Slide(const User& user, std::string_view members,
               const std::string& pos = "") {
    std::string body = fmt::format("{{{}", members);
    if (!pos.empty()) {
      body += fmt::format(R"({}"pos":"{}")", members.empty() ? "" : ",", pos);
    }
    return server_.Post(user, kNew, body + "}");
  }
  static std::vector<std::string> Rooms(const Answer& answer) {
    std::vector<std::string> rooms;
    for (const auto [id, room] : answer["rooms"].members()) {
      rooms.emplace_back(id);
    }
    return rooms;
  }

  // A list "all" of all rooms.
  static constexpr std::string_view kAll =
      R"("lists":{"all":{"timeline_limit":5,"required_state":{}}})";

  static int64_t Count(const Answer& answer) {
    return answer["lists"]["all"]["count"].AsInt().value_or(-1);
  }

  const User alice_ = server_.Register("alice");
  const User bob_ = server_.Register("bob");
};

TEST_F(SlidingSyncScenario, BothFormsHaveTheirRoutesAndTheFlag) {
  const std::string room = CreateRoom(alice_);
  EXPECT_THAT(Rooms(Slide(alice_, kAll)), ElementsAre(room));
  const Answer old =
      server_.Post(alice_, kOld,
                   R"({"lists":{"all":{"ranges":[[0,9]],"timeline_limit":1,)"
                   R"("required_state":[]}}})");
  EXPECT_THAT(Rooms(old), ElementsAre(room));
  const Answer versions = server_.Get(alice_, "/_matrix/client/versions");
  EXPECT_EQ(
      versions["unstable_features"]["org.matrix.simplified_msc3575"].AsBool(),
      true);
}

TEST_F(SlidingSyncScenario, TheOlderFormHasItsPositionInTheQuery) {
  const std::string room = CreateRoom(alice_);
  constexpr char kBody[] =
      R"({"lists":{"all":{"ranges":[[0,9]],"timeline_limit":1}}})";
  const std::string pos =
      Answer(server_.Post(alice_, kOld, kBody)).String("pos");
  Say(alice_, room, "hi");
  const Answer next = server_.Post(
      alice_, fmt::format("{}?timeout=0&pos={}", kOld, PercentEncode(pos)),
      kBody);
  EXPECT_THAT(Bodies(next["rooms"][room]["timeline"]), ElementsAre("hi"));
  EXPECT_EQ(server_.Post(alice_, fmt::format("{}?pos=no", kOld), kBody).status,
            400);
  const Answer bad =
      server_.Post(alice_, fmt::format("{}?timeout=soon", kOld), kBody);
  EXPECT_EQ(bad.Outcome(), "400 M_INVALID_PARAM");
}

TEST_F(SlidingSyncScenario, ErrorsHaveTheirCodes) {
  EXPECT_EQ(Answer(server_.Call(HttpMethod::kPost, kNew, "{}")).Outcome(),
            "401 M_MISSING_TOKEN");
  EXPECT_EQ(Slide(alice_, "", "nonsense").Outcome(), "400 M_UNKNOWN_POS");
  EXPECT_EQ(Slide(alice_, R"("set_presence":"dancing")").Outcome(),
            "400 M_INVALID_PARAM");
  EXPECT_EQ(
      server_.Post(alice_, fmt::format("{}?set_presence=dancing", kOld)).status,
      400);
  EXPECT_EQ(Slide(alice_, R"("lists":7)").Outcome(), "400 M_BAD_JSON");
  EXPECT_EQ(Answer(server_.Post(alice_, kNew, "{")).Outcome(),
            "400 M_NOT_JSON");
  const std::string pos = Slide(alice_, kAll).String("pos");
  EXPECT_EQ(Slide(bob_, kAll, pos).Outcome(), "400 M_UNKNOWN_POS");
  EXPECT_EQ(Slide(server_.Login(alice_), kAll, pos).Outcome(),
            "400 M_UNKNOWN_POS");
  EXPECT_TRUE(Slide(alice_, kAll, pos).ok());
}

// MSC4186: a `pos` can be used like a `next_batch`.
TEST_F(SlidingSyncScenario, APositionIsATokenForPages) {
  const std::string room = CreateRoom(alice_);
  const std::string said = Say(alice_, room, "one");
  const std::string pos = Slide(alice_, kAll).String("pos");
  const auto reply = [&](std::string_view body) {
    return Put(alice_, room,
               fmt::format("send/m.room.message/r{}", ++transactions_),
               fmt::format(R"({{"body":"{}","msgtype":"m.text",)"
                           R"("m.relates_to":{{"rel_type":"m.thread",)"
                           R"("event_id":"{}"}}}})",
                           body, said));
  };
  reply("later");
  EXPECT_THAT(Bodies(Get(alice_, room,
                         "messages?dir=f&from=" + PercentEncode(pos))["chunk"]),
              ElementsAre("later"));
  EXPECT_THAT(
      Bodies(Get(alice_, room,
                 "messages?dir=b&limit=1&from=" + PercentEncode(pos))["chunk"]),
      ElementsAre("one"));
  EXPECT_THAT(
      Bodies(Answer(server_.Get(
          alice_,
          fmt::format("/_matrix/client/v1/rooms/{}/relations/{}?dir=f&from={}",
                      PercentEncode(room), PercentEncode(said),
                      PercentEncode(pos))))["chunk"]),
      ElementsAre("later"));
}

TEST_F(SlidingSyncScenario, AForgottenRoomIsCountedNoMore) {
  const std::string kept = CreateRoom(alice_);
  const std::string room = CreateRoom(bob_, R"({"preset":"public_chat"})");
  Join(alice_, room);
  ASSERT_TRUE(Post(bob_, room, "kick",
                   fmt::format(R"({{"user_id":"{}"}})", alice_.user_id))
                  .ok());
  const Answer kicked = Slide(alice_, kAll);
  EXPECT_EQ(Count(kicked), 2);
  EXPECT_EQ(kicked["rooms"][room]["membership"].StringOr(""), "leave");
  ASSERT_TRUE(Post(alice_, room, "forget").ok());
  const Answer forgotten = Slide(alice_, kAll, kicked.String("pos"));
  EXPECT_EQ(Count(forgotten), 1);
  EXPECT_THAT(Rooms(forgotten), IsEmpty());
  // It is back when the user is.
  Join(alice_, room);
  const Answer back = Slide(alice_, kAll, forgotten.String("pos"));
  EXPECT_EQ(Count(back), 2);
  EXPECT_EQ(back["rooms"][room]["initial"].AsBool(), true);
  ASSERT_TRUE(Post(alice_, room, "leave").ok());
  ASSERT_TRUE(Post(alice_, room, "forget").ok());
  EXPECT_EQ(Count(Slide(alice_, kAll)), 1);
}

TEST_F(SlidingSyncScenario, LeavingAForgottenRoomIsTold) {
  const std::string room = CreateRoom(alice_);
  const std::string pos = Slide(alice_, kAll).String("pos");
  ASSERT_TRUE(Post(alice_, room, "leave").ok());
  ASSERT_TRUE(Post(alice_, room, "forget").ok());
  const Answer told = Slide(alice_, kAll, pos);
  EXPECT_EQ(told["rooms"][room]["membership"].StringOr(""), "leave");
  const Answer next = Slide(alice_, kAll, told.String("pos"));
  EXPECT_EQ(Count(next), 0);
  EXPECT_THAT(Rooms(next), IsEmpty());
}

// The place of a room that was forgotten is taken by the next.
TEST_F(SlidingSyncScenario, WhatComesIntoViewByForgettingIsTold) {
  constexpr std::string_view kFirst =
      R"("lists":{"all":{"range":[0,0],"timeline_limit":1,)"
      R"("required_state":{}}})";
  const std::string below = CreateRoom(alice_);
  const std::string room = CreateRoom(alice_);
  Answer answer = Slide(alice_, kFirst);
  EXPECT_THAT(Rooms(answer), ElementsAre(room));
  answer = Slide(alice_, kFirst, answer.String("pos"));
  ASSERT_TRUE(Post(alice_, room, "leave").ok());
  answer = Slide(alice_, kFirst, answer.String("pos"));
  EXPECT_THAT(Rooms(answer), ElementsAre(room));
  ASSERT_TRUE(Post(alice_, room, "forget").ok());
  answer = Slide(alice_, kFirst, answer.String("pos"));
  EXPECT_THAT(Rooms(answer), ElementsAre(below));
}

TEST_F(SlidingSyncScenario, ToDeviceMessagesGoWhenTheirTokenComesBack) {
  // They are taken away behind the answer; where that fails, with the next.
  const FaultInjector::Pause pause(server_.faults());
  const auto send = [&](int n) {
    return server_.Put(
        bob_, fmt::format("/_matrix/client/v3/sendToDevice/org.a/t{}", n),
        fmt::format(R"({{"messages":{{"{}":{{"*":{{"n":{}}}}}}}}})",
                    alice_.user_id, n));
  };
  for (int n = 1; n <= 3; ++n) ASSERT_TRUE(Answer(send(n)).ok());
  const auto read = [&](std::string_view since) {
    return Slide(
        alice_,
        fmt::format(
            R"("extensions":{{"to_device":{{"enabled":true,)"
            R"("limit":2{}}}}})",
            since.empty() ? "" : fmt::format(R"(,"since":"{}")", since)));
  };
  const auto numbers = [](const Answer& answer) {
    std::vector<int64_t> all;
    for (const json::Value event :
         answer["extensions"]["to_device"]["events"]) {
      EXPECT_EQ(event["type"].StringOr(""), "org.a");
      all.push_back(event["content"]["n"].AsInt().value_or(0));
    }
    return all;
  };
  const Answer first = read("");
  EXPECT_THAT(numbers(first), ElementsAre(1, 2));
  EXPECT_THAT(numbers(read("")), ElementsAre(1, 2));
  const auto next = [](const Answer& answer) {
    return std::string(
        answer["extensions"]["to_device"]["next_batch"].StringOr(""));
  };
  const Answer second = read(next(first));
  EXPECT_THAT(numbers(second), ElementsAre(3));
  CreateRoom(alice_);  // What was queued is committed before that.
  const Answer third = read(next(second));
  EXPECT_THAT(numbers(third), IsEmpty());
  CreateRoom(alice_);
  EXPECT_THAT(numbers(read("")), IsEmpty());
}

TEST_F(SlidingSyncScenario, TheE2eeExtensionFollowsKeysAndDeviceLists) {
  constexpr std::string_view kE2ee =
      R"("extensions":{"e2ee":{"enabled":true}})";
  const std::string room =
      CreateRoom(alice_, R"({"preset":"public_chat",)"
                         R"("initial_state":[{"type":)"
                         R"("m.room.encryption","content":)"
                         R"({"algorithm":"m.megolm.v1.aes-sha2"}}]})");
  const Answer first = Slide(alice_, kE2ee);
  const json::Value counts =
      first["extensions"]["e2ee"]["device_one_time_keys_count"];
  EXPECT_TRUE(counts.IsObject());
  EXPECT_EQ(
      first["extensions"]["e2ee"]["device_unused_fallback_key_types"].raw(),
      "[]");
  EXPECT_FALSE(first["extensions"]["e2ee"]["device_lists"]);
  const std::unique_ptr<Random> random = NewSeededRandom(1);
  const auto upload = [&](const User& user, std::string body) {
    EXPECT_TRUE(
        server_.Post(user, "/_matrix/client/v3/keys/upload", std::move(body))
            .status == 200);
  };
  const ClientKey key(*random, bob_.device_id);
  upload(bob_, fmt::format(R"({{"device_keys":{}}})",
                           DeviceKeysJson(bob_.user_id, bob_.device_id, key)));
  Join(bob_, room);
  const Answer joined = Slide(alice_, kE2ee, first.String("pos"));
  EXPECT_EQ(joined["extensions"]["e2ee"]["device_lists"]["changed"].raw(),
            fmt::format(R"(["{}"])", bob_.user_id));
  const ClientKey own(*random, alice_.device_id);
  upload(alice_,
         fmt::format(
             R"({{"device_keys":{},"one_time_keys":{{)"
             R"("signed_curve25519:A":{}}},"fallback_keys":{{)"
             R"("signed_curve25519:F":{}}}}})",
             DeviceKeysJson(alice_.user_id, alice_.device_id, own),
             own.Sign(R"({"key":"AAAA"})", alice_.user_id),
             own.Sign(R"({"fallback":true,"key":"BBBB"})", alice_.user_id)));
  Post(bob_, room, "leave");
  const Answer left = Slide(alice_, kE2ee, joined.String("pos"));
  const json::Value e2ee = left["extensions"]["e2ee"];
  EXPECT_EQ(e2ee["device_lists"]["left"].raw(),
            fmt::format(R"(["{}"])", bob_.user_id));
  EXPECT_EQ(e2ee["device_one_time_keys_count"]["signed_curve25519"].AsInt(), 1);
  EXPECT_EQ(e2ee["device_unused_fallback_key_types"].raw(),
            R"(["signed_curve25519"])");
}

TEST_F(SlidingSyncScenario, ConnectionsSurviveARestart) {
  // What a connection was sent is written behind; where that fails, the client
  // has to begin anew after a restart.
  const FaultInjector::Pause pause(server_.faults());
  const std::string room = CreateRoom(alice_);
  const std::string pos = Slide(alice_, kAll).String("pos");
  server_.Restart();
  Say(alice_, room, "hi");
  const Answer next = Slide(alice_, kAll, pos);
  EXPECT_THAT(Bodies(next["rooms"][room]["timeline"]), ElementsAre("hi"));
  EXPECT_FALSE(next["rooms"][room]["initial"]);
}

}  // namespace
}  // namespace matrixcore
