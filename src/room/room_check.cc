#include "matrixcore/room/room_check.h"

#include <fmt/format.h>

#include <utility>

#include "matrixcore/room/tables.h"
#include "room/room_check.h"

namespace matrixcore {
namespace {

constexpr RoomCaches::Options kCaches{.event_bytes = size_t{4} << 20,
                                      .state_bytes = size_t{8} << 20};

Status NoRoom(std::string_view room_id) {
  return {StatusCode::kNotFound,
          fmt::format("there is no room {} here", room_id)};
}

// The head of a room, now; nothing once it is gone.
using HeadAt = std::function<Result<std::optional<RoomHead>>(RoomReader&)>;

Result<RoomCheckResult> Check(
    Store& store, const RoomHead& start, const HeadAt& head_at, bool visible,
    const RoomCheckOptions& options,
    const std::function<void(const RoomFinding&)>& report) {
  RoomCheckResult result;
  FindingSink sink(start.room_id, report);
  RoomCaches caches(kCaches);
  EventCheck events(start, options, sink, result);
  for (bool more = true; more;) {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store.NewSnapshot());
    RoomReader reader(*snapshot, caches);
    MC_ASSIGN_OR_RETURN(const std::optional<RoomHead> head, head_at(reader));
    if (!head) return NoRoom(start.room_id);
    MC_ASSIGN_OR_RETURN(
        std::vector<Row> rows,
        snapshot->Scan(
            {.table = &tables::kEvents,
             .prefix = {Cell(head->nid)},
             .from = ScanSpec::Bound{Cell(int64_t{events.last_idx()}), false},
             .limit = options.chunk}));
    more = rows.size() == options.chunk;
    MC_RETURN_IF_ERROR(events.Check(reader, *head, std::move(rows)));
    if (options.progress &&
        !options.progress(events.last_idx(), head->last_idx)) {
      result.ended_early = true;
      result.findings = sink.count();
      return result;
    }
    if (more) continue;
    const auto as_finding = [&sink](Status status) {
      if (status.code() != StatusCode::kDataLoss) return status;
      sink.Add("unreadable", "", status.message(), "");
      return OkStatus();
    };
    MC_RETURN_IF_ERROR(as_finding(events.Finish(reader, *head)));
    if (visible) {
      MC_RETURN_IF_ERROR(as_finding(CheckMembers(reader, *head, sink)));
      MC_RETURN_IF_ERROR(as_finding(CheckPreview(reader, *head, sink)));
      MC_RETURN_IF_ERROR(
          CheckAliases(reader, *head, options.server_name, sink));
    }
  }
  MC_RETURN_IF_ERROR(CheckStates(store, start, options.chunk, sink));
  MC_RETURN_IF_ERROR(CheckRelations(store, start, options.chunk, sink));
  result.findings = sink.count();
  return result;
}

}  // namespace

Result<RoomCheckResult> CheckRoom(
    Store& store, std::string_view room_id, const RoomCheckOptions& options,
    const std::function<void(const RoomFinding&)>& report) {
  std::optional<RoomHead> start;
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        store.NewSnapshot());
    RoomCaches caches({.event_bytes = 0, .state_bytes = 0});
    MC_ASSIGN_OR_RETURN(start, RoomReader(*snapshot, caches).Head(room_id));
  }
  if (!start) return NoRoom(room_id);
  const RoomNid nid = start->nid;
  return Check(
      store, *start, [nid](RoomReader& reader) { return reader.Head(nid); },
      true, options, report);
}

Result<uint64_t> CheckRoomCounters(
    Store& store, const std::function<void(const RoomFinding&)>& report) {
  constexpr size_t kRows = 500;
  FindingSink sink("", report);
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      store.NewSnapshot());
  RoomCaches caches({.event_bytes = 0, .state_bytes = 0});
  RoomReader reader(*snapshot, caches);
  int64_t listed = 0;
  std::optional<RoomReader::ListedPlace> place;
  for (;;) {
    MC_ASSIGN_OR_RETURN(const std::vector<RoomHead> rooms,
                        reader.ListedRooms(place, false, kRows));
    listed += static_cast<int64_t>(rooms.size());
    if (rooms.size() < kRows) break;
    place = RoomReader::ListedPlace{.joined = rooms.back().joined,
                                    .room = rooms.back().nid};
  }
  MC_ASSIGN_OR_RETURN(const int64_t stored, reader.CountListedRooms());
  sink.Compare("listed-rooms", "", stored, listed);
  return sink.count();
}

Result<RoomCheckResult> CheckStagedRoom(
    Store& store, const RoomHead& head, const RoomCheckOptions& options,
    const std::function<void(const RoomFinding&)>& report) {
  return Check(
      store, head,
      [&head](RoomReader&) {
        return Result<std::optional<RoomHead>>(std::optional<RoomHead>(head));
      },
      false, options, report);
}

}  // namespace matrixcore
