#include "matrixcore/room/room_writer.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <future>
#include <iterator>
#include <utility>

#include "matrixcore/base/bytes.h"
#include "matrixcore/base/heap_bytes.h"
#include "matrixcore/base/mutex.h"
#include "matrixcore/event/types.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/room/tables.h"
#include "room/local_members.h"
#include "room/room_work.h"

namespace matrixcore {
namespace {

// A lost race is retried this often before the request fails.
constexpr int kMaxAttempts = 5;
// How long to wait for another process to let go of a room.
constexpr Duration kLeaseWait = seconds(10);
// Transactions are pruned this often, this many rows at a time.
constexpr int64_t kPruneIntervalMs = 3'600'000;
constexpr size_t kPruneRows = 500;
// Requests that are shown to a policy server together, and how often one is.
constexpr size_t kMaxPolicyBatch = 16;
constexpr int kMaxPolicyRounds = 5;
// Of the budget of all caches.
constexpr uint32_t kShare = 10;
// State events kept at hand for a room between batches.
constexpr size_t kMaxHotEvents = 256;

Status ShuttingDown() {
  return Status(StatusCode::kUnavailable, "The server is shutting down.");
}

RoomRequest::Answer MakeAnswer(const std::vector<RoomWork::NewEvent>& events,
                               const RoomWork::Outcome& outcome,
                               const CommitInfo& info) {
  RoomRequest::Answer answer;
  answer.position = info.last;
  answer.repeated = outcome.repeated;
  if (!outcome.existing.empty()) answer.event_ids.push_back(outcome.existing);
  for (size_t i = outcome.first; i < outcome.first + outcome.count; ++i) {
    const StoredEvent& stored = events[i].stored;
    answer.event_ids.push_back(stored.event->event_id());
    answer.events.push_back({stored.event, stored.pos, stored.idx});
  }
  return answer;
}

}  // namespace

struct RoomWriter::Rep : std::enable_shared_from_this<RoomWriter::Rep> {
  // The queue of one room, and whoever works on it.
  struct Actor {
    std::string room_id;
    std::deque<RoomRequest> queue MC_GUARDED_BY(mutex);
    bool running MC_GUARDED_BY(mutex) = false;
    uint64_t used MC_GUARDED_BY(mutex) = 0;
    size_t bytes MC_GUARDED_BY(mutex) = 0;  // As the account knows it.
    Mutex mutex;

    // For the one who set `running` only.
    std::unique_ptr<LoadedRoom> room;
    std::unique_ptr<Coordinator::Lease> lease;
    int attempts = 0;
  };
  using ActorPtr = std::shared_ptr<Actor>;

  // A batch on its way through the store.
  struct InFlight {
    ActorPtr actor;
    std::vector<RoomRequest> requests;
    std::vector<RoomWork::Outcome> outcomes;
    std::vector<RoomWork::NewEvent> events;
    std::vector<RoomWork::MemberChange> members;
    std::vector<EventIdx> redacted;
  };

  Rep(const Options& o, const Deps& d)
      : options(o),
        deps(d),
        batch_size(
            d.metrics.GetHistogram("matrixcore_room_batch_requests",
                                   "Requests that one commit to a room carried",
                                   {1, 2, 4, 8, 16, 32, 64, 128})),
        events_total(d.metrics.GetCounter("matrixcore_room_events_total",
                                          "Events added to rooms")),
        conflicts(d.metrics.GetCounter(
            "matrixcore_room_conflicts_total",
            "Commits to a room that lost a race or held a repeated "
            "transaction, and were tried again")),
        account(d.caches.budget(), "rooms", kShare,
                [this](size_t bytes) { return Shrink(bytes); }) {}

  RoomWork::Env Env() {
    return {deps.store,  deps.caches,      deps.joined,         deps.clock,
            deps.random, deps.signing_key, options.server_name, deps.observer};
  }

