#include "matrixcore/service/notifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "matrixcore/backends/memory.h"
#include "service/manual_world.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Hears = Notifier::Hears;
using News = Notifier::News;
using Wake = Notifier::Wake;

constexpr RoomNid kRoom = 7;
constexpr RoomNid kOtherRoom = 8;
const std::string kAlice = "@alice:example.org";
const std::string kBob = "@bob:example.org";
const TableSpec kTable{
    .name = "news",
    .columns = {{"id", ColumnType::kInt64}, {"pos", ColumnType::kInt64}},
    .key_columns = 1};

class NotifierTest : public ::testing::Test {
 protected:
  NotifierTest() {
    joined_.Load(kRoom, {kAlice, kBob});
    joined_.Load(kOtherRoom, {kBob});
  }

  Notifier::Id Park(const std::string& user, Duration timeout = seconds(30)) {
    return Park(user, notifier_.Version(), timeout);
  }
  Notifier::Id Park(const std::string& user, uint64_t seen, Duration timeout) {
    return notifier_.Park(user, Hears::kEverything, seen,
                          clock_.Monotonic() + timeout,
                          [this, user](Wake wake) { Note(user, wake); });
  }
  // Notes "deaf" in place of the user.
  Notifier::Id ParkDeaf(const std::string& user, uint64_t seen) {
    return notifier_.Park(user, Hears::kAllButPresence, seen,
                          clock_.Monotonic() + seconds(30),
                          [this](Wake wake) { Note("deaf", wake); });
  }
  void Note(const std::string& user, Wake wake) {
    woken_.push_back(user);
    wakes_.push_back(wake);
  }
  // As if something was written; its position.
  Position Commit() {
    WriteBatch batch;
    batch.PutRow(kTable, {int64_t{1}, batch.NewPosition()});
    const auto committed = store_->Commit(std::move(batch));
    EXPECT_TRUE(committed.ok());
    return store_->LastPosition();
  }
  void PublishUser(const std::string& user) {
    notifier_.PublishUsers({&user, 1});
  }

  // Who was woken since the last call.
  std::vector<std::string> Woken() {
    executor_.RunAll();
    return std::exchange(woken_, {});
  }

  ManualClock clock_;
  ManualTimers timers_{clock_};
  ManualExecutor executor_;
  JoinedUsers joined_;
  std::unique_ptr<Store> store_ = NewMemoryStore(Schema{.tables = {kTable}});
  std::unique_ptr<Metrics> metrics_ = NewMetrics();
  Notifier notifier_{*store_, joined_, executor_, timers_, clock_, *metrics_};
  std::vector<std::string> woken_;
  std::vector<Wake> wakes_;
};

TEST_F(NotifierTest, WakesWhoeverWaitsForTheUser) {
  Park(kAlice);
  Park(kBob);
  PublishUser(kAlice);
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
  EXPECT_THAT(wakes_, ElementsAre(Wake::kPublished));
  EXPECT_EQ(notifier_.parked(), 1u);
}

TEST_F(NotifierTest, WakesAllWaitersOfOneUserOnce) {
  Park(kAlice);
  Park(kAlice);
  PublishUser(kAlice);
  PublishUser(kAlice);
  EXPECT_THAT(Woken(), ElementsAre(kAlice, kAlice));
}

TEST_F(NotifierTest, WakesTheMembersOfARoomAndNobodyElse) {
  Park(kAlice);
  Park(kBob);
  Park("@carol:example.org");
  notifier_.PublishRoom(kOtherRoom);
  EXPECT_THAT(Woken(), ElementsAre(kBob));
  notifier_.PublishRoom(kRoom);
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
}

TEST_F(NotifierTest, WakesMembersAlsoWhenTheyOutnumberThoseWhoWait) {
  std::vector<std::string> many;
  for (int i = 0; i < 100; ++i) many.push_back("@u" + std::to_string(i) + ":h");
  joined_.Load(9, many);
  Park("@u42:h");
  Park(kAlice);
  notifier_.PublishRoom(9);
  EXPECT_THAT(Woken(), ElementsAre("@u42:h"));
}

TEST_F(NotifierTest, WakesThoseWhoseMembershipChanged) {
  Park("@carol:example.org");
  RoomCommit commit;
  commit.room = kRoom;
  commit.members_changed = {"@carol:example.org"};
  notifier_.OnCommit(commit);
  EXPECT_THAT(Woken(), ElementsAre("@carol:example.org"));
}

TEST_F(NotifierTest, WakesEverybodyForARoomOfUnknownMembers) {
  Park(kAlice);
  notifier_.PublishRoom(99);
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
}

