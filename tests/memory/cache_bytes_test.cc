// Every cache is filled with what a server keeps there, and what it says it
// takes is compared with what the allocator gave: within 10 per cent.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "counting_allocator.h"
#include "matrixcore/backends/memory.h"
#include "matrixcore/base/lru.h"
#include "matrixcore/federation/server_resolver.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/push_profiles.h"
#include "matrixcore/store/recall_store.h"
#include "matrixcore/testing/sim.h"
#include "service/lazy_members.h"
#include "service/sliding_connections.h"
#include "service/sliding_lists.h"
#include "service/sliding_room.h"
#include "service/sync_rooms.h"
#include "service/sync_world.h"
#include "service/token_cache.h"
#include "service/told_counts.h"

namespace matrixcore {
namespace {

constexpr size_t kPlenty = size_t{1} << 30;

// Runs `fill` and compares; `entries`: at least so many must be kept.
class CacheBytesTest : public ::testing::Test {
 protected:
  template <typename Fill>
  void Compare(Fill fill) {
    if (HeldBytes() == 0) GTEST_SKIP() << "the allocator does not count here";
    const size_t used_before = budget_.used();
    const size_t held_before = HeldBytes();
    fill();
    const auto held = static_cast<double>(HeldBytes() - held_before);
    const auto charged = static_cast<double>(budget_.used() - used_before);
    RecordProperty("held", static_cast<int>(held));
    RecordProperty("charged", static_cast<int>(charged));
    EXPECT_GT(held, 200'000) << "too little to compare";
    EXPECT_LT(charged / held, 1.1)
        << charged << " charged, " << held << " held";
    EXPECT_GT(charged / held, 0.9)
        << charged << " charged, " << held << " held";
  }
  uint64_t EntriesOf(std::string_view name) {
    for (const CacheBudget::Figures& figures : budget_.figures()) {
      if (figures.name == name) return figures.entries;
    }
    return 0;
  }
  static Session SessionOf(int n) {
    return {.user_id = fmt::format("@someone.number{}:example.org", n),
            .device_id = fmt::format("DEVICE{:06}", n)};
  }

  CacheBudget budget_{kPlenty};
};

// --- Rooms ---

// A room with members who have names, and messages.
class RoomBytesTest : public CacheBytesTest {
 protected:
  RoomBytesTest() {
    for (int r = 0; r < 20; ++r) {
      const std::string room = world_.MakeRoom(kAlice);
      for (int n = 0; n < 30; ++n) {
        const std::string user = SessionOf(n).user_id;
        world_.Send(
            room, user, kTypeMember, user,
            fmt::format(R"({{"avatar_url":"mxc://example.org/abcdefghijkl{}",)"
                        R"("displayname":"Someone with the number {}",)"
                        R"("membership":"join"}})",
                        n, n));
      }
      for (int n = 0; n < 40; ++n) {
        world_.Say(room, kAlice, std::string(static_cast<size_t>(20 + n), 'x'));
      }
      rooms_.push_back(room);
    }
  }

