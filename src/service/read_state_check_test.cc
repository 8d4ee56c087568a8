#include "matrixcore/service/read_state_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/room/history_purge.h"
#include "matrixcore/service/notice_purge.h"
#include "service/sync_world.h"

namespace matrixcore {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ReadStateCheckTest : public ::testing::Test {
 protected:
  // A room with what notifies in the main timeline and in two threads,
  // highlights, a user with rules of their own, receipts of all kinds and a
  // member who came back.
  ReadStateCheckTest() : room_(world_.MakeRoom(kAlice)) {
    world_.Join(room_, kBob);
    const Result<json::Document> rule =
        json::Document::ParseView(R"({"actions":["notify"],"pattern":"tea"})");
    EXPECT_TRUE(
        world_.push_rules.Put(kCarol, {"content", "tea"}, rule->root(), {})
            .ok());
    world_.Join(room_, kCarol);
    root_ = world_.Say(room_, kAlice, "one");
    world_.Say(room_, kBob, "two, with tea");
    Reply(kBob, root_);
    const std::string reply = Reply(kAlice, root_);
    const std::string other = world_.Say(room_, kAlice, "other root");
    Reply(kBob, other);
    world_.Send(room_, kAlice, kTypeMessage, std::nullopt,
                R"({"body":"@room","m.mentions":{"room":true}})");
    last_ =
        world_.Send(room_, kAlice, kTypeMessage, std::nullopt,
                    R"({"body":"you","m.mentions":{"user_ids":["@bob:x"]}})");
    Read(kBob, root_, std::nullopt, "m.read.private");
    Read(kBob, reply, root_, "m.read");
    Read(kCarol, last_, "main", "m.read");
    world_.Leave(room_, kBob);
    world_.Say(room_, kAlice, "without Bob");
    world_.Join(room_, kBob);
    world_.Say(room_, kAlice, "with Bob");
  }

  std::string Reply(std::string_view user, std::string_view root) {
    return world_.Send(
        room_, user, kTypeMessage, std::nullopt,
        fmt::format(
            R"({{"body":"x","m.relates_to":{{"event_id":"{}","rel_type":"m.thread"}}}})",
            root));
  }
  void Read(std::string_view user, const std::string& event,
            std::optional<std::string> thread, std::string type) {
    const Status status = world_.ephemeral.SetReceipt(
        SyncWorld::Of(user), {.room_id = room_,
                              .type = std::move(type),
                              .event_id = event,
                              .thread_id = std::move(thread)});
    EXPECT_TRUE(status.ok()) << status.ToString();
  }

  std::vector<std::string> Whats(size_t chunk = 500) {
    findings_.clear();
    const auto count = CheckReadState(
        *world_.store, room_, {.server_name = "x", .chunk = chunk},
        [this](const RoomFinding& finding) { findings_.push_back(finding); });
    EXPECT_TRUE(count.ok()) << count.status().ToString();
    EXPECT_EQ(*count, findings_.size());
    std::vector<std::string> whats;
    for (const RoomFinding& finding : findings_) {
      whats.push_back(fmt::format("{}: {} / {}", finding.what, finding.stored,
                                  finding.expected));
    }
    return whats;
  }
  std::vector<Row> Rows(const TableSpec& table) {
    return world_.store->NewSnapshot().value()->Scan({.table = &table}).value();
  }
  // Changes one cell of the row with that place in its table.
  void Set(const TableSpec& table, size_t row, uint32_t column,
           BatchCell value) {
    WriteBatch batch;
    batch.DeleteRow(table, KeyOf(table, row));
    const Row cells = Rows(table).at(row);
    BatchRow changed;
    for (const Cell& cell : cells) {
      std::visit([&](const auto& v) { changed.emplace_back(v); }, cell);
    }
    changed[column] = std::move(value);
    batch.PutRow(table, std::move(changed));
    ASSERT_TRUE(world_.store->Commit(std::move(batch)).ok());
  }
  void Delete(const TableSpec& table, size_t row) {
    WriteBatch batch;
    batch.DeleteRow(table, KeyOf(table, row));
    ASSERT_TRUE(world_.store->Commit(std::move(batch)).ok());
  }
  BatchRow KeyOf(const TableSpec& table, size_t row) {
    const Row cells = Rows(table).at(row);
    BatchRow key;
    for (uint32_t i = 0; i < table.key_columns; ++i) {
      std::visit([&](const auto& v) { key.emplace_back(v); }, cells[i]);
    }
    return key;
  }

