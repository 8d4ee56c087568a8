#include "matrixcore/room/room_writer.h"

#include <gmock/gmock.h>

#include <future>
#include <map>

#include "matrixcore/event/views.h"
#include "room/test_room.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RoomWriterTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> store_ = NewMemoryStore(RoomSchema());
  std::unique_ptr<RoomServer> server_ = std::make_unique<RoomServer>(*store_);
};

class EveryVersionTest : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryVersionTest, CreatesARoomAndTakesMessages) {
  const std::unique_ptr<Store> store = NewMemoryStore(RoomSchema());
  RoomServer server(*store);
  const std::string room = server.MakeRoom(GetParam());
  ASSERT_FALSE(room.empty());
  ASSERT_TRUE(server.SetMember(room, "@bob:x", "@bob:x", "join").ok());
  const auto sent = server.Say(room, "@bob:x", "hello");
  ASSERT_TRUE(sent.ok()) << sent.status().ToString();

  OpenReader reader(server);
  const RoomHead head = reader.Head(room);
  EXPECT_EQ(head.joined, 2);
  EXPECT_EQ(head.last_idx, 6u);
  EXPECT_EQ(head.depth, 6);
  EXPECT_THAT(head.extremities, ElementsAre(sent->event_ids[0]));
  const auto events = reader->Timeline(head, {}).value();
  ASSERT_EQ(events.size(), 6u);
  for (size_t i = 1; i < events.size(); ++i) {
    EXPECT_THAT(events[i].event->prev_events(),
                ElementsAre(events[i - 1].event->event_id()));
    EXPECT_EQ(events[i].event->room_id(), room);
  }
  EXPECT_EQ(events[5].event->content_json(), R"({"body":"hello"})");
}

INSTANTIATE_TEST_SUITE_P(Versions, EveryVersionTest,
                         ::testing::Values("1", "2", "3", "4", "5", "6", "7",
                                           "8", "9", "10", "11", "12"),
                         [](const auto& test) { return "v" + test.param; });

TEST_F(RoomWriterTest, UnknownRoomIsNotFound) {
  EXPECT_EQ(server_->Say("!nowhere:x", "@alice:x", "hi").status().code(),
            StatusCode::kNotFound);
}

TEST_F(RoomWriterTest, RefusesWhatTheAuthRulesForbidAndLeavesNoTrace) {
  const std::string room = server_->MakeRoom("11");
  const Position before = store_->LastPosition();
  const auto refused = server_->Say(room, "@mallory:x", "hi");
  EXPECT_EQ(refused.status().errcode(), "M_FORBIDDEN");
  EXPECT_THAT(refused.status().message(), HasSubstr("sender-not-joined"));
  EXPECT_EQ(store_->LastPosition(), before);
  EXPECT_TRUE(server_->Say(room, "@alice:x", "still works").ok());
}

TEST_F(RoomWriterTest, ARequestIsAllOrNothing) {
  const std::string room = server_->MakeRoom("12");
  RoomRequest request;
  request.room_id = room;
  request.user_id = "@alice:x";
  request.prepare = [](const RoomView&) -> Result<RoomChange> {
    RoomChange change;
    change.drafts = {MakeDraft(kTypeTopic, "@alice:x", "", R"({"topic":"t"})"),
                     MakeDraft(kTypeMember, "@alice:x", "@bob:x",
                               R"({"membership":"what"})")};
    return change;
  };
  EXPECT_FALSE(server_->writer.SendAndWait(std::move(request)).ok());
  OpenReader reader(*server_);
  const RoomHead head = reader.Head(room);
  EXPECT_EQ(reader->StateEvent(head, head.state, kTypeTopic, "").value(),
            nullptr);
  EXPECT_EQ(head.last_idx, 4u);
}

