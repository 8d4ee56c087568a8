// RoomReader: events in order, of the timeline, of time, and of the log.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "matrixcore/room/room_reader.h"
#include "matrixcore/room/tables.h"
#include "room/room_caches.h"
#include "room/rows.h"

namespace matrixcore {
namespace {

using tables::Events;
using tables::LateEvents;

// How many events are read at once when others than those wanted may follow,
// and by how much more each further time.
constexpr size_t kFirstChunk = 8;
constexpr size_t kChunkGrowth = 4;

Cell Number(EventIdx idx) { return Cell(int64_t{idx}); }

// Reads a room's events by number, in one direction.
class EventScan {
 public:
  // From `start` on, itself included.  If only some of what follows is wanted,
  // little is read at first.
  EventScan(Snapshot& snapshot, RoomNid room, EventIdx start, bool descending,
            bool only_some)
      : snapshot_(snapshot),
        scan_{.table = &tables::kEvents,
              .prefix = {Cell(room)},
              .descending = descending},
        chunk_(only_some ? kFirstChunk : SIZE_MAX / kChunkGrowth) {
    Bound(ScanSpec::Bound{Number(start), true});
  }

  // The next rows, at most so many; none at the end.
  Result<std::vector<Row>> Next(size_t most) {
    scan_.limit = std::min(most, chunk_);
    if (ended_ || most == 0) return std::vector<Row>();
    MC_ASSIGN_OR_RETURN(std::vector<Row> rows, snapshot_.Scan(scan_));
    ended_ = rows.size() < scan_.limit;
    if (!ended_) Bound(ScanSpec::Bound{rows.back()[Events::kIdx], false});
    chunk_ = std::min(chunk_ * kChunkGrowth, SIZE_MAX / kChunkGrowth);
    return rows;
  }

 private:
  void Bound(ScanSpec::Bound bound) {
    (scan_.descending ? scan_.to : scan_.from) = std::move(bound);
  }

  Snapshot& snapshot_;
  ScanSpec scan_;
  size_t chunk_;
  bool ended_ = false;
};

// In the order of time, or the reverse.
bool Precedes(const StoredEvent& a, const StoredEvent& b, bool backwards) {
  const auto key = [](const StoredEvent& event) {
    return std::pair(event.event->origin_server_ts(), event.idx);
  };
  return backwards ? key(b) < key(a) : key(a) < key(b);
}

}  // namespace

// The number of the first event for which `after` says true, if it says true of
// all that follow too; the number after the last one if there is none.  Looks
// near the room's end first.
template <typename After>
Result<EventIdx> RoomReader::FirstEvent(const RoomHead& room, After after) {
  EventIdx low = 1;
  EventIdx high = room.last_idx + 1;
  for (EventIdx step = 1; low < high;) {
    // Doubling steps back from the end until below, then bisection.
    EventIdx middle = low + (high - low) / 2;
    if (low == 1 && step < high) {
      middle = std::max(middle, high - step);
      step *= 2;
    }
    MC_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        snapshot_.Scan({.table = &tables::kEvents,
                        .prefix = {Cell(room.nid)},
                        .from = ScanSpec::Bound{Number(middle), true},
                        .limit = 1}));
    if (rows.empty() || after(rows[0])) {
      high = middle;
    } else {
      low = static_cast<EventIdx>(CellInt(rows[0][Events::kIdx])) + 1;
    }
  }
  return high;
}

Result<EventIdx> RoomReader::FirstAfter(const RoomHead& room, Position pos) {
  if (pos >= room.last_pos) return room.last_idx + 1;
  if (pos <= 0) return EventIdx{1};
  return FirstEvent(
      room, [pos](const Row& row) { return CellInt(row[Events::kPos]) > pos; });
}

