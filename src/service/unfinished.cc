#include "matrixcore/service/unfinished.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/service/account_tables.h"

namespace matrixcore {
namespace {

using tables::kUnfinished;
using tables::Unfinished;

constexpr int kTriesAtOnce = 5;
constexpr Duration kFirstPause = seconds(1);
constexpr Duration kLongestPause = seconds(600);

using ItemKey = std::tuple<std::string, std::string, std::string, Position>;

ItemKey KeyOf(const UnfinishedWork::Item& item) {
  return {item.kind, item.user_id, item.key, item.pos};
}

UnfinishedWork::Item ItemOf(const Row& row) {
  return {.kind = std::string(CellText(row[Unfinished::kKind])),
          .user_id = std::string(CellText(row[Unfinished::kUser])),
          .key = std::string(CellText(row[Unfinished::kKey])),
          .pos = CellInt(row[Unfinished::kPos])};
}

}  // namespace

struct UnfinishedWork::Rep : std::enable_shared_from_this<Rep> {
  class Work;
  using After = UniqueFunction<void()>;

  explicit Rep(const Deps& d) : deps(d) {}

  void Start(Item item, Done done, After after);
  void Pause(const Item& item);
  void Remove(const Item& item);
  void Leave(const Item& item);
  void Arm();
  Result<std::vector<Row>> Read();
  void Look();
  void DoNext();
  bool Stopped() {
    MutexLock lock(mutex);
    return stopped;
  }

  const Deps deps;
  std::map<std::string, Worker, std::less<>> workers;

  Mutex mutex;
  std::set<ItemKey> under_way MC_GUARDED_BY(mutex);
  std::deque<Item> found MC_GUARDED_BY(mutex);  // To be done, one by one.
  bool doing_found MC_GUARDED_BY(mutex) = false;
  Duration pause MC_GUARDED_BY(mutex) = kFirstPause;
  Timers::Id timer MC_GUARDED_BY(mutex) = 0;
  bool stopped MC_GUARDED_BY(mutex) = false;
};

// A piece of work until it is done or put off.
class UnfinishedWork::Rep::Work final
    : public Try,
      public std::enable_shared_from_this<Work> {
 public:
  Work(std::shared_ptr<Rep> rep, Item item, Done done, After after)
      : rep_(std::move(rep)),
        item_(std::move(item)),
        after_(std::move(after)),
        done_(std::move(done)) {}
  ~Work() override {
    if (!ended_) {
      Finish(Status(StatusCode::kUnavailable, "the work was dropped"));
    }
  }

  const Item& item() const override { return item_; }

  void Answer(Status status) override {
    Done done;
    {
      MutexLock lock(mutex_);
      done = std::exchange(done_, nullptr);
    }
    if (done) done(std::move(status));
  }

  void End(Status status) override {
    if (!IsPassing(status) || ++tries_ == kTriesAtOnce) {
      return Finish(std::move(status));
    }
    // Refused, the task drops the work, which puts it off.
    (void)rep_->deps.background.PostAdmitted(
        [self = shared_from_this()] { self->Begin(); });
  }

  void Begin() {
    const auto worker = rep_->workers.find(item_.kind);
    if (rep_->Stopped() || worker == rep_->workers.end()) return;
    worker->second(shared_from_this());
  }

 private:
  void Finish(Status status) {
    ended_ = true;
    if (IsPassing(status)) {
      rep_->Pause(item_);
    } else {
      if (!status.ok()) {
        rep_->deps.log.Error("unfinished", "work that cannot be done",
                             {{"kind", item_.kind},
                              {"user", item_.user_id},
                              {"error", status.ToString()}});
      }
      rep_->Remove(item_);
    }
    Answer(std::move(status));
    if (after_) after_();
  }

  const std::shared_ptr<Rep> rep_;
  const Item item_;
  After after_;
  int tries_ = 0;
  bool ended_ = false;
  Mutex mutex_;
  Done done_ MC_GUARDED_BY(mutex_);  // Gone once called.
};

void UnfinishedWork::Rep::Start(Item item, Done done, After after) {
  {
    MutexLock lock(mutex);
    under_way.insert(KeyOf(item));
  }
  std::make_shared<Work>(shared_from_this(), std::move(item), std::move(done),
                         std::move(after))
      ->Begin();
}

void UnfinishedWork::Rep::Leave(const Item& item) {
  MutexLock lock(mutex);
  under_way.erase(KeyOf(item));
}

// The row stays, for the next look.
void UnfinishedWork::Rep::Pause(const Item& item) {
  Leave(item);
  Arm();
}

// The row goes, unless the same work has become necessary once more.
void UnfinishedWork::Rep::Remove(const Item& item) {
  WriteBatch batch;
  batch.Require(WriteBatch::ColumnEquals{
      &kUnfinished,
      {Cell(item.kind), Cell(item.user_id), Cell(item.key)},
      Unfinished::kPos,
      Cell(item.pos)});
  batch.DeleteRow(kUnfinished, {item.kind, item.user_id, item.key});
  deps.store.CommitAsync(
      std::move(batch),
      [self = shared_from_this(), item](const Result<CommitInfo>& removed) {
        self->Leave(item);
        if (!removed.ok() && removed.status().code() != StatusCode::kAborted) {
          return self->Arm();
        }
        MutexLock lock(self->mutex);
        self->pause = kFirstPause;
      });
}

// --- Looking ---

void UnfinishedWork::Rep::Arm() {
  MutexLock lock(mutex);
  if (stopped || timer != 0) return;
  timer =
      deps.timers.At(deps.clock.Monotonic() + pause, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self == nullptr) return;
        {
          MutexLock armed(self->mutex);
          self->timer = 0;
          if (self->stopped) return;
        }
        (void)self->deps.background.PostAdmitted([self] { self->Look(); });
      });
  pause = std::min(pause * 2, kLongestPause);
}