TEST_F(RoomWriterTest, RepeatedTransactionGivesTheSameEvent) {
  const std::string room = server_->MakeRoom("11");
  const TransactionKey txn{"DEVICE", "send/m.room.message", "t1"};
  const EventDraft draft =
      MakeDraft(kTypeMessage, "@alice:x", std::nullopt, R"({"body":"once"})");
  const auto first = server_->Send(room, draft, txn);
  const auto second = server_->Send(room, draft, txn);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_FALSE(first->repeated);
  EXPECT_TRUE(second->repeated);
  EXPECT_EQ(first->event_ids, second->event_ids);
  TransactionKey other = txn;
  other.device_id = "OTHER";
  EXPECT_NE(server_->Send(room, draft, other)->event_ids, first->event_ids);
}

TEST_F(RoomWriterTest, TransactionsSurviveARestart) {
  const std::string room = server_->MakeRoom("11");
  const TransactionKey txn{"DEVICE", "send/m.room.message", "t1"};
  const EventDraft draft =
      MakeDraft(kTypeMessage, "@alice:x", std::nullopt, R"({"body":"once"})");
  const auto first = server_->Send(room, draft, txn);
  server_ = std::make_unique<RoomServer>(*store_);
  EXPECT_EQ(server_->Send(room, draft, txn)->event_ids, first->event_ids);
}

// A client that lost the answer asks again, whatever has become of it since.
TEST_F(RoomWriterTest, ARepeatIsAnsweredThoughItWouldBeForbiddenByNow) {
  const std::string room = server_->MakeRoom("11");
  ASSERT_TRUE(server_->SetMember(room, "@bob:x", "@bob:x", "join").ok());
  const TransactionKey txn{"DEVICE", "send/m.room.message", "t1"};
  const EventDraft draft =
      MakeDraft(kTypeMessage, "@bob:x", std::nullopt, R"({"body":"once"})");
  const auto first = server_->Send(room, draft, txn);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(server_
                  ->Send(room, MakeDraft(kTypeMember, "@alice:x", "@bob:x",
                                         R"({"membership":"ban"})"))
                  .ok());
  const auto again = server_->Send(room, draft, txn);
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_TRUE(again->repeated);
  EXPECT_EQ(again->event_ids, first->event_ids);
  const TransactionKey other{"DEVICE", "send/m.room.message", "t2"};
  EXPECT_EQ(server_->Send(room, draft, other).status().errcode(),
            "M_FORBIDDEN");
}

TEST_F(RoomWriterTest, ARepeatAmongNewOnesStopsNoneOfThem) {
  const std::string room = server_->MakeRoom("11");
  const auto request = [&room](const std::string& txn_id) {
    RoomRequest made;
    made.room_id = room;
    made.user_id = "@alice:x";
    made.txn = TransactionKey{"DEVICE", "send/m.room.message", txn_id};
    made.prepare = [](const RoomView&) -> Result<RoomChange> {
      RoomChange change;
      change.drafts = {MakeDraft(kTypeMessage, "@alice:x", std::nullopt,
                                 R"({"body":"hi"})")};
      return change;
    };
    return made;
  };
  std::string first;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::future<Result<RoomRequest::Answer>>> answers;
    for (const std::string& txn :
         {std::string("same"), "new" + std::to_string(round)}) {
      auto answer =
          std::make_shared<std::promise<Result<RoomRequest::Answer>>>();
      answers.push_back(answer->get_future());
      RoomRequest asked = request(txn);
      asked.done = [answer](Result<RoomRequest::Answer> result) {
        answer->set_value(std::move(result));
      };
      server_->writer.Send(std::move(asked));
    }
    const auto same = answers[0].get();
    const auto fresh = answers[1].get();
    ASSERT_TRUE(same.ok() && fresh.ok());
    EXPECT_EQ(same->repeated, round > 0);
    EXPECT_FALSE(fresh->repeated);
    if (round == 0) first = same->event_ids[0];
    EXPECT_EQ(same->event_ids[0], first);
  }
  OpenReader reader(*server_);
  EXPECT_EQ(reader.Head(room).last_idx, 4u + 1 + 3);
}

