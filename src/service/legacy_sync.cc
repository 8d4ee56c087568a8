#include "matrixcore/service/legacy_sync.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "matrixcore/base/mutex.h"
#include "matrixcore/event/views.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/account_data.h"
#include "matrixcore/service/client_events.h"
#include "service/invite_permission.h"
#include "service/legacy_news.h"
#include "service/room_window.h"
#include "service/sync_account.h"

namespace matrixcore {
namespace {

constexpr ClientEventFormat kState = {.with_membership = false,
                                      .with_user_id = true};
constexpr ClientEventFormat kEvents = {.with_user_id = true};
// Nobody tells a user of rooms that they only look at: those are looked at so
// often.
constexpr Duration kPeekInterval = seconds(1);

// Whether the user does not want to hear of that invite (spec: "Ignoring
// Users", "Invite permission").
Result<bool> HidesInvite(RoomReader& reader, const RoomHead& room,
                         EventIdx invite, const std::string& user_id,
                         const IgnoredUsers& ignored) {
  MC_ASSIGN_OR_RETURN(const bool blocked,
                      BlocksInvites(reader.snapshot(), user_id));
  if (blocked) return true;
  MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> event,
                      reader.Events(room, {&invite, 1}));
  return IsIgnored(ignored, event[0]->sender());
}

// Events of rooms after a position, for one user at one snapshot.
class EventStream {
 public:
  EventStream(RoomReader& reader, const Session& session, IgnoredUsers ignored)
      : reader_(reader), session_(session), ignored_(std::move(ignored)) {}

  // `until`: inclusive.
  Status Add(const RoomHead& room, Position after, Position until);
  // Of all rooms that the user is in, was invited to or has left since.
  Status AddOwnRooms(Position after);

  struct Entry {
    std::shared_ptr<const RoomHead> room;
    StoredEvent event;
  };
  // In the order of the log; at most kMaxEvents.
  std::vector<Entry> Take();

 private:
  RoomReader& reader_;
  const Session& session_;
  const IgnoredUsers ignored_;
  std::vector<Entry> entries_;
};

Status EventStream::Add(const RoomHead& room, Position after, Position until) {
  if (room.last_pos <= after) return OkStatus();
  MC_ASSIGN_OR_RETURN(
      std::vector<StoredEvent> events,
      reader_.Timeline(room, {.after = after,
                              .until = std::min(until, reader_.position()),
                              .limit = LegacySyncService::kMaxEvents}));
  MC_ASSIGN_OR_RETURN(events, OnlyVisible(reader_, room, session_.user_id,
                                          ignored_, std::move(events)));
  const auto shared = std::make_shared<const RoomHead>(room);
  for (StoredEvent& event : events) {
    entries_.push_back({shared, std::move(event)});
  }
  return OkStatus();
}

Status EventStream::AddOwnRooms(Position after) {
  MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                      reader_.RoomsOf(session_.user_id));
  std::vector<RoomNid> nids;
  std::vector<const MembershipRow*> wanted;
  for (const MembershipRow& row : rows) {
    if (row.membership != Membership::kJoin && row.pos <= after) continue;
    nids.push_back(row.room);
    wanted.push_back(&row);
  }
  MC_ASSIGN_OR_RETURN(const auto heads, reader_.Heads(nids));
  for (size_t i = 0; i < heads.size(); ++i) {
    if (!heads[i]) continue;
    if (wanted[i]->membership == Membership::kInvite) {
      MC_ASSIGN_OR_RETURN(const bool hidden,
                          HidesInvite(reader_, *heads[i], wanted[i]->idx,
                                      session_.user_id, ignored_));
      if (hidden) continue;
    }
    const bool joined = wanted[i]->membership == Membership::kJoin;
    const bool invited = wanted[i]->membership == Membership::kInvite ||
                         wanted[i]->membership == Membership::kKnock;
    // An invited user hears of the invitation only.
    const Position from = invited ? std::max(after, wanted[i]->pos - 1) : after;
    MC_RETURN_IF_ERROR(
        Add(*heads[i], from, joined ? INT64_MAX : wanted[i]->pos));
  }
  return OkStatus();
}

