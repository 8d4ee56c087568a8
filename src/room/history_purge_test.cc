#include "matrixcore/room/history_purge.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "matrixcore/room/auth_tables.h"
#include "matrixcore/room/room_check.h"
#include "room/test_room.h"
#include "room/test_stores.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class HistoryPurgeTest : public ::testing::TestWithParam<StoreKind> {
 protected:
  void SetUp() override {
    room_ = server_.MakeRoom("12");
    Must(server_.SetMember(room_, "@bob:x", "@bob:x", "join"));
    for (int i = 0; i < 6; ++i) {
      said_.push_back(Must(server_.Say(room_, "@bob:x", fmt::format("{}", i))));
      Must(server_.Send(room_,
                        MakeDraft(kTypeTopic, "@alice:x", "",
                                  fmt::format(R"({{"topic":"{}"}})", i))));
      server_.clock.now_ms += 1000;
    }
    // Of a thread, one event on each side of the cut.
    Must(Reply(said_[0]));
    cut_ = Must(Reply(said_[0]));
    Must(server_.SetMember(room_, "@bob:x", "@bob:x", "leave"));
  }

  static std::string Must(const Result<RoomRequest::Answer>& answer) {
    EXPECT_TRUE(answer.ok()) << answer.status().ToString();
    return answer.ok() ? answer->event_ids[0] : "";
  }
  Result<RoomRequest::Answer> Reply(const std::string& root) {
    return server_.Send(
        room_,
        MakeDraft(
            kTypeMessage, "@bob:x", std::nullopt,
            fmt::format(
                R"({{"body":"so","m.relates_to":{{"rel_type":"m.thread","event_id":"{}"}}}})",
                root)));
  }

  Result<HistoryPurgeResult> Purge(HistoryPurgeOptions options) {
    options.server_name = "x";
    auto result = PurgeHistory(*store_, room_, options);
    server_.caches.ForgetRoom(Head().nid);
    return result;
  }
  RoomHead Head() { return OpenReader(server_).Head(room_); }
  std::vector<std::string> Findings() {
    std::vector<std::string> found;
    RoomCheckOptions options{.server_name = "x"};
    options.keys = [this](std::string_view, std::string_view,
                          int64_t) -> std::optional<Ed25519PublicKey> {
      return server_.key.public_key();
    };
    const auto result =
        CheckRoom(*store_, room_, options, [&found](const RoomFinding& f) {
          found.push_back(fmt::format("{} {}: {} / {}", f.what, f.event_id,
                                      f.stored, f.expected));
        });
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return found;
  }
  std::vector<std::string> Timeline() {
    std::vector<std::string> ids;
    OpenReader reader(server_);
    const std::vector<StoredEvent> events =
        reader->Timeline(reader.Head(room_), {}).value();
    for (const StoredEvent& event : events) {
      ids.push_back(event.event->event_id());
    }
    return ids;
  }
  size_t Rows(const TableSpec& table) {
    return store_->NewSnapshot().value()->Scan({.table = &table})->size();
  }

  TestStore store_{GetParam(), RoomSchema()};
  RoomServer server_{*store_};
  std::string room_;
  std::vector<std::string> said_;
  std::string cut_;
};

INSTANTIATE_TEST_SUITE_P(Stores, HistoryPurgeTest,
                         ::testing::Values(StoreKind::kMemory,
                                           StoreKind::kSqlite),
                         StoreKindName);

TEST_P(HistoryPurgeTest, KeepsTheEndAndWhatAuthorisesIt) {
  const auto purged = Purge({.before_event_id = cut_, .delete_local = true});
  ASSERT_TRUE(purged.ok()) << purged.status().ToString();
  // Six messages, five old topics, a reply.
  EXPECT_EQ(purged->deleted, 12u);
  // Create, two joins, power levels, join rules, the newest topic.
  EXPECT_EQ(purged->kept, 6u);
  EXPECT_EQ(Rows(tables::kEvents), 8u);
  EXPECT_THAT(Findings(), IsEmpty());
  const std::vector<std::string> timeline = Timeline();
  ASSERT_EQ(timeline.size(), 2u);
  EXPECT_EQ(timeline[0], cut_);
}

TEST_P(HistoryPurgeTest, TheRoomGoesOn) {
  ASSERT_TRUE(Purge({.before_event_id = cut_, .delete_local = true}).ok());
  Must(server_.SetMember(room_, "@bob:x", "@bob:x", "join"));
  Must(server_.Send(
      room_, MakeDraft(kTypeTopic, "@alice:x", "", R"({"topic":"new"})")));
  Must(Reply(said_[0]));
  EXPECT_THAT(Findings(), IsEmpty());
  // Of the thread two replies are left, of its root nothing.
  OpenReader reader(server_);
  const std::string_view root = said_[0];
  const auto summary =
      reader->RelationSummaries(reader.Head(room_), {&root, 1}).value()[0];
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->threaded, 2);
  EXPECT_EQ(summary->target_idx, 0u);
}

