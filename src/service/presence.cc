#include "matrixcore/service/presence.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "matrixcore/base/mutex.h"
#include "matrixcore/service/ephemeral_tables.h"
#include "service/room_access.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::kPresence;
using tables::PresenceTable;

// Stands for the devices that were present when the server stopped.
constexpr std::string_view kFormerDevice = "";
// After a change could not be written.
constexpr Duration kRetryAfter = seconds(5);

Presence FromRow(const Row& row) {
  Presence presence;
  presence.user_id = CellText(row[PresenceTable::kUser]);
  presence.state =
      static_cast<PresenceState>(CellInt(row[PresenceTable::kState]));
  if (!IsNull(row[PresenceTable::kStatusMsg])) {
    presence.status_msg = std::string(CellText(row[PresenceTable::kStatusMsg]));
  }
  if (!IsNull(row[PresenceTable::kLastActive])) {
    presence.last_active = Timestamp{CellInt(row[PresenceTable::kLastActive])};
  }
  presence.currently_active =
      CellInt(row[PresenceTable::kCurrentlyActive]) != 0;
  return presence;
}

BatchRow ToRow(const Presence& presence, PositionRef pos) {
  BatchCell status_msg;
  if (presence.status_msg) status_msg = *presence.status_msg;
  BatchCell last_active;
  if (presence.last_active) last_active = presence.last_active->ms;
  return {presence.user_id,
          static_cast<int64_t>(presence.state),
          std::move(status_msg),
          std::move(last_active),
          int64_t{presence.currently_active},
          pos};
}

// Whether two users are joined to one room.
Result<bool> ShareRoom(RoomReader& reader, std::string_view a,
                       std::string_view b) {
  std::set<RoomNid> rooms;
  MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> first,
                      reader.RoomsOf(a));
  for (const MembershipRow& row : first) {
    if (row.membership == Membership::kJoin) rooms.insert(row.room);
  }
  MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> second,
                      reader.RoomsOf(b));
  return std::any_of(
      second.begin(), second.end(), [&rooms](const MembershipRow& row) {
        return row.membership == Membership::kJoin && rooms.contains(row.room);
      });
}

}  // namespace

std::string_view PresenceName(PresenceState state) {
  switch (state) {
    case PresenceState::kOnline:
      return "online";
    case PresenceState::kUnavailable:
      return "unavailable";
    case PresenceState::kOffline:
      break;
  }
  return "offline";
}

std::optional<PresenceState> ParsePresence(std::string_view name) {
  for (const PresenceState state :
       {PresenceState::kOffline, PresenceState::kUnavailable,
        PresenceState::kOnline}) {
    if (name == PresenceName(state)) return state;
  }
  return std::nullopt;
}

struct PresenceService::Rep : std::enable_shared_from_this<Rep> {
  struct Device {
    PresenceState wish = PresenceState::kOnline;
    bool manual = false;   // The wish was set by Set.
    MonotonicTime active;  // When something was done with it.
    MonotonicTime seen;    // When it last synced, or was used.
    int64_t syncs = 0;     // Under way.
  };
  struct User {
    Presence known;  // As it is written, or about to be.
    std::map<std::string, Device, std::less<>> devices;
    MonotonicTime due = MonotonicTime::Never();
    bool dirty = false;
  };
  using Users = std::map<std::string, User, std::less<>>;

  Rep(const Options& o, const Deps& d) : options(o), deps(d) {}

  void Load();
  Result<Presence> Read(const std::string& user_id) const;
  // Applies `change` to a device of the user, who is loaded for it.
  template <typename Change>
  Status Touch(const std::string& user_id, const std::string& device_id,
               const Change& change);
  void EndSync(const std::string& user_id, const std::string& device_id);
  void Judge(Users::iterator place, bool again) MC_REQUIRES(mutex);
  void SetDue(Users::iterator place, MonotonicTime due) MC_REQUIRES(mutex);
  void Arm() MC_REQUIRES(mutex);
  void OnTimer();
  void FlushLater();
  Status Flush();
  void Flushed(const std::vector<std::string>& ids, const Status& status)
      MC_EXCLUDES(mutex);

  const Options options;
  const Deps deps;

  Mutex mutex;
  Users users MC_GUARDED_BY(mutex);
  std::set<std::pair<MonotonicTime, std::string>> dues MC_GUARDED_BY(mutex);
  std::set<std::string> dirty MC_GUARDED_BY(mutex);
  Timers::Id timer MC_GUARDED_BY(mutex) = 0;
  MonotonicTime timer_when MC_GUARDED_BY(mutex);
  bool flush_posted MC_GUARDED_BY(mutex) = false;
  bool stopped MC_GUARDED_BY(mutex) = false;
  // One at a time writes, so that rows are written in the order of change.
  Mutex flushing;
};

