// A server whose store was set back: clients from before the backup and from
// the time that was undone find what is true, and nothing twice.
#include "matrixcore/service/restored.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/service/consistency.h"
#include "scenario/scenario.h"

namespace matrixcore {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::string_view kSliding =
    "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=0";
constexpr std::string_view kSlidingV4 = "/_matrix/client/v4/sync";

class RestoredTest : public ScenarioTest {
 protected:
  // Everything that the store holds.
  void BackUp() {
    server_.Settle();
    const auto snapshot = server_.store().NewSnapshot();
    ASSERT_TRUE(snapshot.ok());
    position_ = (*snapshot)->position();
    backup_ = WriteBatch();
    for (const TableSpec& table : MatrixSchema().tables) {
      backup_.DeleteRows(table, {});
      const auto rows = (*snapshot)->Scan({.table = &table});
      ASSERT_TRUE(rows.ok());
      for (const Row& row : *rows) {
        BatchRow copy;
        for (const Cell& cell : row) {
          std::visit([&](const auto& value) { copy.emplace_back(value); },
                     cell);
        }
        backup_.PutRow(table, std::move(copy));
      }
    }
  }
  // The log stays where it is: as after a restoration, it has gone on.
  void Restore() {
    server_.Settle();
    ASSERT_TRUE(server_.store().Commit(backup_).ok());
    const auto report =
        MarkRestored(server_.store(), position_, server_.time().Now());
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    report_ = *report;
    server_.Restart();
  }

  Answer Sync(const User& user, const std::string& since = "") {
    std::string target = "/_matrix/client/v3/sync?timeout=0";
    if (!since.empty()) target += "&since=" + since;
    return server_.Get(user, target);
  }
  static json::Value Joined(const Answer& sync, const std::string& room) {
    return sync["rooms"]["join"][room];
  }
  static std::vector<std::string> Strings(json::Value list) {
    std::vector<std::string> texts;
    for (const json::Value text : list) {
      texts.emplace_back(text.StringOr(""));
    }
    return texts;
  }
  Answer SlidingSync(const User& user, const std::string& pos,
                     std::string_view target = kSliding) {
    const bool v4 = target == kSlidingV4;
    const std::string body = fmt::format(
        R"({{{}"conn_id":"c","lists":{{"all":{{{},"required_state":{},)"
        R"("timeline_limit":10}}}},)"
        R"("extensions":{{"e2ee":{{"enabled":true}},)"
        R"("to_device":{{"enabled":true}}}}}})",
        v4 && !pos.empty() ? fmt::format(R"("pos":"{}",)", pos) : "",
        v4 ? R"("range":[0,20])" : R"("ranges":[[0,20]])",
        v4 ? R"({"include":[{"type":"m.room.name"}]})"
           : R"([["m.room.name",""]])");
    std::string path(target);
    if (!v4 && !pos.empty()) path += "&pos=" + PercentEncode(pos);
    return server_.Post(user, path, body);
  }
  Answer SendToDevice(const User& from, const User& to, int n) {
    return server_.Put(
        from,
        fmt::format("/_matrix/client/v3/sendToDevice/org.example/d{}",
                    ++transactions_),
        fmt::format(R"({{"messages":{{"{}":{{"{}":{{"n":{}}}}}}}}})",
                    to.user_id, to.device_id, n));
  }
  static std::vector<int64_t> Numbers(const Answer& sync) {
    std::vector<int64_t> numbers;
    for (const json::Value event : sync["to_device"]["events"]) {
      numbers.push_back(event["content"]["n"].AsInt().value_or(-1));
    }
    return numbers;
  }
  Answer UploadKeys(const User& user, std::string body) {
    return server_.Post(user, "/_matrix/client/v3/keys/upload",
                        std::move(body));
  }
  // The id of the key that is given, "" for none.
  std::string ClaimKey(const User& from, const User& of) {
    const Answer answer = server_.Post(
        from, "/_matrix/client/v3/keys/claim",
        fmt::format(
            R"({{"one_time_keys":{{"{}":{{"{}":"signed_curve25519"}}}}}})",
            of.user_id, of.device_id));
    for (const auto [id, key] :
         answer["one_time_keys"][of.user_id][of.device_id].members()) {
      return std::string(id);
    }
    return "";
  }
  std::string PutFilter(const User& user, int limit) {
    return Answer(server_.Post(
                      user,
                      fmt::format("/_matrix/client/v3/user/{}/filter",
                                  PercentEncode(user.user_id)),
                      fmt::format(R"({{"room":{{"timeline":{{"limit":{}}}}}}})",
                                  limit)))
        .String("filter_id");
  }
  Answer MakeKeyBackup(const User& user) {
    return server_.Post(user, "/_matrix/client/v3/room_keys/version",
                        R"({"algorithm":"m.megolm_backup.v1","auth_data":{}})");
  }

