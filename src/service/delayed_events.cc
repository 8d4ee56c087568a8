#include "matrixcore/service/delayed_events.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "matrixcore/base/mutex.h"
#include "matrixcore/event/event.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/client_events.h"
#include "matrixcore/service/ephemeral_tables.h"
#include "service/room_access.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::DelayedEvents;
using tables::kDelayedEvents;

constexpr size_t kIdLength = 24;
// Sent at once at most; more follow when these are done.
constexpr size_t kMaxUnderWay = 100;
constexpr size_t kMaxForgotten = 50;
// Users whose finalised events are known to have been counted.
constexpr size_t kMaxCounted = 10'000;
// Until the next attempt when the server could not send.
constexpr int64_t kRetryMs = 10'000;

std::optional<std::string> OptionalText(const Cell& cell) {
  if (IsNull(cell)) return std::nullopt;
  return std::string(CellText(cell));
}

BatchCell TextOrNull(const std::optional<std::string>& text) {
  return text ? BatchCell(*text) : BatchCell();
}

DelayedEvent FromRow(const Row& row) {
  DelayedEvent event;
  event.delay_id = CellText(row[DelayedEvents::kDelayId]);
  event.room_id = CellText(row[DelayedEvents::kRoomId]);
  event.type = CellText(row[DelayedEvents::kType]);
  event.state_key = OptionalText(row[DelayedEvents::kStateKey]);
  event.content = CellText(row[DelayedEvents::kContent]);
  event.delay_ms = CellInt(row[DelayedEvents::kDelayMs]);
  event.scheduled_at = {CellInt(row[DelayedEvents::kScheduledAt])};
  if (!IsNull(row[DelayedEvents::kFinalisedAt])) {
    event.finalised_at = Timestamp{CellInt(row[DelayedEvents::kFinalisedAt])};
  }
  event.event_id = OptionalText(row[DelayedEvents::kEventId]);
  event.error = OptionalText(row[DelayedEvents::kError]);
  return event;
}

BatchRow ToRow(const std::string& user_id, const DelayedEvent& event) {
  BatchCell send_at;
  BatchCell finalised_at;
  if (event.finalised_at) {
    finalised_at = event.finalised_at->ms;
  } else {
    send_at = event.scheduled_at.ms + event.delay_ms;
  }
  return {user_id,
          event.delay_id,
          event.room_id,
          event.type,
          TextOrNull(event.state_key),
          event.content,
          event.delay_ms,
          event.scheduled_at.ms,
          std::move(send_at),
          std::move(finalised_at),
          TextOrNull(event.event_id),
          TextOrNull(event.error)};
}

// A standard error response.
std::string ErrorJson(const Status& status) {
  const bool known = !status.errcode().empty();
  std::string json;
  json::Writer(&json)
      .BeginObject()
      .Field("errcode", known ? status.errcode() : "M_UNKNOWN")
      .Field("error", known ? std::string_view(status.message())
                            : "The event could not be sent")
      .EndObject();
  return json;
}

Status Finalised() {
  return Status(StatusCode::kAlreadyExists, "M_UNKNOWN",
                "The delayed event is finalised already");
}

}  // namespace

struct DelayedEventService::Rep : std::enable_shared_from_this<Rep> {
  using Key = std::pair<std::string, std::string>;  // User, delay id.

  Rep(const Options& o, const Deps& d) : options(o), deps(d) {}

  Result<std::optional<Row>> Find(Snapshot& snapshot, const Key& key) {
    return snapshot.Get(kDelayedEvents, {Cell(key.first), Cell(key.second)});
  }
  Status CheckRequest(const Request& request) const;
  Status Add(Snapshot& snapshot, const Session& session, const Request& request,
             Scheduled* scheduled, WriteBatch& batch);
  bool CountIsDue(const std::string& user);
  Status ForgetOld(Snapshot& snapshot, const std::string& user,
                   WriteBatch& batch);
  Result<Session> SenderOf(const std::string& user_id);
  void Arm(int64_t send_at_ms);
  void RunDueLater();
  void RunDue();
  Result<std::vector<Row>> ReadDue();
  void SendDue(const Key& key, const DelayedEvent& event);
  void Send(const Key& key, const DelayedEvent& event, const Session& sender,
            Done done);
  void Finish(const Key& key, DelayedEvent event, Done done);
  void End(const Key& key);
  Status Change(const Key& key, Action action);

