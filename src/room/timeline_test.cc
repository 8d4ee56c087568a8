// Every order in which events are read, against sorting all of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "room/rows.h"
#include "room/test_room.h"

namespace matrixcore {
namespace {

class TimelineTest : public ::testing::Test {
 protected:
  // Two rooms at once, so that positions have gaps.  Most messages come in the
  // order of time, many at the same time, some late, one from the far future.
  void FillRooms(uint64_t seed, int messages) {
    const auto random = NewSeededRandom(seed);
    store_ = NewMemoryStore(RoomSchema());
    RoomServer server(*store_);
    room_ = server.MakeRoom("11");
    const std::string other = server.MakeRoom("12");
    int64_t now = server.clock.now_ms;
    for (int i = 0; i < messages; ++i) {
      now += static_cast<int64_t>(random->Below(3));
      EventDraft draft =
          MakeDraft(kTypeMessage, "@alice:x", std::nullopt, "{}");
      draft.origin_server_ts = Timestamp{now};
      if (random->Below(5) == 0) {
        draft.origin_server_ts->ms -= static_cast<int64_t>(random->Below(9));
      }
      if (i == messages / 2) draft.origin_server_ts->ms += 20;
      ASSERT_TRUE(server.Send(room_, draft).ok());
      if (random->Below(2) == 0) {
        ASSERT_TRUE(server.Say(other, "@alice:x", "hi").ok());
      }
    }
  }

  // The whole room, read number by number.
  std::vector<StoredEvent> All(RoomServer& server) {
    OpenReader reader(server);
    const RoomHead head = reader.Head(room_);
    std::vector<EventIdx> idxs;
    for (EventIdx idx = 1; idx <= head.last_idx; ++idx) idxs.push_back(idx);
    return reader->StoredEvents(head, idxs).value();
  }

  static std::vector<EventIdx> Numbers(const std::vector<StoredEvent>& events) {
    std::vector<EventIdx> idxs;
    for (const StoredEvent& event : events) idxs.push_back(event.idx);
    return idxs;
  }