Result<std::vector<StoredEvent>> RoomReader::Timeline(const RoomHead& room,
                                                      const Range& range) {
  std::vector<StoredEvent> events;
  if (range.limit == 0) return events;
  RoomCaches::Rep& caches = *caches_.rep_;
  if (const RoomCaches::Rep::TailPtr tail = caches.TailOf(room)) {
    const Position until = std::min(range.until, room.last_pos);
    for (size_t i = 0; i < tail->events.size(); ++i) {
      const size_t place = range.newest_first ? tail->events.size() - 1 - i : i;
      const StoredEvent& event = *tail->events[place];
      if (event.pos <= range.after || event.pos > until || event.flags != 0) {
        continue;
      }
      events.push_back(event);
      if (events.size() == range.limit) break;
    }
    const bool enough = range.newest_first && events.size() == range.limit;
    if (enough || range.after >= tail->complete_after) return events;
    events.clear();
  }
  EventIdx start = 0;
  if (range.newest_first) {
    MC_ASSIGN_OR_RETURN(start, FirstAfter(room, range.until));
    --start;
  } else {
    MC_ASSIGN_OR_RETURN(start, FirstAfter(room, range.after));
  }
  EventScan scan(
      snapshot_, room.nid, start, range.newest_first,
      range.newest_first ? range.after > 0 : range.until < room.last_pos);
  for (;;) {
    MC_ASSIGN_OR_RETURN(std::vector<Row> rows,
                        scan.Next(range.limit - events.size()));
    if (rows.empty()) return events;
    for (Row& row : rows) {
      const Position pos = CellInt(row[Events::kPos]);
      if (range.newest_first ? pos <= range.after : pos > range.until) {
        return events;
      }
      // Hidden events do not count towards the limit.
      if (CellInt(row[Events::kFlags]) != 0) continue;
      MC_ASSIGN_OR_RETURN(StoredEvent event,
                          EventFromRow(std::move(row), *room.rules));
      // Messages are read in their order, hardly ever by their numbers: they
      // would drive out what is.
      if (event.event->is_state()) {
        caches.KeepEvent(room.nid, std::make_shared<const StoredEvent>(event),
                         position());
      }
      events.push_back(std::move(event));
      if (events.size() == range.limit) return events;
    }
  }
}

Result<StateSnap> RoomReader::StateAtPosition(const RoomHead& room,
                                              Position pos) {
  if (pos >= room.last_pos) return room.state;
  MC_ASSIGN_OR_RETURN(
      const std::vector<StoredEvent> last,
      Timeline(room, {.until = pos, .newest_first = true, .limit = 1}));
  return last.empty() ? StateSnap{0} : last[0].after;
}

// Two lists are merged: of the events that came in the order of time, which is
// their order by number, and of those that came late.
Result<std::vector<StoredEvent>> RoomReader::ByTime(const RoomHead& room,
                                                    const TimeRange& range) {
  MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> events,
                      PunctualByTime(room, range));
  MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> late, LateByTime(room, range));
  const auto middle = static_cast<ptrdiff_t>(events.size());
  events.insert(events.end(), std::make_move_iterator(late.begin()),
                std::make_move_iterator(late.end()));
  std::inplace_merge(events.begin(), events.begin() + middle, events.end(),
                     [&range](const StoredEvent& a, const StoredEvent& b) {
                       return Precedes(a, b, range.backwards);
                     });
  if (events.size() > range.limit) events.resize(range.limit);
  return events;
}

Result<std::vector<StoredEvent>> RoomReader::PunctualByTime(
    const RoomHead& room, const TimeRange& range) {
  // Punctual events of that very time have numbers in [first, end).
  MC_ASSIGN_OR_RETURN(const EventIdx end,
                      FirstEvent(room, [&range](const Row& row) {
                        return CellInt(row[Events::kMaxTs]) > range.ts;
                      }));
  EventIdx start = 0;
  if (range.backwards) {
    start = end - 1;
    if (range.beyond != 0) start = std::min(start, range.beyond - 1);
  } else {
    MC_ASSIGN_OR_RETURN(const EventIdx first,
                        FirstEvent(room, [&range](const Row& row) {
                          return CellInt(row[Events::kMaxTs]) >= range.ts;
                        }));
    start = first;
    if (range.beyond != 0) {
      start = std::min(std::max(first, range.beyond + 1), end);
    }
  }
  std::vector<StoredEvent> events;
  EventScan scan(snapshot_, room.nid, start, range.backwards, false);
  for (;;) {
    MC_ASSIGN_OR_RETURN(std::vector<Row> rows,
                        scan.Next(range.limit - events.size()));
    if (rows.empty()) break;
    for (Row& row : rows) {
      if (CellInt(row[Events::kTs]) < CellInt(row[Events::kMaxTs])) continue;
      MC_ASSIGN_OR_RETURN(StoredEvent event,
                          EventFromRow(std::move(row), *room.rules));
      events.push_back(std::move(event));
    }
  }
  return events;
}