std::vector<EventStream::Entry> EventStream::Take() {
  std::sort(
      entries_.begin(), entries_.end(),
      [](const Entry& a, const Entry& b) { return a.event.pos < b.event.pos; });
  if (entries_.size() > LegacySyncService::kMaxEvents) {
    entries_.resize(LegacySyncService::kMaxEvents);
  }
  return std::move(entries_);
}

void WritePresence(json::Writer& out, const std::vector<Presence>& users,
                   Timestamp now) {
  out.Key("presence").BeginArray();
  for (const Presence& user : users) WritePresenceEvent(out, user, now);
  out.EndArray();
}

// Writes the object of one room of an initial sync.
class RoomInfoWriter {
 public:
  RoomInfoWriter(json::Writer& out, RoomReader& reader, const Session& session,
                 IgnoredUsers ignored, Timestamp now, size_t limit)
      : out_(out),
        reader_(reader),
        session_(session),
        ignored_(std::move(ignored)),
        events_(reader, session, now),
        now_(now),
        limit_(std::min(limit, LegacySyncService::kMaxLimit)) {}

  // `presence` and `receipts` are written if they are not null.
  Status WriteRoom(const RoomWindow& window, Membership membership,
                   const std::vector<Presence>* presence = nullptr,
                   const LegacyNews* receipts = nullptr);
  Status WriteInvite(const RoomHead& room, EventIdx invite);

 private:
  Status WriteMessages(const RoomWindow& window);
  Status WriteAccountData(const std::string& room_id);

  json::Writer& out_;
  RoomReader& reader_;
  const Session& session_;
  const IgnoredUsers ignored_;
  ClientEvents events_;
  const Timestamp now_;
  const size_t limit_;
};

Status RoomInfoWriter::WriteRoom(const RoomWindow& window,
                                 Membership membership,
                                 const std::vector<Presence>* presence,
                                 const LegacyNews* receipts) {
  const RoomHead& room = window.room;
  out_.BeginObject();
  MC_RETURN_IF_ERROR(WriteAccountData(room.room_id));
  // Who only looks has none.
  if (membership != Membership::kNone) {
    out_.Field("membership", MembershipName(membership));
  }
  MC_RETURN_IF_ERROR(WriteMessages(window));
  if (presence != nullptr) WritePresence(out_, *presence, now_);
  if (receipts != nullptr) {
    out_.Key("receipts").BeginArray();
    receipts->Write(out_, now_);
    out_.EndArray();
  }
  out_.Field("room_id", room.room_id);
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> state,
                      reader_.StateEvents(room, window.state));
  out_.Key("state");
  MC_RETURN_IF_ERROR(events_.WriteArray(out_, room, state, kState));
  out_.Field("visibility", room.listed ? "public" : "private");
  out_.EndObject();
  return OkStatus();
}

Status RoomInfoWriter::WriteMessages(const RoomWindow& window) {
  static const RoomEventFilter kAll;
  const Position until = std::min(window.until, reader_.position());
  EventPage page;
  if (limit_ > 0) {
    MC_ASSIGN_OR_RETURN(
        page, ReadPage({reader_, session_.user_id, kAll, ignored_}, window.room,
                       {.until = until, .limit = limit_}));
  }
  std::reverse(page.events.begin(), page.events.end());
  out_.Key("messages").BeginObject();
  out_.Key("chunk");
  MC_RETURN_IF_ERROR(
      events_.WriteArray(out_, window.room, page.events, kEvents));
  out_.Field("end", TokenAt(until));
  const Position first =
      page.events.empty() ? until : page.events.front().pos - 1;
  out_.Field("start", TokenAt(page.next.value_or(first)));
  out_.EndObject();
  return OkStatus();
}

Status RoomInfoWriter::WriteAccountData(const std::string& room_id) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<AccountDatum> data,
      ReadRoomAccountData(reader_.snapshot(), session_.user_id, room_id));
  out_.Key("account_data").BeginArray();
  for (const AccountDatum& datum : data) {
    out_.BeginObject();
    out_.RawField("content", datum.content);
    out_.Field("type", datum.type);
    out_.EndObject();
  }
  out_.EndArray();
  return OkStatus();
}