  ActorPtr FindActor(const std::string& room_id) MC_REQUIRES(mutex);
  size_t Shrink(size_t bytes) MC_EXCLUDES(mutex);
  bool Rest(Actor& actor);
  void Send(RoomRequest request);
  void Drain(const ActorPtr& actor);
  Status Prepare(Actor& actor);
  void Work(const ActorPtr& actor, std::vector<RoomRequest> requests);
  void AskPolicy(const std::shared_ptr<InFlight>& flight);
  void OnPolicyAnswers(InFlight& flight,
                       const std::vector<Result<Ed25519Signature>>& answers);
  void OnCommitted(const std::shared_ptr<InFlight>& flight,
                   Result<CommitInfo> result);
  void OnConflict(const std::shared_ptr<InFlight>& flight);
  void DistrustCaches(const InFlight& flight, const RoomHead& head);
  bool TakeDistrust(RoomNid nid);
  void BeginRedaction(const InFlight& flight, RoomNid nid);
  void EndRedaction(const InFlight& flight, RoomNid nid);
  void ForgetRedacted(const InFlight& flight, RoomNid nid, Position position);
  void FailFlight(InFlight& flight, const Status& status);
  void Publish(InFlight& flight, const RoomHead& head, Position last_pos,
               const CommitInfo& info);
  void AnswerAll(InFlight& flight, const CommitInfo& info);
  void Continue(const ActorPtr& actor);
  void FailAll(const ActorPtr& actor, const Status& status);
  void Create(CreateRoomRequest request);
  void TryCreate(const std::shared_ptr<CreateRoomRequest>& request);
  void AskPolicyToCreate(const std::shared_ptr<CreateRoomRequest>& request,
                         RoomWork::Outcome outcome,
                         std::vector<RoomWork::NewEvent> events);
  void End();
  void GiveOwnTime(CreateRoomRequest& request);
  void MaybePrune();
  void Prune(int64_t before_ms);

  const Options options;
  const Deps deps;
  Histogram& batch_size;
  Counter& events_total;
  Counter& conflicts;

  Mutex mutex;
  CondVar idle;
  absl::flat_hash_map<std::string, ActorPtr, StringHash, StringEq> actors
      MC_GUARDED_BY(mutex);
  uint64_t uses MC_GUARDED_BY(mutex) = 0;
  // Rooms whose joined users may be others than those remembered.
  absl::flat_hash_set<RoomNid> distrusted MC_GUARDED_BY(mutex);
  size_t active MC_GUARDED_BY(mutex) = 0;  // Requests without an answer.
  bool closing MC_GUARDED_BY(mutex) = false;
  std::atomic<int64_t> next_prune_ms{0};
  std::atomic<int64_t> last_create_ms{0};
  CacheAccount account;  // Of the rooms in memory.
};

// --- Queueing ---

void RoomWriter::Rep::Send(RoomRequest request) {
  ActorPtr actor;
  bool start = false;
  Status refused;
  {
    MutexLock lock(mutex);
    if (closing) {
      refused = ShuttingDown();
    } else {
      actor = FindActor(request.room_id);
      MutexLock actor_lock(actor->mutex);
      if (actor->queue.size() >= options.max_queued_per_room) {
        refused = Status(StatusCode::kResourceExhausted, "M_LIMIT_EXCEEDED",
                         "Too many requests wait for this room.");
      } else {
        ++active;
        actor->queue.push_back(std::move(request));
        start = !std::exchange(actor->running, true);
      }
    }
  }
  if (!refused.ok()) return request.done(std::move(refused));
  if (start) Drain(actor);
}

RoomWriter::Rep::ActorPtr RoomWriter::Rep::FindActor(
    const std::string& room_id) {
  ActorPtr& actor = actors[room_id];
  if (actor == nullptr) {
    actor = std::make_shared<Actor>();
    actor->room_id = room_id;
    account.Add(0, 1);
    account.Miss();
  } else {
    account.Hit();
  }
  MutexLock lock(actor->mutex);
  actor->used = ++uses;
  return actor;
}

// Forgets rooms that nobody works on, the longest unused first.
size_t RoomWriter::Rep::Shrink(size_t bytes) {
  MutexLock lock(mutex);
  std::vector<std::pair<uint64_t, ActorPtr>> idle_rooms;
  for (const auto& [room_id, actor] : actors) {
    MutexLock actor_lock(actor->mutex);
    if (!actor->running) idle_rooms.emplace_back(actor->used, actor);
  }
  std::sort(idle_rooms.begin(), idle_rooms.end());
  size_t freed = 0;
  for (const auto& [used, actor] : idle_rooms) {
    if (freed >= bytes) break;
    MutexLock actor_lock(actor->mutex);
    freed += actor->bytes;
    account.Add(-static_cast<ptrdiff_t>(actor->bytes), -1);
    actors.erase(actor->room_id);
  }
  return freed;
}

// False when more requests have come.
bool RoomWriter::Rep::Rest(Actor& actor) {
  constexpr size_t kTableSlot = 2 * sizeof(std::string);
  const size_t bytes = SharedBlock<Actor>() + kTableSlot +
                       2 * HeapBytes(actor.room_id) +
                       (actor.room == nullptr ? 0 : actor.room->ByteSize());
  {
    MutexLock lock(actor.mutex);
    if (!actor.queue.empty()) return false;
    account.Add(static_cast<ptrdiff_t>(bytes - actor.bytes), 0);
    actor.bytes = bytes;
    actor.lease.reset();
    actor.running = false;
  }
  account.MakeRoom();
  return true;
}

void RoomWriter::Rep::End() {
  MutexLock lock(mutex);
  if (--active == 0) idle.NotifyAll();
}

// --- Draining ---

// Takes the lease and the room into memory.
Status RoomWriter::Rep::Prepare(Actor& actor) {
  if (actor.lease == nullptr) {
    MC_ASSIGN_OR_RETURN(actor.lease, deps.coordinator.Acquire(
                                         "room:" + actor.room_id,
                                         deps.clock.Monotonic() + kLeaseWait));
  }
  if (actor.room != nullptr) {
    if (actor.room->hot.size() > kMaxHotEvents) actor.room->hot.clear();
    return OkStatus();
  }
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps.store.NewSnapshot());
  RoomReader reader(*snapshot, deps.caches);
  MC_ASSIGN_OR_RETURN(std::optional<RoomHead> head, reader.Head(actor.room_id));
  if (!head) {
    return Status(StatusCode::kNotFound,
                  fmt::format("There is no room {} here.", actor.room_id));
  }
  const RoomNid nid = head->nid;
  if (TakeDistrust(nid) || !deps.joined.Loaded(nid)) {
    MC_ASSIGN_OR_RETURN(std::vector<std::string> users,
                        ReadLocalMembers(*snapshot, nid, options.server_name));
    deps.joined.Load(nid, std::move(users));
  }
  MC_ASSIGN_OR_RETURN(actor.room, LoadedRoom::Load(reader, std::move(*head)));
  return OkStatus();
}