Result<std::vector<StoredEvent>> RoomReader::LateByTime(
    const RoomHead& room, const TimeRange& range) {
  std::vector<EventIdx> idxs;
  const auto take = [&](ScanSpec scan, ScanSpec::Bound bound) -> Status {
    scan.table = &tables::kLateEvents;
    scan.descending = range.backwards;
    scan.limit = range.limit - idxs.size();
    if (scan.limit == 0) return OkStatus();
    (range.backwards ? scan.to : scan.from) = std::move(bound);
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot_.Scan(scan));
    for (const Row& row : rows) {
      idxs.push_back(static_cast<EventIdx>(CellInt(row[LateEvents::kIdx])));
    }
    return OkStatus();
  };
  if (range.beyond != 0) {
    MC_RETURN_IF_ERROR(take({.prefix = {Cell(room.nid), Cell(range.ts)}},
                            {Number(range.beyond), false}));
  }
  MC_RETURN_IF_ERROR(
      take({.prefix = {Cell(room.nid)}}, {Cell(range.ts), range.beyond == 0}));
  return StoredEvents(room, idxs);
}

namespace {

// Adds what the rows of the log are to `events`.
Status AddLogEvents(RoomReader& reader, std::vector<Row> rows,
                    std::vector<RoomReader::LogEvent>& events) {
  std::vector<RoomNid> rooms;
  for (const Row& row : rows) rooms.push_back(CellInt(row[Events::kRoom]));
  std::sort(rooms.begin(), rooms.end());
  rooms.erase(std::unique(rooms.begin(), rooms.end()), rooms.end());
  MC_ASSIGN_OR_RETURN(auto heads, reader.Heads(rooms));
  std::vector<std::shared_ptr<const RoomHead>> shared(heads.size());
  for (size_t i = 0; i < heads.size(); ++i) {
    if (!heads[i]) continue;  // It is being brought in or taken away.
    shared[i] = std::make_shared<const RoomHead>(std::move(*heads[i]));
  }
  for (Row& row : rows) {
    const auto room = std::lower_bound(rooms.begin(), rooms.end(),
                                       CellInt(row[Events::kRoom]));
    RoomReader::LogEvent event;
    event.room = shared[static_cast<size_t>(room - rooms.begin())];
    if (event.room == nullptr) continue;
    MC_ASSIGN_OR_RETURN(event.stored,
                        EventFromRow(std::move(row), *event.room->rules));
    events.push_back(std::move(event));
  }
  return OkStatus();
}

}  // namespace

Result<std::vector<RoomReader::LogEvent>> RoomReader::Log(Position after,
                                                          size_t limit) {
  std::vector<LogEvent> events;
  while (events.size() < limit) {
    MC_ASSIGN_OR_RETURN(
        std::vector<Row> rows,
        snapshot_.Scan({.table = &tables::kEvents,
                        .index = Events::kByLog,
                        .from = ScanSpec::Bound{Cell(after), false},
                        .limit = limit - events.size()}));
    if (rows.empty()) break;
    after = CellInt(rows.back()[Events::kPos]);
    MC_RETURN_IF_ERROR(AddLogEvents(*this, std::move(rows), events));
  }
  return events;
}

}  // namespace matrixcore