  const User alice_ = server_.Register("alice");
  const User bob_ = server_.Register("bob");
  WriteBatch backup_;
  Position position_ = 0;
  RestoredReport report_;
};

TEST_F(RestoredTest, AClientFromBeforeTheBackupMissesNothing) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat"})");
  Join(bob_, room);
  const std::string since = Sync(bob_).String("next_batch");
  Say(alice_, room, "kept");
  SendToDevice(alice_, bob_, 1);
  BackUp();
  Say(alice_, room, "lost");
  Restore();
  Say(alice_, room, "new");
  const Answer sync = Sync(bob_, since);
  EXPECT_THAT(Bodies(Joined(sync, room)["timeline"]["events"]),
              ElementsAre("kept", "new"));
  EXPECT_EQ(Joined(sync, room)["timeline"]["limited"].AsBool(), false);
  EXPECT_THAT(Numbers(sync), ElementsAre(1));
  EXPECT_THAT(Strings(sync["device_lists"]["changed"]),
              Contains(alice_.user_id));
  // And then nothing.
  const Answer next = Sync(bob_, sync.String("next_batch"));
  EXPECT_TRUE(next["rooms"].IsMissing()) << next.text();
  EXPECT_TRUE(next["device_lists"].IsMissing()) << next.text();
  EXPECT_THAT(Numbers(next), IsEmpty());
}

TEST_F(RestoredTest, AClientOfTheLostTimeIsToldWhatIsTrueNow) {
  const std::string room =
      CreateRoom(alice_, R"({"preset":"public_chat","name":"as it was"})");
  Join(bob_, room);
  Say(alice_, room, "kept");
  BackUp();
  Say(alice_, room, "lost");
  SetState(alice_, room, "m.room.name", R"({"name":"lost"})");
  const std::string since = Sync(bob_).String("next_batch");
  Restore();
  Say(alice_, room, "new");
  const Answer sync = Sync(bob_, since);
  const json::Value told = Joined(sync, room);
  // What the client has is not continued.
  EXPECT_EQ(told["timeline"]["limited"].AsBool(), true);
  EXPECT_THAT(Bodies(told["timeline"]["events"]), ElementsAre("kept", "new"));
  EXPECT_THAT(sync.text(), HasSubstr(R"({"name":"as it was"})"));
  EXPECT_THAT(sync.text(), Not(HasSubstr("lost")));
  EXPECT_THAT(Strings(sync["device_lists"]["changed"]),
              Contains(alice_.user_id));
  // Older messages are where they were.
  const Answer page =
      Get(bob_, room,
          fmt::format("messages?dir=b&limit=50&from={}",
                      told["timeline"]["prev_batch"].StringOr("")));
  EXPECT_TRUE(page.ok()) << page.text();
  // And then nothing but what is new.
  Say(alice_, room, "newer");
  const Answer next = Sync(bob_, sync.String("next_batch"));
  EXPECT_EQ(Joined(next, room)["timeline"]["limited"].AsBool(), false);
  EXPECT_THAT(Bodies(Joined(next, room)["timeline"]["events"]),
              ElementsAre("newer"));
}

TEST_F(RestoredTest, AClientOfTheLostTimeHearsOfRoomsThatItIsNotInAnyMore) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat"})");
  Join(bob_, room);
  Post(bob_, room, "leave");
  const std::string stays = CreateRoom(alice_, R"({"preset":"public_chat"})");
  Join(bob_, stays);
  BackUp();
  Join(bob_, room);
  Post(bob_, stays, "leave");
  const std::string since = Sync(bob_).String("next_batch");
  Restore();
  const Answer sync = Sync(bob_, since);
  EXPECT_TRUE(sync["rooms"]["leave"][room].IsObject()) << sync.text();
  EXPECT_TRUE(Joined(sync, room).IsMissing());
  EXPECT_TRUE(Joined(sync, stays).IsObject());
}

TEST_F(RestoredTest, ToDeviceMessagesThatArrivedDoNotComeAgain) {
  const std::string before = Sync(bob_).String("next_batch");
  SendToDevice(alice_, bob_, 1);
  BackUp();
  const Answer got = Sync(bob_, before);
  EXPECT_THAT(Numbers(got), ElementsAre(1));
  // Acknowledged in the lost time.
  const std::string since =
      Sync(bob_, got.String("next_batch")).String("next_batch");
  SendToDevice(alice_, bob_, 2);
  Restore();
  SendToDevice(alice_, bob_, 3);
  EXPECT_THAT(Numbers(Sync(bob_, since)), ElementsAre(3));
}

