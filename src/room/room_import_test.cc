#include "matrixcore/room/room_import.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/room/room_export.h"
#include "matrixcore/room/room_rows.h"
#include "room/room_files.h"
#include "room/test_room.h"
#include "room/test_stores.h"
#include "vectors/vectors.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The text without its first and last line, which name the time.
std::string Body(const std::string& text) {
  const size_t first = text.find('\n') + 1;
  return text.substr(first, text.rfind('\n', text.size() - 2) - first);
}

class RoomImportTest : public ::testing::TestWithParam<StoreKind> {
 protected:
  KeyLookup OwnKey() {
    return [this](std::string_view, std::string_view key_id,
                  int64_t) -> std::optional<Ed25519PublicKey> {
      if (key_id != server_.key.key_id()) return std::nullopt;
      return server_.key.public_key();
    };
  }
  std::string Export(Store& store, const std::string& room,
                     bool state_only = false, const std::string& since = {}) {
    std::string text;
    RoomExportOptions options{.server_name = "x", .now = {1}, .keys = OwnKey()};
    options.state_only = state_only;
    options.since_event_id = since;
    const auto result =
        ExportRoom(store, room, options, [&text](std::string_view bytes) {
          text += bytes;
          return OkStatus();
        });
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return text;
  }
  Result<RoomImportResult> Import(const std::string& text,
                                  size_t batch_events = 500) {
    findings_.clear();
    RoomImportOptions options;
    options.server_name = "x";
    options.now = {2};
    options.batch_events = batch_events;
    options.report = [this](const RoomFinding& finding) {
      findings_.push_back(fmt::format("{} {}: {} / {} {}", finding.what,
                                      finding.event_id, finding.stored,
                                      finding.expected, finding.rule));
    };
    RoomFileReader reader = ReaderOf(text);
    return ImportRoom(*copy_, reader, options);
  }
  // How many rows of all tables the store has.
  size_t Rows(Store& store) {
    size_t rows = 0;
    const auto snapshot = store.NewSnapshot().value();
    for (const TableSpec& table : tables::RoomTables()) {
      const size_t more = snapshot->Scan({.table = &table}).value().size();
      rows += more;
    }
    return rows;
  }
  static std::string Must(const Result<RoomRequest::Answer>& answer) {
    EXPECT_TRUE(answer.ok()) << answer.status().ToString();
    return answer.ok() ? answer->event_ids[0] : "";
  }
  std::string BusyRoom(std::string_view version) {
    const std::string room =
        server_.MakeRoom(version, fmt::format("!busy{}:x", version));
    Must(server_.SetMember(room, "@bob:x", "@bob:x", "join"));
    const std::string hello = Must(server_.Say(room, "@bob:x", "hello"));
    Must(server_.Send(
        room,
        MakeDraft(
            kTypeMessage, "@bob:x", std::nullopt,
            fmt::format(
                R"({{"body":"* hi","m.new_content":{{"body":"hi"}},"m.relates_to":{{"rel_type":"m.replace","event_id":"{}"}}}})",
                hello))));
    EventDraft redaction =
        MakeDraft(kTypeRedaction, "@alice:x", std::nullopt, "{}");
    redaction.redacts = Must(server_.Say(room, "@bob:x", "rude"));
    Must(server_.Send(room, redaction));
    server_.clock.now_ms -= 5000;
    Must(server_.Say(room, "@alice:x", "late"));
    server_.clock.now_ms += 5000;
    Must(server_.Send(
        room, MakeDraft(kTypeTopic, "@alice:x", "", R"({"topic":"tea"})")));
    Must(server_.SetMember(room, "@bob:x", "@bob:x", "leave"));
    return room;
  }

  TestStore store_{GetParam(), RoomSchema()};
  TestStore copy_{GetParam(), RoomSchema()};
  RoomServer server_{*store_};
  std::vector<std::string> findings_;
};

INSTANTIATE_TEST_SUITE_P(Stores, RoomImportTest,
                         ::testing::Values(StoreKind::kMemory,
                                           StoreKind::kSqlite),
                         StoreKindName);