void RoomWriter::Rep::Drain(const ActorPtr& actor) {
  if (const Status ready = Prepare(*actor); !ready.ok()) {
    return FailAll(actor, ready);
  }
  const size_t limit = actor->room->has_policy
                           ? std::min(options.max_batch, kMaxPolicyBatch)
                           : options.max_batch;
  std::vector<RoomRequest> requests;
  {
    MutexLock lock(actor->mutex);
    // What a policy server has seen goes first, and alone: further events would
    // have to be shown before any of them is sent.
    const bool shown =
        !actor->queue.empty() && actor->queue.front().policy.rounds > 0;
    while (!actor->queue.empty() && requests.size() < limit &&
           (actor->queue.front().policy.rounds > 0) == shown) {
      requests.push_back(std::move(actor->queue.front()));
      actor->queue.pop_front();
    }
  }
  Work(actor, std::move(requests));
}

void RoomWriter::Rep::Work(const ActorPtr& actor,
                           std::vector<RoomRequest> requests) {
  // What may be refused is tried on a copy.
  std::unique_ptr<LoadedRoom> trial =
      actor->room->has_policy ? actor->room->Clone() : nullptr;
  RoomWork work(Env(), trial ? *trial : *actor->room);
  Status loaded;
  if (actor->attempts > 0 || trial != nullptr) {
    std::vector<const RoomRequest*> all;
    for (const RoomRequest& request : requests) all.push_back(&request);
    loaded = work.LoadTransactions(all);
  }

  auto flight = std::make_shared<InFlight>();
  flight->actor = actor;
  bool must_ask = false;
  for (RoomRequest& request : requests) {
    Result<RoomWork::Outcome> outcome =
        loaded.ok() ? work.Process(request) : Result<RoomWork::Outcome>(loaded);
    if (!outcome.ok()) {
      request.done(std::move(outcome).status());
      End();
      continue;
    }
    must_ask = must_ask || !outcome->questions.empty();
    flight->outcomes.push_back(std::move(*outcome));
    flight->requests.push_back(std::move(request));
  }
  if (must_ask) {
    flight->events = work.new_events();
    if (trial == nullptr) actor->room.reset();
    return AskPolicy(flight);
  }
  if (trial != nullptr) {
    trial->extra = std::move(actor->room->extra);
    actor->room = std::move(trial);
  }
  if (work.empty()) {
    const Position position = deps.store.LastPosition();
    AnswerAll(*flight, {position, position});
    return Continue(actor);
  }
  MaybePrune();
  if (const Status added = work.AddObserverRows(); !added.ok()) {
    return FailFlight(*flight, added);
  }
  flight->events = work.new_events();
  flight->members = work.member_changes();
  flight->redacted = work.redacted();
  batch_size.Observe(static_cast<double>(flight->requests.size()));
  deps.activity.Pending(actor->room->head.nid);
  BeginRedaction(*flight, actor->room->head.nid);
  deps.store.CommitAsync(work.Finish(), [self = shared_from_this(),
                                         flight](Result<CommitInfo> result) {
    self->OnCommitted(flight, std::move(result));
  });
}

