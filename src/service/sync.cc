#include "matrixcore/service/sync.h"

#include <algorithm>
#include <utility>

#include "matrixcore/base/lru.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/json/value.h"
#include "service/sync_builder.h"

namespace matrixcore {
namespace {

using FilterPtr = std::shared_ptr<const PreparedFilter>;

// What a parsed filter is charged for beside its text.
constexpr size_t kFilterBytes = 1000;
constexpr char kShuttingDown[] = "The server is shutting down.";

Result<FilterPtr> PrepareFilter(std::string_view json,
                                const SyncService::Options& options) {
  MC_ASSIGN_OR_RETURN(const json::Document document,
                      json::Document::ParseView(json));
  auto prepared = std::make_shared<PreparedFilter>();
  MC_ASSIGN_OR_RETURN(prepared->filter, ParseSyncFilter(document.root()));
  prepared->fields = EventFields(prepared->filter.event_fields);
  prepared->timeline_limit =
      std::min(prepared->filter.room.timeline.limit.value_or(
                   options.default_timeline_limit),
               options.max_timeline_limit);
  return FilterPtr(std::move(prepared));
}

}  // namespace

struct SyncService::Rep : std::enable_shared_from_this<Rep> {
  class Waiter;

  Rep(const Options& o, Deps d)
      : options(o),
        deps(std::move(d)),
        shared{.store = deps.store,
               .clock = deps.clock,
               .caches = deps.caches,
               .activity = deps.activity,
               .ephemeral = deps.ephemeral,
               .presence = deps.presence,
               .rooms = UserRooms(o.room_list_bytes),
               .lazy = LazyMembers(o.max_lazy_members)},
        filters(o.max_filters * kFilterBytes),
        seconds_initial(BuildTime("initial")),
        seconds_incremental(BuildTime("incremental")) {}

  Histogram& BuildTime(const char* kind) {
    return deps.metrics.GetHistogram(
        "matrixcore_sync_build_seconds", "Time to make a sync answer",
        {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3},
        {{"kind", kind}});
  }

  Result<FilterPtr> FindFilter(const std::string& user_id,
                               const std::string& filter);

  // Whether the service may still be used; if so, End must follow.
  bool Begin() {
    MutexLock lock(mutex);
    if (stopping) return false;
    ++active;
    return true;
  }
  void End() {
    MutexLock lock(mutex);
    if (--active == 0) idle.NotifyAll();
  }

  const Options options;
  const Deps deps;
  SyncShared shared;
  // By user and id, or by the filter's text.
  LruCache<std::string, FilterPtr> filters;
  Histogram& seconds_initial;
  Histogram& seconds_incremental;

