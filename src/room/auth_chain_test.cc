#include "room/auth_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "matrixcore/room/auth_tables.h"
#include "matrixcore/room/room_import.h"
#include "matrixcore/room/room_rows.h"
#include "matrixcore/room/stored_graph.h"
#include "room/room_cut.h"
#include "room/room_files.h"
#include "room/rows.h"
#include "room/state_walk.h"
#include "room/test_room.h"
#include "room/test_stores.h"
#include "vectors/vectors.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(AuthEdgesTest, AreReadBack) {
  const auto pass = [](EventIdx event, std::vector<EventIdx> auth) {
    return DecodeAuthEdges(event, EncodeAuthEdges(event, std::move(auth)))
        .value();
  };
  EXPECT_THAT(pass(1, {}), IsEmpty());
  EXPECT_THAT(pass(10, {3, 9, 1, 3}), ElementsAre(9, 3, 1));
  EXPECT_THAT(pass(UINT32_MAX, {1, 2, UINT32_MAX - 127, UINT32_MAX - 128}),
              ElementsAre(UINT32_MAX - 127, UINT32_MAX - 128, 2, 1));
  EXPECT_EQ(EncodeAuthEdges(300, {299, 1}), std::string("\x01\xab\x02"));
}

TEST(AuthEdgesTest, NeverLeadUpwards) {
  EXPECT_EQ(EncodeAuthEdges(5, {5, 6, 0, 4}), "\x01");
}

TEST(AuthEdgesTest, DamageIsNoticed) {
  for (const std::string& bytes :
       {std::string("\x05"), std::string("\x81"), std::string("\x00", 1),
        std::string("\xff\xff\xff\xff\xff\x01"),
        std::string("\x80\x80\x80\x80\x10")}) {
    EXPECT_EQ(DecodeAuthEdges(5, bytes).status().code(), StatusCode::kDataLoss);
  }
}

// Passes calls on, and counts them and their rows.
class CountingSnapshot : public Snapshot {
 public:
  explicit CountingSnapshot(Snapshot& snapshot) : snapshot_(snapshot) {}
  Position position() const override { return snapshot_.position(); }
  Result<std::optional<Row>> Get(const TableSpec& table,
                                 const Row& key) override {
    ++reads;
    if (&table == &tables::kEvents) ++events;
    return snapshot_.Get(table, key);
  }
  Result<std::vector<std::optional<Row>>> GetMany(
      const TableSpec& table, std::span<const Row> keys) override {
    ++reads;
    if (&table == &tables::kEvents) events += keys.size();
    return snapshot_.GetMany(table, keys);
  }
  Result<std::vector<Row>> Scan(const ScanSpec& spec) override {
    ++reads;
    Result<std::vector<Row>> rows = snapshot_.Scan(spec);
    (spec.table == &tables::kEvents ? events : edges) += rows->size();
    return rows;
  }

  size_t reads = 0;
  size_t events = 0;  // Rows that were read.
  size_t edges = 0;

 private:
  Snapshot& snapshot_;
};

class AuthChainTest : public ::testing::TestWithParam<StoreKind> {
 protected:
  static constexpr RoomNid kRoom = 77;

