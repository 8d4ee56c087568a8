#include "matrixcore/room/room_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "matrixcore/event/types.h"
#include "matrixcore/room/tables.h"
#include "room/room_caches.h"
#include "room/rows.h"

namespace matrixcore {
namespace {

using tables::Aliases;
using tables::Events;
using tables::Memberships;
using tables::Rooms;
using tables::StateKeys;
using tables::StateSnaps;

// A room with more state keys than this is asked for single names instead of
// learning all of them for one look-up.
constexpr StateKeyNum kLearnAllNames = 2000;

Cell Number(uint32_t n) { return Cell(int64_t{n}); }
Cell Text(std::string_view text) { return Cell(std::string(text)); }

Status Damaged(const RoomHead& room, std::string_view what, int64_t number) {
  return Status(StatusCode::kDataLoss, fmt::format("room {}: {} {} is missing",
                                                   room.room_id, what, number));
}

}  // namespace

// --- Rooms ---

Result<std::optional<RoomHead>> RoomReader::Head(std::string_view room_id) {
  MC_ASSIGN_OR_RETURN(std::vector<Row> rows,
                      snapshot_.Scan({.table = &tables::kRooms,
                                      .index = Rooms::kByRoomId,
                                      .prefix = {Text(room_id)},
                                      .limit = 1}));
  if (rows.empty()) return std::optional<RoomHead>();
  MC_ASSIGN_OR_RETURN(RoomHead head, HeadFromRow(rows[0]));
  return std::optional<RoomHead>(std::move(head));
}

Result<std::optional<RoomHead>> RoomReader::Head(RoomNid room) {
  MC_ASSIGN_OR_RETURN(auto heads, Heads({&room, 1}));
  return std::move(heads[0]);
}

Result<std::vector<std::optional<RoomHead>>> RoomReader::Heads(
    std::span<const RoomNid> rooms) {
  std::vector<Row> keys;
  keys.reserve(rooms.size());
  for (const RoomNid room : rooms) keys.push_back({Cell(room)});
  MC_ASSIGN_OR_RETURN(auto rows, snapshot_.GetMany(tables::kRooms, keys));
  std::vector<std::optional<RoomHead>> heads(rooms.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i]) continue;
    MC_ASSIGN_OR_RETURN(heads[i], HeadFromRow(*rows[i]));
  }
  return heads;
}

// --- Events ---

Result<std::optional<RoomReader::Located>> RoomReader::Event(
    std::string_view event_id) {
  MC_ASSIGN_OR_RETURN(std::vector<Row> rows,
                      snapshot_.Scan({.table = &tables::kEvents,
                                      .index = Events::kByEventId,
                                      .prefix = {Text(event_id)},
                                      .limit = 1}));
  if (rows.empty()) return std::optional<Located>();
  const RoomNid room = CellInt(rows[0][Events::kRoom]);
  MC_ASSIGN_OR_RETURN(const std::optional<RoomHead> head, Head(room));
  // A room that is being brought in or taken away is not there.
  if (!head) return std::optional<Located>();
  MC_ASSIGN_OR_RETURN(StoredEvent stored,
                      EventFromRow(std::move(rows[0]), *head->rules));
  return std::optional<Located>(Located{room, std::move(stored)});
}

Result<std::vector<EventPtr>> RoomReader::Events(
    const RoomHead& room, std::span<const EventIdx> idxs) {
  MC_ASSIGN_OR_RETURN(std::vector<StoredEvent> stored,
                      StoredEvents(room, idxs));
  std::vector<EventPtr> events;
  events.reserve(stored.size());
  for (StoredEvent& event : stored) events.push_back(std::move(event.event));
  return events;
}

Result<std::vector<StoredEvent>> RoomReader::StoredEvents(
    const RoomHead& room, std::span<const EventIdx> idxs) {
  std::vector<StoredEvent> events(idxs.size());
  std::vector<std::pair<EventIdx, size_t>> missing;  // And where it goes.
  RoomCaches::Rep& caches = *caches_.rep_;
  for (size_t i = 0; i < idxs.size(); ++i) {
    if (auto cached = caches.events.Get({room.nid, idxs[i]})) {
      events[i] = **cached;
    } else {
      missing.emplace_back(idxs[i], i);
    }
  }
  if (missing.empty()) return events;
  std::sort(missing.begin(), missing.end());
  std::vector<EventIdx> ascending;
  ascending.reserve(missing.size());
  for (const auto& [idx, place] : missing) ascending.push_back(idx);
  MC_ASSIGN_OR_RETURN(auto rows, ReadEventRows(snapshot_, room.nid, ascending));
  for (size_t i = 0; i < rows.size(); ++i) {
    StoredEvent& event = events[missing[i].second];
    if (!rows[i]) return Damaged(room, "event", missing[i].first);
    MC_ASSIGN_OR_RETURN(event, EventFromRow(std::move(*rows[i]), *room.rules));
    caches.KeepEvent(room.nid, std::make_shared<const StoredEvent>(event),
                     position());
  }
  return events;
}

