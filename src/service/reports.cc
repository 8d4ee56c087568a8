#include "matrixcore/service/reports.h"

#include "matrixcore/event/views.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/outcomes.h"
#include "service/room_access.h"

namespace matrixcore {
namespace {

using tables::kReports;
using tables::Reports;

BatchCell TextOrNull(const std::string& text) {
  return text.empty() ? BatchCell() : BatchCell(text);
}

Report ReportOf(const Row& row) {
  Report report;
  report.id = CellInt(row[Reports::kId]);
  report.ts = {CellInt(row[Reports::kTs])};
  report.reporter = CellText(row[Reports::kReporter]);
  report.room_id = CellText(row[Reports::kRoomId]);
  report.event_id = CellText(row[Reports::kEventId]);
  report.user_id = CellText(row[Reports::kUser]);
  if (!IsNull(row[Reports::kReason])) {
    report.reason = std::string(CellText(row[Reports::kReason]));
  }
  return report;
}

Status CheckReason(std::string_view reason) {
  if (reason.size() <= ReportService::kMaxReasonBytes) return OkStatus();
  return Status(StatusCode::kTooLarge, "M_TOO_LARGE",
                "The reason is too long.");
}

// An account of this server, or someone who was ever in a room of it.
Result<bool> IsKnownUser(Snapshot& snapshot, const std::string& user_id) {
  MC_ASSIGN_OR_RETURN(const auto account,
                      snapshot.Get(tables::kUsers, {Cell(user_id)}));
  if (account) return true;
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rooms,
                      snapshot.Scan({.table = &tables::kMemberships,
                                     .prefix = {Cell(user_id)},
                                     .limit = 1}));
  return !rooms.empty();
}

}  // namespace

Status ReportService::Add(const Session& session, const Report& report) {
  WriteBatch batch;
  const PositionRef id = batch.NewPosition();
  batch.InsertRow(
      kReports,
      {id, deps_.clock.Now().ms, session.user_id, TextOrNull(report.room_id),
       TextOrNull(report.event_id), TextOrNull(report.user_id),
       report.reason ? BatchCell(*report.reason) : BatchCell()});
  return deps_.store.Commit(std::move(batch)).status();
}

Status ReportService::ReportRoom(const Session& session,
                                 std::string_view room_id,
                                 std::string_view reason) {
  MC_RETURN_IF_ERROR(CheckReason(reason));
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps_.store.NewSnapshot());
    MC_ASSIGN_OR_RETURN(const auto room,
                        RoomReader(*snapshot, deps_.caches).Head(room_id));
    if (!room) return OkStatus();
  }
  return Add(session,
             {.room_id = std::string(room_id), .reason = std::string(reason)});
}

Status ReportService::ReportUser(const Session& session,
                                 std::string_view user_id,
                                 std::string_view reason) {
  MC_RETURN_IF_ERROR(CheckReason(reason));
  const std::string user(user_id);
  {
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps_.store.NewSnapshot());
    MC_ASSIGN_OR_RETURN(const bool known, IsKnownUser(*snapshot, user));
    if (!known) return OkStatus();
  }
  return Add(session, {.user_id = user, .reason = std::string(reason)});
}

Status ReportService::ReportEvent(const Session& session,
                                  std::string_view room_id,
                                  std::string_view event_id,
                                  const std::optional<std::string>& reason) {
  MC_RETURN_IF_ERROR(CheckReason(reason.value_or("")));
  Report report;
  {
    const Status missing = NotFoundError(
        "The event was not found or you are not joined to the room.");
    MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                        deps_.store.NewSnapshot());
    RoomReader reader(*snapshot, deps_.caches);
    MC_ASSIGN_OR_RETURN(const auto room, reader.Head(room_id));
    if (!room) return missing;
    MC_ASSIGN_OR_RETURN(const auto row,
                        reader.MembershipOf(session.user_id, room->nid));
    if (!row || row->membership != Membership::kJoin) return missing;
    MC_ASSIGN_OR_RETURN(const auto event, reader.Event(event_id));
    if (!event || event->room != room->nid || event->stored.flags != 0) {
      return missing;
    }
    MC_ASSIGN_OR_RETURN(
        const std::vector<bool> visible,
        reader.Visible(*room, session.user_id, {&event->stored, 1}));
    if (!visible[0]) return missing;
    report.room_id = room->room_id;
    report.event_id = event->stored.event->event_id();
    report.user_id = event->stored.event->sender();
    report.reason = reason;
  }
  return Add(session, report);
}

Result<std::vector<Report>> ReportService::List(int64_t before, size_t limit) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot->Scan({.table = &kReports,
                      .to = ScanSpec::Bound{Cell(before), false},
                      .descending = true,
                      .limit = limit}));
  std::vector<Report> reports;
  for (const Row& row : rows) reports.push_back(ReportOf(row));
  return reports;
}

Result<std::optional<Report>> ReportService::Find(int64_t id) {
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  MC_ASSIGN_OR_RETURN(const auto row, snapshot->Get(kReports, {Cell(id)}));
  if (!row) return std::optional<Report>();
  return std::optional<Report>(ReportOf(*row));
}

Result<bool> ReportService::Delete(int64_t id) {
  MC_ASSIGN_OR_RETURN(const auto report, Find(id));
  if (!report) return false;
  WriteBatch batch;
  batch.DeleteRow(kReports, {id});
  const Status removed = deps_.store.Commit(std::move(batch)).status();
  if (removed.ok()) return true;
  // Asked again, there would be no such report.
  if (MayBeWritten(removed)) {
    MC_ASSIGN_OR_RETURN(const auto left, Find(id));
    if (!left) return true;
  }
  return removed;
}

}  // namespace matrixcore
