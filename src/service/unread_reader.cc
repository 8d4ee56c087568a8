#include <algorithm>
#include <map>
#include <utility>

#include "matrixcore/service/unread.h"
#include "matrixcore/service/unread_tables.h"
#include "service/thread_of.h"
#include "service/transact.h"

namespace matrixcore {
namespace {

using tables::NoticeModes;
using tables::Notices;
using tables::NoticeThreads;
using tables::PersonalNotices;
using tables::ReadMarks;
using tables::ThreadNotices;

// Rows of a user's own, and threads, that are counted.
constexpr size_t kMaxRows = 1000;
// Rows that are looked through when something was read, to forget them.
constexpr size_t kMaxForgotten = 500;

// Running totals at a position: of the main timeline and of all threads.
struct Totals {
  UnreadCount main;
  UnreadCount threads;
};

UnreadCount Minus(const UnreadCount& a, const UnreadCount& b) {
  return {a.notifications - b.notifications, a.highlights - b.highlights};
}
void Add(UnreadCount* to, const UnreadCount& count) {
  to->notifications += count.notifications;
  to->highlights += count.highlights;
}
// Corrections cannot make less than nothing.
UnreadCount AtLeastNothing(const UnreadCount& count) {
  return {std::max<int64_t>(0, count.notifications),
          std::max<int64_t>(0, count.highlights)};
}

// Counts of one room.
class RoomCounts {
 public:
  RoomCounts(Snapshot& snapshot, const std::string& user_id, RoomNid room)
      : snapshot_(snapshot), user_id_(user_id), room_(room) {}

  Result<Unread> Run(Position last_pos) {
    MC_ASSIGN_OR_RETURN(marks_, ReadMarkers::Load(snapshot_, user_id_, room_));
    unread_.changed = marks_.changed();
    if (marks_.everywhere() >= last_pos) return std::move(unread_);
    MC_ASSIGN_OR_RETURN(
        const std::optional<Row> mode,
        snapshot_.Get(tables::kNoticeModes, {Cell(user_id_), Cell(room_)}));
    if (mode) usual_until_ = CellInt((*mode)[NoticeModes::kFrom]) - 1;
    MC_RETURN_IF_ERROR(CountUsual());
    MC_RETURN_IF_ERROR(CountPersonal());
    unread_.main = AtLeastNothing(unread_.main);
    for (const auto& [thread, count] : threads_) {
      const UnreadCount found = AtLeastNothing(count);
      if (found != UnreadCount{}) unread_.threads.emplace_back(thread, found);
    }
    return std::move(unread_);
  }

 private:
  // Of what notifies everybody, the part that the user has not read.
  Status CountUsual() {
    MC_ASSIGN_OR_RETURN(const Totals now, TotalsAt(usual_until_, true));
    const Position main_from = marks_.In(kMainThread);
    // Often everything is read.
    Totals main_read = now;
    if (main_from < last_notice_) {
      MC_ASSIGN_OR_RETURN(main_read, TotalsAt(main_from, false));
    }
    unread_.main = Minus(now.main, main_read.main);
    Totals all_read = main_read;
    if (marks_.everywhere() != main_from) {
      MC_ASSIGN_OR_RETURN(all_read, TotalsAt(marks_.everywhere(), false));
    }
    if (now.threads == all_read.threads) return OkStatus();
    return CountThreads();
  }

  Status CountThreads() {
    MC_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        snapshot_.Scan({.table = &tables::kNoticeThreads,
                        .index = NoticeThreads::kByLastPos,
                        .prefix = {Cell(room_)},
                        .from = ScanSpec::Bound{marks_.everywhere(), false},
                        .descending = true,
                        .limit = kMaxRows}));
    for (const Row& row : rows) {
      const std::string thread(CellText(row[NoticeThreads::kThread]));
      const Position last = CellInt(row[NoticeThreads::kLastPos]);
      const Position from = marks_.In(thread);
      if (from >= last) continue;
      UnreadCount end{CellInt(row[NoticeThreads::kTotal]),
                      CellInt(row[NoticeThreads::kHighlights])};
      if (usual_until_ < last) {
        MC_ASSIGN_OR_RETURN(end, ThreadTotalsAt(thread, usual_until_));
      }
      MC_ASSIGN_OR_RETURN(const UnreadCount read,
                          ThreadTotalsAt(thread, std::min(from, usual_until_)));
      Add(&threads_[thread], Minus(end, read));
    }
    return OkStatus();
  }

  Status CountPersonal() {
    MC_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        snapshot_.Scan({.table = &tables::kPersonalNotices,
                        .prefix = {Cell(user_id_), Cell(room_)},
                        .from = ScanSpec::Bound{marks_.everywhere(), false},
                        .descending = true,
                        .limit = kMaxRows}));
    for (const Row& row : rows) {
      const Position pos = CellInt(row[PersonalNotices::kPos]);
      unread_.changed = std::max(unread_.changed, pos);
      const std::string_view thread = CellText(row[PersonalNotices::kThread]);
      if (marks_.IsRead(thread, pos)) continue;
      UnreadCount count{CellInt(row[PersonalNotices::kNotify]),
                        CellInt(row[PersonalNotices::kHighlight])};
      if (pos <= usual_until_) {
        count = Minus(count, {CellInt(row[PersonalNotices::kUsualNotify]),
                              CellInt(row[PersonalNotices::kUsualHighlight])});
      }
      Add(thread.empty() ? &unread_.main : &threads_[std::string(thread)],
          count);
    }
    return OkStatus();
  }