  const Options options;
  const Deps deps;

  Mutex mutex;
  Timers::Id timer MC_GUARDED_BY(mutex) = 0;
  int64_t timer_ms MC_GUARDED_BY(mutex) = 0;
  std::set<Key> under_way MC_GUARDED_BY(mutex);
  // How many a user has scheduled since the server started.
  std::map<std::string, size_t> counted MC_GUARDED_BY(mutex);
  bool stopped MC_GUARDED_BY(mutex) = false;
};

// --- Time ---

void DelayedEventService::Rep::Arm(int64_t send_at_ms) {
  MutexLock lock(mutex);
  if (stopped || (timer != 0 && timer_ms <= send_at_ms)) return;
  if (timer != 0) deps.timers.Cancel(timer);
  timer_ms = send_at_ms;
  const int64_t wait = std::max<int64_t>(0, send_at_ms - deps.clock.Now().ms);
  timer = deps.timers.At(deps.clock.Monotonic() + milliseconds(wait),
                         [weak = weak_from_this()] {
                           if (const auto rep = weak.lock()) rep->RunDueLater();
                         });
}

void DelayedEventService::Rep::RunDueLater() {
  {
    MutexLock lock(mutex);
    timer = 0;
    if (stopped) return;
  }
  deps.executor.PostAdmitted([self = shared_from_this()] { self->RunDue(); });
}

// What is due and the one after that, in the order of their times.
Result<std::vector<Row>> DelayedEventService::Rep::ReadDue() {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps.store.NewSnapshot());
  return snapshot->Scan({.table = &kDelayedEvents,
                         .index = DelayedEvents::kBySendAt,
                         .from = ScanSpec::Bound{int64_t{0}, true},
                         .limit = kMaxUnderWay + 1});
}

void DelayedEventService::Rep::RunDue() {
  const Result<std::vector<Row>> rows = ReadDue();
  if (!rows.ok()) {
    deps.log.Error("delayed_events", "what is due is not known",
                   {{"error", rows.status().ToString()}});
    return Arm(deps.clock.Now().ms + kRetryMs);
  }
  const int64_t now = deps.clock.Now().ms;
  size_t sent = 0;
  for (const Row& row : *rows) {
    const int64_t send_at = CellInt(row[DelayedEvents::kSendAt]);
    if (send_at > now) return Arm(send_at);
    if (sent++ == kMaxUnderWay) return;  // The last one that ends goes on.
    Key key(CellText(row[DelayedEvents::kUser]),
            CellText(row[DelayedEvents::kDelayId]));
    {
      MutexLock lock(mutex);
      if (stopped) return;
      if (!under_way.insert(key).second) continue;
    }
    SendDue(key, FromRow(row));
  }
}

// What cannot be sent when it is due is finalised with the reason.
void DelayedEventService::Rep::SendDue(const Key& key,
                                       const DelayedEvent& event) {
  Done ended = [self = shared_from_this(), key, event](Status status) {
    if (status.ok()) return self->End(key);
    if (status.code() == StatusCode::kUnavailable) {
      self->Arm(self->deps.clock.Now().ms + kRetryMs);
      return self->End(key);
    }
    DelayedEvent failed = event;
    failed.finalised_at = self->deps.clock.Now();
    failed.error = ErrorJson(status);
    self->Finish(key, std::move(failed),
                 [self, key](const Status&) { self->End(key); });
  };
  const Result<Session> sender = SenderOf(key.first);
  if (!sender.ok()) return ended(sender.status());
  if (deps.may_send && !deps.may_send(*sender)) {
    return ended(Status(StatusCode::kResourceExhausted, "M_LIMIT_EXCEEDED",
                        "Too many events were due"));
  }
  Send(key, event, *sender, std::move(ended));
}

