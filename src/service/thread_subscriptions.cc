#include "matrixcore/service/thread_subscriptions.h"

#include <map>
#include <utility>

#include "matrixcore/service/push_rules.h"
#include "matrixcore/service/unread_tables.h"
#include "service/room_access.h"
#include "service/thread_of.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::kThreadSubscriptions;
using tables::ThreadSubscriptions;

Status NoSuchThread() { return NotFoundError("There is no such thread."); }

// A thread as one user sees it at one snapshot.
struct Seen {
  RoomHead room;
  StoredEvent root;
  Row key;
  std::optional<Row> row;  // The subscription.

  bool subscribed() const {
    return row && CellInt((*row)[ThreadSubscriptions::kSubscribed]) != 0;
  }
  bool automatic() const {
    return row && CellInt((*row)[ThreadSubscriptions::kAutomatic]) != 0;
  }
};

Result<Seen> Find(RoomReader& reader, const std::string& user_id,
                  const ThreadSubscriptionService::Thread& thread) {
  Seen seen;
  MC_ASSIGN_OR_RETURN(std::optional<RoomHead> room,
                      reader.Head(thread.room_id));
  MC_ASSIGN_OR_RETURN(std::optional<RoomReader::Located> root,
                      reader.Event(thread.root));
  if (!room || !root || root->room != room->nid || root->stored.flags != 0) {
    return NoSuchThread();
  }
  MC_ASSIGN_OR_RETURN(const std::vector<bool> visible,
                      reader.Visible(*room, user_id, {&root->stored, 1}));
  if (!visible[0]) return NoSuchThread();
  seen.room = std::move(*room);
  seen.root = std::move(root->stored);
  seen.key = {Cell(user_id), Cell(seen.room.nid), TextCell(thread.root)};
  MC_ASSIGN_OR_RETURN(seen.row,
                      reader.snapshot().Get(kThreadSubscriptions, seen.key));
  return seen;
}

// Writes the subscription if nobody else did meanwhile.
void Put(const Seen& seen, const std::string& user_id, bool subscribed,
         bool automatic, WriteBatch& batch) {
  if (seen.row) {
    batch.Require(WriteBatch::ColumnEquals{
        &kThreadSubscriptions, seen.key, ThreadSubscriptions::kPos,
        (*seen.row)[ThreadSubscriptions::kPos]});
  } else {
    batch.Require(WriteBatch::RowAbsent{&kThreadSubscriptions, seen.key});
  }
  batch.PutRow(kThreadSubscriptions,
               {user_id, seen.room.nid, seen.root.event->event_id(),
                int64_t{subscribed}, int64_t{automatic}, batch.NewPosition()});
}

// Why a subscription by itself is refused, if it is.
Status CheckCause(RoomReader& reader, const Seen& seen,
                  std::string_view cause) {
  MC_ASSIGN_OR_RETURN(const std::optional<RoomReader::Located> event,
                      reader.Event(cause));
  const auto find = [&](std::string_view id) -> Result<EventPtr> {
    MC_ASSIGN_OR_RETURN(std::optional<RoomReader::Located> found,
                        reader.Event(id));
    if (!found || found->room != seen.room.nid) return EventPtr();
    return std::move(found->stored.event);
  };
  bool inside = event && event->room == seen.room.nid;
  if (inside) {
    MC_ASSIGN_OR_RETURN(const std::string thread,
                        ThreadOf(*event->stored.event, find));
    inside = thread == seen.root.event->event_id();
  }
  if (!inside) {
    return Status(StatusCode::kInvalidArgument,
                  "IO.ELEMENT.MSC4306.M_NOT_IN_THREAD",
                  "The event is not in the thread.");
  }
  if (seen.row && !seen.subscribed() &&
      CellInt((*seen.row)[ThreadSubscriptions::kPos]) > event->stored.pos) {
    return Status(StatusCode::kAlreadyExists,
                  "IO.ELEMENT.MSC4306.M_CONFLICTING_UNSUBSCRIPTION",
                  "The user has unsubscribed since that event.");
  }
  return OkStatus();
}

}  // namespace

