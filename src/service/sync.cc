#include "matrixcore/service/sync.h"

#include <algorithm>
#include <utility>

#include "matrixcore/base/lru.h"
#include "matrixcore/json/value.h"
#include "service/sliding_builder.h"
#include "service/sync_builder.h"
#include "service/sync_waiter.h"

namespace matrixcore {
namespace {

using FilterPtr = std::shared_ptr<const PreparedFilter>;

// Of the budget of all caches.
constexpr uint32_t kFiltersShare = 2;

size_t BytesOfFilter(const FilterPtr& prepared) {
  return SharedBlock<PreparedFilter>() + HeapBytes(prepared->filter) +
         prepared->fields.HeapBytes();
}

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

namespace {

// They change only while no server runs.
LostTimes ReadLostTimes(const SyncService::Deps& deps) {
  const auto snapshot = deps.store.NewSnapshot();
  Result<LostTimes> times = snapshot.ok()
                                ? LostTimes::Read(**snapshot)
                                : Result<LostTimes>(snapshot.status());
  if (times.ok()) return *std::move(times);
  deps.log.Error("sync", "cannot read which times were undone",
                 {{"error", times.status().ToString()}});
  return LostTimes();
}

}  // namespace

struct SyncService::Rep : std::enable_shared_from_this<Rep> {
  class Waiter;
  class SlidingWaiter;

  Rep(const Options& o, Deps d)
      : options(o),
        deps(std::move(d)),
        shared{.store = deps.store,
               .clock = deps.clock,
               .caches = deps.caches,
               .activity = deps.activity,
               .ephemeral = deps.ephemeral,
               .presence = deps.presence,
               .rooms = UserRooms(deps.caches.budget()),
               .lazy = LazyMembers(deps.caches.budget()),
               .told_counts = ToldCounts(deps.caches.budget()),
               .lost = ReadLostTimes(deps)},
        sliding(deps.store, deps.clock, deps.activity, deps.caches.budget()),
        filters(deps.caches.budget(), "filters", kFiltersShare, BytesOfFilter),
        seconds_initial(BuildTime("initial")),
        seconds_incremental(BuildTime("incremental")),
        seconds_sliding_initial(BuildTime("sliding initial")),
        seconds_sliding(BuildTime("sliding incremental")) {}

  Histogram& BuildTime(const char* kind) {
    return deps.metrics.GetHistogram(
        "matrixcore_sync_build_seconds", "Time to make a sync answer",
        {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3},
        {{"kind", kind}});
  }

  Result<FilterPtr> FindFilter(const std::string& user_id,
                               const std::string& filter);
  // Begins the turn of a sliding request; null when it was answered already.
  std::shared_ptr<SlidingWaiter> BeginSliding(
      std::unique_ptr<SlidingRequest> request, Done done);

  SyncWaiter::Deps ForWaiters() {
    return {gate, deps.notifier, deps.clock, deps.log};
  }

  const Options options;
  const Deps deps;
  const std::shared_ptr<SyncGate> gate = std::make_shared<SyncGate>();
  SyncShared shared;
  SlidingShared sliding;
  // By user and id, or by the filter's text.
  LruCache<std::string, FilterPtr> filters;
  Histogram& seconds_initial;
  Histogram& seconds_incremental;
  Histogram& seconds_sliding_initial;
  Histogram& seconds_sliding;
};

namespace {

// Measures how long an answer takes to make.
class BuildTimer {
 public:
  BuildTimer(const Clock& clock, Histogram& histogram)
      : clock_(clock), histogram_(histogram), start_(clock.Monotonic()) {}
  ~BuildTimer() {
    histogram_.Observe(
        std::chrono::duration<double>(clock_.Monotonic() - start_).count());
  }

