// No wake-up is lost: a client that waits gets every message, once, in whatever
// order commits, their publication, and the steps of the sync request happen.
//
// A scheduler decides: a sync request gives it control before and after each
// read of the store, and there it commits or publishes what is planned for that
// moment.  All moments of one message are tried, and many pairs of moments of
// two.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <thread>

#include "service/sync_world.h"

namespace matrixcore {
namespace {

// Calls the test's thread back at every step of a sync request.
class Scheduler {
 public:
  // Does `step` at the given moment of what follows; steps of one moment in the
  // order in which they were planned.
  void Plan(size_t moment, std::function<void()> step) {
    plan_.emplace(moment, std::move(step));
  }
  // Does what was not done yet.
  void Finish() {
    while (!plan_.empty()) Do(plan_.begin());
    moment_ = 0;
  }
  void Begin() {
    running_ = true;
    moment_ = 0;
  }
  void End() { running_ = false; }
  size_t moment() const { return moment_; }

  // Called by the store; only the test's own thread is scheduled.
  void Yield() {
    if (!running_ || std::this_thread::get_id() != thread_) return;
    running_ = false;  // What a step does is not scheduled itself.
    const size_t moment = moment_++;
    while (!plan_.empty() && plan_.begin()->first <= moment) Do(plan_.begin());
    running_ = true;
  }

 private:
  using Plans = std::multimap<size_t, std::function<void()>>;
  void Do(Plans::iterator planned) {
    const std::function<void()> step = std::move(planned->second);
    plan_.erase(planned);
    step();
  }

  const std::thread::id thread_ = std::this_thread::get_id();
  bool running_ = false;
  size_t moment_ = 0;
  Plans plan_;
};

class YieldingSnapshot : public Snapshot {
 public:
  YieldingSnapshot(std::unique_ptr<Snapshot> inner, Scheduler& scheduler)
      : inner_(std::move(inner)), scheduler_(scheduler) {}
  Position position() const override { return inner_->position(); }
  Result<std::optional<Row>> Get(const TableSpec& table,
                                 const Row& key) override {
    scheduler_.Yield();
    return inner_->Get(table, key);
  }
  Result<std::vector<std::optional<Row>>> GetMany(
      const TableSpec& table, std::span<const Row> keys) override {
    scheduler_.Yield();
    return inner_->GetMany(table, keys);
  }
  Result<std::vector<Row>> Scan(const ScanSpec& spec) override {
    scheduler_.Yield();
    return inner_->Scan(spec);
  }

 private:
  const std::unique_ptr<Snapshot> inner_;
  Scheduler& scheduler_;
};

class YieldingStore : public Store {
 public:
  YieldingStore(std::unique_ptr<Store> inner, Scheduler& scheduler)
      : inner_(std::move(inner)), scheduler_(scheduler) {}
  Result<std::unique_ptr<Snapshot>> NewSnapshot() override {
    scheduler_.Yield();
    MC_ASSIGN_OR_RETURN(std::unique_ptr<Snapshot> snapshot,
                        inner_->NewSnapshot());
    scheduler_.Yield();
    return std::unique_ptr<Snapshot>(
        std::make_unique<YieldingSnapshot>(std::move(snapshot), scheduler_));
  }
  void CommitAsync(WriteBatch batch, Done done) override {
    inner_->CommitAsync(std::move(batch), std::move(done));
  }
  Position LastPosition() const override { return inner_->LastPosition(); }
  Status Check() override { return inner_->Check(); }
  void Close() override { inner_->Close(); }

 private:
  const std::unique_ptr<Store> inner_;
  Scheduler& scheduler_;
};

class InterleavingTest : public ::testing::TestWithParam<bool> {
 protected:
  InterleavingTest()
      : world_({}, [this](std::unique_ptr<Store> inner) {
          return std::make_unique<YieldingStore>(std::move(inner), scheduler_);
        }) {
    for (int i = 0; i < 2; ++i) rooms_.push_back(world_.MakeRoom(kAlice));
    Ask();
    Settle();
    world_.listener.Defer();
  }
  ~InterleavingTest() override {
    world_.notifier.Shutdown();
    world_.wakes.RunAll();
  }
  bool sliding() const { return GetParam(); }

