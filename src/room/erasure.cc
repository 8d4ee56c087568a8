#include "matrixcore/room/erasure.h"

#include <algorithm>
#include <map>
#include <utility>

#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "matrixcore/room/tables.h"

namespace matrixcore {
namespace {

using tables::Erasures;
using tables::kErasures;

bool IsOfThePerson(const Event& event) {
  return !event.is_state() || event.Is(kTypeMember, event.sender());
}

// When those of the senders who were erased were.
Result<std::map<std::string_view, Position>> ErasedSenders(
    RoomReader& reader, std::span<const StoredEvent> events) {
  std::map<std::string_view, Position> erased;
  for (const StoredEvent& stored : events) {
    if (IsOfThePerson(*stored.event)) erased.emplace(stored.event->sender(), 0);
  }
  std::vector<Row> keys;
  for (const auto& [sender, pos] : erased) {
    keys.push_back({Cell(std::string(sender))});
  }
  MC_ASSIGN_OR_RETURN(const auto rows,
                      reader.snapshot().GetMany(kErasures, keys));
  size_t i = 0;
  for (auto it = erased.begin(); it != erased.end();) {
    const std::optional<Row>& row = rows[i++];
    if (row) {
      it->second = CellInt((*row)[Erasures::kPos]);
      ++it;
    } else {
      it = erased.erase(it);
    }
  }
  return erased;
}

// The user has been in the room, before `when`, up to this position: INT64_MAX
// if they were in it then, 0 if never.
Result<Position> InRoomUntil(RoomReader& reader, const RoomHead& room,
                             std::string_view user_id, Position when) {
  MC_ASSIGN_OR_RETURN(const auto row, reader.MembershipOf(user_id, room.nid));
  EventIdx idx = row ? row->idx : 0;
  Position left = INT64_MAX;
  while (idx != 0) {
    MC_ASSIGN_OR_RETURN(const std::vector<StoredEvent> event,
                        reader.StoredEvents(room, {&idx, 1}));
    if (event[0].pos <= when) {
      if (MembershipOf(*event[0].event) == Membership::kJoin) return left;
      left = event[0].pos;
    }
    idx = event[0].replaces;
  }
  return Position{0};
}

}  // namespace

void AddErasure(WriteBatch& batch, const std::string& user_id) {
  batch.PutRow(kErasures, {user_id, batch.NewPosition()});
}

Status LoadErasures(Snapshot& snapshot, RoomCaches& caches) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot.Scan({.table = &kErasures, .limit = 1}));
  if (!rows.empty()) caches.NoteErasure();
  return OkStatus();
}

Result<std::vector<bool>> ErasedEvents(RoomReader& reader, const RoomHead& room,
                                       std::string_view user_id,
                                       std::span<const StoredEvent> events) {
  if (!reader.caches().has_erasures() || events.empty()) {
    return std::vector<bool>();
  }
  MC_ASSIGN_OR_RETURN(const auto erased, ErasedSenders(reader, events));
  if (erased.empty()) return std::vector<bool>();
  std::vector<bool> hidden(events.size(), false);
  std::map<Position, Position> seen_until;  // By the position of the erasure.
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& event = *events[i].event;
    const auto when = erased.find(event.sender());
    if (when == erased.end() || !IsOfThePerson(event)) continue;
    const auto [it, unknown] = seen_until.try_emplace(when->second, 0);
    if (unknown) {
      MC_ASSIGN_OR_RETURN(it->second,
                          InRoomUntil(reader, room, user_id, when->second));
    }
    hidden[i] = events[i].pos >= it->second;
  }
  return hidden;
}

}  // namespace matrixcore