TEST_F(RestoredTest, AccountDataAndReceiptsAreThoseOfTheBackup) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat"})");
  Join(bob_, room);
  const std::string first = Say(alice_, room, "one");
  const std::string path =
      fmt::format("/_matrix/client/v3/user/{}/account_data/org.example",
                  PercentEncode(bob_.user_id));
  server_.Put(bob_, path, R"({"value":"kept"})");
  Post(bob_, room, "receipt/m.read/" + PercentEncode(first));
  BackUp();
  const std::string second = Say(alice_, room, "two");
  server_.Put(bob_, path, R"({"value":"lost"})");
  Post(bob_, room, "receipt/m.read/" + PercentEncode(second));
  const std::string since = Sync(bob_).String("next_batch");
  Restore();
  Say(alice_, room, "three");
  const Answer sync = Sync(bob_, since);
  EXPECT_THAT(sync.text(), HasSubstr(R"({"value":"kept"})"));
  const json::Value told = Joined(sync, room);
  EXPECT_EQ(told["unread_notifications"]["notification_count"].AsInt(), 1);
  EXPECT_TRUE(told["ephemeral"]["events"].at(0)["content"][first].IsObject())
      << sync.text();
}

TEST_F(RestoredTest, SlidingSyncGoesOnFromBeforeAndBeginsAnewAfterwards) {
  // What a connection was sent is written behind, and may not be in a backup.
  const FaultInjector::Pause pause(server_.faults());
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat"})");
  Join(bob_, room);
  for (const std::string_view form : {kSliding, kSlidingV4}) {
    SCOPED_TRACE(form);
    Say(alice_, room, "old");
    const std::string before = SlidingSync(bob_, "", form).String("pos");
    ASSERT_FALSE(before.empty());
    Say(alice_, room, "kept");
    BackUp();
    const std::string after = SlidingSync(bob_, before, form).String("pos");
    Say(alice_, room, "lost");
    const std::string later = SlidingSync(bob_, after, form).String("pos");
    ASSERT_FALSE(later.empty());
    Restore();
    EXPECT_EQ(SlidingSync(bob_, later, form).Outcome(), "400 M_UNKNOWN_POS");
    const Answer goes_on = SlidingSync(bob_, before, form);
    ASSERT_TRUE(goes_on.ok()) << goes_on.text();
    EXPECT_THAT(goes_on.text(), HasSubstr("\"kept\""));
    EXPECT_THAT(goes_on.text(), Not(HasSubstr("\"lost\"")));
    EXPECT_THAT(
        Strings(goes_on["extensions"]["e2ee"]["device_lists"]["changed"]),
        Contains(alice_.user_id));
    const Answer anew = SlidingSync(bob_, "", form);
    ASSERT_TRUE(anew.ok()) << anew.text();
    EXPECT_THAT(anew.text(), HasSubstr("\"kept\""));
    EXPECT_THAT(anew.text(), Not(HasSubstr("\"lost\"")));
  }
}

TEST_F(RestoredTest, KeysThatMayHaveBeenGivenAwayAreNotGivenAgain) {
  const std::string keys = R"({"one_time_keys":{)"
                           R"("signed_curve25519:A":{"key":"a"},)"
                           R"("signed_curve25519:B":{"key":"b"}}})";
  UploadKeys(bob_, keys);
  UploadKeys(bob_, R"({"fallback_keys":{"signed_curve25519:F":{"key":"f"}}})");
  const std::string since = Sync(bob_).String("next_batch");
  BackUp();
  EXPECT_EQ(ClaimKey(alice_, bob_), "signed_curve25519:A");
  Restore();
  EXPECT_EQ(report_.one_time_keys, 2u);
  EXPECT_EQ(report_.devices, 1u);
  EXPECT_EQ(ClaimKey(alice_, bob_), "signed_curve25519:F");
  const Answer sync = Sync(bob_, since);
  EXPECT_EQ(sync["device_one_time_keys_count"]["signed_curve25519"].AsInt(), 0)
      << sync.text();
  // Replaced at the next opportunity: it may have been used.
  EXPECT_TRUE(sync["device_unused_fallback_key_types"].empty());
  // A device that never had an answer uploads the same again.
  UploadKeys(bob_, keys);
  EXPECT_EQ(ClaimKey(alice_, bob_), "signed_curve25519:F");
  UploadKeys(bob_, R"({"one_time_keys":{"signed_curve25519:C":{"key":"c"}}})");
  EXPECT_EQ(ClaimKey(alice_, bob_), "signed_curve25519:C");
}

TEST_F(RestoredTest, NumbersOfTheLostTimeAreNotGivenAgain) {
  const std::string kept = PutFilter(alice_, 1);
  const Answer first = MakeKeyBackup(alice_);
  ASSERT_TRUE(first.ok()) << first.text();
  const std::string version_path =
      "/_matrix/client/v3/room_keys/version/" + first.String("version");
  const std::string etag =
      Answer(server_.Get(alice_, version_path)).String("etag");
  BackUp();
  const std::string lost_filter = PutFilter(alice_, 2);
  const std::string lost_version = MakeKeyBackup(alice_).String("version");
  Restore();
  EXPECT_EQ(PutFilter(alice_, 1), kept);
  EXPECT_NE(PutFilter(alice_, 3), lost_filter);
  EXPECT_NE(Answer(server_.Get(alice_, version_path)).String("etag"), etag);
  const Answer second = MakeKeyBackup(alice_);
  ASSERT_TRUE(second.ok()) << second.text();
  EXPECT_NE(second.String("version"), lost_version);
}

