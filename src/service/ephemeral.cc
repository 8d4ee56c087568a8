#include "matrixcore/service/ephemeral.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "matrixcore/event/types.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/ephemeral_tables.h"
#include "matrixcore/service/outcomes.h"
#include "matrixcore/service/unread.h"
#include "service/thread_of.h"
#include "service/typing.h"

namespace matrixcore {
namespace {

using tables::AccountData;
using tables::Receipts;

constexpr std::string_view kRead = "m.read";
constexpr std::string_view kReadPrivate = "m.read.private";
constexpr std::string_view kFullyRead = "m.fully_read";
// A lost race is retried this often.
constexpr int kMaxAttempts = 5;

Cell Text(std::string_view text) { return Cell(std::string(text)); }
BatchCell BatchText(std::string_view text) {
  return BatchCell(std::string(text));
}

Status InvalidParam(std::string message) {
  return Status(StatusCode::kInvalidArgument, "M_INVALID_PARAM",
                std::move(message));
}

// One marker to move: a receipt or the fully-read marker.
struct Marker {
  std::string_view type;
  std::string_view event_id;
  std::optional<std::string_view> thread_id = std::nullopt;
};

Status CheckType(const Marker& marker) {
  if (marker.type != kRead && marker.type != kReadPrivate &&
      marker.type != kFullyRead) {
    return InvalidParam(
        "The receipt type must be m.read, m.read.private or m.fully_read.");
  }
  if (!marker.thread_id) return OkStatus();
  if (marker.type == kFullyRead) {
    return InvalidParam("A fully read marker has no thread_id.");
  }
  if (marker.thread_id->empty()) {
    return InvalidParam("thread_id must not be empty.");
  }
  return OkStatus();
}

// The user's place in a room, at one snapshot.
class Desk {
 public:
  Desk(Snapshot& snapshot, RoomCaches& caches, const std::string& user_id)
      : reader_(snapshot, caches), user_id_(user_id) {}

  // kPermissionDenied unless the user is joined.
  Status Enter(std::string_view room_id) {
    MC_ASSIGN_OR_RETURN(std::optional<RoomHead> head, reader_.Head(room_id));
    if (head) {
      MC_ASSIGN_OR_RETURN(const std::optional<MembershipRow> row,
                          reader_.MembershipOf(user_id_, head->nid));
      if (row && row->membership == Membership::kJoin) {
        room_ = std::move(*head);
        return OkStatus();
      }
    }
    return Status(StatusCode::kPermissionDenied, "M_FORBIDDEN",
                  fmt::format("You are not joined to {}.", room_id));
  }

  const RoomHead& room() const { return room_; }

  // Adds the rows that move the marker; none when it would not move forward.
  // Whether there are any.
  Result<bool> Move(const Marker& marker, Timestamp now, PositionRef position,
                    WriteBatch* batch) {
    MC_ASSIGN_OR_RETURN(const std::optional<RoomReader::Located> event,
                        reader_.Event(marker.event_id));
    if (!event || event->room != room_.nid || event->stored.flags != 0) {
      return Status(
          StatusCode::kNotFound, "M_NOT_FOUND",
          fmt::format("There is no event {} in this room.", marker.event_id));
    }
    if (marker.thread_id) {
      MC_RETURN_IF_ERROR(CheckThread(*event->stored.event, *marker.thread_id));
    }
    return marker.type == kFullyRead
               ? MoveFullyRead(event->stored, position, batch)
               : MoveReceipt(marker, event->stored, now, position, batch);
  }

 private:
  Status CheckThread(const Event& event, std::string_view thread_id) {
    // A root counts as part of its thread as well as of the main timeline.
    if (thread_id == event.event_id()) return OkStatus();
    MC_ASSIGN_OR_RETURN(
        const std::string thread,
        ThreadOf(event, [this](std::string_view id) { return FindEvent(id); }));
    if (thread == thread_id) return OkStatus();
    return InvalidParam("The event is not in the thread that thread_id names.");
  }

  Result<EventPtr> FindEvent(std::string_view event_id) {
    MC_ASSIGN_OR_RETURN(std::optional<RoomReader::Located> located,
                        reader_.Event(event_id));
    if (!located || located->room != room_.nid) return EventPtr();
    return std::move(located->stored.event);
  }

  Result<bool> MoveReceipt(const Marker& marker, const StoredEvent& event,
                           Timestamp now, PositionRef position,
                           WriteBatch* batch) {
    const Row key = {Cell(room_.nid), Text(marker.type), Text(user_id_),
                     Text(marker.thread_id.value_or(""))};
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        reader_.snapshot().Get(tables::kReceipts, key));
    if (row && CellInt((*row)[Receipts::kEventPos]) >= event.pos) return false;
    RequireUnchanged(tables::kReceipts, key, Receipts::kPos, row, batch);
    batch->PutRow(tables::kReceipts,
                  {room_.nid, BatchText(marker.type), user_id_,
                   BatchText(marker.thread_id.value_or("")),
                   event.event->event_id(), event.pos, now.ms, position});
    MC_RETURN_IF_ERROR(MoveMark(marker, event.pos, position, batch));
    return true;
  }