TEST_F(RoomWriterTest, OldTransactionsAreForgotten) {
  const std::string room = server_->MakeRoom("11");
  const EventDraft draft =
      MakeDraft(kTypeMessage, "@alice:x", std::nullopt, R"({"body":"once"})");
  ASSERT_TRUE(server_->Send(room, draft, TransactionKey{"D", "s", "old"}).ok());
  server_->clock.now_ms += 8ll * 24 * 3'600'000;
  ASSERT_TRUE(server_->Send(room, draft, TransactionKey{"D", "s", "new"}).ok());
  server_->writer.Drain();
  server_->executor->Shutdown();
  const auto rows =
      store_->NewSnapshot().value()->Scan({.table = &tables::kTransactions});
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ(CellText((*rows)[0][tables::Transactions::kTxnId]), "new");
}

TEST_F(RoomWriterTest, ManySendersOneRoomEachAnsweredOnce) {
  const std::string room = server_->MakeRoom("12");
  std::vector<std::future<std::string>> answers;
  for (int i = 0; i < 300; ++i) {
    auto promise = std::make_shared<std::promise<std::string>>();
    answers.push_back(promise->get_future());
    RoomRequest request;
    request.room_id = room;
    request.user_id = "@alice:x";
    request.prepare = [i](const RoomView&) -> Result<RoomChange> {
      RoomChange change;
      change.drafts.push_back(MakeDraft(kTypeMessage, "@alice:x", std::nullopt,
                                        fmt::format(R"({{"n":{}}})", i)));
      return change;
    };
    request.done = [promise](Result<RoomRequest::Answer> answer) {
      promise->set_value(answer.ok() ? answer->event_ids[0] : "");
    };
    server_->writer.Send(std::move(request));
  }
  std::map<std::string, int> ids;
  for (auto& answer : answers) ++ids[answer.get()];
  EXPECT_EQ(ids.size(), 300u);
  EXPECT_EQ(ids.count(""), 0u);
  OpenReader reader(*server_);
  EXPECT_EQ(reader->Timeline(reader.Head(room), {}).value().size(), 304u);
}

// Two processes on one store: the precondition catches the stale one, which
// looks again and appends after the other's events.
TEST_F(RoomWriterTest, TwoWritersOfOneStoreNeverForkTheRoom) {
  const std::string room = server_->MakeRoom("11");
  RoomServer other(*store_);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(server_->Say(room, "@alice:x", "a").ok());
    ASSERT_TRUE(other.Say(room, "@alice:x", "b").ok());
    ASSERT_TRUE(other
                    .Send(room, MakeDraft("m.x", "@alice:x",
                                          fmt::format("k{}", i), "{}"))
                    .ok());
    ASSERT_TRUE(server_
                    ->Send(room, MakeDraft("m.y", "@alice:x",
                                           fmt::format("k{}", i), "{}"))
                    .ok());
  }
  OpenReader reader(*server_);
  const auto events = reader->Timeline(reader.Head(room), {}).value();
  ASSERT_EQ(events.size(), 24u);
  for (size_t i = 1; i < events.size(); ++i) {
    EXPECT_THAT(events[i].event->prev_events(),
                ElementsAre(events[i - 1].event->event_id()));
  }
  const RoomHead head = reader.Head(room);
  EXPECT_NE(reader->StateEvent(head, head.state, "m.x", "k4").value(), nullptr);
  EXPECT_NE(reader->StateEvent(head, head.state, "m.y", "k0").value(), nullptr);
}

TEST_F(RoomWriterTest, RedactionStripsTheEventAndItsState) {
  const std::string room = server_->MakeRoom("12");
  const auto topic = server_->Send(
      room, MakeDraft(kTypeTopic, "@alice:x", "", R"({"topic":"secret"})"));
  EventDraft redaction =
      MakeDraft(kTypeRedaction, "@alice:x", std::nullopt, "{}");
  redaction.redacts = topic->event_ids[0];
  const auto redacted = server_->Send(room, redaction);
  ASSERT_TRUE(redacted.ok()) << redacted.status().ToString();
  OpenReader reader(*server_);
  const auto found = reader->Event(topic->event_ids[0]).value();
  EXPECT_EQ(found->stored.redacted_by, redacted->events[0].idx);
  EXPECT_EQ(found->stored.event->content_json(), "{}");
  EXPECT_EQ(found->stored.event->event_id(), topic->event_ids[0]);
  const RoomHead head = reader.Head(room);
  EXPECT_EQ(reader->StateEvent(head, head.state, kTypeTopic, "")
                .value()
                ->content_json(),
            "{}");
}

