#include "matrixcore/service/read_state_check.h"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "matrixcore/id/identifiers.h"
#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/room_tool_tables.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/ephemeral_tables.h"
#include "matrixcore/service/unread.h"
#include "matrixcore/service/unread_tables.h"
#include "service/thread_of.h"

namespace matrixcore {
namespace {

using tables::Notices;
using tables::NoticeThreads;
using tables::PersonalNotices;
using tables::ReadMarks;
using tables::Receipts;
using tables::ThreadNotices;

// Running totals of one kind.
struct Totals {
  int64_t notices = 0;
  int64_t highlights = 0;
};

std::string TotalsText(const Totals& all, const Totals& threads) {
  return fmt::format("{} of them {} highlights, in threads {} and {}",
                     all.notices, all.highlights, threads.notices,
                     threads.highlights);
}
std::string TotalsText(const Totals& all) {
  return fmt::format("{} of them {} highlights", all.notices, all.highlights);
}

class ReadStateCheck {
 public:
  ReadStateCheck(Store& store, RoomHead head,
                 const ReadStateCheckOptions& options,
                 const std::function<void(const RoomFinding&)>& report)
      : store_(store),
        head_(std::move(head)),
        options_(options),
        report_(report) {}

  Result<uint64_t> Run() {
    MC_RETURN_IF_ERROR(CheckNotices());
    MC_RETURN_IF_ERROR(CheckThreads());
    MC_RETURN_IF_ERROR(CheckReceipts());
    MC_RETURN_IF_ERROR(CheckUsers());
    return findings_;
  }

 private:
  void Compare(std::string_view what, std::string_view event_id,
               const std::string& stored, const std::string& expected) {
    if (stored == expected) return;
    ++findings_;
    report_({head_.room_id, std::string(event_id), what, {}, stored, expected});
  }
  // The event that a row is about, by number: its id, or "" and a finding.
  std::string CheckEvent(std::string_view what, const std::string& row,
                         const std::optional<Row>& event, Position pos,
                         std::string_view sender);

  Status CheckNotices();
  Status CheckNoticesOf(Snapshot& snapshot, const std::vector<Row>& rows);
  Status CheckThreads();
  Status CheckThread(Snapshot& snapshot, const Row& newest);
  Status CheckThreadRows(Snapshot& snapshot, const std::string& thread,
                         const std::vector<Row>& rows, Totals& totals);
  Status CheckReceipts();
  Status CheckReceipt(RoomReader& reader, const Row& row, Position cut);
  Status CheckUsers();
  Status CheckUser(Snapshot& snapshot, const std::string& user);
  Status CheckPersonal(Snapshot& snapshot, const std::string& user);

  Store& store_;
  RoomHead head_;
  const ReadStateCheckOptions& options_;
  const std::function<void(const RoomFinding&)>& report_;
  uint64_t findings_ = 0;
  Totals all_;
  Totals threads_;
};

std::string ReadStateCheck::CheckEvent(std::string_view what,
                                       const std::string& row,
                                       const std::optional<Row>& event,
                                       Position pos, std::string_view sender) {
  using tables::Events;
  if (!event) {
    Compare(what, "", row, "no row: there is no such event");
    return {};
  }
  std::string id(CellText((*event)[Events::kEventId]));
  Compare(what, id, fmt::format("at {}", pos),
          fmt::format("at {}", CellInt((*event)[Events::kPos])));
  if (!sender.empty()) {
    Compare(what, id, std::string(sender),
            std::string(CellText((*event)[Events::kSender])));
  }
  return id;
}

// Each row counts one event more than the one before.
Status ReadStateCheck::CheckNotices() {
  ScanSpec scan{.table = &tables::kNotices,
                .prefix = {Cell(head_.nid)},
                .limit = options_.chunk};
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store_.NewSnapshot());
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot->Scan(scan));
    MC_RETURN_IF_ERROR(CheckNoticesOf(*snapshot, rows));
    if (rows.size() < scan.limit) return OkStatus();
    scan.from = ScanSpec::Bound{rows.back()[Notices::kPos], false};
  }
}