// --- State ---

namespace {

// Makes the next state of a chain from the one below.
Status ApplyDelta(const RoomHead& room,
                  const std::vector<StateDeltaEntry>& delta, StateTree* state) {
  std::vector<StateTree::Change> changes;
  changes.reserve(delta.size());
  for (const StateDeltaEntry& entry : delta) {
    if (entry.key > room.last_key ||
        (!changes.empty() && entry.key <= changes.back().key)) {
      return Damaged(room, "state key", entry.key);
    }
    changes.push_back({entry.key, entry.event == 0 ? kNoIndex : entry.event});
  }
  state->Apply(changes);
  return OkStatus();
}

}  // namespace

Result<StateMapPtr> RoomReader::State(const RoomHead& room, StateSnap snap) {
  static const StateMapPtr kEmpty = std::make_shared<const StateMap>();
  if (snap == 0) return kEmpty;
  const std::shared_ptr<RoomStates> states =
      caches_.rep_->States(room.nid, snap);
  // Down the bases until a known state, then up again, applying deltas.
  struct Link {
    StateSnap snap = 0;
    std::vector<StateDeltaEntry> delta;
  };
  std::vector<Link> links;
  StateMapPtr base;
  for (StateSnap at = snap; at != 0 && base == nullptr;) {
    base = states->Find(at);
    if (base != nullptr) break;
    MC_ASSIGN_OR_RETURN(
        const std::optional<Row> row,
        snapshot_.Get(tables::kStateSnaps, {Cell(room.nid), Number(at)}));
    if (!row) return Damaged(room, "state snapshot", at);
    MC_ASSIGN_OR_RETURN(auto delta,
                        DecodeStateDelta(CellBlob((*row)[StateSnaps::kDelta])));
    links.push_back({at, std::move(delta)});
    const auto next =
        static_cast<StateSnap>(CellInt((*row)[StateSnaps::kBase]));
    if (next >= at) return Damaged(room, "base of state snapshot", at);
    at = next;
  }
  if (links.empty()) return base;
  StateTree map = base == nullptr ? states->Empty() : base->map();
  for (auto link = links.rbegin(); link != links.rend(); ++link) {
    MC_RETURN_IF_ERROR(ApplyDelta(room, link->delta, &map));
    base = std::make_shared<const StateMap>(map);
    states->Keep(link->snap, base);
  }
  caches_.rep_->Recharge(room.nid, states);
  return base;
}

Result<StateKeyNum> RoomReader::KeyNum(const RoomHead& room,
                                       std::string_view type,
                                       std::string_view state_key) {
  const std::shared_ptr<StateKeyNames> names = caches_.rep_->Names(room.nid);
  if (const StateKeyNum num = names->Find(type, state_key)) {
    return num <= room.last_key ? num : 0;
  }
  if (names->KnowsAll(room.last_key)) return StateKeyNum{0};
  if (room.last_key <= kLearnAllNames) {
    MC_RETURN_IF_ERROR(LearnNames(room, *names, {}));
    const StateKeyNum num = names->Find(type, state_key);
    return num <= room.last_key ? num : 0;
  }
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot_.Scan({.table = &tables::kStateKeys,
                      .index = StateKeys::kByName,
                      .prefix = {Cell(room.nid), Text(type), Text(state_key)},
                      .limit = 1}));
  if (rows.empty()) return StateKeyNum{0};
  const auto num = static_cast<StateKeyNum>(CellInt(rows[0][StateKeys::kNum]));
  names->Learn(num, type, state_key);
  return num;
}

Status RoomReader::LearnNames(const RoomHead& room, StateKeyNames& names,
                              std::span<const StateKeyNum> nums) {
  std::vector<Row> rows;
  if (nums.empty()) {
    MC_ASSIGN_OR_RETURN(rows, snapshot_.Scan({.table = &tables::kStateKeys,
                                              .prefix = {Cell(room.nid)}}));
  } else {
    std::vector<Row> keys;
    for (const StateKeyNum num : nums) {
      keys.push_back({Cell(room.nid), Number(num)});
    }
    MC_ASSIGN_OR_RETURN(auto found,
                        snapshot_.GetMany(tables::kStateKeys, keys));
    for (size_t i = 0; i < found.size(); ++i) {
      if (!found[i]) return Damaged(room, "state key", nums[i]);
      rows.push_back(std::move(*found[i]));
    }
  }
  for (const Row& row : rows) {
    names.Learn(static_cast<StateKeyNum>(CellInt(row[StateKeys::kNum])),
                CellText(row[StateKeys::kType]),
                CellText(row[StateKeys::kStateKey]));
  }
  return OkStatus();
}