  // With everything up to that position, but not beyond what is usual.
  Result<Totals> TotalsAt(Position pos, bool newest) {
    Totals totals;
    pos = std::min(pos, usual_until_);
    if (pos <= 0) return totals;
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        snapshot_.Scan({.table = &tables::kNotices,
                                        .prefix = {Cell(room_)},
                                        .to = ScanSpec::Bound{pos, true},
                                        .descending = true,
                                        .limit = 1}));
    if (rows.empty()) return totals;
    const Row& row = rows[0];
    if (newest) {
      last_notice_ = CellInt(row[Notices::kPos]);
      unread_.changed = std::max(unread_.changed, last_notice_);
    }
    totals.threads = {CellInt(row[Notices::kThreadTotal]),
                      CellInt(row[Notices::kThreadHighlights])};
    totals.main = Minus(
        {CellInt(row[Notices::kTotal]), CellInt(row[Notices::kHighlights])},
        totals.threads);
    return totals;
  }

  Result<UnreadCount> ThreadTotalsAt(const std::string& thread, Position pos) {
    if (pos <= 0) return UnreadCount{};
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        snapshot_.Scan({.table = &tables::kThreadNotices,
                                        .prefix = {Cell(room_), Cell(thread)},
                                        .to = ScanSpec::Bound{pos, true},
                                        .descending = true,
                                        .limit = 1}));
    if (rows.empty()) return UnreadCount{};
    return UnreadCount{CellInt(rows[0][ThreadNotices::kTotal]),
                       CellInt(rows[0][ThreadNotices::kHighlights])};
  }

  Snapshot& snapshot_;
  const std::string& user_id_;
  const RoomNid room_;
  ReadMarkers marks_;
  Position usual_until_ = INT64_MAX;
  // The newest event that notifies everybody, as far as what is usual goes.
  Position last_notice_ = 0;
  std::map<std::string, UnreadCount> threads_;
  Unread unread_;
};

}  // namespace

UnreadCount Unread::Total() const {
  UnreadCount total = main;
  for (const auto& [thread, count] : threads) Add(&total, count);
  return total;
}

Result<Unread> UnreadReader::Read(const RoomHead& room) {
  return RoomCounts(snapshot_, user_id_, room.nid).Run(room.last_pos);
}

// --- Where someone has read to ---

Result<ReadMarkers> ReadMarkers::Load(Snapshot& snapshot,
                                      const std::string& user_id,
                                      RoomNid room) {
  ReadMarkers marks;
  marks.user_id_ = user_id;
  marks.room_ = room;
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot.Scan({.table = &tables::kReadMarks,
                                     .prefix = {Cell(user_id), Cell(room)}}));
  for (const Row& row : rows) {
    const std::string_view thread = CellText(row[ReadMarks::kThread]);
    const Position read_pos = CellInt(row[ReadMarks::kReadPos]);
    marks.changed_ = std::max(marks.changed_, CellInt(row[ReadMarks::kPos]));
    if (thread.empty()) {
      marks.everywhere_ = read_pos;
      marks.stay_ = CellInt(row[ReadMarks::kStay]);
    } else {
      marks.threads_.emplace_back(thread, read_pos);
    }
  }
  return marks;
}

Position ReadMarkers::In(std::string_view thread) const {
  const auto place =
      std::lower_bound(threads_.begin(), threads_.end(), thread,
                       [](const auto& mark, std::string_view name) {
                         return mark.first < name;
                       });
  if (place == threads_.end() || place->first != thread) return everywhere_;
  return std::max(everywhere_, place->second);
}

bool ReadMarkers::IsRead(std::string_view thread, Position pos) const {
  return pos <= In(thread.empty() ? kMainThread : thread);
}

Status ReadMarkers::Move(Snapshot& snapshot, std::string_view thread,
                         Position read_pos, PositionRef now,
                         WriteBatch* batch) {
  Row key = {Cell(user_id_), Cell(room_), TextCell(thread)};
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot.Get(tables::kReadMarks, key));
  Position known = row ? CellInt((*row)[ReadMarks::kReadPos]) : 0;
  const auto place =
      std::find_if(threads_.begin(), threads_.end(),
                   [thread](const auto& mark) { return mark.first == thread; });
  // An earlier move of this batch counts.
  if (thread.empty()) known = std::max(known, everywhere_);
  if (place != threads_.end()) known = std::max(known, place->second);
  if (known >= read_pos) return OkStatus();
  if (row) {
    batch->Require(WriteBatch::ColumnEquals{&tables::kReadMarks, std::move(key),
                                            ReadMarks::kPos,
                                            (*row)[ReadMarks::kPos]});
  } else {
    batch->Require(WriteBatch::RowAbsent{&tables::kReadMarks, std::move(key)});
  }
  batch->PutRow(tables::kReadMarks,
                {user_id_, room_, std::string(thread), read_pos,
                 thread.empty() ? stay_ : 0, now});
  if (thread.empty()) {
    everywhere_ = read_pos;
  } else if (place != threads_.end()) {
    place->second = read_pos;
  } else {
    threads_.emplace_back(thread, read_pos);
    std::sort(threads_.begin(), threads_.end());
  }
  MC_ASSIGN_OR_RETURN(const std::vector<Row> read,
                      snapshot.Scan({.table = &tables::kPersonalNotices,
                                     .prefix = {Cell(user_id_), Cell(room_)},
                                     .to = ScanSpec::Bound{read_pos, true},
                                     .descending = true,
                                     .limit = kMaxForgotten}));
  for (const Row& notice : read) {
    const Position pos = CellInt(notice[PersonalNotices::kPos]);
    if (CellInt(notice[PersonalNotices::kHighlight]) == 0 &&
        IsRead(CellText(notice[PersonalNotices::kThread]), pos)) {
      batch->DeleteRow(tables::kPersonalNotices, {user_id_, room_, pos});
    }
  }
  return OkStatus();
}

}  // namespace matrixcore