// --- Policy servers ---

// Nothing of the batch is written yet.  The queue waits, the room does not
// belong to anybody meanwhile.
void RoomWriter::Rep::AskPolicy(const std::shared_ptr<InFlight>& flight) {
  flight->actor->lease.reset();
  std::vector<PolicyQuestion> questions;
  for (const RoomWork::Outcome& outcome : flight->outcomes) {
    questions.insert(questions.end(), outcome.questions.begin(),
                     outcome.questions.end());
  }
  AskPolicyServer(deps.policy, std::move(questions),
                  [self = shared_from_this(),
                   flight](std::vector<Result<Ed25519Signature>> answers) {
                    self->OnPolicyAnswers(*flight, answers);
                  });
}

namespace {

// Remembers the answers to the questions of one request, or says why it fails.
// `next` is the first of them.
Status TakePolicyAnswers(const RoomWork::Outcome& outcome,
                         const std::vector<RoomWork::NewEvent>& events,
                         const std::vector<Result<Ed25519Signature>>& answers,
                         size_t next, PolicyTurn& turn) {
  if (++turn.rounds > kMaxPolicyRounds) {
    return Status(StatusCode::kUnavailable,
                  "the room changed whenever its policy server was asked");
  }
  turn.answers.clear();
  for (size_t i = 0; i < outcome.count; ++i) {
    turn.answers.push_back({.event = events[outcome.first + i].stored.event});
  }
  for (const PolicyQuestion& question : outcome.questions) {
    const Result<Ed25519Signature>& answer = answers[next++];
    if (!answer.ok()) return answer.status();
    turn.answers[question.index] = {question.event, question.server, *answer};
  }
  return OkStatus();
}

}  // namespace

// Those whose events it signed are built again; the others are refused.
void RoomWriter::Rep::OnPolicyAnswers(
    InFlight& flight, const std::vector<Result<Ed25519Signature>>& answers) {
  size_t next = 0;
  std::vector<RoomRequest> signed_requests;
  for (size_t i = 0; i < flight.requests.size(); ++i) {
    RoomRequest& request = flight.requests[i];
    const RoomWork::Outcome& outcome = flight.outcomes[i];
    Status status = TakePolicyAnswers(outcome, flight.events, answers, next,
                                      request.policy);
    next += outcome.questions.size();
    if (status.ok()) {
      signed_requests.push_back(std::move(request));
    } else {
      request.done(std::move(status));
      End();
    }
  }
  {
    MutexLock lock(flight.actor->mutex);
    std::deque<RoomRequest>& queue = flight.actor->queue;
    queue.insert(queue.begin(),
                 std::make_move_iterator(signed_requests.begin()),
                 std::make_move_iterator(signed_requests.end()));
  }
  Continue(flight.actor);
}

void RoomWriter::Rep::OnCommitted(const std::shared_ptr<InFlight>& flight,
                                  Result<CommitInfo> result) {
  const ActorPtr actor = flight->actor;
  LoadedRoom& room = *actor->room;
  if (!result.ok()) {
    if (result.status().code() == StatusCode::kDeadlineExceeded) {
      DistrustCaches(*flight, room.head);
    } else {
      deps.activity.Failed(room.head.nid);
    }
    EndRedaction(*flight, room.head.nid);
    actor->room.reset();
    if (result.status().code() == StatusCode::kAborted &&
        ++actor->attempts < kMaxAttempts) {
      return OnConflict(flight);
    }
    return FailFlight(*flight, result.status());
  }
  actor->attempts = 0;
  const std::shared_ptr<StateKeyNames> names =
      deps.caches.rep_->Names(room.head.nid);
  for (const auto& [key, num] : room.new_keys) {
    names->Learn(num, key.type, key.state_key);
  }
  room.new_keys.clear();
  if (!flight->events.empty()) {
    room.head.last_pos = result->first + flight->events.back().pos.index;
  }
  const Position last_pos = room.committed.last_pos;
  room.committed = room.head;
  Publish(*flight, room.head, last_pos, *result);
  EndRedaction(*flight, room.head.nid);
  AnswerAll(*flight, *result);
  Continue(actor);
}