void DelayedEventService::Rep::End(const Key& key) {
  bool more = false;
  {
    MutexLock lock(mutex);
    under_way.erase(key);
    more = under_way.empty() && timer == 0;
  }
  if (more) RunDueLater();
}

// --- Sending ---

// The user as the account is now.
Result<Session> DelayedEventService::Rep::SenderOf(const std::string& user_id) {
  MC_ASSIGN_OR_RETURN(const std::optional<Account> account,
                      deps.accounts.Find(user_id));
  if (!account || account->deactivated) {
    return ForbiddenError("This account is no more");
  }
  if (account->locked) {
    return Status(StatusCode::kUnauthenticated, "M_USER_LOCKED",
                  "This account has been locked");
  }
  Session session;
  session.user_id = user_id;
  session.device_id = kDelayedDevice;
  session.is_guest = account->is_guest;
  session.is_admin = deps.accounts.IsAdmin(*account);
  session.is_suspended = account->suspended;
  return session;
}

// `done` hears that the event is sent and its row is finalised.
void DelayedEventService::Rep::Send(const Key& key, const DelayedEvent& event,
                                    const Session& sender, Done done) {
  auto finish = [self = shared_from_this(), key, event = DelayedEvent(event),
                 done = std::move(done)](Result<std::string> sent) mutable {
    if (!sent.ok()) return done(std::move(sent).status());
    event.event_id = std::move(*sent);
    event.finalised_at = self->deps.clock.Now();
    self->Finish(key, std::move(event), std::move(done));
  };
  if (event.state_key) {
    MessageService::State state;
    state.room_id = event.room_id;
    state.type = event.type;
    state.state_key = *event.state_key;
    state.content = event.content;
    state.delay_id = event.delay_id;
    return deps.messages.SetState(sender, std::move(state), std::move(finish));
  }
  MessageService::Message message;
  message.room_id = event.room_id;
  message.type = event.type;
  message.content = event.content;
  message.txn_id = event.delay_id;
  deps.messages.Send(sender, std::move(message), std::move(finish));
}

// Runs on the store's thread: commits without waiting.
void DelayedEventService::Rep::Finish(const Key& key, DelayedEvent event,
                                      Done done) {
  WriteBatch batch;
  batch.PutRow(kDelayedEvents, ToRow(key.first, event));
  deps.store.CommitAsync(
      std::move(batch),
      [done = std::move(done)](const Result<CommitInfo>& committed) mutable {
        done(committed.status());
      });
}

// --- Scheduling ---

Status DelayedEventService::Rep::CheckRequest(const Request& request) const {
  if (options.max_scheduled == 0) {
    return ForbiddenError("This server sends no delayed events");
  }
  if (request.delay_ms <= 0) {
    return InvalidParamError("The delay is a positive number of milliseconds");
  }
  if (request.delay_ms > options.max_delay_ms) {
    return ForbiddenError("The delay exceeds the maximum of this server");
  }
  if (request.type.empty() || request.type.size() > kMaxIdentifierBytes ||
      request.state_key.value_or("").size() > kMaxIdentifierBytes) {
    return InvalidParamError("The type or state key is too long or empty");
  }
  if (!IsRoomId(request.room_id)) return InvalidParamError("Malformed room id");
  if (request.content.size() > kMaxEventBytes) {
    return Status(StatusCode::kTooLarge, "M_TOO_LARGE",
                  "The event is too large");
  }
  return OkStatus();
}

