#include "matrixcore/service/notifications.h"

#include <algorithm>
#include <map>
#include <queue>
#include <utility>
#include <vector>

#include "matrixcore/json/writer.h"
#include "matrixcore/service/client_events.h"
#include "matrixcore/service/unread.h"
#include "matrixcore/service/unread_tables.h"

namespace matrixcore {
namespace {

using tables::NoticeModes;
using tables::Notices;
using tables::PersonalNotices;

// Rows that are looked at for one page.
constexpr size_t kMaxRows = 2000;

// A notification, or a candidate for one.
struct Notice {
  Position pos = 0;
  RoomNid room = 0;
  EventIdx idx = 0;
  std::string thread;  // "" for the main timeline.
  std::string actions;
  int64_t ts = 0;
  bool notify = true;
  bool highlight = false;
  bool read = false;
  std::string sender;  // Of a usual one.
};

// Rows in descending order, read in portions.
struct Cursor {
  Position top = 0;  // No row is after this.
  bool personal = false;
  RoomNid room = 0;  // Of the usual ones.
  std::vector<Notice> rows;
  size_t at = 0;
  bool done = false;  // `rows` has the last ones.

  // Personal rows come before the usual ones that they correct.
  friend bool operator<(const Cursor& a, const Cursor& b) {
    if (a.top != b.top) return a.top < b.top;
    return a.personal < b.personal;
  }
};

Notice FromUsual(const Row& row) {
  return {.pos = CellInt(row[Notices::kPos]),
          .room = CellInt(row[Notices::kRoom]),
          .idx = static_cast<EventIdx>(CellInt(row[Notices::kIdx])),
          .thread = std::string(CellText(row[Notices::kThread])),
          .actions = std::string(CellText(row[Notices::kActions])),
          .ts = CellInt(row[Notices::kTs]),
          .highlight = CellInt(row[Notices::kHighlight]) != 0,
          .sender = std::string(CellText(row[Notices::kSender]))};
}

Notice FromPersonal(const Row& row) {
  return {.pos = CellInt(row[PersonalNotices::kPos]),
          .room = CellInt(row[PersonalNotices::kRoom]),
          .idx = static_cast<EventIdx>(CellInt(row[PersonalNotices::kIdx])),
          .thread = std::string(CellText(row[PersonalNotices::kThread])),
          .actions = std::string(CellText(row[PersonalNotices::kActions])),
          .ts = CellInt(row[PersonalNotices::kTs]),
          .notify = CellInt(row[PersonalNotices::kNotify]) != 0,
          .highlight = CellInt(row[PersonalNotices::kHighlight]) != 0,
          .sender = {}};
}

// One page.
class Page {
 public:
  Page(Snapshot& snapshot, RoomCaches& caches, const Session& session,
       const NotificationService::Request& request)
      : reader_(snapshot, caches), session_(session), request_(request) {}

  Result<std::string> Make(Timestamp now) {
    MC_RETURN_IF_ERROR(Open());
    MC_RETURN_IF_ERROR(Collect());
    return Write(now);
  }

 private:
  struct Room {
    RoomHead head;
    bool joined = false;
    bool loaded = false;  // The following.
    ReadMarkers marks;
    Position personal_from = INT64_MAX;
  };

  Status Open() {
    const Position newest = request_.from.value_or(INT64_MAX) - 1;
    MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                        reader_.RoomsOf(session_.user_id));
    std::vector<RoomNid> nids;
    for (const MembershipRow& row : rows) {
      if (row.membership == Membership::kJoin ||
          row.membership == Membership::kInvite) {
        nids.push_back(row.room);
        rooms_[row.room].joined = row.membership == Membership::kJoin;
      }
    }
    MC_ASSIGN_OR_RETURN(std::vector<std::optional<RoomHead>> heads,
                        reader_.Heads(nids));
    for (std::optional<RoomHead>& head : heads) {
      if (!head) continue;
      Room& room = rooms_[head->nid];
      room.head = std::move(*head);
      if (!room.joined) continue;
      cursors_.push({.top = std::min(newest, room.head.last_pos),
                     .personal = false,
                     .room = room.head.nid,
                     .rows = {}});
    }
    cursors_.push({.top = newest, .personal = true, .room = 0, .rows = {}});
    return OkStatus();
  }

  Status Collect() {
    while (!cursors_.empty()) {
      Cursor cursor = cursors_.top();
      cursors_.pop();
      if (cursor.at == cursor.rows.size()) {
        if (cursor.done) continue;
        if (rows_read_ >= kMaxRows) {
          next_ = cursor.top + 1;
          return OkStatus();
        }
        MC_RETURN_IF_ERROR(Fill(&cursor));
        if (cursor.rows.empty()) continue;
        cursor.top = cursor.rows[0].pos;
        cursors_.push(std::move(cursor));
        continue;
      }
      Notice notice = std::move(cursor.rows[cursor.at++]);
      const bool more = cursor.at < cursor.rows.size();
      cursor.top = more ? cursor.rows[cursor.at].pos : notice.pos - 1;
      const bool personal = cursor.personal;
      cursors_.push(std::move(cursor));
      MC_ASSIGN_OR_RETURN(const bool wanted, Check(notice, personal));
      if (!wanted) continue;
      if (page_.size() == request_.limit) {
        next_ = page_.empty() ? notice.pos + 1 : page_.back().pos;
        return OkStatus();
      }
      page_.push_back(std::move(notice));
    }
    return OkStatus();
  }