 private:
  const Clock& clock_;
  Histogram& histogram_;
  const MonotonicTime start_;
};

// Whether nothing can have been published for a user after a position; then the
// version to park with.
std::optional<uint64_t> QuietSince(const SyncService::Deps& deps,
                                   const std::string& user_id,
                                   Notifier::Hears hears, Position position,
                                   int64_t ephemeral) {
  const auto seen = deps.notifier.QuietSince(user_id, hears, position);
  if (!seen) return std::nullopt;
  const TypingNews typing = deps.ephemeral.TypingSince(ephemeral);
  const auto concerns = [&](const TypingUsers& room) {
    return deps.notifier.Concerns(room.room, user_id);
  };
  if (typing.incomplete ||
      std::any_of(typing.changed.begin(), typing.changed.end(), concerns)) {
    return std::nullopt;
  }
  return seen;
}

}  // namespace

// One request of /v3/sync.
class SyncService::Rep::Waiter : public SyncWaiter {
 public:
  Waiter(std::shared_ptr<Rep> rep, SyncRequest request, FilterPtr filter,
         Done done)
      : SyncWaiter(rep->ForWaiters(), request.session.user_id,
                   filter->filter.presence.AllowsType("m.presence")
                       ? Notifier::Hears::kEverything
                       : Notifier::Hears::kAllButPresence,
                   TimeoutOf(*rep, request), std::move(done)),
        rep_(std::move(rep)),
        session_(std::move(request.session)),
        since_(request.since),
        full_state_(request.full_state),
        use_state_after_(request.use_state_after),
        filter_(std::move(filter)) {}

 private:
  static Duration TimeoutOf(const Rep& rep, const SyncRequest& request) {
    if (!request.since || request.full_state) return Duration::zero();
    return std::clamp(request.timeout, Duration::zero(),
                      rep.options.max_timeout);
  }

  Result<Found> LookOnce(bool) override {
    const BuildTimer timer(rep_->deps.clock, since_ ? rep_->seconds_incremental
                                                    : rep_->seconds_initial);
    MC_ASSIGN_OR_RETURN(
        SyncAnswer answer,
        BuildSync(rep_->shared, {.session = session_,
                                 .filter = *filter_,
                                 .since = since_,
                                 .full_state = full_state_,
                                 .use_state_after = use_state_after_}));
    // When it waits: as if the client had got this answer and come back at
    // once.
    since_ = answer.next;
    return Found{std::move(answer.body), answer.empty};
  }

  std::optional<uint64_t> Quiet() const override {
    if (since_->to_device != 0) return std::nullopt;  // More is there.
    return QuietSince(rep_->deps, user_id(), hears(), since_->position,
                      since_->ephemeral);
  }

  const std::shared_ptr<Rep> rep_;
  const Session session_;
  std::optional<StreamToken> since_;
  const bool full_state_;
  const bool use_state_after_;
  const FilterPtr filter_;
};

// One request of sliding sync.
class SyncService::Rep::SlidingWaiter : public SyncWaiter {
 public:
  SlidingWaiter(std::shared_ptr<Rep> rep,
                std::unique_ptr<SlidingRequest> request,
                std::optional<SlidingToken> since, SlidingConnection::Turn turn,
                Done done)
      : SyncWaiter(rep->ForWaiters(), request->session.user_id,
                   Notifier::Hears::kAllButPresence,  // It has no place for it.
                   since ? std::clamp(request->timeout, Duration::zero(),
                                      rep->options.max_timeout)
                         : Duration::zero(),
                   std::move(done)),
        rep_(std::move(rep)),
        request_(std::move(request)),
        rules_(RulesOf(*request_)),
        since_(since),
        turn_(std::move(turn)) {}

  const SlidingConnection::Turn& turn() const { return turn_; }

 private:
  Result<Found> LookOnce(bool may_wait) override {
    const BuildTimer timer(
        rep_->deps.clock,
        since_ ? rep_->seconds_sliding : rep_->seconds_sliding_initial);
    MC_ASSIGN_OR_RETURN(SlidingAnswer answer,
                        BuildSliding(rep_->shared, rep_->sliding,
                                     {.request = *request_,
                                      .rules = rules_,
                                      .since = since_,
                                      .turn = turn_},
                                     may_wait));
    since_ = answer.next;
    return Found{std::move(answer.body), answer.empty};
  }