// --- Time ---

// What the user is by now, and when to look again.
void PresenceService::Rep::Judge(Users::iterator place, bool again) {
  User& user = place->second;
  const MonotonicTime now = deps.clock.Monotonic();
  PresenceState state = PresenceState::kOffline;
  MonotonicTime active{0};
  MonotonicTime due = MonotonicTime::Never();
  for (auto it = user.devices.begin(); it != user.devices.end();) {
    const Device& device = it->second;
    if (device.syncs == 0 && device.seen + options.offline_after <= now) {
      it = user.devices.erase(it);
      continue;
    }
    if (device.syncs == 0) {
      due = std::min(due, device.seen + options.offline_after);
    }
    PresenceState is = device.wish;
    if (is == PresenceState::kOnline) {
      const MonotonicTime idle = device.active + options.idle_after;
      if (idle <= now) {
        is = PresenceState::kUnavailable;
      } else {
        due = std::min(due, idle);
        active = std::max(active, device.active);
      }
    }
    state = std::max(state, is);
    ++it;
  }
  const bool currently =
      state == PresenceState::kOnline && active + options.active_for > now;
  if (currently) due = std::min(due, active + options.active_for);
  if (again || state != user.known.state ||
      currently != user.known.currently_active) {
    user.known.state = state;
    user.known.currently_active = currently;
    user.dirty = true;
    dirty.insert(place->first);
  }
  SetDue(place, due);
  if (user.devices.empty() && !user.dirty) users.erase(place);
}

void PresenceService::Rep::SetDue(Users::iterator place, MonotonicTime due) {
  User& user = place->second;
  if (user.due == due) return;
  if (user.due != MonotonicTime::Never()) {
    dues.erase({user.due, place->first});
  }
  user.due = due;
  if (due != MonotonicTime::Never()) dues.emplace(due, place->first);
  Arm();
}

void PresenceService::Rep::Arm() {
  if (stopped || dues.empty()) return;
  const MonotonicTime when = dues.begin()->first;
  if (timer != 0 && timer_when <= when) return;
  if (timer != 0) deps.timers.Cancel(timer);
  timer_when = when;
  timer = deps.timers.At(when, [weak = weak_from_this()] {
    if (const std::shared_ptr<Rep> rep = weak.lock()) rep->OnTimer();
  });
}

void PresenceService::Rep::OnTimer() {
  {
    MutexLock lock(mutex);
    const MonotonicTime now = deps.clock.Monotonic();
    if (timer_when <= now) timer = 0;
    while (!dues.empty() && dues.begin()->first <= now) {
      const auto place = users.find(dues.begin()->second);
      dues.erase(dues.begin());
      place->second.due = MonotonicTime::Never();
      Judge(place, false);
    }
    Arm();
  }
  FlushLater();
}

// --- Changes ---

void PresenceService::Rep::Load() {
  const auto read = [this]() -> Result<std::vector<Row>> {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps.store.NewSnapshot());
    return snapshot->Scan(
        {.table = &kPresence,
         .index = PresenceTable::kByState,
         .from = ScanSpec::Bound{static_cast<int64_t>(PresenceState::kOffline),
                                 false}});
  };
  const Result<std::vector<Row>> rows = read();
  if (!rows.ok()) {
    deps.log.Error("presence", "who was online is not known",
                   {{"error", rows.status().ToString()}});
    return;
  }
  MutexLock lock(mutex);
  const MonotonicTime now = deps.clock.Monotonic();
  for (const Row& row : *rows) {
    Presence known = FromRow(row);
    const std::string id = known.user_id;
    const auto place = users.try_emplace(id).first;
    place->second.devices[std::string(kFormerDevice)] = {
        .wish = known.state, .manual = true, .active = now, .seen = now};
    place->second.known = std::move(known);
    Judge(place, false);
  }
}

Result<Presence> PresenceService::Rep::Read(const std::string& user_id) const {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot->Get(kPresence, {Cell(user_id)}));
  if (row) return FromRow(*row);
  Presence none;
  none.user_id = user_id;
  return none;
}