  SyncWorld world_;
  std::vector<std::string> rooms_;
};

TEST_F(RoomBytesTest, OfEventsStatesAndNames) {
  const auto snapshot = world_.store->NewSnapshot().value();
  RoomCaches caches(budget_);
  RoomReader reader(*snapshot, caches);
  Compare([&] {
    for (const std::string& room : rooms_) {
      const RoomHead head = **reader.Head(room);
      std::vector<EventIdx> all;
      for (EventIdx idx = 1; idx <= head.last_idx; ++idx) all.push_back(idx);
      const auto events = reader.Events(head, all).value();
      // Names are read from the parsed content of member events.
      for (const EventPtr& event : events) {
        if (event->is_state()) (void)event->content();
      }
      (void)reader.Events(head, all);
      for (StateSnap snap = 1; snap <= head.last_snap; ++snap) {
        ASSERT_TRUE(reader.State(head, snap).ok());
      }
      ASSERT_TRUE(reader.KeyNum(head, kTypeMember, "@someone:x").ok());
    }
  });
  EXPECT_EQ(EntriesOf("events"), 20u * 74);
  EXPECT_EQ(EntriesOf("states"), 20u);
  EXPECT_EQ(EntriesOf("state_keys"), 20u);
}

TEST_F(RoomBytesTest, OfRoomsThatAreWritten) {
  RoomCaches caches(budget_);
  JoinedUsers joined(&budget_);
  auto executor = NewThreadPool("rooms", 1, 1000);
  RoomWriter writer({.server_name = "example.org"},
                    {*world_.store, world_.coordinator, *executor, world_.clock,
                     *world_.random, world_.key, caches, world_.activity,
                     joined, world_.listener, *world_.log, *world_.metrics});
  Compare([&] {
    for (const std::string& room : rooms_) {
      RoomRequest request;
      request.room_id = room;
      request.prepare = [](const RoomView& view) -> Result<RoomChange> {
        for (int n = 0; n < 30; ++n) {
          (void)view.MembershipOf(SessionOf(n).user_id);
        }
        return RoomChange();
      };
      ASSERT_TRUE(writer.SendAndWait(std::move(request)).ok());
    }
    executor->Shutdown();
  });
  EXPECT_EQ(EntriesOf("rooms"), 20u);
}

TEST_F(CacheBytesTest, OfJoinedUsers) {
  JoinedUsers joined(&budget_);
  Compare([&] {
    for (RoomNid room = 1; room <= 100; ++room) {
      std::vector<std::string> users;
      for (int n = 0; n < 50; ++n) users.push_back(SessionOf(n).user_id);
      joined.Load(room, std::move(users));
      for (int n = 50; n < 60; ++n) {
        joined.Set(room, SessionOf(n).user_id, true);
      }
      joined.Set(room, SessionOf(3).user_id, false);
    }
  });
}

// --- Accounts ---

TEST_F(CacheBytesTest, OfTokens) {
  TokenCache tokens(budget_);
  Compare([&] {
    for (int n = 0; n < 5000; ++n) {
      auto entry = std::make_shared<TokenCache::Entry>();
      entry->session = SessionOf(n);
      tokens.Put(Sha256(std::to_string(n)), std::move(entry), tokens.epoch());
    }
  });
  EXPECT_EQ(EntriesOf("tokens"), 5000u);
}

TEST_F(CacheBytesTest, OfPushRules) {
  SyncWorld world;
  PushProfiles profiles(*world.store, budget_);
  ASSERT_TRUE(profiles.Has(kAlice).ok());
  Compare([&] {
    for (int n = 0; n < 300; ++n) {
      const std::vector<std::string> user = {SessionOf(n).user_id};
      ASSERT_TRUE(profiles.Get(user).ok());
    }
  });
  EXPECT_EQ(EntriesOf("push_rules"), 300u);
}

// --- Sync ---

TEST_F(CacheBytesTest, OfFilters) {
  SyncWorld world;
  RoomCaches caches(budget_);
  SyncService sync({}, {*world.store,
                        world.clock,
                        caches,
                        world.activity,
                        world.notifier,
                        world.ephemeral,
                        {},
                        *world.log,
                        *world.metrics});
  Compare([&] {
    for (int n = 0; n < 1000; ++n) {
      SyncRequest request;
      request.session = SyncWorld::Of(kAlice);
      request.filter = fmt::format(
          R"({{"room":{{"timeline":{{"limit":{},"not_senders":)"
          R"(["@somebody.unwanted:example.org"]}},"state":{{"types":)"
          R"(["m.room.member","m.room.power_levels"],)"
          R"("lazy_load_members":true}}}},"event_fields":["content.body"]}})",
          n + 1);
      sync.Sync(std::move(request), [](const Result<std::string>&) {});
    }
  });
  EXPECT_EQ(EntriesOf("filters"), 1000u);
}

TEST_F(CacheBytesTest, OfToldCounts) {
  ToldCounts told(budget_);
  Compare([&] {
    for (int n = 0; n < 3000; ++n) {
      Unread unread;
      unread.main = {.notifications = n, .highlights = 1};
      if (n % 3 == 0) {
        unread.threads.emplace_back("$" + std::string(43, 'r'), unread.main);
      }
      told.Note(SessionOf(n % 100), 1000 + n, 5, unread);
    }
  });
  EXPECT_EQ(EntriesOf("told_counts"), 3000u);
}

TEST_F(CacheBytesTest, OfLazyMembers) {
  LazyMembers lazy(budget_);
  Compare([&] {
    for (int n = 0; n < 500; ++n) {
      for (RoomNid room = 1; room <= 5; ++room) {
        std::vector<LazyMembers::Member> members;
        for (uint32_t m = 1; m <= 20; ++m) members.push_back({m, 1000 + m});
        lazy.Note(SessionOf(n), room, members, {10, 0});
      }
      if (n % 2 == 0) lazy.Begin(SessionOf(n), StreamToken{10, 0});
    }
  });
  EXPECT_EQ(EntriesOf("lazy_members"), 500u);
}

// Rooms and memberships of many users, written without events.
class ManyRoomsTest : public CacheBytesTest {
 protected:
  static constexpr int kUsers = 300;
  static constexpr int64_t kRooms = 60;

