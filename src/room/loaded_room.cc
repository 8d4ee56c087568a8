#include <fmt/format.h>

#include <algorithm>

#include "matrixcore/base/heap_bytes.h"
#include "matrixcore/event/types.h"
#include "matrixcore/room/tables.h"
#include "room/room_work.h"

namespace matrixcore {
namespace {

using tables::StateSnaps;

// Entries of `newer` replace those of `older`; the result is sorted by key.
std::vector<StateDeltaEntry> Merge(const std::vector<StateDeltaEntry>& older,
                                   const std::vector<StateDeltaEntry>& newer) {
  std::vector<StateDeltaEntry> merged;
  merged.reserve(older.size() + newer.size());
  auto a = older.begin();
  auto b = newer.begin();
  while (a != older.end() || b != newer.end()) {
    if (b == newer.end() || (a != older.end() && a->key < b->key)) {
      merged.push_back(*a++);
      continue;
    }
    if (a != older.end() && a->key == b->key) ++a;
    merged.push_back(*b++);
  }
  return merged;
}

}  // namespace

Result<std::unique_ptr<LoadedRoom>> LoadedRoom::Load(RoomReader& reader,
                                                     RoomHead head) {
  auto room = std::make_unique<LoadedRoom>();
  MC_ASSIGN_OR_RETURN(const StateMapPtr state, reader.State(head, head.state));
  room->current.resize(head.last_key + 1, 0);
  state->ForEach(
      [&room](StateKeyNum key, EventIdx event) { room->current[key] = event; });
  for (StateSnap at = head.state; at != 0;) {
    MC_ASSIGN_OR_RETURN(
        const std::optional<Row> row,
        reader.snapshot().Get(tables::kStateSnaps,
                              {Cell(head.nid), Cell(int64_t{at})}));
    if (!row) {
      return Status(StatusCode::kDataLoss,
                    fmt::format("room {}: state snapshot {} is missing",
                                head.room_id, at));
    }
    Link link;
    link.snap = at;
    link.height = static_cast<uint32_t>(CellInt((*row)[StateSnaps::kHeight]));
    MC_ASSIGN_OR_RETURN(link.delta,
                        DecodeStateDelta(CellBlob((*row)[StateSnaps::kDelta])));
    room->lineage.push_back(std::move(link));
    at = static_cast<StateSnap>(CellInt((*row)[StateSnaps::kBase]));
  }
  std::reverse(room->lineage.begin(), room->lineage.end());
  MC_ASSIGN_OR_RETURN(const StateKeyNum policy,
                      reader.KeyNum(head, kTypePolicy, ""));
  room->has_policy = state->Find(policy) != 0;
  room->committed = head;
  room->head = std::move(head);
  return room;
}

std::unique_ptr<LoadedRoom> LoadedRoom::Clone() const {
  auto copy = std::make_unique<LoadedRoom>();
  copy->head = head;
  copy->committed = committed;
  copy->current = current;
  copy->lineage = lineage;
  copy->has_policy = has_policy;
  copy->policy_members = policy_members;
  copy->new_keys = new_keys;
  copy->hot = hot;
  return copy;
}

size_t LoadedRoom::ByteSize() const {
  size_t bytes = HeapBlock(sizeof(LoadedRoom)) + HeapBytes(current) +
                 HeapBlock(lineage.capacity() * sizeof(Link)) +
                 FlatTableBytes(hot);
  for (const RoomHead* one : {&head, &committed}) {
    bytes += HeapBytes(one->room_id) + HeapBytes(one->creator) +
             HeapBytes(one->extremities);
  }
  for (const Link& link : lineage) bytes += HeapBytes(link.delta);
  for (const auto& [idx, event] : hot) {
    // What a cache holds too is charged there.
    if (event != nullptr && event.use_count() == 1) bytes += event->ByteSize();
  }
  return extra == nullptr ? bytes : bytes + extra->ByteSize();
}

LoadedRoom::NewSnap LoadedRoom::PushState(const StateDeltaEntry& change) {
  NewSnap made;
  made.parent = head.state;
  made.snap = ++head.last_snap;
  made.height = lineage.empty() ? 1 : lineage.back().height + 1;
  const uint32_t base_height = BaseHeightOf(made.height, head.last_key);
  // Newest first: what is nearer to the new state wins.
  std::vector<StateDeltaEntry> delta = {change};
  while (!lineage.empty() && lineage.back().height > base_height) {
    delta = Merge(lineage.back().delta, delta);
    lineage.pop_back();
  }
  made.base = lineage.empty() ? 0 : lineage.back().snap;
  if (made.base == 0) {
    std::erase_if(delta, [](const StateDeltaEntry& e) { return e.event == 0; });
  }
  made.delta = EncodeStateDelta(delta);
  lineage.push_back({made.snap, made.height, std::move(delta)});
  head.state = made.snap;
  if (change.key >= current.size()) current.resize(change.key + 1, 0);
  current[change.key] = change.event;
  return made;
}

}  // namespace matrixcore