  // Both kinds of receipts say what was read.
  Status MoveMark(const Marker& marker, Position read_pos, PositionRef position,
                  WriteBatch* batch) {
    if (!marks_) {
      MC_ASSIGN_OR_RETURN(
          marks_, ReadMarkers::Load(reader_.snapshot(), user_id_, room_.nid));
    }
    return marks_->Move(reader_.snapshot(), marker.thread_id.value_or(""),
                        read_pos, position, batch);
  }

  Result<bool> MoveFullyRead(const StoredEvent& event, PositionRef position,
                             WriteBatch* batch) {
    const Row key = {Text(user_id_), Text(room_.room_id), Text(kFullyRead)};
    MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                        reader_.snapshot().Get(tables::kAccountData, key));
    if (row) {
      MC_ASSIGN_OR_RETURN(
          const Position present,
          PositionOfMarker(CellText((*row)[AccountData::kJson])));
      if (present >= event.pos) return false;
    }
    RequireUnchanged(tables::kAccountData, key, AccountData::kPos, row, batch);
    std::string json;
    json::Writer(&json)
        .BeginObject()
        .Field("event_id", event.event->event_id())
        .EndObject();
    batch->PutRow(tables::kAccountData,
                  {user_id_, room_.room_id, BatchText(kFullyRead),
                   std::move(json), position});
    return true;
  }

  // Of the event that a stored marker names; 0 when that is not known.
  Result<Position> PositionOfMarker(std::string_view json) {
    const Result<json::Document> document = json::Document::ParseView(json);
    if (!document.ok()) return Position{0};
    const std::string_view id = document->root()["event_id"].StringOr("");
    MC_ASSIGN_OR_RETURN(const std::optional<RoomReader::Located> event,
                        reader_.Event(id));
    return event && event->room == room_.nid ? event->stored.pos : Position{0};
  }

  static void RequireUnchanged(const TableSpec& table, const Row& key,
                               uint32_t column, const std::optional<Row>& row,
                               WriteBatch* batch) {
    if (row) {
      batch->Require(
          WriteBatch::ColumnEquals{&table, key, column, (*row)[column]});
    } else {
      batch->Require(WriteBatch::RowAbsent{&table, key});
    }
  }

  RoomReader reader_;
  const std::string& user_id_;
  RoomHead room_;
  std::optional<ReadMarkers> marks_;
};

// A batch that moves markers, and whom it concerns.
struct MarkerBatch {
  WriteBatch rows;
  RoomNid room = 0;
  std::string room_id;
  bool receipts = false;  // Receipts are among the rows, ...
  bool shown = false;     // ... and some that the room's members see.
  bool empty = true;
};

}  // namespace

struct EphemeralService::Rep : std::enable_shared_from_this<Rep> {
  explicit Rep(const Deps& d) : deps(d) {}

  Status MoveMarkers(const Session& session, std::string_view room_id,
                     const std::vector<Marker>& markers);
  Result<MarkerBatch> Build(const std::string& user_id,
                            std::string_view room_id,
                            const std::vector<Marker>& markers);
  Status Commit(MarkerBatch& batch);
  void PublishRoom(RoomNid room, const std::string& room_id);

  const Deps deps;
  std::shared_ptr<Typing> typing;
};

EphemeralService::EphemeralService(const Deps& deps)
    : rep_(std::make_shared<Rep>(deps)) {
  rep_->typing = std::make_shared<Typing>(
      deps.clock, deps.timers, [&notifier = deps.notifier](RoomNid room) {
        notifier.PublishRoom(room);
      });
}

EphemeralService::~EphemeralService() { rep_->typing->Stop(); }

// --- Typing ---

Status EphemeralService::SetTyping(const Session& session,
                                   std::string_view room_id, bool typing,
                                   Duration timeout) {
  RoomNid room = 0;
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        rep_->deps.store.NewSnapshot());
    Desk desk(*snapshot, rep_->deps.caches, session.user_id);
    MC_RETURN_IF_ERROR(desk.Enter(room_id));
    room = desk.room().nid;
  }
  const Duration until = typing ? timeout : Duration::zero();
  const auto set = [typing_users = rep_->typing, room, user = session.user_id,
                    until] { typing_users->Set(room, user, until); };
  if (rep_->deps.joined.Loaded(room)) {
    set();
    return OkStatus();
  }
  // First learn whom to wake; if that fails, everybody is.
  rep_->deps.writer.EnsureLoaded(std::string(room_id),
                                 [set](const Status&) { set(); });
  return OkStatus();
}

TypingNews EphemeralService::TypingSince(int64_t serial) const {
  return rep_->typing->Since(serial);
}