// Calls back between the moment from which snapshots show a commit and that at
// which the writer hears of it.
class EarlyStore final : public Store {
 public:
  explicit EarlyStore(Store& store) : store_(store) {}
  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    return store_.NewSnapshot();
  }
  void CommitAsync(WriteBatch batch, Done done) override {
    store_.CommitAsync(
        std::move(batch),
        [this, done = std::move(done)](Result<CommitInfo> result) mutable {
          if (visible) visible();
          done(std::move(result));
        });
  }
  Position LastPosition() const override { return store_.LastPosition(); }
  Status Check() override { return store_.Check(); }
  void Close() override { store_.Close(); }

  std::function<void()> visible;

 private:
  Store& store_;
};

TEST_F(RoomWriterTest, WhoeverSeesTheCommitSeesTheRedaction) {
  EarlyStore store(*store_);
  RoomServer server(store);
  const std::string room = server.MakeRoom("11");
  const auto topic = server.Send(
      room, MakeDraft(kTypeTopic, "@alice:x", "", R"({"topic":"t"})"));
  ASSERT_TRUE(topic.ok());
  const auto redacted_by = [&]() -> EventIdx {
    OpenReader reader(server);
    const EventIdx idx = topic->events[0].idx;
    return reader->StoredEvents(reader.Head(room), {&idx, 1})
        .value()[0]
        .redacted_by;
  };
  EXPECT_EQ(redacted_by(), 0u);  // And is remembered.
  std::optional<EventIdx> seen;
  store.visible = [&] { seen = redacted_by(); };
  EventDraft redaction =
      MakeDraft(kTypeRedaction, "@alice:x", std::nullopt, "{}");
  redaction.redacts = topic->event_ids[0];
  const auto redacted = server.Send(room, redaction);
  ASSERT_TRUE(redacted.ok()) << redacted.status().ToString();
  EXPECT_EQ(seen, redacted->events[0].idx);
  store.visible = nullptr;
  EXPECT_EQ(redacted_by(), redacted->events[0].idx);
}

// What is kept of a room's newest events in memory answers as the store does,
// also for snapshots from before and when another process writes and redacts.
TEST_F(RoomWriterTest, TheNewestEventsReadAsFromTheStore) {
  const std::string room = server_->MakeRoom("12");
  RoomServer other(*store_);
  const std::unique_ptr<Random> random = NewSeededRandom(5);
  std::vector<std::string> said;
  for (int i = 0; i < 200; ++i) {
    OpenReader before(*server_);
    const RoomHead old_head = before.Head(room);
    RoomServer& writer = random->Below(8) == 0 ? other : *server_;
    if (random->Below(6) == 0 && !said.empty()) {
      EventDraft draft =
          MakeDraft(kTypeRedaction, "@alice:x", std::nullopt, "{}");
      draft.redacts = said[said.size() - 1 -
                           random->Below(std::min<uint64_t>(said.size(), 4))];
      ASSERT_TRUE(writer.Send(room, draft).ok());
    } else {
      const auto sent = writer.Say(room, "@alice:x", fmt::format("{}", i));
      ASSERT_TRUE(sent.ok());
      said.push_back(sent->event_ids[0]);
    }
    RoomServer fresh(*store_);
    OpenReader expected(fresh);
    OpenReader now(*server_);
    const RoomHead head = now.Head(room);
    const auto ids = [](const Result<std::vector<StoredEvent>>& events) {
      std::vector<std::string> list;
      for (const StoredEvent& e : *events) {
        list.push_back(fmt::format("{} {} {} {}", e.event->event_id(), e.pos,
                                   e.redacted_by, e.after));
      }
      return list;
    };
    for (const bool newest_first : {false, true}) {
      const RoomReader::Range range{
          .after = head.last_pos - static_cast<Position>(random->Below(30)),
          .until = head.last_pos - static_cast<Position>(random->Below(3)),
          .newest_first = newest_first,
          .limit = 1 + random->Below(12)};
      ASSERT_EQ(ids(now->Timeline(head, range)),
                ids(expected->Timeline(expected.Head(room), range)));
    }
    for (const StoredEvent& event :
         before->Timeline(old_head, {.after = old_head.last_pos - 3}).value()) {
      ASSERT_LE(event.pos, old_head.last_pos);
    }
  }
}