Status RoomInfoWriter::WriteInvite(const RoomHead& room, EventIdx invite) {
  MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> events,
                      reader_.StoredEvents(room, {&invite, 1}));
  out_.BeginObject();
  out_.Key("invite");
  MC_RETURN_IF_ERROR(events_.Write(out_, room, events[0], kEvents));
  out_.Field("membership", "invite");
  out_.Field("room_id", room.room_id);
  out_.EndObject();
  return OkStatus();
}

// Of everybody who is present and in a room with the user, and of the user.
Result<std::vector<Presence>> PresenceOfContacts(
    RoomReader& reader, const PresenceService& presence,
    const std::string& user_id, Timestamp now) {
  MC_ASSIGN_OR_RETURN(const std::vector<RoomNid> rooms,
                      JoinedRoomsOf(reader, user_id));
  MC_ASSIGN_OR_RETURN(std::vector<Presence> users,
                      presence.Since(reader.snapshot(), 0));
  std::vector<Presence> told;
  Presence self;  // Offline, unless it turns up below; but active: they ask.
  self.user_id = user_id;
  self.last_active = now;
  for (Presence& user : users) {
    if (user.user_id == user_id) {
      self = std::move(user);
      continue;
    }
    MC_ASSIGN_OR_RETURN(const bool shares,
                        SharesRoom(reader, user.user_id, rooms));
    if (shares) told.push_back(std::move(user));
  }
  told.push_back(std::move(self));
  return told;
}

// Of everybody who is present and joined to a room.
Result<std::vector<Presence>> PresenceOfMembers(RoomReader& reader,
                                                const PresenceService& presence,
                                                const RoomHead& room) {
  MC_ASSIGN_OR_RETURN(std::vector<Presence> users,
                      presence.Since(reader.snapshot(), 0));
  std::vector<Presence> told;
  for (Presence& user : users) {
    MC_ASSIGN_OR_RETURN(const auto row,
                        reader.MembershipOf(user.user_id, room.nid));
    if (row && row->membership == Membership::kJoin) {
      told.push_back(std::move(user));
    }
  }
  return told;
}

}  // namespace

struct LegacySyncService::Rep : std::enable_shared_from_this<Rep> {
  // A request for events, from its first look to its answer.
  struct Waiter {
    Session session;
    EventsQuery query;
    Position from = 0;
    int64_t typing = 0;  // The serial that the client has.
    MonotonicTime deadline;
    Done done;
  };

  Rep(const Options& o, const Deps& d) : options(o), deps(d) {}

  void Look(const std::shared_ptr<Waiter>& waiter, bool may_wait);
  void Park(const std::shared_ptr<Waiter>& waiter, uint64_t seen);
  // The answer; nothing when there is no event.
  Result<std::optional<std::string>> Read(const Waiter& waiter, bool may_wait);

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
  Mutex mutex;
  CondVar idle;
  size_t active MC_GUARDED_BY(mutex) = 0;
  bool stopping MC_GUARDED_BY(mutex) = false;
};

LegacySyncService::LegacySyncService(const Options& options, const Deps& deps)
    : rep_(std::make_shared<Rep>(options, deps)) {}

LegacySyncService::~LegacySyncService() {
  MutexLock lock(rep_->mutex);
  rep_->stopping = true;
  while (rep_->active > 0) rep_->idle.Wait(rep_->mutex);
}

