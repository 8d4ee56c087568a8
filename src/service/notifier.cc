#include "matrixcore/service/notifier.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/node_hash_map.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/mutex.h"

namespace matrixcore {
namespace {

// Publications that Park can still tell apart.  A waiter that looked longer ago
// than this is resumed at once.
constexpr size_t kMarks = 4096;
// A publication to more users than this is kept as one to everybody.
constexpr size_t kMaxMarkedUsers = 64;
// A user in more rooms than this has everybody as a contact.
constexpr size_t kMaxMarkedRooms = 256;
// Resumptions in one task: small enough that all threads of the executor share
// a burst, large enough that posting costs little.
constexpr size_t kResumptionsPerTask = 16;
// Below this, forgotten deadlines are not worth cleaning up.
constexpr size_t kMinDeadlines = 1024;

// Marks that QuietSince looks at before it gives up.
constexpr size_t kMostMarksForQuiet = 256;

// Who one publication was for: a room, a user, or (both 0) everybody.
struct Mark {
  uint64_t version = 0;
  Position position = 0;  // What it published was committed at or before.
  RoomNid room = 0;
  uint64_t user_hash = 0;
};

// Never 0, which stands for "no user".
uint64_t HashOf(std::string_view user_id) {
  return std::hash<std::string_view>{}(user_id) | 1;
}

// The newest publications, each one mark or several.
class Marks {
 public:
  // `start`: commits up to there were published by nobody.
  explicit Marks(Position start) : ring_(kMarks), forgotten_position_(start) {}

  void Add(const Mark& mark) {
    Mark& place = ring_[next_++ % kMarks];
    forgotten_ = std::max(forgotten_, place.version);
    forgotten_position_ = std::max(forgotten_position_, place.position);
    place = mark;
  }

  // Whether a publication after `seen` may have been for someone whom
  // `concerns` recognises; true when that is no longer known.
  template <typename Concerns>
  bool AnySince(uint64_t seen, const Concerns& concerns) const {
    if (seen < forgotten_) return true;
    for (uint64_t i = next_; i != 0 && next_ - i < kMarks; --i) {
      const Mark& mark = ring_[(i - 1) % kMarks];
      if (mark.version <= seen) return false;
      if (concerns(mark)) return true;
    }
    return false;
  }

  // Whether no publication of a commit after `since` was for someone whom
  // `concerns` recognises; false when that is not known.
  template <typename Concerns>
  bool QuietSince(Position since, const Concerns& concerns) const {
    if (since < forgotten_position_) return false;
    for (uint64_t i = next_; i != 0 && next_ - i < kMarks; --i) {
      const Mark& mark = ring_[(i - 1) % kMarks];
      if (mark.position <= since) return true;
      if (next_ - i >= kMostMarksForQuiet || concerns(mark)) return false;
    }
    return true;
  }

 private:
  std::vector<Mark> ring_;
  uint64_t next_ = 0;
  // No mark up to this version, this position, can be relied on.
  uint64_t forgotten_ = 0;
  Position forgotten_position_ = 0;
};

}  // namespace

struct Notifier::Rep : std::enable_shared_from_this<Notifier::Rep> {
  struct Waiter {
    Id id = 0;
    Hears hears = Hears::kEverything;
    MonotonicTime deadline;
    Resume resume;
  };
  using Users = absl::node_hash_map<std::string, std::vector<Waiter>,
                                    StringHash, StringEq>;
  struct Deadline {
    MonotonicTime when;
    Id id = 0;
    friend auto operator<=>(const Deadline&, const Deadline&) = default;
  };

  Rep(const Store& s, const JoinedUsers& j, Executor& e, Timers& t,
      const Clock& c, Metrics& m)
      : store(s),
        joined(j),
        executor(e),
        timers(t),
        clock(c),
        parked_gauge(m.GetGauge("matrixcore_sync_parked",
                                "Sync requests that wait for news")),
        publications(m.GetCounter("matrixcore_notifier_publications_total",
                                  "News given to waiting sync requests")),
        woken_counter(m.GetCounter("matrixcore_notifier_woken_total",
                                   "Waiting sync requests woken by news")),
        marks(s.LastPosition()),
        presence_marks(s.LastPosition()) {}