// Nobody knows whether the batch was written: whatever is remembered of the
// room must hold either way.
void RoomWriter::Rep::DistrustCaches(const InFlight& flight,
                                     const RoomHead& head) {
  const Position now = deps.store.LastPosition();
  ForgetRedacted(flight, head.nid, now);
  RoomCommit commit;
  commit.room = head.nid;
  commit.room_id = head.room_id;
  commit.position = now;
  for (const RoomWork::MemberChange& change : flight.members) {
    if (!change.local) continue;
    // One too many is woken for nothing until the room is read again.
    if (change.joined) deps.joined.Set(head.nid, change.user_id, true);
    commit.members_changed.push_back(change.user_id);
  }
  {
    MutexLock lock(mutex);
    distrusted.insert(head.nid);
  }
  deps.activity.Committed(head.nid, now);
  deps.listener.OnCommit(commit);
}

// Whether the users that are remembered as joined must be read again.
bool RoomWriter::Rep::TakeDistrust(RoomNid nid) {
  MutexLock lock(mutex);
  return distrusted.erase(nid) > 0;
}

// The room in memory is ahead of the store.
void RoomWriter::Rep::FailFlight(InFlight& flight, const Status& status) {
  const ActorPtr actor = flight.actor;
  actor->room.reset();
  deps.log.Error("room", "a commit failed",
                 {{"room_id", actor->room_id}, {"error", status.ToString()}});
  for (RoomRequest& request : flight.requests) {
    request.done(Status(StatusCode::kUnavailable, status.ToString()));
    End();
  }
  Continue(actor);
}

// Another process wrote the room, or a transaction was a repeat: look again and
// try again.
void RoomWriter::Rep::OnConflict(const std::shared_ptr<InFlight>& flight) {
  conflicts.Add();
  {
    MutexLock lock(flight->actor->mutex);
    std::deque<RoomRequest>& queue = flight->actor->queue;
    for (auto it = flight->requests.rbegin(); it != flight->requests.rend();
         ++it) {
      queue.push_front(std::move(*it));
    }
  }
  Continue(flight->actor);
}

// Before anybody can see that something is redacted.
void RoomWriter::Rep::BeginRedaction(const InFlight& flight, RoomNid nid) {
  if (flight.redacted.empty()) return;
  deps.caches.rep_->BeginRedaction(nid);
  for (const EventIdx idx : flight.redacted) deps.caches.ForgetEvent(nid, idx);
}

void RoomWriter::Rep::EndRedaction(const InFlight& flight, RoomNid nid) {
  if (!flight.redacted.empty()) deps.caches.rep_->EndRedaction(nid);
}

// Snapshots before `position` may still show what was redacted.
void RoomWriter::Rep::ForgetRedacted(const InFlight& flight, RoomNid nid,
                                     Position position) {
  if (flight.redacted.empty()) return;
  deps.caches.rep_->NoteRedaction(position);
  for (const EventIdx idx : flight.redacted) deps.caches.ForgetEvent(nid, idx);
}

// Tells the caches and the listener, before anybody is answered.  `last_pos` is
// that of the room's last event before this commit.
void RoomWriter::Rep::Publish(InFlight& flight, const RoomHead& head,
                              Position last_pos, const CommitInfo& info) {
  ForgetRedacted(flight, head.nid, info.last);
  RoomCommit commit;
  commit.room = head.nid;
  commit.room_id = head.room_id;
  std::vector<RoomCaches::Rep::StoredPtr> stored;
  for (RoomWork::NewEvent& added : flight.events) {
    added.stored.pos = info.first + added.pos.index;
    commit.events.push_back(
        {added.stored.event, added.stored.pos, added.stored.idx});
    stored.push_back(std::make_shared<const StoredEvent>(added.stored));
  }
  // A redaction may have changed an event of the tail, or of this very commit.
  if (flight.redacted.empty()) {
    deps.caches.rep_->ExtendTail(head.nid, std::move(stored), info.first,
                                 last_pos);
  }
  commit.position = info.last;
  for (const RoomWork::MemberChange& change : flight.members) {
    if (!change.local) continue;
    deps.joined.Set(head.nid, change.user_id, change.joined);
    commit.members_changed.push_back(change.user_id);
  }
  deps.activity.Committed(head.nid, info.last);
  events_total.Add(static_cast<double>(flight.events.size()));
  deps.listener.OnCommit(commit);
}