  // A request that waits.
  void Ask() {
    const auto done = [this](Result<std::string> body) {
      waiting_ = false;
      if (!body.ok()) return;  // At the end.
      Take(Answer(*body));
    };
    waiting_ = true;
    if (sliding()) {
      const auto document = json::Document::ParseView(
          R"({"lists":{"a":{"timeline_limit":50,"required_state":{}}}})");
      auto request = std::make_unique<SlidingRequest>(*ParseSlidingRequest(
          document->root(), SlidingForm::kMsc4186, SyncWorld::Of(kAlice)));
      if (!since_.empty()) request->pos = since_;
      request->timeout = seconds(30);
      world_.sync.SlidingSync(std::move(request), done);
    } else {
      SyncRequest request;
      request.session = SyncWorld::Of(kAlice);
      request.since = StreamToken::Parse(since_);
      request.timeout = seconds(30);
      world_.sync.Sync(std::move(request), done);
    }
  }

  // Asks until nothing more comes: then a request waits.
  void Settle() {
    for (int i = 0; i < 20; ++i) {
      if (!waiting_) Ask();
      world_.wakes.RunAll();
      if (waiting_) return;
    }
    FAIL() << "the client never waits";
  }

  void Take(const Answer& answer) {
    since_ = answer.At({sliding() ? "pos" : "next_batch"}).StringOr("");
    for (const std::string& room : rooms_) {
      const json::Value told =
          sliding() ? answer.At({"rooms", room, "timeline"})
                    : answer.At({"rooms", "join", room, "timeline", "events"});
      for (const std::string& name : Answer::Names(told)) {
        if (name.starts_with("msg")) ++got_[name];
      }
    }
  }

  // A message and its publication at two moments of the request after this one.
  std::string PlanMessage(size_t commit, size_t publish) {
    const std::string body = fmt::format("msg{}", ++messages_);
    const std::string room = rooms_[messages_ % rooms_.size()];
    scheduler_.Plan(commit,
                    [this, room, body] { world_.Say(room, kAlice, body); });
    scheduler_.Plan(publish, [this] { world_.listener.PublishOne(); });
    return body;
  }

  // Runs a request that was not waiting when the plan began, to its end.
  void Run() {
    scheduler_.Begin();
    // A look that finds nothing is what can lose something: so it must look,
    // though nothing is published for it.
    world_.notifier.PublishUsers({&alice_, 1});
    world_.wakes.RunAll();
    scheduler_.End();
    scheduler_.Finish();
    Settle();
  }

  const std::string alice_ = kAlice;
  Scheduler scheduler_;
  SyncWorld world_;
  std::vector<std::string> rooms_;
  std::string since_;
  bool waiting_ = false;
  size_t messages_ = 0;
  std::map<std::string, int> got_;
};

TEST_P(InterleavingTest, OneMessageAtEveryMoment) {
  // As many moments as a look that finds nothing has, and one after it.
  scheduler_.Begin();
  world_.notifier.PublishUsers({&alice_, 1});
  world_.wakes.RunAll();
  const size_t moments = scheduler_.moment() + 1;
  scheduler_.End();
  ASSERT_GT(moments, 5u);
  for (size_t commit = 0; commit < moments; ++commit) {
    for (size_t publish = commit; publish <= moments; ++publish) {
      const std::string message = PlanMessage(commit, publish);
      Run();
      ASSERT_EQ(got_[message], 1)
          << "committed at " << commit << ", published at " << publish;
    }
  }
}

TEST_P(InterleavingTest, TwoMessagesAtManyMoments) {
  const std::unique_ptr<Random> random = NewSeededRandom(11);
  const auto moment = [&] { return static_cast<size_t>(random->Below(45)); };
  for (int i = 0; i < 1500; ++i) {
    std::vector<size_t> moments = {moment(), moment(), moment(), moment()};
    std::sort(moments.begin(), moments.end());
    // Commits in their order, publications in theirs.
    const bool nested = random->Below(2) == 0;
    const std::string one = PlanMessage(moments[0], moments[nested ? 2 : 1]);
    const std::string two = PlanMessage(moments[nested ? 1 : 2], moments[3]);
    Run();
    ASSERT_EQ(got_[one], 1) << ::testing::PrintToString(moments);
    ASSERT_EQ(got_[two], 1) << ::testing::PrintToString(moments);
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, InterleavingTest, ::testing::Bool(),
                         [](const auto& mode) {
                           return mode.param ? "SlidingSync" : "V3Sync";
                         });

}  // namespace
}  // namespace matrixcore