  bool Concerns(const Mark& mark, std::string_view user_id,
                uint64_t user_hash) const {
    if (mark.user_hash != 0) return mark.user_hash == user_hash;
    return mark.room == 0 || Concerns(mark.room, user_id);
  }
  bool Concerns(RoomNid room, std::string_view user_id) const {
    return joined.Contains(room, user_id) || !joined.Loaded(room);
  }

  // Whether `test(marks)` holds for each of the marks that `hears` lets
  // through.
  template <typename Test>
  bool AllMarks(Hears hears, const Test& test) const MC_REQUIRES(mutex) {
    return test(marks) &&
           (hears == Hears::kAllButPresence || test(presence_marks));
  }

  void Publish(RoomNid room, std::span<const std::string> users, bool to_room,
               News news);
  void TakeRoom(RoomNid room, News news, std::vector<Resume>* out)
      MC_REQUIRES(mutex);
  void TakeAll(News news, std::vector<Resume>* out) MC_REQUIRES(mutex);
  void TakeUser(Users::iterator user, News news, std::vector<Resume>* out)
      MC_REQUIRES(mutex);
  std::optional<Resume> TakeWaiter(Id id) MC_REQUIRES(mutex);
  void AddDeadline(Deadline deadline) MC_REQUIRES(mutex);
  void Arm() MC_REQUIRES(mutex);
  void Disarm() MC_REQUIRES(mutex);
  void OnTimer();
  void Post(std::vector<Resume> resumptions, Wake wake);
  void CountParked() MC_REQUIRES(mutex) {
    parked_gauge.Set(static_cast<double>(ids.size()));
  }

  const Store& store;
  const JoinedUsers& joined;
  Executor& executor;
  Timers& timers;
  const Clock& clock;
  Gauge& parked_gauge;
  Counter& publications;
  Counter& woken_counter;