Result<StateKey> RoomReader::KeyName(const RoomHead& room, StateKeyNum num) {
  const std::shared_ptr<StateKeyNames> names = caches_.rep_->Names(room.nid);
  if (names->Name(num) == nullptr) {
    MC_RETURN_IF_ERROR(LearnNames(room, *names, {&num, 1}));
  }
  const StateKey* name = names->Name(num);
  if (name == nullptr) return Damaged(room, "state key", num);
  return *name;
}

Result<EventPtr> RoomReader::StateEvent(const RoomHead& room, StateSnap snap,
                                        std::string_view type,
                                        std::string_view state_key) {
  MC_ASSIGN_OR_RETURN(const StateKeyNum key, KeyNum(room, type, state_key));
  if (key == 0) return EventPtr();
  MC_ASSIGN_OR_RETURN(const StateMapPtr state, State(room, snap));
  const EventIdx idx = state->Find(key);
  if (idx == 0) return EventPtr();
  MC_ASSIGN_OR_RETURN(const std::vector<EventPtr> events,
                      Events(room, {&idx, 1}));
  return events[0];
}

Result<std::vector<EventPtr>> RoomReader::StateEventsOfType(
    const RoomHead& room, StateSnap snap, std::string_view type) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> keys,
                      snapshot_.Scan({.table = &tables::kStateKeys,
                                      .index = StateKeys::kByName,
                                      .prefix = {Cell(room.nid), Text(type)}}));
  if (keys.empty()) return std::vector<EventPtr>();
  MC_ASSIGN_OR_RETURN(const StateMapPtr state, State(room, snap));
  std::vector<EventIdx> idxs;
  for (const Row& key : keys) {
    const auto num = static_cast<StateKeyNum>(CellInt(key[StateKeys::kNum]));
    if (const EventIdx idx = state->Find(num)) idxs.push_back(idx);
  }
  return Events(room, idxs);
}

Result<std::vector<StoredEvent>> RoomReader::StateEvents(
    const RoomHead& room, StateSnap snap, const KeyFilter& keep) {
  return StateDifference(room, 0, snap, keep);
}

Result<std::vector<StoredEvent>> RoomReader::StateDifference(
    const RoomHead& room, StateSnap from, StateSnap to, const KeyFilter& keep) {
  if (from == to) return std::vector<StoredEvent>();
  MC_ASSIGN_OR_RETURN(const StateMapPtr before, State(room, from));
  MC_ASSIGN_OR_RETURN(const StateMapPtr after, State(room, to));
  std::shared_ptr<StateKeyNames> names;
  if (keep) {
    names = caches_.rep_->Names(room.nid);
    if (!names->KnowsAll(room.last_key)) {
      MC_RETURN_IF_ERROR(LearnNames(room, *names, {}));
    }
  }
  std::vector<EventIdx> idxs;
  Status damage;
  StateTree::Diff(before->map(), after->map(),
                  [&](KeyIdx key, EventIdx, EventIdx event) {
                    if (event == kNoIndex) return;
                    if (keep) {
                      const StateKey* name = names->Name(key);
                      if (name == nullptr) {
                        damage = Damaged(room, "state key", key);
                        return;
                      }
                      if (!keep(name->type, name->state_key)) return;
                    }
                    idxs.push_back(event);
                  });
  MC_RETURN_IF_ERROR(damage);
  return StoredEvents(room, idxs);
}

// --- Members ---

Result<std::optional<MembershipRow>> RoomReader::MembershipOf(
    std::string_view user_id, RoomNid room) {
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> row,
      snapshot_.Get(tables::kMemberships, {Text(user_id), Cell(room)}));
  if (!row) return std::optional<MembershipRow>();
  return std::optional<MembershipRow>(MembershipFromRow(*row));
}

Result<std::vector<MembershipRow>> RoomReader::ScanMemberships(
    const ScanSpec& spec) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot_.Scan(spec));
  std::vector<MembershipRow> memberships;
  memberships.reserve(rows.size());
  for (const Row& row : rows) memberships.push_back(MembershipFromRow(row));
  return memberships;
}

Result<std::vector<MembershipRow>> RoomReader::RoomsOf(
    std::string_view user_id) {
  // All but the user, who may be in thousands.
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot_.Scan({.table = &tables::kMemberships,
                      .prefix = {Text(user_id)},
                      .columns = {Memberships::kRoom, Memberships::kMembership,
                                  Memberships::kIdx, Memberships::kPos,
                                  Memberships::kForgotten}}));
  std::vector<MembershipRow> memberships;
  memberships.reserve(rows.size());
  for (const Row& row : rows) {
    memberships.push_back(
        {.user_id = std::string(user_id),
         .room = CellInt(row[0]),
         .membership = static_cast<Membership>(CellInt(row[1])),
         .idx = static_cast<EventIdx>(CellInt(row[2])),
         .pos = CellInt(row[3]),
         .forgotten = CellInt(row[4]) != 0});
  }
  return memberships;
}