TEST_P(HistoryPurgeTest, WhatLocalUsersSentStaysAsOutliers) {
  const auto purged = Purge({.before_event_id = cut_});
  ASSERT_TRUE(purged.ok());
  EXPECT_EQ(purged->deleted, 0u);
  EXPECT_EQ(Timeline().size(), 2u);
  EXPECT_EQ(OpenReader(server_)->Event(said_[0]).value()->stored.flags,
            kEventOutlier);
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_P(HistoryPurgeTest, StateStaysWhenItIsWanted) {
  const auto purged = Purge(
      {.before_event_id = cut_, .keep_state = true, .delete_local = true});
  ASSERT_TRUE(purged.ok());
  EXPECT_EQ(purged->deleted, 7u);
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_P(HistoryPurgeTest, CutsAtATime) {
  // The fourth message came three seconds after the first.
  const int64_t start = OpenReader(server_)
                            ->Event(said_[0])
                            .value()
                            ->stored.event->origin_server_ts();
  ASSERT_TRUE(Purge({.before = {start + 3000}, .delete_local = true}).ok());
  EXPECT_EQ(Timeline().front(), said_[3]);
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_P(HistoryPurgeTest, TheEndAlwaysStays) {
  ASSERT_TRUE(Purge({.before = {INT64_MAX}, .delete_local = true}).ok());
  EXPECT_THAT(Timeline(), ElementsAre(Head().extremities[0]));
  EXPECT_THAT(Findings(), IsEmpty());
}

// The room is whole after every commit, and another run completes the work.
TEST_P(HistoryPurgeTest, CanBreakOffAnywhere) {
  for (int commits = 1; commits < 12; commits += 2) {
    int left = commits;
    HistoryPurgeOptions dies{.before_event_id = cut_, .delete_local = true};
    dies.batch_events = 2;
    dies.also = [&left](RoomNid, std::span<const Position>) {
      return --left > 0 ? OkStatus()
                        : Status(StatusCode::kUnavailable, "killed");
    };
    const bool done = Purge(dies).ok();
    EXPECT_THAT(Findings(), IsEmpty()) << commits;
    if (done) break;
  }
  ASSERT_TRUE(Purge({.before_event_id = cut_, .delete_local = true}).ok());
  EXPECT_EQ(Rows(tables::kEvents), 8u);
  EXPECT_THAT(Findings(), IsEmpty());
}

TEST_P(HistoryPurgeTest, StatesBelowTheCutGo) {
  const size_t before = Rows(tables::kStateSnaps);
  ASSERT_TRUE(Purge({.before_event_id = cut_, .delete_local = true}).ok());
  // That at the cut with its bases, and that of Bob's leave.
  EXPECT_LT(Rows(tables::kStateSnaps), before / 2);
  OpenReader reader(server_);
  const RoomHead head = reader.Head(room_);
  EXPECT_EQ(reader->StateEvents(head, head.state).value().size(), 6u);
}

TEST_P(HistoryPurgeTest, AuthEdgesGoWithTheirEvents) {
  const auto edges = [this] {
    std::vector<EventIdx> idxs;
    const auto snapshot = store_->NewSnapshot().value();
    const auto rows = snapshot->Scan({.table = &tables::kAuthEdges}).value();
    for (const Row& row : rows) {
      idxs.push_back(
          static_cast<EventIdx>(CellInt(row[tables::AuthEdges::kIdx])));
    }
    return idxs;
  };
  const auto states = [this] {
    std::vector<EventIdx> idxs;
    const auto snapshot = store_->NewSnapshot().value();
    const auto rows = snapshot->Scan({.table = &tables::kEvents}).value();
    for (const Row& row : rows) {
      if (IsNull(row[tables::Events::kStateKey])) continue;
      idxs.push_back(static_cast<EventIdx>(CellInt(row[tables::Events::kIdx])));
    }
    return idxs;
  };
  const size_t before = edges().size();
  EXPECT_EQ(edges(), states());
  ASSERT_TRUE(Purge({.before_event_id = cut_, .delete_local = true}).ok());
  EXPECT_LT(edges().size(), before);
  EXPECT_EQ(edges(), states());
}

TEST_P(HistoryPurgeTest, SaysWhatIsNotThere) {
  EXPECT_EQ(Purge({.before_event_id = "$none"}).status().code(),
            StatusCode::kNotFound);
  EXPECT_EQ(PurgeHistory(*store_, "!none:x", {}).status().code(),
            StatusCode::kNotFound);
}

}  // namespace
}  // namespace matrixcore