  // Also what the client asks for must be the same as it was last time.
  std::optional<uint64_t> Quiet() const override {
    const SlidingConnection::Settled settled = turn_.connection->settled();
    if (settled.rules != rules_ || settled.version != turn_.base->version) {
      return std::nullopt;
    }
    Position position = since_->stream.position;
    const SlidingExtensions::ToDevice& to_device =
        request_->extensions.to_device;
    if (to_device.enabled) {
      position = std::min(position, to_device.since.value_or(0));
    }
    return QuietSince(rep_->deps, user_id(), hears(), position,
                      since_->stream.ephemeral);
  }

  const std::shared_ptr<Rep> rep_;
  const std::unique_ptr<const SlidingRequest> request_;
  const size_t rules_;
  std::optional<SlidingToken> since_;
  const SlidingConnection::Turn turn_;
};

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
  filters.Put(key, prepared);
  return prepared;
}

std::shared_ptr<SyncService::Rep::SlidingWaiter> SyncService::Rep::BeginSliding(
    std::unique_ptr<SlidingRequest> request, Done done) {
  std::optional<SlidingToken> since;
  if (request->pos) {
    since = SlidingToken::Parse(*request->pos);
    if (!since) {
      done(Status(StatusCode::kInvalidArgument, "M_UNKNOWN_POS",
                  "'pos' is not a position of sliding sync"));
      return nullptr;
    }
  }
  Result<SlidingConnection::Turn> turn =
      sliding.connections.Begin(request->session, request->conn_id, since);
  if (!turn.ok()) {
    done(std::move(turn).status());
    return nullptr;
  }
  std::optional<StreamToken> lazy;
  if (since) lazy = StreamToken{since->serial, since->epoch, 0};
  shared.lazy.Begin(LazySessionOf(*request), lazy);
  return std::make_shared<SlidingWaiter>(shared_from_this(), std::move(request),
                                         since, *std::move(turn),
                                         std::move(done));
}

SyncService::SyncService(const Options& options, Deps deps)
    : rep_(std::make_shared<Rep>(options, std::move(deps))) {
  if (rep_->deps.accounts != nullptr) {
    rep_->deps.accounts->OnDeviceDeleted(&RemoveSlidingConnections);
  }
}

SyncService::~SyncService() { rep_->gate->Close(); }

Result<std::string> SyncService::KeyChanges(const Session& session,
                                            const StreamToken& from) {
  if (!rep_->gate->Enter()) return SyncShuttingDown();
  const PreparedFilter everything;
  Result<std::string> changes = BuildKeyChanges(
      rep_->shared, {.session = session, .filter = everything, .since = from});
  rep_->gate->Leave();
  return changes;
}

std::shared_ptr<SyncService::Ticket> SyncService::Sync(SyncRequest request,
                                                       Done done) {
  if (!rep_->gate->Enter()) {
    done(SyncShuttingDown());
    return nullptr;
  }
  Result<FilterPtr> filter =
      rep_->FindFilter(request.session.user_id, request.filter);
  if (!filter.ok()) {
    done(std::move(filter).status());
    rep_->gate->Leave();
    return nullptr;
  }
  const RoomEventFilter& state = (*filter)->filter.room.state;
  if (state.lazy_load_members && !state.include_redundant_members) {
    rep_->shared.lazy.Begin(request.session, request.since);
  }
  auto waiter = std::make_shared<Rep::Waiter>(
      rep_, std::move(request), std::move(*filter), std::move(done));
  waiter->Start();
  rep_->gate->Leave();
  return waiter;
}

std::shared_ptr<SyncService::Ticket> SyncService::SlidingSync(
    std::unique_ptr<SlidingRequest> request, Done done) {
  if (!rep_->gate->Enter()) {
    done(SyncShuttingDown());
    return nullptr;
  }
  auto waiter = rep_->BeginSliding(std::move(request), std::move(done));
  if (waiter != nullptr) {
    const auto before = waiter->turn().connection->ReplaceWaiting(waiter);
    if (before != nullptr) before->Cancel();
    waiter->Start();
  }
  rep_->gate->Leave();
  return waiter;
}

}  // namespace matrixcore