Status ReadStateCheck::CheckNoticesOf(Snapshot& snapshot,
                                      const std::vector<Row>& rows) {
  std::vector<Row> event_keys;
  std::vector<Row> thread_keys;
  for (const Row& row : rows) {
    event_keys.push_back({Cell(head_.nid), row[Notices::kIdx]});
    thread_keys.push_back({Cell(head_.nid),
                           Cell(std::string(CellText(row[Notices::kThread]))),
                           row[Notices::kPos]});
  }
  MC_ASSIGN_OR_RETURN(const auto events,
                      snapshot.GetMany(tables::kEvents, event_keys));
  MC_ASSIGN_OR_RETURN(const auto in_threads,
                      snapshot.GetMany(tables::kThreadNotices, thread_keys));
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    const Position pos = CellInt(row[Notices::kPos]);
    const Totals all{CellInt(row[Notices::kTotal]),
                     CellInt(row[Notices::kHighlights])};
    const Totals threads{CellInt(row[Notices::kThreadTotal]),
                         CellInt(row[Notices::kThreadHighlights])};
    // What a purge left of those before it, which is about no event.
    if (pos != 0) {
      const std::string id = CheckEvent(
          "unread-event",
          fmt::format("event number {} notifies", CellInt(row[Notices::kIdx])),
          events[i], pos, CellText(row[Notices::kSender]));
      const int64_t highlight = CellInt(row[Notices::kHighlight]);
      const bool threaded = !IsNull(row[Notices::kThread]);
      const Totals wanted{all_.notices + 1, all_.highlights + highlight};
      const Totals wanted_threads{
          threads_.notices + (threaded ? 1 : 0),
          threads_.highlights + (threaded ? highlight : 0)};
      Compare("unread-totals", id, TotalsText(all, threads),
              TotalsText(wanted, wanted_threads));
      Compare("thread-totals", id,
              in_threads[i].has_value() ? "a row of its thread" : "no row",
              threaded ? "a row of its thread" : "no row");
    }
    // What follows is judged by what is there.
    all_ = all;
    threads_ = threads;
  }
  return OkStatus();
}

Status ReadStateCheck::CheckThreads() {
  ScanSpec scan{.table = &tables::kNoticeThreads,
                .prefix = {Cell(head_.nid)},
                .limit = options_.chunk};
  for (;;) {
    std::vector<Row> threads;
    {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store_.NewSnapshot());
      MC_ASSIGN_OR_RETURN(threads, snapshot->Scan(scan));
      for (const Row& row : threads) {
        MC_RETURN_IF_ERROR(CheckThread(*snapshot, row));
      }
    }
    if (threads.size() < scan.limit) return OkStatus();
    scan.from = ScanSpec::Bound{threads.back()[NoticeThreads::kThread], false};
  }
}

// `newest`: the thread's row of kNoticeThreads.
Status ReadStateCheck::CheckThread(Snapshot& snapshot, const Row& newest) {
  const std::string thread(CellText(newest[NoticeThreads::kThread]));
  ScanSpec scan{.table = &tables::kThreadNotices,
                .prefix = {Cell(head_.nid), Cell(thread)},
                .limit = options_.chunk};
  Totals totals;
  Position last = 0;
  for (bool more = true; more;) {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot.Scan(scan));
    more = rows.size() == scan.limit;
    MC_RETURN_IF_ERROR(CheckThreadRows(snapshot, thread, rows, totals));
    if (rows.empty()) break;
    last = CellInt(rows.back()[ThreadNotices::kPos]);
    scan.from = ScanSpec::Bound{Cell(last), false};
  }
  // A purge leaves the totals of a thread that ended before it, at 0.
  const Position stored = CellInt(newest[NoticeThreads::kLastPos]);
  Compare(
      "thread-totals", thread,
      fmt::format("newest at {}, {}", last == 0 ? 0 : stored,
                  TotalsText({CellInt(newest[NoticeThreads::kTotal]),
                              CellInt(newest[NoticeThreads::kHighlights])})),
      fmt::format("newest at {}, {}", last, TotalsText(totals)));
  return OkStatus();
}