TEST_F(RoomWriterTest, TheListenerHearsEventsAndMembers) {
  const std::string room = server_->MakeRoom("11");
  ASSERT_TRUE(server_->SetMember(room, "@bob:x", "@bob:x", "join").ok());
  const RoomCommit& commit = server_->listener.commits.back();
  EXPECT_EQ(commit.room_id, room);
  EXPECT_THAT(commit.members_changed, ElementsAre("@bob:x"));
  EXPECT_EQ(commit.events[0].pos, store_->LastPosition());
  EXPECT_TRUE(server_->joined.Contains(commit.room, "@bob:x"));
  ASSERT_TRUE(server_->SetMember(room, "@bob:x", "@bob:x", "leave").ok());
  EXPECT_FALSE(server_->joined.Contains(commit.room, "@bob:x"));
}

// A room that is taken into memory brings those who are joined on this server.
TEST_F(RoomWriterTest, ARestartKnowsWhoIsJoinedHere) {
  const std::string room = server_->MakeRoom("11");
  const RoomNid nid = server_->listener.commits.back().room;
  for (const char* user : {"@bob:x", "@carol:x", "@dave:y"}) {
    ASSERT_TRUE(server_->SetMember(room, user, user, "join").ok());
  }
  ASSERT_TRUE(server_->SetMember(room, "@carol:x", "@carol:x", "leave").ok());
  RoomServer fresh(*store_);
  EXPECT_FALSE(fresh.joined.Loaded(nid));
  ASSERT_TRUE(fresh.Say(room, "@alice:x", "hello").ok());
  EXPECT_EQ(fresh.joined.Count(nid), 2u);
  EXPECT_TRUE(fresh.joined.Contains(nid, "@alice:x"));
  EXPECT_TRUE(fresh.joined.Contains(nid, "@bob:x"));
}

TEST_F(RoomWriterTest, ActivityTellsWhichRoomsChanged) {
  const std::string room = server_->MakeRoom("11");
  const RoomNid nid = server_->listener.commits.back().room;
  const Position now = store_->LastPosition();
  EXPECT_FALSE(server_->activity.MayHaveChangedSince(nid, now));
  EXPECT_TRUE(server_->activity.MayHaveChangedSince(nid, now - 1));
  server_->activity.Pending(nid);
  EXPECT_TRUE(server_->activity.MayHaveChangedSince(nid, now));
  server_->activity.Failed(nid);
  EXPECT_FALSE(server_->activity.MayHaveChangedSince(nid, now));
}

TEST_F(RoomWriterTest, AfterDrainRequestsAreRefused) {
  const std::string room = server_->MakeRoom("11");
  server_->writer.Drain();
  EXPECT_EQ(server_->Say(room, "@alice:x", "late").status().code(),
            StatusCode::kUnavailable);
}