TEST_F(RestoredTest, WhoLoggedInMeanwhileLogsInAgainWithoutForgettingKeys) {
  BackUp();
  const User phone = server_.Login(bob_);
  Restore();
  const std::string whoami = "/_matrix/client/v3/account/whoami";
  EXPECT_TRUE(Answer(server_.Get(bob_, whoami)).ok());
  const Answer lost = server_.Get(phone, whoami);
  EXPECT_EQ(lost.Outcome(), "401 M_UNKNOWN_TOKEN");
  EXPECT_EQ(lost["soft_logout"].AsBool(), true);
  server_.Advance(seconds(31 * 86400));
  EXPECT_EQ(Answer(server_.Get(phone, whoami))["soft_logout"].AsBool(), false);
}

TEST_F(RestoredTest, CanBeRestoredAgain) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat"})");
  Join(bob_, room);
  BackUp();
  Say(alice_, room, "lost");
  const std::string first = Sync(bob_).String("next_batch");
  Restore();
  Say(alice_, room, "lost too");
  const std::string second = Sync(bob_).String("next_batch");
  Restore();
  for (const std::string& since : {first, second}) {
    const Answer sync = Sync(bob_, since);
    EXPECT_EQ(Joined(sync, room)["timeline"]["limited"].AsBool(), true);
    EXPECT_THAT(sync.text(), Not(HasSubstr("lost")));
  }
}

TEST_F(RestoredTest, TheTablesFitTogether) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat"})");
  Join(bob_, room);
  const std::string event = Say(alice_, room, "hello");
  Post(bob_, room, "receipt/m.read/" + PercentEncode(event));
  UploadKeys(bob_, R"({"one_time_keys":{"signed_curve25519:A":{"key":"a"}}})");
  SendToDevice(alice_, bob_, 1);
  SlidingSync(bob_, SlidingSync(bob_, "").String("pos"));
  BackUp();
  Restore();
  const auto snapshot = server_.store().NewSnapshot();
  ASSERT_TRUE(snapshot.ok());
  const auto problems =
      FindInconsistencies(**snapshot, tables::kSchemaVersion, nullptr);
  ASSERT_TRUE(problems.ok()) << problems.status().ToString();
  EXPECT_THAT(*problems, IsEmpty());
}

TEST_F(RestoredTest, LooseEndsAreFound) {
  const std::string room = CreateRoom(alice_, R"({"preset":"public_chat"})");
  UploadKeys(bob_, R"({"one_time_keys":{"signed_curve25519:A":{"key":"a"}}})");
  server_.Settle();
  const TableSpec& rooms = *MatrixSchema().Find("rooms");
  const TableSpec& devices = *MatrixSchema().Find("devices");
  WriteBatch batch;
  batch.DeleteRows(rooms, {});
  batch.DeleteRow(devices, {bob_.user_id, bob_.device_id});
  ASSERT_TRUE(server_.store().Commit(std::move(batch)).ok());
  const auto snapshot = server_.store().NewSnapshot();
  ASSERT_TRUE(snapshot.ok());
  size_t steps = 0;
  const auto problems = FindInconsistencies(**snapshot, tables::kSchemaVersion,
                                            [&](size_t done, size_t total) {
                                              EXPECT_LE(done, total);
                                              steps = total - done;
                                            });
  ASSERT_TRUE(problems.ok());
  EXPECT_EQ(steps, 0u);
  EXPECT_THAT(*problems, Contains(HasSubstr("events has rows of")));
  EXPECT_THAT(*problems,
              Contains(fmt::format("one_time_keys has rows of \"{}\", \"{}\", "
                                   "which is not in devices",
                                   bob_.user_id, bob_.device_id)));
}

TEST(PositionAfterRestoring, LiesAboveEverythingThatWasGivenOut) {
  // 2026-11-30: ten-microsecond steps since 2020.
  EXPECT_EQ(PositionAfterRestoring(5, {1'796'000'000'000}), 21'816'320'000'000);
  // One second later, at less than 100,000 commits a second.
  EXPECT_EQ(PositionAfterRestoring(5, {1'796'000'001'000}), 21'816'320'100'000);
  // A clock that is wrong.
  EXPECT_EQ(PositionAfterRestoring(5, {0}), 1'000'000'005);
}

}  // namespace
}  // namespace matrixcore