  SyncWorld world_;
  std::string room_;
  std::string root_;
  std::string last_;
  std::vector<RoomFinding> findings_;
};

TEST_F(ReadStateCheckTest, FindsNothingInWhatTheServerWrites) {
  ASSERT_GE(Rows(tables::kNotices).size(), 9u);
  ASSERT_EQ(Rows(tables::kThreadNotices).size(), 3u);
  ASSERT_EQ(Rows(tables::kNoticeThreads).size(), 2u);
  ASSERT_GE(Rows(tables::kPersonalNotices).size(), 2u);
  ASSERT_EQ(Rows(tables::kReceipts).size(), 3u);
  EXPECT_THAT(Whats(), IsEmpty());
  EXPECT_THAT(Whats(1), IsEmpty());
  EXPECT_THAT(Whats(2), IsEmpty());
}

TEST_F(ReadStateCheckTest, NorAfterAPurge) {
  world_.writer.Drain();
  WriteBatch users;  // Whose rows are purged.
  for (const char* user : {kAlice, kBob, kCarol}) {
    users.PutRow(tables::kUsers,
                 {user, std::monostate(), int64_t{1}, int64_t{0}, int64_t{0},
                  std::monostate(), int64_t{0}, int64_t{0}, int64_t{0}});
  }
  ASSERT_TRUE(world_.store->Commit(std::move(users)).ok());
  HistoryPurgeOptions options{.before_event_id = last_, .delete_local = true};
  const auto purged = PurgeHistory(*world_.store, room_, options);
  ASSERT_TRUE(purged.ok()) << purged.status().ToString();
  ASSERT_TRUE(PurgeNotices(*world_.store, purged->room, purged->cut).ok());
  EXPECT_THAT(Whats(), IsEmpty());
}

TEST_F(ReadStateCheckTest, NamesWrongTotals) {
  Set(tables::kNotices, 2, tables::Notices::kTotal, int64_t{9});
  EXPECT_THAT(Whats(),
              ElementsAre(HasSubstr("unread-totals: 9 of them 0 highlights"),
                          HasSubstr("unread-totals: 4 of them 0 highlights")));
  Set(tables::kNotices, 2, tables::Notices::kTotal, int64_t{3});
  Set(tables::kNotices, 3, tables::Notices::kThreadHighlights, int64_t{1});
  EXPECT_THAT(Whats(), Each(HasSubstr("unread-totals")));
  EXPECT_THAT(Whats(), Contains(HasSubstr("unread-totals")));
}

TEST_F(ReadStateCheckTest, NamesAMissingNotice) {
  Delete(tables::kNotices, 1);
  EXPECT_THAT(Whats(), Contains(HasSubstr("unread-totals")));
}

TEST_F(ReadStateCheckTest, NamesANoticeOfNothing) {
  Set(tables::kNotices, 1, tables::Notices::kIdx, int64_t{1000});
  EXPECT_THAT(Whats(),
              ElementsAre("unread-event: event number 1000 notifies / no row: "
                          "there is no such event"));
  Set(tables::kNotices, 1, tables::Notices::kIdx, int64_t{1});
  EXPECT_THAT(Whats(), Each(HasSubstr("unread-event")));
  EXPECT_THAT(Whats(), Contains(HasSubstr("unread-event: at ")));
}

TEST_F(ReadStateCheckTest, NamesWrongTotalsOfAThread) {
  Set(tables::kThreadNotices, 0, tables::ThreadNotices::kTotal, int64_t{7});
  EXPECT_THAT(Whats(), Contains(HasSubstr("thread-totals")));
  EXPECT_THAT(findings_[0].stored, HasSubstr("7 of them"));
}

TEST_F(ReadStateCheckTest, NamesAWrongNewestOfAThread) {
  Set(tables::kNoticeThreads, 0, tables::NoticeThreads::kTotal, int64_t{7});
  EXPECT_THAT(Whats(), ElementsAre(HasSubstr("thread-totals: newest at")));
}

TEST_F(ReadStateCheckTest, NamesAMissingRowOfAThread) {
  Delete(tables::kThreadNotices, 0);
  EXPECT_THAT(Whats(), Contains("thread-totals: no row / a row of its thread"));
}

TEST_F(ReadStateCheckTest, NamesAPersonalNoticeOfNothing) {
  Set(tables::kPersonalNotices, 0, tables::PersonalNotices::kIdx,
      int64_t{1000});
  EXPECT_THAT(Whats(), ElementsAre(HasSubstr("unread-event: event number 1000 "
                                             "concerns @")));
}

TEST_F(ReadStateCheckTest, NamesWrongReceipts) {
  Set(tables::kReceipts, 0, tables::Receipts::kEventPos, int64_t{1});
  EXPECT_THAT(Whats(), ElementsAre(HasSubstr("receipt: m.read of @")));
}

TEST_F(ReadStateCheckTest, NamesAReceiptOfNothing) {
  Set(tables::kReceipts, 0, tables::Receipts::kEventId, "$nothing");
  EXPECT_THAT(Whats(), ElementsAre(HasSubstr("the room has no such event")));
}

TEST_F(ReadStateCheckTest, NamesAReceiptOfAStranger) {
  Set(tables::kReceipts, 0, tables::Receipts::kUser, "@stranger:y");
  EXPECT_THAT(Whats(), ElementsAre(HasSubstr("was never in the room")));
}

TEST_F(ReadStateCheckTest, NamesAMarkThatLagsBehindAReceipt) {
  const std::vector<Row> marks = Rows(tables::kReadMarks);
  size_t row = 0;
  while (CellText(marks[row][tables::ReadMarks::kUser]) != kCarol ||
         CellText(marks[row][tables::ReadMarks::kThread]) != "main") {
    ++row;
  }
  Set(tables::kReadMarks, row, tables::ReadMarks::kReadPos, int64_t{1});
  EXPECT_THAT(Whats(),
              ElementsAre(HasSubstr("read-mark: @carol:x has read to")));
}

TEST_F(ReadStateCheckTest, NamesAMarkFromTheFuture) {
  Set(tables::kReadMarks, 0, tables::ReadMarks::kReadPos, int64_t{1'000'000});
  EXPECT_THAT(Whats(), ElementsAre(HasSubstr("when that was written")));
}

TEST_F(ReadStateCheckTest, SaysThatThereIsNoSuchRoom) {
  EXPECT_EQ(CheckReadState(*world_.store, "!none:x", {}, {}).status().code(),
            StatusCode::kNotFound);
}

}  // namespace
}  // namespace matrixcore