  Mutex mutex;
  CondVar idle;
  size_t active MC_GUARDED_BY(mutex) = 0;
  bool stopping MC_GUARDED_BY(mutex) = false;
};

// One request, from its first look to its answer.
class SyncService::Rep::Waiter : public Ticket,
                                 public std::enable_shared_from_this<Waiter> {
 public:
  Waiter(std::shared_ptr<Rep> rep, SyncRequest request, FilterPtr filter,
         Done done)
      : rep_(std::move(rep)),
        session_(std::move(request.session)),
        since_(request.since),
        full_state_(request.full_state),
        use_state_after_(request.use_state_after),
        filter_(std::move(filter)),
        done_(std::move(done)) {
    const Duration timeout = std::clamp(request.timeout, Duration::zero(),
                                        rep_->options.max_timeout);
    may_wait_ = since_ && !full_state_ && timeout > Duration::zero();
    if (may_wait_) deadline_ = rep_->deps.clock.Monotonic() + timeout;
  }

  // Parks if nothing can have happened, else looks.  The caller has called
  // Begin, also for Look.
  void Start();
  void Cancel() override;

 private:
  // Looks, and answers or parks.
  void Look();
  std::optional<uint64_t> Quiet() const;
  void Park(uint64_t seen);
  void Resume(Notifier::Wake wake);

  const std::shared_ptr<Rep> rep_;
  const Session session_;
  std::optional<StreamToken> since_;
  const bool full_state_;
  const bool use_state_after_;
  bool may_wait_ = false;
  MonotonicTime deadline_;
  const FilterPtr filter_;
  Done done_;

  Mutex mutex_;
  bool cancelled_ MC_GUARDED_BY(mutex_) = false;
  uint64_t looks_ MC_GUARDED_BY(mutex_) = 0;
  Notifier::Id parked_ MC_GUARDED_BY(mutex_) = 0;
};

void SyncService::Rep::Waiter::Start() {
  const std::optional<uint64_t> seen = may_wait_ ? Quiet() : std::nullopt;
  if (seen) return Park(*seen);
  Look();
}

// The version to park with when a look would find nothing.
std::optional<uint64_t> SyncService::Rep::Waiter::Quiet() const {
  if (since_->to_device != 0) return std::nullopt;  // More is there.
  const Notifier& notifier = rep_->deps.notifier;
  const auto seen = notifier.QuietSince(session_.user_id, since_->position);
  if (!seen) return std::nullopt;
  const TypingNews typing = rep_->deps.ephemeral.TypingSince(since_->ephemeral);
  const auto concerns = [&](const TypingUsers& room) {
    return notifier.Concerns(room.room, session_.user_id);
  };
  if (typing.incomplete ||
      std::any_of(typing.changed.begin(), typing.changed.end(), concerns)) {
    return std::nullopt;
  }
  return seen;
}

void SyncService::Rep::Waiter::Look() {
  {
    MutexLock lock(mutex_);
    ++looks_;
    parked_ = 0;
  }
  const uint64_t seen = rep_->deps.notifier.Version();  // Before the snapshot.
  const MonotonicTime start = rep_->deps.clock.Monotonic();
  Result<SyncAnswer> answer =
      BuildSync(rep_->shared, {.session = session_,
                               .filter = *filter_,
                               .since = since_,
                               .full_state = full_state_,
                               .use_state_after = use_state_after_});
  const MonotonicTime end = rep_->deps.clock.Monotonic();
  (since_ ? rep_->seconds_incremental : rep_->seconds_initial)
      .Observe(std::chrono::duration<double>(end - start).count());
  if (!answer.ok()) {
    if (answer.status().errcode().empty()) {
      rep_->deps.log.Error("sync", "no answer could be made",
                           {{"user_id", session_.user_id},
                            {"error", answer.status().ToString()}});
    }
    return done_(std::move(answer).status());
  }
  if (!answer->empty || !may_wait_ || end >= deadline_) {
    return done_(std::move(answer->body));
  }
  // As if the client had got this answer and come back at once.
  since_ = answer->next;
  Park(seen);
}

void SyncService::Rep::Waiter::Park(uint64_t seen) {
  uint64_t look = 0;
  {
    MutexLock lock(mutex_);
    look = looks_;
  }
  Notifier& notifier = rep_->deps.notifier;
  const Notifier::Id id = notifier.Park(
      session_.user_id, seen, deadline_,
      [self = shared_from_this()](Notifier::Wake wake) { self->Resume(wake); });
  bool cancelled = false;
  {
    MutexLock lock(mutex_);
    if (looks_ == look) parked_ = id;  // Else it was resumed meanwhile.
    cancelled = cancelled_;
  }
  if (cancelled) notifier.Cancel(id);
}

void SyncService::Rep::Waiter::Resume(Notifier::Wake wake) {
  if (wake == Notifier::Wake::kCancelled) {
    return done_(Status(StatusCode::kAborted, "nobody waits for the answer"));
  }
  if (!rep_->Begin()) {
    return done_(Status(StatusCode::kUnavailable, kShuttingDown));
  }
  // The last look: also an answer without news counts keys.
  if (wake != Notifier::Wake::kPublished) may_wait_ = false;
  Look();
  rep_->End();
}

void SyncService::Rep::Waiter::Cancel() {
  if (!rep_->Begin()) return;
  Notifier::Id id = 0;
  {
    MutexLock lock(mutex_);
    cancelled_ = true;
    id = parked_;
  }
  if (id != 0) rep_->deps.notifier.Cancel(id);
  rep_->End();
}

Result<FilterPtr> SyncService::Rep::FindFilter(const std::string& user_id,
                                               const std::string& filter) {
  // Stored filters never change, so both kinds can be kept.
  const bool stored = !filter.empty() && filter.front() != '{';
  const std::string key = stored ? user_id + '\n' + filter : filter;
  if (auto known = filters.Get(key)) return *known;
  std::string json = filter.empty() ? "{}" : filter;
  if (stored) {
    MC_ASSIGN_OR_RETURN(json, deps.filters(user_id, filter));
  }
  MC_ASSIGN_OR_RETURN(FilterPtr prepared, PrepareFilter(json, options));
  filters.Put(key, prepared, kFilterBytes + key.size() + 2 * json.size());
  return prepared;
}

SyncService::SyncService(const Options& options, Deps deps)
    : rep_(std::make_shared<Rep>(options, std::move(deps))) {}

SyncService::~SyncService() {
  MutexLock lock(rep_->mutex);
  rep_->stopping = true;
  while (rep_->active > 0) rep_->idle.Wait(rep_->mutex);
}

Result<std::string> SyncService::KeyChanges(const Session& session,
                                            const StreamToken& from) {
  if (!rep_->Begin()) return Status(StatusCode::kUnavailable, kShuttingDown);
  const PreparedFilter everything;
  Result<std::string> changes = BuildKeyChanges(
      rep_->shared,
      {.session = session, .filter = everything, .since = from});
  rep_->End();
  return changes;
}

std::shared_ptr<SyncService::Ticket> SyncService::Sync(SyncRequest request,
                                                       Done done) {
  if (!rep_->Begin()) {
    done(Status(StatusCode::kUnavailable, kShuttingDown));
    return nullptr;
  }
  Result<FilterPtr> filter =
      rep_->FindFilter(request.session.user_id, request.filter);
  if (!filter.ok()) {
    done(std::move(filter).status());
    rep_->End();
    return nullptr;
  }
  const RoomEventFilter& state = (*filter)->filter.room.state;
  if (state.lazy_load_members && !state.include_redundant_members) {
    rep_->shared.lazy.Begin(request.session, request.since);
  }
  auto waiter = std::make_shared<Rep::Waiter>(
      rep_, std::move(request), std::move(*filter), std::move(done));
  waiter->Start();
  rep_->End();
  return waiter;
}

}  // namespace matrixcore