template <typename Change>
Status PresenceService::Rep::Touch(const std::string& user_id,
                                   const std::string& device_id,
                                   const Change& change) {
  std::optional<Presence> read;
  for (;;) {
    {
      MutexLock lock(mutex);
      if (stopped) return OkStatus();
      auto place = users.find(user_id);
      if (place == users.end() && read) {
        place = users.try_emplace(user_id).first;
        place->second.known = std::move(*read);
      }
      if (place != users.end()) {
        User& user = place->second;
        const auto [device, added] =
            user.devices.try_emplace(device_id, Device{});
        const MonotonicTime now = deps.clock.Monotonic();
        if (added) device->second.active = now;
        device->second.seen = now;
        user.devices.erase(std::string(kFormerDevice));
        const bool again = change(user, device->second, added);
        Judge(place, again);
        return OkStatus();
      }
    }
    MC_ASSIGN_OR_RETURN(read, Read(user_id));
  }
}

void PresenceService::Rep::EndSync(const std::string& user_id,
                                   const std::string& device_id) {
  {
    MutexLock lock(mutex);
    const auto place = users.find(user_id);
    if (place == users.end()) return;
    const auto device = place->second.devices.find(device_id);
    if (device == place->second.devices.end()) return;
    --device->second.syncs;
    device->second.seen = deps.clock.Monotonic();
    Judge(place, false);
  }
  FlushLater();
}

void PresenceService::Rep::FlushLater() {
  {
    MutexLock lock(mutex);
    if (dirty.empty() || std::exchange(flush_posted, true)) return;
  }
  const bool posted = deps.executor.PostAdmitted([self = shared_from_this()] {
    {
      MutexLock lock(self->mutex);
      self->flush_posted = false;
    }
    if (const Status status = self->Flush(); !status.ok()) {
      self->deps.log.Error("presence", "a change was not written",
                           {{"error", status.ToString()}});
    }
  });
  if (posted) return;
  MutexLock lock(mutex);
  flush_posted = false;
}

// What was not written is written with the next change, or after a while.
void PresenceService::Rep::Flushed(const std::vector<std::string>& ids,
                                   const Status& status) {
  MutexLock lock(mutex);
  const MonotonicTime retry = deps.clock.Monotonic() + kRetryAfter;
  for (const std::string& id : ids) {
    const auto place = users.find(id);
    if (place == users.end()) continue;
    User& user = place->second;
    if (!status.ok()) {
      user.dirty = true;
      dirty.insert(id);
      if (user.due > retry) SetDue(place, retry);
    } else if (!user.dirty && user.devices.empty()) {
      SetDue(place, MonotonicTime::Never());
      users.erase(place);
    }
  }
}

Status PresenceService::Rep::Flush() {
  std::vector<std::string> changed;
  Status status;
  {
    MutexLock one(flushing);
    WriteBatch batch;
    {
      MutexLock lock(mutex);
      if (dirty.empty()) return OkStatus();
      for (const std::string& id : std::exchange(dirty, {})) {
        const auto place = users.find(id);
        if (place == users.end()) continue;
        place->second.dirty = false;
        batch.PutRow(kPresence,
                     ToRow(place->second.known, batch.NewPosition()));
        changed.push_back(id);
      }
    }
    status = deps.store.Commit(std::move(batch)).status();
    Flushed(changed, status);
  }
  if (!MayBeWritten(status)) return status;
  for (const std::string& id : changed) {
    PublishToContacts(deps.store, deps.caches, deps.notifier, id,
                      Notifier::News::kPresence);
  }
  return status;
}

// --- The public face ---

PresenceService::PresenceService(const Options& options, const Deps& deps)
    : rep_(std::make_shared<Rep>(options, deps)) {
  if (options.enabled) rep_->Load();
}

PresenceService::~PresenceService() {
  MutexLock lock(rep_->mutex);
  rep_->stopped = true;
  if (rep_->timer != 0) rep_->deps.timers.Cancel(rep_->timer);
}

bool PresenceService::enabled() const { return rep_->options.enabled; }

Status PresenceService::Set(const Session& session, PresenceState state,
                            std::optional<std::string> status_msg) {
  if (status_msg && status_msg->size() > kMaxStatusBytes) {
    return InvalidParamError("'status_msg' is too long");
  }
  if (!enabled()) return OkStatus();
  MC_RETURN_IF_ERROR(
      rep_->Touch(session.user_id, session.device_id,
                  [&](Rep::User& user, Rep::Device& device, bool) {
                    device.wish = state;
                    device.manual = true;
                    device.active = device.seen;
                    user.known.last_active = rep_->deps.clock.Now();
                    user.known.status_msg = std::move(status_msg);
                    return true;
                  }));
  return rep_->Flush();
}