Result<std::vector<Row>> UnfinishedWork::Rep::Read() {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps.store.NewSnapshot());
  return snapshot->Scan({.table = &kUnfinished});
}

void UnfinishedWork::Rep::Look() {
  const Result<std::vector<Row>> rows = Read();
  if (!rows.ok()) {
    deps.log.Warn("unfinished", "what is to be done is not known",
                  {{"error", rows.status().ToString()}});
    return Arm();
  }
  {
    MutexLock lock(mutex);
    found.clear();
    for (const Row& row : *rows) found.push_back(ItemOf(row));
    if (std::exchange(doing_found, true)) return;
  }
  DoNext();
}

void UnfinishedWork::Rep::DoNext() {
  Item item;
  {
    MutexLock lock(mutex);
    while (!found.empty() && under_way.contains(KeyOf(found.front()))) {
      found.pop_front();
    }
    if (found.empty() || stopped) {
      doing_found = false;
      return;
    }
    item = std::move(found.front());
    found.pop_front();
  }
  // The next one on another stack: there may be many.
  Start(std::move(item), nullptr, [self = shared_from_this()] {
    if (self->deps.background.PostAdmitted([self] { self->DoNext(); })) return;
    MutexLock lock(self->mutex);
    self->doing_found = false;
  });
}

// --- The public face ---

UnfinishedWork::UnfinishedWork(const Deps& deps)
    : rep_(std::make_shared<Rep>(deps)) {}

UnfinishedWork::~UnfinishedWork() { Stop(); }

void UnfinishedWork::Handle(std::string kind, Worker worker) {
  rep_->workers.insert_or_assign(std::move(kind), std::move(worker));
}

PositionRef UnfinishedWork::Add(WriteBatch& batch, std::string_view kind,
                                std::string_view user_id,
                                std::string_view key) {
  const PositionRef pos = batch.NewPosition();
  batch.PutRow(kUnfinished, {std::string(kind), std::string(user_id),
                             std::string(key), pos});
  return pos;
}

void UnfinishedWork::Begin(Item item, Done done) {
  rep_->Start(std::move(item), std::move(done), nullptr);
}

void UnfinishedWork::LookLater() { rep_->Arm(); }

void UnfinishedWork::Start() {
  const Result<std::vector<Row>> rows = rep_->Read();
  if (!rows.ok() || !rows->empty()) rep_->Arm();
}

void UnfinishedWork::Stop() {
  MutexLock lock(rep_->mutex);
  rep_->stopped = true;
  if (rep_->timer != 0) rep_->deps.timers.Cancel(rep_->timer);
}

}  // namespace matrixcore