  // Writes events, each with the auth events that it is given by number (from
  // 1), and the edges of those that `has_edges` wants.
  template <typename HasEdges>
  void Write(const std::vector<std::vector<EventIdx>>& auth,
             HasEdges has_edges) {
    constexpr size_t kAtOnce = 1000;
    std::vector<std::string> ids;
    WriteBatch batch;
    for (EventIdx idx = 1; idx <= auth.size(); ++idx) {
      std::string named;
      for (const EventIdx to : auth[idx - 1]) {
        named +=
            fmt::format(R"({}"{}")", named.empty() ? "" : ",", ids[to - 1]);
      }
      ids.push_back(fmt::format("$event{}", idx));
      StoredEvent stored;
      stored.idx = idx;
      stored.event =
          Event::FromStored(
              fmt::format(R"({{"auth_events":[{}],"content":{{}},"depth":1,)"
                          R"("hashes":{{}},"origin_server_ts":1,)"
                          R"("prev_events":[],"room_id":"!r:x",)"
                          R"("sender":"@a:x","signatures":{{}},)"
                          R"("state_key":"k{}","type":"m.test"}})",
                          named, idx),
              ids.back(), *FindRoomVersion("10"))
              .value();
      batch.PutRow(tables::kEvents,
                   RowFromEvent(stored, kRoom, batch.NewPosition()));
      if (has_edges(idx)) {
        batch.PutRow(
            tables::kAuthEdges,
            {kRoom, int64_t{idx}, Blob{EncodeAuthEdges(idx, auth[idx - 1])}});
      }
      if (idx % kAtOnce != 0 && idx != auth.size()) continue;
      ASSERT_TRUE(store_->Commit(std::exchange(batch, {})).ok());
    }
  }
  // One step after the other.
  static std::vector<EventIdx> Naive(
      const std::vector<std::vector<EventIdx>>& auth,
      const std::vector<EventIdx>& of) {
    std::set<EventIdx> seen;
    std::vector<EventIdx> open = of;
    while (!open.empty()) {
      const EventIdx idx = open.back();
      open.pop_back();
      if (!seen.insert(idx).second) continue;
      open.insert(open.end(), auth[idx - 1].begin(), auth[idx - 1].end());
    }
    return {seen.begin(), seen.end()};
  }

  TestStore store_{GetParam(), RoomSchema()};
};

INSTANTIATE_TEST_SUITE_P(Stores, AuthChainTest,
                         ::testing::Values(StoreKind::kMemory,
                                           StoreKind::kSqlite),
                         StoreKindName);

TEST_P(AuthChainTest, OfRandomGraphsIsWhatANaiveWalkFinds) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    const std::unique_ptr<Random> random = NewSeededRandom(seed);
    std::vector<std::vector<EventIdx>> auth;
    const size_t events = 20 + random->Below(400);
    // Near ones make long chains, far ones short.
    const uint64_t reach = 1 + random->Below(seed % 2 == 0 ? 3 : events);
    for (EventIdx idx = 1; idx <= events; ++idx) {
      auto& of = auth.emplace_back();
      for (uint64_t i = random->Below(4); i > 0 && idx > 1; --i) {
        of.push_back(static_cast<EventIdx>(
            idx - 1 - random->Below(std::min<uint64_t>(reach, idx - 1))));
      }
    }
    // Of some rooms some of the edges are stored, or none.
    const uint64_t stored = seed % 3;
    Write(auth,
          [&](EventIdx) { return stored == 0 || random->Below(3) < stored; });
    const auto snapshot = store_->NewSnapshot().value();
    for (int i = 0; i < 30; ++i) {
      std::vector<EventIdx> of;
      for (uint64_t n = random->Below(4); n-- > 0;) {
        of.push_back(static_cast<EventIdx>(1 + random->Below(events)));
      }
      KnownEvents known(kRoom, *FindRoomVersion("10"), 1 << 20);
      known.Use(*snapshot);
      EXPECT_EQ(AuthChainOf(known, of).value(), Naive(auth, of));
    }
    for (const TableSpec* table : {&tables::kEvents, &tables::kAuthEdges}) {
      ASSERT_TRUE(DeleteRowsOfRoom(*store_, *table, kRoom, nullptr).ok());
    }
  }
}

TEST_P(AuthChainTest, WhatIsKnownIsNotFollowed) {
  // 5 -> 4 -> 2 -> 1, 5 -> 3 -> 1.
  Write({{}, {1}, {1}, {2}, {4, 3}}, [](EventIdx) { return true; });
  const auto snapshot = store_->NewSnapshot().value();
  KnownEvents known(kRoom, *FindRoomVersion("10"), 1 << 20);
  known.Use(*snapshot);
  EXPECT_THAT(
      AuthChainOf(known, {5}, [](EventIdx idx) { return idx == 4; }).value(),
      ElementsAre(1, 3, 5));
}