TEST_P(RoomImportTest, TheExportOfAnImportIsTheFirstExport) {
  for (const std::string_view version : {"1", "6", "12"}) {
    const std::string room = BusyRoom(version);
    const std::string text = Export(*store_, room);
    for (const size_t batch : {size_t{1}, size_t{4}, size_t{500}}) {
      const auto imported = Import(text, batch);
      ASSERT_TRUE(imported.ok()) << imported.status().ToString();
      EXPECT_THAT(findings_, IsEmpty());
      EXPECT_EQ(imported->events, 12u);
      EXPECT_EQ(imported->joined, 1);
      EXPECT_EQ(Body(Export(*copy_, room)), Body(text)) << version;
      // Make way for the next.
      RoomServer other(*copy_);
      const RoomNid nid = OpenReader(other).Head(room).nid;
      WriteBatch batch_out;
      batch_out.DeleteRow(tables::kRooms, {nid});
      batch_out.DeleteRow(tables::kMemberships, {"@alice:x", nid});
      batch_out.DeleteRow(tables::kMemberships, {"@bob:x", nid});
      ASSERT_TRUE(copy_->Commit(std::move(batch_out)).ok());
      ASSERT_TRUE(DeleteStagedRoom(*copy_, nid).ok());
      EXPECT_EQ(Rows(*copy_), 0u);
    }
  }
}

TEST_P(RoomImportTest, TheRoomGoesOn) {
  const std::string room = BusyRoom("12");
  ASSERT_TRUE(Import(Export(*store_, room)).ok());
  RoomServer other(*copy_);
  const auto sent = other.Say(room, "@alice:x", "still here");
  ASSERT_TRUE(sent.ok()) << sent.status().ToString();
  const RoomHead head = OpenReader(other).Head(room);
  EXPECT_EQ(head.joined, 1);
  EXPECT_EQ(OpenReader(other)->Previews({&head.nid, 1}).value()[0].topic,
            "tea");
  EXPECT_EQ(
      OpenReader(other)->MembershipOf("@bob:x", head.nid).value()->membership,
      Membership::kLeave);
}

TEST_P(RoomImportTest, ForkedRoomsOfEveryVersionComeInAndOutAgain) {
  for (const std::string name : kForkedRooms) {
    SCOPED_TRACE(name);
    const std::string text =
        ForkedRoomFile(vectors::ReadLines(name), *server_.random);
    const auto imported = Import(text, 7);
    ASSERT_TRUE(imported.ok()) << imported.status().ToString();
    EXPECT_THAT(findings_, IsEmpty());
    RoomServer other(*copy_);
    const RoomHead head = OpenReader(other).Head(imported->room_id);
    EXPECT_GT(head.extremities.size(), 1u);
    EXPECT_EQ(Body(Export(*copy_, imported->room_id)), Body(text));
  }
}