Result<Presence> PresenceService::Get(const Session& session,
                                      const std::string& user_id) {
  if (user_id != session.user_id) {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        rep_->deps.store.NewSnapshot());
    RoomReader reader(*snapshot, rep_->deps.caches);
    MC_ASSIGN_OR_RETURN(const bool shared,
                        ShareRoom(reader, session.user_id, user_id));
    if (!shared) {
      return ForbiddenError("You are not allowed to see their presence");
    }
  }
  Presence offline;
  offline.user_id = user_id;
  if (!enabled()) return offline;
  {
    MutexLock lock(rep_->mutex);
    const auto place = rep_->users.find(user_id);
    if (place != rep_->users.end()) return place->second.known;
  }
  return rep_->Read(user_id);
}

std::shared_ptr<void> PresenceService::Syncing(const Session& session,
                                               PresenceState state) {
  if (!enabled() || state == PresenceState::kOffline) return nullptr;
  const Status status = rep_->Touch(
      session.user_id, session.device_id,
      [&](Rep::User& user, Rep::Device& device, bool added) {
        ++device.syncs;
        const bool back = device.wish == PresenceState::kOffline;
        // What the user set stays until something is done; going away ends it.
        if (!device.manual || back || state == PresenceState::kUnavailable) {
          device.manual = false;
          if (back) device.active = device.seen;
          device.wish = state;
        }
        if ((added || back) && state == PresenceState::kOnline) {
          user.known.last_active = rep_->deps.clock.Now();
        }
        return false;
      });
  if (!status.ok()) return nullptr;
  // So that the sync sees what it changed and does not wake itself.
  if (const Status written = rep_->Flush(); !written.ok()) {
    rep_->deps.log.Error("presence", "a change was not written",
                         {{"error", written.ToString()}});
  }
  return std::shared_ptr<void>(
      nullptr, [rep = rep_, user = session.user_id, device = session.device_id](
                   void*) { rep->EndSync(user, device); });
}

void PresenceService::Active(const Session& session) {
  if (!enabled()) return;
  const Status status =
      rep_->Touch(session.user_id, session.device_id,
                  [&](Rep::User& user, Rep::Device& device, bool) {
                    device.wish = PresenceState::kOnline;
                    device.manual = false;
                    device.active = device.seen;
                    user.known.last_active = rep_->deps.clock.Now();
                    return false;
                  });
  if (status.ok()) rep_->FlushLater();
}

void PresenceService::NameChanged(const std::string& user_id) {
  if (!enabled()) return;
  {
    MutexLock lock(rep_->mutex);
    const auto place = rep_->users.find(user_id);
    if (place == rep_->users.end()) return;  // Nobody looks at them.
    rep_->Judge(place, true);
  }
  rep_->FlushLater();
}

Result<std::vector<Presence>> PresenceService::Since(Snapshot& snapshot,
                                                     Position after) const {
  std::vector<Presence> changed;
  if (!enabled()) return changed;
  ScanSpec scan{.table = &kPresence};
  if (after > 0) {
    scan.index = PresenceTable::kByPos;
    scan.from = ScanSpec::Bound{after, false};
  } else {
    scan.index = PresenceTable::kByState;
    scan.from =
        ScanSpec::Bound{static_cast<int64_t>(PresenceState::kOffline), false};
  }
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot.Scan(scan));
  MutexLock lock(rep_->mutex);
  for (const Row& row : rows) {
    Presence presence = FromRow(row);
    // The time of the last activity is told as it is, not as it was written.
    const auto place = rep_->users.find(presence.user_id);
    if (place != rep_->users.end()) {
      presence.last_active =
          std::max(presence.last_active, place->second.known.last_active);
    }
    changed.push_back(std::move(presence));
  }
  std::sort(changed.begin(), changed.end(),
            [](const Presence& a, const Presence& b) {
              return a.user_id < b.user_id;
            });
  return changed;
}

void PresenceService::WriteMembers(json::Writer& out, const Presence& presence,
                                   Timestamp now) {
  out.Field("presence", PresenceName(presence.state));
  if (presence.last_active) {
    out.Field("last_active_ago",
              std::max<int64_t>(0, now.ms - presence.last_active->ms));
  }
  if (presence.status_msg) out.Field("status_msg", *presence.status_msg);
  if (presence.state == PresenceState::kOnline) {
    out.Field("currently_active", presence.currently_active);
  }
}

}  // namespace matrixcore