// Each event names the one before: the longest chain that there can be.
TEST_P(AuthChainTest, ALongChainIsFewReadsAndNoEvent) {
  constexpr EventIdx kEvents = 10'000;
  std::vector<std::vector<EventIdx>> auth = {{}};
  for (EventIdx idx = 2; idx <= kEvents; ++idx) auth.push_back({idx - 1});
  Write(auth, [](EventIdx) { return true; });
  const auto snapshot = store_->NewSnapshot().value();
  CountingSnapshot counting(*snapshot);
  KnownEvents known(kRoom, *FindRoomVersion("10"), 1 << 20);
  known.Use(counting);
  EXPECT_EQ(AuthChainOf(known, {kEvents}).value().size(), kEvents);
  EXPECT_LE(counting.reads, 30u);
  EXPECT_EQ(counting.edges, kEvents);
  EXPECT_EQ(counting.events, 0u);
}

// Nor is the rest of a large room read for a short chain.
TEST_P(AuthChainTest, AShortChainIsFewRows) {
  constexpr EventIdx kEvents = 10'000;
  std::vector<std::vector<EventIdx>> auth = {{}, {1}, {2, 1}};
  while (auth.size() < kEvents) auth.push_back({3, 2, 1});
  Write(auth, [](EventIdx) { return true; });
  const auto snapshot = store_->NewSnapshot().value();
  CountingSnapshot counting(*snapshot);
  KnownEvents known(kRoom, *FindRoomVersion("10"), 1 << 20);
  known.Use(counting);
  EXPECT_THAT(AuthChainOf(known, {kEvents}).value(),
              ElementsAre(1, 2, 3, kEvents));
  EXPECT_LE(counting.reads, 2u);
  EXPECT_LE(counting.edges, 20u);
}

// Without edges the events are read, some hundred at a time.
TEST_P(AuthChainTest, OfAnOldRoomReadsItsEventsInBatches) {
  constexpr EventIdx kEvents = 4'000;
  std::vector<std::vector<EventIdx>> auth = {{}};
  std::vector<EventIdx> all = {1};
  for (EventIdx idx = 2; idx <= kEvents; ++idx) {
    auth.push_back({1});
    all.push_back(idx);
  }
  Write(auth, [](EventIdx) { return false; });
  const auto snapshot = store_->NewSnapshot().value();
  CountingSnapshot counting(*snapshot);
  KnownEvents known(kRoom, *FindRoomVersion("10"), 1 << 20);
  known.Use(counting);
  EXPECT_EQ(AuthChainOf(known, all).value(), all);
  EXPECT_LE(counting.reads, 60u);
}

// What the writer and the importer store is what the events say.
class StoredAuthEdgesTest : public AuthChainTest {
 protected:
  void CheckRoom(RoomServer& server, const std::string& room) {
    OpenReader reader(server);
    const RoomHead head = reader.Head(room);
    KnownEvents known(head.nid, *head.rules, 1 << 20);
    known.Use(*reader.snapshot);
    std::vector<std::vector<EventIdx>> auth;
    std::vector<EventIdx> states;
    for (EventIdx idx = 1; idx <= head.last_idx; ++idx) {
      const KnownEvents::StoredPtr stored = known.At(idx).value();
      auto& of = auth.emplace_back();
      const auto named = AuthEventsOf(*stored->event, known).value();
      for (const auto& event : named) of.push_back(event->idx);
      const bool has_row =
          reader.snapshot
              ->Get(tables::kAuthEdges, {Cell(head.nid), Cell(int64_t{idx})})
              .value()
              .has_value();
      EXPECT_EQ(has_row, stored->event->is_state()) << idx;
      if (has_row) states.push_back(idx);
    }
    for (const EventIdx idx : states) {
      KnownEvents fresh(head.nid, *head.rules, 1 << 20);
      CountingSnapshot counting(*reader.snapshot);
      fresh.Use(counting);
      EXPECT_EQ(AuthChainOf(fresh, {idx}).value(), Naive(auth, {idx})) << idx;
      EXPECT_EQ(counting.events, 0u);
    }
    EXPECT_EQ(AuthClosure(*store_, head, states).value(), Naive(auth, states));
    EXPECT_EQ(StoredAuthChain(reader.reader, head, states).value(),
              Naive(auth, states));
  }
};