void RoomWriter::Rep::AnswerAll(InFlight& flight, const CommitInfo& info) {
  for (size_t i = 0; i < flight.requests.size(); ++i) {
    flight.requests[i].done(
        MakeAnswer(flight.events, flight.outcomes[i], info));
    End();
  }
}

// The room's next batch, or the room's rest.
void RoomWriter::Rep::Continue(const ActorPtr& actor) {
  if (Rest(*actor)) return;
  if (!deps.executor.PostAdmitted(
          [self = shared_from_this(), actor] { self->Drain(actor); })) {
    FailAll(actor, ShuttingDown());
  }
}

void RoomWriter::Rep::FailAll(const ActorPtr& actor, const Status& status) {
  std::deque<RoomRequest> requests;
  {
    MutexLock lock(actor->mutex);
    requests.swap(actor->queue);
    actor->lease.reset();
    actor->room.reset();
    actor->running = false;
  }
  for (RoomRequest& request : requests) {
    request.done(status);
    End();
  }
}

// --- Old transactions ---

void RoomWriter::Rep::MaybePrune() {
  const int64_t now = deps.clock.Now().ms;
  int64_t due = next_prune_ms.load(std::memory_order_relaxed);
  if (now < due ||
      !next_prune_ms.compare_exchange_strong(due, now + kPruneIntervalMs)) {
    return;
  }
  const int64_t life =
      std::chrono::duration_cast<milliseconds>(options.transaction_life)
          .count();
  deps.executor.Post([self = shared_from_this(), before = now - life] {
    self->Prune(before);
  });
}

// Deletes some and comes back while there are more.
void RoomWriter::Rep::Prune(int64_t before_ms) {
  using tables::Transactions;
  Result<std::unique_ptr<Snapshot>> snapshot = deps.store.NewSnapshot();
  if (!snapshot.ok()) return;  // The next hour will try again.
  Result<std::vector<Row>> old =
      (*snapshot)->Scan({.table = &tables::kTransactions,
                         .index = Transactions::kByTs,
                         .to = ScanSpec::Bound{Cell(before_ms), false},
                         .limit = kPruneRows});
  if (!old.ok() || old->empty()) return;
  WriteBatch batch;
  for (const Row& row : *old) {
    batch.DeleteRow(tables::kTransactions,
                    {std::string(CellText(row[Transactions::kUser])),
                     std::string(CellText(row[Transactions::kDevice])),
                     std::string(CellText(row[Transactions::kScope])),
                     std::string(CellText(row[Transactions::kTxnId]))});
  }
  const bool more = old->size() == kPruneRows;
  deps.store.CommitAsync(
      std::move(batch), [self = shared_from_this(), before_ms,
                         more](const Result<CommitInfo>& done) {
        if (!done.ok() || !more) return;
        self->deps.executor.Post([self, before_ms] { self->Prune(before_ms); });
      });
}

// --- Making rooms ---

// Two create events that were equal to the millisecond would be one event, and
// from version 12 on one room.
void RoomWriter::Rep::GiveOwnTime(CreateRoomRequest& request) {
  if (request.drafts.empty() || request.drafts[0].origin_server_ts) return;
  int64_t last = last_create_ms.load();
  int64_t ts = 0;
  do {
    ts = std::max(deps.clock.Now().ms, last + 1);
  } while (!last_create_ms.compare_exchange_weak(last, ts));
  request.drafts[0].origin_server_ts = Timestamp{ts};
}

void RoomWriter::Rep::Create(CreateRoomRequest request) {
  {
    MutexLock lock(mutex);
    if (!closing)
      ++active;
    else
      return request.done(ShuttingDown(), {});
  }
  GiveOwnTime(request);
  TryCreate(std::make_shared<CreateRoomRequest>(std::move(request)));
}