Status ReadStateCheck::CheckThreadRows(Snapshot& snapshot,
                                       const std::string& thread,
                                       const std::vector<Row>& rows,
                                       Totals& totals) {
  std::vector<Row> keys;
  for (const Row& row : rows) {
    keys.push_back({Cell(head_.nid), row[ThreadNotices::kPos]});
  }
  MC_ASSIGN_OR_RETURN(const auto notices,
                      snapshot.GetMany(tables::kNotices, keys));
  for (size_t i = 0; i < rows.size(); ++i) {
    const Totals stored{CellInt(rows[i][ThreadNotices::kTotal]),
                        CellInt(rows[i][ThreadNotices::kHighlights])};
    const Position pos = CellInt(rows[i][ThreadNotices::kPos]);
    if (pos != 0) {
      const bool counted =
          notices[i] && CellText((*notices[i])[Notices::kThread]) == thread;
      const int64_t highlight =
          counted ? CellInt((*notices[i])[Notices::kHighlight]) : 0;
      Compare("thread-totals", thread,
              fmt::format("at {} {}", pos, TotalsText(stored)),
              counted ? fmt::format("at {} {}", pos,
                                    TotalsText({totals.notices + 1,
                                                totals.highlights + highlight}))
                      : "no row: nothing of the thread notifies there");
    }
    totals = stored;
  }
  return OkStatus();
}

Status ReadStateCheck::CheckReceipts() {
  ScanSpec scan{.table = &tables::kReceipts,
                .index = Receipts::kByPos,
                .prefix = {Cell(head_.nid)},
                .limit = options_.chunk};
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store_.NewSnapshot());
    RoomCaches caches({.event_bytes = size_t{1} << 20, .state_bytes = 0});
    RoomReader reader(*snapshot, caches);
    MC_ASSIGN_OR_RETURN(const std::optional<Row> cut,
                        snapshot->Get(tables::kRoomCuts, {Cell(head_.nid)}));
    MC_ASSIGN_OR_RETURN(std::vector<Row> rows, snapshot->Scan(scan));
    const bool more = rows.size() == scan.limit;
    if (more) {
      // Receipts that came together have one position: read on with it, unless
      // it fills the chunk.
      const Cell last = rows.back()[Receipts::kPos];
      const bool one = rows.front()[Receipts::kPos] == last;
      scan.from = ScanSpec::Bound{last, !one};
      while (!one && rows.back()[Receipts::kPos] == last) rows.pop_back();
    }
    for (const Row& row : rows) {
      MC_RETURN_IF_ERROR(CheckReceipt(
          reader, row,
          cut ? CellInt((*cut)[tables::RoomCuts::kPos]) : Position{0}));
    }
    if (!more) return OkStatus();
  }
}

Status ReadStateCheck::CheckReceipt(RoomReader& reader, const Row& row,
                                    Position cut) {
  const std::string user(CellText(row[Receipts::kUser]));
  const std::string id(CellText(row[Receipts::kEventId]));
  const std::string thread(CellText(row[Receipts::kThread]));
  const Position pos = CellInt(row[Receipts::kEventPos]);
  const std::string_view type = CellText(row[Receipts::kType]);
  const std::string text =
      fmt::format("{} of {} in thread \"{}\" at {}", type, user, thread, pos);
  if (type != "m.read" && type != "m.read.private") {
    Compare("receipt", id, text, "m.read or m.read.private");
  }
  MC_ASSIGN_OR_RETURN(const auto event, reader.Event(id));
  if (event && event->room == head_.nid) {
    Compare("receipt", id, text,
            fmt::format("{} of {} in thread \"{}\" at {}", type, user, thread,
                        event->stored.pos));
  } else if (event || pos >= cut) {  // Those of purged events stay.
    Compare("receipt", id, text, "no row: the room has no such event");
  }
  MC_ASSIGN_OR_RETURN(const auto member, reader.MembershipOf(user, head_.nid));
  if (!member) {
    Compare("receipt", id, text, "no row: the user was never in the room");
  }
  if (DomainOf(user) != options_.server_name) return OkStatus();
  MC_ASSIGN_OR_RETURN(const ReadMarkers marks,
                      ReadMarkers::Load(reader.snapshot(), user, head_.nid));
  const Position mark = thread.empty() ? marks.everywhere() : marks.In(thread);
  if (mark < pos) {
    Compare(
        "read-mark", id,
        fmt::format("{} has read to {} in thread \"{}\"", user, mark, thread),
        fmt::format("at least to the receipt at {}", pos));
  }
  return OkStatus();
}