INSTANTIATE_TEST_SUITE_P(Stores, StoredAuthEdgesTest,
                         ::testing::Values(StoreKind::kMemory,
                                           StoreKind::kSqlite),
                         StoreKindName);

TEST_P(StoredAuthEdgesTest, OfARoomThatWasMadeHere) {
  RoomServer server(*store_);
  for (const std::string_view version : {"1", "10", "12"}) {
    const std::string room =
        server.MakeRoom(version, fmt::format("!{}:x", version));
    for (const std::string_view membership : {"join", "leave", "join"}) {
      ASSERT_TRUE(server.SetMember(room, "@bob:x", "@bob:x", membership).ok());
    }
    ASSERT_TRUE(server.Say(room, "@bob:x", "hello").ok());
    ASSERT_TRUE(server.SetMember(room, "@alice:x", "@bob:x", "ban").ok());
    CheckRoom(server, room);
  }
}

TEST_P(StoredAuthEdgesTest, OfForkedRoomsThatWereBroughtIn) {
  RoomServer server(*store_);
  for (const std::string name : kForkedRooms) {
    SCOPED_TRACE(name);
    RoomFileReader reader =
        ReaderOf(ForkedRoomFile(vectors::ReadLines(name), *server.random));
    RoomImportOptions options;
    options.server_name = "x";
    options.batch_events = 7;
    const auto imported = ImportRoom(*store_, reader, options);
    ASSERT_TRUE(imported.ok()) << imported.status().ToString();
    CheckRoom(server, imported->room_id);
    // The import has resolved the states at the room's ends, step by step.
    OpenReader stored(server);
    const RoomHead head = stored.Head(imported->room_id);
    std::vector<StateSnap> ends;
    for (const std::string& id : head.extremities) {
      ends.push_back(stored->Event(id).value()->stored.after);
    }
    ASSERT_GT(ends.size(), 1u);
    const StateTree resolved = ResolveStored(stored.reader, head, ends).value();
    EXPECT_EQ(resolved, stored->State(head, head.state).value()->map());
  }
}

// A resolution reads what it needs, in batches, and each event once.
TEST_P(StoredAuthEdgesTest, AreWhyAFirstResolutionIsFewReads) {
  RoomServer server(*store_);
  const std::string room = server.MakeRoom("12");
  for (int i = 0; i < 600; ++i) {
    const std::string user = fmt::format("@user{}:x", i % 200);
    ASSERT_TRUE(
        server.SetMember(room, user, user, i / 200 == 1 ? "leave" : "join")
            .ok());
  }
  OpenReader reader(server);
  const RoomHead head = reader.Head(room);
  CountingSnapshot counting(*reader.snapshot);
  KnownEvents known(head.nid, *head.rules, 4 << 20);
  known.Use(counting);
  StateWalk walk(
      head.nid, *head.rules, known,
      [&](std::string_view type, std::string_view state_key) {
        return reader->KeyNum(head, type, state_key);
      },
      1 << 20);
  walk.Use(counting);
  const StateTree now = walk.At(head.state).value();
  const StateTree then = walk.At(head.state - 10).value();
  counting.reads = counting.events = 0;
  const std::vector<StateTree> states = {now, then};
  const StateTree resolved = walk.Resolve(states).value();
  EXPECT_EQ(resolved.size(), now.size());
  EXPECT_LE(counting.reads, 20u);
  EXPECT_EQ(counting.events, head.last_idx);
  counting.reads = counting.events = 0;
  EXPECT_EQ(walk.Resolve(states).value(), resolved);
  EXPECT_EQ(counting.reads, 0u);
}

}  // namespace
}  // namespace matrixcore