TEST_F(NotifierTest, NeverResumesInsideACall) {
  Park(kAlice);
  PublishUser(kAlice);
  EXPECT_THAT(woken_, IsEmpty());
  EXPECT_EQ(executor_.queued(), 1u);
}

TEST_F(NotifierTest, ResumesAtOnceWhatWasPublishedAfterTheLook) {
  const uint64_t seen = notifier_.Version();
  PublishUser(kAlice);
  Park(kAlice, seen, seconds(30));
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
  Park(kAlice);
  EXPECT_THAT(Woken(), IsEmpty());
}

TEST_F(NotifierTest, ResumesAtOnceForARoomPublishedAfterTheLook) {
  const uint64_t seen = notifier_.Version();
  notifier_.PublishRoom(kOtherRoom);
  Park(kAlice, seen, seconds(30));
  EXPECT_THAT(Woken(), IsEmpty());
  Park(kBob, seen, seconds(30));
  EXPECT_THAT(Woken(), ElementsAre(kBob));
}

TEST_F(NotifierTest, StaysParkedThroughWhatConcernsOthers) {
  const uint64_t seen = notifier_.Version();
  for (int i = 0; i < 1000; ++i) PublishUser(kBob);
  Park(kAlice, seen, seconds(30));
  EXPECT_THAT(Woken(), IsEmpty());
}

TEST_F(NotifierTest, ResumesAtOnceWhenTheLookIsTooOldToTell) {
  const uint64_t seen = notifier_.Version();
  for (int i = 0; i < 5000; ++i) PublishUser(kBob);
  Park(kAlice, seen, seconds(30));
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
}

TEST_F(NotifierTest, APublicationToVeryManyUsersIsKeptAsOneToEverybody) {
  const uint64_t seen = notifier_.Version();
  std::vector<std::string> many;
  for (int i = 0; i < 100; ++i) many.push_back("@u" + std::to_string(i) + ":h");
  Park("@u7:h");
  Park(kBob);
  notifier_.PublishUsers(many);
  EXPECT_THAT(Woken(), ElementsAre("@u7:h"));
  Park("@u9:h", seen, seconds(30));
  EXPECT_THAT(Woken(), ElementsAre("@u9:h"));
}

TEST_F(NotifierTest, ResumesAtTheDeadline) {
  Park(kAlice, seconds(30));
  Park(kBob, seconds(10));
  timers_.Advance(seconds(9));
  EXPECT_THAT(Woken(), IsEmpty());
  timers_.Advance(seconds(1));
  EXPECT_THAT(Woken(), ElementsAre(kBob));
  timers_.Advance(seconds(20));
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
  EXPECT_THAT(wakes_, ElementsAre(Wake::kDeadline, Wake::kDeadline));
  EXPECT_EQ(timers_.pending(), 0u);
}

TEST_F(NotifierTest, TheDeadlineOfAWokenWaiterIsForgotten) {
  Park(kAlice, seconds(10));
  PublishUser(kAlice);
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
  timers_.Advance(seconds(20));
  EXPECT_THAT(Woken(), IsEmpty());
}

TEST_F(NotifierTest, OneTimerServesAllDeadlines) {
  for (int i = 0; i < 1000; ++i) Park(kAlice, seconds(30) + milliseconds(i));
  EXPECT_EQ(timers_.pending(), 1u);
  Park(kBob, seconds(1));
  EXPECT_EQ(timers_.pending(), 1u);
  timers_.Advance(seconds(1));
  EXPECT_THAT(Woken(), ElementsAre(kBob));
  EXPECT_EQ(timers_.pending(), 1u);
}

TEST_F(NotifierTest, ManyShortWaitsLeaveNoDeadlinesBehind) {
  Park(kAlice, seconds(100));
  for (int i = 0; i < 10'000; ++i) {
    Park(kBob, seconds(90));
    PublishUser(kBob);
    Woken();
  }
  timers_.Advance(seconds(95));
  EXPECT_THAT(Woken(), IsEmpty());
  timers_.Advance(seconds(5));
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
}

TEST_F(NotifierTest, AWaitWithoutDeadlineNeedsNoTimer) {
  notifier_.Park(kAlice, Hears::kEverything, notifier_.Version(),
                 MonotonicTime::Never(),
                 [this](Wake wake) { Note(kAlice, wake); });
  EXPECT_EQ(timers_.pending(), 0u);
  PublishUser(kAlice);
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
}

TEST_F(NotifierTest, CancelResumesOnce) {
  const Notifier::Id id = Park(kAlice);
  Park(kAlice);
  notifier_.Cancel(id);
  notifier_.Cancel(id);
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
  EXPECT_THAT(wakes_, ElementsAre(Wake::kCancelled));
  EXPECT_EQ(notifier_.parked(), 1u);
  PublishUser(kAlice);
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
}