  // Lock order: this, then the one inside `joined`.
  mutable Mutex mutex;
  std::atomic<uint64_t> version{0};  // Written under the mutex.
  // What is no presence, and what is.
  Marks marks MC_GUARDED_BY(mutex);
  Marks presence_marks MC_GUARDED_BY(mutex);
  Users users MC_GUARDED_BY(mutex);
  absl::flat_hash_map<Id, Users::value_type*> ids MC_GUARDED_BY(mutex);
  Id last_id MC_GUARDED_BY(mutex) = 0;
  // A heap with the earliest on top; entries of waiters that are gone are
  // dropped when they come up, or when they outnumber the others.
  std::vector<Deadline> deadlines MC_GUARDED_BY(mutex);
  Timers::Id timer MC_GUARDED_BY(mutex) = 0;
  MonotonicTime timer_when MC_GUARDED_BY(mutex);
  bool shut_down MC_GUARDED_BY(mutex) = false;
};

void Notifier::Rep::Publish(RoomNid room, std::span<const std::string> to_users,
                            bool to_room, News news) {
  std::vector<Resume> woken;
  {
    MutexLock lock(mutex);
    const uint64_t now = version.load(std::memory_order_relaxed) + 1;
    const bool everybody =
        to_users.size() > kMaxMarkedUsers || (to_room && room == 0);
    Mark mark{.version = now, .position = store.LastPosition()};
    Marks& into = news == News::kPresence ? presence_marks : marks;
    if (everybody) {
      into.Add(mark);
    } else {
      if (to_room) {
        mark.room = room;
        into.Add(mark);
        mark.room = 0;
      }
      for (const std::string& user : to_users) {
        mark.user_hash = HashOf(user);
        into.Add(mark);
      }
    }
    version.store(now, std::memory_order_release);
    if (!users.empty()) {
      if (to_room) TakeRoom(room, news, &woken);
      for (const std::string& user : to_users) {
        if (const auto it = users.find(user); it != users.end()) {
          TakeUser(it, news, &woken);
        }
      }
      if (!woken.empty()) CountParked();
    }
  }
  publications.Add();
  if (woken.empty()) return;
  woken_counter.Add(static_cast<double>(woken.size()));
  Post(std::move(woken), Wake::kPublished);
}

// Takes the waiters of a room's members: walks the members or the waiting
// users, whichever are fewer.
void Notifier::Rep::TakeRoom(RoomNid room, News news,
                             std::vector<Resume>* out) {
  if (room == 0 || !joined.Loaded(room)) return TakeAll(news, out);
  std::vector<Users::iterator> found;
  if (joined.Count(room) <= users.size()) {
    joined.ForEach(room, [&](std::string_view user_id) MC_NO_THREAD_SAFETY {
      if (const auto it = users.find(user_id); it != users.end()) {
        found.push_back(it);
      }
    });
  } else {
    for (auto it = users.begin(); it != users.end(); ++it) {
      if (joined.Contains(room, it->first)) found.push_back(it);
    }
  }
  for (const Users::iterator it : found) TakeUser(it, news, out);
}

void Notifier::Rep::TakeAll(News news, std::vector<Resume>* out) {
  for (auto it = users.begin(); it != users.end();) TakeUser(it++, news, out);
}

void Notifier::Rep::TakeUser(Users::iterator user, News news,
                             std::vector<Resume>* out) {
  std::vector<Waiter>& waiters = user->second;
  auto taken = waiters.begin();
  if (news == News::kPresence) {
    taken = std::partition(waiters.begin(), waiters.end(), [](const Waiter& w) {
      return w.hears == Hears::kAllButPresence;
    });
  }
  for (auto it = taken; it != waiters.end(); ++it) {
    ids.erase(it->id);
    out->push_back(std::move(it->resume));
  }
  waiters.erase(taken, waiters.end());
  if (waiters.empty()) users.erase(user);
}

std::optional<Notifier::Resume> Notifier::Rep::TakeWaiter(Id id) {
  const auto place = ids.find(id);
  if (place == ids.end()) return std::nullopt;
  std::vector<Waiter>& waiters = place->second->second;
  const auto waiter =
      std::find_if(waiters.begin(), waiters.end(),
                   [id](const Waiter& w) { return w.id == id; });
  Resume resume = std::move(waiter->resume);
  waiters.erase(waiter);
  if (waiters.empty()) users.erase(users.find(place->second->first));
  ids.erase(place);
  return resume;
}

void Notifier::Rep::AddDeadline(Deadline deadline) {
  if (deadline.when == MonotonicTime::Never()) return;
  if (deadlines.size() >= kMinDeadlines && deadlines.size() > 2 * ids.size()) {
    std::erase_if(deadlines, [this](const Deadline& d) MC_NO_THREAD_SAFETY {
      return !ids.contains(d.id);
    });
    std::make_heap(deadlines.begin(), deadlines.end(), std::greater<>());
  }
  deadlines.push_back(deadline);
  std::push_heap(deadlines.begin(), deadlines.end(), std::greater<>());
  Arm();
}

// Sees to it that the timer fires no later than the earliest deadline.
void Notifier::Rep::Arm() {
  if (deadlines.empty()) return;
  const MonotonicTime when = deadlines.front().when;
  if (timer != 0 && timer_when <= when) return;
  Disarm();
  timer_when = when;
  timer = timers.At(when, [weak = weak_from_this()] {
    if (const std::shared_ptr<Rep> rep = weak.lock()) rep->OnTimer();
  });
}

void Notifier::Rep::Disarm() {
  if (timer != 0) timers.Cancel(timer);
  timer = 0;
}

void Notifier::Rep::OnTimer() {
  std::vector<Resume> due;
  {
    MutexLock lock(mutex);
    const MonotonicTime now = clock.Monotonic();
    while (!deadlines.empty() && deadlines.front().when <= now) {
      const Id id = deadlines.front().id;
      std::pop_heap(deadlines.begin(), deadlines.end(), std::greater<>());
      deadlines.pop_back();
      if (auto resume = TakeWaiter(id)) due.push_back(std::move(*resume));
    }
    // A timer that was replaced while this waited for the lock fires in vain.
    if (timer_when <= now) timer = 0;
    Arm();
    CountParked();
  }
  Post(std::move(due), Wake::kDeadline);
}

void Notifier::Rep::Post(std::vector<Resume> resumptions, Wake wake) {
  for (size_t begin = 0; begin < resumptions.size();
       begin += kResumptionsPerTask) {
    const size_t end =
        std::min(begin + kResumptionsPerTask, resumptions.size());
    std::vector<Resume> batch;
    batch.reserve(end - begin);
    for (size_t i = begin; i < end; ++i) {
      batch.push_back(std::move(resumptions[i]));
    }
    executor.PostAdmitted([batch = std::move(batch), wake]() mutable {
      for (Resume& resume : batch) resume(wake);
    });
  }
}

Notifier::Notifier(const Store& store, const JoinedUsers& joined,
                   Executor& executor, Timers& timers, const Clock& clock,
                   Metrics& metrics)
    : rep_(std::make_shared<Rep>(store, joined, executor, timers, clock,
                                 metrics)) {}

Notifier::~Notifier() {
  MutexLock lock(rep_->mutex);
  rep_->Disarm();
}

uint64_t Notifier::Version() const {
  return rep_->version.load(std::memory_order_acquire);
}

std::optional<uint64_t> Notifier::QuietSince(std::string_view user_id,
                                             Hears hears,
                                             Position since) const {
  if (since > rep_->store.LastPosition()) return std::nullopt;
  const uint64_t hash = HashOf(user_id);
  MutexLock lock(rep_->mutex);
  const bool quiet = rep_->AllMarks(hears, [&](const Marks& marks) {
    return marks.QuietSince(since, [&](const Mark& mark) {
      return rep_->Concerns(mark, user_id, hash);
    });
  });
  if (!quiet) return std::nullopt;
  return rep_->version.load(std::memory_order_relaxed);
}

bool Notifier::Concerns(RoomNid room, std::string_view user_id) const {
  return rep_->Concerns(room, user_id);
}

Notifier::Id Notifier::Park(std::string user_id, Hears hears, uint64_t seen,
                            MonotonicTime deadline, Resume resume) {
  Wake at_once = Wake::kShutdown;
  Id id = 0;
  {
    MutexLock lock(rep_->mutex);
    id = ++rep_->last_id;
    if (!rep_->shut_down) {
      const uint64_t hash = HashOf(user_id);
      const bool quiet = rep_->AllMarks(hears, [&](const Marks& marks) {
        return !marks.AnySince(seen, [&](const Mark& mark) {
          return rep_->Concerns(mark, user_id, hash);
        });
      });
      if (quiet) {
        const auto place = rep_->users.try_emplace(std::move(user_id)).first;
        place->second.push_back({id, hears, deadline, std::move(resume)});
        rep_->ids.emplace(id, &*place);
        rep_->AddDeadline({deadline, id});
        rep_->CountParked();
        return id;
      }
      at_once = Wake::kPublished;
    }
  }
  std::vector<Resume> one;
  one.push_back(std::move(resume));
  rep_->Post(std::move(one), at_once);
  return id;
}

void Notifier::Cancel(Id id) {
  std::vector<Resume> one;
  {
    MutexLock lock(rep_->mutex);
    auto resume = rep_->TakeWaiter(id);
    if (!resume) return;
    one.push_back(std::move(*resume));
    rep_->CountParked();
  }
  rep_->Post(std::move(one), Wake::kCancelled);
}

void Notifier::PublishUsers(std::span<const std::string> user_ids, News news) {
  if (!user_ids.empty()) rep_->Publish(0, user_ids, false, news);
}

void Notifier::PublishRoom(RoomNid room, std::span<const std::string> also,
                           News news) {
  rep_->Publish(room, also, true, news);
}

void Notifier::PublishAll(News news) { rep_->Publish(0, {}, true, news); }

void Notifier::OnCommit(const RoomCommit& commit) {
  PublishRoom(commit.room, commit.members_changed);
}

void Notifier::Shutdown() {
  std::vector<Resume> all;
  {
    MutexLock lock(rep_->mutex);
    rep_->shut_down = true;
    rep_->TakeAll(News::kAnythingElse, &all);
    rep_->Disarm();
    rep_->CountParked();
  }
  rep_->Post(std::move(all), Wake::kShutdown);
}

size_t Notifier::parked() const {
  MutexLock lock(rep_->mutex);
  return rep_->ids.size();
}

void PublishToContacts(Store& store, RoomCaches& caches, Notifier& notifier,
                       const std::string& user_id, Notifier::News news) {
  const auto snapshot = store.NewSnapshot();
  if (!snapshot.ok()) return notifier.PublishAll(news);
  const auto rooms = RoomReader(**snapshot, caches).RoomsOf(user_id);
  if (!rooms.ok()) return notifier.PublishAll(news);
  std::vector<RoomNid> joined;
  for (const MembershipRow& row : *rooms) {
    if (row.membership == Membership::kJoin) joined.push_back(row.room);
  }
  if (joined.size() > kMaxMarkedRooms) return notifier.PublishAll(news);
  notifier.PublishUsers({&user_id, 1}, news);
  for (const RoomNid room : joined) notifier.PublishRoom(room, {}, news);
}

}  // namespace matrixcore