Status DelayedEventService::Rep::Add(Snapshot& snapshot, const Session& session,
                                     const Request& request,
                                     Scheduled* scheduled, WriteBatch& batch) {
  const std::string& user = session.user_id;
  const Row txn = {Cell(user), Cell(session.device_id),
                   Cell("delayed/" + request.room_id + "/" + request.type),
                   Cell(request.txn_id)};
  if (!request.txn_id.empty()) {
    MC_ASSIGN_OR_RETURN(const std::optional<Row> before,
                        snapshot.Get(tables::kTransactions, txn));
    if (before) {
      scheduled->delay_id = CellText((*before)[tables::Transactions::kResult]);
      return OkStatus();
    }
  }
  MC_ASSIGN_OR_RETURN(const std::vector<Row> waiting,
                      snapshot.Scan({.table = &kDelayedEvents,
                                     .index = DelayedEvents::kByUser,
                                     .prefix = {Cell(user)},
                                     .from = ScanSpec::Bound{int64_t{0}, true},
                                     .limit = options.max_scheduled}));
  if (waiting.size() >= options.max_scheduled) {
    scheduled->retry_at =
        Timestamp{CellInt(waiting[0][DelayedEvents::kSendAt])};
    return OkStatus();
  }
  const Timestamp now = deps.clock.Now();
  DelayedEvent event{.delay_id = deps.random.AlphaNumeric(kIdLength),
                     .room_id = request.room_id,
                     .type = request.type,
                     .state_key = request.state_key,
                     .content = request.content,
                     .delay_ms = request.delay_ms,
                     .scheduled_at = now,
                     .finalised_at = {},
                     .event_id = {},
                     .error = {}};
  scheduled->delay_id = event.delay_id;
  batch.InsertRow(kDelayedEvents, ToRow(user, event));
  if (!request.txn_id.empty()) {
    batch.Require(WriteBatch::RowAbsent{&tables::kTransactions, txn});
    BatchRow row = ToBatchRow(txn);
    row.emplace_back(event.delay_id);
    row.emplace_back(now.ms);
    batch.PutRow(tables::kTransactions, std::move(row));
  }
  return ForgetOld(snapshot, user, batch);
}

// Counting reads all that a user has: that is done when there may be as many
// more as are forgotten at once.
bool DelayedEventService::Rep::CountIsDue(const std::string& user) {
  MutexLock lock(mutex);
  if (counted.size() >= kMaxCounted) counted.clear();
  return counted[user]++ % kMaxForgotten == 0;
}

// What is finalised is kept for a time, and so much of it.
Status DelayedEventService::Rep::ForgetOld(Snapshot& snapshot,
                                           const std::string& user,
                                           WriteBatch& batch) {
  const auto forget = [&](const Row& row) {
    batch.DeleteRow(
        kDelayedEvents,
        {user, std::string(CellText(row[DelayedEvents::kDelayId]))});
  };
  ScanSpec scan{.table = &kDelayedEvents,
                .index = DelayedEvents::kByFinalised,
                .prefix = {Cell(user)},
                .from = ScanSpec::Bound{int64_t{0}, true}};
  if (CountIsDue(user)) {
    scan.descending = true;
    scan.limit = options.max_finalised + kMaxForgotten;
    MC_ASSIGN_OR_RETURN(const std::vector<Row> newest, snapshot.Scan(scan));
    for (size_t i = options.max_finalised; i < newest.size(); ++i) {
      forget(newest[i]);
    }
    scan.descending = false;
  }
  scan.to = ScanSpec::Bound{deps.clock.Now().ms - options.retention_ms, false};
  scan.limit = kMaxForgotten;
  MC_ASSIGN_OR_RETURN(const std::vector<Row> old, snapshot.Scan(scan));
  for (const Row& row : old) forget(row);
  return OkStatus();
}

Status DelayedEventService::Rep::Change(const Key& key, Action action) {
  int64_t send_at = 0;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    send_at = 0;
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row, Find(snapshot, key));
    if (!row) return NotFoundError("There is no such delayed event");
    DelayedEvent event = FromRow(*row);
    if (event.finalised_at) {
      const bool cancelled = !event.event_id;
      return action == Action::kCancel && cancelled ? OkStatus() : Finalised();
    }
    batch.Require(WriteBatch::ColumnEquals{&kDelayedEvents,
                                           {Cell(key.first), Cell(key.second)},
                                           DelayedEvents::kSendAt,
                                           (*row)[DelayedEvents::kSendAt]});
    if (action == Action::kCancel) {
      event.finalised_at = deps.clock.Now();
    } else {
      event.scheduled_at = deps.clock.Now();
      send_at = event.scheduled_at.ms + event.delay_ms;
    }
    batch.PutRow(kDelayedEvents, ToRow(key.first, event));
    return OkStatus();
  };
  Status done = Transact(deps.store, attempt).status();
  if (send_at != 0 && MayBeWritten(done)) Arm(send_at);
  return done;
}