  std::unique_ptr<Store> store_;
  std::string room_;
};

// With the newest events in memory, and without.
TEST_F(TimelineTest, AnyRangeOfTheTimelineIsFound) {
  FillRooms(1, 60);
  RoomServer cold(*store_);
  RoomServer warm(*store_);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(warm.Say(room_, "@alice:x", "hi").ok());
  }
  const std::vector<StoredEvent> all = All(cold);
  const auto random = NewSeededRandom(2);
  for (int round = 0; round < 500; ++round) {
    RoomReader::Range range;
    const auto end = static_cast<uint64_t>(store_->LastPosition()) + 2;
    if (random->Below(3) > 0) {
      range.after = static_cast<Position>(random->Below(end));
    }
    if (random->Below(3) > 0) {
      range.until = static_cast<Position>(random->Below(end));
    }
    range.newest_first = random->Below(2) == 0;
    if (random->Below(2) == 0) range.limit = random->Below(20);
    std::vector<StoredEvent> wanted;
    for (const StoredEvent& event : all) {
      if (event.pos > range.after && event.pos <= range.until) {
        wanted.push_back(event);
      }
    }
    if (range.newest_first) std::reverse(wanted.begin(), wanted.end());
    if (wanted.size() > range.limit) wanted.resize(range.limit);
    for (RoomServer* server : {&cold, &warm}) {
      OpenReader reader(*server);
      const auto found = reader->Timeline(reader.Head(room_), range).value();
      ASSERT_EQ(Numbers(found), Numbers(wanted))
          << "after " << range.after << " until " << range.until
          << " newest first " << range.newest_first << " limit " << range.limit;
    }
  }
}

TEST_F(TimelineTest, TheStateAtAnyPositionIsThatAfterTheLastEventBefore) {
  FillRooms(3, 20);
  RoomServer server(*store_);
  const std::vector<StoredEvent> all = All(server);
  OpenReader reader(server);
  const RoomHead head = reader.Head(room_);
  for (Position pos = 0; pos <= store_->LastPosition(); ++pos) {
    StateSnap wanted = 0;
    for (const StoredEvent& event : all) {
      if (event.pos <= pos) wanted = event.after;
    }
    ASSERT_EQ(reader->StateAtPosition(head, pos).value(), wanted) << pos;
  }
}

// Page by page too: each page goes on after the last event of the one before.
TEST_F(TimelineTest, EventsAreReadInTheOrderOfTimeHoweverTheyCame) {
  for (uint64_t seed = 10; seed < 20; ++seed) {
    FillRooms(seed, 60);
    RoomServer server(*store_);
    const std::vector<StoredEvent> all = All(server);
    OpenReader reader(server);
    const RoomHead head = reader.Head(room_);
    const int64_t first = all.front().event->origin_server_ts();
    for (const bool backwards : {false, true}) {
      for (int64_t ts = first - 3; ts < first + 90; ++ts) {
        std::vector<StoredEvent> wanted;
        for (const StoredEvent& event : all) {
          const int64_t at = event.event->origin_server_ts();
          if (backwards ? at <= ts : at >= ts) wanted.push_back(event);
        }
        std::stable_sort(wanted.begin(), wanted.end(),
                         [](const StoredEvent& a, const StoredEvent& b) {
                           return a.event->origin_server_ts() <
                                  b.event->origin_server_ts();
                         });
        if (backwards) std::reverse(wanted.begin(), wanted.end());
        std::vector<StoredEvent> found;
        RoomReader::TimeRange range{
            .ts = ts, .backwards = backwards, .limit = 1 + seed % 7};
        for (;;) {
          const auto page = reader->ByTime(head, range).value();
          if (page.empty()) break;
          found.insert(found.end(), page.begin(), page.end());
          range.ts = page.back().event->origin_server_ts();
          range.beyond = page.back().idx;
        }
        ASSERT_EQ(Numbers(found), Numbers(wanted))
            << "seed " << seed << " ts +" << ts - first << " backwards "
            << backwards;
      }
    }
  }
}

// What was refused, or came too late for the room's state, is known by its id
// and by nothing else.
TEST_F(TimelineTest, RejectedAndSoftFailedEventsAreInNoTimeline) {
  FillRooms(4, 20);
  RoomServer server(*store_);
  const RoomHead head = OpenReader(server).Head(room_);
  const EventIdx rejected = head.last_idx - 1;
  const EventIdx soft_failed = head.last_idx - 5;
  std::vector<StoredEvent> events = All(server);
  events[rejected - 1].flags = kEventRejected;
  events[soft_failed - 1].flags = kEventSoftFailed;
  WriteBatch batch;
  for (const EventIdx idx : {rejected, soft_failed}) {
    const StoredEvent& event = events[idx - 1];
    batch.PutRow(tables::kEvents, RowFromEvent(event, head.nid, event.pos));
  }
  ASSERT_TRUE(store_->Commit(std::move(batch)).ok());
  for (const bool newest_first : {false, true}) {
    OpenReader reader(server);
    const auto all =
        reader->Timeline(head, {.newest_first = newest_first}).value();
    EXPECT_EQ(all.size(), head.last_idx - 2);
    const auto some =
        reader->Timeline(head, {.newest_first = newest_first, .limit = 6})
            .value();
    EXPECT_EQ(some.size(), 6u);  // They do not count towards the limit.
    for (const StoredEvent& event : all) {
      EXPECT_NE(event.idx, rejected);
      EXPECT_NE(event.idx, soft_failed);
    }
  }
  OpenReader reader(server);
  const auto found =
      reader->Event(events[soft_failed - 1].event->event_id()).value();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->stored.flags, kEventSoftFailed);
}

}  // namespace
}  // namespace matrixcore