Result<std::vector<MembershipRow>> RoomReader::RoomsOfSince(
    std::string_view user_id, Position after) {
  return ScanMemberships({.table = &tables::kMemberships,
                          .index = Memberships::kByPos,
                          .prefix = {Text(user_id)},
                          .from = ScanSpec::Bound{Cell(after), false}});
}

Result<std::vector<MembershipRow>> RoomReader::Members(RoomNid room,
                                                       Membership membership,
                                                       size_t limit) {
  return ScanMemberships(
      {.table = &tables::kMemberships,
       .index = Memberships::kByRoom,
       .prefix = {Cell(room), Cell(static_cast<int64_t>(membership))},
       .limit = limit});
}

Result<Membership> RoomReader::MembershipAt(const RoomHead& room,
                                            StateSnap snap,
                                            std::string_view user_id) {
  MC_ASSIGN_OR_RETURN(const EventPtr event,
                      StateEvent(room, snap, kTypeMember, user_id));
  return event == nullptr ? Membership::kNone
                          : matrixcore::MembershipOf(*event);
}

// --- Directory ---

Result<std::vector<RoomPreview>> RoomReader::Previews(
    std::span<const RoomNid> rooms) {
  std::vector<Row> keys;
  keys.reserve(rooms.size());
  for (const RoomNid room : rooms) keys.push_back({Cell(room)});
  MC_ASSIGN_OR_RETURN(const auto rows,
                      snapshot_.GetMany(tables::kRoomPreviews, keys));
  std::vector<RoomPreview> previews(rooms.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i]) previews[i] = RoomPreviewFromRow(*rows[i]);
  }
  return previews;
}

Result<std::vector<RoomHead>> RoomReader::ListedRooms(
    const std::optional<ListedPlace>& place, bool backwards, size_t limit) {
  std::vector<RoomHead> heads;
  const auto scan = [&](ScanSpec spec) -> Status {
    spec.table = &tables::kRooms;
    spec.index = Rooms::kByPublic;
    spec.descending = !backwards;
    spec.limit = limit - heads.size();
    if (spec.limit == 0) return OkStatus();
    MC_ASSIGN_OR_RETURN(const std::vector<Row> rows, snapshot_.Scan(spec));
    for (const Row& row : rows) {
      MC_ASSIGN_OR_RETURN(RoomHead head, HeadFromRow(row));
      heads.push_back(std::move(head));
    }
    return OkStatus();
  };
  const Cell listed(int64_t{1});
  if (!place) {
    MC_RETURN_IF_ERROR(scan({.prefix = {listed}}));
    return heads;
  }
  // The rest of those of the same size, then the others.
  ScanSpec same{.prefix = {listed, Cell(place->joined)}};
  ScanSpec others{.prefix = {listed}};
  (backwards ? same.from : same.to) = ScanSpec::Bound{Cell(place->room), false};
  (backwards ? others.from : others.to) =
      ScanSpec::Bound{Cell(place->joined), false};
  MC_RETURN_IF_ERROR(scan(std::move(same)));
  MC_RETURN_IF_ERROR(scan(std::move(others)));
  return heads;
}

Result<int64_t> RoomReader::CountListedRooms() {
  MC_ASSIGN_OR_RETURN(
      const std::optional<Row> row,
      snapshot_.Get(tables::kRoomCounters, {Text(tables::kListedRooms)}));
  return row ? CellInt((*row)[tables::RoomCounters::kValue]) : int64_t{0};
}

Result<std::optional<RoomNid>> RoomReader::AliasRoom(std::string_view alias) {
  MC_ASSIGN_OR_RETURN(const std::optional<Row> row,
                      snapshot_.Get(tables::kAliases, {Text(alias)}));
  if (!row) return std::optional<RoomNid>();
  return std::optional<RoomNid>(CellInt((*row)[Aliases::kRoom]));
}

Result<std::vector<std::string>> RoomReader::AliasesOf(RoomNid room) {
  MC_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                      snapshot_.Scan({.table = &tables::kAliases,
                                      .index = Aliases::kByRoom,
                                      .prefix = {Cell(room)}}));
  std::vector<std::string> aliases;
  for (const Row& row : rows)
    aliases.emplace_back(CellText(row[Aliases::kAlias]));
  return aliases;
}

}  // namespace matrixcore