TEST_P(RoomImportTest, ARoomThatIsHereStaysAsItIs) {
  const std::string room = BusyRoom("12");
  const std::string text = Export(*store_, room);
  ASSERT_TRUE(Import(text).ok());
  const size_t rows = Rows(*copy_);
  const auto again = Import(text);
  EXPECT_EQ(again.status().code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(again.status().message(), HasSubstr("purge-room"));
  EXPECT_EQ(Rows(*copy_), rows);
}

TEST_P(RoomImportTest, ATornFileLeavesNothing) {
  const std::string room = BusyRoom("12");
  const std::string text = Export(*store_, room);
  for (const size_t size : {text.size() / 3, text.size() - 10}) {
    const auto torn = Import(text.substr(0, size), 2);
    EXPECT_EQ(torn.status().code(), StatusCode::kDataLoss);
    EXPECT_EQ(Rows(*copy_), 0u);
  }
}

// As if the process had died: rows stay, but nobody sees a room.
TEST_P(RoomImportTest, ABrokenOffImportIsClearedAwayByTheNext) {
  const std::string room = BusyRoom("12");
  const std::string text = Export(*store_, room);
  WriteBatch batch;
  const PositionRef nid = batch.NewPosition();
  batch.PutRow(tables::kStagedRooms, {nid, room, int64_t{0}, int64_t{1}});
  const auto located =
      OpenReader(server_)->Event(OpenReader(server_).Head(room).extremities[0]);
  const Event& event = *(*located)->stored.event;
  batch.PutRow(tables::kEvents,
               {nid, int64_t{1}, batch.NewPosition(), event.event_id(),
                "m.room.member", "@bob:x", "@bob:x", int64_t{0}, int64_t{0},
                int64_t{0}, int64_t{0}, int64_t{0}, std::monostate(),
                std::monostate(), int64_t{1}, int64_t{1}, event.json()});
  ASSERT_TRUE(copy_->Commit(std::move(batch)).ok());
  {
    RoomServer other(*copy_);
    OpenReader reader(other);
    EXPECT_FALSE(reader->Event(event.event_id()).value());
    EXPECT_FALSE(reader->Head(room).value());
    EXPECT_THAT(reader->Log(0, 10).value(), IsEmpty());
  }
  const auto imported = Import(text);
  ASSERT_TRUE(imported.ok()) << imported.status().ToString();
  EXPECT_EQ(Body(Export(*copy_, room)), Body(text));
}

TEST_P(RoomImportTest, WhatTheRulesForbidIsRefusedWhole) {
  const std::string room = BusyRoom("12");
  // A message of Bob's, marked as rejected for nothing.
  const std::string text = Export(*store_, room);
  RoomFileReader reader = ReaderOf(text);
  std::string changed;
  RoomFileWriter writer([&changed](std::string_view bytes) {
    changed += bytes;
    return OkStatus();
  });
  for (auto record = reader.Next(); record.ok() && *record;
       record = reader.Next()) {
    if (auto* event = std::get_if<RoomFileEvent>(&**record)) {
      if (event->event->type() == kTypeTopic) event->flags = kEventRejected;
    }
    if (std::holds_alternative<RoomFileEnd>(**record)) break;
    ASSERT_TRUE(writer.Write(**record).ok());
  }
  ASSERT_TRUE(writer.Finish().ok());
  const auto imported = Import(changed);
  EXPECT_EQ(imported.status().code(), StatusCode::kDataLoss);
  ASSERT_EQ(findings_.size(), 1u) << findings_[1];
  EXPECT_THAT(findings_[0], HasSubstr("rejected"));
  EXPECT_EQ(Rows(*copy_), 0u);
}

TEST_P(RoomImportTest, SignaturesNeedKeys) {
  const std::string room = BusyRoom("12");
  std::string text;
  RoomExportOptions options{.server_name = "x", .now = {1}};
  ASSERT_TRUE(ExportRoom(*store_, room, options, [&text](auto bytes) {
                text += bytes;
                return OkStatus();
              }).ok());
  EXPECT_THAT(Import(text).status().message(),
              HasSubstr("no key for the signatures of 12 events, first x "
                        "ed25519:test"));
  EXPECT_EQ(Rows(*copy_), 0u);
}

TEST_P(RoomImportTest, StateAloneIsNoRoom) {
  const std::string room = BusyRoom("12");
  EXPECT_EQ(Import(Export(*store_, room, true)).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST_P(RoomImportTest, AGraphThatBeginsLaterComesInCut) {
  const std::string room = BusyRoom("12");
  const RoomHead head = OpenReader(server_).Head(room);
  const auto topic =
      OpenReader(server_)->StateEvent(head, head.state, kTypeTopic, "").value();
  const std::string text = Export(*store_, room, false, topic->event_id());
  const auto imported = Import(text, 2);
  ASSERT_TRUE(imported.ok()) << imported.status().ToString();
  EXPECT_THAT(findings_, IsEmpty());
  RoomServer other(*copy_);
  const RoomHead copied = OpenReader(other).Head(room);
  const auto timeline = OpenReader(other)->Timeline(copied, {}).value();
  ASSERT_EQ(timeline.size(), 2u);
  EXPECT_EQ(timeline[0].event->event_id(), topic->event_id());
  ASSERT_TRUE(other.Say(room, "@alice:x", "go on").ok());
  EXPECT_EQ(Export(*copy_, room).find("\"scope\":\"all\""),
            Export(*copy_, room).find("\"scope\""));
}

TEST_P(RoomImportTest, BlockedRoomsStayOut) {
  const std::string room = BusyRoom("12");
  WriteBatch batch;
  BlockRoom(batch, room, "@admin:x", {1});
  ASSERT_TRUE(copy_->Commit(std::move(batch)).ok());
  EXPECT_EQ(Import(Export(*store_, room)).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST_P(RoomImportTest, AliasesAreTakenWhereTheyAreFree) {
  const std::string room = BusyRoom("12");
  const RoomNid nid = OpenReader(server_).Head(room).nid;
  WriteBatch batch;
  batch.PutRow(tables::kAliases, {"#free:x", nid, "@alice:x"});
  batch.PutRow(tables::kAliases, {"#taken:x", nid, "@alice:x"});
  batch.PutRow(tables::kAliases, {"#away:y", nid, "@alice:x"});
  ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  WriteBatch taken;
  taken.PutRow(tables::kAliases, {"#taken:x", int64_t{1}, "@eve:x"});
  ASSERT_TRUE(copy_->Commit(std::move(taken)).ok());
  const auto imported = Import(Export(*store_, room));
  ASSERT_TRUE(imported.ok());
  EXPECT_THAT(imported->skipped_aliases, ElementsAre("#away:y", "#taken:x"));
}

}  // namespace
}  // namespace matrixcore