TEST_F(NotifierTest, ShutdownResumesEverybodyAndWhoeverParksLater) {
  Park(kAlice);
  Park(kBob);
  notifier_.Shutdown();
  EXPECT_EQ(Woken().size(), 2u);
  Park(kAlice);
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
  EXPECT_THAT(wakes_,
              ElementsAre(Wake::kShutdown, Wake::kShutdown, Wake::kShutdown));
  EXPECT_EQ(timers_.pending(), 0u);
}

TEST_F(NotifierTest, ATimerMayOutliveTheNotifier) {
  auto notifier = std::make_unique<Notifier>(*store_, joined_, executor_,
                                             timers_, clock_, *metrics_);
  notifier->Park(kAlice, Hears::kEverything, 0, clock_.Monotonic() + seconds(1),
                 [this](Wake wake) { Note(kAlice, wake); });
  notifier.reset();
  timers_.Advance(seconds(2));
  EXPECT_THAT(Woken(), IsEmpty());
}

TEST_F(NotifierTest, IsQuietUntilSomethingForTheUserIsPublished) {
  const Position before = Commit();
  PublishUser(kAlice);
  EXPECT_EQ(notifier_.QuietSince(kAlice, Hears::kEverything, before),
            notifier_.Version());
  const Position after = Commit();
  // Not yet published: whoever parks now is woken by the publication.
  EXPECT_EQ(notifier_.QuietSince(kAlice, Hears::kEverything, before),
            notifier_.Version());
  PublishUser(kAlice);
  EXPECT_EQ(notifier_.QuietSince(kAlice, Hears::kEverything, before),
            std::nullopt);
  EXPECT_EQ(notifier_.QuietSince(kAlice, Hears::kEverything, after),
            notifier_.Version());
  EXPECT_EQ(notifier_.QuietSince(kBob, Hears::kEverything, before),
            notifier_.Version());
}

TEST_F(NotifierTest, IsNotQuietForTheMembersOfARoom) {
  const Position before = Commit();
  notifier_.PublishRoom(kOtherRoom);
  Commit();
  notifier_.PublishRoom(kOtherRoom);
  EXPECT_TRUE(notifier_.QuietSince(kAlice, Hears::kEverything, before));
  EXPECT_FALSE(notifier_.QuietSince(kBob, Hears::kEverything, before));
  Commit();
  notifier_.PublishAll();
  EXPECT_FALSE(notifier_.QuietSince(kAlice, Hears::kEverything, before));
}

TEST_F(NotifierTest, KnowsOfNoQuietBeforeItsTimeOrInTheFuture) {
  const Position before = Commit();
  Notifier later(*store_, joined_, executor_, timers_, clock_, *metrics_);
  EXPECT_TRUE(later.QuietSince(kAlice, Hears::kEverything, before));
  EXPECT_FALSE(later.QuietSince(kAlice, Hears::kEverything, before - 1));
  EXPECT_FALSE(later.QuietSince(kAlice, Hears::kEverything, before + 1));
}

TEST_F(NotifierTest, KnowsOfNoQuietThatWasLongAgo) {
  const Position before = Commit();
  PublishUser(kBob);
  for (int i = 0; i < 300; ++i) {
    Commit();
    PublishUser(kBob);
  }
  EXPECT_FALSE(notifier_.QuietSince(kAlice, Hears::kEverything, before));
  for (int i = 0; i < 5000; ++i) PublishUser(kBob);
  EXPECT_TRUE(
      notifier_.QuietSince(kAlice, Hears::kEverything, store_->LastPosition()));
}

TEST_F(NotifierTest, PresenceWakesOnlyThoseWhoHearIt) {
  Park(kAlice);
  ParkDeaf(kAlice, notifier_.Version());
  ParkDeaf(kBob, notifier_.Version());
  notifier_.PublishRoom(kRoom, {}, News::kPresence);
  EXPECT_THAT(Woken(), ElementsAre(kAlice));
  notifier_.PublishUsers({&kBob, 1}, News::kPresence);
  notifier_.PublishAll(News::kPresence);
  EXPECT_THAT(Woken(), IsEmpty());
  EXPECT_EQ(notifier_.parked(), 2);
  notifier_.PublishRoom(kRoom);
  EXPECT_THAT(Woken(), ElementsAre("deaf", "deaf"));
}

TEST_F(NotifierTest, TheDeafParkDespitePresenceThatTheyMissed) {
  const uint64_t seen = notifier_.Version();
  notifier_.PublishRoom(kRoom, {}, News::kPresence);
  ParkDeaf(kAlice, seen);
  EXPECT_THAT(Woken(), IsEmpty());
  Park(kBob, seen, seconds(30));
  EXPECT_THAT(Woken(), ElementsAre(kBob));
  PublishUser(kBob);
  ParkDeaf(kBob, seen);
  EXPECT_THAT(Woken(), ElementsAre("deaf"));
}

