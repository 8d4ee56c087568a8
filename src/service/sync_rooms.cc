#include "service/sync_rooms.h"

#include <algorithm>
#include <utility>

#include "matrixcore/service/sliding_tables.h"

namespace matrixcore {
namespace {

UserRoom FromRow(const MembershipRow& row) {
  return {.room = row.room,
          .membership = row.membership,
          .idx = row.idx,
          .pos = row.pos,
          .forgotten = row.forgotten};
}

}  // namespace

Result<UserRooms::List> UserRooms::Get(RoomReader& reader,
                                       const std::string& user_id) {
  const Position now = reader.position();
  const auto known = lists_.Get(user_id);
  auto entry = std::make_shared<Entry>();
  entry->at = now;
  MC_ASSIGN_OR_RETURN(const Position forgot,
                      LastForget(reader.snapshot(), user_id));
  if (known && (*known)->at <= now && (*known)->at >= forgot) {
    MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> changes,
                        reader.RoomsOfSince(user_id, (*known)->at));
    if (changes.empty()) return (*known)->rooms;
    auto rooms = std::make_shared<std::vector<UserRoom>>(*(*known)->rooms);
    for (const MembershipRow& change : changes) {
      const auto place = std::lower_bound(
          rooms->begin(), rooms->end(), change.room,
          [](const UserRoom& a, RoomNid room) { return a.room < room; });
      if (place != rooms->end() && place->room == change.room) {
        *place = FromRow(change);
      } else {
        rooms->insert(place, FromRow(change));
      }
    }
    entry->rooms = std::move(rooms);
  } else {
    MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                        reader.RoomsOf(user_id));
    auto rooms = std::make_shared<std::vector<UserRoom>>();
    rooms->reserve(rows.size());
    for (const MembershipRow& row : rows) rooms->push_back(FromRow(row));
    entry->rooms = std::move(rooms);
    // An older snapshot must not replace what a newer one taught.
    if (known && (*known)->at > now) return entry->rooms;
  }
  const List rooms = entry->rooms;
  lists_.Put(user_id, std::move(entry));
  return rooms;
}

Result<Position> LastForget(Snapshot& snapshot, const std::string& user_id) {
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot.Get(tables::kForgets, {Cell(user_id)}));
  return row ? CellInt((*row)[tables::Forgets::kPos]) : Position{0};
}

const UserRoom* FindRoom(const std::vector<UserRoom>& rooms, RoomNid room) {
  const auto place = std::lower_bound(
      rooms.begin(), rooms.end(), room,
      [](const UserRoom& a, RoomNid nid) { return a.room < nid; });
  return place != rooms.end() && place->room == room ? &*place : nullptr;
}

Result<MembershipPast> ReadMembershipPast(RoomReader& reader,
                                          const RoomHead& room, EventIdx newest,
                                          Position since) {
  MembershipPast past;
  std::optional<Membership> now;
  bool reached_since = false;
  for (EventIdx idx = newest; idx != 0;) {
    MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> loaded,
                        reader.StoredEvents(room, {&idx, 1}));
    StoredEvent& event = loaded[0];
    // Numbers only go down on the way back.
    idx = event.replaces < idx ? event.replaces : 0;
    const Membership membership = MembershipOf(*event.event);
    Membership before = Membership::kNone;
    if (idx != 0) {
      MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> replaced,
                          reader.Events(room, {&idx, 1}));
      before = MembershipOf(*replaced[0]);
    }
    if (!now) now = membership;
    const bool ended_stay =
        before == Membership::kJoin && membership != Membership::kJoin;
    if (ended_stay && !past.left && *now != Membership::kJoin)
      past.left = event;
    if (event.pos > since) {
      (membership == Membership::kJoin ? past.joined_since : past.away_since) =
          true;
      past.events.push_back(std::move(event));
      continue;
    }
    if (!reached_since) past.at_since = membership;
    reached_since = true;
    if (ended_stay || membership == Membership::kJoin) break;
  }
  std::reverse(past.events.begin(), past.events.end());
  return past;
}

}  // namespace matrixcore