Result<std::string> LegacySyncService::InitialSync(const Session& session,
                                                   size_t limit,
                                                   bool archived) {
  const Deps& deps = rep_->deps;
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps.store.NewSnapshot());
  RoomReader reader(*snapshot, deps.caches);
  MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                      reader.RoomsOf(session.user_id));
  MC_ASSIGN_OR_RETURN(const IgnoredUsers ignored,
                      ReadIgnoredUsers(*snapshot, session.user_id));
  MC_ASSIGN_OR_RETURN(const std::vector<AccountDatum> account_data,
                      ReadAccountData(*snapshot, session.user_id, 0));
  std::string body;
  json::Writer out(&body);
  RoomInfoWriter writer(out, reader, session, ignored, deps.clock.Now(), limit);
  out.BeginObject();
  out.Key("account_data").BeginArray();
  for (const AccountDatum& datum : account_data) {
    // Push rules have an endpoint of their own.
    if (!datum.room_id.empty() || datum.type == kPushRulesType) continue;
    out.BeginObject();
    out.RawField("content", datum.content);
    out.Field("type", datum.type);
    out.EndObject();
  }
  out.EndArray();
  out.Field("end", TokenAt(reader.position()));
  MC_ASSIGN_OR_RETURN(const std::vector<Presence> presence,
                      PresenceOfContacts(reader, deps.presence, session.user_id,
                                         deps.clock.Now()));
  WritePresence(out, presence, deps.clock.Now());
  LegacyNews news(reader, deps.presence, session.user_id, ignored, 0);
  MC_RETURN_IF_ERROR(news.AddOwnReceipts());
  out.Key("receipts").BeginArray();
  news.Write(out, deps.clock.Now());
  out.EndArray();
  out.Key("rooms").BeginArray();
  for (const MembershipRow& row : rows) {
    const bool left = row.membership == Membership::kLeave ||
                      row.membership == Membership::kBan;
    if (row.forgotten || row.membership == Membership::kKnock ||
        (left && !archived)) {
      continue;
    }
    MC_ASSIGN_OR_RETURN(const auto head, reader.Head(row.room));
    if (!head) continue;
    if (row.membership == Membership::kInvite) {
      MC_ASSIGN_OR_RETURN(
          const bool hidden,
          HidesInvite(reader, *head, row.idx, session.user_id, ignored));
      if (!hidden) MC_RETURN_IF_ERROR(writer.WriteInvite(*head, row.idx));
      continue;
    }
    const Result<RoomWindow> window =
        OpenRoom(reader, session.user_id, head->room_id);
    // Left without having been in it: a declined invitation.
    if (window.status().code() == StatusCode::kPermissionDenied) continue;
    if (!window.ok()) return window.status();
    MC_RETURN_IF_ERROR(writer.WriteRoom(*window, row.membership));
  }
  out.EndArray();
  out.EndObject();
  return body;
}

Result<std::string> LegacySyncService::RoomInitialSync(const Session& session,
                                                       std::string_view room_id,
                                                       size_t limit) {
  const Deps& deps = rep_->deps;
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps.store.NewSnapshot());
  RoomReader reader(*snapshot, deps.caches);
  MC_ASSIGN_OR_RETURN(const RoomWindow window,
                      OpenRoom(reader, session.user_id, room_id));
  MC_ASSIGN_OR_RETURN(const auto row,
                      reader.MembershipOf(session.user_id, window.room.nid));
  MC_ASSIGN_OR_RETURN(const IgnoredUsers ignored,
                      ReadIgnoredUsers(*snapshot, session.user_id));
  std::string body;
  json::Writer out(&body);
  RoomInfoWriter writer(out, reader, session, ignored, deps.clock.Now(), limit);
  // Who left is not told how the others are now.
  std::vector<Presence> presence;
  LegacyNews receipts(reader, deps.presence, session.user_id, ignored, 0);
  if (window.until == INT64_MAX) {
    MC_ASSIGN_OR_RETURN(presence,
                        PresenceOfMembers(reader, deps.presence, window.room));
    MC_RETURN_IF_ERROR(receipts.AddReceipts(window.room));
  }
  MC_RETURN_IF_ERROR(writer.WriteRoom(
      window, row ? row->membership : Membership::kNone, &presence, &receipts));
  return body;
}