// The state before and after each event, from deltas, is what replaying the
// room says; with restarts in between.
TEST_F(RoomWriterTest, EveryStateCanBeReadBack) {
  const std::string room = server_->MakeRoom("11");
  const std::unique_ptr<Random> random = NewSeededRandom(3);
  for (int i = 0; i < 200; ++i) {
    if (i % 50 == 49) server_ = std::make_unique<RoomServer>(*store_);
    const std::string key = fmt::format("k{}", random->Below(20));
    ASSERT_TRUE(server_
                    ->Send(room, MakeDraft("m.test", "@alice:x", key,
                                           fmt::format(R"({{"n":{}}})", i)))
                    .ok());
  }
  RoomServer fresh(*store_);
  OpenReader reader(fresh);
  const RoomHead head = reader.Head(room);
  std::map<std::pair<std::string, std::string>, std::string> state;
  const auto timeline = reader->Timeline(head, {}).value();
  for (const StoredEvent& event : timeline) {
    const auto read = [&](StateSnap snap) {
      std::map<std::pair<std::string, std::string>, std::string> map;
      const auto events = reader->StateEvents(head, snap).value();
      for (const StoredEvent& s : events) {
        map[{std::string(s.event->type()),
             std::string(*s.event->state_key())}] = s.event->event_id();
      }
      return map;
    };
    ASSERT_EQ(read(event.before), state) << event.idx;
    const std::pair key{std::string(event.event->type()),
                        std::string(*event.event->state_key())};
    const auto replaced = state.find(key);
    EXPECT_EQ(event.replaces != 0, replaced != state.end());
    state[key] = event.event->event_id();
    ASSERT_EQ(read(event.after), state) << event.idx;
  }
  // No state is far from the empty one: of the room's 24 keys, not of its 204
  // changes, depends how many rows one is made from.
  EXPECT_EQ(head.last_key, 24u);
  EXPECT_EQ(head.last_snap, 204u);
  for (StateSnap snap = 1; snap <= head.last_snap; ++snap) {
    int rows = 0;
    for (StateSnap at = snap; at != 0; ++rows) {
      const auto row =
          reader.snapshot
              ->Get(tables::kStateSnaps, {Cell(head.nid), Cell(int64_t{at})})
              .value();
      at = static_cast<StateSnap>(CellInt((*row)[tables::StateSnaps::kBase]));
    }
    EXPECT_LE(rows, 4) << snap;
  }
}

// Adds a row to each commit, or fails when told.
class CountingObserver : public CommitObserver {
 public:
  struct Count : RoomExtra {
    int64_t commits = 0;
    size_t ByteSize() const override { return sizeof(Count); }
  };
  Status AddRows(RoomAddition& addition, std::unique_ptr<RoomExtra>& extra,
                 WriteBatch& batch) override {
    if (fails) return Status(StatusCode::kUnavailable, "no rows today");
    if (extra == nullptr) extra = std::make_unique<Count>();
    seen.push_back(++static_cast<Count&>(*extra).commits);
    joined.push_back(addition.events().back().joined);
    batch.PutRow(tables::kAliases,
                 {"#" + addition.events().back().stored.event->event_id(),
                  addition.room_cell(), std::string("observer")});
    return OkStatus();
  }

  bool fails = false;
  std::vector<int64_t> seen;
  std::vector<int64_t> joined;
};

TEST_F(RoomWriterTest, AnObserversRowsComeWithTheEventsOrNeither) {
  RoomServer server(*store_);
  CountingObserver observer;
  RoomWriter writer({.server_name = "x"},
                    {*store_, server.coordinator, *server.executor,
                     server.clock, *server.random, server.key, server.caches,
                     server.activity, server.joined, server.listener,
                     *server.log, *server.metrics, &observer});
  const std::string room = server.MakeRoom("11");
  const auto say = [&] {
    RoomRequest request;
    request.room_id = room;
    request.user_id = "@alice:x";
    request.prepare = [](const RoomView&) -> Result<RoomChange> {
      RoomChange change;
      change.drafts.push_back(
          MakeDraft(kTypeMessage, "@alice:x", std::nullopt, "{}"));
      return change;
    };
    return writer.SendAndWait(std::move(request));
  };
  const auto said = say();
  ASSERT_TRUE(said.ok()) << said.status().ToString();
  {
    OpenReader reader(server);
    EXPECT_TRUE(reader->AliasRoom("#" + said->event_ids[0]).value());
  }
  ASSERT_TRUE(say().ok());
  observer.fails = true;
  EXPECT_EQ(say().status().code(), StatusCode::kUnavailable);
  observer.fails = false;
  {
    OpenReader reader(server);
    const RoomHead head = reader.Head(room);
    EXPECT_EQ(reader->Timeline(head, {}).value().size(), 6u);
  }
  // What it remembered of the room went with the failure.
  ASSERT_TRUE(say().ok());
  EXPECT_EQ(observer.seen, (std::vector<int64_t>{1, 2, 1}));
  EXPECT_EQ(observer.joined, (std::vector<int64_t>{1, 1, 1}));
  writer.Drain();
}

}  // namespace
}  // namespace matrixcore