TypingUsers EphemeralService::TypingIn(RoomNid room) const {
  return rep_->typing->In(room);
}

// --- Receipts and markers ---

Status EphemeralService::SetReceipt(const Session& session,
                                    const ReceiptRequest& request) {
  Marker marker{request.type, request.event_id};
  if (request.thread_id) marker.thread_id = *request.thread_id;
  return rep_->MoveMarkers(session, request.room_id, {marker});
}

Status EphemeralService::SetReadMarkers(const Session& session,
                                        std::string_view room_id,
                                        const ReadMarkers& markers) {
  std::vector<Marker> all;
  if (markers.fully_read) all.push_back({kFullyRead, *markers.fully_read});
  if (markers.read) all.push_back({kRead, *markers.read});
  if (markers.read_private)
    all.push_back({kReadPrivate, *markers.read_private});
  return rep_->MoveMarkers(session, room_id, all);
}

Status EphemeralService::Rep::MoveMarkers(const Session& session,
                                          std::string_view room_id,
                                          const std::vector<Marker>& markers) {
  for (const Marker& marker : markers) MC_RETURN_IF_ERROR(CheckType(marker));
  Status status;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    MC_ASSIGN_OR_RETURN(MarkerBatch batch,
                        Build(session.user_id, room_id, markers));
    if (batch.empty) return OkStatus();
    status = Commit(batch);
    if (status.code() == StatusCode::kAborted) continue;
    if (!MayBeWritten(status)) return status;
    if (batch.shown) {
      PublishRoom(batch.room, batch.room_id);
    } else {
      deps.notifier.PublishUsers({&session.user_id, 1});
    }
    return status;
  }
  return Status(StatusCode::kUnavailable, status.message());
}

Result<MarkerBatch> EphemeralService::Rep::Build(
    const std::string& user_id, std::string_view room_id,
    const std::vector<Marker>& markers) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps.store.NewSnapshot());
  Desk desk(*snapshot, deps.caches, user_id);
  MC_RETURN_IF_ERROR(desk.Enter(room_id));
  MarkerBatch batch;
  batch.room = desk.room().nid;
  batch.room_id = desk.room().room_id;
  const PositionRef position = batch.rows.NewPosition();
  for (const Marker& marker : markers) {
    MC_ASSIGN_OR_RETURN(const bool moved, desk.Move(marker, deps.clock.Now(),
                                                    position, &batch.rows));
    if (!moved) continue;
    batch.empty = false;
    if (marker.type != kFullyRead) batch.receipts = true;
    if (marker.type == kRead) batch.shown = true;
  }
  return batch;
}

Status EphemeralService::Rep::Commit(MarkerBatch& batch) {
  if (!batch.receipts) {
    return deps.store.Commit(std::move(batch.rows)).status();
  }
  deps.activity.Pending(batch.room);
  const Result<CommitInfo> committed = deps.store.Commit(std::move(batch.rows));
  if (!MayBeWritten(committed.status())) {
    deps.activity.Failed(batch.room);
  } else {
    deps.activity.Committed(batch.room, committed.ok()
                                            ? committed->last
                                            : deps.store.LastPosition());
  }
  return committed.status();
}

void EphemeralService::Rep::PublishRoom(RoomNid room,
                                        const std::string& room_id) {
  if (deps.joined.Loaded(room)) return deps.notifier.PublishRoom(room);
  deps.writer.EnsureLoaded(room_id,
                           [&notifier = deps.notifier, room](const Status&) {
                             notifier.PublishRoom(room);
                           });
}

Result<std::vector<Receipt>> EphemeralService::ReceiptsSince(
    Snapshot& snapshot, RoomNid room, Position after,
    std::string_view user_id) {
  ScanSpec scan{.table = &tables::kReceipts, .prefix = {Cell(room)}};
  if (after > 0) {
    scan.index = Receipts::kByPos;
    scan.from = ScanSpec::Bound{Cell(after), false};
  }
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot.Scan(scan));
  std::vector<Receipt> receipts;
  for (const Row& row : rows) {
    if (CellText(row[Receipts::kType]) == kReadPrivate &&
        CellText(row[Receipts::kUser]) != user_id) {
      continue;
    }
    receipts.push_back(
        {.type = std::string(CellText(row[Receipts::kType])),
         .user_id = std::string(CellText(row[Receipts::kUser])),
         .thread_id = std::string(CellText(row[Receipts::kThread])),
         .event_id = std::string(CellText(row[Receipts::kEventId])),
         .ts = {CellInt(row[Receipts::kTs])}});
  }
  std::sort(receipts.begin(), receipts.end(),
            [](const Receipt& a, const Receipt& b) {
              return std::tie(a.thread_id, a.event_id, a.type, a.user_id) <
                     std::tie(b.thread_id, b.event_id, b.type, b.user_id);
            });
  return receipts;
}

}  // namespace matrixcore