void LegacySyncService::Events(const Session& session, EventsQuery query,
                               Done done) {
  if (!rep_->Begin()) {
    return done(
        Status(StatusCode::kUnavailable, "The server is shutting down."));
  }
  auto waiter = std::make_shared<Rep::Waiter>();
  waiter->session = session;
  // A token of the future (the store was set back) counts as now.
  const Position now = rep_->deps.store.LastPosition();
  waiter->from = query.from ? std::min(query.from->position, now) : now;
  waiter->typing = query.from ? query.from->ephemeral : 0;
  const Duration timeout =
      std::clamp(query.timeout, Duration::zero(), rep_->options.max_timeout);
  waiter->deadline = rep_->deps.clock.Monotonic() + timeout;
  waiter->query = std::move(query);
  waiter->done = std::move(done);
  rep_->Look(waiter, timeout > Duration::zero());
  rep_->End();
}

void LegacySyncService::Rep::Look(const std::shared_ptr<Waiter>& waiter,
                                  bool may_wait) {
  const uint64_t seen = deps.notifier.Version();  // Before the snapshot.
  Result<std::optional<std::string>> body = Read(*waiter, may_wait);
  if (!body.ok()) return waiter->done(std::move(body).status());
  if (*body) return waiter->done(std::move(**body));
  Park(waiter, seen);
}

void LegacySyncService::Rep::Park(const std::shared_ptr<Waiter>& waiter,
                                  uint64_t seen) {
  MonotonicTime until = waiter->deadline;
  if (waiter->query.room_id) {
    until = std::min(until, deps.clock.Monotonic() + kPeekInterval);
  }
  deps.notifier.Park(
      waiter->session.user_id, Notifier::Hears::kEverything, seen, until,
      [self = shared_from_this(), waiter](Notifier::Wake wake) {
        if (!self->Begin()) {
          return waiter->done(
              Status(StatusCode::kUnavailable, "The server is shutting down."));
        }
        const bool over = self->deps.clock.Monotonic() >= waiter->deadline ||
                          (wake != Notifier::Wake::kPublished &&
                           wake != Notifier::Wake::kDeadline);
        self->Look(waiter, !over);
        self->End();
      });
}

Result<std::optional<std::string>> LegacySyncService::Rep::Read(
    const Waiter& waiter, bool may_wait) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps.store.NewSnapshot());
  RoomReader reader(*snapshot, deps.caches);
  MC_ASSIGN_OR_RETURN(const IgnoredUsers ignored,
                      ReadIgnoredUsers(*snapshot, waiter.session.user_id));
  TypingNews typing = deps.ephemeral.TypingSince(waiter.typing);
  const int64_t typing_serial = typing.serial;
  LegacyNews news(reader, deps.presence, waiter.session.user_id, ignored,
                  waiter.from, std::move(typing));
  EventStream stream(reader, waiter.session, ignored);
  if (waiter.query.room_id) {
    MC_ASSIGN_OR_RETURN(
        const RoomWindow window,
        OpenRoom(reader, waiter.session.user_id, *waiter.query.room_id));
    MC_RETURN_IF_ERROR(stream.Add(window.room, waiter.from, window.until));
    if (window.until == INT64_MAX) {
      MC_RETURN_IF_ERROR(news.AddRoom(window.room));
    }
  } else {
    MC_RETURN_IF_ERROR(stream.AddOwnRooms(waiter.from));
    MC_RETURN_IF_ERROR(news.AddOwn());
  }
  const std::vector<EventStream::Entry> entries = stream.Take();
  if (entries.empty() && news.empty() && may_wait)
    return std::optional<std::string>();
  ClientEvents events(reader, waiter.session, deps.clock.Now());
  std::string body;
  json::Writer out(&body);
  out.BeginObject();
  out.Key("chunk").BeginArray();
  for (const EventStream::Entry& entry : entries) {
    MC_RETURN_IF_ERROR(events.Write(out, *entry.room, entry.event, kEvents));
  }
  news.Write(out, deps.clock.Now());
  out.EndArray();
  const Position end = entries.size() == kMaxEvents ? entries.back().event.pos
                                                    : reader.position();
  out.Field("end", StreamToken{end, typing_serial}.ToString());
  out.Field("start", StreamToken{waiter.from, waiter.typing}.ToString());
  out.EndObject();
  return std::optional<std::string>(std::move(body));
}

}  // namespace matrixcore