// --- The public face ---

DelayedEventService::DelayedEventService(const Options& options,
                                         const Deps& deps)
    : rep_(std::make_shared<Rep>(options, deps)) {}

DelayedEventService::~DelayedEventService() {
  MutexLock lock(rep_->mutex);
  rep_->stopped = true;
  if (rep_->timer != 0) rep_->deps.timers.Cancel(rep_->timer);
}

const DelayedEventService::Options& DelayedEventService::options() const {
  return rep_->options;
}

void DelayedEventService::Start() {
  const Result<std::vector<Row>> rows = rep_->ReadDue();
  if (!rows.ok()) return rep_->Arm(rep_->deps.clock.Now().ms + kRetryMs);
  if (!rows->empty()) {
    rep_->Arm(CellInt((*rows)[0][DelayedEvents::kSendAt]));
  }
}

Result<DelayedEventService::Scheduled> DelayedEventService::Schedule(
    const Session& session, Request request) {
  MC_RETURN_IF_ERROR(rep_->CheckRequest(request));
  Scheduled scheduled;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) {
    scheduled = {};
    return rep_->Add(snapshot, session, request, &scheduled, batch);
  };
  const Status done = Transact(rep_->deps.store, attempt).status();
  if (MayBeWritten(done) && !scheduled.retry_at) {
    rep_->Arm(rep_->deps.clock.Now().ms + request.delay_ms);
  }
  MC_RETURN_IF_ERROR(done);
  return scheduled;
}

std::optional<DelayedEventService::Action> DelayedEventService::ParseAction(
    std::string_view name) {
  if (name == "send") return Action::kSend;
  if (name == "cancel") return Action::kCancel;
  if (name == "restart") return Action::kRestart;
  return std::nullopt;
}

void DelayedEventService::Manage(const Session& session,
                                 const std::string& delay_id, Action action,
                                 Done done) {
  const Rep::Key key(session.user_id, delay_id);
  Result<DelayedEvent> event = Get(session, delay_id);
  if (!event.ok()) return done(std::move(event).status());
  {
    MutexLock lock(rep_->mutex);
    const bool sending = rep_->under_way.contains(key);
    if (!sending && action == Action::kSend && !event->finalised_at) {
      rep_->under_way.insert(key);
    } else if (sending) {
      // It is as good as sent.
      return done(action == Action::kSend ? OkStatus() : Finalised());
    }
  }
  if (action != Action::kSend) return done(rep_->Change(key, action));
  if (event->finalised_at) {
    return done(event->event_id ? OkStatus() : Finalised());
  }
  Done ended = [rep = rep_, key,
                done = std::move(done)](Status status) mutable {
    rep->End(key);
    done(std::move(status));
  };
  const Result<Session> sender = rep_->SenderOf(key.first);
  if (!sender.ok()) return ended(sender.status());
  rep_->Send(key, *event, *sender, std::move(ended));
}

Result<DelayedEvent> DelayedEventService::Get(const Session& session,
                                              const std::string& delay_id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      rep_->deps.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      rep_->Find(*snapshot, {session.user_id, delay_id}));
  if (!row) return NotFoundError("There is no such delayed event");
  return FromRow(*row);
}

Result<std::vector<DelayedEvent>> DelayedEventService::List(
    const Session& session) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      rep_->deps.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot->Scan({.table = &kDelayedEvents,
                      .index = DelayedEvents::kByUser,
                      .prefix = {Cell(session.user_id)},
                      .from = ScanSpec::Bound{int64_t{0}, true}}));
  std::vector<DelayedEvent> events;
  for (const Row& row : rows) events.push_back(FromRow(row));
  return events;
}

}  // namespace matrixcore