Status ThreadSubscriptionService::Subscribe(
    const Session& session, const Thread& thread,
    const std::optional<std::string_view>& cause) {
  bool first = false;
  bool changed = false;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    changed = first = false;
    RoomReader reader(snapshot, deps_.caches);
    MC_ASSIGN_OR_RETURN(const Seen seen, Find(reader, session.user_id, thread));
    if (cause) MC_RETURN_IF_ERROR(CheckCause(reader, seen, *cause));
    // What the user asked for is not undone by a client.
    if (seen.subscribed() && (cause || !seen.automatic())) return OkStatus();
    changed = true;
    Put(seen, session.user_id, true, cause.has_value(), batch);
    MC_ASSIGN_OR_RETURN(const bool known,
                        PushProfiles::UsesThreads(snapshot, session.user_id));
    if (known) return OkStatus();
    first = true;
    PushProfiles::AddThreadsUser(batch, session.user_id);
    return PushRuleService::AddUnchanged(snapshot, session.user_id, batch);
  };
  Status done = Transact(deps_.store, attempt).status();
  if (!MayBeWritten(done)) return done;
  if (first) deps_.profiles.Changed(session.user_id);
  if (changed) deps_.notifier.PublishUsers({&session.user_id, 1});
  return done;
}

Status ThreadSubscriptionService::Unsubscribe(const Session& session,
                                              const Thread& thread) {
  bool changed = false;
  const auto attempt = [&](Snapshot& snapshot, WriteBatch& batch) -> Status {
    changed = false;
    RoomReader reader(snapshot, deps_.caches);
    MC_ASSIGN_OR_RETURN(const Seen seen, Find(reader, session.user_id, thread));
    if (!seen.subscribed()) return OkStatus();
    changed = true;
    Put(seen, session.user_id, false, false, batch);
    return OkStatus();
  };
  Status done = Transact(deps_.store, attempt).status();
  if (changed && MayBeWritten(done)) {
    deps_.notifier.PublishUsers({&session.user_id, 1});
  }
  return done;
}

Result<bool> ThreadSubscriptionService::IsAutomatic(const Session& session,
                                                    const Thread& thread) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const Seen seen, Find(reader, session.user_id, thread));
  if (!seen.subscribed()) {
    return NotFoundError("You are not subscribed to this thread.");
  }
  return seen.automatic();
}

Result<std::vector<ThreadSubscriptionService::Change>>
ThreadSubscriptionService::Changes(RoomReader& reader, std::string_view user_id,
                                   Position after, Position until,
                                   size_t limit) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      reader.snapshot().Scan({.table = &kThreadSubscriptions,
                              .index = ThreadSubscriptions::kByPos,
                              .prefix = {TextCell(user_id)},
                              .from = ScanSpec::Bound{after, false},
                              .to = ScanSpec::Bound{until, true},
                              .descending = true,
                              .limit = limit}));
  std::vector<RoomNid> nids;
  for (const Row& row : rows) {
    nids.push_back(CellInt(row[ThreadSubscriptions::kRoom]));
  }
  MC_ASSIGN_OR_RETURN(const std::vector<std::optional<RoomHead>> heads,
                      reader.Heads(nids));
  std::vector<Change> changes;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!heads[i]) continue;
    const Row& row = rows[i];
    changes.push_back(
        {.room_id = heads[i]->room_id,
         .root = std::string(CellText(row[ThreadSubscriptions::kThread])),
         .subscribed = CellInt(row[ThreadSubscriptions::kSubscribed]) != 0,
         .automatic = CellInt(row[ThreadSubscriptions::kAutomatic]) != 0,
         .pos = CellInt(row[ThreadSubscriptions::kPos])});
  }
  return changes;
}

Result<std::vector<ThreadSubscriptionService::Change>>
ThreadSubscriptionService::Changes(std::string_view user_id, Position after,
                                   Position until, size_t limit) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  return Changes(reader, user_id, after, until, limit);
}

void ThreadSubscriptionService::WriteChanges(
    json::Writer& out, const std::vector<Change>& changes) {
  for (const bool subscribed : {true, false}) {
    std::map<std::string_view, std::vector<const Change*>> rooms;
    for (const Change& change : changes) {
      if (change.subscribed == subscribed) {
        rooms[change.room_id].push_back(&change);
      }
    }
    out.Key(subscribed ? "subscribed" : "unsubscribed").BeginObject();
    for (const auto& [room, threads] : rooms) {
      out.Key(room).BeginObject();
      for (const Change* change : threads) {
        out.Key(change->root).BeginObject();
        if (subscribed) out.Field("automatic", change->automatic);
        out.Field("bump_stamp", change->pos).EndObject();
      }
      out.EndObject();
    }
    out.EndObject();
  }
}

Result<bool> ThreadSubscriptionService::IsSubscribed(Snapshot& snapshot,
                                                     std::string_view user_id,
                                                     RoomNid room,
                                                     std::string_view root) {
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> row,
      snapshot.Get(kThreadSubscriptions,
                   {TextCell(user_id), Cell(room), TextCell(root)}));
  return row && CellInt((*row)[ThreadSubscriptions::kSubscribed]) != 0;
}

}  // namespace matrixcore