  ManyRoomsTest() {
    for (int n = 0; n < kUsers; ++n) {
      WriteBatch batch;
      for (int64_t room = 1; room <= kRooms; ++room) {
        batch.PutRow(tables::kMemberships,
                     {SessionOf(n).user_id, room,
                      static_cast<int64_t>(Membership::kLeave), int64_t{room},
                      batch.NewPosition(), int64_t{0}});
      }
      EXPECT_TRUE(world_.store->Commit(std::move(batch)).ok());
    }
  }

  SyncWorld world_;
};

TEST_F(ManyRoomsTest, OfRoomListsOfUsers) {
  const auto snapshot = world_.store->NewSnapshot().value();
  RoomReader reader(*snapshot, world_.caches);
  UserRooms rooms(budget_);
  Compare([&] {
    for (int n = 0; n < kUsers; ++n) {
      ASSERT_TRUE(rooms.Get(reader, SessionOf(n).user_id).ok());
    }
  });
  EXPECT_EQ(EntriesOf("user_rooms"), static_cast<uint64_t>(kUsers));
}

TEST_F(ManyRoomsTest, OfRoomListsInTheOrderOfActivity) {
  const auto snapshot = world_.store->NewSnapshot().value();
  RoomReader reader(*snapshot, world_.caches);
  UserRooms rooms(world_.budget);
  RoomNumbers numbers(world_.budget);
  std::vector<UserRooms::List> lists;
  for (int n = 0; n < kUsers; ++n) {
    lists.push_back(rooms.Get(reader, SessionOf(n).user_id).value());
  }
  RoomListings listings(budget_, world_.activity, numbers);
  Compare([&] {
    for (int n = 0; n < kUsers; ++n) {
      ASSERT_TRUE(listings
                      .Get(reader, SessionOf(n).user_id,
                           *lists[static_cast<size_t>(n)], {})
                      .ok());
    }
  });
  EXPECT_EQ(EntriesOf("room_lists"), static_cast<uint64_t>(kUsers));
}

TEST_F(ManyRoomsTest, OfReadsThatAreRecalled) {
  RecallStore recall(*world_.store, {{&tables::kMemberships}}, budget_);
  const auto snapshot = recall.NewSnapshot().value();
  Compare([&] {
    for (int n = 0; n < kUsers; ++n) {
      for (int64_t room = 1; room <= kRooms; ++room) {
        ASSERT_TRUE(snapshot
                        ->Get(tables::kMemberships,
                              {Cell(SessionOf(n).user_id), Cell(room)})
                        .ok());
      }
    }
  });
  EXPECT_EQ(EntriesOf("recalled_reads"),
            static_cast<uint64_t>(kUsers * kRooms));
}

TEST_F(CacheBytesTest, OfSlidingConnections) {
  SyncWorld world;
  SlidingConnections connections(*world.store, world.clock, budget_);
  // What is stored of them is no part of the cache.
  std::vector<SlidingConnection::Turn> turns;
  size_t stored = 0;
  Compare([&] {
    for (int n = 0; n < 200; ++n) {
      const auto turn =
          connections.Begin(SessionOf(n), "main", std::nullopt).value();
      auto next = std::make_shared<SlidingState>();
      next->configs = {std::string(200, 'c')};
      for (RoomNid room = 1; room <= 300; ++room) {
        next->rooms.push_back({.room = room, .limit = 20});
      }
      const size_t before = HeldBytes();
      const auto version = connections.Finish(turn, next, {});
      stored += HeldBytes() - before;
      ASSERT_TRUE(version.has_value());
    }
    for (int n = 0; n < 200; ++n) {
      WriteBatch batch;
      const Session session = SessionOf(n);
      RemoveSlidingConnections(batch, session.user_id, session.device_id);
      ASSERT_TRUE(world.store->Commit(std::move(batch)).ok());
    }
  });
  EXPECT_EQ(EntriesOf("sliding_connections"), 200u);
}

TEST_F(CacheBytesTest, OfNumbersAndStampsOfRooms) {
  using Numbers = LruCache<std::string, RoomNid>;
  Numbers numbers(budget_, "room_numbers", 1, &Numbers::Weightless);
  Compare([&] {
    for (RoomNid room = 1; room <= 5000; ++room) {
      numbers.Put(fmt::format("!{:043}", room), room);
    }
  });
}

// --- The rest ---

class NoWellKnown : public HttpClient {
 public:
  void Send(Outgoing, Done done) override { done(HttpResponse{.status = 404}); }
};

TEST_F(CacheBytesTest, OfServerLocations) {
  SimTime time;
  NoWellKnown client;
  ServerResolver resolver({}, client, time, budget_);
  Compare([&] {
    for (int n = 0; n < 3000; ++n) {
      resolver.Resolve(fmt::format("matrix{}.homeserver.example.org", n),
                       [](const ServerLocation&) {});
    }
  });
  EXPECT_EQ(EntriesOf("server_locations"), 3000u);
}

TEST_F(CacheBytesTest, OfTheGeneralCache) {
  SimTime time;
  const auto cache = NewMemoryCache(time, budget_);
  Compare([&] {
    for (int n = 0; n < 5000; ++n) {
      (void)cache->Add(fmt::format("limit:message:{}", SessionOf(n).user_id), 1,
                       seconds(60));
    }
  });
  EXPECT_EQ(EntriesOf("general"), 5000u);
}

// A limit that is real: what is held stays at it, whatever is asked for.
TEST_F(RoomBytesTest, StayWithinTheBudget) {
  if (HeldBytes() == 0) GTEST_SKIP() << "the allocator does not count here";
  CacheBudget small(500'000);
  const auto snapshot = world_.store->NewSnapshot().value();
  RoomCaches caches(small);
  RoomReader reader(*snapshot, caches);
  const size_t held_before = HeldBytes();
  size_t most = 0;
  for (int round = 0; round < 3; ++round) {
    for (const std::string& room : rooms_) {
      const RoomHead head = **reader.Head(room);
      for (EventIdx idx = 1; idx <= head.last_idx; ++idx) {
        ASSERT_TRUE(reader.Events(head, {&idx, 1}).ok());
      }
      for (StateSnap snap = 1; snap <= head.last_snap; ++snap) {
        ASSERT_TRUE(reader.State(head, snap).ok());
      }
      most = std::max(most, HeldBytes() - held_before);
    }
  }
  EXPECT_LT(most, size_t{550'000});
  EXPECT_GT(most, size_t{350'000});
}

}  // namespace
}  // namespace matrixcore
