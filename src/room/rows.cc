#include "room/rows.h"

#include <fmt/format.h>

#include <utility>

namespace matrixcore {
namespace {

using tables::Events;
using tables::Memberships;
using tables::Rooms;

std::vector<std::string> SplitIds(std::string_view text) {
  std::vector<std::string> ids;
  while (!text.empty()) {
    const size_t space = text.find(' ');
    ids.emplace_back(text.substr(0, space));
    if (space == std::string_view::npos) break;
    text.remove_prefix(space + 1);
  }
  return ids;
}

std::string JoinIds(const std::vector<std::string>& ids) {
  std::string text;
  for (const std::string& id : ids) {
    if (!text.empty()) text += ' ';
    text += id;
  }
  return text;
}

uint32_t Narrow(const Cell& cell) {
  return static_cast<uint32_t>(CellInt(cell));
}

std::string TakeText(Cell& cell) {
  std::string* text = std::get_if<std::string>(&cell);
  return text == nullptr ? std::string() : std::move(*text);
}

BatchCell TextOrNull(const std::string& text) {
  return text.empty() ? BatchCell() : BatchCell(text);
}

}  // namespace

Result<RoomHead> HeadFromRow(const Row& row) {
  RoomHead head;
  head.nid = CellInt(row[Rooms::kNid]);
  head.room_id = CellText(row[Rooms::kRoomId]);
  head.rules = FindRoomVersion(CellText(row[Rooms::kVersion]));
  if (head.rules == nullptr) {
    return Status(StatusCode::kDataLoss,
                  fmt::format("room {} has the unknown version {}",
                              head.room_id, CellText(row[Rooms::kVersion])));
  }
  head.creator = CellText(row[Rooms::kCreator]);
  head.generation = CellInt(row[Rooms::kGeneration]);
  head.extremities = SplitIds(CellText(row[Rooms::kExtremities]));
  head.depth = CellInt(row[Rooms::kDepth]);
  head.last_idx = Narrow(row[Rooms::kLastIdx]);
  head.last_key = Narrow(row[Rooms::kLastKey]);
  head.last_snap = Narrow(row[Rooms::kLastSnap]);
  head.state = Narrow(row[Rooms::kState]);
  head.joined = CellInt(row[Rooms::kJoined]);
  head.invited = CellInt(row[Rooms::kInvited]);
  head.last_pos = CellInt(row[Rooms::kLastPos]);
  head.max_ts = CellInt(row[Rooms::kMaxTs]);
  head.listed = CellInt(row[Rooms::kPublic]) != 0;
  return head;
}

Result<StoredEvent> EventFromRow(Row row, const RoomVersionRules& rules) {
  StoredEvent stored;
  MC_ASSIGN_OR_RETURN(
      stored.event, Event::FromStored(TakeText(row[Events::kJson]),
                                      TakeText(row[Events::kEventId]), rules));
  stored.idx = Narrow(row[Events::kIdx]);
  stored.pos = CellInt(row[Events::kPos]);
  stored.before = Narrow(row[Events::kBefore]);
  stored.after = Narrow(row[Events::kAfter]);
  stored.replaces = Narrow(row[Events::kReplaces]);
  stored.flags = CellInt(row[Events::kFlags]);
  stored.redacted_by = Narrow(row[Events::kRedactedBy]);
  stored.txn_device = TakeText(row[Events::kTxnDevice]);
  stored.txn_id = TakeText(row[Events::kTxnId]);
  stored.max_ts = CellInt(row[Events::kMaxTs]);
  return stored;
}

Result<std::vector<std::optional<Row>>> ReadEventRows(
    Snapshot& snapshot, RoomNid room, std::span<const EventIdx> ascending) {
  constexpr size_t kRun = 3;
  std::vector<std::optional<Row>> found(ascending.size());
  std::vector<Row> keys;
  std::vector<size_t> places;
  for (size_t begin = 0; begin < ascending.size();) {
    size_t end = begin + 1;
    while (end < ascending.size() && ascending[end] == ascending[end - 1] + 1) {
      ++end;
    }
    if (end - begin < kRun) {
      keys.push_back({Cell(room), Cell(int64_t{ascending[begin]})});
      places.push_back(begin++);
      continue;
    }
    MC_ASSIGN_OR_RETURN(
        std::vector<Row> rows,
        snapshot.Scan(
            {.table = &tables::kEvents,
             .prefix = {Cell(room)},
             .from = ScanSpec::Bound{Cell(int64_t{ascending[begin]}), true},
             .to = ScanSpec::Bound{Cell(int64_t{ascending[end - 1]}), true}}));
    for (Row& row : rows) {
      const EventIdx idx = Narrow(row[Events::kIdx]);
      found[begin + (idx - ascending[begin])] = std::move(row);
    }
    begin = end;
  }
  if (keys.empty()) return found;
  MC_ASSIGN_OR_RETURN(auto rows, snapshot.GetMany(tables::kEvents, keys));
  for (size_t i = 0; i < rows.size(); ++i)
    found[places[i]] = std::move(rows[i]);
  return found;
}

MembershipRow MembershipFromRow(const Row& row) {
  MembershipRow membership;
  membership.user_id = CellText(row[Memberships::kUser]);
  membership.room = CellInt(row[Memberships::kRoom]);
  membership.membership =
      static_cast<Membership>(CellInt(row[Memberships::kMembership]));
  membership.idx = Narrow(row[Memberships::kIdx]);
  membership.pos = CellInt(row[Memberships::kPos]);
  membership.forgotten = CellInt(row[Memberships::kForgotten]) != 0;
  return membership;
}

BatchRow RowFromHead(const RoomHead& head, const BatchCell& room,
                     const BatchCell& last_pos) {
  return {room,
          head.room_id,
          std::string(head.rules->id),
          head.creator,
          head.generation,
          JoinIds(head.extremities),
          head.depth,
          int64_t{head.last_idx},
          int64_t{head.last_key},
          int64_t{head.last_snap},
          int64_t{head.state},
          head.joined,
          head.invited,
          last_pos,
          head.max_ts,
          int64_t{head.listed}};
}

BatchRow RowFromEvent(const StoredEvent& stored, const BatchCell& room,
                      const BatchCell& pos) {
  const Event& event = *stored.event;
  const auto state_key = event.state_key();
  return {room,
          int64_t{stored.idx},
          pos,
          event.event_id(),
          std::string(event.type()),
          std::string(event.sender()),
          state_key ? BatchCell(std::string(*state_key)) : BatchCell(),
          int64_t{stored.before},
          int64_t{stored.after},
          int64_t{stored.replaces},
          stored.flags,
          int64_t{stored.redacted_by},
          TextOrNull(stored.txn_device),
          TextOrNull(stored.txn_id),
          event.origin_server_ts(),
          stored.max_ts,
          event.json()};
}

}  // namespace matrixcore