Status ReadStateCheck::CheckUsers() {
  for (const Membership membership :
       {Membership::kInvite, Membership::kJoin, Membership::kKnock,
        Membership::kLeave, Membership::kBan}) {
    ScanSpec scan{
        .table = &tables::kMemberships,
        .index = tables::Memberships::kByRoom,
        .prefix = {Cell(head_.nid), Cell(static_cast<int64_t>(membership))},
        .limit = options_.chunk};
    for (;;) {
      MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                          store_.NewSnapshot());
      MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot->Scan(scan));
      for (const Row& row : rows) {
        const std::string user(CellText(row[tables::Memberships::kUser]));
        if (DomainOf(user) != options_.server_name) continue;
        MC_RETURN_IF_ERROR(CheckUser(*snapshot, user));
      }
      if (rows.size() < scan.limit) break;
      scan.from =
          ScanSpec::Bound{rows.back()[tables::Memberships::kUser], false};
    }
  }
  return OkStatus();
}

Status ReadStateCheck::CheckUser(Snapshot& snapshot, const std::string& user) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> marks,
                      snapshot.Scan({.table = &tables::kReadMarks,
                                     .prefix = {Cell(user), Cell(head_.nid)}}));
  for (const Row& row : marks) {
    const Position read = CellInt(row[ReadMarks::kReadPos]);
    const Position stay = CellInt(row[ReadMarks::kStay]);
    const std::string_view thread = CellText(row[ReadMarks::kThread]);
    const std::string text =
        fmt::format("{} has read to {} in thread \"{}\", stay since {}", user,
                    read, thread, stay);
    if (read > CellInt(row[ReadMarks::kPos])) {
      Compare("read-mark", "", text,
              fmt::format("not beyond {}, when that was written",
                          CellInt(row[ReadMarks::kPos])));
    } else if (stay > read) {
      Compare("read-mark", "", text, "a stay that begins with all read");
    }
  }
  return CheckPersonal(snapshot, user);
}

Status ReadStateCheck::CheckPersonal(Snapshot& snapshot,
                                     const std::string& user) {
  ScanSpec scan{.table = &tables::kPersonalNotices,
                .prefix = {Cell(user), Cell(head_.nid)},
                .limit = options_.chunk};
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot.Scan(scan));
    std::vector<Row> keys;
    for (const Row& row : rows) {
      keys.push_back({Cell(head_.nid), row[PersonalNotices::kIdx]});
    }
    MC_ASSIGN_OR_RETURN(const auto events,
                        snapshot.GetMany(tables::kEvents, keys));
    for (size_t i = 0; i < rows.size(); ++i) {
      CheckEvent("unread-event",
                 fmt::format("event number {} concerns {}",
                             CellInt(rows[i][PersonalNotices::kIdx]), user),
                 events[i], CellInt(rows[i][PersonalNotices::kPos]), "");
    }
    if (rows.size() < scan.limit) return OkStatus();
    scan.from = ScanSpec::Bound{rows.back()[PersonalNotices::kPos], false};
  }
}

}  // namespace

Result<uint64_t> CheckReadState(
    Store& store, std::string_view room_id,
    const ReadStateCheckOptions& options,
    const std::function<void(const RoomFinding&)>& report) {
  std::optional<RoomHead> head;
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store.NewSnapshot());
    RoomCaches caches({.event_bytes = 0, .state_bytes = 0});
    MC_ASSIGN_OR_RETURN(head, RoomReader(*snapshot, caches).Head(room_id));
  }
  if (!head) {
    return Status(StatusCode::kNotFound,
                  fmt::format("there is no room {} here", room_id));
  }
  return ReadStateCheck(store, *std::move(head), options, report).Run();
}

}  // namespace matrixcore