void RoomWriter::Rep::TryCreate(
    const std::shared_ptr<CreateRoomRequest>& request) {
  auto room = std::make_shared<LoadedRoom>();
  RoomWork work(Env(), *room);
  Result<RoomWork::Outcome> outcome = work.ProcessCreate(*request);
  if (outcome.ok() && !outcome->questions.empty()) {
    return AskPolicyToCreate(request, std::move(*outcome), work.new_events());
  }
  Status status = outcome.ok() ? work.AddObserverRows() : outcome.status();
  if (!status.ok()) {
    request->done(std::move(status), {});
    return End();
  }
  auto flight = std::make_shared<InFlight>();
  flight->outcomes.push_back(*outcome);
  flight->events = work.new_events();
  flight->members = work.member_changes();
  flight->redacted = work.redacted();
  const PositionRef nid = *work.new_room();
  deps.store.CommitAsync(
      work.Finish(), [self = shared_from_this(), flight, room, nid,
                      request](Result<CommitInfo> result) {
        if (!result.ok()) {
          request->done(std::move(result).status(), {});
          return self->End();
        }
        room->head.nid = result->first + nid.index;
        self->deps.joined.Load(room->head.nid, {});
        self->deps.activity.Pending(room->head.nid);
        self->Publish(*flight, room->head, 0, *result);
        request->done(MakeAnswer(flight->events, flight->outcomes[0], *result),
                      room->head.room_id);
        self->End();
      });
}

// A room that has a policy server from the start: this one.
void RoomWriter::Rep::AskPolicyToCreate(
    const std::shared_ptr<CreateRoomRequest>& request,
    RoomWork::Outcome outcome, std::vector<RoomWork::NewEvent> events) {
  std::vector<PolicyQuestion> questions = outcome.questions;
  AskPolicyServer(
      deps.policy, std::move(questions),
      [self = shared_from_this(), request, outcome = std::move(outcome),
       events = std::move(events)](
          const std::vector<Result<Ed25519Signature>>& answers) {
        Status status =
            TakePolicyAnswers(outcome, events, answers, 0, request->policy);
        // Not on the thread of whoever brought the answer.
        if (status.ok() && self->deps.executor.PostAdmitted(
                               [self, request] { self->TryCreate(request); })) {
          return;
        }
        request->done(status.ok() ? ShuttingDown() : std::move(status), {});
        self->End();
      });
}

// --- The public face ---

RoomWriter::RoomWriter(const Options& options, const Deps& deps)
    : rep_(std::make_shared<Rep>(options, deps)) {}

RoomWriter::~RoomWriter() { Drain(); }

void RoomWriter::Send(RoomRequest request) { rep_->Send(std::move(request)); }

void RoomWriter::Create(CreateRoomRequest request) {
  rep_->Create(std::move(request));
}

Result<RoomRequest::Answer> RoomWriter::SendAndWait(RoomRequest request) {
  std::promise<Result<RoomRequest::Answer>> promise;
  std::future<Result<RoomRequest::Answer>> answer = promise.get_future();
  request.done = [&promise](Result<RoomRequest::Answer> result) {
    promise.set_value(std::move(result));
  };
  rep_->Send(std::move(request));
  return answer.get();
}

Result<RoomWriter::Created> RoomWriter::CreateAndWait(
    CreateRoomRequest request) {
  std::promise<Result<Created>> promise;
  std::future<Result<Created>> answer = promise.get_future();
  request.done = [&promise](Result<RoomRequest::Answer> result,
                            std::string room_id) {
    if (result.ok()) {
      promise.set_value(Created{std::move(room_id), std::move(*result)});
    } else {
      promise.set_value(std::move(result).status());
    }
  };
  rep_->Create(std::move(request));
  return answer.get();
}

void RoomWriter::EnsureLoaded(const std::string& room_id,
                              UniqueFunction<void(Status)> done) {
  RoomRequest request;
  request.room_id = room_id;
  request.prepare = [](const RoomView&) { return RoomChange(); };
  request.done =
      [done = std::move(done)](Result<RoomRequest::Answer> result) mutable {
        done(std::move(result).status());
      };
  rep_->Send(std::move(request));
}

void RoomWriter::Drain() {
  MutexLock lock(rep_->mutex);
  rep_->closing = true;
  while (rep_->active > 0) rep_->idle.Wait(rep_->mutex);
}

}  // namespace matrixcore