TEST_F(NotifierTest, PresenceIsQuietForTheDeaf) {
  const Position before = Commit();
  Commit();
  for (int i = 0; i < 5000; ++i) {
    notifier_.PublishRoom(kRoom, {}, News::kPresence);
  }
  EXPECT_EQ(notifier_.QuietSince(kAlice, Hears::kEverything, before),
            std::nullopt);
  EXPECT_EQ(notifier_.QuietSince(kAlice, Hears::kAllButPresence, before),
            notifier_.Version());
}

TEST_F(NotifierTest, CountsWhoIsParked) {
  Park(kAlice);
  EXPECT_THAT(metrics_->Text(),
              ::testing::HasSubstr("matrixcore_sync_parked 1"));
  PublishUser(kAlice);
  EXPECT_THAT(metrics_->Text(),
              ::testing::HasSubstr("matrixcore_sync_parked 0"));
}

// The pattern "version, look, park" against one publication, in every order of
// the steps: the reader's look misses the news exactly when the news becomes
// visible after it.
TEST_F(NotifierTest, NoInterleavingLosesAWakeUp) {
  // The publisher's two steps (visible, published) go after `a` and `b` of the
  // reader's three steps (version, look, park).
  for (int a = 0; a <= 3; ++a) {
    for (int b = a; b <= 3; ++b) {
      bool visible = false, looked_and_saw = false;
      uint64_t seen = 0;
      woken_.clear();
      const std::vector<std::function<void()>> reader = {
          [&] { seen = notifier_.Version(); },
          [&] { looked_and_saw = visible; },
          [&] {
            if (!looked_and_saw) Park(kAlice, seen, seconds(30));
          }};
      for (int step = 0; step <= 3; ++step) {
        if (step == a) visible = true;
        if (step == b) notifier_.PublishRoom(kRoom);
        if (step < 3) reader[static_cast<size_t>(step)]();
      }
      executor_.RunAll();
      EXPECT_TRUE(looked_and_saw || woken_.size() == 1)
          << "visible after step " << a << ", published after step " << b;
      EXPECT_EQ(notifier_.parked(), 0u);
    }
  }
}

// The same with real threads: a counter stands for the store.
TEST(NotifierThreadsTest, EveryReaderSeesEveryNewsInTheEnd) {
  const std::unique_ptr<Clock> clock = NewSystemClock();
  const std::unique_ptr<Timers> timers = NewThreadTimers(*clock);
  const std::unique_ptr<Executor> executor = NewThreadPool("wake", 2, 1000);
  const std::unique_ptr<Metrics> metrics = NewMetrics();
  JoinedUsers joined;
  joined.Load(kRoom, {kAlice, kBob});
  constexpr int kNews = 2000;
  {
    const auto store = NewMemoryStore(Schema{.tables = {kTable}});
    Notifier notifier(*store, joined, *executor, *timers, *clock, *metrics);
    std::atomic<int> news{0};
    std::atomic<int> finished{0};
    // A reader looks, parks, and looks again when it is woken, until it has
    // seen the last news.
    std::function<void(const std::string&)> read =
        [&](const std::string& user) {
          const uint64_t seen = notifier.Version();
          if (news.load() == kNews) {
            finished.fetch_add(1);
            finished.notify_all();
            return;
          }
          notifier.Park(user, Hears::kEverything, seen, MonotonicTime::Never(),
                        [&read, user](Wake) { read(user); });
        };
    constexpr int kReaders = 8;
    for (int i = 0; i < kReaders; ++i) read(i % 2 == 0 ? kAlice : kBob);
    std::vector<std::thread> publishers;
    for (int i = 0; i < 2; ++i) {
      publishers.emplace_back([&, i] {
        for (int n = 0; n < kNews / 2; ++n) {
          news.fetch_add(1);
          if (i == 0) {
            notifier.PublishRoom(kRoom);
          } else {
            const std::vector<std::string> both = {kAlice, kBob};
            notifier.PublishUsers(both);
          }
        }
      });
    }
    for (std::thread& publisher : publishers) publisher.join();
    // Would wait for ever (and run into the test's timeout) after a lost
    // wake-up.
    for (int done = finished.load(); done != kReaders; done = finished.load()) {
      finished.wait(done);
    }
    EXPECT_EQ(notifier.parked(), 0u);
  }
  executor->Shutdown();
}

}  // namespace
}  // namespace matrixcore