  Status Fill(Cursor* cursor) {
    const size_t limit = request_.limit + 1;
    ScanSpec scan{.to = ScanSpec::Bound{cursor->top, true},
                  .descending = true,
                  .limit = limit};
    if (cursor->personal) {
      scan.table = &tables::kPersonalNotices;
      scan.index = PersonalNotices::kByPos;
      scan.prefix = {Cell(session_.user_id)};
    } else {
      scan.table = &tables::kNotices;
      scan.prefix = {Cell(cursor->room)};
    }
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        reader_.snapshot().Scan(scan));
    cursor->rows.clear();
    cursor->at = 0;
    cursor->done = rows.size() < limit;
    rows_read_ += rows.size();
    for (const Row& row : rows) {
      cursor->rows.push_back(cursor->personal ? FromPersonal(row)
                                              : FromUsual(row));
    }
    return OkStatus();
  }

  // Whether it is a notification of the user that is asked for.
  Result<bool> Check(Notice& notice, bool personal) {
    const auto place = rooms_.find(notice.room);
    if (place == rooms_.end()) return false;
    Room& room = place->second;
    MC_RETURN_IF_ERROR(Load(room));
    if (personal) {
      corrected_ = notice.pos;
    } else if (notice.pos == corrected_ || notice.sender == session_.user_id ||
               notice.pos <= room.marks.stay() ||
               notice.pos >= room.personal_from) {
      return false;
    }
    if (!notice.notify) return false;
    if (request_.only_highlights && !notice.highlight) return false;
    notice.read = room.joined && room.marks.IsRead(notice.thread, notice.pos);
    return true;
  }

  Status Load(Room& room) {
    if (std::exchange(room.loaded, true)) return OkStatus();
    const RoomNid nid = room.head.nid;
    MC_ASSIGN_OR_RETURN(room.marks, ReadMarkers::Load(reader_.snapshot(),
                                                      session_.user_id, nid));
    MC_ASSIGN_OR_RETURN(
        const std::optional<Row> mode,
        reader_.snapshot().Get(tables::kNoticeModes,
                               {Cell(session_.user_id), Cell(nid)}));
    if (mode) room.personal_from = CellInt((*mode)[NoticeModes::kFrom]);
    return OkStatus();
  }

  Result<std::string> Write(Timestamp now) {
    std::map<RoomNid, std::vector<EventIdx>> wanted;
    for (const Notice& notice : page_) {
      wanted[notice.room].push_back(notice.idx);
    }
    std::map<std::pair<RoomNid, EventIdx>, StoredEvent> events;
    for (const auto& [nid, idxs] : wanted) {
      MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> stored,
                          reader_.StoredEvents(rooms_[nid].head, idxs));
      for (StoredEvent& event : stored) {
        const EventIdx idx = event.idx;
        events.emplace(std::pair(nid, idx), std::move(event));
      }
    }
    ClientEvents writer(reader_, session_, now);
    ClientEventFormat format;
    format.with_room_id = false;
    std::string body;
    json::Writer out(&body);
    out.BeginObject();
    if (next_) out.Field("next_token", std::to_string(*next_));
    out.Key("notifications").BeginArray();
    for (const Notice& notice : page_) {
      const RoomHead& head = rooms_[notice.room].head;
      out.BeginObject();
      out.RawField("actions", notice.actions);
      out.Key("event");
      MC_RETURN_IF_ERROR(writer.Write(
          out, head, events.at({notice.room, notice.idx}), format));
      // Of pushers, which have no part in this list; some clients want one.
      out.Field("profile_tag", "");
      out.Field("read", notice.read);
      out.Field("room_id", head.room_id);
      out.Field("ts", notice.ts);
      out.EndObject();
    }
    out.EndArray().EndObject();
    return body;
  }

  RoomReader reader_;
  const Session& session_;
  const NotificationService::Request& request_;
  std::map<RoomNid, Room> rooms_;
  std::priority_queue<Cursor> cursors_;
  size_t rows_read_ = 0;
  Position corrected_ = 0;  // The newest personal row so far.
  std::vector<Notice> page_;
  std::optional<Position> next_;
};

}  // namespace

Result<std::string> NotificationService::List(const Session& session,
                                              const Request& request) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  return Page(*snapshot, deps_.caches, session, request)
      .Make(deps_.clock.Now());
}

}  // namespace matrixcore
